package events

import (
	"encoding/json"
	"errors"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// Notification is one webhook notification: the envelope that all of them
// share, and the decoded data of its trigger.
//
// https://developer.nylas.com/docs/reference/notifications/
type Notification struct {
	SpecVersion string // "1.0"
	Type        Type   // the trigger, with its suffixes
	Source      string // such as "/com/nylas/tracking"
	// ID is the same in all attempts to deliver the notification: duplicates are
	// recognised by it, and by nothing else.
	ID   string
	Time Timestamp
	// DeliveryAttempt counts from 1 to 3; 0 if Nylas did not say.
	DeliveryAttempt int
	ApplicationID   string
	// GrantID is empty for triggers without a grant, such as transactional mail.
	GrantID string
	// Data is one of *MessageOpened, *MessageLinkClicked, *ThreadReplied, their
	// Legacy forms, *MessageSendSuccess, *MessageSendFailed,
	// *MessageBounceDetected, *MessageTransactionalBounced, ...Complaint,
	// ...Delivered, ...Rejected, *MessageBounced, *MessageComplaint,
	// *MessageDelivered, *MessageRejected, or *Unknown. Parse never leaves it nil.
	Data Data
	// Raw is the input of Parse itself, not a copy. It is not marshalled.
	Raw json.RawMessage
}

// Data is what a notification tells about. It is implemented by the pointers
// that [Notification.Data] lists and by nothing else.
type Data interface {
	tracked() []Tracked
}

// Unknown is the data of a trigger without a type of its own. A later version
// of this package may decode what is Unknown today: switch on
// [Notification.Type] where that matters.
type Unknown struct {
	// Data is the data member of the envelope as it came, nil if there was none.
	// After Parse it shares the memory of the input.
	Data json.RawMessage
}

func (*Unknown) tracked() []Tracked { return nil }

// Tracked identifies a sent message that a notification tells about.
type Tracked struct {
	MessageID string // of API v2 in a legacy notification
	ThreadID  string // for replies only
	Label     string // as given in tracking_options; API v2 called it payload
}

// Tracked returns the sent messages that the notification tells about. It
// removes three traps of the wire: the message id of a reply is not that of the
// tracked message, legacy notifications may hold several messages, and they
// call the label payload. It is nil for [*Unknown] data.
func (n *Notification) Tracked() []Tracked {
	if n.Data == nil {
		return nil
	}
	return n.Data.tracked()
}

func track(messageID, threadID, label string) []Tracked {
	t := Tracked{MessageID: messageID, ThreadID: threadID, Label: label}
	if t == (Tracked{}) {
		return nil
	}
	return []Tracked{t}
}

// newData returns an empty value for the data of a trigger, nil if this package
// has no type for it.
func newData(base Type) Data {
	switch base {
	case TypeMessageOpened:
		return new(MessageOpened)
	case TypeMessageLinkClicked:
		return new(MessageLinkClicked)
	case TypeThreadReplied:
		return new(ThreadReplied)
	case TypeLegacyMessageOpened:
		return new(LegacyMessageOpened)
	case TypeLegacyMessageLinkClicked:
		return new(LegacyMessageLinkClicked)
	case TypeLegacyThreadReplied:
		return new(LegacyThreadReplied)
	case TypeMessageSendSuccess:
		return new(MessageSendSuccess)
	case TypeMessageSendFailed:
		return new(MessageSendFailed)
	case TypeMessageBounceDetected:
		return new(MessageBounceDetected)
	case TypeMessageTransactionalBounced:
		return new(MessageTransactionalBounced)
	case TypeMessageTransactionalComplaint:
		return new(MessageTransactionalComplaint)
	case TypeMessageTransactionalDelivered:
		return new(MessageTransactionalDelivered)
	case TypeMessageTransactionalRejected:
		return new(MessageTransactionalRejected)
	case TypeMessageBounced:
		return new(MessageBounced)
	case TypeMessageComplaint:
		return new(MessageComplaint)
	case TypeMessageDelivered:
		return new(MessageDelivered)
	case TypeMessageRejected:
		return new(MessageRejected)
	default:
		return nil
	}
}

// MarshalJSON writes the notification in the published shape. Where both the
// envelope and the data can hold a grant id, each writes its own.
func (n Notification) MarshalJSON() ([]byte, error) {
	type ids struct {
		ApplicationID string `json:"application_id,omitzero"`
		GrantID       string `json:"grant_id,omitzero"`
	}
	wire := struct {
		SpecVersion     string    `json:"specversion"`
		Type            Type      `json:"type"`
		Source          string    `json:"source"`
		ID              string    `json:"id"`
		Time            Timestamp `json:"time"`
		DeliveryAttempt int       `json:"webhook_delivery_attempt,omitzero"`
		Data            any       `json:"data,omitzero"`
	}{n.SpecVersion, n.Type, n.Source, n.ID, n.Time, n.DeliveryAttempt, nil}
	own := ids{n.ApplicationID, n.GrantID}
	switch data := n.Data.(type) {
	case nil:
		wire.Data = own
	case *Unknown:
		if data != nil && data.Data != nil {
			wire.Data = data.Data
		}
	case *MessageSendSuccess:
		if data == nil {
			return nil, errNilData
		}
		wire.Data = struct {
			ids
			MessageSendSuccess
		}{own, *data}
	case *MessageSendFailed:
		if data == nil {
			return nil, errNilData
		}
		wire.Data = struct {
			ids
			MessageSendFailed
		}{own, *data}
	default:
		wire.Data = struct {
			ids
			Object any `json:"object"`
		}{own, data}
	}
	// Raw values came through a decoder that forgives what these options allow.
	return jsonv2.Marshal(wire, jsonv2.Deterministic(true), loose.Options)
}

var errNilData = errors.New("events: data is a nil pointer")

// UnmarshalJSON is [Parse] for encoding/json. It copies its input. As encoding/json
// wants it, null changes nothing.
func (n *Notification) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	parsed, err := Parse(slices.Clone(data))
	if err != nil {
		return err
	}
	*n = *parsed
	return nil
}
