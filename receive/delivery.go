package receive

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
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
	ErrDeliveryEncoding = errors.New("receive: cannot decompress the delivery")
	// ErrDeliveryTooLarge means that the content is over 8 MiB when inflated, or
	// over the limit of [WithMaxInflatedBytes].
	ErrDeliveryTooLarge = errors.New("receive: delivery is too large")
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
	if d.ID == "" {
		sum := sha256.Sum256(d.Body)
		d.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	return d, nil
}

// Parse decodes the notification. The error is [Delivery.Err] or one of
// [events.Parse].
func (d *Delivery) Parse() (*events.Notification, error) {
	if d.Err != nil {
		return nil, d.Err
	}
	return events.Parse(d.Body)
}

// MessageOrder is a key for engines that keep an order: the id of the message that
// was tracked, so that the events of one message are handled one after the other
// as they came. It is empty for a delivery that cannot be decoded or names no
// message.
//
// It decodes the delivery, which takes a few microseconds.
func MessageOrder(d *Delivery) string {
	n, err := d.Parse()
	if err != nil {
		return ""
	}
	for _, tracked := range n.Tracked() {
		if tracked.MessageID != "" {
			return tracked.MessageID
		}
	}
	return ""
}

func inflate(body []byte, contentEncoding string, limit int64, grow func(by int64) error) ([]byte, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(contentEncoding)); encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gunzip(body, limit, grow)
	case "gzip+base64":
		return gunzipText(body, limit, grow)
	default:
		return nil, fmt.Errorf("%w: its encoding is none of gzip, gzip+base64 and identity", ErrDeliveryEncoding)
	}
}

// gunzipText undoes what Nylas does for SNS, which takes text only.
func gunzipText(body []byte, limit int64, grow func(by int64) error) ([]byte, error) {
	compressed, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeliveryEncoding, err)
	}
	return gunzip(compressed, limit, grow)
}

// looksCompressed reports whether a body begins as gzip does.
// https://www.rfc-editor.org/rfc/rfc1952#page-5
func looksCompressed(body []byte) bool { return bytes.HasPrefix(body, []byte{0x1f, 0x8b}) }

// gzipReaders saves the 40 kB that each new reader allocates.
var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

func gunzip(body []byte, limit int64, grow func(by int64) error) ([]byte, error) {
	reader := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(reader)
	source := bytes.NewReader(body)
	if err := reader.Reset(source); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeliveryEncoding, err)
	}
	reader.Multistream(false)
	inflated, err := readGrowing(reader, announcedBytes(body), limit, false, grow)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, fmt.Errorf("%w: over %d bytes when inflated", ErrDeliveryTooLarge, limit)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrDeliveryEncoding, err)
	case source.Len() > 0:
		return nil, fmt.Errorf("%w: %d bytes follow its end", ErrDeliveryEncoding, source.Len())
	}
	return inflated, nil
}

const (
	// gzipTrailerBytes end a gzip member: the checksum and the length of the content.
	// https://www.rfc-editor.org/rfc/rfc1952
	gzipTrailerBytes = 8
	// maxDeflateRatio is what deflate can make of a byte.
	// https://zlib.net/zlib_tech.html
	maxDeflateRatio = 1032
)

// announcedBytes is the memory to begin with: one more than what the body says that
// it holds, to see the end as well, if it can hold that.
func announcedBytes(body []byte) int64 {
	const least = 512
	if len(body) < gzipTrailerBytes {
		return least
	}
	said := int64(binary.LittleEndian.Uint32(body[len(body)-4:])) + 1
	return max(least, min(said, maxDeflateRatio*int64(len(body))))
}
