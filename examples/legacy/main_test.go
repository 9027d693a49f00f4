package main

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const patience, pause = 10 * time.Second, 5 * time.Millisecond

// An open of API v3 and the three notifications of API v2 give records of one kind. A repeated
// notification gives none.
func TestBothAPIs(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	file := filepath.Join(t.TempDir(), "webhook.json")
	p := program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		env := map[string]string{
			"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL(), "NYLAS_ADDR": "127.0.0.1:0", "NYLAS_SECRET_FILE": file,
		}
		return run(ctx, func(name string) string { return env[name] }, stdout)
	})
	store, err := receive.NewFileSecrets(file)
	require.NoError(t, err)
	var secret string
	require.Eventually(t, func() bool {
		state, err := store.Load(t.Context())
		if err == nil && state.Busy == "" && len(state.Secrets) > 0 {
			secret = state.Secrets[0].Value
		}
		return secret != ""
	}, patience, pause)
	assert.Subset(t, server.Webhooks()[0].Triggers, []events.Type{"message.opened", "message.opened.legacy", "message.link_clicked.legacy", "thread.replied.legacy"})

	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hello</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: "new"},
	})
	require.NoError(t, err)
	kim, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, kim.Open(t.Context()))
	server.RequireDelivered(t, nylastest.Wanted{Type: events.TypeMessageOpened})

	// The emulator sends nothing through API v2, so the test delivers what Nylas would.
	for _, trigger := range []events.Type{events.TypeLegacyMessageOpened, events.TypeLegacyMessageLinkClicked, events.TypeLegacyThreadReplied} {
		n := nylastest.NewNotification(trigger)
		for _, id := range []string{n.ID, n.ID + "-again"} {
			n.ID = id
			body, err := json.Marshal(n)
			require.NoError(t, err)
			request, err := nylastest.NewWebhookRequest(t.Context(), p.URL(), secret, body)
			require.NoError(t, err)
			answer, err := server.HTTPClient().Do(request)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode)
		}
	}
	p.End()
	var got []record
	for line := range strings.Lines(p.Output()) {
		if strings.HasPrefix(line, "{") {
			var r record
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			got = append(got, r)
		}
	}
	ids := map[string]bool{}
	for i := range got {
		assert.False(t, got[i].At.IsZero())
		ids[got[i].ID] = true
		got[i].ID, got[i].At = "", time.Time{}
	}
	assert.Len(t, ids, 4)
	const old, label = "18ac281f237c934b", "Testing Nylas tracking" // of NewNotification
	assert.Equal(t, []record{
		{API: "v3", Kind: engagement.Open, MessageID: message.ID, Label: "new"},
		{API: "v2", Kind: engagement.Open, MessageID: old, Label: label},
		{API: "v2", Kind: engagement.Click, MessageID: old, Label: label, URL: "https://www.example.com"},
		{API: "v2", Kind: engagement.Reply, MessageID: old, Label: label, ThreadID: "18ac281f237c9000", ReplyID: "18ac2900237c9111"},
	}, got)
}
