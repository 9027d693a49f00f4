package nylas_test

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

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
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, jsonParts(t, w.requests()[0].body))
}

// TestReaderInTwoPlaces: what can only fail is refused before anything is read, so
// the reader is as good as before.
func TestReaderInTwoPlaces(t *testing.T) {
	t.Parallel()
	content := nylas.ReaderContent(nylas.UnknownSize, strings.NewReader("content"))
	w := newWire(t, answersFile(t, 200, messageAnswer))
	client := w.client(t, quick(4))
	first := nylas.Attachment{Filename: "f", Content: content}
	_, err := client.Messages.Send(t.Context(), testGrant,
		attached(first, nylas.Attachment{Filename: "b", Content: nylas.BytesContent(nil)}, nylas.Attachment{Filename: "g", Content: content}))
	require.EqualError(t, err, "nylas: send message: Attachments[2] has the ReaderContent of Attachments[0], "+
		"which can be read only once: use BytesContent or StreamContent for both")
	assertSentinels(t, err, nylas.ErrInvalidRequest)
	assert.Zero(t, asError(t, err).Attempts)
	require.Empty(t, w.requests())

	_, err = client.Messages.Send(t.Context(), testGrant, attached(first))
	require.NoError(t, err)
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, formParts(t, w.requests()[0]))
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
	assert.Equal(t, []part{{"f", "application/octet-stream", "", "content"}}, jsonParts(t, w.requests()[0].body))
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
