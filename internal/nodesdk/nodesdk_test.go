package nodesdk_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/nodesdk"
	"github.com/nylastrack/nylas-go/nylastest"
)

// timeout is several times what the suite needs.
const timeout = 3 * time.Minute

// inNode is the method of the Node SDK for each method in docs/methods.md, or why there is
// none.
var inNode = map[string]struct{ method, none string }{
	"Messages.CancelSchedule": {method: "messages.stopScheduledMessage"},
	"Messages.Delete":         {method: "messages.destroy"},
	"Messages.FindSent":       {method: "messages.list"},
	"Messages.Get":            {method: "messages.find"},
	"Messages.GetSchedule":    {method: "messages.findScheduledMessage"},
	"Messages.List":           {method: "messages.list"},
	"Messages.ListSchedules":  {method: "messages.listScheduledMessages"},
	"Messages.Send":           {method: "messages.send"},
	"Messages.SendMIME":       {none: "it sends no raw MIME"},
	"Messages.Update":         {method: "messages.update"},
	"Drafts.Create":           {method: "drafts.create"},
	"Drafts.Delete":           {method: "drafts.destroy"},
	"Drafts.Get":              {method: "drafts.find"},
	"Drafts.List":             {method: "drafts.list"},
	"Drafts.Send":             {method: "drafts.send"},
	"Drafts.Update":           {method: "drafts.update"},
	"Transactional.Send":      {method: "transactionalSend.send"},
	"Webhooks.Create":         {method: "webhooks.create"},
	"Webhooks.Delete":         {method: "webhooks.destroy"},
	"Webhooks.Get":            {method: "webhooks.find"},
	"Webhooks.IPAddresses":    {method: "webhooks.ipAddresses"},
	"Webhooks.List":           {method: "webhooks.list"},
	"Webhooks.MockPayload":    {none: "it has no test events"},
	"Webhooks.RotateSecret":   {method: "webhooks.rotateSecret"},
	"Webhooks.SendTestEvent":  {none: "it has no test events"},
	"Webhooks.Update":         {method: "webhooks.update"},
	"Threads.Delete":          {method: "threads.destroy"},
	"Threads.Get":             {method: "threads.find"},
	"Threads.List":            {method: "threads.list"},
	"Threads.Update":          {method: "threads.update"},
	"Folders.Get":             {method: "folders.find"},
	"Folders.List":            {method: "folders.list"},
	"Attachments.Download":    {method: "attachments.download"},
	"Attachments.Get":         {method: "attachments.find"},
	"Grants.Get":              {method: "grants.find"},
	"Grants.List":             {method: "grants.list"},
}

// notInNode are the services for which the SDK has nothing.
var notInNode = []string{"Activity.", "Metrics.", "Alerts.", "PubSubChannels.", "SNSChannels."}

// notCalled are the methods of the SDK's services here that docs/methods.md does not cover.
var notCalled = []string{
	"attachments.completeUploadSession", "attachments.createUploadSession", "folders.create", "folders.destroy", "folders.update",
	"grants.destroy", "grants.update", "messages.cleanMessages",
}

// notCovered are the services of the SDK that have nothing to do with tracking.
var notCovered = []string{
	"applications", "auth", "calendars", "connectors", "contacts", "domains", "events", "lists", "notetakers", "policies", "rules",
	"scheduler", "workspaces",
}

// TestOfficialNodeSDK runs the suite, and checks that it called every method that the SDK has.
func TestOfficialNodeSDK(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "suite"), os.DirFS("suite")))
	node, modules := nodesdk.Install(ctx, t)
	require.NoError(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))

	domain, err := nylastest.Start(nylastest.WithSendingDomains("acme.dev")) // the program has none without options
	require.NoError(t, err)
	defer func() { assert.NoError(t, domain.Close()) }()
	calls := filepath.Join(dir, "calls")
	files, err := filepath.Glob(filepath.Join(dir, "suite", "*.test.mjs"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	suite := exec.CommandContext(ctx, node, append([]string{"--test", "--test-reporter=tap"}, files...)...)
	suite.Env = append(os.Environ(), startEmulator(ctx, t)...)
	suite.Env = append(suite.Env, "NYLAS_CALLS="+calls, "NYLAS_DOMAIN_URL="+domain.URL(), "NYLAS_DOMAIN_KEY="+domain.APIKey())
	output, err := suite.CombinedOutput()
	require.NoError(t, err, "%s", output)

	called, all := lines(t, calls), methods(ctx, t, node, dir)
	for _, row := range documented(t) {
		if slices.ContainsFunc(notInNode, func(service string) bool { return strings.HasPrefix(row, service) }) {
			continue
		}
		entry, known := inNode[row]
		assert.True(t, known, "%s is in docs/methods.md: name its method in the Node SDK, or say why it has none", row)
		if entry.none == "" {
			assert.Contains(t, called, entry.method, "the suite does not call it, for %s", row)
		}
	}
	for _, method := range all {
		service, _, _ := strings.Cut(method, ".")
		assert.True(t, slices.Contains(called, method) || slices.Contains(notCalled, method) || slices.Contains(notCovered, service),
			"the SDK has %s: call it in the suite, or list it here", method)
	}
	for _, method := range notCalled {
		assert.Contains(t, all, method, "listed here, and the SDK does not have it")
	}
}

// startEmulator builds and starts the program, and returns the settings that it prints.
func startEmulator(ctx context.Context, t *testing.T) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "emulator")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, ".")
	build.Dir = filepath.Join("..", "..", "examples", "emulator")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)

	ctx, stop := context.WithCancel(ctx)
	emulator := exec.CommandContext(ctx, path, "-addr", "127.0.0.1:0")
	emulator.Cancel = func() error { return emulator.Process.Signal(os.Interrupt) }
	emulator.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	emulator.Stderr = &said
	stdout, err := emulator.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, emulator.Start())
	t.Cleanup(func() {
		stop()
		_ = emulator.Wait() // the interrupt is its error
		if t.Failed() {
			t.Logf("the emulator says: %s", said.String())
		}
	})
	first := bufio.NewScanner(stdout)
	require.True(t, first.Scan())
	settings, ok := strings.CutPrefix(first.Text(), "export ")
	require.True(t, ok, "%s", first.Text())
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // so that it can print on
	return strings.Fields(settings)
}

// methods returns all methods of the SDK, such as "messages.send".
func methods(ctx context.Context, t *testing.T, node, dir string) []string {
	t.Helper()
	const script = `
		import Nylas from 'nylas';
		for (const [name, service] of Object.entries(new Nylas({ apiKey: 'key' }))) {
			if (name === 'apiClient') continue;
			for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(service))) {
				if (method !== 'constructor') console.log(name + '.' + method);
			}
			if (Object.getOwnPropertyNames(Object.getPrototypeOf(service)).length === 1) console.log(name + '.');
		}`
	list := filepath.Join(dir, "methods.mjs")
	require.NoError(t, os.WriteFile(list, []byte(script), 0o600))
	output, err := exec.CommandContext(ctx, node, list).Output()
	require.NoError(t, err)
	return strings.Fields(string(output))
}

// documented returns the methods of docs/methods.md.
func documented(t *testing.T) []string {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `([A-Za-z]+\\.[A-Za-z]+)` \\|")
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "methods.md"))
	require.NoError(t, err)
	var names []string
	for _, match := range row.FindAllSubmatch(content, -1) {
		names = append(names, string(match[1]))
	}
	require.NotEmpty(t, names)
	return names
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Fields(string(content))
}
