package otelnylas_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/receive"
)

const secret = "the-webhooks-secret"

func signed(method, body string) *http.Request {
	req := httptest.NewRequest(method, "/webhooks/nylas?challenge=a-challenge", strings.NewReader(body))
	req.Header.Set("X-Nylas-Signature", nylastest.Sign(secret, []byte(body)))
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	return req
}

const opened = `{"id":"n-1","type":"message.opened","data":{"object":{"message_id":"m-1"}}}`

func TestReceiverMeasuresEachAnswer(t *testing.T) {
	t.Parallel()
	s := newTelescope(t)
	var got trace.SpanContext
	receiver, err := receive.New(receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		got = trace.SpanContextFromContext(ctx)
		if d.ID == "n-2" {
			return errors.New("the store is full")
		}
		return nil
	}), receive.Secret(secret))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("example.com/webhooks/{tenant}", otelnylas.Receiver(receiver, s.options()...))
	unsigned := httptest.NewRequest(http.MethodPost, "/webhooks/nylas", strings.NewReader(opened))
	requests := []struct {
		req    *http.Request
		status int
		name   string
		attrs  string
	}{
		{signed("POST", opened), 200, "POST /webhooks/{tenant}", "http.request.method=POST http.response.status_code=200"},
		{unsigned, 401, "POST /webhooks/{tenant}", "http.request.method=POST http.response.status_code=401"},
		{signed("POST", strings.Replace(opened, "n-1", "n-2", 1)), 503, "POST /webhooks/{tenant}", "error.type=503 http.request.method=POST http.response.status_code=503"},
		{signed("GET", ""), 200, "GET /webhooks/{tenant}", "http.request.method=GET http.response.status_code=200"},
		{signed("HACK", ""), 405, "_OTHER /webhooks/{tenant}", "http.request.method=_OTHER http.response.status_code=405"},
	}
	var counts []string
	for i, r := range requests {
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, r.req)
		assert.Equal(t, r.status, recorder.Code)
		spans := s.spans.Ended()
		require.Len(t, spans, i+1)
		want := r.attrs + " http.route=/webhooks/{tenant} url.scheme=http"
		assert.Equal(t, r.name, spans[i].Name())
		assert.Equal(t, want, text(spans[i].Attributes()))
		assert.Equal(t, trace.SpanKindServer, spans[i].SpanKind())
		assert.Equal(t, r.status >= 500, spans[i].Status().Code == codes.Error)
		assert.False(t, spans[i].Parent().IsValid(), "anybody can send a traceparent")
		counts = append(counts, "1: "+want)
		if r.status == 503 {
			assert.Equal(t, spans[i].SpanContext(), got, "the handler is not in the span of its request")
		}
	}
	assert.ElementsMatch(t, counts, s.counts("http.server.request.duration"))
}

// A Receiver sets deadlines on the connection, which it finds by Unwrap.
func TestReceiverStillLimitsSlowBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, network := newTelescope(t), nylastest.NewNetwork()
		receiver, err := receive.New(receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil }), receive.Secret(secret))
		require.NoError(t, err)
		listener, err := network.Listen("app.test")
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- receive.Serve(ctx, listener, otelnylas.Receiver(receiver, s.options()...)) }()
		conn, err := network.DialContext(ctx, "tcp", "app.test:80")
		require.NoError(t, err)
		_, err = conn.Write([]byte("POST / HTTP/1.1\r\nHost: app.test\r\nX-Nylas-Signature: " + strings.Repeat("a", 64) + "\r\nContent-Length: 10\r\n\r\nslow"))
		require.NoError(t, err)
		answer := make([]byte, len("HTTP/1.1 408"))
		_, err = conn.Read(answer)
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1 408", string(answer))
		require.NoError(t, conn.Close())
		stop()
		require.NoError(t, <-served)
		assert.Equal(t, "POST", s.only().Name(), "without a mux there is no route")
		assert.Equal(t, "http.request.method=POST http.response.status_code=408 url.scheme=http", text(s.only().Attributes()))
		assert.Less(t, s.only().EndTime().Sub(s.only().StartTime()), 4*time.Second)
	})
}

func TestReceiverOfAnotherHandler(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"nothing", func(http.ResponseWriter, *http.Request) {}, "http.request.method=GET http.response.status_code=200 url.scheme=https"},
		{"text", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }, "http.request.method=GET http.response.status_code=200 url.scheme=https"},
		{"hint", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusOK) // net/http ignores it
		}, "http.request.method=GET http.response.status_code=404 url.scheme=https"},
		{"panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "error.type=panic http.request.method=GET url.scheme=https"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newTelescope(t)
			serve := func() {
				otelnylas.Receiver(tc.handler, s.options()...).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://app.test/", http.NoBody))
			}
			if tc.name == "panic" {
				assert.PanicsWithValue(t, http.ErrAbortHandler, serve)
			} else {
				serve()
			}
			assert.Equal(t, tc.want, text(s.only().Attributes()))
			assert.Equal(t, []string{"1: " + tc.want}, s.counts("http.server.request.duration"))
		})
	}
}
