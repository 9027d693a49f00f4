package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

const unavailableAnswer = "http/error.unavailable.503.json"

// counting is a stream that counts how often it is opened and closed.
type counting struct {
	opened, closed atomic.Int32
}

func (c *counting) content(size int64, content string) nylas.AttachmentContent {
	return nylas.StreamContent(size, func() (io.ReadCloser, error) {
		c.opened.Add(1)
		return &countingStream{strings.NewReader(content), c}, nil
	})
}

type countingStream struct {
	io.Reader
	c *counting
}

func (s *countingStream) Close() error {
	s.c.closed.Add(1)
	return nil
}

// forms are an attachment whose request is JSON, and one whose is multipart.
var forms = map[string]int64{"JSON": 7, "multipart": nylas.UnknownSize}

func TestEachAttemptReadsAgain(t *testing.T) {
	t.Parallel()
	for name, size := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, loses, answersFile(t, 503, unavailableAnswer), answersFile(t, 200, messageAnswer))
			var c counting
			req := attached(append(eachContent(t)[:4], nylas.Attachment{Filename: "f", Content: c.content(size, "content")})...)
			var resp nylas.Response
			_, err := w.client(t, quick(4)).Messages.Send(t.Context(), testGrant, req, nylas.WithResponse(&resp))
			require.NoError(t, err)
			assert.Equal(t, 3, resp.Attempts)
			assert.EqualValues(t, 3, c.opened.Load())
			assert.EqualValues(t, 3, c.closed.Load())
			requests := w.requests()
			require.Len(t, requests, 3)
			for _, r := range requests[1:] {
				assert.Equal(t, requests[0].header, r.header)
				assert.Equal(t, string(requests[0].body), string(r.body))
			}
		})
	}
}

// TestReaderIsReadOnce has what happens after a reader was begun: nothing more.
func TestReaderIsReadOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answer  httpmock.Responder
		is      []error
		outcome string
	}{
		{"503", answersFile(t, 503, unavailableAnswer), nil, ""},
		{"429", answersFile(t, 429, limitAnswer), []error{nylas.ErrRateLimited}, ""},
		{"504", answersFile(t, 504, timeoutAnswer), []error{nylas.ErrOutcomeUnknown}, textUnknownSend},
		{"no answer", loses, []error{nylas.ErrOutcomeUnknown}, textUnknownSend},
		{"still running", answersFile(t, 409, runningAnswer), []error{nylas.ErrOutcomeUnknown}, textUnknownSend},
	} {
		for form, size := range forms {
			t.Run(tt.name+" "+form, func(t *testing.T) {
				t.Parallel()
				w := newWire(t, tt.answer)
				client := w.client(t, quick(4))
				req := attached(nylas.Attachment{Filename: "f", Content: nylas.ReaderContent(size, strings.NewReader("content"))})
				_, err := client.Messages.Send(t.Context(), testGrant, req)
				assertSentinels(t, err, tt.is...)
				assert.Equal(t, 1, asError(t, err).Attempts)
				if tt.outcome != "" {
					assert.Contains(t, err.Error(), tt.outcome)
				}

				_, err = client.Messages.Send(t.Context(), testGrant, req)
				require.EqualError(t, err,
					"nylas: send message: Attachments[0] cannot be read: it was read before, and can be read only once")
				assert.Len(t, w.requests(), 1)
			})
		}
	}
}

// TestReaderThatWasNotReadIsRepeated: until then nothing is lost.
func TestReaderThatWasNotReadIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, messageAnswer))
	attempts := 0
	client := w.client(t, quick(4), nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			if attempts++; attempts > 2 {
				return next.RoundTrip(r)
			}
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		})
	}))
	_, err := client.Messages.Send(t.Context(), testGrant,
		attached(nylas.Attachment{Filename: "f", Content: nylas.ReaderContent(7, strings.NewReader("content"))}))
	require.NoError(t, err)
	assert.Equal(t, 3, attempts)
	assert.Contains(t, string(w.requests()[0].body), `"content":"Y29udGVudA=="`)
}

