package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
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

func TestSameKeyAndBytesInEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t,
			loses,
			answersCut(200, `{"data":`),
			answersFile(t, 429, limitAnswer),
			answersFile(t, 503, "http/error.unavailable.503.json"),
			answersFile(t, 504, timeoutAnswer),
			answersFile(t, 409, runningAnswer),
			answersFile(t, 200, messageAnswer))
		client := w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 6}))
		msg := markedMessage()
		msg.Metadata = map[string]string{}
		variables := map[string]any{}
		for i := range 30 {
			msg.Metadata[fmt.Sprint("key", i)] = "v"
			variables[fmt.Sprint("var", i)] = i
		}
		msg.Template = &nylas.Template{ID: "t-1", Variables: variables}
		var resp nylas.Response
		_, err := client.Messages.Send(t.Context(), testGrant, msg, nylas.WithResponse(&resp))
		require.NoError(t, err)
		requests := w.requests()
		require.Len(t, requests, 7)
		assert.Equal(t, 7, resp.Attempts)
		for _, request := range requests {
			assert.Equal(t, requests[0].body, request.body)
			assert.Equal(t, requests[0].header, request.header)
			assert.Equal(t, requests[0].target, request.target)
			assert.Equal(t, []string{resp.IdempotencyKey}, request.header["Idempotency-Key"])
		}

		// A second call with the key has to be the same request too.
		for range 5 {
			w = newWire(t, answersFile(t, 200, messageAnswer))
			_, err = w.client(t).Messages.Send(t.Context(), testGrant, msg, nylas.WithIdempotencyKey(resp.IdempotencyKey))
			require.NoError(t, err)
			assert.Equal(t, requests[0].body, w.requests()[0].body)
		}
	})
}

func TestBackOffGrowsWithJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const attempts, calls = 13, 30
		seen := make([]map[time.Duration]bool, attempts-1)
		for i := range seen {
			seen[i] = map[time.Duration]bool{}
		}
		for range calls {
			w := newWireAlways(answers(503, "{}"))
			client := w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: attempts}))
			require.Error(t, send(t.Context(), client))
			waits := w.waits()
			require.Len(t, waits, attempts-1)
			delay := float64(baseDelay)
			for i, wait := range waits {
				assert.GreaterOrEqual(t, wait, time.Duration(delay*0.5), "wait %d", i)
				assert.LessOrEqual(t, wait, time.Duration(delay*1.5)+1, "wait %d", i)
				seen[i][wait] = true
				delay = min(delay*1.5, float64(maxDelay)/1.5)
			}
		}
		for i, waits := range seen {
			assert.Greater(t, len(waits), calls*9/10, "wait %d has no jitter", i)
		}
	})
}

// TestBackOffOfAPolicy has the waits that the docs of BaseDelay and MaxDelay promise.
func TestBackOffOfAPolicy(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		policy nylas.RetryPolicy
		delays []time.Duration // each give or take a half
	}{
		{"grows by half up to two thirds", nylas.RetryPolicy{BaseDelay: 4000 * ms, MaxDelay: 18_000 * ms}, []time.Duration{4000 * ms, 6000 * ms, 9000 * ms, 12_000 * ms, 12_000 * ms}},
		{"BaseDelay above two thirds", nylas.RetryPolicy{BaseDelay: 900 * ms, MaxDelay: 900 * ms}, []time.Duration{600 * ms, 600 * ms, 600 * ms}},
		{"BaseDelay above the default of MaxDelay", nylas.RetryPolicy{BaseDelay: 60_000 * ms}, []time.Duration{40_000 * ms, 40_000 * ms}},
		{"MaxDelay below the default of BaseDelay", nylas.RetryPolicy{MaxDelay: 300 * ms}, []time.Duration{200 * ms, 200 * ms}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				policy := tt.policy
				policy.MaxAttempts = len(tt.delays) + 1
				shortest, longest := make([]time.Duration, len(tt.delays)), make([]time.Duration, len(tt.delays))
				for range 200 {
					w := newWireAlways(answers(503, "{}"))
					require.Error(t, send(t.Context(), w.client(t, nylas.WithRetryPolicy(policy))))
					require.Len(t, w.waits(), len(tt.delays))
					for i, wait := range w.waits() {
						if shortest[i] == 0 || wait < shortest[i] {
							shortest[i] = wait
						}
						longest[i] = max(longest[i], wait)
					}
				}
				for i, delay := range tt.delays {
					assert.InDelta(t, delay/2, shortest[i], float64(delay/10), "wait %d", i)
					assert.GreaterOrEqual(t, shortest[i], delay/2, "wait %d", i)
					assert.InDelta(t, delay*3/2, longest[i], float64(delay/10), "wait %d", i)
					assert.LessOrEqual(t, longest[i], delay*3/2, "wait %d", i)
				}
			})
		})
	}
}

