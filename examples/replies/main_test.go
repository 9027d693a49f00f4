package main

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/nylastest"
)

func send(t *testing.T, server *nylastest.Server, grantID, label string) *nylastest.Recipient {
	t.Helper()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), grantID, &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hello</p>",
		TrackingOptions: &nylas.TrackingOptions{ThreadReplies: true, Label: label},
	})
	require.NoError(t, err)
	kim, err := server.Recipient(message.ID)
	require.NoError(t, err)
	return kim
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	p := program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		env := map[string]string{
			"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL(), "NYLAS_ADDR": "127.0.0.1:0",
			"NYLAS_FILE": filepath.Join(t.TempDir(), "nylas.db"),
		}
		return run(ctx, func(name string) string { return env[name] }, stdout)
	})
	p.Await("msg=ready")
	kim := send(t, server, server.GrantID(), "c-1")
	_, err := kim.AutoReply(t.Context())
	require.NoError(t, err)
	assert.Contains(t, p.Await("route=wait"), "label=c-1")

	// The first attempt to read the answer fails, and the inbox tries again.
	require.NoError(t, server.Inject(nylastest.Fault{
		Endpoint: nylastest.EndpointGetMessage, Before: nylastest.ErrorAnswer(http.StatusForbidden, "forbidden", "no scope yet"),
	}))
	reply, err := kim.Reply(t.Context())
	require.NoError(t, err)
	assert.Contains(t, p.Await("route=sales"), "label=c-1 reply="+reply)
	assert.Empty(t, server.Faults())

	_, err = kim.AsSender().Reply(t.Context())
	require.NoError(t, err)
	require.NoError(t, kim.Bounce(t.Context(), "mailbox_unavailable"))
	p.Await("route=suppress address=true message=" + server.Messages()[0].ID + " reason=mailbox_unavailable")

	agent := send(t, server, server.AddAgentAccount("Ann", "ann@agents.example.org"), "c-2")
	require.NoError(t, agent.Bounce(t.Context(), "MailboxFull"))
	p.Await("route=suppress address=true message=" + server.Messages()[1].ID + " reason=MailboxFull")

	// A reply that is deleted before it was read goes to a person.
	require.NoError(t, server.Inject(nylastest.Fault{
		Endpoint: nylastest.EndpointGetMessage, Before: nylastest.ErrorAnswer(http.StatusNotFound, "not_found", "no such message"),
	}))
	_, err = send(t, server, server.GrantID(), "c-3").Reply(t.Context())
	require.NoError(t, err)
	assert.Regexp(t, "route=sales .* it was deleted", p.Await("label=c-3"))
	require.NoError(t, server.Wait(t.Context()))
	p.End()
	assert.NotContains(t, p.Output(), "kim@example.org")
	assert.Equal(t, 3, strings.Count(p.Output(), "msg=replied"), "the sender's own is none")
}
