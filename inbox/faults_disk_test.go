//go:build linux

package inbox_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
)

// smallDisk has room for some thousand notifications.
const smallDisk = 24 << 20

// fill takes up what is left of the disk and returns what gives it back.
func (d *diskImage) fill(t *testing.T) (free func()) {
	t.Helper()
	ballast := filepath.Join(d.dir, "ballast")
	file, err := os.Create(ballast)
	require.NoError(t, err)
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	// ext4 takes space when it writes back, so it must have written all.
	if err := file.Sync(); err != nil {
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	require.NoError(t, file.Close())
	return func() { require.NoError(t, os.Remove(ballast)) }
}

// TestDiskFull: 503s while there is no room, whatever else works goes on, and all
// is as before when room returns. Nothing that was answered with 200 is lost.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := newImage(t, smallDisk)
	var failures int
	box, err := inbox.Open(disk.path(), append(crashOptions(),
		inbox.WithHooks(inbox.Hooks{StoreFailed: func(error) { failures++ }}))...)
	require.NoError(t, err)
	e := newEndpoint(t, box)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handled := new(keeper)
	ran := make(chan error, 1)
	go func() { ran <- box.Run(ctx, handled) }()

	for i := range 20 {
		require.Equal(t, http.StatusOK, e.deliver(fmt.Sprint("before-", i)))
	}
	free := disk.fill(t)
	refused := 0
	for i := 0; refused < 50; i++ {
		require.Less(t, i, 20_000, "the disk does not get full")
		if e.deliver(fmt.Sprint("full-", i)) != http.StatusOK {
			refused++
		}
	}
	e.requireChallenge()
	_, err = box.Stats(t.Context())
	require.NoError(t, err, "what is stored can be read all the same")

	free()
	require.Eventually(t, func() bool { return e.deliver("after") == http.StatusOK }, recovery, 10*time.Millisecond)
	for i := range 20 {
		require.Equal(t, http.StatusOK, e.deliver(fmt.Sprint("after-", i)))
	}
	require.Eventually(t, func() bool { return requireStats(t, box).Pending == 0 }, recovery, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-ran)
	require.NoError(t, box.Close())
	assert.Positive(t, failures)
	requireHandled(t, disk.path(), handled, e.accepted)
	requireWhole(t, disk.path())
}

// TestSmallDisk: a disk that is smaller than SQLite's log may become does not stay full when
// nothing is pending.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	disk := newImage(t, 12<<20)
	handled := new(keeper)
	box := mustOpen(t, disk.path())
	run(t, box, handled.HandleDelivery)
	e := newEndpoint(t, box)
	const n = 1200 // 10 kB each
	padding := strings.Repeat("x", 10_000)
	for i := range n {
		id := fmt.Sprint("n-", i)
		d := deliveryOf(id, padding)
		require.Eventually(t, func() bool { return box.HandleDelivery(t.Context(), d) == nil }, recovery, time.Millisecond, id)
	}
	require.Equal(t, http.StatusOK, e.deliver("last"))
	require.Eventually(t, func() bool { return requireStats(t, box).Pending == 0 }, recovery, time.Millisecond)
	require.NoError(t, box.Close())
	requireWhole(t, disk.path())
}

// TestDiskFilledByOthers: the room that the inbox has already is enough for what is handled
// at once, for some time.
func TestDiskFilledByOthers(t *testing.T) {
	t.Parallel()
	disk := newImage(t, smallDisk)
	box, err := inbox.Open(disk.path())
	require.NoError(t, err)
	for i := range 100 { // gives the file some size
		take(t, box, fmt.Sprint("first-", i))
	}
	require.NoError(t, box.Close())
	box = mustOpen(t, disk.path())
	run(t, box, new(keeper).HandleDelivery)
	for i := range 5 { // and the log
		take(t, box, fmt.Sprint("second-", i))
	}
	require.Eventually(t, func() bool { return requireStats(t, box).Pending == 0 }, recovery, time.Millisecond)
	free := disk.fill(t)
	defer free()
	for i := range 100 {
		take(t, box, fmt.Sprint("third-", i))
	}
}