func TestReaderIsClosed(t *testing.T) {
	t.Parallel()
	var c counting
	w := newWire(t, answersFile(t, 200, messageAnswer))
	_, err := w.client(t).Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{
		Filename: "f", Content: nylas.ReaderContent(7, &countingStream{strings.NewReader("content"), &c}),
	}))
	require.NoError(t, err)
	assert.EqualValues(t, 1, c.closed.Load())

	_, err = newWire(t).client(t).Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{
		Content: nylas.ReaderContent(7, &countingStream{strings.NewReader("content"), &c}),
	}))
	require.ErrorIs(t, err, nylas.ErrInvalidRequest)
	assert.EqualValues(t, 1, c.closed.Load(), "what was not begun is not closed")
}

// TestUnfinishedUploadIsNotUnknown: what Nylas did not get whole it cannot have
// sent.
func TestUnfinishedUploadIsNotUnknown(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		for form, size := range forms {
			t.Run(fmt.Sprint(form, " whole ", whole), func(t *testing.T) {
				t.Parallel()
				client, err := nylas.NewClient(testAPIKey, quick(2), nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper {
					return roundTripFunc(func(r *http.Request) (*http.Response, error) {
						body := io.Reader(r.Body)
						if !whole {
							body = io.LimitReader(r.Body, 200)
						}
						_, err := io.Copy(io.Discard, body)
						assert.NoError(t, err)
						return nil, errCut
					})
				}))
				require.NoError(t, err)
				req := attached(nylas.Attachment{Filename: "f", Content: streamOf(size, "content")})
				req.Subject = strings.Repeat("s", 300)
				_, err = client.Messages.Send(t.Context(), testGrant, req)
				require.ErrorIs(t, err, errCut)
				assert.Equal(t, 2, asError(t, err).Attempts)
				if whole {
					assertSentinels(t, err, nylas.ErrOutcomeUnknown)
				} else {
					assertSentinels(t, err)
				}
			})
		}
	}
}

// TestExactReadIsWhole: a round tripper that reads as much as was announced, and
// does not ask for the end, has got all of it.
func TestExactReadIsWhole(t *testing.T) {
	t.Parallel()
	client, err := nylas.NewClient(testAPIKey, quick(1), nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			_, err := io.ReadFull(r.Body, make([]byte, r.ContentLength))
			assert.NoError(t, err)
			return nil, errCut
		})
	}))
	require.NoError(t, err)
	_, err = client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: streamOf(7, "content")}))
	assertSentinels(t, err, nylas.ErrOutcomeUnknown)
}

// TestStreamAfterItsAttempt goes on reading when the attempt is over, as a
// transport may. It gets nothing more, and a reader is left to the next attempt.
func TestStreamAfterItsAttempt(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, messageAnswer))
	var late sync.WaitGroup
	attempts := 0
	client := w.client(t, quick(2), nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			if attempts++; attempts == 2 {
				late.Wait()
				return next.RoundTrip(r)
			}
			late.Go(func() {
				for range r.Context().Done() { // the attempt is over
				}
				n, err := r.Body.Read(make([]byte, 10))
				assert.Zero(t, n)
				assert.EqualError(t, err, "the attempt has ended")
			})
			return nil, errCut
		})
	}))
	_, err := client.Messages.Send(t.Context(), testGrant,
		attached(nylas.Attachment{Filename: "f", Content: nylas.ReaderContent(7, strings.NewReader("content"))}))
	require.NoError(t, err)
	assert.Contains(t, string(w.requests()[0].body), `"content":"Y29udGVudA=="`)
}

