package nylastest_test

import (
	"context"
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

func TestClientThatHangsUpDoesNotStopTheSend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
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
		close(release)
		synctest.Wait()
		a := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
		assert.Equal(t, http.StatusOK, a.status)
		assert.Equal(t, "true", a.header.Get("Idempotent-Response"))
		assert.Len(t, w.server.Messages(), 1)
	})
}
