package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const secret = "a-secret-of-the-test"

// program runs the receiver until interrupt, and hands on its output.
func program(t *testing.T, file string) (url string, lines <-chan string, end func() error) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	reader, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-file", file}, func(string) string { return secret }, stdout)
		stdout.Close()
	}()
	output := make(chan string, 100)
	go func() {
		defer close(output)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			output <- scanner.Text()
		}
	}()
	found := regexp.MustCompile(`msg=listening url=(\S+)`).FindStringSubmatch(<-output)
	require.Len(t, found, 2)
	return found[1], output, func() error { interrupt(); return <-done }
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set(receive.SignatureHeader, nylastest.Sign(secret, []byte(body)))
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "nylas.db")
	url, lines, end := program(t, file)
	body := `{"specversion":"1.0","type":"message.opened","id":"n-1","data":{"object":{"message_id":"m-1","label":"l-1"}}}`
	require.Equal(t, http.StatusOK, post(t, url, body))
	require.Equal(t, http.StatusOK, post(t, url, body))
	line := <-lines
	assert.Contains(t, line, "msg=opened id=n-1 message=m-1 label=l-1")
	require.Equal(t, http.StatusOK, post(t, url, "no JSON"))
	assert.Contains(t, <-lines, "given up")
	require.NoError(t, end())
	for line := range lines {
		t.Error("not expected: ", line)
	}

	// After a restart the duplicate is known, and the dead letter can be seen.
	url, lines, end = program(t, file)
	require.Equal(t, http.StatusOK, post(t, url, body))
	require.NoError(t, end())
	for line := range lines {
		t.Error("not expected: ", line)
	}
	list := func(flag string) string {
		var output bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-file", file, flag}, nil, &output))
		return output.String()
	}
	assert.Regexp(t, `^sha256:[0-9a-f]{64}  attempts=0 died=\S+Z: `, list("-dead"))
	assert.NotEmpty(t, list("-requeue"))
	assert.Empty(t, list("-dead"))
}
