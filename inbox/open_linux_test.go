package inbox_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
)

// A directory in which nobody may make files is told as that, and not as a file that may
// only be read.
func TestOpenInADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Owned by somebody else, and its parent may be passed.
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	path := filepath.Join(dir, "nylas.db")
	require.NoError(t, open(t, path).Close())
	require.NoError(t, os.Chmod(path, 0o666))
	require.NoError(t, os.Chmod(path+".lock", 0o666))
	require.NoError(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { assert.NoError(t, os.Chmod(dir, 0o700)) })
	if os.Geteuid() == 0 { // root may write everywhere: be somebody else, in this thread
		const nobody = 65534
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		require.NoError(t, syscall.Setfsuid(nobody))
		defer func() { assert.NoError(t, syscall.Setfsuid(0)) }()
	}
	for _, path := range []string{path, filepath.Join(dir, "new.db")} {
		_, err := inbox.Open(path)
		require.ErrorIs(t, err, fs.ErrPermission)
		assert.ErrorContains(t, err, "its directory must be writable")
	}
}
