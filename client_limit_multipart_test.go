package nylas_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// TestRateLimitOfMultipartSends has a lane of their own for sends that are too
// large for JSON.
func TestRateLimitOfMultipartSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.001}))
		large := markedMessage()
		large.Attachments = []nylas.Attachment{{Filename: "a.bin", Content: nylas.BytesContent(make([]byte, 3_000_000))}}
		for range 12 {
			_, err := client.Messages.Send(t.Context(), testGrant, large)
			require.ErrorIs(t, err, nylas.ErrForbidden)
		}
		assertEven(t, 10, w.waits())
		start := time.Now()
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		assert.Zero(t, time.Since(start))
	})
}
