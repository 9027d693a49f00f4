package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/examples/internal/tunnel"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// program runs the tracker until its end is called, and hands on its output.
type program struct {
	t      *testing.T
	local  string // where it listens
	lines  chan string
	cancel context.CancelFunc
	done   chan error
}

func start(t *testing.T, env map[string]string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	reader, stdout := io.Pipe()
	p := &program{t: t, lines: make(chan string, 100), cancel: cancel, done: make(chan error, 1)}
	go func() {
		p.done <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), func(name string) string { return env[name] }, stdout)
		stdout.Close()
	}()
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	found := regexp.MustCompile(`events=(\S+)/ `).FindStringSubmatch(p.await("msg=listening"))
	require.Len(t, found, 2)
	p.local = found[1]
	return p
}

func (p *program) await(what string) string {
	p.t.Helper()
	for line := range p.lines {
		if strings.Contains(line, what) {
			return line
		}
	}
	require.FailNow(p.t, "the tracker ended", "without printing %q: %v", what, <-p.done)
	return ""
}

// events are what the page shows.
func (p *program) events() (shown []event) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.local+"/", nil)
	require.NoError(p.t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(p.t, err)
	require.NoError(p.t, json.NewDecoder(resp.Body).Decode(&shown))
	require.NoError(p.t, resp.Body.Close())
	return shown
}

func (p *program) end() {
	p.t.Helper()
	p.cancel()
	go func() {
		for range p.lines { // what it still says must not keep it
		}
	}()
	require.NoError(p.t, <-p.done)
}

// Without settings the whole job is done on this machine.
func TestWithoutAnAccount(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	message := regexp.MustCompile(`message=(\S+)`).FindStringSubmatch(p.await("msg=sent"))[1]
	p.await("kind=open")
	p.await("kind=click")
	p.await("kind=reply")
	shown := p.events()
	require.Len(t, shown, 3)
	for i, kind := range []string{"open", "click", "reply"} {
		assert.Equal(t, kind, shown[i].Kind)
		assert.Equal(t, message, shown[i].MessageID)
		assert.Equal(t, map[string]string{"campaign": "trial-q2", "contact": "42"}, shown[i].Label)
		assert.False(t, shown[i].Time.IsZero())
	}
	assert.Equal(t, "https://acme.dev/demo", shown[1].URL)
	assert.NotEmpty(t, shown[2].ReplyID)
	p.end()
}

// With an account it keeps the webhook, its secret and the deliveries in its file, so that
// the next start makes no second webhook and knows what was handled.
func TestWithAnAccount(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	public, lead := tunnel.Start(t)
	file := filepath.Join(t.TempDir(), "nylas.db")
	env := map[string]string{
		"NYLAS_API_URL": server.URL(), "NYLAS_API_KEY": server.APIKey(), "NYLAS_GRANT_ID": server.GrantID(),
		"NYLAS_WEBHOOK_URL": public,
	}
	p := start(t, env, "-file", file, "-to", "kim@example.org")
	lead(p.local + webhookPath)
	p.await("msg=sent")
	require.Len(t, server.Messages(), 1)
	recipient, err := server.Recipient(server.Messages()[0].ID)
	require.NoError(t, err)
	require.NoError(t, recipient.Open(t.Context()))
	p.await("kind=open")
	require.NoError(t, server.Wait(t.Context()))
	p.end()

	again := start(t, env, "-file", file)
	again.await("msg=subscribed")
	again.end()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	webhooks := 0
	for _, err := range client.Webhooks.List(t.Context()) {
		require.NoError(t, err)
		webhooks++
	}
	assert.Equal(t, 1, webhooks)
}

// What cannot be decoded is kept, can be listed, and can be handled again.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "nylas.db")
	box, err := inbox.Open(file)
	require.NoError(t, err)
	require.NoError(t, box.HandleDelivery(t.Context(), receive.NewDelivery([]byte("no JSON"), "")))
	require.NoError(t, box.Close())
	list := func(flag string) string {
		var output bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-file", file, flag}, func(string) string { return "" }, &output))
		return output.String()
	}
	assert.Regexp(t, `^sha256:[0-9a-f]{64}  attempts=0 died=\S+Z: `, list("-dead"))
	assert.NotEmpty(t, list("-requeue"))
	assert.Empty(t, list("-dead"))
}
