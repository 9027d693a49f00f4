package receive

import (
	"errors"
	"fmt"
	"time"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// maxSNSBytes bounds an envelope. SNS takes 256 KB in a message, JSON makes at most
// six bytes of one of them, and the rest is short:
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html.
const maxSNSBytes = 2 << 20

var (
	// ErrSNSEnvelope is the [Delivery.Err] of a message without the envelope of Amazon SNS.
	// The usual cause is a subscription with raw message delivery: use [NewDelivery].
	ErrSNSEnvelope = errors.New("receive: not the envelope of an SNS notification: " +
		"if raw message delivery is enabled, use NewDelivery")
	// ErrSNSConfirmation means that the message asks to confirm the beginning or the end of
	// a subscription. It is not a notification; do not give it to a [Handler].
	ErrSNSConfirmation = errors.New("receive: SNS asks for a confirmation: " +
		"verify its signature, then visit its SubscribeURL to be subscribed")
)

// NewSNSDelivery makes a Delivery from a message of Amazon SNS in its envelope, as an SQS queue
// or an HTTPS endpoint receives it: JSON with the notification in Message, and in
// MessageAttributes whether it is compressed. ReceivedAt is when SNS took the message.
//
// The error is [ErrSNSConfirmation] if the message is not a notification. Everything else
// that is wrong is in [Delivery.Err], as with [NewDelivery]: [ErrSNSEnvelope], or
// [ErrDeliveryTooLarge] above 2 MiB; Body is then the message as received. Handle that too, or
// it is lost.
//
// AWS Lambda wraps messages in an event: give it Records[i].body of an SQS event, and
// Records[i].Sns of an SNS event.
//
// For a subscription with raw message delivery, use NewDelivery with the text of the message.
//
// NewSNSDelivery does not check the signature that SNS adds for HTTPS endpoints; do that
// first, as the second page below says. A queue needs none: its policy says who may write to
// it.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/,
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html,
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func NewSNSDelivery(message []byte) (*Delivery, error) {
	if len(message) > maxSNSBytes {
		return unreadable(message, fmt.Errorf("%w: an SNS message of over %d bytes", ErrDeliveryTooLarge, maxSNSBytes)), nil
	}
	envelope := loose.Parse(message)
	switch envelope.Text("Type") {
	case "Notification":
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		return nil, ErrSNSConfirmation
	default:
		if envelope["Records"].Kind() == '[' {
			return unreadable(message, fmt.Errorf("%w: it is an AWS event: give body of each of its Records (SQS), or Sns (SNS), to NewSNSDelivery",
				ErrSNSEnvelope)), nil
		}
		return unreadable(message, ErrSNSEnvelope), nil
	}
	if envelope["Message"].Kind() != '"' {
		return unreadable(message, fmt.Errorf("%w: it has no Message", ErrSNSEnvelope)), nil
	}
	encoding := loose.Parse(loose.Parse(envelope["MessageAttributes"])["content_encoding"]).Text("Value")
	d := NewDelivery([]byte(envelope.Text("Message")), encoding)
	if at, err := time.Parse(time.RFC3339, envelope.Text("Timestamp")); err == nil {
		d.ReceivedAt = at
	}
	return d, nil
}

// unreadable makes a Delivery of an envelope that holds none.
func unreadable(message []byte, err error) *Delivery {
	d := NewDelivery(message, "")
	d.Err = err
	return d
}
