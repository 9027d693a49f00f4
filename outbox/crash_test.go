package outbox_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

// crash returns an outbox on what the disk had at this moment, as the next process finds it.
func (w *world) crash() *outbox.Outbox {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "outbox.db")
	for _, ending := range []string{"", "-wal"} {
		content, err := os.ReadFile(w.path + ending)
		require.NoError(w.t, err)
		require.NoError(w.t, os.WriteFile(path+ending, content, 0o600))
	}
	box, err := outbox.Open(path)
	require.NoError(w.t, err)
	return box
}

// The process ends while a request is under way. The next one looks for its message first, and
// sends it only if it is not there and Nylas knows its key.
func TestAfterACrashInTheMiddleOfASend(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reached bool          // whether the request was carried out
		after   time.Duration // when the next process runs
		sends   int           // of the next process
		counts  outbox.Counts
	}{
		"sent":                    {reached: true, sends: 0, counts: outbox.Counts{Sent: 1}},
		"sent, hours before":      {reached: true, after: 3 * time.Hour, sends: 0, counts: outbox.Counts{Sent: 1}},
		"not sent":                {sends: 1, counts: outbox.Counts{Sent: 1, SecondMailPossible: 1}},
		"not sent, 54 min before": {after: 54 * time.Minute, sends: 1, counts: outbox.Counts{Sent: 1, SecondMailPossible: 1}},
		"not sent, 56 min before": {after: 56 * time.Minute, sends: 0, counts: outbox.Counts{Unknown: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				var next *outbox.Outbox
				ctx, end := context.WithCancel(t.Context())
				transport := w.nylas.HTTPClient().Transport
				client := w.newClient(nylas.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					next = w.crash()
					end()
					if tt.reached {
						return transport.RoundTrip(r)
					}
					return nil, errors.New("as if it had not gone out")
				})}))
				w.add(1)
				start := time.Now()
				require.ErrorIs(t, w.Run(ctx, client), context.Canceled)
				sends := w.sends()
				<-time.After(tt.after)
				require.NoError(t, next.Run(t.Context(), w.client))
				assert.Equal(t, tt.sends, w.sends()-sends)
				assert.GreaterOrEqual(t, time.Since(start), 5*time.Minute)
				counts, err := next.Progress(t.Context())
				require.NoError(t, err)
				assert.Equal(t, tt.counts, counts)
				assert.Len(t, w.nylas.Messages(), tt.counts.Sent)
				require.NoError(t, next.Close())
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A look takes longer than the wait for the next one. Nothing is sent before it has ended.
func TestWaitsForASlowLook(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{Before: nylastest.GatewayAnswer(http.StatusBadGateway), Times: 2},
			nylastest.Fault{Endpoint: nylastest.EndpointListMessages, Hold: func(context.Context) { <-time.After(time.Minute) }})
		w.add(1)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		require.ErrorIs(t, w.Run(ctx, w.client), context.DeadlineExceeded)
		var sends []time.Duration
		for _, r := range w.nylas.History().Requests {
			if r.Method == http.MethodPost {
				sends = append(sends, r.At.Sub(start).Truncate(time.Second))
			}
		}
		// The look at 30 s ends at 90 s and sends again. That of 60 s later finds nothing at once.
		assert.Equal(t, []time.Duration{0, 90 * time.Second, 150 * time.Second}, sends)
		assert.Len(t, w.nylas.Messages(), 1)
	}, outbox.WithWorkers(2), outbox.WithStay(), outbox.WithLookAfter(30*time.Second))
}
