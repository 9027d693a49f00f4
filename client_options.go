package nylas

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A RequestOption changes one call.
type RequestOption interface {
	applyRequest(*requestConfig) error
}

type requestConfig struct {
	idempotencyKey string
	response       *Response
	timeout        time.Duration // 0 for that of the client or the call
	header         http.Header
	noRetry        bool
	exchanges      *[]Exchange
}

type requestOption func(*requestConfig) error

func (o requestOption) applyRequest(c *requestConfig) error { return o(c) }

// maxIdempotencyKeyBytes is Nylas' limit.
// https://developer.nylas.com/docs/v3/email/idempotent-send/
const maxIdempotencyKeyBytes = 256

// WithIdempotencyKey sets the key of a send instead of letting the SDK make one:
// 1 to 256 visible ASCII characters. Nylas carries out one request for each key
// and grant within an hour and answers the others with the first answer, errors
// included. Keep the key beside the message before sending, and a program that
// was stopped can send again without sending twice. A key made from the content
// alone suppresses a wanted second message.
//
// https://developer.nylas.com/docs/v3/email/idempotent-send/
func WithIdempotencyKey(key string) RequestOption {
	return requestOption(func(c *requestConfig) error {
		if key == "" || len(key) > maxIdempotencyKeyBytes ||
			strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("WithIdempotencyKey: want 1 to %d visible ASCII characters", maxIdempotencyKeyBytes)
		}
		c.idempotencyKey = key
		return nil
	})
}

// Response tells about the HTTP exchange of a call; see [WithResponse].
type Response struct {
	StatusCode int         // of the last answer, 0 if there was none
	Header     http.Header // of the last answer
	RequestID  string      // names the call to Nylas' support
	Attempts   int         // how many requests were made
	// IdempotencyKey is the key of the call, if it had one.
	IdempotencyKey string
	// Replayed tells that the answer was that to an earlier request with the key.
	Replayed bool
	// Tracking is what the policy of [WithTrackingPolicy] decided, one entry for each
	// kind that the request switched on; nil without a policy.
	Tracking []TrackingDecision
}

// WithResponse empties response when the call begins and fills it when the call
// ends, in an error too. After a call that the SDK refuses before any I/O it is
// empty.
func WithResponse(response *Response) RequestOption {
	return requestOption(func(c *requestConfig) error {
		if response == nil {
			return errors.New("WithResponse: the response is nil")
		}
		c.response = response
		return nil
	})
}

// An Option can be given to [NewClient], for all calls, and to one call.
type Option interface {
	ClientOption
	RequestOption
}

type timeoutOption struct{ limit time.Duration }

// WithTimeout limits each attempt of a call, including reading the answer. The defaults
// are 150 s for a send, which Nylas recommends because a self-hosted Exchange can take
// two minutes, 100 s for other calls that Nylas passes on to the mail provider, and 30 s
// for the rest. A limit that is given to [NewClient] applies to all calls, sends too; one
// that is given to a call takes precedence. A duration that is not positive is refused.
//
// An attempt that runs into the limit is repeated like any other that was not
// answered, and its error matches [os.ErrDeadlineExceeded]. A short limit does not
// stop a send, it only stops waiting for it. To limit a call with all its attempts
// and waits, use a context.
//
// https://developer.nylas.com/docs/v3/email/send-email/
func WithTimeout(limit time.Duration) Option { return timeoutOption{limit} }

func (o timeoutOption) applyClient(c *clientConfig) error   { return o.apply(&c.timeout) }
func (o timeoutOption) applyRequest(c *requestConfig) error { return o.apply(&c.timeout) }

func (o timeoutOption) apply(timeout *time.Duration) error {
	if o.limit <= 0 {
		return errors.New("WithTimeout: want a positive duration")
	}
	*timeout = o.limit
	return nil
}

// WithoutRetry makes one attempt, whatever the [RetryPolicy] of the Client says.
// It is for callers that repeat by themselves, such as a queue of jobs. One that
// sends keeps the key of the call, [Error.IdempotencyKey], and gives it to
// [WithIdempotencyKey] when it sends again.
func WithoutRetry() RequestOption {
	return requestOption(func(c *requestConfig) error {
		c.noRetry = true
		return nil
	})
}

// WithHeader adds a header to each attempt of a call, for a proxy or for tracing.
// The name is one of HTTP, the value printable ASCII. Given twice with a name, the
// last value counts. Refused are headers that the SDK sets itself, that describe
// the body, or that belong to a connection: Authorization, Content-Type, Host,
// Connection and their like.
func WithHeader(name, value string) RequestOption {
	return requestOption(func(c *requestConfig) error {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isTokenChar(r) }):
			return errors.New("WithHeader: the name is not that of a header")
		case slices.Contains(reservedHeaders(), canonical), strings.HasPrefix(canonical, "Content-"):
			return fmt.Errorf("WithHeader: %s belongs to the SDK or to the connection", canonical)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			return fmt.Errorf("WithHeader: the value of %s is not printable ASCII", canonical)
		}
		if c.header == nil {
			c.header = make(http.Header)
		}
		c.header.Set(canonical, value)
		return nil
	})
}

// reservedHeaders are those that a caller may not set, beside Content-….
func reservedHeaders() []string {
	return []string{
		// The SDK sets them, or reads the answer by what they ask for.
		"Authorization", "Accept", "Accept-Encoding", "Host", "Idempotency-Key", "Range", "User-Agent",
		// With it net/http repeats requests by itself.
		"X-Idempotency-Key",
		// They are between two ends of a connection: RFC 9110, section 7.6.1, and what
		// came before it. Expect changes when the body goes out.
		"Connection", "Expect", "Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	}
}

// isTokenChar reports whether a character can be in the name of a header: RFC
// 9110, section 5.6.2.
func isTokenChar(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