func TestMaxAttempts(t *testing.T) {
	t.Parallel()
	for _, attempts := range []int{1, 2, 7} {
		for name, respond := range map[string]httpmock.Responder{"lost": loses, "504": answers(504, ""), "429": answers(429, "")} {
			t.Run(fmt.Sprint(name, " ", attempts), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWireAlways(respond)
					err := send(t.Context(), w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: attempts})))
					assert.Equal(t, attempts, asError(t, err).Attempts)
					assert.Len(t, w.requests(), attempts)
					assert.Equal(t, name != "429", errors.Is(err, nylas.ErrOutcomeUnknown))
				})
			})
		}
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	day := func(add time.Duration) string {
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(add).Format(http.TimeFormat) // when a bubble begins
	}
	for _, tt := range []struct {
		header string
		want   time.Duration // 0 means the back-off
	}{
		{"17", 17 * time.Second},
		{" 60 ", 60 * time.Second},
		{day(42 * time.Second), 42 * time.Second},
		{"0", 0},
		{"-5", 0},
		{"-99999999999999999999", 0},
		{day(-time.Hour), 0},
		{"soon", 0},
		{"1.5", 0},
		{"", 0},
	} {
		for _, status := range []int{429, 503, 504} {
			t.Run(fmt.Sprint(status, tt.header), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWire(t, answers(status, "{}", "Retry-After", tt.header), answersFile(t, 200, messageAnswer))
					require.NoError(t, send(t.Context(), w.client(t)))
					wait := w.waits()[0]
					if tt.want > 0 {
						assert.Equal(t, tt.want, wait)
						return
					}
					assert.GreaterOrEqual(t, wait, baseDelay/2)
					assert.LessOrEqual(t, wait, baseDelay*3/2)
				})
			})
		}
	}
}

func TestRetryAfterDoesNotShortenTheBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(429, "{}", "Retry-After", "1"))
		client := w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{BaseDelay: 10 * time.Second, MaxAttempts: 2}))
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrRateLimited)
		assert.GreaterOrEqual(t, w.waits()[0], 5*time.Second)
	})
}

func TestRetryAfterAboveTheCapEndsTheCall(t *testing.T) {
	t.Parallel()
	const longest = math.MaxInt64 / 1_000_000_000 * time.Second // the most whole seconds of a Duration
	for _, tt := range []struct {
		header string
		policy nylas.RetryPolicy
		want   time.Duration
	}{
		{"61", nylas.RetryPolicy{}, 61 * time.Second},
		{"5", nylas.RetryPolicy{MaxRetryAfter: 4 * time.Second}, 5 * time.Second},
		{"Sat, 01 Jan 2000 01:00:00 GMT", nylas.RetryPolicy{}, time.Hour},
		{"9999999999", nylas.RetryPolicy{}, longest},
		{"99999999999999999999999", nylas.RetryPolicy{}, longest},
		{"99999999999999999999999", nylas.RetryPolicy{MaxRetryAfter: math.MaxInt64}, longest},
	} {
		for _, status := range []int{429, 503, 409} {
			t.Run(fmt.Sprint(status, " ", tt.header), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					body := "{}"
					if status == 409 {
						body = string(recording(t, runningAnswer))
					}
					w := newWire(t, answers(status, body, "Retry-After", tt.header))
					start := time.Now()
					err := send(t.Context(), w.client(t, nylas.WithRetryPolicy(tt.policy)))
					e := asError(t, err)
					assert.Equal(t, tt.want, e.RetryAfter)
					assert.Equal(t, status, e.StatusCode)
					assert.Equal(t, 1, e.Attempts)
					assert.Zero(t, time.Since(start), "it waited all the same")
					assert.Equal(t, status == 429, errors.Is(err, nylas.ErrRateLimited))
				})
			})
		}
	}
}

func TestNotRepeatedAfterTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// 27 minutes and 27 minutes are within 55, 81 are not.
		w := newWireAlways(answers(429, "{}", "Retry-After", "1620"))
		client := w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 10, MaxRetryAfter: time.Hour}))
		start := time.Now()
		err := send(t.Context(), client)
		require.ErrorIs(t, err, nylas.ErrRateLimited)
		assert.Equal(t, 3, asError(t, err).Attempts)
		assert.Equal(t, 54*time.Minute, time.Since(start))
	})
	// The edge: an attempt may begin 55 minutes after the first, and not a second later.
	for seconds, attempts := range map[int]int{int(repeatsUntil.Seconds()): 2, int(repeatsUntil.Seconds()) + 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWireAlways(answers(429, "{}", "Retry-After", fmt.Sprint(seconds)))
			client := w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxRetryAfter: 2 * time.Hour}))
			assert.Equal(t, attempts, asError(t, send(t.Context(), client)).Attempts)
		})
	}
}

