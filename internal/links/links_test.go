package links_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/links"
)

func TestFollow(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for name, target := range map[string]string{
		"a": "b", "b": filepath.Join(dir, "c"), "round": "round", "up": filepath.Join("..", filepath.Base(dir), "c"),
		"away": filepath.Join("no", "c"),
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	for _, name := range []string{"a", "b", "c", "up"} {
		path, err := links.Follow(filepath.Join(dir, name))
		require.NoError(t, err, name)
		assert.Equal(t, filepath.Join(dir, "c"), path, "%s, which need not exist", name)
	}
	_, err = links.Follow(filepath.Join(dir, "round"))
	require.ErrorContains(t, err, "more than 40")
	_, err = links.Follow(filepath.Join(dir, "away"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
