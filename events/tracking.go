package events

import (
	"cmp"
	"slices"
)

// MessageOpened is the data of a message.opened notification. Nylas sends one when
// the recipient's mail client, or a machine on its behalf, loads the tracking pixel.
//
// https://developer.nylas.com/docs/reference/notifications/message-tracking/message-opened/
type MessageOpened struct {
	Object      string      `json:"object,omitzero"` // "message"
	GrantID     string      `json:"grant_id,omitzero"`
	MessageData MessageData `json:"message_data,omitzero"`
	MessageID   string      `json:"message_id"` // the tracked message
	Label       string      `json:"label,omitzero"`
	// Recents holds the last 50 opens of the message. Nylas does not promise an order.
	Recents     []Open    `json:"recents,omitzero"`
	SenderAppID Text      `json:"sender_app_id,omitzero"`
	Timestamp   Timestamp `json:"timestamp,omitzero"`
	// RecipientEmail is in no page of Nylas and normally empty: opens are counted by
	// message, not by recipient.
	RecipientEmail Address `json:"recipient_email,omitzero"`
}

// MessageData counts the opens of one message, in a [MessageOpened].
type MessageData struct {
	// Count is the number of opens that Nylas counted. It can be lower than the
	// number of events: Nylas counts only the first of several opens within one minute.
	Count     Int       `json:"count"`
	Timestamp Timestamp `json:"timestamp,omitzero"`
}

// Open is one load of a tracking pixel, in a [MessageOpened].
type Open struct {
	// OpenedID counts from 0 and is unique only within one Recents array.
	OpenedID  Int       `json:"opened_id"`
	IP        string    `json:"ip"`
	Timestamp Timestamp `json:"timestamp"`
	UserAgent string    `json:"user_agent"`
}

// MessageLinkClicked is the data of a message.link_clicked notification. Nylas sends
// one when a person or a machine follows a tracked link.
//
// https://developer.nylas.com/docs/reference/notifications/message-tracking/message-link_clicked/
type MessageLinkClicked struct {
	Object  string `json:"object,omitzero"` // "message"
	GrantID string `json:"grant_id,omitzero"`
	// LinkData lists tracked links of the message with their clicks so far. Use Link
	// to find the link of a click: LinkIndex may lie outside LinkData.
	LinkData  []LinkData `json:"link_data,omitzero"`
	MessageID string     `json:"message_id"` // the tracked message
	Label     string     `json:"label,omitzero"`
	// Recents holds the last 50 clicks. Nylas does not promise an order.
	Recents     []Click   `json:"recents,omitzero"`
	SenderAppID Text      `json:"sender_app_id,omitzero"`
	Timestamp   Timestamp `json:"timestamp,omitzero"`
	// RecipientEmail is in no page of Nylas and normally empty: clicks are counted by
	// message, not by recipient.
	RecipientEmail Address `json:"recipient_email,omitzero"`
}

// LinkData is a tracked link, in a [MessageLinkClicked] or its legacy form. Count is
// the number of clicks at the time of the notification.
type LinkData struct {
	Count Int    `json:"count"`
	URL   string `json:"url"` // the original URL, before tracking
}

// Click is one visit to a tracked link, in a [MessageLinkClicked].
type Click struct {
	// ClickID counts from 0 and is unique only within one Recents array.
	ClickID   Int       `json:"click_id"`
	IP        string    `json:"ip"`
	LinkIndex Index     `json:"link_index"` // see Link for the URL
	Timestamp Timestamp `json:"timestamp"`
	UserAgent string    `json:"user_agent"`
}

// ThreadReplied is the data of a thread.replied notification. Nylas sends one when a
// tracked message gets a reply. No page of Nylas has From, so normally it does not say
// who replied: read the message with the id MessageID for that.
//
// It has RootMessageID, ThreadID or both.
//
// https://developer.nylas.com/docs/reference/notifications/message-tracking/thread-replied/
type ThreadReplied struct {
	Object  string `json:"object,omitzero"` // "thread"
	GrantID string `json:"grant_id,omitzero"`
	// MessageID is the reply. The tracked message is RootMessageID.
	MessageID     string    `json:"message_id"`
	RootMessageID string    `json:"root_message_id"`
	Label         string    `json:"label,omitzero"`
	ReplyData     ReplyData `json:"reply_data,omitzero"`
	// ReplyToMessageID is the message that the reply answers: the tracked one or a
	// later one in its thread.
	ReplyToMessageID string `json:"reply_to_message_id,omitzero"`
	// FromSelf reports whether the sender of the tracked message wrote the reply. It
	// is nil if Nylas did not say.
	FromSelf    *bool     `json:"from_self,omitzero"`
	SenderAppID Text      `json:"sender_app_id,omitzero"`
	ThreadID    string    `json:"thread_id,omitzero"`
	Timestamp   Timestamp `json:"timestamp,omitzero"`
	// From is who replied, and RecipientEmail to whom the tracked message was sent.
	// Both are normally empty.
	From           []Participant `json:"from,omitzero"`
	RecipientEmail Address       `json:"recipient_email,omitzero"`
}

// ReplyData counts the replies in one thread, in a [ThreadReplied].
type ReplyData struct {
	Count Int `json:"count"`
}

// Latest returns the newest open in Recents, by time and then by id, or false
// if there is none. The order of Recents does not matter.
func (d *MessageOpened) Latest() (Open, bool) {
	return latest(d.Recents, func(o Open) (Timestamp, Int) { return o.Timestamp, o.OpenedID })
}

// Latest returns the newest click in Recents, by time and then by id, or false
// if there is none. The order of Recents does not matter.
func (d *MessageLinkClicked) Latest() (Click, bool) {
	return latest(d.Recents, func(c Click) (Timestamp, Int) { return c.Timestamp, c.ClickID })
}

// Link returns the link that a click of Recents was on. It returns false if the
// notification does not tell.
//
// Nylas does not document how LinkIndex and LinkData belong together, and LinkData
// may list all tracked links of the message or only the clicked one:
//   - With several links, Link returns the one at the position LinkIndex, and false
//     if there is none.
//   - With one link, Link returns it if all of Recents have the LinkIndex of click.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func (d *MessageLinkClicked) Link(click Click) (LinkData, bool) {
	return linkAt(d.LinkData, d.Recents, click, func(c Click) int64 { return int64(c.LinkIndex) })
}

func linkAt[C any](links []LinkData, recents []C, click C, index func(C) int64) (LinkData, bool) {
	at := index(click)
	if len(links) == 1 {
		another := slices.ContainsFunc(recents, func(c C) bool { return index(c) != at })
		if another {
			return LinkData{}, false
		}
		return links[0], true
	}
	if at < 0 || at >= int64(len(links)) {
		return LinkData{}, false
	}
	return links[at], true
}

func latest[E any](recents []E, order func(E) (Timestamp, Int)) (newest E, ok bool) {
	for i, element := range recents {
		at, id := order(element)
		newestAt, newestID := order(newest)
		if i == 0 || cmp.Or(at.Compare(newestAt.Time), cmp.Compare(id, newestID)) > 0 {
			newest = element
		}
	}
	return newest, len(recents) > 0
}

func (d *MessageOpened) tracked() []Tracked {
	return track(d.MessageID, "", d.Label)
}

func (d *MessageLinkClicked) tracked() []Tracked {
	return track(d.MessageID, "", d.Label)
}

func (d *ThreadReplied) tracked() []Tracked {
	return track(d.RootMessageID, d.ThreadID, d.Label)
}
