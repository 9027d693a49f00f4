package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/nylastest"
)

// The webhook and the other routes work, and the receiver can set its deadlines.
func TestBehindChi(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	p := program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		env := map[string]string{
			"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL(), "NYLAS_ADDR": "127.0.0.1:0",
			"NYLAS_SECRET_FILE": filepath.Join(t.TempDir(), "webhook.json"),
		}
		return run(ctx, func(name string) string { return env[name] }, stdout)
	})
	p.Await("msg=request method=GET route=/webhooks/nylas status=200") // the challenge
	p.Await("msg=ready")

	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hello</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: "l-1"},
	})
	require.NoError(t, err)
	kim, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, kim.Open(t.Context()))
	server.RequireDelivered(t, nylastest.Wanted{Type: events.TypeMessageOpened, MessageID: message.ID})
	p.Await("msg=event type=message.opened message=" + message.ID + " label=l-1")
	p.Await("msg=request method=POST route=/webhooks/nylas status=200")

	answer, err := server.HTTPClient().Get(strings.Replace(p.URL(), "/webhooks/nylas", "/hello/kim", 1))
	require.NoError(t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, "hello kim\n", string(text))
	p.End()
	assert.NotContains(t, p.Output(), "level=WARN", "a middleware without Unwrap?")
	assert.NotContains(t, p.Output(), "challenge=")
}
