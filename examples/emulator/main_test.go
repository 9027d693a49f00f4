package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// asProgram lets the binary of the tests be the program.
const asProgram = "EMULATOR_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	anyPort  = "127.0.0.1:0"
	patience = 10 * time.Second
)

// program is the emulator as a process.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  *bufio.Scanner
	stderr strings.Builder

	APIURL     string `json:"api_url"`
	APIKey     string `json:"api_key"`
	GrantID    string `json:"grant_id"`
	MailboxURL string `json:"mailbox_url"`
}

// launch starts the program with -json and reads its settings.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	p := &program{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], append([]string{"-json"}, args...)...)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = &p.stderr
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	p.lines = bufio.NewScanner(stdout)
	require.True(t, p.lines.Scan())
	decoder := json.NewDecoder(strings.NewReader(p.lines.Text()))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(p))
	return p
}

// end sends a signal and returns how the program ended.
func (p *program) end(signal os.Signal) error {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(signal))
	for p.lines.Scan() {
		assert.Fail(p.t, "unexpected output", p.lines.Text())
	}
	return p.cmd.Wait()
}

func (p *program) addr() string { return strings.TrimPrefix(p.APIURL, "http://") }

func (p *program) client() *nylas.Client {
	p.t.Helper()
	client, err := nylas.NewClient(p.APIKey, nylas.WithBaseURL(p.APIURL))
	require.NoError(p.t, err)
	return client
}

func (p *program) send() *nylas.Message {
	p.t.Helper()
	message, err := p.client().Messages.Send(p.t.Context(), p.GrantID, tracked("kim@example.org"))
	require.NoError(p.t, err)
	return message
}

func tracked(to string) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: to}},
		Subject:         "Demo",
		Body:            `<a href="https://acme.dev/demo">demo</a> <a href="https://acme.dev/docs">docs</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "q2"},
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := new(http.Client).Do(request)
	require.NoError(t, err)
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(content)
}

func TestIsReadySoonAndEndsCleanly(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p := launch(t, "-addr", anyPort)
	status, _ := get(t, p.MailboxURL)
	assert.Less(t, time.Since(began), 2*time.Second)
	assert.Equal(t, http.StatusOK, status, "without a redirect: "+p.MailboxURL)
	assert.Equal(t, p.APIURL+"/mailbox/", p.MailboxURL)
	p.send()
	require.NoError(t, p.stdin.Close()) // it serves on
	p.send()
	require.NoError(t, p.end(syscall.SIGTERM))
	assert.Empty(t, p.stderr.String())
}

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "emulator.json")
	deliveries := make(chan *http.Request, 1)
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		deliveries <- r
	}))
	t.Cleanup(hooks.Close)
	before := launch(t, "-addr", anyPort, "-state", file)
	hook, err := before.client().Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
		TriggerTypes: []events.Type{events.TypeMessageOpened}, WebhookURL: hooks.URL,
	})
	require.NoError(t, err)
	sent := before.send()
	stored, err := before.client().Messages.Get(t.Context(), before.GrantID, sent.ID)
	require.NoError(t, err)
	_, pixel, _ := strings.Cut(stored.Body, `<img src="`)
	pixel, _, _ = strings.Cut(pixel, `"`)
	require.Contains(t, pixel, before.APIURL)
	require.NoError(t, before.end(syscall.SIGTERM))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	after := launch(t, "-addr", before.addr(), "-state", file)
	assert.Equal(t, []string{before.APIURL, before.APIKey, before.GrantID}, []string{after.APIURL, after.APIKey, after.GrantID})
	status, _ := get(t, pixel)
	assert.Equal(t, http.StatusOK, status)
	delivery := await(t, deliveries, "a delivery")
	body, err := io.ReadAll(delivery.Body)
	require.NoError(t, err)
	require.NoError(t, receive.VerifySignature(hook.WebhookSecret, body, delivery.Header.Get("X-Nylas-Signature")))
	notification, err := events.Parse(body)
	require.NoError(t, err)
	assert.Equal(t, sent.ID, notification.Data.(*events.MessageOpened).MessageID)
	require.NoError(t, after.end(syscall.SIGTERM))
	assert.Empty(t, after.stderr.String())

	// Elsewhere the old links lead to nobody, and the program says so.
	blocker, err := net.Listen("tcp", before.addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = blocker.Close() })
	moved := launch(t, "-addr", before.addr(), "-state", file)
	assert.NotEqual(t, before.APIURL, moved.APIURL)
	require.NoError(t, moved.end(syscall.SIGTERM))
	assert.Equal(t, before.addr()+" is taken, so the emulator listens on "+moved.APIURL+".\n"+
		"The pixels and links of 1 earlier messages point to "+before.addr()+", where this emulator does not listen: use -addr "+before.addr()+".\n",
		moved.stderr.String())
}

