package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

func env(server *nylastest.Server) func(string) string {
	return func(name string) string {
		return map[string]string{
			"NYLAS_API_URL": server.URL(), "NYLAS_API_KEY": server.APIKey(), "NYLAS_GRANT_ID": server.GrantID(),
			"NYLAS_TO": "kim@example.org",
		}[name]
	}
}

func TestSendsATrackedMessage(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	var stdout strings.Builder
	require.NoError(t, run(t.Context(), []string{"-label", "l-1", "-subject", "Hello"}, env(server), &stdout))

	messages := server.Messages()
	require.Len(t, messages, 1)
	assert.Equal(t, "sent message "+messages[0].ID+"\n", stdout.String())
	assert.Equal(t, "Hello", messages[0].Subject)
	assert.Equal(t, nylastest.Tracking{Opens: true, Links: true, ThreadReplies: true, Label: "l-1"}, messages[0].Tracking)
	assert.Len(t, messages[0].Links, 1)
}

func TestLooksBeforeSendingAgain(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	unreadable := &nylastest.Answer{Status: http.StatusOK, Body: "<html>"}
	require.NoError(t, server.Inject(
		nylastest.Fault{Endpoint: nylastest.EndpointSend, After: unreadable},
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Before: unreadable},
	))
	var stdout strings.Builder
	require.NoError(t, run(t.Context(), nil, env(server), &stdout))
	require.Len(t, server.Messages(), 1)
	assert.Equal(t, "sent message "+server.Messages()[0].ID+"\n", stdout.String())

	err := run(t.Context(), nil, env(server), &stdout)
	require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "look again before sending again")
	assert.Len(t, server.Messages(), 1)
}

func TestTrialAccountsCanSendWithoutTracking(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithTrial())
	var stdout strings.Builder
	err := run(t.Context(), nil, env(server), &stdout)
	require.ErrorIs(t, err, nylas.ErrTrackingNotAllowed)
	require.NoError(t, run(t.Context(), []string{"-tracking=false"}, env(server), &stdout))
	assert.Len(t, server.Messages(), 1)
}

func TestSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	require.ErrorContains(t, run(t.Context(), nil, none, nil), "use -to or NYLAS_TO")
	require.ErrorContains(t, run(t.Context(), []string{"-to", "kim@example.org"}, none, nil), "set NYLAS_GRANT_ID")
	grant := func(name string) string { return map[string]string{"NYLAS_GRANT_ID": "g-1"}[name] }
	require.ErrorContains(t, run(t.Context(), []string{"-to", "kim@example.org"}, grant, nil), "the API key is empty")
	require.ErrorContains(t, run(t.Context(), []string{"-nonsense"}, none, nil), "not defined")
}
