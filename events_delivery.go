package nylas

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// maxInflatedBytes bounds a notification after decompression. Nylas documents
// 1 MB before compression: https://developer.nylas.com/docs/v3/notifications/.
const maxInflatedBytes = 8 << 20

// The errors of [NewDelivery], beside those of [events.Peek].
var (
	// ErrDeliveryEncoding means that the content could not be inflated: it is damaged,
	// goes on after its end, or its encoding is none that [NewDelivery] knows.
	ErrDeliveryEncoding = errors.New("nylas: cannot decompress the delivery")
	// ErrDeliveryTooLarge means that the content is over 8 MiB when inflated.
	ErrDeliveryTooLarge = errors.New("nylas: delivery is too large")
)

// Delivery is one notification as it was received and verified, and not yet
// decoded. Stores keep Body and make the rest from it again with
// [NewDelivery], so that what they hold does not depend on today's types.
type Delivery struct {
	// ID is the id of the notification's envelope, by which duplicates are known.
	// If the body has no usable one, it is "sha256:" and the hash of Body in
	// hexadecimal digits. It is never empty.
	ID string
	// Type is the trigger; empty if the body has no usable one.
	Type events.Type
	// Body is the notification in JSON, or the bytes as received if Err is
	// [ErrDeliveryEncoding] or [ErrDeliveryTooLarge]. It belongs to the handler and is not used
	// again. It is never nil.
	Body []byte
	// ReceivedAt is when NewDelivery was called, or what a queue says of when it took
	// the notification.
	ReceivedAt time.Time
	// Err tells why the delivery cannot be decoded, where that is known
	// beforehand: ErrDeliveryEncoding, ErrDeliveryTooLarge, ErrSNSEnvelope, or an error
	// of [events.Peek].
	Err error
}

// NewDelivery makes a Delivery from the body of a notification. contentEncoding
// is that of the transport: "gzip", "gzip+base64" as in Amazon SNS, or "" and
// "identity" for a plain body. It never fails; what is wrong is in [Delivery.Err].
// It keeps body.
func NewDelivery(body []byte, contentEncoding string) *Delivery {
	if body == nil {
		body = []byte{} // a store would write nil as "no value"
	}
	d := &Delivery{Body: body, ReceivedAt: time.Now()}
	var inflateErr, peekErr error
	if d.Body, inflateErr = inflate(body, contentEncoding); inflateErr != nil {
		d.Body = body // plain perhaps, and then its id is as good as any
	}
	d.ID, d.Type, peekErr = events.Peek(d.Body)
	d.Err = cmp.Or(inflateErr, peekErr)
	if d.ID == "" {
		sum := sha256.Sum256(d.Body)
		d.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	return d
}

// Parse decodes the notification. The error is [Delivery.Err] or one of
// [events.Parse].
func (d *Delivery) Parse() (*events.Notification, error) {
	if d.Err != nil {
		return nil, d.Err
	}
	return events.Parse(d.Body)
}

func inflate(body []byte, contentEncoding string) ([]byte, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(contentEncoding)); encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gunzip(body)
	case "gzip+base64":
		return gunzipText(body)
	default:
		return nil, fmt.Errorf("%w: its encoding is none of gzip, gzip+base64 and identity", ErrDeliveryEncoding)
	}
}

// gunzipText undoes what Nylas does for SNS, which takes text only.
func gunzipText(body []byte) ([]byte, error) {
	compressed, err := base64.StdEncoding.AppendDecode(nil, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeliveryEncoding, err)
	}
	return gunzip(compressed)
}

// gzipReaders saves the 40 kB that each new reader allocates.
var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

func gunzip(body []byte) ([]byte, error) {
	reader := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(reader)
	source := bytes.NewReader(body)
	if err := reader.Reset(source); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeliveryEncoding, err)
	}
	reader.Multistream(false)
	var inflated bytes.Buffer
	_, err := inflated.ReadFrom(io.LimitReader(reader, maxInflatedBytes+1))
	switch {
	case inflated.Len() > maxInflatedBytes:
		return nil, fmt.Errorf("%w: over %d bytes when inflated", ErrDeliveryTooLarge, maxInflatedBytes)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDeliveryEncoding, err)
	case source.Len() > 0:
		return nil, fmt.Errorf("%w: %d bytes follow its end", ErrDeliveryEncoding, source.Len())
	}
	return inflated.Bytes(), nil
}
