package replace_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/replace"
)

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	require.NoError(t, os.WriteFile(path+".tmp", []byte("what a crash left"), 0o644))
	for _, content := range []string{"first", "second, and longer", ""} {
		require.NoError(t, replace.File(path, []byte(content)))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(got))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing else is left")
}

func TestFileThatCannotBeReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "a directory of that name"), 0o700))
	require.Error(t, replace.File(path, []byte("new")))
	assert.NoFileExists(t, path+".tmp")
	require.ErrorIs(t, replace.File(filepath.Join(dir, "no", "state.json"), nil), fs.ErrNotExist)
}
