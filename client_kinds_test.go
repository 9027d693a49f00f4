package nylas_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// TestForbiddenHasManyCauses: what the text says of the cause is what Nylas says.
func TestForbiddenHasManyCauses(t *testing.T) {
	t.Parallel()
	err := send(t.Context(), newWire(t, answersFile(t, 403, "http/error.quarantine.403.json")).client(t))
	assertSentinels(t, err, nylas.ErrForbidden)
	assert.Equal(t, "nylas: send message: 403 provider_error: Microsoft has quarantined this tenant. "+
		"The tenant's administrator must resolve it with Microsoft."+textRequest+textNewKey, err.Error())
	assert.NotContains(t, err.Error(), "scope")
}

// TestPausedAccount: Nylas' pages say that sending fails until somebody has ended the
// pause, and do not show the answer. Waiting does not help, whatever the status is.
func TestPausedAccount(t *testing.T) {
	t.Parallel()
	const advice = ": stop sending from the Agent Account, and ask Nylas' support to end the pause"
	for _, tt := range []struct {
		status  int
		message string
		is      []error
	}{
		{400, "Sending is paused for this account.", []error{nylas.ErrSendingPaused, nylas.ErrInvalidRequest}},
		{403, "sending has been paused", []error{nylas.ErrSendingPaused, nylas.ErrForbidden}},
		{429, "Too many bounces: Sending PAUSED", []error{nylas.ErrSendingPaused}},
	} {
		t.Run(fmt.Sprint(tt.status), bubble(func(t *testing.T) {
			w := newWire(t, answers(tt.status, `{"request_id":"r-1","error":{"type":"api.x","message":"`+tt.message+`"}}`, "Retry-After", "5"))
			err := send(t.Context(), w.client(t))
			assertSentinels(t, err, tt.is...)
			assert.Contains(t, err.Error(), tt.message+" (request r-1)"+advice)
			assert.NotContains(t, strings.ToLower(err.Error()), "rate limit")
			assert.Contains(t, nylas.ErrSendingPaused.Error(), advice)
		}))
	}
	// A mailbox that is not synchronized for a while is another thing.
	err := &nylas.Error{StatusCode: 429, Message: "The account has been throttled or sync has been temporarily paused."}
	assertSentinels(t, err, nylas.ErrRateLimited)
}

// TestKeyThatIsPartOfAWord: a text without the key can still be read.
func TestKeyThatIsPartOfAWord(t *testing.T) {
	t.Parallel()
	const answer = `{"request_id":"req-1","error":{"type":"invalid_request_error","message":"the Idempotency-Key %s is in use: error in request_body"}}`
	for _, key := range []string{
		"request", "r", "e", "invalid", "error_", "quest", "Key", "Idempotency", "request_body_", "1", "req", "idempotent", "_", "-", "!",
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answers(400, fmt.Sprintf(answer, `\"`+key+`\"`)))
			err := send(t.Context(), w.client(t), nylas.WithIdempotencyKey(key))
			require.EqualError(t, err, `nylas: send message: 400 invalid_request_error: the Idempotency-Key "[…]" is in use: `+
				"error in request_body (request req-1)"+textNewKeyGiven)
		})
	}
	// What is no part of a word is removed anywhere.
	for _, text := range []string{"order-4711x", "grant_order-4711x", "xorder-4711xx", "order-4711x.", "Order: order-4711x"} {
		w := newWire(t, answers(400, fmt.Sprintf(answer, text)))
		err := send(t.Context(), w.client(t), nylas.WithIdempotencyKey("order-4711x"))
		assert.NotContains(t, err.Error(), "4711", text)
		assert.Contains(t, err.Error(), "[…]", text)
	}
	for _, text := range []string{"key=k-1,", "'k-1'", "(k-1)", "k-1", "k-1.", "a:k-1:b", "k-1 k-1", "ük-1 k-1"} {
		w := newWire(t, answers(400, fmt.Sprintf(answer, text)))
		err := send(t.Context(), w.client(t), nylas.WithIdempotencyKey("k-1"))
		assert.NotContains(t, strings.ReplaceAll(err.Error(), "ük-1", ""), "k-1", text)
	}
}
