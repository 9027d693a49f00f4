//go:build unix

package payload_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/payload"
)

// TestFileThatIsAPipe: opening a named pipe would wait for somebody who writes.
func TestFileThatIsAPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, content := range []payload.Content{
		payload.File(pipe), payload.File(os.DevNull), &payload.FS{FS: os.DirFS(filepath.Dir(pipe)), Name: "pipe"},
	} {
		_, err := content.Measure()
		require.EqualError(t, err, "it is not a regular file")
		_, err = content.Open()
		require.EqualError(t, err, "it is not a regular file")
	}
}
