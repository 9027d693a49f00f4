package inbox_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// newFullStore makes the file of an inbox with some of everything: done, dead and
// pending. It returns the ids that were answered with 200 and the handler that
// saw the done ones.
func newFullStore(t *testing.T) (path string, handled *keeper, accepted []string) {
	t.Helper()
	path = newPath(t)
	box, err := inbox.Open(path, crashOptions()...)
	require.NoError(t, err)
	e := newEndpoint(t, box)
	handled = new(keeper)
	for i := range 50 {
		require.Equal(t, http.StatusOK, e.deliver(fmt.Sprint("done-", i)))
	}
	workOff(t, box, handled)
	for i := range 300 {
		require.Equal(t, http.StatusOK, e.deliver(fmt.Sprint("pending-", i)))
	}
	require.NoError(t, box.Close())
	return path, handled, e.accepted
}

// pageSize is what the header of a database says its pages are long.
func pageSize(t *testing.T, file []byte) int {
	t.Helper()
	require.Greater(t, len(file), 100)
	if size := int(binary.BigEndian.Uint16(file[16:])); size > 1 {
		return size
	}
	return 1 << 16
}

// TestCorruptAtStart: Open refuses a file that is damaged, says so and what to do,
// and leaves it as it is, so that what is in it can be saved.
func TestCorruptAtStart(t *testing.T) {
	t.Parallel()
	path, _, _ := newFullStore(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	page := pageSize(t, whole)
	random := rand.New(rand.NewPCG(1, 2))
	damages := map[string][]byte{
		"truncated to a half":         whole[:len(whole)/page/2*page],
		"truncated within a page":     whole[:len(whole)-page/2],
		"truncated by a page":         whole[:len(whole)-page],
		"header only":                 whole[:100],
		"half a header":               whole[:50],
		"first page only":             whole[:page],
		"first page random":           slices.Concat(randomBytes(random, page), whole[page:]),
		"first page zero":             slices.Concat(make([]byte, page), whole[page:]),
		"all but the first page zero": slices.Concat(whole[:page], make([]byte, len(whole)-page)),
		"all zero":                    make([]byte, len(whole)),
		"not a database":              []byte(strings.Repeat("these are the notes of somebody\n", 300)),
		"one byte":                    {'\n'},
	}
	for name, content := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			require.NoError(t, os.WriteFile(path, content, 0o600))
			box, err := inbox.Open(path)
			if err == nil {
				require.NoError(t, box.Close())
			}
			require.ErrorIs(t, err, inbox.ErrCorrupt)
			requireTold(t, err, path, "a good copy", ".recover")
			requireUnchanged(t, path, content)
		})
	}
}

// TestRandomPageAtStart: whichever page of a file is damaged, Open refuses the
// file, unless nothing stood there.
func TestRandomPageAtStart(t *testing.T) {
	t.Parallel()
	path, handled, accepted := newFullStore(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	page := pageSize(t, whole)
	random := rand.New(rand.NewPCG(3, 4))
	pages := len(whole) / page
	tried, refused := 0, 0
	for at := 1; at < pages; at += max(1, pages/30) {
		tried++
		damaged := slices.Clone(whole)
		copy(damaged[at*page:], randomBytes(random, page))
		path := newPath(t)
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		box, err := inbox.Open(path)
		if err != nil {
			require.ErrorIs(t, err, inbox.ErrCorrupt)
			requireUnchanged(t, path, damaged)
			refused++
			continue
		}
		require.NoError(t, box.Close())
		requireHandled(t, path, handled, accepted)
	}
	t.Logf("%d of %d damaged files refused", refused, tried)
	require.Positive(t, refused)
}

// TestEmptyFileAtStart: a file without content is a new inbox. It is what a crash
// leaves in the moment after the file was made.
func TestEmptyFileAtStart(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	box, err := inbox.Open(path, crashOptions()...)
	require.NoError(t, err)
	e := newEndpoint(t, box)
	require.Equal(t, http.StatusOK, e.deliver("first"))
	require.NoError(t, box.Close())
	requireHandled(t, path, new(keeper), e.accepted)
}

// TestEmptyFileBesideALogAtStart: an empty file is no new inbox if there is a log, which
// holds what was acknowledged.
func TestEmptyFileBesideALogAtStart(t *testing.T) {
	t.Parallel()
	from, path := newPath(t), newPath(t)
	require.Equal(t, http.StatusOK, newEndpoint(t, mustOpen(t, from)).deliver("kept"))
	log, err := os.ReadFile(from + "-wal")
	require.NoError(t, err)
	require.NotEmpty(t, log)
	require.NoError(t, os.WriteFile(path+"-wal", log, 0o600))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = inbox.Open(path)
	require.ErrorIs(t, err, inbox.ErrCorrupt)
	requireTold(t, err, "empty", "-wal", "a good copy")
	requireUnchanged(t, path+"-wal", log)
	requireUnchanged(t, path, nil)
}

// TestCorruptWhileOpen: once a page turns out to be damaged, what comes is refused. What
// was stored before it may still be handled.
func TestCorruptWhileOpen(t *testing.T) {
	t.Parallel()
	path, _, _ := newFullStore(t)
	var log bytes.Buffer
	box, err := inbox.Open(path, append(crashOptions(), inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))...)
	require.NoError(t, err)
	require.NoError(t, box.Script("PRAGMA shrink_memory"), "so that pages are read from the file")
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	header := make([]byte, 128)
	_, err = file.ReadAt(header, 0)
	require.NoError(t, err)
	page := pageSize(t, header)
	for number := range 5 { // of those in the middle, which hold what is pending
		_, err = file.WriteAt(randomBytes(rand.New(rand.NewPCG(7, 8)), page), int64((18+number)*page))
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())

	require.NoError(t, box.HandleDelivery(t.Context(), delivery("before")), "nobody knows yet")
	require.NoError(t, requireStats(t, box).Damage)
	stop := run(t, box, new(keeper).HandleDelivery)
	require.Eventually(t, func() bool { return requireStats(t, box).Damage != nil }, recovery, time.Millisecond)
	require.ErrorIs(t, requireStats(t, box).Damage, inbox.ErrCorrupt)
	status, answer := health(t, box)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "the file is damaged", answer["problem"])
	e := newEndpoint(t, box)
	for i := range 3 {
		err := box.HandleDelivery(t.Context(), delivery(fmt.Sprint("after-", i)))
		require.ErrorIs(t, err, inbox.ErrCorrupt)
		requireTold(t, err, "a good copy", ".recover")
		require.Equal(t, http.StatusServiceUnavailable, e.deliver(fmt.Sprint("later-", i)))
	}
	require.ErrorIs(t, box.Secrets().Swap(t.Context(), receive.SecretState{}, someSecrets()), inbox.ErrCorrupt)
	stop()
	_ = box.Close() // it may tell of marks that it could not write
	require.Equal(t, 1, strings.Count(log.String(), "ERROR"), log.String())
	require.Contains(t, log.String(), "no delivery is accepted")
}

