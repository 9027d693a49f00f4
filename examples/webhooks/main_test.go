package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

const patience, pause = 10 * time.Second, 5 * time.Millisecond

// output is what the program logs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) await(t *testing.T, what string) string {
	t.Helper()
	var text string
	require.Eventually(t, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		text = o.text.String()
		return strings.Contains(text, what)
	}, patience, pause, "the program does not say %q", what)
	return text
}

// The program is started twice. It has two webhooks, and each hears what it subscribed to.
func TestTwoWebhooks(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	var program atomic.Pointer[url.URL] // where it listens, another port after each start
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(program.Load()) }})
	t.Cleanup(proxy.Close)
	public := proxy.URL
	env := map[string]string{
		"NYLAS_API_URL": server.URL(), "NYLAS_API_KEY": server.APIKey(), "NYLAS_PUBLIC_URL": public,
		"NYLAS_ADDR": "127.0.0.1:0", "NYLAS_FILE": filepath.Join(t.TempDir(), "nylas.db"),
	}
	for range 2 {
		ctx, stop := context.WithCancel(t.Context())
		out, done := new(output), make(chan error, 1)
		go func() {
			done <- run(ctx, func(name string) string { return env[name] }, slog.New(slog.NewTextHandler(out, nil)))
		}()
		_, addr, _ := strings.Cut(out.await(t, "msg=listening addr="), "msg=listening addr=")
		program.Store(&url.URL{Scheme: "http", Host: strings.Fields(addr)[0]})
		out.await(t, "msg=ready")

		message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hello</p>", TrackingOptions: &nylas.TrackingOptions{Opens: true},
		})
		require.NoError(t, err)
		recipient, err := server.Recipient(message.ID)
		require.NoError(t, err)
		require.NoError(t, recipient.Open(ctx))
		require.NoError(t, recipient.Bounce(ctx, "mailbox_unavailable"))
		out.await(t, "msg=opened message="+message.ID)
		out.await(t, "msg=bounced message="+message.ID+" reason=mailbox_unavailable")
		stop()
		require.NoError(t, <-done)

		var urls []string
		for webhook, err := range client.Webhooks.List(t.Context()) {
			require.NoError(t, err)
			urls = append(urls, strings.TrimPrefix(webhook.WebhookURL, public))
			want := map[string][]events.Type{"/webhooks/tracking": events.TrackingTypes(), "/webhooks/failures": events.FailureTypes()}
			assert.Equal(t, want[urls[len(urls)-1]], webhook.TriggerTypes)
		}
		assert.ElementsMatch(t, []string{"/webhooks/tracking", "/webhooks/failures"}, urls)
	}
}
