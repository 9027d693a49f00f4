package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/examples/internal/tunnel"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func start(t *testing.T, server *nylastest.Server, public string) *program.Program {
	t.Helper()
	return program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		env := map[string]string{
			"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL(), "NYLAS_ADDR": "127.0.0.1:0", "NYLAS_WEBHOOK_URL": public,
		}
		return run(ctx, func(name string) string { return env[name] }, stdout)
	})
}

// It works behind a tunnel, and leaves no webhook.
func TestBehindATunnel(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	public, lead := tunnel.Start(t)
	p := start(t, server, public)
	lead(p.URL())
	p.Await("msg=ready")
	require.Len(t, server.Webhooks(), 1)
	assert.Equal(t, public, server.Webhooks()[0].URL)

	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hello</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: "l-1"},
	})
	require.NoError(t, err)
	kim, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, kim.As(nylastest.Gmail()).Open(t.Context()))
	assert.Contains(t, p.Await("kind=open message="+message.ID+" label=l-1"), `verdict="gmail-proxy: human (medium)"`)
	require.NoError(t, server.Wait(t.Context()))
	p.End()
	assert.Empty(t, server.Webhooks())
}

// A run that was killed has left its webhook, whose secret nobody knows.
func TestAfterAKill(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	leads := make(chan http.Handler, 1) // to what the tunnel leads; requests wait while it is empty
	public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := <-leads
		leads <- handler
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(public.Close)
	killed, err := receive.New(receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil }), new(receive.MemorySecrets))
	require.NoError(t, err)
	leads <- killed
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	left, err := client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
		WebhookURL: public.URL + webhookPath, TriggerTypes: events.TrackingTypes(),
	})
	require.NoError(t, err)
	<-leads

	p := start(t, server, public.URL+webhookPath)
	local, err := url.Parse(p.URL())
	require.NoError(t, err)
	leads <- &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: local.Scheme, Host: local.Host}) }}
	p.Await("msg=ready webhook=" + left.ID)
	require.Len(t, server.Webhooks(), 1)
	p.End()
	assert.Empty(t, server.Webhooks())
}

// What goes wrong with tunnels is told in words that say what to do.
func TestSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	login := httptest.NewServer(http.RedirectHandler("https://login.example.com/", http.StatusFound))
	t.Cleanup(login.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	t.Cleanup(other.Close)
	for public, want := range map[string]string{
		closed.URL:                     "does the tunnel to 127.0.0.1:8080 run?",
		login.URL:                      "make the port public",
		other.URL:                      "something else answers",
		"https://a.ngrok-free.app/x":   "Nylas refuses addresses of ngrok",
		"example.com/webhooks/nylas":   "is not a URL such as https://",
		"http://[::1]:namedport/hooks": "is not a URL such as https://",
	} {
		require.ErrorContains(t, leadsHere(t.Context(), public, "127.0.0.1:8080"), want, public)
	}
}
