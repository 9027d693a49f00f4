package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/nylastest"
)

func request(t *testing.T, server *nylastest.Server, method, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	require.NoError(t, err)
	answer, err := server.HTTPClient().Do(req)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

func header(message nylastest.Message, name string) string {
	for _, h := range message.CustomHeaders {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// Kim agreed and is tracked, until she refuses. Lee was never asked.
func TestConsentAndRefusal(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	p := program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		env := map[string]string{
			"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL(), "NYLAS_ADDR": "127.0.0.1:0", "NYLAS_GRANT_ID": server.GrantID(),
			"NYLAS_SECRET_FILE": filepath.Join(t.TempDir(), "webhook.json"),
			"NYLAS_TO":          "lee@example.org,kim@example.org", "NYLAS_AGREED": "kim@example.org",
		}
		return run(ctx, func(name string) string { return env[name] }, stdout)
	})
	p.Await("tracked=true")
	require.Len(t, server.Messages(), 2)
	lee, kim := server.Messages()[0], server.Messages()[1]
	assert.Equal(t, nylastest.Tracking{}, lee.Tracking)
	assert.Empty(t, lee.PixelURL)
	assert.Equal(t, nylastest.Tracking{Opens: true, ThreadReplies: true}, kim.Tracking)
	refusal := strings.Trim(header(kim, "List-Unsubscribe"), "<>")
	assert.Contains(t, kim.Body, `href="`+refusal+`"`, "the link to refuse is not tracked")
	assert.Equal(t, "List-Unsubscribe=One-Click", header(kim, "List-Unsubscribe-Post"))

	recipient, err := server.Recipient(kim.ID)
	require.NoError(t, err)
	require.NoError(t, recipient.Open(t.Context()))
	p.Await("kind=open message=" + kim.ID)
	assert.Equal(t, http.StatusOK, request(t, server, http.MethodGet, refusal)) // a filter follows the link
	require.NoError(t, recipient.Open(t.Context()))
	server.RequireDelivered(t, nylastest.Wanted{Type: events.TypeMessageOpened, MessageID: kim.ID, Nth: 2})
	assert.Equal(t, 2, strings.Count(p.Output(), "kind=open"))

	// She refuses. The mail that she has is opened again, and nothing is kept of it.
	assert.Equal(t, http.StatusNotFound, request(t, server, http.MethodPost, refusal+"x"))
	assert.Equal(t, http.StatusOK, request(t, server, http.MethodPost, refusal))
	require.NoError(t, recipient.Open(t.Context()))
	server.RequireDelivered(t, nylastest.Wanted{Type: events.TypeMessageOpened, MessageID: kim.ID, Nth: 3})
	p.End()
	assert.Equal(t, 2, strings.Count(p.Output(), "kind=open"))
	assert.NotContains(t, p.Output(), "@example.org")
}

// After a refusal the next message is not tracked, and the events that were kept are gone. A
// refusal that comes while a message is sent counts for that message too.
func TestNextMessage(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	people := newPeople("https://acme.dev", []string{"kim@example.org"})
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()),
		nylas.WithTrackingPolicy(nylas.TrackingPolicy{Consent: people.consent, Unknown: nylas.ConsentDenied}))
	require.NoError(t, err)
	opened := func(messageID string) engagement.Change {
		n := nylastest.NewNotification(events.TypeMessageOpened)
		n.GrantID = server.GrantID()
		n.Data.(*events.MessageOpened).GrantID = server.GrantID()
		n.Data.(*events.MessageOpened).MessageID = messageID
		change, err := engagement.NewLedger(people.store).Apply(t.Context(), n)
		require.NoError(t, err)
		return change
	}
	send := func() nylastest.Message {
		require.NoError(t, people.send(t.Context(), client, server.GrantID(), "kim@example.org", slog.New(slog.DiscardHandler)))
		all := server.Messages()
		return all[len(all)-1]
	}
	refuse := func(message nylastest.Message) {
		req := httptest.NewRequest(http.MethodPost, refusalPath, http.NoBody)
		req.SetPathValue("token", strings.Trim(header(message, "List-Unsubscribe"), "<>")[len("https://acme.dev"+refusalPath):])
		recorder := httptest.NewRecorder()
		people.refuse(recorder, req)
		assert.Equal(t, http.StatusOK, recorder.Code)
	}
	first := send()
	assert.True(t, first.Tracking.Opens)
	assert.NotEmpty(t, opened(first.ID).New)
	kept, err := people.store.Events(t.Context(), server.GrantID(), first.ID)
	require.NoError(t, err)
	assert.NotEmpty(t, kept)
	refuse(first)
	kept, err = people.store.Events(t.Context(), server.GrantID(), first.ID)
	require.NoError(t, err)
	assert.Empty(t, kept)
	assert.True(t, opened(first.ID).Withdrawn)
	assert.False(t, send().Tracking.Opens)

	require.NoError(t, people.sent(t.Context(), "kim@example.org", &nylas.Message{GrantID: server.GrantID(), ID: "m-3"}))
	assert.True(t, opened("m-3").Withdrawn)
}
