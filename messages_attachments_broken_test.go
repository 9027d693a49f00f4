package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// cutServer is a server that reads requests to their end, and expects that they
// have none.
type cutServer struct {
	*httptest.Server
	ended chan error
}

func newCutServer(t *testing.T) *cutServer {
	t.Helper()
	s := &cutServer{ended: make(chan error, 10)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		s.ended <- err
	}))
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// assertCut checks how many requests there were, each without an end.
func (s *cutServer) assertCut(t *testing.T, requests int) {
	t.Helper()
	for range requests {
		require.Error(t, <-s.ended)
	}
	assert.Empty(t, s.ended)
}

// TestBrokenOff has what can be wrong with a content during an attempt. The
// request must not look whole to Nylas, and nothing is repeated.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	const unknown = nylas.UnknownSize
	errDisk := errors.New("the disk is on fire")
	stream := func(size int64, readers ...func() io.Reader) func() nylas.AttachmentContent {
		return func() nylas.AttachmentContent {
			return nylas.StreamContent(size, func() (io.ReadCloser, error) { return io.NopCloser(readers[0]()), nil })
		}
	}
	reads := func(size int64, content string) func() nylas.AttachmentContent {
		return stream(size, func() io.Reader { return strings.NewReader(content) })
	}
	fails := func(size int64, err error) func() nylas.AttachmentContent {
		return stream(size, func() io.Reader { return io.MultiReader(strings.NewReader("cont"), iotest.ErrReader(err)) })
	}
	opens := func(err error) func() nylas.AttachmentContent {
		return func() nylas.AttachmentContent {
			return nylas.StreamContent(7, func() (io.ReadCloser, error) { return nil, err })
		}
	}
	const (
		less    = "Attachments[0] has %d bytes, not the %d that it had before or was announced with"
		more    = "Attachments[0] has more than the %d bytes that it had before or was announced with"
		tooMuch = "the request has more than 26214400 bytes with its attachments, Nylas takes at most 26214400"
		onFire  = "Attachments[0] cannot be read: the disk is on fire"
	)
	wrong := []error{nylas.ErrInvalidRequest}
	for _, tt := range []struct {
		name    string
		content func() nylas.AttachmentContent
		want    string
		is      error

		sentinels []error
	}{
		{"less than announced", reads(8, "content"), fmt.Sprintf(less, 7, 8), nil, wrong},
		{"nothing", reads(8, ""), fmt.Sprintf(less, 0, 8), nil, wrong},
		{"more than announced", reads(6, "content"), fmt.Sprintf(more, 6), nil, wrong},
		{"more than nothing", reads(0, "content"), fmt.Sprintf(more, 0), nil, wrong},
		{"byte after byte", stream(6, func() io.Reader { return iotest.OneByteReader(strings.NewReader("content")) }), fmt.Sprintf(more, 6), nil, wrong},
		{"reader with less", func() nylas.AttachmentContent { return nylas.ReaderContent(8, strings.NewReader("content")) },
			fmt.Sprintf(less, 7, 8), nil, wrong},
		{"too much", stream(unknown, func() io.Reader { return io.LimitReader(endless{}, largestMultipart) }), tooMuch, nil, wrong},
		{"without an end", stream(unknown, func() io.Reader { return endless{} }), tooMuch, nil, wrong},
		{"read error", fails(7, errDisk), onFire, errDisk, nil},
		{"read error after all", fails(4, errDisk), onFire, errDisk, nil},
		{"read error, size unknown", fails(unknown, errDisk), onFire, errDisk, nil},
		{"cut source", fails(7, io.ErrUnexpectedEOF), "Attachments[0] cannot be read: unexpected EOF", io.ErrUnexpectedEOF, nil},
		{"cut source, size unknown", fails(unknown, io.ErrUnexpectedEOF), "Attachments[0] cannot be read: unexpected EOF", io.ErrUnexpectedEOF, nil},
		{"wrapped EOF", fails(unknown, fmt.Errorf("connection lost: %w", io.EOF)), "Attachments[0] cannot be read: connection lost: EOF", io.EOF, nil},
		{"URL", fails(7, fmt.Errorf("download: %w", &url.Error{Op: "Get", URL: markLink, Err: errDisk})), onFire, errDisk, nil},
		{"path", opens(&fs.PathError{Op: "open", Path: "/home/" + markAddress, Err: fs.ErrPermission}),
			"Attachments[0] cannot be opened: permission denied", fs.ErrPermission, nil},
		{"impossible count", stream(7, func() io.Reader { return countReader(1 << 20) }),
			"Attachments[0] cannot be read: its Read returned an impossible number of bytes", nil, nil},
		{"negative count", stream(unknown, func() io.Reader { return countReader(-1) }),
			"Attachments[0] cannot be read: its Read returned an impossible number of bytes", nil, nil},
		{"no stream", opens(nil), "Attachments[0] cannot be opened: the function returned nil", nil, nil},
	} {
		for _, form := range []string{"alone", "with one of unknown size"} {
			t.Run(tt.name+" "+form, func(t *testing.T) {
				t.Parallel()
				req := attached(nylas.Attachment{Filename: "f", Content: tt.content()})
				if form != "alone" {
					req.Attachments = append(req.Attachments, nylas.Attachment{Filename: "g", Content: streamOf(unknown, "content")})
				}
				server := newCutServer(t)
				_, err := realClient(t, server.URL, 4).Messages.Send(t.Context(), testGrant, req)
				require.EqualError(t, err, "nylas: send message: the request was broken off: "+tt.want)
				server.assertCut(t, 1)
				assert.Equal(t, 1, asError(t, err).Attempts)
				assertUnmarked(t, err.Error())
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
				assertSentinels(t, err, tt.sentinels...)
			})
		}
	}
}

