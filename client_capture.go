package nylas

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// maxCapturedBytes bounds each body in an Exchange. All but messages with
// attachments are shorter.
const maxCapturedBytes = 1 << 20

// redactedHeader stands for the value of a header that is a secret.
const redactedHeader = "[redacted]"

// Exchange is one attempt as the SDK sent it and what came back; see
// [WithCapture].
//
// It holds what errors and logs never do: the content of messages, addresses,
// ids, the Idempotency-Key, and in the answers to creating a webhook and rotating
// its secret that secret. The headers Authorization, Cookie and Set-Cookie have the
// value "[redacted]", others of [WithHeader] are as they were given. Look through
// it before it goes into a ticket.
type Exchange struct {
	Start    time.Time // of the attempt
	Duration time.Duration

	Method string
	Target string // the path and query, escaped, as on the wire
	// RequestHeader is what the SDK set. A transport adds some, such as
	// Content-Length.
	RequestHeader http.Header
	// RequestBody is what was read to be sent, at most 1 MiB of it.
	RequestBody []byte
	// RequestSize is how many bytes of the body were read to be sent.
	RequestSize int64

	StatusCode     int         // 0 if there was no answer
	ResponseHeader http.Header // nil if there was no answer
	// ResponseBody is the answer after decompression, at most 1 MiB of it.
	ResponseBody []byte
	// ResponseSize is how many bytes of the answer were read. The SDK reads up to 32 MiB.
	ResponseSize int64

	// Err says why there is no answer, or not a whole one.
	Err error
}

// WithCapture appends an [Exchange] to exchanges for each attempt of the call, in
// an error too: for tickets to Nylas' support, and for tests. A call that the SDK
// refuses before any I/O adds none. What a function given to [WithRoundTripper]
// changes is not seen.
//
// Capturing keeps up to 2 MiB for each attempt. It is off unless asked for.
func WithCapture(exchanges *[]Exchange) RequestOption {
	return requestOption(func(c *requestConfig) error {
		if exchanges == nil {
			return errors.New("WithCapture: the exchanges are nil")
		}
		c.exchanges = exchanges
		return nil
	})
}

// capture records one attempt. A nil capture records nothing.
type capture struct {
	exchange          Exchange
	request, response recorder
}

func (x *roundTrips) newCapture() *capture {
	if x.exchanges == nil {
		return nil
	}
	return &capture{}
}

// sends records a request that is about to be sent.
func (c *capture) sends(req *http.Request) {
	if c == nil {
		return
	}
	c.exchange.Method = req.Method
	c.exchange.Target = req.URL.RequestURI()
	c.exchange.RequestHeader = withoutCredentials(req.Header)
	if req.Body == nil || req.Body == http.NoBody { // anything else would make it a body of unknown length
		return
	}
	req.Body = c.request.record(req.Body)
	if reopen := req.GetBody; reopen != nil {
		req.GetBody = func() (io.ReadCloser, error) {
			body, err := reopen()
			if err != nil {
				return nil, err
			}
			return c.request.record(body), nil
		}
	}
}

// receives records an answer whose body is about to be read.
func (c *capture) receives(resp *http.Response) {
	if c == nil {
		return
	}
	c.exchange.StatusCode = resp.StatusCode
	c.exchange.ResponseHeader = withoutCredentials(resp.Header)
	resp.Body = c.response.record(resp.Body)
}

// keep adds the attempt to those of the call.
func (c *capture) keep(x *roundTrips, err error, start time.Time, took time.Duration) {
	if c == nil {
		return
	}
	c.exchange.Start, c.exchange.Duration, c.exchange.Err = start, took, err
	c.exchange.RequestBody, c.exchange.RequestSize = c.request.content()
	c.exchange.ResponseBody, c.exchange.ResponseSize = c.response.content()
	*x.exchanges = append(*x.exchanges, c.exchange)
}

func withoutCredentials(header http.Header) http.Header {
	header = header.Clone()
	for _, name := range []string{"Authorization", "Cookie", "Set-Cookie"} {
		if _, ok := header[name]; ok {
			header.Set(name, redactedHeader)
		}
	}
	return header
}

// recorder keeps the beginning of what is read from a body. A transport can
// still be reading a request when its answer is there.
type recorder struct {
	mu   sync.Mutex
	kept []byte
	size int64
}

// record returns body, recorded from its beginning.
func (r *recorder) record(body io.ReadCloser) io.ReadCloser {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept, r.size = nil, 0
	return &recordedBody{body, r}
}

func (r *recorder) add(p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size += int64(len(p))
	r.kept = append(r.kept, p[:min(len(p), maxCapturedBytes-len(r.kept))]...)
}

func (r *recorder) content() (kept []byte, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.kept), r.size
}

type recordedBody struct {
	io.ReadCloser
	recorder *recorder
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.recorder.add(p[:n])
	return n, err
}