func TestLimitOfAnAttempt(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limit := limitOf(m)
				w := newWireAlways(hangs)
				start := time.Now()
				err := m.call(t.Context(), w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 2})))
				attempts := 2
				if m.repeats == repeatsUnsent {
					attempts = 1
				}
				assert.Equal(t, attempts, asError(t, err).Attempts)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.NotErrorIs(t, err, context.Canceled)
				assert.Contains(t, err.Error(), "the limit of "+limit.String()+" passed")
				if attempts == 1 {
					assert.Equal(t, limit, time.Since(start))
					return
				}
				assert.GreaterOrEqual(t, w.waits()[0], limit+baseDelay/2)
				assert.LessOrEqual(t, w.waits()[0], limit+baseDelay*3/2)
			})
		})
	}
}

func TestTimeoutOfTheHTTPClientIsOfAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, hangs, answersFile(t, 200, messageAnswer))
		client := w.client(t, nylas.WithHTTPClient(&http.Client{Transport: w.mock, Timeout: 3 * time.Second}))
		require.NoError(t, send(t.Context(), client))
		assert.GreaterOrEqual(t, w.waits()[0], 3*time.Second)
		assert.Less(t, w.waits()[0], 4*time.Second)
	})
}

func TestContextThatHasEnded(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errStop)
			w := newWire(t)
			err := m.call(ctx, w.client(t))
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, errStop)
			assertSentinels(t, err)
			assert.Zero(t, asError(t, err).Attempts)
			assert.Empty(t, w.requests())
			assert.Equal(t, "nylas: "+m.op+": no request was made: context canceled: the program stops", err.Error())
		})
	}
}

func TestContextThatEndsDuringAnAttempt(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				w := newWire(t, hangs)
				err := m.call(ctx, w.client(t))
				assert.Equal(t, time.Second, time.Since(start))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 1, asError(t, err).Attempts)
				assert.Equal(t, m.repeats != repeatsAlways, errors.Is(err, nylas.ErrOutcomeUnknown))
			})
		})
	}
}

func TestContextThatEndsDuringAWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		respond httpmock.Responder
		is      []error
	}{
		{"429", answers(429, "{}", "Retry-After", "30"), []error{nylas.ErrRateLimited}},
		{"lost", loses, []error{nylas.ErrOutcomeUnknown}},
		{"504", answers(504, "{}", "Retry-After", "30"), []error{nylas.ErrOutcomeUnknown}},
		{"503", answersFile(t, 503, unavailableAnswer, "Retry-After", "30"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				go func() {
					synctest.Wait() // until the call waits
					cancel(errStop)
				}()
				start := time.Now()
				w := newWire(t, tt.respond)
				client := w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{BaseDelay: 20 * time.Second}))
				err := send(ctx, client)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, errStop)
				assert.Contains(t, err.Error(), ": while waiting to try again: context canceled: the program stops")
				assertSentinels(t, err, tt.is...)
				assert.Zero(t, time.Since(start))
				assert.Len(t, w.requests(), 1)
			})
		})
	}
}

func TestAnswerThatComesAsTheContextEndsCounts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	body := string(recording(t, messageAnswer))
	w := newWire(t)
	client := w.client(t, nylas.WithRoundTripper(func(http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(*http.Request) (*http.Response, error) {
			cancel()
			return httpmock.NewStringResponse(200, body), nil
		})
	}))
	require.NoError(t, send(ctx, client))
}

