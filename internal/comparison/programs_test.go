//go:build unix

package comparison_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/load"
	"github.com/nylastrack/nylas-go/internal/nodesdk"
	"github.com/nylastrack/nylas-go/nylastest"
)

const (
	webhookSecret = "comparison-secret"
	recipient     = "kim@example.org"
	subject       = "Your trial"
	label         = "trial-q2"
	body          = `<p>Hi! <a href="https://acme.dev/demo">Book a demo</a> or <a href="https://acme.dev/docs">read</a>.</p>`
)

func TestMain(m *testing.M) {
	load.Serve(map[string]load.Setup{
		"receive SDK": serveSDK, "receive dispatcher": serveDispatcher, "receive by hand": serveByHand,
		"send SDK": sending(sendBySDK), "send by hand": sending(sendByHand),
	})
	os.Exit(m.Run())
}

// event is what a receiver saves.
type event struct {
	kind, message, label string
	at                   int64 // Unix time
}

// journal stands for the user's database: it keeps events as lines, and the first save of
// an event whose label begins with "fails once" fails. It serves the lines.
type journal struct {
	mu     sync.Mutex
	lines  []string
	failed map[string]bool
}

func newJournal() *journal { return &journal{failed: map[string]bool{}} }

func (j *journal) save(e event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if strings.HasPrefix(e.label, "fails once") && !j.failed[e.label] {
		j.failed[e.label] = true
		return errors.New("the database is down")
	}
	j.lines = append(j.lines, fmt.Sprintf("%s %s %d %s", e.kind, e.message, e.at, e.label))
	return nil
}

// keep takes a notification that cannot be read, for somebody to look at.
func (j *journal) keep([]byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, kept)
}

const kept = "kept"

func (j *journal) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		_, _ = io.WriteString(w, line+"\n")
	}
}

// emulator is where senders send, and what.
type emulator struct {
	URL   string `json:"url"`
	Key   string `json:"key"`
	Grant string `json:"grant"`

	Body      string `json:"body"`
	Recipient string `json:"recipient"`
	Subject   string `json:"subject"`
	Label     string `json:"label"`
}

func emulatorOf(server *nylastest.Server) emulator {
	return emulator{server.URL(), server.APIKey(), server.GrantID(), body, recipient, subject, label}
}

// outcome is what a sender tells its user.
type outcome string

const (
	sent    outcome = "sent"
	failed  outcome = "failed"
	unknown outcome = "unknown"
)

const emulatorFile = "emulator.json"

// sending makes a server that sends as many messages as a request asks for, one after the
// other, and answers with their outcomes.
func sending(newSender func(emulator) func(context.Context) outcome) load.Setup {
	return func(dir string) (http.Handler, func() error, error) {
		content, err := os.ReadFile(filepath.Join(dir, emulatorFile))
		if err != nil {
			return nil, nil, err
		}
		var to emulator
		if err := json.Unmarshal(content, &to); err != nil {
			return nil, nil, err
		}
		send := newSender(to)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			times, _ := strconv.Atoi(r.URL.Query().Get("times"))
			for range times {
				_, _ = io.WriteString(w, string(send(r.Context()))+"\n")
			}
		}), nil, nil
	}
}

// program is one of those that are compared.
type program struct {
	name   string
	server *load.Server
}

// receivers starts all receivers.
func receivers(tb testing.TB) []program {
	tb.Helper()
	return []program{
		{"SDK", load.Start(tb, "receive SDK")},
		{"by hand", load.Start(tb, "receive by hand")},
		{"Node", startNode(tb, []string{"NYLAS_WEBHOOK_SECRET=" + webhookSecret}, "receiver.mjs")},
	}
}

// senderNames are the senders, in the order of docs/comparison.md.
var senderNames = []string{"SDK", "by hand", "Node with retries", "Node alone"}

// startSender starts one of them.
func startSender(tb testing.TB, name string, to emulator) program {
	tb.Helper()
	content, err := json.Marshal(to)
	require.NoError(tb, err)
	env := []string{"NYLAS_COMPARISON=" + string(content)}
	switch name {
	case "Node with retries":
		return program{name, startNode(tb, env, "sender.mjs", "careful")}
	case "Node alone":
		return program{name, startNode(tb, env, "sender.mjs", "bare")}
	}
	dir := tb.TempDir()
	require.NoError(tb, os.WriteFile(filepath.Join(dir, emulatorFile), content, 0o600))
	return program{name, load.StartIn(tb, "send "+name, dir)}
}

// startNode starts a program of the folder node.
func startNode(tb testing.TB, env []string, args ...string) *load.Server {
	tb.Helper()
	node, modules := nodesdk.Install(tb.Context(), tb)
	dir := tb.TempDir()
	require.NoError(tb, os.CopyFS(dir, os.DirFS("node")))
	require.NoError(tb, os.Symlink(modules, filepath.Join(dir, "node_modules")))
	command := exec.Command(node, args...) // it ends with its input
	command.Dir = dir
	command.Env = append(os.Environ(), env...)
	return load.StartCommand(tb, command)
}

// asker is the client of the tests. A send through all faults takes some seconds.
var asker = &http.Client{Timeout: 2 * time.Minute}

// get returns the lines of an answer.
func get(tb testing.TB, url string) []string {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, nil)
	require.NoError(tb, err)
	resp, err := asker.Do(req)
	require.NoError(tb, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(tb, err)
	return strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
}
