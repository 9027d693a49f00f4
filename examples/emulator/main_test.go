package main

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

func TestPlaysTheRecipientOnCommand(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	stdin, commands := io.Pipe()
	output, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, nil, stdin, stdout)
		stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	next := func() string {
		require.True(t, lines.Scan())
		return lines.Text()
	}
	command := func(line string) string {
		_, err := io.WriteString(commands, line+"\n")
		require.NoError(t, err)
		return next()
	}

	settings := regexp.MustCompile(`^export NYLAS_API_URL=(\S+) NYLAS_API_KEY=(\S+) NYLAS_GRANT_ID=(\S+)$`).FindStringSubmatch(next())
	require.NotNil(t, settings)
	next()
	assert.Equal(t, "no message was sent yet", command("open"))

	client, err := nylas.NewClient(settings[2], nylas.WithBaseURL(settings[1]))
	require.NoError(t, err)
	_, err = client.Messages.Send(t.Context(), settings[3], &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}},
		Body:            `<a href="https://acme.dev/demo">demo</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	})
	require.NoError(t, err)
	assert.Equal(t, "open done", command("\nopen"))
	assert.Equal(t, "click done", command("click"))
	assert.Equal(t, "click done", command("click 0"))
	assert.Contains(t, command("click 7"), "7")
	assert.Equal(t, "click: want the index of a link", command("click here"))
	assert.Equal(t, "reply done", command("reply"))
	assert.Equal(t, "want open, click [index] or reply", command("forward"))

	require.NoError(t, commands.Close()) // without a terminal it goes on
	interrupt()
	require.NoError(t, <-done)
}

func TestTrial(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	output, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-trial"}, strings.NewReader(""), stdout)
		stdout.Close()
	}()
	lines := bufio.NewScanner(output)
	require.True(t, lines.Scan())
	settings := strings.Fields(strings.NewReplacer("NYLAS_API_URL=", "", "NYLAS_API_KEY=", "", "NYLAS_GRANT_ID=", "").Replace(lines.Text()))
	require.True(t, lines.Scan())
	client, err := nylas.NewClient(settings[2], nylas.WithBaseURL(settings[1]))
	require.NoError(t, err)
	_, err = client.Messages.Send(t.Context(), settings[3], &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}},
		TrackingOptions: &nylas.TrackingOptions{Opens: true},
	})
	require.ErrorIs(t, err, nylas.ErrTrackingNotAllowed)
	interrupt()
	require.NoError(t, <-done)
}
