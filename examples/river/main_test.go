package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

const secret = "secret"

// runOn runs a command of the program on a schema.
func runOn(ctx context.Context, schema string, stdout io.Writer, args ...string) error {
	env := map[string]string{"DATABASE_URL": os.Getenv("NYLAS_TEST_POSTGRES"), "NYLAS_WEBHOOK_SECRET": secret}
	args = append([]string{args[0], "-schema", schema}, args[1:]...)
	return run(ctx, args, func(name string) string { return env[name] }, stdout)
}

// background runs a command until the test ends and returns its lines.
func background(t *testing.T, schema string, args ...string) *bufio.Scanner {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	reader, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- runOn(ctx, schema, stdout, args...)
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
	receiver := background(t, schema, "receive", "-addr", "127.0.0.1:0")
	require.True(t, receiver.Scan())
	url := strings.TrimPrefix(receiver.Text(), "receiving at ")
	for _, body := range []string{
		`{"specversion":"1.0","type":"message.opened","id":"n-1","time":1695480567,"data":{"object":{"message_id":"m-1","label":"l-1"}}}`,
		`no JSON`,
	} {
		request, err := nylastest.NewWebhookRequest(t.Context(), url, secret, []byte(body))
		require.NoError(t, err)
		answer, err := new(http.Client).Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusOK, answer.StatusCode)
	}
	var out strings.Builder
	require.NoError(t, runOn(t.Context(), schema, &out, "stats"))
	assert.Contains(t, out.String(), "pending 1, running 0, dead 1, the oldest of ")

	worker := background(t, schema, "work")
	require.True(t, worker.Scan())
	assert.Equal(t, "opened m-1 l-1", worker.Text())

	out.Reset()
	require.NoError(t, runOn(t.Context(), schema, &out, "dead"))
	assert.Contains(t, out.String(), "0 attempts, given up at ")
	id, _, _ := strings.Cut(out.String(), " ")
	require.NoError(t, runOn(t.Context(), schema, &out, "requeue", id))
	require.Error(t, runOn(t.Context(), schema, &out, "requeue", "unknown"))
	require.ErrorContains(t, runOn(t.Context(), schema, &out, "nothing"), "usage")
	require.ErrorContains(t, run(t.Context(), nil, os.Getenv, &out), "usage")
}
