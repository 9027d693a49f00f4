package inbox_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var mu sync.Mutex
	generation := make(map[string]int)
	path := func(storage string) string {
		mu.Lock()
		defer mu.Unlock()
		return filepath.Join(folder, storage, string(rune('a'+generation[storage])), "nylas.db")
	}
	nylastest.TestHandler(t, nylastest.Engine{
		Open: func(tb testing.TB, storage string) receive.Handler {
			tb.Helper()
			require.NoError(tb, os.MkdirAll(filepath.Dir(path(storage)), 0o755))
			return open(tb, path(storage), inbox.WithBackoff(time.Millisecond, 10*time.Millisecond))
		},
		// What the end of a process leaves is what is in the files at that moment. The
		// engine that held them knows nothing of their copies.
		Crash: func(tb testing.TB, storage string, _ receive.Handler) {
			tb.Helper()
			before := path(storage)
			mu.Lock()
			generation[storage]++
			mu.Unlock()
			require.NoError(tb, os.MkdirAll(filepath.Dir(path(storage)), 0o755))
			copyInbox(tb, before, path(storage))
		},
		Drain: func(tb testing.TB, engine, handler receive.Handler) {
			tb.Helper()
			box := engine.(*inbox.Inbox)
			ctx, cancel := context.WithCancel(tb.Context())
			done := make(chan error, 1)
			go func() { done <- box.Run(ctx, handler) }()
			assert.Eventually(tb, func() bool {
				stats, err := box.Stats(tb.Context())
				return err == nil && stats.Pending == 0
			}, time.Minute, time.Millisecond)
			cancel()
			assert.NoError(tb, <-done)
		},
		Dead: func(tb testing.TB, engine receive.Handler) (dead []*receive.Delivery) {
			tb.Helper()
			for letter, err := range engine.(*inbox.Inbox).Dead(tb.Context()) {
				require.NoError(tb, err)
				dead = append(dead, letter.Delivery)
			}
			return dead
		},
	})
}

// copyInbox copies the files of an inbox as they are.
func copyInbox(tb testing.TB, from, to string) {
	tb.Helper()
	for _, ending := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + ending)
		require.NoError(tb, err)
		require.NoError(tb, os.WriteFile(to+ending, content, 0o600))
	}
}
