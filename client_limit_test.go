package nylas_test

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// interval is the time between two requests of so many a second.
func interval(rate float64) time.Duration { return time.Duration(float64(time.Second) / rate) }

// assertEven checks that requests go out evenly, as close as the clock can tell.
func assertEven(tb testing.TB, rate float64, waits []time.Duration) {
	tb.Helper()
	for i, wait := range waits {
		assert.InDelta(tb, interval(rate), wait, 2, "wait %d", i)
	}
}

func TestRateLimitOfNylas(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rate := 50.0
				if strings.HasPrefix(m.path, "/v3/grants/") && m.op != "get grant" || strings.HasPrefix(m.path, "/v3/domains/") {
					rate = 200
				}
				if m.op == "send MIME message" {
					rate = 10
				}
				w := newWireAlways(answers(403, "{}"))
				client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{}))
				var calls sync.WaitGroup
				for range 120 {
					calls.Go(func() { assert.ErrorIs(t, m.call(t.Context(), client), nylas.ErrForbidden) })
				}
				calls.Wait()
				require.Len(t, w.waits(), 119)
				assertEven(t, rate, w.waits())
			})
		})
	}
}

func TestRateLimitOfTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.5, ApplicationCalls: 4}))
		for range 3 {
			require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		}
		assertEven(t, 0.5, w.waits())

		w = newWireAlways(answers(403, "{}"))
		client = w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.5, ApplicationCalls: 4}))
		for range 3 {
			_, err := client.Webhooks.Get(t.Context(), testWebhook)
			require.ErrorIs(t, err, nylas.ErrForbidden)
		}
		assertEven(t, 4, w.waits())
	})
}

// TestRateLimitsAreApart has a grant that does not hold up another one, nor the
// webhooks, which share one limit whatever they are about.
func TestRateLimitsAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.01, ApplicationCalls: 0.01}))
		start := time.Now()
		for _, grant := range []string{"grant-1", "grant-2", "grant-3"} {
			_, err := client.Messages.Send(t.Context(), grant, markedMessage())
			require.ErrorIs(t, err, nylas.ErrForbidden)
		}
		_, err := client.Webhooks.Get(t.Context(), "grant-1")
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.Zero(t, time.Since(start))
		assert.Len(t, w.requests(), 4)

		_, err = client.Webhooks.RotateSecret(t.Context(), "another")
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.Equal(t, 100*time.Second, time.Since(start))
		_, err = client.Messages.Send(t.Context(), "grant-2", markedMessage())
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.Equal(t, 100*time.Second, time.Since(start))
	})
}

// TestRateLimitOfAnOrganization: all kinds of sends from all grants share it, and a grant
// that waits for a limit of its own holds up no other.
func TestRateLimitOfAnOrganization(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{OrganizationSends: 2}))
		var calls sync.WaitGroup
		for _, m := range methods() {
			if m.repeats == repeatsWithKey || m.op == "send draft" {
				calls.Go(func() { assert.ErrorIs(t, m.call(t.Context(), client), nylas.ErrForbidden) })
			}
		}
		for _, grant := range []string{"grant-1", "grant-2"} {
			calls.Go(func() {
				_, err := client.Messages.Send(t.Context(), grant, markedMessage())
				assert.ErrorIs(t, err, nylas.ErrForbidden)
			})
		}
		calls.Wait()
		require.Len(t, w.requests(), 6)
		assertEven(t, 2, w.waits())
		start := time.Now()
		_, err := client.Messages.Get(t.Context(), testGrant, testID)
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.Zero(t, time.Since(start), "reading is no send")

		w = newWireAlways(answers(403, "{}"))
		client = w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.01, OrganizationSends: 2}))
		for _, grant := range []string{"grant-1", "grant-1", "grant-1", "grant-2", "grant-3"} {
			calls.Go(func() {
				_, err := client.Messages.Send(t.Context(), grant, markedMessage())
				assert.ErrorIs(t, err, nylas.ErrForbidden)
			})
			synctest.Wait()
		}
		calls.Wait()
		assert.Equal(t, []time.Duration{time.Second / 2, time.Second / 2, 99 * time.Second, 100 * time.Second}, w.waits())
	})
}

func TestRateLimitIsOfOneClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		option := nylas.WithRateLimit(nylas.RateLimits{Sends: 0.01})
		start := time.Now()
		require.Error(t, send(t.Context(), w.client(t, option)))
		require.Error(t, send(t.Context(), w.client(t, option)))
		require.Error(t, send(t.Context(), w.client(t)))
		assert.Zero(t, time.Since(start))
	})
}

func TestRepeatsPassTheRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(503, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.1}))
		var resp nylas.Response
		var exchanges []nylas.Exchange
		require.Error(t, send(t.Context(), client, nylas.WithResponse(&resp), nylas.WithCapture(&exchanges), nylas.WithTimeout(time.Second)))
		assertEven(t, 0.1, w.waits())
		assert.Equal(t, 4, resp.Attempts)
		require.Len(t, exchanges, 4)
		for _, exchange := range exchanges {
			assert.Zero(t, exchange.Duration, "waiting is no part of an attempt")
		}
	})
}

// TestWaitForTheRateLimitEndsWithTheContext has many that give up behind each
// other. None of them takes anything from the rate.
func TestWaitForTheRateLimitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWireAlways(answers(403, "{}"))
				var log logBuffer
				client := w.client(t, log.option(), nylas.WithRateLimit(nylas.RateLimits{
					Sends: 0.1, MultipartSends: 0.1, GrantCalls: 0.1, ApplicationCalls: 0.1,
				}))
				require.ErrorIs(t, m.call(t.Context(), client), nylas.ErrForbidden)
				start := time.Now()
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errStop)
				defer cancel()
				var calls sync.WaitGroup
				failed := make([]error, 50)
				for i := range failed {
					calls.Go(func() { failed[i] = m.call(ctx, client) })
				}
				calls.Wait()
				assert.Equal(t, time.Second, time.Since(start))
				for _, err := range failed {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorIs(t, err, errStop)
					assertSentinels(t, err)
					require.EqualError(t, err, "nylas: "+m.op+": no request was made: while waiting for the rate limit: "+
						"context deadline exceeded: the program stops")
					assert.Zero(t, asError(t, err).Attempts)
				}
				assert.Len(t, w.requests(), 1)
				assert.Len(t, log.records(t), 1)

				require.ErrorIs(t, m.call(t.Context(), client), nylas.ErrForbidden)
				assertEven(t, 0.1, w.waits())
			})
		})
	}
}

// TestContextThatEndsWhileARepeatWaitsForTheRateLimit keeps what the attempt
// before said.
func TestContextThatEndsWhileARepeatWaitsForTheRateLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		w    *wire
		is   []error
	}{
		{"lost", newWire(t, loses), []error{nylas.ErrOutcomeUnknown}},
		{"429", newWire(t, answersFile(t, 429, limitAnswer)), []error{nylas.ErrRateLimited}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				client := tt.w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.01}))
				err := send(ctx, client)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assertSentinels(t, err, tt.is...)
				assert.Contains(t, err.Error(), ": while waiting for the rate limit: context deadline exceeded")
				assert.Equal(t, 1, asError(t, err).Attempts)
				assert.Len(t, tt.w.requests(), 1)
			})
		})
	}
}

// TestRateLimitDoesNotLeadBeyondTheHour has a repeat whose turn comes when Nylas
// does not know its key any more: it would send a second mail.
func TestRateLimitDoesNotLeadBeyondTheHour(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		w     *wire
		after time.Duration
	}{
		{"lost", newWire(t, loses), repeatsUntil},
		{"still running", newWire(t, answersFile(t, 409, runningAnswer)), pollsUntil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := tt.w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 1.0 / 4000}))
				start := time.Now()
				err := send(t.Context(), client)
				assertSentinels(t, err, nylas.ErrOutcomeUnknown)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				assert.Contains(t, err.Error(), ": while waiting for the rate limit: the time in which the request may be repeated is over")
				assert.Equal(t, tt.after, time.Since(start))
				assert.Len(t, tt.w.requests(), 1)
			})
		})
	}
}

// TestTheFirstWaitDoesNotShortenTheTimeForRepeating has a send that waits for
// longer than one is asked about.
func TestTheFirstWaitDoesNotShortenTheTimeForRepeating(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, answers(403, "{}"), answersFile(t, 409, runningAnswer), answersFile(t, 200, messageAnswer))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 1.0 / 140}))
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		require.NoError(t, send(t.Context(), client))
		assertEven(t, 1.0/140, w.waits())
	})
}

func TestRateLimitsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, limits := range []nylas.RateLimits{{Sends: n}, {MultipartSends: n}, {OrganizationSends: n}, {GrantCalls: n}, {ApplicationCalls: n}} {
			client, err := nylas.NewClient(testAPIKey, nylas.WithRateLimit(limits))
			assert.Nil(t, client)
			require.EqualError(t, err, "nylas: new client: WithRateLimit: want finite numbers that are not negative")
		}
	}
}

// TestRateLimitsToldApart has answers whose types say the contrary, as they do
// on Nylas' pages.
func TestRateLimitsToldApart(t *testing.T) {
	t.Parallel()
	both := []error{nylas.ErrRateLimited, nylas.ErrProviderRateLimited}
	for _, tt := range []struct {
		name string
		body string
		is   []error
	}{
		{"an object", `{"error":{"type":"nylas_rate_limit_exceeded","provider_error":{"code":429}}}`, both},
		{"an empty object", `{"error":{"type":"rate_limit_error","provider_error":{}}}`, both},
		{"a text", `{"error":{"provider_error":"busy"}}`, both},
		{"null", `{"error":{"type":"rate_limit_error","provider_error":null}}`, both[:1]},
		{"nothing", `{"error":{"type":"quota_exceeded_error"}}`, both[:1]},
		{"no error", `{"provider_error":{}}`, both[:1]},
		{"no JSON", `<html>`, both[:1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := send(t.Context(), newWire(t, answers(429, tt.body)).client(t), nylas.WithoutRetry())
			assertSentinels(t, err, tt.is...)
			assert.Equal(t, len(tt.is) == 2, strings.HasSuffix(err.Error(), adviceProvider))
		})
	}
}

// TestRateLimitOfMultipartSends: sends that are too large for JSON have a limit of
// their own, and count among all sends.
func TestRateLimitOfMultipartSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{}))
		large := markedMessage()
		large.Attachments = []nylas.Attachment{{Filename: "a.bin", Content: nylas.BytesContent(make([]byte, 3_000_000))}}
		for range 12 {
			_, err := client.Messages.Send(t.Context(), testGrant, large)
			require.ErrorIs(t, err, nylas.ErrForbidden)
		}
		assertEven(t, 10, w.waits())
		start := time.Now()
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		assert.Equal(t, 5*time.Millisecond, time.Since(start), "JSON does not wait for the limit of multipart")

		w = newWireAlways(answers(403, "{}"))
		client = w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.5}))
		for range 3 {
			_, err := client.Messages.Send(t.Context(), testGrant, large)
			require.ErrorIs(t, err, nylas.ErrForbidden)
			require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		}
		assertEven(t, 0.5, w.waits())
	})
}

// TestRateLimitOfAMultipartSendThatIsGivenUp: who is given up in the second lane
// holds up nobody, and took nothing from the first.
func TestRateLimitOfAMultipartSendThatIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newWireAlways(answers(403, "{}")).client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.1, MultipartSends: 0.1}))
		large := markedMessage()
		large.Attachments = []nylas.Attachment{{Filename: "a.bin", Content: nylas.BytesContent(make([]byte, 3_000_000))}}
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		_, err := client.Messages.Send(ctx, testGrant, large)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = client.Messages.Send(t.Context(), testGrant, large)
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.InDelta(t, 10, time.Since(start).Seconds(), 0.001)
	})
}

// TestRateLimitOfGrantCalls has the other calls of a grant pass beside its sends,
// and in a lane of each grant's own.
func TestRateLimitOfGrantCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWireAlways(answers(403, "{}"))
		client := w.client(t, nylas.WithRateLimit(nylas.RateLimits{Sends: 0.001, ApplicationCalls: 0.001}))
		require.ErrorIs(t, send(t.Context(), client), nylas.ErrForbidden)
		_, err := client.Webhooks.Get(t.Context(), testWebhook)
		require.ErrorIs(t, err, nylas.ErrForbidden)
		start := time.Now()
		_, err = client.Drafts.Get(t.Context(), testGrant, "d-1")
		require.ErrorIs(t, err, nylas.ErrForbidden)
		assert.Zero(t, time.Since(start))

		client = w.client(t, nylas.WithRateLimit(nylas.RateLimits{GrantCalls: 0.5}))
		for _, grant := range []string{testGrant, "another-grant", testGrant} {
			_, err = client.Drafts.Get(t.Context(), grant, "d-1")
			require.ErrorIs(t, err, nylas.ErrForbidden)
		}
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}
