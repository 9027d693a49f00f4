package nylas

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A RequestOption changes one call. A nil option has no effect.
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

// WithIdempotencyKey sets the Idempotency-Key of a send: 1 to 256 visible ASCII
// characters. Without it the SDK makes a random key.
//
// For an hour, Nylas carries out only one request with the same key and grant, unless
// the client of one disconnects before Nylas answers; see [ErrOutcomeUnknown]. It answers
// every other one with its first response, even if that is an error. Store the key and
// the content before you send: if the program stops, it can then send the same content
// again with the same key. Do not change the content under a key, for example by a new
// version of a template: Nylas refuses that with [ErrIdempotencyConflict], and an earlier
// request may have sent the message. Do not derive the key from the content alone, or the
// same mail cannot be sent twice on purpose.
//
// Calls that accept no Idempotency-Key refuse this option.
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

// Response has the details of a call's HTTP response; see [WithResponse].
type Response struct {
	StatusCode int         // of the last attempt, 0 if there was no response
	Header     http.Header // of the last attempt
	RequestID  string      // Nylas' support can look it up
	Attempts   int         // how many requests the SDK made
	// IdempotencyKey is the key of the call, if it had one.
	IdempotencyKey string
	// Mark is what the message can be found by with [MessageService.FindSent], if the
	// call had WithMark.
	Mark string
	// Replayed reports whether Nylas repeated its response to an earlier request with
	// the same key.
	Replayed bool
	// SecondMailPossible reports whether a send that succeeded may have sent the message
	// twice: an earlier attempt may have been carried out, and this response is not the
	// one to that attempt. Nylas forgets the key of a request whose client disconnected,
	// and does not say whether that request sent the mail. Look for the message if a
	// second mail does harm.
	//
	// https://developer.nylas.com/docs/changelogs/2026-09-28-send-imap-and-scheduler-fixes/
	SecondMailPossible bool
	// Tracking has the decisions of [WithTrackingPolicy], one for each kind of tracking
	// that the request turned on. It is nil without a policy.
	Tracking []TrackingDecision
}

// WithResponse fills response when the call ends, whether it succeeds or fails. The
// call first sets it to its zero value, and leaves it there if the SDK refuses the call
// before any I/O.
func WithResponse(response *Response) RequestOption {
	return requestOption(func(c *requestConfig) error {
		if response == nil {
			return errors.New("WithResponse: the response is nil")
		}
		c.response = response
		return nil
	})
}

// An Option can be given to [NewClient], where it applies to all calls, or to one call.
type Option interface {
	ClientOption
	RequestOption
}

type timeoutOption struct{ limit time.Duration }

// WithTimeout limits each attempt of a call, including reading the response. limit must
// be positive. The defaults are:
//
//   - 150 s for a send, as Nylas recommends: a self-hosted Exchange can take two minutes
//   - 100 s for other calls that Nylas passes on to the mail provider
//   - 30 s for all other calls
//
// A limit that is given to [NewClient] applies to all calls, including sends. A limit
// that is given to a call takes precedence.
//
// The SDK retries an attempt that exceeds the limit like any other attempt without a
// response. The error of the call then matches [os.ErrDeadlineExceeded]. To limit a call
// with all its attempts and waits, use a context.
//
// A short limit does not stop a send, and can lead to a second mail. At the limit the SDK
// disconnects, and Nylas then forgets the Idempotency-Key. It does not say whether the
// send goes on. If it does, the retry sends again, and [Response.SecondMailPossible] is
// set. Do not go below the default for sends.
//
// https://developer.nylas.com/docs/v3/email/send-email/
// https://developer.nylas.com/docs/changelogs/2026-09-28-send-imap-and-scheduler-fixes/
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

// WithoutRetry makes only one attempt, whatever the [RetryPolicy] of the Client says.
// Use it in programs that retry by themselves, such as a job queue. To send a message
// again, give [Error.IdempotencyKey] to [WithIdempotencyKey]. If [Response.Replayed] is
// false then, although an earlier call may have sent it, a second mail is possible.
func WithoutRetry() RequestOption {
	return requestOption(func(c *requestConfig) error {
		c.noRetry = true
		return nil
	})
}

// WithHeader adds a header to each attempt of a call, for a proxy or for tracing. The
// value must be printable ASCII. If a name is given twice, the last value counts.
//
// A call refuses headers that the SDK sets itself, that describe the body, or that
// belong to the connection, such as Authorization, Content-Type, Host and Connection.
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
