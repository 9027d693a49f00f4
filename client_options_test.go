package nylas_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

func TestTimeoutIsForTheClientAndForACall(t *testing.T) {
	t.Parallel()
	var _ nylas.ClientOption = nylas.WithTimeout(time.Second)
	var _ nylas.RequestOption = nylas.WithTimeout(time.Second)
	for _, m := range methods() {
		for _, tt := range []struct {
			name   string
			client []nylas.ClientOption
			call   []nylas.RequestOption
			want   time.Duration
		}{
			{"client", []nylas.ClientOption{nylas.WithTimeout(7 * time.Second)}, nil, 7 * time.Second},
			{"call", nil, []nylas.RequestOption{nylas.WithTimeout(9 * time.Second)}, 9 * time.Second},
			{"longer than the default", nil, []nylas.RequestOption{nylas.WithTimeout(time.Hour)}, time.Hour},
			{
				"the call comes first", []nylas.ClientOption{nylas.WithTimeout(7 * time.Second)},
				[]nylas.RequestOption{nylas.WithTimeout(9 * time.Second)}, 9 * time.Second,
			},
			{
				"the last one counts", nil,
				[]nylas.RequestOption{nylas.WithTimeout(7 * time.Second), nylas.WithTimeout(9 * time.Second)}, 9 * time.Second,
			},
		} {
			t.Run(m.op+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					client := newWireAlways(hangs).client(t, tt.client...)
					err := m.call(t.Context(), client, append(tt.call, nylas.WithoutRetry())...)
					assert.Equal(t, tt.want, time.Since(start))
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					require.NotErrorIs(t, err, context.DeadlineExceeded, "the context has not ended")
					assert.Contains(t, err.Error(), "the limit of "+tt.want.String()+" passed")
					assert.Equal(t, m.repeats != repeatsAlways, errors.Is(err, nylas.ErrOutcomeUnknown))
				})
			})
		}
	}
}

func TestTimeoutIsOfEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, hangs, hangs, answersFile(t, 200, messageAnswer))
		require.NoError(t, send(t.Context(), w.client(t), nylas.WithTimeout(3*time.Second)))
		delay := baseDelay
		for _, wait := range w.waits() {
			assert.GreaterOrEqual(t, wait, 3*time.Second+delay/2)
			assert.LessOrEqual(t, wait, 3*time.Second+delay*3/2+1)
			delay = delay * 3 / 2
		}
	})
}

// TestTimeoutIncludesTheAnswer has an answer whose body stalls.
func TestTimeoutIncludesTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stalls := func(r *http.Request) (*http.Response, error) {
			resp := httpmock.NewStringResponse(200, "")
			resp.Body = io.NopCloser(readFunc(func([]byte) (int, error) {
				<-r.Context().Done()
				return 0, r.Context().Err()
			}))
			return resp, nil
		}
		start := time.Now()
		err := send(t.Context(), newWire(t, stalls).client(t), nylas.WithTimeout(3*time.Second), nylas.WithoutRetry())
		assert.Equal(t, 3*time.Second, time.Since(start))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)

		start = time.Now()
		w := newWire(t, stalls, answersFile(t, 200, messageAnswer))
		require.NoError(t, send(t.Context(), w.client(t), nylas.WithTimeout(3*time.Second)), "it is repeated like any other attempt")
		assert.Greater(t, time.Since(start), 3*time.Second)
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestTimeoutIsNotThatOfTheNextCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newWireAlways(hangs).client(t)
		require.Error(t, send(t.Context(), client, nylas.WithTimeout(time.Second), nylas.WithoutRetry()))
		start := time.Now()
		require.Error(t, send(t.Context(), client, nylas.WithoutRetry()))
		assert.Equal(t, sendLimit, time.Since(start))
	})
}

// TestContextEndsBeforeTheTimeout has the shorter one of both.
func TestContextEndsBeforeTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStop)
		defer cancel()
		start := time.Now()
		err := send(ctx, newWire(t, hangs).client(t), nylas.WithTimeout(time.Minute))
		assert.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errStop)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}

func TestTimeoutThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{0, -1} {
		err := send(t.Context(), newWire(t).client(t), nylas.WithTimeout(limit))
		assertSentinels(t, err, nylas.ErrInvalidRequest)
		require.EqualError(t, err, "nylas: send message: WithTimeout: want a positive duration")
		_, err = nylas.NewClient(testAPIKey, nylas.WithTimeout(limit))
		require.EqualError(t, err, "nylas: new client: WithTimeout: want a positive duration")
	}
}

func TestWithoutRetry(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		for _, f := range failures() {
			t.Run(m.op+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					respond := f.responder(t)
					w := newWire(t, respond)
					client := w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 9}))
					start := time.Now()
					err := m.call(t.Context(), client, nylas.WithoutRetry())
					assert.Equal(t, 1, asError(t, err).Attempts)
					assert.Len(t, w.requests(), 1)
					assert.Zero(t, time.Since(start))
					lost := f.lost || m.losesBy503() && f.status == http.StatusServiceUnavailable
					assert.Equal(t, lost && m.repeats != repeatsAlways, errors.Is(err, nylas.ErrOutcomeUnknown))
				})
			})
		}
	}
	t.Run("a send that is still running", func(t *testing.T) {
		t.Parallel()
		w := newWire(t, answersFile(t, 409, runningAnswer))
		err := send(t.Context(), w.client(t), nylas.WithoutRetry())
		assertSentinels(t, err, nylas.ErrOutcomeUnknown)
	})
	t.Run("repeated by the caller", func(t *testing.T) {
		t.Parallel()
		w := newWire(t, loses, answersFile(t, 200, messageAnswer, headerReplayed...))
		client := w.client(t)
		err := send(t.Context(), client, nylas.WithoutRetry())
		require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
		require.NoError(t, send(t.Context(), client, nylas.WithIdempotencyKey(asError(t, err).IdempotencyKey), nylas.WithoutRetry()))
		requests := w.requests()
		assert.Equal(t, requests[0].header, requests[1].header)
		assert.Equal(t, requests[0].body, requests[1].body)
	})
	t.Run("and the next call", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			client := newWireAlways(loses).client(t)
			assert.Equal(t, 1, asError(t, send(t.Context(), client, nylas.WithoutRetry())).Attempts)
			assert.Equal(t, 4, asError(t, send(t.Context(), client)).Attempts)
		})
	})
}

func TestHeadersOfTheCaller(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				plain, headed := newWireAlways(answers(429, "{}")), newWireAlways(answers(429, "{}"))
				require.Error(t, m.call(t.Context(), plain.client(t)))
				require.Error(t, m.call(t.Context(), headed.client(t),
					nylas.WithHeader("traceparent", "first"), nylas.WithHeader("X-Proxy_Token~1", ""),
					nylas.WithHeader("TraceParent", "00-4bf92f35 ~!")))
				want := plain.requests()[0].header
				want["Traceparent"], want["X-Proxy_token~1"] = []string{"00-4bf92f35 ~!"}, []string{""}
				require.Len(t, headed.requests(), 4)
				for _, request := range headed.requests() {
					assert.Equal(t, want, request.header)
				}
			})
		})
	}
}

