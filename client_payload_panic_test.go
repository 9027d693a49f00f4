package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

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
				require.ErrorContains(t, err, "(client_payload_panic_test.go:")
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
