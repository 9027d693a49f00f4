// This file has how a message could go out twice: too late, or beside an earlier attempt.

package nylas_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// machine is one on which a client runs. While it sleeps, its clocks go on, or one of
// them stands still.
type machine struct {
	monotonic, wall time.Duration // that a sleep takes by each clock
	slept           atomic.Bool
}

func (m *machine) clocks() (monotonic, wall time.Duration) {
	if m.slept.Load() {
		return m.monotonic, m.wall
	}
	return 0, 0
}

// sleepsAfter answers, and lets the machine sleep while the client waits.
func (m *machine) sleepsAfter(respond httpmock.Responder) httpmock.Responder {
	return func(r *http.Request) (*http.Response, error) {
		time.AfterFunc(100*time.Millisecond, func() { m.slept.Store(true) }) // less than the shortest wait
		return respond(r)
	}
}

const textWindowOver = ": more than 55m0s passed since the first attempt, so there is no further one"

// TestSleepDuringAWait: a machine sleeps while a send waits for its next attempt. Nylas
// has forgotten the key if that took long, by whichever clock.
func TestSleepDuringAWait(t *testing.T) {
	t.Parallel()
	for name, clocks := range map[string]struct{ monotonic, wall time.Duration }{
		"suspended":                  {0, 2 * time.Hour},
		"stopped or frozen":          {2 * time.Hour, 2 * time.Hour},
		"the clock was set back too": {2 * time.Hour, -time.Hour},
		"just too long":              {0, repeatsUntil},
	} {
		for _, tt := range []struct {
			name string
			last httpmock.Responder
			is   []error
		}{
			{"lost", loses, []error{nylas.ErrOutcomeUnknown}},
			{"504", answersFile(t, 504, timeoutAnswer), []error{nylas.ErrOutcomeUnknown}},
			{"running", answersFile(t, 409, runningAnswer), []error{nylas.ErrOutcomeUnknown}},
			{"429", answersFile(t, 429, limitAnswer), []error{nylas.ErrRateLimited}}, // nothing was carried out
			{"503", answersFile(t, 503, unavailableAnswer), nil},
		} {
			t.Run(name+"/"+tt.name, bubble(func(t *testing.T) {
				m := &machine{monotonic: clocks.monotonic, wall: clocks.wall}
				w := newWire(t, m.sleepsAfter(tt.last))
				client := w.client(t)
				client.AheadBy(m.clocks)
				err := send(t.Context(), client)
				assertSentinels(t, err, tt.is...)
				require.ErrorContains(t, err, textWindowOver)
				assert.Equal(t, 1, asError(t, err).Attempts)
			}))
		}
	}
}

func TestShortSleepDuringAWait(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]httpmock.Responder{"lost": loses, "running": answersFile(t, 409, runningAnswer)} {
		t.Run(name, bubble(func(t *testing.T) {
			m := &machine{monotonic: 50 * time.Minute, wall: 54 * time.Minute}
			w := newWire(t, m.sleepsAfter(respond), answersFile(t, 200, messageAnswer, headerReplayed...))
			client := w.client(t)
			client.AheadBy(m.clocks)
			require.NoError(t, send(t.Context(), client))
		}))
	}
}

// TestSleepBeforeTheNextWait: the time of the sleep counts for the waits behind it.
func TestSleepBeforeTheNextWait(t *testing.T) {
	t.Parallel()
	t.Run("wait", bubble(func(t *testing.T) {
		m := &machine{wall: 54 * time.Minute}
		w := newWire(t, m.sleepsAfter(loses), answers(429, "{}", "Retry-After", "60"))
		client := w.client(t)
		client.AheadBy(m.clocks)
		start := time.Now()
		assertSentinels(t, send(t.Context(), client), nylas.ErrRateLimited, nylas.ErrOutcomeUnknown)
		assert.Less(t, time.Since(start), 5*time.Second)
	}))
	t.Run("rate limit", bubble(func(t *testing.T) {
		m := &machine{wall: 54 * time.Minute}
		w := newWire(t, func(r *http.Request) (*http.Response, error) {
			m.slept.Store(true)
			return loses(r)
		})
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 1.0 / 100}))
		client.AheadBy(m.clocks)
		start := time.Now()
		err := send(t.Context(), client)
		assertSentinels(t, err, nylas.ErrOutcomeUnknown)
		require.ErrorContains(t, err, ": while waiting for the rate limit: the time in which the request may be repeated is over")
		assert.Equal(t, time.Minute, time.Since(start))
	}))
}

func TestSleepDuringTheWaitForTheRateLimit(t *testing.T) {
	bubble(func(t *testing.T) {
		m := &machine{wall: 2 * time.Hour}
		w := newWire(t, loses)
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 1.0 / 100}))
		client.AheadBy(m.clocks)
		time.AfterFunc(50*time.Second, func() { m.slept.Store(true) }) // the next attempt waits for the limit by then
		err := send(t.Context(), client)
		assertSentinels(t, err, nylas.ErrOutcomeUnknown)
		require.ErrorContains(t, err, textWindowOver)
	})(t)
}

