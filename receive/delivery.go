package receive

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The values of [Delivery.Err], besides the errors of [events.Peek].
var (
	// ErrDeliveryEncoding means that the content could not be decompressed: it is damaged,
	// continues after its end, or is compressed in a way that [NewDelivery] does not know.
	ErrDeliveryEncoding = errors.New("receive: cannot decompress the delivery")
	// ErrDeliveryTooLarge means that the content is over 8 MiB when decompressed, or over
	// the limit of [WithMaxInflatedBytes].
	ErrDeliveryTooLarge = errors.New("receive: delivery is too large")
)

// Delivery is one notification as it was received and verified, not yet decoded. A store
// keeps Body, and makes the rest from it again with [NewDelivery], so that what it holds does
// not depend on today's types.
type Delivery struct {
	// ID is the id of the notification's envelope, by which duplicates are known. If the
	// body has no usable one, ID is "sha256:" and the hash of Body in hexadecimal digits. All
	// test events have one id on the wire, so NewDelivery adds random letters to it: they
	// are not duplicates of each other. ID is never empty.
	ID string
	// Type is the trigger, empty if the body has no usable one.
	Type events.Type
	// Body is the notification as JSON, or the bytes as received if Err is
	// [ErrDeliveryEncoding] or [ErrDeliveryTooLarge]. It belongs to the handler and is never
	// nil.
	Body []byte
	// ReceivedAt is when NewDelivery was called, or when a queue says that it took the
	// notification.
	ReceivedAt time.Time
	// Err says why the delivery cannot be decoded, if that is known already:
	// ErrDeliveryEncoding, ErrDeliveryTooLarge, ErrSNSEnvelope, or an error of
	// [events.Peek].
	Err error
}

// testEventID is the envelope's id of every test event: those that a Client's
// Webhooks.SendTestEvent asks for, and the Dashboard.
// https://developer.nylas.com/docs/reference/api/webhook-notifications/send_test_event/
const testEventID = "mock-id"

// NewDelivery makes a Delivery from the body of a notification: JSON, gzip, or base64 of gzip
// as in Amazon SNS. The bytes decide which of them it is. contentEncoding is what the
// transport says, such as "gzip" or ""; it matters only for the error if the body is none of
// them. NewDelivery never fails; what is wrong is in [Delivery.Err]. It keeps body.
func NewDelivery(body []byte, contentEncoding string) *Delivery {
	d, _ := newDelivery(body, contentEncoding, maxInflatedBytes, func(int64) error { return nil })
	return d
}

// newDelivery is NewDelivery with a limit for what is inflated. Before it takes
// memory for that it asks grow, whose error is the only one.
func newDelivery(body []byte, contentEncoding string, limit int64, grow func(by int64) error) (*Delivery, error) {
	if body == nil {
		body = []byte{} // a store would write nil as "no value"
	}
	d := &Delivery{ReceivedAt: time.Now()}
	var full, inflateErr, peekErr error
	d.Body, inflateErr = inflate(body, contentEncoding, limit, func(by int64) error {
		full = grow(by)
		return full
	})
	switch {
	case full != nil:
		return nil, full
	case inflateErr != nil:
		d.Body = body // plain perhaps, and then its id is as good as any
	}
	d.ID, d.Type, peekErr = events.Peek(d.Body)
	d.Err = cmp.Or(inflateErr, peekErr)
	if d.ID == testEventID {
		d.ID += ":" + rand.Text()
	}
	if d.ID == "" {
		sum := sha256.Sum256(d.Body)
		d.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	return d, nil
}

// Parse decodes the notification. The error is [Delivery.Err] or an error of [events.Parse].
func (d *Delivery) Parse() (*events.Notification, error) {
	if d.Err != nil {
		return nil, d.Err
	}
	return events.Parse(d.Body)
}
