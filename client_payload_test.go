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
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
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
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, jsonParts(t, w.requests()[0].body))
}

func TestReaderInTwoPlaces(t *testing.T) {
	t.Parallel()
	content := nylas.ReaderContent(nylas.UnknownSize, strings.NewReader("content"))
	server := newCutServer(t)
	_, err := realClient(t, server.URL, 4).Messages.Send(t.Context(), testGrant,
		attached(nylas.Attachment{Filename: "f", Content: content}, nylas.Attachment{Filename: "g", Content: content}))
	require.EqualError(t, err, "nylas: send message: the request was broken off: "+
		"Attachments[1] cannot be opened: it was read before, and can be read only once")
	server.assertCut(t, 1)
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
	wrong := nylas.ErrInvalidRequest
	for _, tt := range []struct {
		name    string
		content func() nylas.AttachmentContent
		want    string
		is      error
	}{
		{"less than announced", reads(8, "content"), fmt.Sprintf(less, 7, 8), wrong},
		{"nothing", reads(8, ""), fmt.Sprintf(less, 0, 8), wrong},
		{"more than announced", reads(6, "content"), fmt.Sprintf(more, 6), wrong},
		{"more than nothing", reads(0, "content"), fmt.Sprintf(more, 0), wrong},
		{"byte after byte", stream(6, func() io.Reader { return iotest.OneByteReader(strings.NewReader("content")) }), fmt.Sprintf(more, 6), wrong},
		{"reader with less", func() nylas.AttachmentContent { return nylas.ReaderContent(8, strings.NewReader("content")) },
			fmt.Sprintf(less, 7, 8), wrong},
		{"too much", stream(unknown, func() io.Reader { return io.LimitReader(endless{}, largestMultipart) }), tooMuch, wrong},
		{"without an end", stream(unknown, func() io.Reader { return endless{} }), tooMuch, wrong},
		{"read error", fails(7, errDisk), onFire, errDisk},
		{"read error after all", fails(4, errDisk), onFire, errDisk},
		{"read error, size unknown", fails(unknown, errDisk), onFire, errDisk},
		{"cut source", fails(7, io.ErrUnexpectedEOF), "Attachments[0] cannot be read: unexpected EOF", io.ErrUnexpectedEOF},
		{"cut source, size unknown", fails(unknown, io.ErrUnexpectedEOF), "Attachments[0] cannot be read: unexpected EOF", io.ErrUnexpectedEOF},
		{"wrapped EOF", fails(unknown, fmt.Errorf("connection lost: %w", io.EOF)), "Attachments[0] cannot be read: connection lost: EOF", io.EOF},
		{"URL", fails(7, fmt.Errorf("download: %w", &url.Error{Op: "Get", URL: markLink, Err: errDisk})), onFire, errDisk},
		{"path", opens(&fs.PathError{Op: "open", Path: "/home/" + markAddress, Err: fs.ErrPermission}),
			"Attachments[0] cannot be opened: permission denied", fs.ErrPermission},
		{"no stream", opens(nil), "Attachments[0] cannot be opened: the function returned nil", nil},
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
				if tt.is == wrong {
					assertSentinels(t, err, wrong)
				} else {
					assertSentinels(t, err)
				}
			})
		}
	}
}

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

// TestEndOfAnAttemptEndsItsStream blocks in a Read until the stream is closed, as
// a pipe does. The error that this gives is not the reason.
func TestEndOfAnAttemptEndsItsStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
		client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithHTTPClient(server.HTTPClient()))
		require.NoError(t, err)
		var opened []*io.PipeWriter
		content := nylas.StreamContent(nylas.UnknownSize, func() (io.ReadCloser, error) {
			r, w := io.Pipe()
			opened = append(opened, w)
			return r, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		start := time.Now()
		_, err = client.Messages.Send(ctx, server.GrantID(), attached(nylas.Attachment{Filename: "f", Content: content}))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assertSentinels(t, err)
		assert.Equal(t, 4*time.Minute, time.Since(start))
		assert.Equal(t, 2, asError(t, err).Attempts, "the first one ends after %v", sendLimit)
		synctest.Wait()
		require.Len(t, opened, 2)
		for _, w := range opened {
			_, err := w.Write([]byte("x"))
			require.ErrorIs(t, err, io.ErrClosedPipe)
		}
		assert.Empty(t, server.Messages())
	})
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
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, jsonParts(t, w.requests()[0].body))
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
		require.Equal(t, len(requests[0].body), len(r.body))
		assert.Equal(t, string(requests[0].body), string(r.body))
	}
}

// TestLoopAttachments sends both forms to the emulator, which loses an answer: the
// second attempt has the same bytes, or it would be a conflict.
func TestLoopAttachments(t *testing.T) {
	for form, last := range map[string]nylas.AttachmentContent{
		"JSON":             zeros(1_000_000, 1_000_000),
		"multipart":        zeros(20_000_000, 20_000_000),
		"multipart stream": zeros(nylas.UnknownSize, 5_000_000),
	} {
		t.Run(form, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, After: nylastest.Disconnect()})
				var resp nylas.Response
				message, err := l.sendBy(l.client, []nylas.RequestOption{nylas.WithResponse(&resp)}, func(r *nylas.SendMessageRequest) {
					r.Body += ` <img src="cid:logo">`
					r.Attachments = append(eachContent(t)[1:3], nylas.Attachment{Filename: "Größe", Content: last})
				})
				require.NoError(t, err)
				assert.True(t, resp.Replayed)
				assert.Equal(t, 2, resp.Attempts)
				require.Len(t, l.nylas.Messages(), 1)
				got := l.nylas.Messages()[0].Attachments
				require.Len(t, got, 3)
				assert.Equal(t, nylastest.Attachment{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Size: 3}, got[0])
				assert.Equal(t, nylastest.Attachment{Filename: "offer.pdf", ContentType: "application/pdf", ContentID: got[1].ContentID, Size: 5}, got[1])
				assert.Equal(t, "Größe", got[2].Filename)
				assert.GreaterOrEqual(t, got[2].Size, 1_000_000)

				require.Len(t, message.Attachments, 3)
				assert.True(t, message.Attachments[0].IsInline)
				assert.False(t, message.Attachments[1].IsInline)
				assert.EqualValues(t, got[2].Size, message.Attachments[2].Size)
			})
		})
	}
}
