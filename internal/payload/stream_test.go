package payload_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/payload"
)

// forms are a content whose request is JSON, and one whose is multipart.
var forms = map[string]int64{"JSON": 7, "multipart": payload.UnknownSize}

// TestEachAttemptReadsAgain has the same bytes each time, however they are read.
func TestEachAttemptReadsAgain(t *testing.T) {
	t.Parallel()
	for form, size := range forms {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			opened, closed := 0, 0
			content := &payload.Stream{Size: size, Opener: func() (io.ReadCloser, error) {
				opened++
				return closer{strings.NewReader("content"), func() { closed++ }}, nil
			}}
			p := encode(t, append(eachContent(t)[:4], payload.Attachment{Filename: "f", Content: content})...)
			first := read(t, p)
			slow, err := io.ReadAll(iotest.OneByteReader(p.Open()))
			require.NoError(t, err)
			assert.Equal(t, first, string(slow))
			assert.Equal(t, 2, opened)
			assert.Equal(t, 2, closed)
			assert.False(t, p.Spent())
		})
	}
}

// TestWasRead: what was not read to its end nobody can have got.
func TestWasRead(t *testing.T) {
	t.Parallel()
	for form, size := range forms {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			p := encode(t, payload.Attachment{Filename: "f", Content: streamOf(size, "content")})
			body := read(t, p)
			reading, ok := p.Open().(*payload.Reading)
			require.True(t, ok)
			n, err := reading.Read(nil)
			require.NoError(t, err)
			assert.Zero(t, n)
			_, err = io.ReadFull(reading, make([]byte, len(body)-1))
			require.NoError(t, err)
			assert.False(t, reading.WasRead())
			_, err = io.ReadFull(reading, make([]byte, 1))
			require.NoError(t, err)
			assert.True(t, reading.WasRead(), "the end need not be asked for")
			_, err = reading.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, reading.Failure())
		})
	}
	var none *payload.Reading
	assert.True(t, none.WasRead(), "what is in memory")
	require.NoError(t, none.Failure())
	none.End()
}

// TestReadAfterTheEndOfAnAttempt gets nothing more, and a reader is left to the next
// attempt.
func TestReadAfterTheEndOfAnAttempt(t *testing.T) {
	t.Parallel()
	p := encode(t, payload.Attachment{Filename: "f", Content: &payload.Reader{Size: 7, R: strings.NewReader("content")}})
	reading, ok := p.Open().(*payload.Reading)
	require.True(t, ok)
	require.NoError(t, reading.Close())
	n, err := reading.Read(make([]byte, 10))
	assert.Zero(t, n)
	require.EqualError(t, err, "the attempt has ended")
	require.NoError(t, reading.Failure(), "what Close brings about is no failure of a content")
	assert.False(t, p.Spent())
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, partsOf(t, p))
	assert.True(t, p.Spent())
}

// TestContentThatOpensTooLate opens when its attempt is over: it is closed, and not
// read.
func TestContentThatOpensTooLate(t *testing.T) {
	t.Parallel()
	opening, over := make(chan bool), make(chan bool)
	closed := 0
	reading := readingOf(t, payload.Attachment{Filename: "f", Content: &payload.Stream{Size: 7, Opener: func() (io.ReadCloser, error) {
		close(opening)
		<-over
		return closer{iotest.ErrReader(errors.New("read")), func() { closed++ }}, nil
	}}})
	done := make(chan error)
	go func() {
		_, err := io.Copy(io.Discard, reading)
		done <- err
	}()
	<-opening
	reading.End()
	close(over)
	require.EqualError(t, <-done, "the attempt has ended")
	assert.Equal(t, 1, closed)
}

// TestEndDuringARead closes the content that is being read, which ends the Read.
func TestEndDuringARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source, writer := io.Pipe()
		reading := readingOf(t, payload.Attachment{Filename: "f", Content: &payload.Stream{
			Size: payload.UnknownSize, Opener: func() (io.ReadCloser, error) { return source, nil },
		}})
		done := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, reading)
			done <- err
		}()
		_, err := writer.Write([]byte("content"))
		require.NoError(t, err)
		synctest.Wait() // it reads again
		reading.End()
		require.Error(t, <-done)
		require.NoError(t, reading.Failure())
		assert.False(t, reading.WasRead())
	})
}

