package nylas_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// TestOutcomeOfASend says, for what happened to a send, what its caller learns.
func TestOutcomeOfASend(t *testing.T) {
	t.Parallel()
	timeout, limit := answersFile(t, 504, timeoutAnswer), answersFile(t, 429, limitAnswer)
	replayedTimeout := answersFile(t, 504, timeoutAnswer, headerReplayed...)
	replayedLimit := answersFile(t, 429, limitAnswer, headerReplayed...)
	trial := answersFile(t, 400, "constructed/error.trial.400.json")
	replayedTrial := answersFile(t, 400, "constructed/error.trial.400.json", headerReplayed...)
	unauthorized := answersFile(t, 401, "constructed/error.unauthorized.401.json")
	unavailable := answersFile(t, 503, "http/error.unavailable.503.json")
	partial := answersFile(t, 402, "http/error.partial.402.json", headerReplayed...)
	replayedRunning := answersFile(t, 409, runningAnswer, headerReplayed...)
	conflict := answersFile(t, 409, conflictAnswer)
	ok := answersFile(t, 200, messageAnswer)
	replayedOK := answersFile(t, 200, messageAnswer, headerReplayed...)
	noDial := fails(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	noProxy := fails(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("connection refused")})
	noName := fails(fmt.Errorf("resolving: %w", &net.DNSError{Err: "no such host", Name: "api.us.nylas.com", IsNotFound: true}))
	broken := fails(&net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")})
	trialIs := []error{nylas.ErrTrackingNotAllowed, nylas.ErrInvalidRequest}
	unknown := []error{nylas.ErrOutcomeUnknown}
	forbidden := answersFile(t, 403, "http/error.forbidden.403.json")
	odd, switching := answers(0, ""), answers(101, "")
	page := func(status int) httpmock.Responder { return answers(status, "<html>no</html>") } // of a proxy

	for _, tt := range []struct {
		name    string
		script  []httpmock.Responder
		is      []error // nil for no sentinel
		success bool
		newKey  bool
	}{
		{name: "504, 504, then what came of it", script: inTurn(timeout, timeout, replayedOK), success: true},
		{name: "504, then the same 504 replayed", script: inTurn(timeout, replayedTimeout), is: unknown},
		{name: "504 that was replayed at once", script: inTurn(replayedTimeout), is: unknown},
		{name: "lost, then success", script: inTurn(loses, ok), success: true},
		{name: "lost, then 429s", script: inTurn(loses, limit, limit, limit),
			is: []error{nylas.ErrRateLimited, nylas.ErrOutcomeUnknown}},
		{name: "504, then no connection", script: inTurn(timeout, noDial, noDial, noDial), is: unknown},
		{name: "500 and 502", script: inTurn(answers(500, ""), unavailable, answers(502, ""), unavailable), is: unknown},
		{name: "503 only", script: inTurn(unavailable, unavailable, unavailable, unavailable)},
		{name: "no connection", script: inTurn(noDial, noDial, noDial, noDial)},
		{name: "no proxy", script: inTurn(noProxy, noProxy, noProxy, noProxy)},
		{name: "no name", script: inTurn(noName, noName, noName, noName)},
		{name: "an error without a reason", script: inTurn(fails(&url.Error{Op: "Post", URL: markLink}), noDial, noDial, noDial), is: unknown},
		{name: "broken", script: inTurn(broken, noDial, noDial, noDial), is: unknown},
		{name: "no connection, then success", script: inTurn(noDial, noName, ok), success: true},
		{name: "lost, then replayed 400", script: inTurn(loses, replayedTrial), is: trialIs, newKey: true},
		{name: "lost, then a 400 of its own", script: inTurn(loses, trial), is: append(unknown, trialIs...)},
		{name: "replayed 429", script: inTurn(replayedLimit), is: []error{nylas.ErrRateLimited}, newKey: true},
		{name: "lost, then replayed 429", script: inTurn(loses, replayedLimit), is: []error{nylas.ErrRateLimited}, newKey: true},
		{name: "lost, then replayed 503", script: inTurn(loses, answers(503, "", headerReplayed...)), newKey: true},
		{name: "lost, then replayed 402", script: inTurn(loses, partial)},
		{name: "lost, then 401", script: inTurn(loses, unauthorized), is: []error{nylas.ErrUnauthorized, nylas.ErrOutcomeUnknown}},
		{name: "replayed 409", script: inTurn(replayedRunning), newKey: true},
		{name: "400", script: inTurn(trial), is: trialIs, newKey: true},
		{name: "401", script: inTurn(unauthorized), is: []error{nylas.ErrUnauthorized}},
		{name: "429, then 400", script: inTurn(limit, trial), is: trialIs, newKey: true},
		{name: "replayed in another case", script: inTurn(answers(503, "", "idempotent-response", "True")), newKey: true},
		{name: "success that is not JSON", script: inTurn(answers(200, "<html>")), is: unknown},
		{name: "403", script: inTurn(forbidden), is: []error{nylas.ErrForbidden}, newKey: true},
		{name: "403 of a proxy", script: inTurn(page(403)), is: append(unknown, nylas.ErrForbidden)},
		{name: "403 of a proxy, as JSON", script: inTurn(answers(403, `{"error":"blocked"}`)), is: append(unknown, nylas.ErrForbidden)},
		{name: "403 without a body", script: inTurn(answers(403, "")), is: append(unknown, nylas.ErrForbidden)},
		{name: "400 of a proxy", script: inTurn(page(400)), is: append(unknown, nylas.ErrInvalidRequest)},
		{name: "408 of a proxy", script: inTurn(page(408)), is: unknown},
		{name: "408", script: inTurn(answers(408, `{"request_id":"r","error":{"type":"timeout"}}`)), is: unknown},
		{name: "499 of a proxy", script: inTurn(answers(499, "")), is: unknown},
		{name: "550 of a proxy", script: inTurn(page(550)), is: unknown},
		{name: "503 of a proxy", script: inTurn(page(503), unavailable, unavailable, unavailable), is: unknown},
		{name: "503 of a proxy as text", script: inTurn(answers(503, "upstream connect error or disconnect/reset before headers"), noDial, noDial, noDial), is: unknown},
		{name: "504 of a proxy, then replayed 400", script: inTurn(page(504), replayedTrial), is: trialIs, newKey: true},
		{name: "refused by a proxy", script: inTurn(page(407))},
		{name: "too large for a proxy", script: inTurn(page(413))},
		{name: "path unknown to a proxy", script: inTurn(page(404)), is: []error{nylas.ErrNotFound}},
		{name: "login page", script: inTurn(page(302))},
		{name: "403 that is marked as replayed", script: inTurn(answers(403, "", headerReplayed...)), is: []error{nylas.ErrForbidden}, newKey: true},
		{name: "conflict", script: inTurn(conflict), is: append(unknown, nylas.ErrIdempotencyConflict)},
		{name: "429, then conflict", script: inTurn(limit, conflict), is: append(unknown, nylas.ErrIdempotencyConflict)},
		{name: "another 409", script: inTurn(answers(409, `{"error":{"type":"api.something_else"}}`))},
		{name: "no status", script: inTurn(odd, odd, odd, odd), is: unknown},
		{name: "no status, then no connection", script: inTurn(odd, noDial, noDial, noDial), is: unknown},
		{name: "no status, then success", script: inTurn(odd, replayedOK), success: true},
		{name: "another protocol", script: inTurn(switching, noDial, noDial, noDial), is: unknown},
		{name: "503 without a body", script: inTurn(answers(503, ""), unavailable, unavailable, unavailable), is: unknown},
		{name: "503 with an empty object", script: inTurn(answers(503, "{}"), noDial, noDial, noDial), is: unknown},
		{name: "503 without a body, then success", script: inTurn(answers(503, ""), ok), success: true},
		{name: "503 without a body, then what came of it", script: inTurn(answers(503, ""), replayedOK), success: true},
		{name: "503, then success", script: inTurn(unavailable, ok), success: true},
		{name: "503 of another gateway", script: inTurn(answers(503, `{"message":"Service Unavailable"}`), noDial, noDial, noDial), is: unknown},
		{name: "403 of another gateway with an id", script: inTurn(answers(403, `{"message":"You cannot consume this service","request_id":"8f0c"}`)), is: append(unknown, nylas.ErrForbidden)},
		{name: "403 of another gateway with a type", script: inTurn(answers(403, `{"error":{"code":403,"type":"FORBIDDEN"}}`)), is: append(unknown, nylas.ErrForbidden)},
		{name: "403 of another gateway with a status as type", script: inTurn(answers(403, `{"error":{"type":403}}`)), is: append(unknown, nylas.ErrForbidden)},
		{name: "504, lost, then replayed 400", script: inTurn(answersFile(t, 504, "constructed/error.provider-timeout.504.json"), loses, replayedTrial), is: append(unknown, trialIs...)},
		{name: "504, then replayed 400", script: inTurn(answersFile(t, 504, "constructed/error.provider-timeout.504.json"), replayedTrial), is: trialIs, newKey: true},
		{name: "lost, then a replayed conflict", script: inTurn(loses, answers(409, `{"request_id":"r","error":{"type":"api.invalid_idempotent_request","message":"m"}}`, "Idempotent-Response", "true")), is: append(unknown, nylas.ErrIdempotencyConflict)},
		{name: "lost twice, then replayed 400", script: inTurn(loses, loses, replayedTrial), is: append(unknown, trialIs...)},
		{name: "lost twice, then success", script: inTurn(loses, loses, ok), success: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, tt.script...)
				var resp nylas.Response
				err := send(t.Context(), w.client(t), nylas.WithResponse(&resp))
				assert.Len(t, w.requests(), len(tt.script))
				assert.Equal(t, len(tt.script), resp.Attempts)
				if tt.success {
					require.NoError(t, err)
					return
				}
				e := asError(t, err)
				assertSentinels(t, err, tt.is...)
				assert.Equal(t, tt.newKey, e.NeedsNewKey)
				assert.Equal(t, tt.newKey, strings.HasSuffix(err.Error(), textNewKey), err.Error())
				text := textUnknownSend
				if errors.Is(err, nylas.ErrIdempotencyConflict) {
					text = textConflict
				}
				assert.Equal(t, errors.Is(err, nylas.ErrOutcomeUnknown), strings.HasSuffix(err.Error(), text), err.Error())
				assert.Equal(t, tt.newKey, strings.Contains(err.Error(), "nothing"), err.Error())
				assert.False(t, resp.SecondMailPossible, "no mail is known")
				assert.Equal(t, resp.Replayed, e.Replayed)
			})
		})
	}
}

func TestReplayedAnswerIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, answersFile(t, 504, timeoutAnswer), answersFile(t, 504, timeoutAnswer),
			answersFile(t, 200, messageAnswer, headerReplayed...))
		var resp nylas.Response
		require.NoError(t, send(t.Context(), w.client(t), nylas.WithResponse(&resp)))
		assert.True(t, resp.Replayed)

		w = newWire(t, answersFile(t, 504, timeoutAnswer), answersFile(t, 504, timeoutAnswer, headerReplayed...))
		assert.True(t, asError(t, send(t.Context(), w.client(t))).Replayed)

		w = newWire(t, answersFile(t, 200, messageAnswer, "Idempotent-Response", "false"))
		require.NoError(t, send(t.Context(), w.client(t), nylas.WithResponse(&resp)))
		assert.False(t, resp.Replayed)
	})
}

// TestOutcomeWithoutAKey has the calls that must not be made twice.
func TestOutcomeWithoutAKey(t *testing.T) {
	t.Parallel()
	limit := answersFile(t, 429, limitAnswer)
	noDial := fails(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	ok := answersFile(t, 200, "published/webhooks.create.response.json")
	for _, tt := range []struct {
		name    string
		script  []httpmock.Responder
		is      []error
		success bool
	}{
		{name: "lost", script: inTurn(loses), is: []error{nylas.ErrOutcomeUnknown}},
		{name: "cut", script: inTurn(answersCut(200, "{")), is: []error{nylas.ErrOutcomeUnknown}},
		{name: "504", script: inTurn(answers(504, "")), is: []error{nylas.ErrOutcomeUnknown}},
		{name: "503", script: inTurn(answersFile(t, 503, unavailableAnswer))},
		{name: "503 without a body", script: inTurn(answers(503, "")), is: []error{nylas.ErrOutcomeUnknown}},
		{name: "429, then success", script: inTurn(limit, limit, ok), success: true},
		{name: "no connection, then success", script: inTurn(noDial, ok), success: true},
		{name: "429", script: inTurn(limit, limit, limit, limit), is: []error{nylas.ErrRateLimited}},
		{name: "no connection", script: inTurn(noDial, noDial, noDial, noDial)},
		{name: "400", script: inTurn(answersFile(t, 400, "constructed/error.webhook-url.400.json")), is: []error{nylas.ErrInvalidRequest}},
	} {
		for _, m := range methods() {
			if m.repeats != repeatsUnsent || tt.name == "503" && m.losesBy503() {
				continue
			}
			t.Run(m.op+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWire(t, tt.script...)
					err := m.call(t.Context(), w.client(t))
					assert.Len(t, w.requests(), len(tt.script))
					if tt.success {
						require.NoError(t, err)
						return
					}
					assertSentinels(t, err, tt.is...)
					assert.False(t, asError(t, err).NeedsNewKey)
				})
			})
		}
	}
}

