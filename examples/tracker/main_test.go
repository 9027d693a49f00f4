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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/examples/internal/tunnel"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const patience = 20 * time.Second

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
	found := regexp.MustCompile(`events=(\S+)/ `).FindStringSubmatch(p.await("msg=listening")["msg=listening"])
	require.Len(t, found, 2)
	p.local = found[1]
	return p
}

// await returns the first line of each kind, in whatever order they come.
func (p *program) await(kinds ...string) map[string]string {
	p.t.Helper()
	found, said := map[string]string{}, ""
	late := time.After(patience)
	for len(found) < len(kinds) {
		select {
		case line, more := <-p.lines:
			if !more {
				require.FailNow(p.t, "the tracker ended", "without printing %q: %v\n%s", kinds, <-p.done, said)
			}
			said += line + "\n"
			for _, kind := range kinds {
				if strings.Contains(line, kind) {
					found[kind] = line
				}
			}
		case <-late:
			require.FailNow(p.t, "a line did not come", "want %q in:\n%s", kinds, said)
		}
	}
	return found
}

// messages are what the page shows, once it has so many events.
func (p *program) messages(events int) (shown []message) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.local+"/", nil)
		if !assert.NoError(p.t, err) {
			return false
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if !assert.NoError(p.t, err) {
			return false
		}
		shown = nil
		assert.NoError(p.t, json.NewDecoder(resp.Body).Decode(&shown))
		assert.NoError(p.t, resp.Body.Close())
		known := 0
		for _, m := range shown {
			known += len(m.Events)
		}
		return known >= events
	}, patience, 20*time.Millisecond)
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

// Without settings the whole job is done on this machine: a scanner follows the link, and then
// a person reads, follows it and answers.
func TestWithoutAnAccount(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	said := p.await("msg=sent", "kind=open", "kind=click", "kind=reply")
	shown := p.messages(4)
	require.Len(t, shown, 1)
	m := shown[0]
	assert.Equal(t, regexp.MustCompile(`message=(\S+)`).FindStringSubmatch(said["msg=sent"])[1], m.MessageID)
	assert.Equal(t, map[string]string{"campaign": "trial-q2", "contact": "42"}, m.Label)
	assert.Equal(t, engagement.Replied, m.State)
	assert.NotEmpty(t, m.Why)
	require.Len(t, m.Events, 4)
	for i, want := range []event{
		{Kind: engagement.Click, Actor: engagement.Machine, Confidence: engagement.High, Mechanism: engagement.SecurityScanner, URL: "https://acme.dev/demo"},
		{Kind: engagement.Open, Actor: engagement.Human, Confidence: engagement.Medium, Mechanism: engagement.GmailProxy},
		{Kind: engagement.Click, Actor: engagement.Human, Confidence: engagement.Medium, Mechanism: engagement.Browser, URL: "https://acme.dev/demo"},
		{Kind: engagement.Reply, Actor: engagement.Human, Confidence: engagement.High, Mechanism: engagement.ReplyMail},
	} {
		got := m.Events[i]
		assert.False(t, got.Time.IsZero())
		assert.NotEmpty(t, got.Why)
		assert.Equal(t, want.Kind == engagement.Reply, got.ReplyID != "")
		got.Time, got.Why, got.ReplyID = time.Time{}, "", ""
		assert.Equal(t, want, got)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.local+"/health", nil)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	var health struct {
		Status   string
		Handling bool
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&health))
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "ok", health.Status)
	assert.True(t, health.Handling)
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
	assert.Equal(t, engagement.LikelyOpened, p.messages(1)[0].State)
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