// TestOverwrittenWhileOpen: who cuts the file or copies another one over it, under the same
// name, is noticed before the next delivery, and nothing more is written.
func TestOverwrittenWhileOpen(t *testing.T) {
	t.Parallel()
	other, _, _ := newFullStore(t)
	for name, change := range map[string]func(path string, size int64) error{
		"emptied":            func(path string, _ int64) error { return os.Truncate(path, 0) },
		"cut":                func(path string, size int64) error { return os.Truncate(path, size/2) },
		"grown":              func(path string, size int64) error { return os.Truncate(path, size+1) },
		"zeros of its size":  func(path string, size int64) error { return os.WriteFile(path, make([]byte, size), 0o600) },
		"another inbox":      func(path string, _ int64) error { return copyFile(other, path) },
		"its log is emptied": func(path string, _ int64) error { return os.Truncate(path+"-wal", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newFile(t)
			box, err := inbox.Open(path, crashOptions()...)
			require.NoError(t, err)
			e := newEndpoint(t, box)
			require.Equal(t, http.StatusOK, e.deliver("before"))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, change(path, info.Size()))
			left, err := os.ReadFile(path)
			require.NoError(t, err)
			require.ErrorIs(t, requireStats(t, box).Damage, inbox.ErrCorrupt)
			for range 3 {
				err := box.HandleDelivery(t.Context(), delivery("after"))
				require.ErrorIs(t, err, inbox.ErrCorrupt)
				requireTold(t, err, "somebody else", "a good copy")
				require.Equal(t, http.StatusServiceUnavailable, e.deliver("later"))
			}
			require.NoError(t, box.Close())
			requireUnchanged(t, path, left)
		})
	}
}

// TestOtherDatabaseAtStart: a database of another program is left alone.
func TestOtherDatabaseAtStart(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	db, err := openDatabase(path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "CREATE TABLE customers (name TEXT); INSERT INTO customers VALUES ('Kim')")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = inbox.Open(path)
	require.Error(t, err)
	requireTold(t, err, path)
	requireUnchanged(t, path, before)
}

// TestLogGarbageAtStart: garbage in place of the log is no entry of it, and the
// file itself is whole.
func TestLogGarbageAtStart(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for name, garbage := range map[string][]byte{
		"random":  randomBytes(random, 100_000),
		"zero":    make([]byte, 100_000),
		"one":     {1},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, handled, accepted := newFullStore(t)
			require.NoError(t, os.WriteFile(path+"-wal", garbage, 0o600))
			requireHandled(t, path, handled, accepted)
			requireWhole(t, path)
		})
	}
}

// TestLogCutAtStart: a log that ends within an entry, as a crash leaves it, holds
// what was whole before.
func TestLogCutAtStart(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := mustOpen(t, path)
	e := newEndpoint(t, box)
	var ends []int64 // of the log after each
	for i := range 20 {
		require.Equal(t, http.StatusOK, e.deliver(fmt.Sprint("pending-", i)))
		info, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		ends = append(ends, info.Size())
	}
	require.True(t, slices.IsSorted(ends))
	for kept := 5; kept < 20; kept += 5 {
		after := newPath(t)
		require.NoError(t, copyStore(path, after))
		require.NoError(t, os.Truncate(after+"-wal", ends[kept-1]+(ends[kept]-ends[kept-1])/2))
		requireHandled(t, after, new(keeper), e.accepted[:kept])
		requireWhole(t, after)
	}
}

func randomBytes(random *rand.Rand, n int) []byte {
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	return content
}

func requireUnchanged(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the file was changed")
}
