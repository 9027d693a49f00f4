package main

import (
	"context"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/nylastest"
)

func start(t *testing.T, secret string) *program.Program {
	t.Helper()
	return program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		return run(ctx, func(name string) string {
			return map[string]string{"NYLAS_WEBHOOK_SECRET": secret, "NYLAS_ADDR": "127.0.0.1:0"}[name]
		}, stdout)
	})
}

// The webhook is made while the program has no secret yet. What happens meanwhile comes once the
// program has been started with the secret.
func TestWebhookOfTheDashboard(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithRetryDelays(time.Second, time.Minute))
	leads := make(chan *url.URL, 1) // where the program listens; requests wait while it is empty
	lead := func(p *program.Program) {
		target, err := url.Parse(p.URL())
		require.NoError(t, err)
		leads <- target
	}
	public := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		target := <-leads
		leads <- target
		r.Out.URL = target.ResolveReference(&url.URL{RawQuery: r.In.URL.RawQuery})
	}})
	t.Cleanup(public.Close)

	first := start(t, "")
	lead(first)
	first.Await("make the webhook in the Dashboard")
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL())) // plays the Dashboard
	require.NoError(t, err)
	webhook, err := client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
		TriggerTypes: events.TrackingTypes(), WebhookURL: public.URL,
	})
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}},
		Body:            `<a href="https://acme.dev/demo">demo</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "l-1"},
	})
	require.NoError(t, err)
	kim, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, kim.WithIP("198.51.100.7").Open(t.Context()))
	require.Eventually(t, func() bool { return len(server.Deliveries()) > 0 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, 503, server.Deliveries()[0].Status)

	<-leads
	first.End()
	second := start(t, webhook.WebhookSecret)
	lead(second)
	second.Await("msg=opened message=" + message.ID + " label=l-1 ip=198.51.100.7")
	_, err = kim.Click(t.Context(), 0)
	require.NoError(t, err)
	second.Await("msg=clicked message=" + message.ID + " label=l-1 to=https://acme.dev/demo")
	_, err = kim.Reply(t.Context())
	require.NoError(t, err)
	second.Await("msg=replied message=" + message.ID)

	broken, err := nylastest.NewWebhookRequest(t.Context(), second.URL(), webhook.WebhookSecret, []byte("no JSON"))
	require.NoError(t, err)
	answer, err := public.Client().Do(broken)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, 200, answer.StatusCode)
	second.Await("msg=undecodable")
	second.End()
	assert.NotContains(t, second.Output(), webhook.WebhookSecret)
}
