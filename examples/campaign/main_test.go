package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
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
		}[name]
	}
}

// rows are the lines of a table, with single spaces.
func rows(text string) string {
	return strings.TrimSpace(regexp.MustCompile(`(?m)^ +| +$`).ReplaceAllString(regexp.MustCompile(` +`).ReplaceAllString(text, " "), ""))
}

// The campaign is interrupted in the middle and run again: everybody gets one mail, and those
// who left none.
func TestInterruptAndResume(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	args := []string{"-rate", "200", "-file", filepath.Join(t.TempDir(), "campaign.db")}
	ctx, interrupt := context.WithCancel(t.Context())
	require.NoError(t, server.Inject(
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Times: 150, Hold: func(context.Context) {}},
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Hold: func(context.Context) { interrupt() }},
	))
	var first, second, bar strings.Builder
	require.NoError(t, run(ctx, args, env(server), &first, io.Discard))
	assert.Contains(t, first.String(), "Stopped. Run the same command again to go on.")
	sent := len(server.Messages())
	assert.GreaterOrEqual(t, sent, 150)
	assert.Less(t, sent, 160)

	require.NoError(t, run(t.Context(), args, env(server), &second, &bar))
	assert.Equal(t, "plan sent waiting unknown failed suppressed\n"+
		"free 247 0 0 0 3\ntrial 149 0 0 0 1\nteam 100 0 0 0 0", rows(second.String()))
	assert.Contains(t, bar.String(), "500/500")
	people := make(map[string]int)
	for _, m := range server.Messages() {
		people[m.To[0].Email]++
		label, ok := nylas.DecodeLabel(m.Tracking.Label)
		require.True(t, ok)
		assert.Equal(t, "spring", label["campaign"])
		assert.Contains(t, m.OriginalBody, "Hello "+m.To[0].Name)
		assert.Contains(t, m.OriginalBody, "for the "+label["plan"]+" plan")
	}
	assert.Len(t, people, 496)
	for email, n := range people {
		assert.Equal(t, 1, n, email)
	}
}

func TestRunsWithoutAnAccount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	people := filepath.Join(dir, "people.csv")
	require.NoError(t, os.WriteFile(people, []byte("id,name,email,plan,unsubscribed\n1,Kim,kim@example.org,team,\n"), 0o600))
	none := func(string) string { return "" }
	args := []string{"-csv", people, "-file", filepath.Join(dir, "campaign.db")}
	for range 2 { // the second start finds the mail, and the emulator
		var stdout strings.Builder
		require.NoError(t, run(t.Context(), args, none, &stdout, io.Discard))
		assert.Equal(t, "plan sent waiting unknown failed suppressed\nteam 1 0 0 0 0", rows(stdout.String()))
	}
}

func TestSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := func(string) string { return "" }
	file := filepath.Join(dir, "campaign.db")
	empty := filepath.Join(dir, "empty.csv")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.ErrorContains(t, run(t.Context(), []string{"-file", file, "-csv", empty}, none, io.Discard, io.Discard), "want a CSV file")
	require.ErrorIs(t, run(t.Context(), []string{"-file", file, "-csv", filepath.Join(dir, "none.csv")}, none, io.Discard, io.Discard), os.ErrNotExist)
	require.ErrorContains(t, run(t.Context(), []string{"-nonsense"}, none, io.Discard, io.Discard), "not defined")
	require.NoError(t, run(t.Context(), []string{"-h"}, none, io.Discard, io.Discard))
	server := nylastest.NewServer(t, nylastest.WithTrial())
	require.ErrorIs(t, run(t.Context(), []string{"-file", file}, env(server), io.Discard, io.Discard), nylas.ErrTrackingNotAllowed)
}
