package nylastest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
	assert.Equal(t, http.StatusOK, first.status)
	assert.Empty(t, first.header.Values("Idempotent-Response"))
	for range 2 {
		again := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
		assert.Equal(t, http.StatusOK, again.status)
		assert.Equal(t, []string{"true"}, again.header.Values("Idempotent-Response"))
		assert.Equal(t, string(first.body), string(again.body))
	}
	assert.Len(t, w.server.Messages(), 1)

	// Without a key, with another one, or on another grant it is another send.
	w.call(http.MethodPost, w.sendPath(), mail())
	w.call(http.MethodPost, w.sendPath(), mail())
	w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "K")
	other := w.server.AddGrant("Ada", "ada@acme.dev")
	w.call(http.MethodPost, "/v3/grants/"+other+"/messages/send", mail(), "Idempotency-Key", "k")
	assert.Len(t, w.server.Messages(), 5)
	// The same grant by its address is the same grant.
	again := w.call(http.MethodPost, "/v3/grants/ada@acme.dev/messages/send", mail(), "Idempotency-Key", "k")
	assert.Equal(t, "true", again.header.Get("Idempotent-Response"))
}

func TestReplayOfErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := mail(object{"to": nil})
	first := w.call(http.MethodPost, w.sendPath(), bad, "Idempotency-Key", "k")
	again := w.call(http.MethodPost, w.sendPath(), bad, "Idempotency-Key", "k")
	assert.Equal(t, http.StatusBadRequest, again.status)
	assert.Equal(t, "true", again.header.Get("Idempotent-Response"))
	assert.Equal(t, string(first.body), string(again.body))

	// What comes before the key is looked at is not remembered.
	w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k2", "Authorization", "Bearer x")
	w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k2", "Content-Type", "text/plain")
	w.call(http.MethodPost, "/v3/grants/x/messages/send", mail(), "Idempotency-Key", "k2")
	a := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k2")
	assert.Equal(t, http.StatusOK, a.status)
	assert.Empty(t, a.header.Get("Idempotent-Response"))
}

func TestIdempotencyKeyRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
	w.call(http.MethodPost, w.sendPath(), mail(object{"subject": "other"}), "Idempotency-Key", "k").
		refused(409, "api.invalid_idempotent_request", "The Idempotency-Key was already used with a different request.")
	w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", strings.Repeat("k", 257)).
		refused(400, "api.invalid_idempotency_key", "Idempotency-Key must be 256 characters or fewer.")
	a := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", strings.Repeat("k", 256))
	assert.Equal(t, http.StatusOK, a.status)
	assert.Len(t, w.server.Messages(), 2)
}

func TestIdempotencyKeyLivesAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		send := func() string {
			return w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k").header.Get("Idempotent-Response")
		}
		assert.Empty(t, send())
		pass(30 * time.Minute)
		assert.Equal(t, "true", send(), "a replay does not extend it")
		pass(30*time.Minute - time.Second)
		assert.Equal(t, "true", send())
		pass(time.Second)
		assert.Empty(t, send())
		assert.Len(t, w.server.Messages(), 2)
	})
}

func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		release := make(chan struct{})
		require.NoError(t, w.server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointSend,
			Hold: func(ctx context.Context) {
				select {
				case <-release:
				case <-ctx.Done():
				}
			},
		}))
		first := make(chan answer)
		go func() { first <- w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k") }()
		synctest.Wait()
		w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k").
			refused(409, "api.concurrent_idempotent_request", "A request with this Idempotency-Key is still in progress.")
		w.call(http.MethodPost, w.sendPath(), mail(object{"subject": "x"}), "Idempotency-Key", "k").
			refused(409, "api.invalid_idempotent_request", "The Idempotency-Key was already used with a different request.")
		pass(2 * time.Hour) // a key does not expire while its request runs
		w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k").
			refused(409, "api.concurrent_idempotent_request", "A request with this Idempotency-Key is still in progress.")
		close(release)
		a := <-first
		assert.Equal(t, http.StatusOK, a.status)
		assert.Empty(t, a.header.Get("Idempotent-Response"))
		assert.Len(t, w.server.Messages(), 1)
	})
}

// TestClientThatHangsUp has what Nylas' pages leave open: what becomes of the send, and
// of its key.
func TestClientThatHangsUp(t *testing.T) {
	t.Parallel()
	const running, repeated, byItself = "409", "200 true", "200 "
	for _, tt := range []struct {
		name         string
		readings     nylastest.Readings
		during       string // the answer to the same request while the send runs
		after        string // and when it has ended
		messages     int
		whileWaiting bool // a request during the send is made
	}{
		{name: "cleared", after: byItself, messages: 2},
		{name: "cleared, asked at once", whileWaiting: true, during: byItself, after: repeated, messages: 2},
		{name: "kept", readings: nylastest.Readings{KeepDisconnectedKey: true},
			whileWaiting: true, during: running, after: repeated, messages: 1},
		{name: "stopped", readings: nylastest.Readings{StopDisconnectedSend: true}, after: byItself, messages: 1},
		{name: "stopped and kept", readings: nylastest.Readings{KeepDisconnectedKey: true, StopDisconnectedSend: true},
			whileWaiting: true, during: running, after: running, messages: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nylastest.WithReadings(tt.readings))
				release := make(chan struct{})
				require.NoError(t, w.server.Inject(nylastest.Fault{
					Endpoint: nylastest.EndpointSend,
					Hold:     func(context.Context) { <-release },
				}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				request := w.request(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
				_, err := w.server.HTTPClient().Do(request.WithContext(ctx))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				synctest.Wait() // until the server has seen it

				ask := func() string {
					a := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
					if a.status == http.StatusConflict {
						a.refused(409, "api.concurrent_idempotent_request", "A request with this Idempotency-Key is still in progress.")
						return running
					}
					return fmt.Sprint(a.status, " ", a.header.Get("Idempotent-Response"))
				}
				if tt.whileWaiting {
					assert.Equal(t, tt.during, ask())
				}
				close(release)
				synctest.Wait()
				assert.Equal(t, tt.after, ask())
				assert.Len(t, w.server.Messages(), tt.messages)
				if tt.after == running {
					pass(2 * time.Hour)
					assert.Equal(t, running, ask())
				}
			})
		})
	}
}

// A send that has ended keeps its key, whatever becomes of its answer.
func TestDisconnectAfterTheSend(t *testing.T) {
	t.Parallel()
	for _, readings := range []nylastest.Readings{{}, {KeepDisconnectedKey: true}, {StopDisconnectedSend: true}} {
		w := newWorld(t, nylastest.WithReadings(readings))
		require.NoError(t, w.server.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, After: nylastest.Disconnect()}))
		request := w.request(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
		request.GetBody = nil // net/http would repeat it
		_, err := w.server.HTTPClient().Do(request)
		require.Error(t, err)
		a := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
		assert.Equal(t, "true", a.header.Get("Idempotent-Response"))
		assert.Len(t, w.server.Messages(), 1)
	}
}