func TestRefusedConnectionIsNotUnknown(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, listener.Close())
			err = m.call(t.Context(), realClient(t, "http://"+listener.Addr().String(), 3))
			assert.Equal(t, 3, asError(t, err).Attempts)
			assertSentinels(t, err)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			assert.Equal(t, "dial", op.Op)
		})
	}
}

// TestWrongProxyIsNotUnknown: nothing was sent, because nobody knows where to.
func TestWrongProxyIsNotUnknown(t *testing.T) {
	t.Parallel()
	errProxy := errors.New(`invalid proxy address "::": parse "::": missing protocol scheme`) // as for HTTPS_PROXY
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			transport := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errProxy }}
			plain := nylas.WithHTTPClient(&http.Client{Transport: transport})
			wrapped := nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
				return roundTripFunc(func(r *http.Request) (*http.Response, error) { return next.RoundTrip(r) })
			})
			transport2 := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errStop }}
			another := nylas.WithHTTPClient(&http.Client{Transport: transport2})
			for _, opts := range [][]nylas.ClientOption{{plain}, {plain, wrapped}, {another}} {
				client, err := nylas.NewClient(testAPIKey, append(opts, quick(2))...)
				require.NoError(t, err)
				err = m.call(t.Context(), client)
				assert.Equal(t, 2, asError(t, err).Attempts)
				assertSentinels(t, err)
			}
		})
	}
}

