package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // to look into files

	"github.com/nylastrack/nylas-go/inbox"
)

// inFile runs statements on a file that nobody has open.
func inFile(tb testing.TB, path string, statements ...string) {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(tb, err)
	defer func() { assert.NoError(tb, db.Close()) }()
	for _, statement := range statements {
		_, err := db.Exec(statement)
		require.NoError(tb, err)
	}
}

func newFile(tb testing.TB) string {
	tb.Helper()
	path := newPath(tb)
	box, err := inbox.Open(path)
	require.NoError(tb, err)
	require.NoError(tb, box.HandleDelivery(tb.Context(), delivery("n-1")))
	require.NoError(tb, box.Close())
	return path
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		path func(t *testing.T) string
		is   error
		text string
	}{
		"a directory": {
			func(t *testing.T) string { return t.TempDir() }, nil, "is a directory",
		},
		"a directory that does not exist": {
			func(t *testing.T) string { return filepath.Join(t.TempDir(), "no", "nylas.db") }, os.ErrNotExist, "make it first",
		},
		"a file for a directory": {
			func(t *testing.T) string { return filepath.Join(newFile(t), "nylas.db") }, nil, "not a directory",
		},
		"a file of something else": {
			func(t *testing.T) string {
				path := newPath(t)
				require.NoError(t, os.WriteFile(path, []byte("# Notes\n\nThis is no database, and long enough to be one of those files that begin like one. Not at all.\n"), 0o600))
				return path
			}, inbox.ErrCorrupt, "move all of them away",
		},
		"a database of something else": {
			func(t *testing.T) string {
				path := newPath(t)
				inFile(t, path, "CREATE TABLE customers (name TEXT)")
				return path
			}, nil, "a file of its own",
		},
		"an inbox of a later version": {
			func(t *testing.T) string {
				path := newFile(t)
				inFile(t, path, "PRAGMA user_version=99")
				return path
			}, nil, "later version",
		},
		"an inbox without its tables": {
			func(t *testing.T) string {
				path := newFile(t)
				inFile(t, path, "DELETE FROM totals")
				return path
			}, inbox.ErrCorrupt, "no totals",
		},
		"damaged pages": {
			func(t *testing.T) string {
				path := newFile(t)
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				for i := 8 << 10; i < len(content); i += 64 {
					content[i] ^= 0xff
				}
				require.NoError(t, os.WriteFile(path, content, 0o600))
				return path
			}, inbox.ErrCorrupt, ".recover",
		},
		"a file cut short": {
			func(t *testing.T) string {
				path := newFile(t)
				require.NoError(t, os.Truncate(path, 20_000))
				return path
			}, inbox.ErrCorrupt, "keep a copy",
		},
		"a log whose file is gone": {
			func(t *testing.T) string {
				path := newPath(t)
				require.NoError(t, os.WriteFile(path+"-wal", []byte("log"), 0o600))
				return path
			}, inbox.ErrCorrupt, "missing",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := test.path(t)
			before, _ := os.ReadFile(path)
			_, err := inbox.Open(path)
			require.ErrorContains(t, err, test.text)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			} else {
				require.NotErrorIs(t, err, inbox.ErrCorrupt)
			}
			after, _ := os.ReadFile(path)
			assert.True(t, bytes.Equal(before, after), "a file that is refused is left as it is")
		})
	}
}

func TestOpenRefusesOptions(t *testing.T) {
	t.Parallel()
	for text, opt := range map[string]inbox.Option{
		"workers":   inbox.WithWorkers(0),
		"attempts":  inbox.WithMaxAttempts(0),
		"history":   inbox.WithHistory(time.Second),
		"retention": inbox.WithRetention(time.Second),
		"back-off":  inbox.WithBackoff(time.Second, time.Millisecond),
		"time-out":  inbox.WithHandlerTimeout(-1),
		"grace":     inbox.WithGrace(-1),
		"order":     inbox.WithOrder(nil),
		"logger":    inbox.WithLogger(nil),
	} {
		path := newPath(t)
		_, err := inbox.Open(path, nil, opt)
		require.ErrorContains(t, err, text)
		assert.NoFileExists(t, path)
	}
}

func TestOneInboxForAFile(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := open(t, path)
	_, err := inbox.Open(path)
	require.ErrorIs(t, err, inbox.ErrInUse, "in the same process")
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	_, err = inbox.Open(link)
	require.ErrorIs(t, err, inbox.ErrInUse, "by another name")

	requireOthersRefused(t, path)

	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))
	require.NoError(t, box.Close())
	open(t, path)
}

// A program that reads its own inbox, to copy or count it, ends SQLite's lock of it.
func TestReadingTheFileKeepsTheLock(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := open(t, path)
	for _, ending := range []string{"", "-wal", ".lock"} {
		_, err := os.ReadFile(path + ending)
		require.NoError(t, err)
		requireOthersRefused(t, path)
	}
	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))
}

func requireOthersRefused(t *testing.T, path string) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run", "^TestOtherProcess$")
	command.Env = append(os.Environ(), otherProcess+"="+path)
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	assert.Contains(t, string(output), "only one process")
}

const otherProcess = "NYLAS_INBOX_OTHER_PROCESS"

func TestOtherProcess(t *testing.T) {
	path := os.Getenv(otherProcess)
	if path == "" {
		t.Skip("it is the other process of requireOthersRefused")
	}
	_, err := inbox.Open(path)
	require.ErrorIs(t, err, inbox.ErrInUse)
	_, err = os.Stdout.WriteString(err.Error())
	require.NoError(t, err)
}

func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a?b=c.db", "100%25.db", "with space#1.db", "ü.db"} {
		path := filepath.Join(t.TempDir(), name)
		box := open(t, path)
		require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))
		assert.FileExists(t, path)
	}
}

func TestOthersCannotReadTheFile(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	open(t, path)
	for _, name := range []string{path, path + "-wal", path + ".lock"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

// What belongs to the file is where the file is, and not where the link to it is.
func TestSymbolicLinks(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(t *testing.T, path string){
		"to an inbox": func(t *testing.T, path string) {
			require.NoError(t, open(t, path).Close())
		},
		"to nothing": func(*testing.T, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, dir := newPath(t), t.TempDir()
			first(t, path)
			require.NoError(t, os.Symlink(path, filepath.Join(dir, "a.db")))
			require.NoError(t, os.Symlink("a.db", filepath.Join(dir, "b.db")))
			box := open(t, filepath.Join(dir, "b.db"))
			take(t, box, "n-1")
			for _, name := range []string{path, path + "-wal", path + ".lock"} {
				info, err := os.Stat(name)
				require.NoError(t, err)
				assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
			}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			assert.Len(t, entries, 2, "nothing beside the links")
			require.NoError(t, os.Remove(filepath.Join(dir, "a.db")))
			take(t, box, "n-2")
		})
	}
}

// A program that changes its working directory has the same inbox as before.
func TestChangedWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	box := open(t, "nylas.db")
	take(t, box, "n-1")
	t.Chdir(t.TempDir())
	take(t, box, "n-2")
	assert.EqualValues(t, 2, stats(t, box).Pending)
	assert.NoFileExists(t, "nylas.db")
}

func TestAFullCheckFindsWhatOpensOtherwise(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	box := open(t, path, inbox.WithFullCheck())
	stats, err := box.Stats(context.Background())
	require.NoError(t, err)
	assert.EqualValues(t, 1, stats.Pending)
}
