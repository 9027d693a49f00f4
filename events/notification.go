package events

import (
	"encoding/json"
	"errors"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// Notification is one webhook notification. It has the envelope that all triggers
// share, and the decoded data of its own trigger.
//
// https://developer.nylas.com/docs/reference/notifications/
type Notification struct {
	SpecVersion string // "1.0"
	Type        Type   // the trigger, with its suffixes
	Source      string // such as "/com/nylas/tracking"
	// ID is the same in all attempts to deliver the notification. Recognise
	// duplicates by it and by nothing else.
	ID   string
	Time Timestamp
	// DeliveryAttempt counts from 1 to 3; 0 if Nylas did not say.
	DeliveryAttempt int
	ApplicationID   string
	// GrantID is empty for triggers without a grant, such as those of transactional
	// mail.
	GrantID string
	// Data is one of *MessageOpened, *MessageLinkClicked, *ThreadReplied, their
	// Legacy forms, *MessageSendSuccess, *MessageSendFailed,
	// *MessageBounceDetected, *MessageTransactionalBounced, ...Complaint,
	// ...Delivered, ...Rejected, *MessageBounced, *MessageComplaint,
	// *MessageDelivered, *MessageRejected, *GrantCreated, ...Updated, ...Deleted,
	// ...Expired, *AlertTriggered, or *Unknown. Parse never leaves it nil.
	Data Data
	// Odd names the members that could not be read, such as
	// "data.object.recents.0.timestamp". They are left at their zero values; Raw has
	// them as they came. An event or a legacy delta that could not be read is left out.
	// Odd has at most [MaxOdd] paths. MarshalJSON ignores it.
	Odd []string
	// Raw is the input of Parse itself, not a copy. MarshalJSON ignores it.
	Raw json.RawMessage
}

// Data is the decoded data of a notification. Only the pointers that
// [Notification.Data] lists implement it.
type Data interface {
	tracked() []Tracked
}

// Unknown is the data of a trigger for which this package has no struct. A later
// version may have one: switch on [Notification.Type] where that matters.
type Unknown struct {
	// Data is the data field of the envelope as it came, or nil if there was none.
	// After Parse it shares the memory of the input.
	Data json.RawMessage
}

func (*Unknown) tracked() []Tracked { return nil }

// Tracked identifies a sent message that a notification is about. See
// [Notification.Tracked].
type Tracked struct {
	MessageID string // an id of API v2 in a legacy notification
	ThreadID  string // for replies only
	Label     string // as given in tracking_options; API v2 called it payload
}

// Tracked returns the sent messages that the notification is about, or nil if it is
// about none or its data is [*Unknown]. It takes care of three traps in the JSON:
//   - A reply has a message id of its own beside that of the tracked message.
//   - A legacy notification may be about several messages.
//   - A legacy notification calls the label payload.
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
	case TypeGrantCreated:
		return new(GrantCreated)
	case TypeGrantUpdated:
		return new(GrantUpdated)
	case TypeGrantDeleted:
		return new(GrantDeleted)
	case TypeGrantExpired:
		return new(GrantExpired)
	case TypeAlertTriggered:
		return new(AlertTriggered)
	default:
		return nil
	}
}

// MarshalJSON writes the notification in the shape that Nylas publishes. It writes GrantID
// next to data.object, and a GrantID of Data within data.object.
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
	return jsonv2.Marshal(wire, loose.Options, jsonv2.Deterministic(true))
}

var errNilData = errors.New("events: data is a nil pointer")

// UnmarshalJSON does what [Parse] does, for encoding/json. It copies its input. By the
// convention of encoding/json, null changes nothing.
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
