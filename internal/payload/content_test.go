package payload_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/payload"
)

// TestContents has each kind of content: its name, its size, and its bytes each time it
// is opened.
func TestContents(t *testing.T) {
	t.Parallel()
	assets := fstest.MapFS{"assets/logo.png": {Data: []byte("content")}}
	for _, tt := range []struct {
		kind    string
		content payload.Content
		name    string
		size    int64
	}{
		{"bytes", payload.Bytes("content"), "", 7},
		{"file", payload.File(fileWith(t, "offer.pdf", "content")), "offer.pdf", 7},
		{"file system", &payload.FS{FS: assets, Name: "assets/logo.png"}, "logo.png", 7},
		{"stream", streamOf(7, "content"), "", 7},
		{"stream of unknown size", streamOf(payload.UnknownSize, "content"), "", payload.UnknownSize},
		{"stream of negative size", streamOf(-7, "content"), "", payload.UnknownSize},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.name, tt.content.Filename())
			size, err := tt.content.Measure()
			require.NoError(t, err)
			assert.Equal(t, tt.size, size)
			for range 2 {
				opened, err := tt.content.Open()
				require.NoError(t, err)
				got, err := io.ReadAll(opened)
				require.NoError(t, err)
				require.NoError(t, opened.Close())
				assert.Equal(t, "content", string(got))
			}
		})
	}
}

// TestReaderOpensOnce has a reader that cannot be opened again, nor measured after that.
func TestReaderOpensOnce(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{7, payload.UnknownSize, -7} {
		reader := &payload.Reader{Size: size, R: strings.NewReader("content")}
		assert.Empty(t, reader.Filename())
		got, err := reader.Measure()
		require.NoError(t, err)
		assert.Equal(t, max(size, payload.UnknownSize), got)

		opened, err := reader.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(opened)
		require.NoError(t, err)
		assert.Equal(t, "content", string(content))

		_, err = reader.Open()
		require.EqualError(t, err, "it was read before, and can be read only once")
		_, err = reader.Measure()
		require.EqualError(t, err, "it was read before, and can be read only once")
	}
}

// TestReaderClosesItsSource has a source that can be closed, and is.
func TestReaderClosesItsSource(t *testing.T) {
	t.Parallel()
	closed := 0
	reader := &payload.Reader{Size: 0, R: closer{strings.NewReader(""), func() { closed++ }}}
	opened, err := reader.Open()
	require.NoError(t, err)
	require.NoError(t, opened.Close())
	assert.Equal(t, 1, closed)
}

type closer struct {
	io.Reader
	onClose func()
}

func (c closer) Close() error {
	c.onClose()
	return nil
}

// TestContentsThatAreNone has what cannot be measured or opened.
func TestContentsThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	errDisk := errors.New("the disk is on fire")
	for _, tt := range []struct {
		name     string
		content  payload.Content
		measures string // error of Measure, "" for none
		opens    string // error of Open
		is       error
	}{
		{"no file", payload.File(dir + "/f"), "no such file or directory", "no such file or directory", fs.ErrNotExist},
		{"directory", payload.File(dir), "it is not a regular file", "it is not a regular file", nil},
		{"no file of a file system", &payload.FS{FS: os.DirFS(dir), Name: "f"}, "no such file or directory", "no such file or directory", fs.ErrNotExist},
		{"root of a file system", &payload.FS{FS: os.DirFS(dir), Name: "."}, "it is not a regular file", "it is not a regular file", nil},
		{"path of a file system", &payload.FS{FS: os.DirFS(dir), Name: "../f"}, "invalid argument", "invalid argument", fs.ErrInvalid},
		{"no file system", &payload.FS{Name: "f"}, "the file system is nil", "the file system is nil", nil},
		{"file that is gone when it is opened", &payload.FS{FS: gone{fstest.MapFS{"f": {}}}, Name: "f"}, "", "file does not exist", fs.ErrNotExist},
		{"file that is a directory when it is opened", &payload.FS{FS: replaced{fstest.MapFS{"f": {}, "d/f": {}}}, Name: "f"}, "", "it is not a regular file", nil},
		{"no stream", &payload.Stream{Opener: func() (io.ReadCloser, error) { return nil, nil }}, "", "the function returned nil", nil},
		{"stream that fails", &payload.Stream{Opener: func() (io.ReadCloser, error) { return nil, errDisk }}, "", errDisk.Error(), errDisk},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.content.Measure()
			if tt.measures == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.measures)
			}
			_, err = tt.content.Open()
			require.ErrorContains(t, err, tt.opens)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
	_, err := (&payload.Stream{}).Measure()
	require.EqualError(t, err, "the function is nil")
	_, err = (&payload.Reader{}).Measure()
	require.EqualError(t, err, "the reader is nil")
}

// gone loses its files between Stat and Open.
type gone struct{ fstest.MapFS }

func (gone) Open(string) (fs.File, error) { return nil, fs.ErrNotExist }

func (f gone) Stat(name string) (fs.FileInfo, error) { return f.MapFS.Stat(name) }

// replaced has a directory where Stat saw a file.
type replaced struct{ fstest.MapFS }

func (f replaced) Open(string) (fs.File, error) { return f.MapFS.Open("d") }

func (f replaced) Stat(name string) (fs.FileInfo, error) { return f.MapFS.Stat(name) }