func TestHeaderIsNotThatOfTheNextCall(t *testing.T) {
	t.Parallel()
	w := newWireAlways(answersFile(t, 200, messageAnswer))
	client := w.client(t)
	require.NoError(t, send(t.Context(), client, nylas.WithHeader("X-Trace", "1")))
	require.NoError(t, send(t.Context(), client))
	assert.Equal(t, "1", w.requests()[0].header.Get("X-Trace"))
	assert.NotContains(t, w.requests()[1].header, "X-Trace")
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	reserved := func(name string) string { return "WithHeader: " + name + " belongs to the SDK or to the connection" }
	const noName = "WithHeader: the name is not that of a header"
	for _, tt := range []struct{ name, value, want string }{
		{"", "x", noName},
		{" ", "x", noName},
		{"X Trace", "x", noName},
		{"X-Trace:", "x", noName},
		{"X-Trace\r\nX-Other", "x", noName},
		{"X-Trace\x00", "x", noName},
		{"X-Träce", "x", noName},
		{"X-\xff", "x", noName},
		{"(x)", "x", noName},
		{"X-Trace", "a\r\nX-Other: b", "WithHeader: the value of X-Trace is not printable ASCII"},
		{"X-Trace", "a\nb", "WithHeader: the value of X-Trace is not printable ASCII"},
		{"X-Trace", "a\tb", "WithHeader: the value of X-Trace is not printable ASCII"},
		{"X-Trace", "a\x00", "WithHeader: the value of X-Trace is not printable ASCII"},
		{"X-Trace", "a\x7f", "WithHeader: the value of X-Trace is not printable ASCII"},
		{"X-Trace", "ä", "WithHeader: the value of X-Trace is not printable ASCII"},
		{"Authorization", "x", reserved("Authorization")},
		{"authorization", "x", reserved("Authorization")},
		{"accept", "x", reserved("Accept")},
		{"Accept-Encoding", "br", reserved("Accept-Encoding")},
		{"Content-Type", "x", reserved("Content-Type")},
		{"Content-Length", "1", reserved("Content-Length")},
		{"content-encoding", "gzip", reserved("Content-Encoding")},
		{"Host", "x", reserved("Host")},
		{"IDEMPOTENCY-KEY", "x", reserved("Idempotency-Key")},
		{"X-Idempotency-Key", "x", reserved("X-Idempotency-Key")},
		{"User-Agent", "x", reserved("User-Agent")},
		{"Range", "bytes=0-1", reserved("Range")},
		{"Connection", "close", reserved("Connection")},
		{"Expect", "100-continue", reserved("Expect")},
		{"HTTP2-Settings", "x", reserved("Http2-Settings")},
		{"Keep-Alive", "x", reserved("Keep-Alive")},
		{"Proxy-Authenticate", "x", reserved("Proxy-Authenticate")},
		{"Proxy-Authorization", "x", reserved("Proxy-Authorization")},
		{"Proxy-Connection", "x", reserved("Proxy-Connection")},
		{"TE", "trailers", reserved("Te")},
		{"Trailer", "x", reserved("Trailer")},
		{"transfer-encoding", "chunked", reserved("Transfer-Encoding")},
		{"Upgrade", "h2c", reserved("Upgrade")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := send(t.Context(), newWire(t).client(t), nylas.WithHeader(tt.name, tt.value))
			assertSentinels(t, err, nylas.ErrInvalidRequest)
			require.EqualError(t, err, "nylas: send message: "+tt.want)
			assert.Zero(t, asError(t, err).Attempts)
		})
	}
}

// TestEveryHeaderOfTheSDKIsReserved asks the wire which they are.
func TestEveryHeaderOfTheSDKIsReserved(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		got <- r.Header
		rw.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	client := realClient(t, server.URL, 1)
	require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
	header := <-got
	assert.Len(t, header, 7)
	for name := range header {
		require.ErrorIs(t, send(t.Context(), client, nylas.WithHeader(name, "x")), nylas.ErrInvalidRequest, name)
	}
}

func TestValuesOfHeadersAreNotInTexts(t *testing.T) {
	t.Parallel()
	const token = "proxy-token-4711"
	var log logBuffer
	w := newWire(t, answers(403, `{"error":{"type":"x","message":"the proxy refuses `+token+`"},"request_id":"`+token+`"}`))
	err := send(t.Context(), w.client(t, log.option()), nylas.WithHeader("X-Proxy", token))
	assert.Equal(t, "nylas: send message: 403 x: the proxy refuses […] (request […])"+textNewKey, err.Error())
	assert.NotContains(t, log.String(), token)
	assert.Len(t, log.records(t), 1)
	assert.Equal(t, 1, strings.Count(w.requests()[0].header.Get("X-Proxy"), token))
}