// TestDiskFullAtStart: an inbox opens on a full disk or says that it is full, and
// loses nothing either way.
func TestDiskFullAtStart(t *testing.T) {
	t.Parallel()
	disk := newImage(t, smallDisk)
	box, err := inbox.Open(disk.path())
	require.NoError(t, err)
	e := newEndpoint(t, box)
	require.Equal(t, http.StatusOK, e.deliver("kept"))
	require.NoError(t, box.Close())
	free := disk.fill(t)
	box, err = inbox.Open(disk.path())
	if err == nil {
		require.NoError(t, box.Close())
	} else {
		require.NotErrorIs(t, err, inbox.ErrCorrupt)
		requireTold(t, err, "full")
	}
	other, err := inbox.Open(filepath.Join(disk.dir, "new.db"))
	if err == nil {
		require.NoError(t, other.Close())
	} else {
		require.NotErrorIs(t, err, inbox.ErrCorrupt)
	}
	free()
	requireHandled(t, disk.path(), new(keeper), e.accepted)
}

// TestHealthOfAFullDisk: an inbox that is asked for its health says that the disk is full while
// nobody delivers, and that it has room again.
func TestHealthOfAFullDisk(t *testing.T) {
	t.Parallel()
	disk := newImage(t, smallDisk)
	box := mustOpen(t, disk.path())
	status, _ := health(t, box)
	require.Equal(t, http.StatusOK, status)
	e := newEndpoint(t, box)
	require.Equal(t, http.StatusOK, e.deliver("before"))
	free := disk.fill(t)
	for i := 0; e.deliver(fmt.Sprint("full-", i)) == http.StatusOK; i++ {
		require.Less(t, i, 20_000, "the disk does not get full")
	}
	require.Eventually(t, func() bool {
		<-time.After(1100 * time.Millisecond) // the last write is too long ago to tell
		status, answer := health(t, box)
		return status == http.StatusServiceUnavailable && answer["problem"] == "the disk is full"
	}, recovery, 10*time.Millisecond)
	free()
	require.Eventually(t, func() bool { status, _ := health(t, box); return status == http.StatusOK }, recovery, 10*time.Millisecond)
	require.Equal(t, http.StatusOK, e.deliver("after"))
}

// TestFileSystemFails: the file system refuses to write from one moment on, as the
// system does when the disk fails. It must be mounted anew, so the process has to
// end; until then it answers 503.
func TestFileSystemFails(t *testing.T) {
	t.Parallel()
	disk := newImage(t, smallDisk)
	box, err := inbox.Open(disk.path(), crashOptions()...)
	require.NoError(t, err)
	e := newEndpoint(t, box)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handled := new(keeper)
	ran := make(chan error, 1)
	go func() { ran <- box.Run(ctx, handled) }()
	for i := range 50 {
		require.Equal(t, http.StatusOK, e.deliver(fmt.Sprint("before-", i)))
	}
	text, err := shell("mount", "-o", "remount,abort", disk.dir)
	require.NoError(t, err, text)
	for i := range 50 {
		require.Equal(t, http.StatusServiceUnavailable, e.deliver(fmt.Sprint("after-", i)))
	}
	e.requireChallenge()
	cancel()
	require.NoError(t, <-ran)
	if err := box.Close(); err != nil {
		t.Logf("close: %v", err)
	}

	disk.unmount(t)
	text, err = disk.mount(t)
	require.NoError(t, err, text)
	requireHandled(t, disk.path(), handled, e.accepted)
	requireWhole(t, disk.path())
}

// TestReadOnlyAtStart: a file system that may only be read is told as that, and
// not as damage.
func TestReadOnlyAtStart(t *testing.T) {
	t.Parallel()
	disk := newImage(t, smallDisk)
	box, err := inbox.Open(disk.path())
	require.NoError(t, err)
	e := newEndpoint(t, box)
	require.Equal(t, http.StatusOK, e.deliver("kept"))
	require.NoError(t, box.Close())
	disk.unmount(t)
	text, err := disk.mount(t, "ro")
	require.NoError(t, err, text)
	for _, path := range []string{disk.path(), filepath.Join(disk.dir, "new.db")} {
		_, err = inbox.Open(path)
		require.Error(t, err)
		require.NotErrorIs(t, err, inbox.ErrCorrupt)
		requireTold(t, err, "read")
	}
	disk.unmount(t)
	text, err = disk.mount(t)
	require.NoError(t, err, text)
	requireHandled(t, disk.path(), new(keeper), e.accepted)
}