func TestStateSurvivesAKill(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "emulator.json")
	p := launch(t, "-addr", anyPort, "-state", file)
	sent := p.send()
	require.Eventually(t, func() bool {
		content, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(content), sent.ID)
	}, patience, time.Millisecond)
	require.Error(t, p.end(syscall.SIGKILL))
	again := launch(t, "-addr", anyPort, "-state", file)
	_, err := again.client().Messages.Get(t.Context(), again.GrantID, sent.ID)
	require.NoError(t, err)
	require.NoError(t, again.end(syscall.SIGTERM))
}

func TestSaysThatItsGrantWasDeleted(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "emulator.json")
	before := launch(t, "-addr", anyPort, "-state", file)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, before.APIURL+"/v3/grants/"+before.GrantID, http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+before.APIKey)
	response, err := new(http.Client).Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, before.end(syscall.SIGTERM))

	after := launch(t, "-addr", anyPort, "-state", file)
	require.NoError(t, after.end(syscall.SIGTERM))
	assert.Equal(t, "The grant "+before.GrantID+" was deleted, so nothing can be sent on it: name another file with -state to begin anew.\n", after.stderr.String())
}

// refused runs the program with flags that it must refuse, and returns what it says.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	require.Error(t, err, args)
	assert.Empty(t, stdout.String())
	return err.Error()
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "notes.json")
	const notes = `{"todo": ["call Kim"]}`
	require.NoError(t, os.WriteFile(file, []byte(notes), 0o600))
	assert.Contains(t, refused(t, "-addr", anyPort, "-state", file), "it is of another program: put a good copy in its place, move it away")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, notes, string(content))
	assert.Contains(t, refused(t, "-addr", "here"), "is not a host and a port, such as 127.0.0.1:6952")
	assert.Contains(t, refused(t, "-addr", anyPort, "now"), `unexpected argument "now"`)
	assert.Contains(t, refused(t, "-addr", anyPort, "-seed", "x"), "invalid value")
	assert.Contains(t, refused(t, "-addr", anyPort, "-retry", "-1s"), "negative")
	assert.Contains(t, refused(t, "-addr", anyPort, "-state", ""), "-state has no name: name a file")
	require.NoError(t, run(t.Context(), []string{"-help"}, strings.NewReader(""), io.Discard, io.Discard))

	s, err := parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:6952", s.address, "a fixed port, because the tracked links have it")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	send := func(s *session) error {
		_, err := s.client.Messages.Send(t.Context(), s.grantID, tracked("kim@example.org"))
		return err
	}
	require.ErrorIs(t, send(newSession(t, "-trial")), nylas.ErrTrackingNotAllowed)

	for _, flags := range [][]string{nil, {"-hard-delete"}} {
		s := newSession(t, flags...)
		message, err := s.client.Messages.Send(t.Context(), s.grantID, tracked("kim@example.org"))
		require.NoError(t, err)
		err = s.client.Messages.Delete(t.Context(), s.grantID, message.ID, nylas.WithHardDelete())
		assert.Equal(t, flags == nil, err != nil, "%v: %v", flags, err)
	}

	first, second := newSession(t, "-seed", "7"), newSession(t, "-seed", "7")
	assert.Equal(t, first.grantID, second.grantID)
	for _, s := range []*session{first, second} {
		require.NoError(t, send(s))
	}
	withoutTime := func(s *session) (acts []string) {
		for _, line := range s.command("receive as browser,gateway", "receive done") {
			_, act, _ := strings.Cut(line, "by ")
			acts = append(acts, strings.TrimSpace(act))
		}
		return acts
	}
	one := withoutTime(first)
	assert.Equal(t, one, withoutTime(second))
	assert.NotEqual(t, one, withoutTime(first), "the second time is another one")

	misspelt := `{"to": [{"email": "kim@example.org"}], "subjet": "Demo"}`
	for flag, want := range map[string]int{"-strict": http.StatusBadRequest, "-trial": http.StatusOK} {
		assert.Equal(t, want, newSession(t, flag).post("messages/send", misspelt), flag)
	}
	encodings := make(chan string, 1)
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
			return
		}
		encodings <- r.Header.Get("Content-Encoding")
	}))
	t.Cleanup(hooks.Close)
	s := newSession(t, "-compress")
	_, err := s.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
		TriggerTypes: []events.Type{events.TypeMessageOpened}, WebhookURL: hooks.URL,
	})
	require.NoError(t, err)
	require.NoError(t, send(s))
	s.command("open", "open done")
	assert.Equal(t, "gzip", await(t, encodings, "a delivery"))
}

