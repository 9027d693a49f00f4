package riversink

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/riverqueue/river"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/undecodable"
	"github.com/nylastrack/nylas-go/receive"
)

// Kind is the kind of the jobs that hold deliveries, for River's lists and
// subscriptions. Their arguments are in JSON: id, type, received_at, and the body
// in base64.
const Kind = "nylas_delivery"

// deliveryArgs is a delivery as River keeps it. The body is in base64: jsonb
// would order its keys, and cannot hold every byte.
type deliveryArgs struct {
	ID         string       `json:"id" river:"unique"`
	Type       events.Type  `json:"type"` // for who looks at the table
	ReceivedAt time.Time    `json:"received_at"`
	Body       []byte       `json:"body"`
	Error      *storedError `json:"error,omitempty"`
}

var _ river.JobArgs = (*deliveryArgs)(nil)

// Kind is what River knows the job by.
func (*deliveryArgs) Kind() string { return Kind }

func newArgs(d *receive.Delivery) (*deliveryArgs, error) {
	if d == nil {
		return nil, errors.New("delivery is nil")
	}
	if d.ID == "" || !utf8.ValidString(d.ID) || strings.ContainsRune(d.ID, 0) {
		return nil, errors.New("the delivery's id is empty or no text: make deliveries with receive.NewDelivery")
	}
	if _, err := d.ReceivedAt.MarshalText(); err != nil {
		return nil, fmt.Errorf("the delivery's time: %w", err)
	}
	return &deliveryArgs{
		ID: d.ID, Type: d.Type, ReceivedAt: d.ReceivedAt, Body: d.Body, Error: storeError(d.Err),
	}, nil
}

// delivery makes the delivery again. Only what its body cannot tell is taken
// from beside it, so that what one version could not decode a later one may.
func (a *deliveryArgs) delivery() *receive.Delivery {
	d := receive.NewDelivery(a.Body, "")
	d.ID, d.ReceivedAt = a.ID, a.ReceivedAt
	if a.Error != nil && a.Error.Cause != "" {
		d.Err = a.Error
	}
	return d
}

// storedError is why a delivery cannot be decoded. It keeps what it matches for
// the errors that a body that is still compressed does not show again.
type storedError struct {
	Text  string `json:"text"`
	Cause string `json:"cause,omitempty"`
}

func storeError(err error) *storedError {
	if err == nil {
		return nil
	}
	return &storedError{Text: storable(err.Error()), Cause: undecodable.Name(err)}
}

func (e *storedError) Error() string { return e.Text }
func (e *storedError) Unwrap() error { return undecodable.Reason(e.Cause) }

// maxErrorBytes bounds the text of an error in the database, where it stays for
// each attempt.
const maxErrorBytes = 4 << 10

// storable makes a text that jsonb takes: without NUL, in UTF-8, and bounded.
func storable(text string) string {
	if len(text) > maxErrorBytes {
		text = text[:maxErrorBytes] + "..."
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}
