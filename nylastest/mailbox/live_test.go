package mailbox_test

import (
	"bufio"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The stream says that something has changed, and does not keep the server from closing.
func TestLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send(tracked)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL()+"/mailbox/changes", nil)
		require.NoError(t, err)
		answer, err := w.server.HTTPClient().Do(request)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		assert.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
		lines := make(chan string)
		go func() {
			defer close(lines)
			for scanner := bufio.NewScanner(answer.Body); scanner.Scan(); {
				if scanner.Text() != "" {
					lines <- scanner.Text()
				}
			}
		}()
		said := func() []string { return []string{<-lines, <-lines} }
		changed := []string{"event: changed", "data: 1"}
		assert.Equal(t, changed, said())
		start := time.Now()
		<-time.After(time.Second)
		w.open(m, "x")
		assert.Equal(t, changed, said())
		assert.Equal(t, time.Second, time.Since(start))

		require.NoError(t, w.server.Close())
		for range lines { // ends
		}
	})
}
