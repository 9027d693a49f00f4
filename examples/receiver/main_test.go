package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/examples/internal/tunnel"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// program runs the receiver behind a public URL and hands on its output.
type program struct {
	public    string
	lines     chan string
	done      chan error
	interrupt context.CancelFunc
}

func start(t *testing.T, env map[string]string, args ...string) *program {
	t.Helper()
	public, lead := tunnel.Start(t)
	if env["NYLAS_WEBHOOK_URL"] == "" {
		env["NYLAS_WEBHOOK_URL"] = public
	}
	ctx, interrupt := context.WithCancel(t.Context())
	reader, stdout := io.Pipe()
	p := &program{public: public, lines: make(chan string), done: make(chan error, 1), interrupt: interrupt}
	go func() {
		p.done <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), func(name string) string { return env[name] }, stdout)
		stdout.Close()
	}()
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			if found := regexp.MustCompile(`msg=listening url=(\S+)`).FindStringSubmatch(scanner.Text()); found != nil {
				lead(found[1])
			}
			p.lines <- scanner.Text()
		}
	}()
	p.await(t, "msg=listening")
	return p
}

func (p *program) await(t *testing.T, what string) string {
	t.Helper()
	for line := range p.lines {
		if strings.Contains(line, what) {
			return line
		}
	}
	require.FailNow(t, "the receiver ended", "without printing %q: %v", what, <-p.done)
	return ""
}

// post sends a request, waits until the receiver prints something about it, and
// returns the status of the answer.
func (p *program) post(t *testing.T, req *http.Request, printed string) int {
	t.Helper()
	answered := make(chan int, 1)
	go func() {
		status := 0
		resp, err := new(http.Client).Do(req)
		if assert.NoError(t, err) {
			status = resp.StatusCode
			assert.NoError(t, resp.Body.Close())
		}
		answered <- status
	}()
	p.await(t, printed)
	for {
		select {
		case <-p.lines:
		case status := <-answered:
			return status
		}
	}
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	p.interrupt()
	go func() {
		for range p.lines { // what it still says must not keep it
		}
	}()
	require.NoError(t, <-p.done)
}

func TestCreatesItsWebhookAndReceives(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	secretFile := filepath.Join(t.TempDir(), "webhook.json")
	env := map[string]string{"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL()}
	p := start(t, env, "-secret-file", secretFile)
	p.await(t, "msg=ready")
	file, err := receive.NewFileSecrets(secretFile)
	require.NoError(t, err)
	state, err := file.Load(t.Context())
	require.NoError(t, err)
	secret := state.Secrets[0].Value
	info, err := os.Stat(secretFile)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}},
		Body:            `<a href="https://acme.dev/demo">demo</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "l-1"},
	})
	require.NoError(t, err)
	recipient, err := server.Recipient(message.ID)
	require.NoError(t, err)

	require.NoError(t, recipient.Open(t.Context()))
	assert.Contains(t, p.await(t, "msg=opened"), "message="+message.ID+" label=l-1 count=1 recents=1")
	_, err = recipient.Click(t.Context(), 0)
	require.NoError(t, err)
	p.await(t, `msg="link clicked"`)
	_, err = recipient.Reply(t.Context())
	require.NoError(t, err)
	replied := p.await(t, "msg=replied")
	assert.Contains(t, replied, "message="+message.ID)
	assert.NotContains(t, replied, secret)
	require.NoError(t, server.Wait(t.Context()))
	p.stop(t)
	for _, delivery := range server.Deliveries() {
		assert.Equal(t, 200, delivery.Status)
	}

	// The next start finds the secret in its file and creates nothing.
	again := start(t, env, "-secret-file", secretFile)
	again.await(t, "msg=ready")
	for body, want := range map[string]string{
		`{"id":"n-1","type":"grant.expired","data":{}}`: "msg=other type=grant.expired id=n-1",
		"no JSON": "msg=undecodable id=sha256:",
	} {
		signed, err := nylastest.NewWebhookRequest(t.Context(), again.public, secret, []byte(body))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, again.post(t, signed, want))
	}
	again.stop(t)
	webhooks := 0
	for _, err := range client.Webhooks.List(t.Context()) {
		require.NoError(t, err)
		webhooks++
	}
	assert.Equal(t, 1, webhooks)
}

func TestSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	require.ErrorContains(t, run(t.Context(), nil, none, io.Discard), "set NYLAS_WEBHOOK_URL and -secret-file")
	require.ErrorContains(t, run(t.Context(), []string{"-nonsense"}, none, io.Discard), "not defined")
	blank := func(name string) string { return map[string]string{"NYLAS_WEBHOOK_SECRET": "a,,b"}[name] }
	require.ErrorContains(t, run(t.Context(), nil, blank, io.Discard), "secret is empty or blank")
}
