package nylas

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A RequestOption changes one call.
type RequestOption interface {
	applyRequest(*requestConfig) error
}

type requestConfig struct {
	idempotencyKey string
	response       *Response
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

// WithResponse fills response when the call ends, in an error too. A call that the
// SDK refuses before any I/O leaves it as it is.
func WithResponse(response *Response) RequestOption {
	return requestOption(func(c *requestConfig) error {
		if response == nil {
			return errors.New("WithResponse: the response is nil")
		}
		c.response = response
		return nil
	})
}
