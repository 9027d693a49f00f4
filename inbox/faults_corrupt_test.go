package inbox_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
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
