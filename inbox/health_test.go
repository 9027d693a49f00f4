package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// health asks an inbox how it is, and returns the answer without the size of the file.
func health(t *testing.T, box *inbox.Inbox) (status int, answer map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	box.Health().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil))
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	if size, told := answer["bytes"]; told {
		assert.Positive(t, size)
		delete(answer, "bytes")
	}
	return w.Code, answer
}

// Only what keeps an inbox from storing makes it unavailable; the rest is told.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box, err := inbox.Open(newPath(t), inbox.WithMaxAttempts(2), inbox.WithBackoff(time.Hour, time.Hour), inbox.WithWorkers(3))
		require.NoError(t, err)
		status, answer := health(t, box)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, map[string]any{
			"status": "ok", "handling": false, "pending": 0.0, "running": 0.0, "workers": 3.0, "retrying": 0.0, "dead": 0.0, "oldest_seconds": 0.0,
		}, answer)

		require.NoError(t, box.HandleDelivery(t.Context(), receive.NewDelivery([]byte("no JSON"), "")))
		for _, id := range []string{"n-bad", "n-slow"} {
			require.NoError(t, box.HandleDelivery(t.Context(), delivery(id)))
		}
		<-time.After(30 * time.Second)
		release := make(chan struct{})
		stop := run(t, box, func(_ context.Context, d *receive.Delivery) error {
			if d.ID == "n-slow" {
				<-release
			}
			return errors.New("the table is locked")
		})
		<-time.After(time.Second)
		status, answer = health(t, box)
		assert.Equal(t, http.StatusOK, status)
		assert.InDelta(t, 31, answer["oldest_seconds"], 0.1)
		delete(answer, "oldest_seconds")
		assert.Equal(t, map[string]any{
			"status": "ok", "handling": true, "pending": 2.0, "running": 1.0, "workers": 3.0, "retrying": 1.0, "dead": 1.0,
		}, answer)

		close(release)
		stop()
		require.NoError(t, box.Close())
		status, answer = health(t, box)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Equal(t, map[string]any{"status": "unavailable", "problem": "the inbox is closed", "handling": false}, answer)
	})
}

// Without a delivery it shows that the file cannot be written any more, and that it can again.
// Nobody can keep the disk busy by asking.
func TestHealthWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path, failed := newPath(t), 0
		box := open(t, path, inbox.WithHooks(inbox.Hooks{StoreFailed: func(error) { failed++ }}))
		status, _ := health(t, box)
		require.Equal(t, http.StatusOK, status)
		synctest.Wait() // what it does after the opening
		aside := path + ".aside"
		require.NoError(t, os.Rename(path, aside))
		status, _ = health(t, box)
		assert.Equal(t, http.StatusOK, status, "it has just been written")
		<-time.After(time.Second)
		for range 10 {
			status, answer := health(t, box)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.Equal(t, "the file was removed or replaced", answer["problem"])
			assert.Contains(t, answer, "pending")
		}
		synctest.Wait()
		assert.Equal(t, 1, failed)
		require.NoError(t, os.Rename(aside, path))
		<-time.After(time.Second)
		status, answer := health(t, box)
		assert.Equal(t, http.StatusOK, status)
		assert.NotContains(t, answer, "problem")
	})
}

// What it tells has nothing of the file's path, nor of what SQLite says.
func TestHealthOfDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kim@example.org.db")
	box, err := inbox.Open(path)
	require.NoError(t, err)
	defer func() { _ = box.Close() }()
	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))
	require.NoError(t, os.Truncate(path, 0))
	require.Eventually(t, func() bool {
		status, answer := health(t, box)
		delete(answer, "pending")
		for _, number := range []string{"running", "workers", "retrying", "dead", "oldest_seconds"} {
			delete(answer, number)
		}
		return status == http.StatusServiceUnavailable &&
			assert.ObjectsAreEqual(map[string]any{"status": "unavailable", "problem": "the file is damaged", "handling": false}, answer)
	}, recovery, 10*time.Millisecond)
}

// A probe is answered before the prober gives up.
func TestHealthDoesNotHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		box := open(t, newPath(t), inbox.WithHooks(inbox.Hooks{Handled: func(*receive.Delivery, int, time.Duration) { <-release }}))
		run(t, box, func(context.Context, *receive.Delivery) error { return nil })
		require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))
		synctest.Wait()
		before := time.Now()
		status, answer := health(t, box)
		assert.Less(t, time.Since(before), time.Second)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Equal(t, map[string]any{"status": "unavailable", "problem": "the disk, or a hook, takes too long", "handling": true}, answer)
		close(release)
	})
}
