package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// TestMain lets the binary of the tests be the program.
func TestMain(m *testing.M) {
	if os.Getenv("CLOUDRUN_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// container is the program in a process of its own.
type container struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func deploy(t *testing.T, secret string) *container {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "CLOUDRUN_PROGRAM=1", "NYLAS_HOST=127.0.0.1", "PORT=0", "NYLAS_WEBHOOK_SECRET="+secret)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &container{cmd, bufio.NewScanner(stdout)}
}

// line reads the next line of the log.
func (c *container) line(t *testing.T) (line map[string]any) {
	t.Helper()
	require.True(t, c.lines.Scan(), "the program ended")
	require.NoError(t, json.Unmarshal(c.lines.Bytes(), &line))
	return line
}

func deliver(t *testing.T, url any, secret string, body []byte) int {
	t.Helper()
	require.IsType(t, "", url)
	request, err := nylastest.NewWebhookRequest(t.Context(), url.(string), secret, body)
	require.NoError(t, err)
	answer, err := new(http.Client).Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

func TestContainer(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(nylastest.NewNotification(events.TypeMessageOpened))
	require.NoError(t, err)
	first := deploy(t, "")
	assert.Equal(t, http.StatusServiceUnavailable, deliver(t, first.line(t)["url"], "secret-1", body))
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGTERM))
	for first.lines.Scan() {
	}
	require.NoError(t, first.cmd.Wait())

	c := deploy(t, "secret-2,secret-1")
	listening := c.line(t)
	assert.Equal(t, "listening", listening["message"])
	assert.Equal(t, "INFO", listening["severity"])
	assert.Equal(t, http.StatusOK, deliver(t, listening["url"], "secret-1", body))
	event := c.line(t)
	assert.Equal(t, "event", event["message"])
	assert.Equal(t, "open", event["kind"])
	assert.NotEmpty(t, event["id"])
	assert.Equal(t, http.StatusOK, deliver(t, listening["url"], "secret-2", []byte("no JSON")))
	assert.Equal(t, "ERROR", c.line(t)["severity"])
	assert.Equal(t, http.StatusUnauthorized, deliver(t, listening["url"], "another", body))
	refused := c.line(t)
	assert.Equal(t, "WARNING", refused["severity"])
	assert.NotContains(t, refused, "level")

	health, _ := strings.CutSuffix(listening["url"].(string), "/webhooks/nylas")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, health+"/health", nil)
	require.NoError(t, err)
	answer, err := new(http.Client).Do(request)
	require.NoError(t, err)
	var told map[string]any
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&told))
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusOK, answer.StatusCode)
	assert.Equal(t, true, told["secret"])
	assert.Contains(t, told, "last_delivery")

	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, "ended", c.line(t)["message"])
	assert.False(t, c.lines.Scan())
	require.NoError(t, c.cmd.Wait()) // the status is 0
}