// countReader returns itself as the number of bytes that it read.
type countReader int

func (r countReader) Read([]byte) (int, error) { return int(r), nil }

// TestFileThatChanges changes a file while Nylas has trouble with the first
// attempt.
func TestFileThatChanges(t *testing.T) {
	t.Parallel()
	const before = "nylas: send message: the request was broken off: Attachments[0] "
	for _, tt := range []struct {
		name   string
		change func(path string) error
		want   string
		is     []error
	}{
		{"grows", func(path string) error { return os.WriteFile(path, []byte("content+"), 0o600) },
			before + "has more than the 7 bytes that it had before or was announced with", []error{nylas.ErrInvalidRequest}},
		{"shrinks", func(path string) error { return os.Truncate(path, 3) },
			before + "has 3 bytes, not the 7 that it had before or was announced with", []error{nylas.ErrInvalidRequest}},
		{"goes", os.Remove, before + "cannot be opened: no such file or directory", nil},
		{"becomes a directory", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
			before + "cannot be opened: it is not a regular file", nil},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " lost ", lost), func(t *testing.T) {
				t.Parallel()
				path := fileWith(t, "f", "content")
				var ended []error
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					if ended = append(ended, err); len(ended) > 1 {
						return
					}
					assert.NoError(t, tt.change(path))
					if lost {
						w.WriteHeader(http.StatusGatewayTimeout)
						return
					}
					w.WriteHeader(http.StatusServiceUnavailable)
				}))
				_, err := realClient(t, server.URL, 4).Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Content: nylas.FileContent(path)}))
				server.Close()
				want := tt.is
				if lost { // what the first attempt did is still open
					want = append([]error{nylas.ErrOutcomeUnknown}, want...)
					require.EqualError(t, err, tt.want+textUnknownSend)
				} else {
					require.EqualError(t, err, tt.want)
				}
				assertSentinels(t, err, want...)
				assert.Equal(t, 2, asError(t, err).Attempts)
				require.NotEmpty(t, ended)
				require.NoError(t, ended[0])
				for _, err := range ended[1:] {
					require.Error(t, err)
				}
			})
		}
	}
}

func TestAttachmentsOverHTTP2(t *testing.T) {
	t.Parallel()
	var read atomic.Int64
	failed := make(chan error, 1)
	answer := recording(t, messageAnswer)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			failed <- err
			return
		}
		read.Store(n)
		_, _ = w.Write(answer)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := nylas.NewClient(testAPIKey, nylas.WithBaseURL(server.URL), nylas.WithHTTPClient(server.Client()))
	require.NoError(t, err)
	for _, size := range []int64{5_000_000, nylas.UnknownSize} {
		_, err = client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: zeros(size, 5_000_000)}))
		require.NoError(t, err)
		assert.Greater(t, read.Load(), int64(5_000_000))
	}
	_, err = client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: zeros(5_000_000, 4_999_999)}))
	require.EqualError(t, err, "nylas: send message: the request was broken off: "+
		"Attachments[0] has 4999999 bytes, not the 5000000 that it had before or was announced with")
	require.Error(t, <-failed)
}

var errPanicked = errors.New("kim.townsend@example.org")

// panicky is a stream that panics in one of its methods.
type panicky struct {
	read, close func()
	io.Reader
}

func (p *panicky) Read(b []byte) (int, error) {
	p.read()
	return p.Reader.Read(b)
}

func (p *panicky) Close() error {
	p.close()
	return nil
}

