package inbox_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
)

func TestMissingDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing")
	_, err := inbox.Open(filepath.Join(dir, "inbox.db"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, inbox.ErrCorrupt)
	require.NoDirExists(t, dir)
}

func TestPathIsADirectory(t *testing.T) {
	t.Parallel()
	_, err := inbox.Open(t.TempDir())
	require.Error(t, err)
	require.NotErrorIs(t, err, inbox.ErrCorrupt)
	requireTold(t, err, "directory")
}

// TestTwoProcesses: a second process on the file is refused while the first one
// lives, and not a moment longer.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	p := startChild(t, childConfig{Role: "holder", Path: path})
	require.Equal(t, "open", p.requireLine())
	_, err := inbox.Open(path)
	require.ErrorIs(t, err, inbox.ErrInUse)
	p.kill()
	box, err := inbox.Open(path)
	require.NoError(t, err)
	require.NoError(t, box.Close())
}

// TestTwoProcessesStartAtOnce: of several that start together on a new file, one
// gets it.
func TestTwoProcessesStartAtOnce(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	const processes = 4
	var all []*childProcess
	for range processes {
		all = append(all, startChild(t, childConfig{Role: "holder", Path: path}))
	}
	open := 0
	for _, p := range all {
		line, ok := p.line()
		if ok {
			require.Equal(t, "open", line)
			open++
			continue
		}
		p.wait()
		require.Contains(t, p.errors.String(), inbox.ErrInUse.Error())
	}
	require.Equal(t, 1, open)
}

// TestFileRemoved: what is stored in a file that has no name any more ends with
// the process, so it is no custody.
func TestFileRemoved(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			if err := copyFile(path, path+".new"); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"log removed":       func(path string) error { return os.Remove(path + "-wal") },
		"directory removed": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store", "inbox.db")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
			box, err := inbox.Open(path, crashOptions()...)
			require.NoError(t, err)
			defer func() { _ = box.Close() }() // there is nothing left to be closed well
			e := newEndpoint(t, box)
			require.Equal(t, http.StatusOK, e.deliver("before"))
			require.NoError(t, remove(path))
			for i := range 10 {
				require.Equal(t, http.StatusServiceUnavailable, e.deliver(fmt.Sprint("after-", i)))
			}
			e.requireChallenge()
		})
	}
}

// TestBusyAtStart: another process holds the lock of the database for a while.
func TestBusyAtStart(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box, err := inbox.Open(path)
	require.NoError(t, err)
	e := newEndpoint(t, box)
	require.Equal(t, http.StatusOK, e.deliver("kept"))
	require.NoError(t, box.Close())
	p := startChild(t, childConfig{Role: "locker", Path: path})
	require.Equal(t, "locked", p.requireLine())
	_, err = inbox.Open(path)
	require.ErrorIs(t, err, inbox.ErrInUse)
	p.stop()
	requireHandled(t, path, new(keeper), e.accepted)
}

// TestBusyWhileOpen: another process takes the lock of the database under the
// inbox. Either it cannot, or the answer is 503 for as long as it has it.
func TestBusyWhileOpen(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box, err := inbox.Open(path, crashOptions()...)
	require.NoError(t, err)
	e := newEndpoint(t, box)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handled := new(keeper)
	ran := make(chan error, 1)
	go func() { ran <- box.Run(ctx, handled) }()
	require.Equal(t, http.StatusOK, e.deliver("before"))
	p := startChild(t, childConfig{Role: "locker", Path: path})
	_, locked := p.line()
	t.Logf("another process can lock the database: %v", locked)
	if locked {
		require.Equal(t, http.StatusServiceUnavailable, e.deliver("during"))
		e.requireChallenge()
		p.stop()
	}
	require.Eventually(t, func() bool { return e.deliver("after") == http.StatusOK }, recovery, 10*time.Millisecond)
	require.Eventually(t, func() bool { return requireStats(t, box).Pending == 0 }, recovery, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-ran)
	require.NoError(t, box.Close())
	requireHandled(t, path, handled, e.accepted)
}

// TestSameIDAtOnce: a hundred deliveries of one id at the same time, each with a
// body of its own, are one: all of them are answered with 200, one body is kept,
// and it is handled once.
func TestSameIDAtOnce(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	handled := new(keeper)
	box, err := inbox.Open(path, crashOptions()...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- box.Run(ctx, handled) }()
	e := newEndpoint(t, box)
	statuses := make(chan int, 100)
	for attempt := range cap(statuses) {
		go func() {
			status, err := post(t.Context(), e.client, e.url, attempted("same", attempt))
			if err != nil {
				status = 0
			}
			statuses <- status
		}()
	}
	for range cap(statuses) {
		require.Equal(t, http.StatusOK, <-statuses)
	}
	require.Eventually(t, func() bool { return requireStats(t, box).Pending == 0 }, recovery, 10*time.Millisecond)
	require.Equal(t, 1, handled.count("same"))
	cancel()
	require.NoError(t, <-ran)
	require.NoError(t, box.Close())

	// The same again after a restart, from the endpoint to the handler.
	box = mustOpen(t, path)
	require.Equal(t, http.StatusOK, newEndpoint(t, box).deliver("same"))
	workOff(t, box, handled)
	require.Equal(t, 1, handled.count("same"))
}
