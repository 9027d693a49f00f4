package receive

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// maxCompressions is how many times a body may be compressed, one in the other. A proxy can
// add one to that of Nylas; a hostile body can go on without an end.
const maxCompressions = 2

// inflate undoes the compression that the bytes have. What the transport says of it is only
// a hint: queues lose it, and proxies write one that is not true.
func inflate(body []byte, contentEncoding string, limit int64, grow func(by int64) error) (content []byte, err error) {
	content = body
	for times := 0; ; times++ {
		start := bytes.TrimLeft(content, " \t\r\n")
		binary, text := looksCompressed(content), bytes.HasPrefix(start, []byte(gzipTextPrefix))
		switch {
		case times == maxCompressions && (binary || text):
			return nil, fmt.Errorf("%w: it is compressed more than %d times", ErrDeliveryEncoding, maxCompressions)
		case binary:
			content, err = gunzip(content, limit, grow)
		case text:
			content, err = gunzipText(content, limit, grow)
		case times > 0, bytes.HasPrefix(start, []byte("{")), !saysCompressed(contentEncoding):
			return content, nil
		default:
			return nil, fmt.Errorf("%w: it is neither JSON nor gzip, and its encoding says that it is compressed", ErrDeliveryEncoding)
		}
		if err != nil {
			return nil, err
		}
	}
}

// gzipTextPrefix is how gzip begins in base64: its two first bytes, and deflate.
const gzipTextPrefix = "H4sI"

// plainEncodings are values of Content-Encoding, right ones and wrong ones, that say that
// nothing is compressed. Some gateways write a charset or a Content-Transfer-Encoding there.
var plainEncodings = []string{"", "identity", "none", "utf-8", "7bit", "8bit", "binary"}

// saysCompressed reports whether one of a list of encodings names a compression.
func saysCompressed(contentEncoding string) bool {
	for encoding := range strings.SplitSeq(contentEncoding, ",") {
		if !slices.Contains(plainEncodings, strings.ToLower(strings.TrimSpace(encoding))) {
			return true
		}
	}
	return false
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
	first := min(announcedBytes(body), limit)
	if err := grow(first); err != nil {
		return nil, err
	}
	inflated, err := readGrowing(make([]byte, 0, first), reader, limit, false, grow)
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
