package receive

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
)

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
