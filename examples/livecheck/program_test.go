package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// asProgram lets the binary of the tests be the program.
const asProgram = "LIVECHECK_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is the program as a process, for a real emulator on this machine. It finds the URL of
// its webhooks by itself.
func program(t *testing.T, server *nylastest.Server, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "NYLAS_API_URL="+server.URL(), "NYLAS_API_KEY="+server.APIKey(),
		"NYLAS_GRANT_ID="+server.GrantID(), "NYLAS_ADDR=127.0.0.1:0", "NYLAS_WEBHOOK_URL=")
	return cmd
}

func TestProgram(t *testing.T) {
	t.Parallel()
	const soon = time.Second
	server := nylastest.NewServer(t, nylastest.WithRetryDelays(soon, soon), nylastest.WithReadings(nylastest.Readings{DraftUpdateReplaces: true}))
	require.NoError(t, server.Inject(
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Times: 4, Delay: time.Nanosecond}, // those before the one that is cut
		nylastest.Fault{Endpoint: nylastest.EndpointSend, Hold: func(ctx context.Context) { _ = sleep(ctx, 10*cutAfter) }},
	))
	file := filepath.Join(t.TempDir(), "report.md")
	output, err := program(t, server, "-yes", "-o", file).CombinedOutput()
	require.NoError(t, err, string(output))
	report, err := os.ReadFile(file)
	require.NoError(t, err)
	found := verdicts(string(report))
	require.Len(t, found, len(checks()), string(report))
	for name, verdict := range found {
		want := same
		switch name {
		case "draft-update", "retry-delay":
			want = different
		case "history-names", "send-event-names":
			want = notSeen
		}
		assert.Equal(t, want, verdict, "%s\n%s", name, report)
	}
	assert.Empty(t, server.Webhooks())
}

func TestProgramIsInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no interrupt")
	}
	server := nylastest.NewServer(t)
	cmd := program(t, server)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	var stdout strings.Builder
	cmd.Stdout = &stdout
	require.NoError(t, cmd.Start())
	_, err = stdin.Write([]byte("y\n")) // makes the webhook; then it asks again
	require.NoError(t, err)
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "webhook-same-url:") {
			assert.Len(t, server.Webhooks(), 1)
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	require.Error(t, cmd.Wait(), "the status tells that it is not complete")
	assert.Contains(t, said.String(), "interrupted: the report has what was found so far")
	assert.Contains(t, stdout.String(), "| webhook-list-lag |")
	assert.Empty(t, server.Webhooks())
}
