package payload_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/payload"
)

var errPanicked = errors.New("kim.townsend@example.org")

// panicky is a reader that panics.
type panicky func()

func (p panicky) Read([]byte) (int, error) {
	p()
	return 0, io.EOF
}

// TestPanicInAContent: a content is read by a goroutine of net/http, where a panic
// would end the program. It breaks the request off like an error, whose text names the
// place and holds nothing of the panic's.
func TestPanicInAContent(t *testing.T) {
	t.Parallel()
	read := func(panics func()) payload.Content {
		return stream(payload.UnknownSize, func() io.Reader { return panicky(panics) })
	}
	for _, tt := range []struct {
		name    string
		content payload.Content
		verb    string
		want    string
		is      error
	}{
		{"a text", read(func() { panic("kim.townsend@example.org") }), "read", ": string", nil},
		{"an error", read(func() { panic(errPanicked) }), "read", ": *errors.errorString", errPanicked},
		{"an error with a path", read(func() { panic(&fs.PathError{Path: "/home/kim", Err: errPanicked}) }), "read", ": *fs.PathError", errPanicked},
		{"nil", read(func() { panic(nil) }), "read", ": panic called with nil argument", nil},
		{"of the runtime", read(func() { var p *part; _ = p.Filename }), "read",
			": runtime error: invalid memory address or nil pointer dereference", nil},
		{"reader", &payload.Reader{Size: 7, R: panicky(func() { panic(1) })}, "read", ": int", nil},
		{"open", &payload.Stream{Size: 7, Opener: func() (io.ReadCloser, error) { panic(1) }}, "opened", ": int", nil},
		{"open of a file system", &payload.FS{FS: openPanics{fstest.MapFS{"f": {Data: []byte("content")}}}, Name: "f"}, "opened", ": int", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			reading := readingOf(t, payload.Attachment{Filename: "f", Content: tt.content})
			_, err := io.Copy(io.Discard, reading)
			require.ErrorContains(t, err, "Attachments[0] cannot be "+tt.verb+": panic in payload_test.")
			require.ErrorContains(t, err, "(panic_test.go:")
			assert.True(t, strings.HasSuffix(err.Error(), tt.want), err)
			assert.NotContains(t, err.Error(), "kim")
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assert.False(t, reading.WasRead())
		})
	}
}

type openPanics struct{ fstest.MapFS }

func (f openPanics) Open(string) (fs.File, error) { panic(1) }

func (f openPanics) Stat(name string) (fs.FileInfo, error) { return f.MapFS.Stat(name) }

// TestPanicInClose: nothing depends on what Close does.
func TestPanicInClose(t *testing.T) {
	t.Parallel()
	panics := func() { panic("closed") }
	p := encode(t, payload.Attachment{Filename: "f", Content: &payload.Reader{Size: 7, R: closer{strings.NewReader("content"), panics}}})
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, partsOf(t, p))

	reading := readingOf(t, payload.Attachment{Filename: "f", Content: &payload.Reader{Size: 7, R: closer{iotest.ErrReader(errPanicked), panics}}})
	_, err := io.Copy(io.Discard, reading)
	require.ErrorIs(t, err, errPanicked)
	require.NoError(t, reading.Close())
}
