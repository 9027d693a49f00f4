package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/examples/internal/tunnel"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

// setting is where the program runs.
type setting struct {
	schema string
	env    map[string]string
}

func (s setting) run(ctx context.Context, stdout io.Writer, args ...string) error {
	args = append([]string{args[0], "-schema", s.schema}, args[1:]...)
	return run(ctx, args, func(name string) string { return s.env[name] }, stdout)
}

// background runs a command until the test ends and returns its lines.
func (s setting) background(t *testing.T, args ...string) *bufio.Scanner {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- s.run(ctx, stdout, args...)
		stdout.Close()
	}()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-done)
	})
	return bufio.NewScanner(reader)
}

func TestProgram(t *testing.T) {
	t.Parallel()
	if os.Getenv("NYLAS_TEST_POSTGRES") == "" {
		require.NotEqual(t, "true", os.Getenv("CI"), "NYLAS_TEST_POSTGRES is not set")
		t.Skip(`needs a PostgreSQL: eval "$(.ci/postgres start)"`)
	}
	schema := "test_" + strings.ToLower(rand.Text())
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), os.Getenv("NYLAS_TEST_POSTGRES"))
		require.NoError(t, err)
		_, err = conn.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		assert.NoError(t, err)
		assert.NoError(t, conn.Close(context.Background()))
	})
	server := nylastest.NewServer(t)
	public, lead := tunnel.Start(t)
	program := setting{schema, map[string]string{
		"DATABASE_URL":  os.Getenv("NYLAS_TEST_POSTGRES"),
		"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL(), "NYLAS_WEBHOOK_URL": public,
	}}
	var webhooks []string
	for i := range 2 { // two processes share the webhook
		receiver := program.background(t, "receive", "-addr", "127.0.0.1:0")
		require.True(t, receiver.Scan())
		if i == 0 {
			lead(strings.TrimPrefix(receiver.Text(), "receiving at "))
		}
		require.True(t, receiver.Scan())
		webhooks = append(webhooks, receiver.Text())
	}
	assert.Equal(t, webhooks[0], webhooks[1])

	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: "<p>Hi</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: "l-1"},
	})
	require.NoError(t, err)
	recipient, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, recipient.Open(t.Context()))
	require.NoError(t, server.Wait(t.Context()))
	pool, err := pgxpool.New(t.Context(), os.Getenv("NYLAS_TEST_POSTGRES"))
	require.NoError(t, err)
	defer pool.Close()
	sink, err := riversink.Open(pool, riversink.WithSchema(schema))
	require.NoError(t, err)
	require.NoError(t, sink.HandleDelivery(t.Context(), receive.NewDelivery([]byte("no JSON"), "")))
	var out strings.Builder
	require.NoError(t, program.run(t.Context(), &out, "stats"))
	assert.Contains(t, out.String(), "pending 1, running 0, dead 1, the oldest of ")

	worker := program.background(t, "work")
	require.True(t, worker.Scan())
	assert.Equal(t, "opened "+message.ID+" l-1", worker.Text())

	out.Reset()
	require.NoError(t, program.run(t.Context(), &out, "dead"))
	assert.Contains(t, out.String(), "0 attempts, given up at ")
	id, _, _ := strings.Cut(out.String(), " ")
	require.NoError(t, program.run(t.Context(), &out, "requeue", id))
	require.Error(t, program.run(t.Context(), &out, "requeue", "unknown"))
	require.ErrorContains(t, program.run(t.Context(), &out, "nothing"), "usage")
	require.ErrorContains(t, run(t.Context(), nil, os.Getenv, &out), "usage")
}