// TestStreamThatOpensTooLate opens a file when its attempt is over: it is closed,
// and not read.
func TestStreamThatOpensTooLate(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, messageAnswer))
	opening, over := make(chan bool), make(chan bool)
	var c counting
	content := nylas.StreamContent(7, func() (io.ReadCloser, error) {
		if c.opened.Add(1) == 1 {
			close(opening)
			<-over
		}
		return &countingStream{strings.NewReader("content"), &c}, nil
	})
	var late sync.WaitGroup
	attempts := 0
	client := w.client(t, quick(2), nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			if attempts++; attempts == 2 {
				close(over)
				late.Wait()
				assert.EqualValues(t, 1, c.closed.Load())
				return next.RoundTrip(r)
			}
			late.Go(func() {
				_, err := io.Copy(io.Discard, r.Body)
				assert.EqualError(t, err, "the attempt has ended")
			})
			<-opening
			return nil, errCut
		})
	}))
	_, err := client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Filename: "f", Content: content}))
	require.NoError(t, err)
	assert.EqualValues(t, 2, c.opened.Load())
	assert.EqualValues(t, 2, c.closed.Load())
}

// TestRoundTripperSeesTheCause: what the body of a request returns is not only
// for the SDK.
func TestRoundTripperSeesTheCause(t *testing.T) {
	t.Parallel()
	path := fileWith(t, "f", "content")
	client, err := nylas.NewClient(testAPIKey, nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(r *http.Request) (*http.Response, error) {
			require.NoError(t, os.Remove(path))
			n, err := r.Body.Read(nil)
			assert.Zero(t, n)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, r.Body)
			require.ErrorIs(t, err, fs.ErrNotExist)
			_, again := r.Body.Read(make([]byte, 1))
			assert.Equal(t, err, again)
			return nil, err
		})
	}))
	require.NoError(t, err)
	_, err = client.Messages.Send(t.Context(), testGrant, attached(nylas.Attachment{Content: nylas.FileContent(path)}))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOneRequestFromManyGoroutines(t *testing.T) {
	t.Parallel()
	w := newWireAlways(answersFile(t, 200, messageAnswer))
	client := w.client(t)
	req := attached(eachContent(t)[:4]...)
	req.Attachments = append(req.Attachments, nylas.Attachment{Filename: "f", Content: zeros(nylas.UnknownSize, 100_000)})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := client.Messages.Send(t.Context(), testGrant, req, nylas.WithIdempotencyKey(testKey))
			assert.NoError(t, err)
		})
	}
	all.Wait()
	requests := w.requests()
	require.Len(t, requests, 20)
	for _, r := range requests[1:] {
		require.Len(t, r.body, len(requests[0].body))
		assert.Equal(t, string(requests[0].body), string(r.body))
	}
}

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

// TestBrokenOff has some of what can be wrong with a content during an attempt;
// package payload has all of it. The request must not look whole to Nylas, and nothing
// is repeated.
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
		{"more than announced", reads(6, "content"), fmt.Sprintf(more, 6), nil, wrong},
		{"reader with less", func() nylas.AttachmentContent { return nylas.ReaderContent(8, strings.NewReader("content")) },
			fmt.Sprintf(less, 7, 8), nil, wrong},
		{"without an end", stream(unknown, func() io.Reader { return endless{} }), tooMuch, nil, wrong},
		{"read error", fails(7, errDisk), onFire, errDisk, nil},
		{"URL", fails(7, fmt.Errorf("download: %w", &url.Error{Op: "Get", URL: markLink, Err: errDisk})), onFire, errDisk, nil},
		{"path", opens(&fs.PathError{Op: "open", Path: "/home/" + markAddress, Err: fs.ErrPermission}),
			"Attachments[0] cannot be opened: permission denied", fs.ErrPermission, nil},
		{"impossible count", stream(7, func() io.Reader { return countReader(1 << 20) }),
			"Attachments[0] cannot be read: its Read returned an impossible number of bytes", nil, nil},
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
					_, _ = w.Write(recording(t, unavailableAnswer))
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
		{"an error", stream(func() { panic(errPanicked) }), "read", ": *errors.errorString", errPanicked},
		{"reader", nil, "read", ": int", nil},
		{"open", nylas.StreamContent(7, func() (io.ReadCloser, error) { panic(1) }), "opened", ": int", nil},
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
				require.ErrorContains(t, err, "(messages_attachments_attempts_test.go:")
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
			if status == http.StatusServiceUnavailable { // of Nylas, which says that nothing was sent
				_, _ = w.Write(recording(t, unavailableAnswer))
			}
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