// TestPanicInAContent: a content is read by a goroutine of net/http, where a panic
// would end the program. It breaks the request off like an error.
func TestPanicInAContent(t *testing.T) {
	t.Parallel()
	nothing := func() {}
	stream := func(read func()) nylas.AttachmentContent {
		return nylas.StreamContent(nylas.UnknownSize, func() (io.ReadCloser, error) {
			return &panicky{read, nothing, strings.NewReader("content")}, nil
		})
	}
	for _, tt := range []struct {
		name    string
		content nylas.AttachmentContent // nil for a reader
		verb    string
		want    string
		is      error
	}{
		{"a text", stream(func() { panic("kim.townsend@example.org") }), "read", ": string", nil},
		{"an error", stream(func() { panic(errPanicked) }), "read", ": *errors.errorString", errPanicked},
		{"an error with a path", stream(func() { panic(&fs.PathError{Path: markAddress, Err: errPanicked}) }), "read", ": *fs.PathError", errPanicked},
		{"nil", stream(func() { panic(nil) }), "read", ": panic called with nil argument", nil},
		{"of the runtime", stream(func() { var p *panicky; _ = p.Reader }), "read",
			": runtime error: invalid memory address or nil pointer dereference", nil},
		{"reader", nil, "read", ": int", nil},
		{"open", nylas.StreamContent(7, func() (io.ReadCloser, error) { panic(1) }), "opened", ": int", nil},
		{"open of a file system", nylas.FSContent(openPanics{fstest.MapFS{"f": {Data: []byte("content")}}}, "f"), "opened", ": int", nil},
	} {
		for form, size := range forms {
			t.Run(tt.name+" "+form, func(t *testing.T) {
				t.Parallel()
				content := tt.content
				if content == nil {
					content = nylas.ReaderContent(7, &panicky{func() { panic(1) }, nothing, nil})
				}
				server := newCutServer(t)
				_, err := realClient(t, server.URL, 4).Messages.Send(t.Context(), testGrant, attached(
					nylas.Attachment{Filename: "f", Content: content}, nylas.Attachment{Filename: "g", Content: streamOf(size, "content")}))
				require.ErrorContains(t, err, "nylas: send message: the request was broken off: Attachments[0] cannot be "+tt.verb+
					": panic in nylas-go_test.")
				require.ErrorContains(t, err, "(messages_attachments_broken_test.go:")
				assert.True(t, strings.HasSuffix(err.Error(), tt.want), err)
				assertUnmarked(t, err.Error())
				assert.NotContains(t, err.Error(), errPanicked.Error())
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
				assertSentinels(t, err)
				assert.Equal(t, 1, asError(t, err).Attempts)
				server.assertCut(t, 1)
			})
		}
	}
}

type openPanics struct{ fstest.MapFS }

func (f openPanics) Open(string) (fs.File, error) { panic(1) }

func (f openPanics) Stat(name string) (fs.FileInfo, error) { return f.MapFS.Stat(name) }

// TestPanicAfterALostAttempt: the panic breaks off the second attempt. What the
// first one did is still open.
func TestPanicAfterALostAttempt(t *testing.T) {
	t.Parallel()
	for status, sentinels := range map[int][]error{
		http.StatusGatewayTimeout: {nylas.ErrOutcomeUnknown}, http.StatusServiceUnavailable: nil,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		var opened atomic.Int32
		content := nylas.StreamContent(7, func() (io.ReadCloser, error) {
			if opened.Add(1) > 1 {
				panic("second")
			}
			return io.NopCloser(strings.NewReader("content")), nil
		})
		_, err := realClient(t, server.URL, 4).Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: content}))
		require.ErrorContains(t, err, "cannot be opened: panic in ")
		assertSentinels(t, err, sentinels...)
		assert.Equal(t, 2, asError(t, err).Attempts)
	}
}

// TestPanicInClose: nothing depends on what Close does, neither after all was read
// nor when a context ends during a Read.
func TestPanicInClose(t *testing.T) {
	t.Parallel()
	closing := func(before func()) func() {
		return func() {
			before()
			panic("closed")
		}
	}
	w := newWire(t, answersFile(t, 200, messageAnswer))
	_, err := w.client(t).Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f",
		Content: nylas.ReaderContent(7, &panicky{func() {}, closing(func() {}), strings.NewReader("content")})}))
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan bool)
	blocked := &panicky{read: func() { cancel(); <-stopped }, close: closing(func() { close(stopped) }), Reader: strings.NewReader("")}
	server := newCutServer(t)
	_, err = realClient(t, server.URL, 4).Messages.Send(ctx, testGrant, attached(nylas.Attachment{Filename: "f",
		Content: nylas.StreamContent(nylas.UnknownSize, func() (io.ReadCloser, error) { return blocked, nil })}))
	require.ErrorIs(t, err, context.Canceled)
	assertSentinels(t, err)
}

func TestPanicOverHTTP2(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := nylas.NewClient(testAPIKey, nylas.WithBaseURL(server.URL), nylas.WithHTTPClient(server.Client()))
	require.NoError(t, err)
	_, err = client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: nylas.StreamContent(
		nylas.UnknownSize, func() (io.ReadCloser, error) {
			return &panicky{func() { panic(fmt.Errorf("%w", errPanicked)) }, func() {}, nil}, nil
		})}))
	require.ErrorIs(t, err, errPanicked)
	assertSentinels(t, err)
	require.Error(t, <-failed)
}