// session is the program in this process, with its prompt.
type session struct {
	t       *testing.T
	stdin   io.Writer
	lines   <-chan string
	client  *nylas.Client
	apiURL  string
	apiKey  string
	grantID string
	done    chan error
}

func newSession(t *testing.T, args ...string) *session {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	stdin, commands := io.Pipe()
	output, stdout := io.Pipe()
	s := &session{t: t, stdin: commands, lines: lines(context.Background(), output), done: make(chan error, 1)}
	go func() {
		s.done <- run(ctx, append([]string{"-addr", anyPort}, args...), stdin, stdout, io.Discard)
		stdout.Close()
	}()
	t.Cleanup(func() {
		_ = commands.Close() // without a terminal it goes on
		interrupt()
		for range s.lines {
		}
		assert.NoError(t, <-s.done)
	})
	fields := strings.Fields(s.next())
	require.Len(t, fields, 4)
	require.Equal(t, "export", fields[0])
	for i, into := range map[int]*string{1: &s.apiURL, 2: &s.apiKey, 3: &s.grantID} {
		_, *into, _ = strings.Cut(fields[i], "=")
	}
	assert.Contains(t, s.next(), "See the mail at "+s.apiURL+"/mailbox/. Type open, click or reply")
	var err error
	s.client, err = nylas.NewClient(s.apiKey, nylas.WithBaseURL(s.apiURL))
	require.NoError(t, err)
	return s
}

// await returns the next value, and fails the test if none comes.
func await[T any](t *testing.T, values <-chan T, what string) T {
	t.Helper()
	select {
	case value, more := <-values:
		require.True(t, more, what)
		return value
	case <-time.After(patience):
		require.FailNow(t, "nothing came", what)
		panic("unreachable")
	}
}

func (s *session) next() string {
	s.t.Helper()
	return await(s.t, s.lines, "a line")
}

// command types a line, and returns what comes, up to a line with the text last.
func (s *session) command(line, last string) (got []string) {
	s.t.Helper()
	_, err := io.WriteString(s.stdin, line+"\n")
	require.NoError(s.t, err)
	for {
		got = append(got, await(s.t, s.lines, fmt.Sprintf("%s: want a line with %q after %q", line, last, got)))
		if strings.Contains(got[len(got)-1], last) {
			return got
		}
	}
}

// post sends a request as somebody without an SDK, and returns the status.
func (s *session) post(path, body string) int {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.apiURL+"/v3/grants/"+s.grantID+"/"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+s.apiKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := new(http.Client).Do(request)
	require.NoError(s.t, err)
	require.NoError(s.t, response.Body.Close())
	return response.StatusCode
}
