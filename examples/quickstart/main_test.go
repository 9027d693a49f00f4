package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/examples/internal/tunnel"
	"github.com/nylastrack/nylas-go/nylastest"
)

func noEnv(string) string { return "" }

func TestPrintsWhatTheReadmeShows(t *testing.T) {
	t.Parallel()
	var stdout strings.Builder
	require.NoError(t, run(t.Context(), noEnv, &stdout))

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, shown, found := strings.Cut(string(readme), "The first one prints, without an account:\n\n```\n")
	require.True(t, found)
	shown, _, _ = strings.Cut(shown, "```\n")
	assert.Equal(t, normalise(shown), normalise(stdout.String()))
}

// normalise takes out what differs from run to run.
func normalise(output string) string {
	output = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(output, "ADDR")
	output = regexp.MustCompile(`\d\d:\d\d:\d\d`).ReplaceAllString(output, "TIME")
	return regexp.MustCompile(`(message|reply) [0-9a-f]{16}`).ReplaceAllString(output, "$1 ID")
}

func TestHalfTheSettingsAreAnError(t *testing.T) {
	t.Parallel()
	env := func(name string) string {
		return map[string]string{"NYLAS_API_KEY": "k", "NYLAS_TO": "kim@example.org"}[name]
	}
	err := run(t.Context(), env, io.Discard)
	require.ErrorContains(t, err, "[NYLAS_API_KEY NYLAS_TO] is set, [NYLAS_GRANT_ID NYLAS_WEBHOOK_URL] is missing")
}

// With an account, events come from outside and the program runs until it is
// interrupted. An emulator stands in for Nylas, a proxy for the public URL.
func TestWithAnAccount(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	public, lead := tunnel.Start(t)
	env := map[string]string{
		"NYLAS_API_KEY": server.APIKey(), "NYLAS_GRANT_ID": server.GrantID(), "NYLAS_API_URL": server.URL(),
		"NYLAS_WEBHOOK_URL": public, "NYLAS_TO": "kim@example.org", "NYLAS_ADDR": "127.0.0.1:0",
	}

	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	reader, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, func(name string) string { return env[name] }, stdout)
		stdout.Close()
	}()
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "Listening":
			lead(strings.TrimSpace(rest))
		case "Waiting":
			recipient, err := server.Recipient(server.Messages()[0].ID)
			require.NoError(t, err)
			require.NoError(t, recipient.Open(ctx))
		case "message.opened":
			require.NoError(t, server.Wait(ctx))
			interrupt()
		case "Summary":
			assert.Equal(t, "1 opens, 0 clicks, 0 replies", strings.TrimSpace(rest))
		}
	}
	require.NoError(t, <-done)
}
