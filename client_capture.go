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

// Exchange is one attempt: the request as the SDK sent it, and the response. See
// [WithCapture].
//
// Unlike errors and logs, an Exchange contains the content of messages, addresses, ids
// and the Idempotency-Key. The responses to creating a webhook and to rotating its
// secret contain that secret. The headers Authorization, Cookie and Set-Cookie have the
// value "[redacted]"; all other headers are unchanged. Read an Exchange before you put
// it into a ticket.
type Exchange struct {
	Start    time.Time // of the attempt
	Duration time.Duration

	Method string
	Target string // the path and query, escaped, as on the wire
	// RequestHeader has the headers that the SDK set. A transport adds more, such as
	// Content-Length.
	RequestHeader http.Header
	// RequestBody is what the transport read of the body, at most the first 1 MiB.
	RequestBody []byte
	// RequestSize is how many bytes of the body the transport read.
	RequestSize int64

	StatusCode     int         // 0 if there was no response
	ResponseHeader http.Header // nil if there was no response
	// ResponseBody is the body after decompression, at most the first 1 MiB. It lacks the
	// content that [AttachmentService.Download] returns.
	ResponseBody []byte
	// ResponseSize is how many bytes of the body the SDK read. It reads at most 32 MiB.
	ResponseSize int64

	// Err says why there is no response, or only a part of one.
	Err error
}

// WithCapture appends an [Exchange] to exchanges for each attempt of the call, whether
// the call succeeds or fails. Use it for tickets to Nylas' support and for tests. A call
// that the SDK refuses before any I/O adds nothing. An Exchange does not show what a
// wrapper of [WithRoundTripper] changes.
//
// Each Exchange holds up to 2 MiB of bodies.
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
	c.receivesStream(resp)
	resp.Body = c.response.record(resp.Body)
}

// receivesStream records an answer whose body the caller will read.
func (c *capture) receivesStream(resp *http.Response) {
	if c == nil {
		return
	}
	c.exchange.StatusCode = resp.StatusCode
	c.exchange.ResponseHeader = withoutCredentials(resp.Header)
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
