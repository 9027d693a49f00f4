package engagement

import (
	"net/netip"
	"time"

	"github.com/nylastrack/nylas-go/internal/label"
)

// Kind says what happened to a message.
type Kind string

// The kinds of events.
const (
	Open  Kind = "open"  // the tracking pixel was loaded
	Click Kind = "click" // a tracked link was followed
	Reply Kind = "reply" // the thread of the message got a reply
)

// Event is one open, click or reply. Whether a person was behind it is another
// question: see [Classifier].
type Event struct {
	// ID is the same in every notification that repeats the event, and differs between
	// events. It has 26 characters from A to Z and 2 to 7.
	ID   string
	Kind Kind
	// MessageID is the tracked message. It is empty for a reply whose notification
	// names the thread only.
	GrantID, MessageID, ThreadID, Label string
	// Time has a resolution of one second. It is the zero Time if Nylas gave none.
	Time time.Time
	// IP is the address that made the request, which may be that of a proxy. It is the
	// zero Addr if the notification has none that is an address.
	IP        netip.Addr
	UserAgent string
	// LinkIndex is the position of the link of a click in its message, counted from 0.
	// It is -1 if the event is no click or Nylas does not say.
	LinkIndex int
	// URL is where the link of a click leads, or empty if that cannot be known.
	URL string
	// URLInferred reports that URL was taken from the link_data of the notification,
	// whose order Nylas does not document, and not from [Sent.Links].
	URLInferred bool
	// ReplyID is the message that replied.
	ReplyID string
	// FromSelf reports that the sender of the tracked message wrote the reply.
	FromSelf bool
	// Automatic says of a reply whether a program wrote it, such as an absence notice.
	// The notification does not tell; the headers of the reply do: see
	// [AutomaticReply].
	Automatic Answer
	// Network is what [Classifier.Network] said of IP when the event was stored. A
	// store that shortens or drops addresses keeps it, so that events can be judged
	// again. It is empty if nobody asked.
	Network string
}

// Sent is what the program knows of a message that it sent. All but MessageID are
// optional; the more there is, the more can be said. See [Classifier.Message].
type Sent struct {
	GrantID, MessageID, Label, Subject string
	// At is when the message was sent.
	At time.Time
	// Links holds the targets of the links in the order of the body. With them, the URL
	// of a click is known and not inferred.
	Links []string
	// Recipients is how many people got the message: to, cc and bcc together. 0 means
	// unknown.
	Recipients int
}

// Campaign returns the campaign of the message: see [CampaignOf].
func (s Sent) Campaign() string { return CampaignOf(s.Label) }

// CampaignOf returns the campaign that a label names. Of a label of nylas.EncodeLabel, as
// SendMessageRequest.Each gives to each person's message, it is the value "campaign". If
// there is none, or the label is any other text, it is the label itself.
func CampaignOf(text string) string {
	values, _ := label.Decode(text)
	if campaign := values[label.Campaign]; campaign != "" {
		return campaign
	}
	return text
}
