package events

import "cmp"

// LegacyMessageOpened is the data of a message.opened.legacy notification: a
// message that was sent through API v2 was opened. It has the shape of API v2.
//
// https://developer.nylas.com/docs/reference/notifications/message-tracking/message-opened-legacy/
type LegacyMessageOpened struct {
	GrantID string                        `json:"grant_id,omitzero"`
	Object  string                        `json:"object,omitzero"` // "message"
	Deltas  []Delta[LegacyOpenedMetadata] `json:"deltas"`
}

// LegacyMessageLinkClicked is the data of a message.link_clicked.legacy
// notification: a link of a message that was sent through API v2 was clicked. It has
// the shape of API v2.
//
// https://developer.nylas.com/docs/reference/notifications/message-tracking/message-link_clicked-legacy/
type LegacyMessageLinkClicked struct {
	GrantID string                             `json:"grant_id,omitzero"`
	Object  string                             `json:"object,omitzero"` // "message"
	Deltas  []Delta[LegacyLinkClickedMetadata] `json:"deltas"`
}

// LegacyThreadReplied is the data of a thread.replied.legacy notification: a message
// that was sent through API v2 got a reply. It has the shape of API v2.
//
// https://developer.nylas.com/docs/reference/notifications/message-tracking/thread-replied-legacy/
type LegacyThreadReplied struct {
	GrantID string                         `json:"grant_id,omitzero"`
	Object  string                         `json:"object,omitzero"` // "thread"
	Deltas  []Delta[LegacyRepliedMetadata] `json:"deltas"`
}

// Delta is one change in a legacy notification, which may hold several. Its
// ObjectData holds the events.
type Delta[M any] struct {
	Date       Timestamp     `json:"date,omitzero"`
	Object     string        `json:"object,omitzero"` // "metadata", or "message" for a reply
	Type       Type          `json:"type,omitzero"`   // without ".legacy"
	ObjectData ObjectData[M] `json:"object_data"`
}

// ObjectData is what a [Delta] changed. Its ids are those of API v2.
type ObjectData[M any] struct {
	AccountID   string `json:"account_id,omitzero"`
	ID          string `json:"id,omitzero"`
	NamespaceID string `json:"namespace_id,omitzero"`
	Object      string `json:"object,omitzero"` // "metadata", or "message" for a reply
	Metadata    M      `json:"metadata"`
	// Attributes is normally zero. In a reply it may have the thread that Metadata lacks.
	Attributes LegacyAttributes `json:"attributes,omitzero"`
}

// LegacyAttributes describes a message, in an [ObjectData].
type LegacyAttributes struct {
	ThreadID     string    `json:"thread_id,omitzero"`
	ReceivedDate Timestamp `json:"received_date,omitzero"`
}

// LegacyOpenedMetadata holds the opens of one message, in a [LegacyMessageOpened].
type LegacyOpenedMetadata struct {
	Count     Int    `json:"count"`
	MessageID string `json:"message_id"`       // of API v2
	Payload   string `json:"payload,omitzero"` // the label, in the words of API v2
	// Recents holds the last opens of the message. Nylas does not promise an order.
	Recents     []LegacyOpen `json:"recents,omitzero"`
	SenderAppID Text         `json:"sender_app_id,omitzero"`
	Timestamp   Timestamp    `json:"timestamp,omitzero"`
}

// LegacyOpen is one load of the tracking pixel of a message sent through API v2.
type LegacyOpen struct {
	// ID counts from 0 and is unique only within one Recents array.
	ID        Int       `json:"id"`
	IP        string    `json:"ip"`
	Timestamp Timestamp `json:"timestamp"`
	UserAgent string    `json:"user_agent"`
}

// LegacyLinkClickedMetadata holds the clicks in one message, in a
// [LegacyMessageLinkClicked].
type LegacyLinkClickedMetadata struct {
	LinkData  []LinkData `json:"link_data,omitzero"`
	MessageID string     `json:"message_id"`       // of API v2
	Payload   string     `json:"payload,omitzero"` // the label, in the words of API v2
	// Recents holds the last clicks. Nylas does not promise an order.
	Recents     []LegacyClick `json:"recents,omitzero"`
	SenderAppID Text          `json:"sender_app_id,omitzero"`
	Timestamp   Timestamp     `json:"timestamp,omitzero"`
}