func TestConcurrentRequestIsPolled(t *testing.T) {
	t.Parallel()
	t.Run("until it is done", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			script := []httpmock.Responder{loses}
			for range 12 { // more than MaxAttempts
				script = append(script, answersFile(t, 409, runningAnswer))
			}
			w := newWire(t, append(script, answersFile(t, 200, messageAnswer, headerReplayed...))...)
			var resp nylas.Response
			require.NoError(t, send(t.Context(), w.client(t), nylas.WithResponse(&resp)))
			assert.True(t, resp.Replayed)
			assert.Equal(t, 14, resp.Attempts)
			seen := map[time.Duration]bool{}
			for _, wait := range w.waits()[1:] {
				assert.GreaterOrEqual(t, wait, pollsAtLeast)
				assert.LessOrEqual(t, wait, pollsAtMost)
				seen[wait] = true
			}
			assert.Greater(t, len(seen), 3, "no jitter")
		})
	})
	t.Run("until its time is over", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, loses)
			w.rest = answersFile(t, 409, runningAnswer)
			start := time.Now()
			err := send(t.Context(), w.client(t))
			assertSentinels(t, err, nylas.ErrOutcomeUnknown)
			assert.LessOrEqual(t, time.Since(start), pollsUntil)
			assert.Greater(t, time.Since(start), pollsUntil-pollsAtMost)
			e := asError(t, err)
			assert.Equal(t, "concurrent_idempotent_request", e.Type)
			assert.False(t, e.NeedsNewKey)
		})
	})
	t.Run("beside other failures", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			running, lost := answersFile(t, 409, runningAnswer), loses
			w := newWire(t, lost, running, lost, running, running, lost, running, lost)
			err := send(t.Context(), w.client(t))
			assertSentinels(t, err, nylas.ErrOutcomeUnknown)
			assert.Equal(t, 8, asError(t, err).Attempts)
		})
	})
	t.Run("no longer than Retry-After allows", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, answersFile(t, 409, runningAnswer, "Retry-After", "9"), answersFile(t, 200, messageAnswer))
			require.NoError(t, send(t.Context(), w.client(t)))
			assert.Equal(t, 9*time.Second, w.waits()[0])
		})
	})
	t.Run("not with one attempt", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWire(t, answersFile(t, 409, runningAnswer))
			err := send(t.Context(), w.client(t, nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 1})))
			assertSentinels(t, err, nylas.ErrOutcomeUnknown)
		})
	})
}

func TestConflictIsFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := send(t.Context(), newWire(t, answersFile(t, 409, conflictAnswer)).client(t), nylas.WithIdempotencyKey(testKey))
		assertSentinels(t, err, nylas.ErrIdempotencyConflict, nylas.ErrOutcomeUnknown)
		assert.False(t, asError(t, err).NeedsNewKey)
		assert.Contains(t, err.Error(), "409 invalid_idempotent_request: The Idempotency-Key was already used")
		assert.True(t, strings.HasSuffix(err.Error(), textConflict), err.Error())

		w := newWire(t, loses, answersFile(t, 409, conflictAnswer))
		assertSentinels(t, send(t.Context(), w.client(t)), nylas.ErrIdempotencyConflict, nylas.ErrOutcomeUnknown)

		w = newWire(t, answers(409, `{"error":{"type":"api.something_else"}}`))
		err = send(t.Context(), w.client(t))
		assertSentinels(t, err)
		assert.False(t, asError(t, err).NeedsNewKey)
	})
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	t.Run("made by the SDK", func(t *testing.T) {
		t.Parallel()
		w := newWireAlways(answersFile(t, 200, messageAnswer))
		client := w.client(t)
		for range 50 {
			require.NoError(t, send(t.Context(), client))
		}
		keys := map[string]bool{}
		for _, request := range w.requests() {
			key := request.header.Get("Idempotency-Key")
			assert.Regexp(t, `^[!-~]{20,256}$`, key)
			keys[key] = true
		}
		assert.Len(t, keys, 50)
	})
	for name, key := range map[string]string{
		"given": "order-4711", "one character": "!", "the longest": strings.Repeat("~", 256),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answersFile(t, 200, messageAnswer))
			var resp nylas.Response
			require.NoError(t, send(t.Context(), w.client(t), nylas.WithIdempotencyKey(key), nylas.WithResponse(&resp)))
			assert.Equal(t, []string{key}, w.requests()[0].header["Idempotency-Key"])
			assert.Equal(t, key, resp.IdempotencyKey)
		})
	}
	for name, key := range map[string]string{
		"empty": "", "too long": strings.Repeat("k", 257), "space": "a b", "line": "a\nb", "tab": "a\tb", "DEL": "a\x7f",
		"not ASCII": "schlüssel", "not UTF-8": "a\xff",
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			err := send(t.Context(), w.client(t), nylas.WithIdempotencyKey(key))
			assertSentinels(t, err, nylas.ErrInvalidRequest)
			assert.Equal(t, "nylas: send message: WithIdempotencyKey: want 1 to 256 visible ASCII characters", err.Error())
			assert.Empty(t, w.requests())
		})
	}
	for _, m := range methods() {
		if m.repeats == repeatsWithKey {
			continue
		}
		t.Run("refused by "+m.op, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			err := m.call(t.Context(), w.client(t), nylas.WithIdempotencyKey(testKey))
			assertSentinels(t, err, nylas.ErrInvalidRequest)
			assert.Equal(t, "nylas: "+m.op+": this call takes no Idempotency-Key", err.Error())
			assert.Empty(t, w.requests())
		})
	}
}
