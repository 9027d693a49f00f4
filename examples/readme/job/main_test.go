package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/internal/tunnel"
	"github.com/nylastrack/nylas-go/nylastest"
)

// The program does the whole job against the emulator. It writes its file into the working
// directory and its address to the log, so it runs alone.
func TestJob(t *testing.T) {
	t.Chdir(t.TempDir())
	reader, writer := io.Pipe()
	log.SetOutput(writer)
	server := nylastest.NewServer(t)
	public, lead := tunnel.Start(t)
	env := map[string]string{
		"NYLAS_API_URL": server.URL(), "NYLAS_API_KEY": server.APIKey(), "NYLAS_GRANT_ID": server.GrantID(),
		"NYLAS_ADDR": "127.0.0.1:0", "NYLAS_WEBHOOK_URL": public + "/webhooks/nylas",
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, func(name string) string { return env[name] }) }()
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	_, local, _ := strings.Cut(strings.TrimSpace(line), "at ")
	lead(local + "/webhooks/nylas")

	const patience, pause = 10 * time.Second, 5 * time.Millisecond
	require.Eventually(t, func() bool { return len(server.Messages()) == 1 }, patience, pause)
	recipient, err := server.Recipient(server.Messages()[0].ID)
	require.NoError(t, err)
	require.NoError(t, recipient.Open(ctx))
	_, err = recipient.Click(ctx, 0)
	require.NoError(t, err)
	_, err = recipient.Reply(ctx)
	require.NoError(t, err)
	require.NoError(t, server.Wait(ctx))

	var seen []struct{ Type events.Type }
	require.Eventually(t, func() bool { // they are on disk, and handled a moment later
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, local, nil)
		require.NoError(t, err)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&seen))
		require.NoError(t, resp.Body.Close())
		return len(seen) == 3
	}, patience, pause)
	for _, want := range []events.Type{events.TypeMessageOpened, events.TypeMessageLinkClicked, events.TypeThreadReplied} {
		assert.Contains(t, seen, struct{ Type events.Type }{want})
	}
	stop()
	require.NoError(t, <-done)
}