// LegacyClick is one visit to a tracked link of a message sent through API v2.
type LegacyClick struct {
	// ID counts from 0 and is unique only within one Recents array.
	ID        Int       `json:"id"`
	IP        string    `json:"ip"`
	LinkIndex Int       `json:"link_index"` // counted from 0; see Link for the URL
	Timestamp Timestamp `json:"timestamp"`
	UserAgent string    `json:"user_agent"`
}

// LegacyRepliedMetadata describes one reply, in a [LegacyThreadReplied].
type LegacyRepliedMetadata struct {
	// FromSelf reports whether the sender of the tracked message wrote the reply. It
	// is nil if Nylas did not say.
	FromSelf *bool `json:"from_self,omitzero"`
	// MessageID is the reply. The tracked message is ReplyToMessageID.
	MessageID        string    `json:"message_id"`
	Payload          string    `json:"payload,omitzero"` // the label, in the words of API v2
	ReplyToMessageID string    `json:"reply_to_message_id"`
	SenderAppID      Text      `json:"sender_app_id,omitzero"`
	ThreadID         string    `json:"thread_id,omitzero"`
	Timestamp        Timestamp `json:"timestamp,omitzero"`
}

// Latest returns the newest open in Recents, by time and then by id, or false
// if there is none. The order of Recents does not matter.
func (m *LegacyOpenedMetadata) Latest() (LegacyOpen, bool) {
	return latest(m.Recents, func(o LegacyOpen) (Timestamp, Int) { return o.Timestamp, o.ID })
}

// Latest returns the newest click in Recents, by time and then by id, or false
// if there is none. The order of Recents does not matter.
func (m *LegacyLinkClickedMetadata) Latest() (LegacyClick, bool) {
	return latest(m.Recents, func(c LegacyClick) (Timestamp, Int) { return c.Timestamp, c.ID })
}

// Link returns the link that a click of Recents was on, or false if the
// notification does not tell. See [MessageLinkClicked.Link].
func (m *LegacyLinkClickedMetadata) Link(click LegacyClick) (LinkData, bool) {
	return linkAt(m.LinkData, m.Recents, click, func(c LegacyClick) int64 { return int64(c.LinkIndex) })
}

// Label returns the label of the first delta that has one. API v2 called it payload.
func (d *LegacyMessageOpened) Label() string { return label(d) }

// Label returns the label of the first delta that has one. API v2 called it payload.
func (d *LegacyMessageLinkClicked) Label() string { return label(d) }

// Label returns the label of the first delta that has one. API v2 called it payload.
func (d *LegacyThreadReplied) Label() string { return label(d) }

func label(d Data) string {
	for _, message := range d.tracked() {
		if message.Label != "" {
			return message.Label
		}
	}
	return ""
}

func (d *LegacyMessageOpened) tracked() []Tracked      { return trackDeltas(d.Deltas) }
func (d *LegacyMessageLinkClicked) tracked() []Tracked { return trackDeltas(d.Deltas) }
func (d *LegacyThreadReplied) tracked() []Tracked      { return trackDeltas(d.Deltas) }

func trackDeltas[M any](deltas []Delta[M]) []Tracked {
	var all []Tracked
	for i := range deltas {
		all = append(all, deltas[i].tracked()...)
	}
	return all
}

func (d *Delta[M]) tracked() []Tracked {
	switch m := any(&d.ObjectData.Metadata).(type) {
	case *LegacyOpenedMetadata:
		return track(m.MessageID, "", m.Payload)
	case *LegacyLinkClickedMetadata:
		return track(m.MessageID, "", m.Payload)
	case *LegacyRepliedMetadata:
		return track(m.ReplyToMessageID, cmp.Or(m.ThreadID, d.ObjectData.Attributes.ThreadID), m.Payload)
	}
	return nil
}

// identified reports whether the delta says which message it is about.
func (d *Delta[M]) identified() bool {
	tracked := d.tracked()
	return len(tracked) == 1 && (tracked[0].MessageID != "" || tracked[0].ThreadID != "")
}
