package nylas_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// TestRateLimitOfMultipartSends: sends that are too large for JSON have a limit of
// their own, and count among all sends.
func TestRateLimitOfMultipartSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{}))
		large := markedMessage()
		large.Attachments = []nylas.Attachment{{Filename: "a.bin", Content: nylas.BytesContent(make([]byte, 3_000_000))}}
		for range 12 {
			_, err := client.Messages.Send(t.Context(), testGrant, large)
			require.ErrorIs(t, err, nylas.ErrForbidden)
		}
		assertEven(t, 10, w.waits())
		start := time.Now()
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		assert.Equal(t, 5*time.Millisecond, time.Since(start), "JSON does not wait for the limit of multipart")

		w = newWireAlways(answers(403, "{}"))
		client = w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.5}))
		for range 3 {
			_, err := client.Messages.Send(t.Context(), testGrant, large)
			require.ErrorIs(t, err, nylas.ErrForbidden)
			require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		}
		assertEven(t, 0.5, w.waits())
	})
}

// TestRateLimitOfAMultipartSendThatIsGivenUp: who is given up in the second lane
// holds up nobody, and took nothing from the first.
func TestRateLimitOfAMultipartSendThatIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newWireAlways(answers(403, "{}")).client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.1, MultipartSends: 0.1}))
		large := markedMessage()
		large.Attachments = []nylas.Attachment{{Filename: "a.bin", Content: nylas.BytesContent(make([]byte, 3_000_000))}}
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		_, err := client.Messages.Send(ctx, testGrant, large)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = client.Messages.Send(t.Context(), testGrant, large)
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.InDelta(t, 10, time.Since(start).Seconds(), 0.001)
	})
}

// TestRateLimitOfGrantCalls has the other calls of a grant pass beside its sends,
// and in a lane of each grant's own.
func TestRateLimitOfGrantCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.001, ApplicationCalls: 0.001}))
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		_, err := client.Webhooks.Get(t.Context(), testWebhook)
		require.ErrorIs(t, err, nylas.ErrForbidden)
		start := time.Now()
		_, err = client.Drafts.Get(t.Context(), testGrant, "d-1")
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.Zero(t, time.Since(start))

		client = w.client(t, nylas.WithRateLimit(nylas.RateLimits{GrantCalls: 0.5}))
		for _, grant := range []string{testGrant, "another-grant", testGrant} {
			_, err = client.Drafts.Get(t.Context(), grant, "d-1")
			require.ErrorIs(t, err, nylas.ErrForbidden)
		}
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}