// TestBrokenOff has what can be wrong with a content during an attempt. Reading fails
// before the last bytes, and goes on failing.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	const unknown = payload.UnknownSize
	errDisk := errors.New("the disk is on fire")
	from := func(size int64, open func() io.Reader) func() payload.Content {
		return func() payload.Content { return stream(size, open) }
	}
	reads := func(size int64, content string) func() payload.Content {
		return from(size, func() io.Reader { return strings.NewReader(content) })
	}
	fails := func(size int64, err error) func() payload.Content {
		return from(size, func() io.Reader { return io.MultiReader(strings.NewReader("cont"), iotest.ErrReader(err)) })
	}
	opens := func(err error) func() payload.Content {
		return func() payload.Content {
			return &payload.Stream{Size: 7, Opener: func() (io.ReadCloser, error) { return nil, err }}
		}
	}
	const (
		less    = "Attachments[0] has %d bytes, not the %d that it had before or was announced with"
		more    = "Attachments[0] has more than the %d bytes that it had before or was announced with"
		tooMuch = "the request has more than 26214400 bytes with its attachments, Nylas takes at most 26214400"
		onFire  = "Attachments[0] cannot be read: the disk is on fire"
	)
	for _, tt := range []struct {
		name    string
		content func() payload.Content
		want    string
		is      error
	}{
		{"less than announced", reads(8, "content"), fmt.Sprintf(less, 7, 8), nil},
		{"nothing", reads(8, ""), fmt.Sprintf(less, 0, 8), nil},
		{"more than announced", reads(6, "content"), fmt.Sprintf(more, 6), nil},
		{"more than nothing", reads(0, "content"), fmt.Sprintf(more, 0), nil},
		{"byte after byte", from(6, func() io.Reader { return iotest.OneByteReader(strings.NewReader("content")) }), fmt.Sprintf(more, 6), nil},
		{"reader with less", func() payload.Content { return &payload.Reader{Size: 8, R: strings.NewReader("content")} },
			fmt.Sprintf(less, 7, 8), nil},
		{"too much", from(unknown, func() io.Reader { return io.LimitReader(endless{}, payload.MaxBytes) }), tooMuch, nil},
		{"without an end", from(unknown, func() io.Reader { return endless{} }), tooMuch, nil},
		{"read error", fails(7, errDisk), onFire, errDisk},
		{"read error after all", fails(4, errDisk), onFire, errDisk},
		{"read error, size unknown", fails(unknown, errDisk), onFire, errDisk},
		{"cut source", fails(7, io.ErrUnexpectedEOF), "Attachments[0] cannot be read: unexpected EOF", io.ErrUnexpectedEOF},
		{"cut source, size unknown", fails(unknown, io.ErrUnexpectedEOF), "Attachments[0] cannot be read: unexpected EOF", io.ErrUnexpectedEOF},
		{"wrapped EOF", fails(unknown, fmt.Errorf("connection lost: %w", io.EOF)), "Attachments[0] cannot be read: connection lost: EOF", io.EOF},
		{"URL", fails(7, fmt.Errorf("download: %w", &url.Error{Op: "Get", URL: "https://acme.dev/secret-offer", Err: errDisk})), onFire, errDisk},
		{"path", opens(&fs.PathError{Op: "open", Path: "/home/kim.townsend@example.org", Err: fs.ErrPermission}),
			"Attachments[0] cannot be opened: permission denied", fs.ErrPermission},
		{"impossible count", from(7, func() io.Reader { return countReader(1 << 20) }),
			"Attachments[0] cannot be read: its Read returned an impossible number of bytes", nil},
		{"negative count", from(unknown, func() io.Reader { return countReader(-1) }),
			"Attachments[0] cannot be read: its Read returned an impossible number of bytes", nil},
		{"no stream", opens(nil), "Attachments[0] cannot be opened: the function returned nil", nil},
		{"neither bytes nor an end", from(7, func() io.Reader { return countReader(0) }),
			"Attachments[0] cannot be read: multiple Read calls return no data or error", io.ErrNoProgress},
	} {
		for _, form := range []string{"alone", "with one of unknown size"} {
			t.Run(tt.name+" "+form, func(t *testing.T) {
				t.Parallel()
				attachments := []payload.Attachment{{Filename: "f", Content: tt.content()}}
				if form != "alone" {
					attachments = append(attachments, payload.Attachment{Filename: "g", Content: streamOf(unknown, "content")})
				}
				reading := readingOf(t, attachments...)
				_, err := io.Copy(io.Discard, reading)
				require.EqualError(t, err, tt.want)
				assert.Equal(t, err, reading.Failure())
				assert.False(t, reading.WasRead())
				_, again := reading.Read(make([]byte, 1))
				assert.Equal(t, err, again)
				broken, ok := errors.AsType[*payload.Error](err)
				require.True(t, ok)
				assert.NotContains(t, err.Error(), "kim.townsend")
				assert.Equal(t, strings.Contains(tt.want, " cannot be "), broken.Cause != nil, "a cause is a disk or a network, and not a wrong size")
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
			})
		}
	}
}

// countReader returns itself as the number of bytes that it read.
type countReader int

func (r countReader) Read([]byte) (int, error) { return int(r), nil }

// TestFileThatChanges changes a file between two attempts.
func TestFileThatChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(path string) error
		want   string
	}{
		{"grows", func(path string) error { return os.WriteFile(path, []byte("content+"), 0o600) },
			"Attachments[0] has more than the 7 bytes that it had before or was announced with"},
		{"shrinks", func(path string) error { return os.Truncate(path, 3) },
			"Attachments[0] has 3 bytes, not the 7 that it had before or was announced with"},
		{"goes", os.Remove, "Attachments[0] cannot be opened: no such file or directory"},
		{"becomes a directory", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
			"Attachments[0] cannot be opened: it is not a regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := fileWith(t, "f", "content")
			p := encode(t, payload.Attachment{Content: payload.File(path)})
			read(t, p)
			require.NoError(t, tt.change(path))
			_, err := io.Copy(io.Discard, p.Open())
			require.EqualError(t, err, tt.want)
		})
	}
}