// TestSleepWhileItConnects: the attempt has begun in time, and its request would come too
// late.
func TestSleepWhileItConnects(t *testing.T) {
	t.Parallel()
	file := nylas.Attachment{Filename: "f", Content: nylas.BytesContent([]byte("content"))}
	for name, msg := range map[string]*nylas.SendMessageRequest{"JSON": markedMessage(), "a stream": attached(file)} {
		t.Run(name, bubble(func(t *testing.T) {
			m := &machine{wall: 2 * time.Hour}
			var sent, tried int
			client, err := nylas.NewClient(testAPIKey, nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper {
				return roundTripFunc(func(r *http.Request) (*http.Response, error) {
					if tried++; tried == 2 {
						m.slept.Store(true)
					}
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					assert.Len(t, body, int(r.ContentLength))
					sent++
					return nil, errCut
				})
			}))
			require.NoError(t, err)
			client.AheadBy(m.clocks)
			_, err = client.Messages.Send(t.Context(), testGrant, msg)
			assertSentinels(t, err, nylas.ErrOutcomeUnknown)
			require.ErrorContains(t, err, textWindowOver)
			assert.Equal(t, 1, sent)
			assert.Equal(t, 2, tried)
		}))
	}
	t.Run("the first attempt may", bubble(func(t *testing.T) {
		m := &machine{wall: 2 * time.Hour}
		w := newWire(t, answersFile(t, 200, messageAnswer))
		client := w.client(t, nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(r *http.Request) (*http.Response, error) {
				m.slept.Store(true)
				return next.RoundTrip(r)
			})
		}))
		client.AheadBy(m.clocks)
		require.NoError(t, send(t.Context(), client))
		assert.NotEmpty(t, w.requests()[0].body)
	}))
}

// TestSecondMail says when a send that succeeded may have brought two mails.
func TestSecondMail(t *testing.T) {
	t.Parallel()
	ok, replayedOK := answersFile(t, 200, messageAnswer), answersFile(t, 200, messageAnswer, headerReplayed...)
	timeout, limit := answersFile(t, 504, timeoutAnswer), answersFile(t, 429, limitAnswer)
	unavailable, running := answersFile(t, 503, "http/error.unavailable.503.json"), answersFile(t, 409, runningAnswer)
	noDial := fails(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	for _, tt := range []struct {
		name     string
		script   []httpmock.Responder
		possible bool
	}{
		{"success", inTurn(ok), false},
		{"success of an earlier call", inTurn(replayedOK), false},
		{"refused before", inTurn(limit, unavailable, noDial, ok), false},
		{"lost, then repeated", inTurn(loses, replayedOK), false},
		{"504, then repeated", inTurn(timeout, replayedOK), false},
		{"lost, then running, then repeated", inTurn(loses, running, running, replayedOK), false},
		{"lost, then sent by itself", inTurn(loses, ok), true},
		{"over the limit, then sent by itself", inTurn(hangs, ok), true},
		{"cut off, then sent by itself", inTurn(answersCut(200, `{"data":`), ok), true},
		{"504, then sent by itself", inTurn(timeout, ok), true},
		{"502 of a gateway, then sent by itself", inTurn(answers(502, "<html>"), limit, ok), true},
		{"running, then sent by itself", inTurn(running, ok), true},
		// One of the two is repeated. Nylas may have forgotten the key of the other.
		{"lost twice, then repeated", inTurn(loses, loses, replayedOK), true},
		{"success that is not JSON", inTurn(loses, answers(200, "<html>")), true},
	} {
		t.Run(tt.name, bubble(func(t *testing.T) {
			var log logBuffer
			var resp nylas.Response
			w := newWire(t, tt.script...)
			_ = send(t.Context(), w.client(t, log.option()), nylas.WithResponse(&resp), nylas.WithIdempotencyKey(testKey))
			assert.Len(t, w.requests(), len(tt.script))
			assert.Equal(t, tt.possible, resp.SecondMailPossible)

			var warned []map[string]any
			for _, record := range log.records(t) {
				if record["level"] == "WARN" {
					warned = append(warned, only(record, "msg", "http.request.method", "url.template", "nylas.attempts"))
				}
			}
			if !tt.possible {
				assert.Empty(t, warned)
				return
			}
			assert.Equal(t, []map[string]any{{
				"msg": "nylas: a second mail is possible", "http.request.method": "POST", "url.template": "/v3/grants/{grant_id}/messages/send",
				"nylas.attempts": float64(len(tt.script)),
			}}, warned)
			assertUnmarked(t, log.String())
		}))
	}
	t.Run("calls without a key", func(t *testing.T) {
		t.Parallel()
		for _, m := range methods() {
			if m.repeats == repeatsWithKey || m.repeats == repeatsUnsent {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				var log logBuffer
				var resp nylas.Response
				w := newWire(t, loses, answers(200, anyAnswer(m.op)))
				require.NoError(t, m.call(t.Context(), w.client(t, log.option()), nylas.WithResponse(&resp)))
				assert.False(t, resp.SecondMailPossible, m.op)
				assert.NotContains(t, log.String(), "WARN")
			})
		}
	})
}
