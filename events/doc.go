// Package events decodes Nylas webhook notifications into Go values.
//
// A notification is the JSON that Nylas sends to a webhook. It tells of one or more
// events, such as the opens of a message. Call [Parse] and switch on the data:
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
// The package has a struct for opens, clicks and replies, for bounces, for the
// outcome of scheduled sends, for the delivery of transactional and agent-account
// mail, for the life of a grant, and for alerts of deliverability. The data of any other trigger is an [*Unknown], never an error.
//
// # What the decoder forgives
//
// The pages of Nylas disagree about the shape of a notification, and other programs
// send more shapes still. The decoder reads what is plainly meant:
//
//   - a number in a string, and a string given as a number
//   - a time in milliseconds, or in RFC 3339
//   - "true" and "false" as booleans
//   - an array of one element for the element, and an element for an array of one
//   - an address in place of a person, and a person in place of an address
//   - fields that stand in data or data.object_data instead of data.object
//   - null, missing and unknown fields, and invalid UTF-8, which becomes U+FFFD
//
// A member that it cannot read costs that member only: it is left at its zero value, and
// [Notification.Odd] names it.
//
// An open, click or reply that does not say which message it is about is an error: it
// would be an event of nothing.
//
// The decoder is strictest about the id and the type of a notification, because
// duplicates are recognised by the id. Both must be non-empty printable strings of
// at most [MaxIDBytes] bytes, and must be given exactly once.
//
// # Building payloads
//
// Every type marshals with encoding/json to the shape that Nylas publishes. Tests and
// emulators build notifications from the same structs:
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
