//go:build unix

package nylas_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// TestFileThatBecomesAPipe: opening a named pipe waits for somebody who writes, and
// no context ends that. A device has no end.
func TestFileThatBecomesAPipe(t *testing.T) {
	t.Parallel()
	for name, become := range map[string]func(string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		for kind, content := range map[string]func(path string) nylas.AttachmentContent{
			"file":           nylas.FileContent,
			"of file system": func(path string) nylas.AttachmentContent { return nylas.FSContent(os.DirFS(filepath.Dir(path)), "f") },
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				path := fileWith(t, "f", "content")
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err == nil {
						assert.NoError(t, errors.Join(os.Remove(path), become(path)))
					}
					w.WriteHeader(http.StatusServiceUnavailable)
				}))
				t.Cleanup(server.Close)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				_, err := realClient(t, server.URL, 4).Messages.Send(ctx, testGrant, attached(nylas.Attachment{Content: content(path)}))
				require.EqualError(t, err, "nylas: send message: the request was broken off: "+
					"Attachments[0] cannot be opened: it is not a regular file")
				assert.Equal(t, 2, asError(t, err).Attempts)
				assertSentinels(t, err)
			})
		}
	}
}