func TestFailedTLSIsNotUnknown(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request came through")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	for _, m := range methods() {
		err := m.call(t.Context(), realClient(t, server.URL, 2))
		assert.Equal(t, 2, asError(t, err).Attempts, m.op)
		assertSentinels(t, err)
		var certificate *tls.CertificateVerificationError
		require.ErrorAs(t, err, &certificate)
	}
}

// hangUp is a server that answers the first requests and then reads each
// request and closes its connection without an answer. It returns its address
// and what counts the requests that it read.
func hangUp(t *testing.T, answered int, answer string) (address string, count func() int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var requests int
	var conns sync.WaitGroup
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		reader := bufio.NewReader(conn)
		for {
			r, err := http.ReadRequest(reader)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			mu.Lock()
			requests++
			again := requests <= answered
			mu.Unlock()
			if !again {
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		}
	}
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		conns.Wait()
	})
	return "http://" + listener.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return requests
	}
}

func TestRealServerThatHangsUp(t *testing.T) {
	t.Parallel()
	address, count := hangUp(t, 0, "")
	err := send(t.Context(), realClient(t, address, 3))
	assertSentinels(t, err, nylas.ErrOutcomeUnknown)
	assert.Equal(t, 3, asError(t, err).Attempts)
	assert.Equal(t, 3, count())
}

// TestNothingIsRepeatedBehindOurBack closes a connection that was used before,
// after which net/http repeats by itself what it believes it may repeat.
func TestNothingIsRepeatedBehindOurBack(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 3} {
		t.Run(fmt.Sprint("send, attempts ", attempts), func(t *testing.T) {
			t.Parallel()
			address, count := hangUp(t, 1, string(recording(t, messageAnswer)))
			client := realClient(t, address, attempts)
			require.NoError(t, send(t.Context(), client))
			err := send(t.Context(), client)
			assertSentinels(t, err, nylas.ErrOutcomeUnknown)
			assert.Equal(t, attempts, asError(t, err).Attempts)
			assert.Equal(t, 1+attempts, count())
		})
	}
	for _, m := range methods() {
		if m.repeats != repeatsUnsent {
			continue
		}
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			address, count := hangUp(t, 1, anyAnswer(m.op))
			client := realClient(t, address, 3)
			require.NoError(t, m.call(t.Context(), client))
			err := m.call(t.Context(), client)
			assertSentinels(t, err, nylas.ErrOutcomeUnknown)
			assert.Equal(t, 2, count())
		})
	}
}

func TestRealServerThatCutsItsAnswer(t *testing.T) {
	t.Parallel()
	var requests int // the server sees one at a time
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		requests++
		rw.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(rw, `{"data":`)
	}))
	t.Cleanup(server.Close)
	err := send(t.Context(), realClient(t, server.URL, 3))
	assertSentinels(t, err, nylas.ErrOutcomeUnknown)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	server.Close()
	assert.Equal(t, 3, requests)
}

func TestContextThatEndsWhileARealServerThinks(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel(errStop)
		<-done
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(done) })
	err := send(ctx, realClient(t, server.URL, 3))
	require.ErrorIs(t, err, errStop)
	require.ErrorIs(t, err, context.Canceled)
	assertSentinels(t, err, nylas.ErrOutcomeUnknown)
	assert.Equal(t, 1, asError(t, err).Attempts)
}
