package nylastest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func TestHandle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.Handle("/mailbox/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
	}))
	a := w.call(http.MethodDelete, "/mailbox/a/b", nil, "Authorization", "")
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, "DELETE /mailbox/a/b", string(a.body))
	assert.Equal(t, "Cannot GET /other", string(w.call(http.MethodGet, "/other", nil).body))
	assert.Equal(t, http.StatusOK, w.call(http.MethodGet, "/v3/webhooks", nil).status)
	assert.Panics(t, func() { w.server.Handle("GET /v3/webhooks", http.NotFoundHandler()) })
}

// A handler that never ends by itself ends with Close, whoever serves it.
func TestHandleEndsWithClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		causes := make(chan error, 2)
		w.server.Handle("/forever", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			causes <- context.Cause(r.Context())
		}))
		answer, err := w.server.HTTPClient().Do(w.request(http.MethodGet, "/forever", nil))
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		elsewhere := make(chan struct{})
		go func() {
			defer close(elsewhere)
			w.server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/forever", nil))
		}()
		synctest.Wait()
		require.NoError(t, w.server.Close())
		<-elsewhere
		first, second := <-causes, <-causes
		assert.True(t, errors.Is(first, nylastest.ErrClosed) || errors.Is(second, nylastest.ErrClosed), "%v, %v", first, second)
	})
}

// GET / is for humans; the rest is as before.
func TestFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.call(http.MethodGet, "/", nil, "Authorization", "")
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	assert.Contains(t, string(a.body), "A local Nylas that really tracks")
	assert.Contains(t, string(a.body), w.server.URL()+"/v3/")
	assert.NotContains(t, string(a.body), w.server.APIKey())
	assert.NotContains(t, string(a.body), "/mailbox/")
	w.server.Handle("/mailbox/", http.NotFoundHandler())
	assert.Contains(t, string(w.call(http.MethodGet, "/", nil).body), `href="/mailbox/"`)
	assert.Equal(t, http.StatusOK, w.call(http.MethodGet, "/nylastest/assets/page.css", nil).status)
	assert.Empty(t, w.call(http.MethodHead, "/", nil).body)
	assert.Equal(t, "Cannot POST /", string(w.call(http.MethodPost, "/", nil).body))
}
