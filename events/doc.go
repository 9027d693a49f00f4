// Package events decodes Nylas webhook notifications into Go values.
//
// It knows the six tracking triggers (opens, clicks and replies, each with its
// legacy form), bounces, the outcome of scheduled sends, and the delivery
// outcomes of transactional and agent-account mail. Everything else decodes to
// [*Unknown], never to an error.
//
//	n, err := events.Parse(body)
//	if err != nil {
//		return err
//	}
//	switch data := n.Data.(type) {
//	case *events.MessageOpened:
//		for _, open := range data.Recents {
//			fmt.Println(data.MessageID, open.Timestamp, open.UserAgent)
//		}
//	case *events.ThreadReplied:
//		fmt.Println("reply to", data.RootMessageID)
//	}
//
// # What the decoder forgives
//
// Nylas' own pages disagree about the shape of a notification, so the decoder
// is lenient where they do: ids, indexes, counts and times may be numbers or
// numeric strings, arrays and objects may be null, fields may be missing, unknown
// fields are skipped, and invalid UTF-8 inside a string is replaced by U+FFFD. A
// field of any other type than these is an error that names it: half an event
// would look like a whole one.
//
// It is strictest about the identity of a notification: the envelope's id and
// type must be printable, non-empty strings of at most [MaxIDBytes] bytes, given
// exactly once, because ids are what duplicates are recognised by.
//
// # Building payloads
//
// Every type marshals back to the published shape with encoding/json, so tests
// and emulators can build notifications from the same structs:
//
//	body, err := json.Marshal(events.Notification{
//		SpecVersion: "1.0",
//		Type:        events.TypeMessageOpened,
//		ID:          "n-1",
//		Time:        events.At(time.Now()),
//		Data:        &events.MessageOpened{MessageID: "18ac281f237c934b"},
//	})
//
// The package has no network, no clock and no state. The wire is described at
// https://developer.nylas.com/docs/reference/notifications/ and
// https://developer.nylas.com/docs/v3/email/message-tracking/.
package events
