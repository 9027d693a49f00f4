package nylastest_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// send makes one attempt of a send with a key, on a connection of its own, because
// net/http itself repeats such a request on one that was used before.
func (w *world) attempt() (answer, error) {
	w.server.HTTPClient().CloseIdleConnections()
	return w.try(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
}

func TestGatewayLosesTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.server.Inject(nylastest.Fault{
		Endpoint: nylastest.EndpointSend,
		Times:    2,
		After:    nylastest.GatewayAnswer(http.StatusGatewayTimeout),
	}))
	for range 2 {
		a, err := w.attempt()
		require.NoError(t, err)
		assert.Equal(t, http.StatusGatewayTimeout, a.status)
		assert.Equal(t, "text/html", a.header.Get("Content-Type"))
		assert.Contains(t, string(a.body), "504 Gateway Timeout")
		assert.Empty(t, a.header.Get("Idempotent-Response"), "the gateway knows nothing of it")
		assert.Len(t, w.server.Messages(), 1)
	}
	a, err := w.attempt()
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, "true", a.header.Get("Idempotent-Response"))
	assert.Len(t, w.server.Messages(), 1)
	assert.Equal(t, w.server.Messages()[0].ID, a.data()["id"])
}

func TestFailureInsideIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.server.Inject(nylastest.Fault{
		Endpoint: nylastest.EndpointSend,
		Inside:   nylastest.ErrorAnswer(http.StatusGatewayTimeout, "provider_error", "Provider request timed out."),
	}))
	for i := range 3 {
		a, err := w.attempt()
		require.NoError(t, err)
		a.refused(http.StatusGatewayTimeout, "provider_error", "Provider request timed out.")
		assert.Equal(t, i > 0, a.header.Get("Idempotent-Response") == "true", i)
	}
	assert.Empty(t, w.server.Messages())
}

func TestLostAnswerAndRateLimit(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]*nylastest.Answer{"at once": nylastest.Disconnect(), "mid body": nylastest.DisconnectMidBody()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			limited := nylastest.ErrorAnswer(http.StatusTooManyRequests, "nylas_rate_limit_exceeded", "Too many requests, please try again shortly.")
			later := nylastest.ErrorAnswer(http.StatusTooManyRequests, "nylas_rate_limit_exceeded", "Too many requests, please try again shortly.")
			later.Header.Set("Retry-After", "2")
			require.NoError(t, w.server.Inject(
				nylastest.Fault{Endpoint: nylastest.EndpointSend, After: lost},
				nylastest.Fault{Endpoint: nylastest.EndpointSend, Before: limited},
				nylastest.Fault{Endpoint: nylastest.EndpointSend, Before: later},
			))
			_, err := w.attempt()
			if name == "at once" {
				require.ErrorIs(t, err, io.EOF)
			} else {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
			assert.Len(t, w.server.Messages(), 1)
			for _, retryAfter := range []string{"", "2"} {
				a, err := w.attempt()
				require.NoError(t, err)
				a.refused(http.StatusTooManyRequests, "nylas_rate_limit_exceeded", "Too many requests, please try again shortly.")
				assert.Equal(t, retryAfter, a.header.Get("Retry-After"))
				assert.Empty(t, a.header.Get("Idempotent-Response"))
			}
			a, err := w.attempt()
			require.NoError(t, err)
			assert.Equal(t, "true", a.header.Get("Idempotent-Response"))
			assert.Len(t, w.server.Messages(), 1)
		})
	}
}

func TestFaultBeforeExecutesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.server.Inject(
		nylastest.Fault{Before: nylastest.Disconnect()},
		nylastest.Fault{Before: &nylastest.Answer{Status: http.StatusServiceUnavailable}},
	))
	_, err := w.attempt()
	require.ErrorIs(t, err, io.EOF)
	a, err := w.attempt()
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, a.status)
	assert.Empty(t, a.body)
	assert.Empty(t, w.server.Messages())
	a, err = w.attempt()
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, a.status)
	assert.Empty(t, a.header.Get("Idempotent-Response"), "nothing was remembered")
}

func TestFaultsAreOfTheirEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.server.Inject(
		nylastest.Fault{Endpoint: nylastest.EndpointListWebhooks, Before: nylastest.GatewayAnswer(502)},
		nylastest.Fault{Endpoint: nylastest.EndpointPixel, Inside: nylastest.GatewayAnswer(500)},
		nylastest.Fault{Endpoint: nylastest.EndpointLink, Inside: nylastest.GatewayAnswer(500)},
	))
	m := w.send()
	assert.Equal(t, http.StatusBadGateway, w.call(http.MethodGet, "/v3/webhooks/", nil).status)
	assert.Equal(t, http.StatusOK, w.call(http.MethodGet, "/v3/webhooks", nil).status)
	require.ErrorContains(t, w.recipient(m).Open(t.Context()), "status 500")
	require.NoError(t, w.recipient(m).Open(t.Context()))
	_, err := w.recipient(m).Click(t.Context(), 0)
	require.ErrorContains(t, err, "status 500")
}

func TestInjectRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ok := nylastest.GatewayAnswer(502)
	hold := func(context.Context) {}
	for want, fault := range map[string]nylastest.Fault{
		`no endpoint "POST /v3/send"`:   {Endpoint: "POST /v3/send", Before: ok},
		"negative Times":                {Times: -1, Before: ok},
		"no stage is set":               {Endpoint: nylastest.EndpointSend},
		"excludes the other stages":     {Before: ok, After: ok},
		"scheduled send answers nobody": {Endpoint: nylastest.EndpointScheduledSend, After: ok, Hold: hold},
		"queued send answers nobody":    {Endpoint: nylastest.EndpointQueuedSend, Before: ok},
		"no body to cut":                {Before: nylastest.DisconnectMidBody()},
		"use After":                     {Inside: nylastest.Disconnect()},
		"status 0":                      {After: &nylastest.Answer{}},
	} {
		require.ErrorContains(t, w.server.Inject(nylastest.Fault{Before: ok}, fault), want)
	}
	assert.Equal(t, http.StatusOK, w.call(http.MethodPost, w.sendPath(), mail()).status, "a good one beside a bad one is not added")
}

func TestHoldEndsWithTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ended := false
		require.NoError(t, w.server.Inject(nylastest.Fault{Hold: func(ctx context.Context) {
			<-ctx.Done()
			ended = true
		}}))
		failed := make(chan error)
		go func() {
			_, err := w.attempt()
			failed <- err
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- w.server.Close() }()
		require.Error(t, <-failed)
		require.NoError(t, <-closed)
		assert.True(t, ended)
		assert.Empty(t, w.server.Messages())
	})
}
