package receive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// secretStore is what several processes share.
type secretStore struct {
	mu      sync.Mutex
	secrets []string
	err     error
	calls   int
}

func (s *secretStore) set(err error, secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets, s.err = secrets, err
}

func (s *secretStore) read(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return slices.Clone(s.secrets), s.err
}

// asked tells how often it was read since the last time.
func (s *secretStore) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.calls = 0 }()
	return s.calls
}

func newSourced(tb testing.TB, source func(context.Context) ([]string, error), opts ...receive.Option) *receive.Receiver {
	tb.Helper()
	receiver, err := receive.New(outcome(nil), append(opts, receive.WithSecretSource(source))...)
	require.NoError(tb, err)
	return receiver
}

func TestSecretSourceIsCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{secrets: []string{"new", "old"}}
		receiver := newSourced(t, store.read)
		assert.Zero(t, store.asked(), "nothing came yet")
		assert.Equal(t, http.StatusOK, recorded(receiver, asked(http.MethodGet, "challenge=abc")).status)
		assert.Equal(t, 401, recorded(receiver, posted(openedBody("n-1"))).status)
		assert.Zero(t, store.asked(), "these need no secret")
		for range 100 {
			require.Equal(t, 200, signedBy(receiver, "new"))
			require.Equal(t, 200, signedBy(receiver, "old"))
		}
		assert.Equal(t, 1, store.asked())

		// A secret that was taken back is refused once the answer is a minute old.
		store.set(nil, "new")
		<-time.After(receive.SecretCachePeriod - time.Nanosecond)
		require.Equal(t, 200, signedBy(receiver, "old"))
		assert.Zero(t, store.asked())
		<-time.After(time.Nanosecond)
		require.Equal(t, 401, signedBy(receiver, "old"))
		require.Equal(t, 200, signedBy(receiver, "new"))
		assert.Equal(t, 1, store.asked())
	})
}

// Whoever sends what, the source is asked once in five seconds, and 401 needs an
// answer from after the arrival.
func TestSecretSourceAfterAMismatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{secrets: []string{"first"}}
		receiver := newSourced(t, store.read)
		require.Equal(t, 401, signedBy(receiver, "forged"), "it was asked for this one")
		require.Equal(t, 503, signedBy(receiver, "forged"), "the answer is from before")
		require.Equal(t, 1, store.asked())
		<-time.After(5*time.Second - time.Nanosecond)
		require.Equal(t, 503, signedBy(receiver, "forged"))
		require.Equal(t, 0, store.asked())
		<-time.After(time.Nanosecond)
		store.set(nil, "second", "first")
		require.Equal(t, 200, signedBy(receiver, "second"))
		require.Equal(t, 1, store.asked())
		require.Equal(t, 200, signedBy(receiver, "first"))
	})
}

// A forger who never stops costs no genuine notification: what is signed with a
// secret that is not known yet is not lost, and known a moment later.
func TestSecretSourceUnderForgery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{secrets: []string{"first"}}
		receiver := newSourced(t, store.read)
		body := openedBody("n-1")
		genuine := map[int]int{}
		forged := map[int]int{}
		for i := range 1000 { // each 100 ms, so 100 s
			switch i {
			case 300:
				store.set(receive.ErrRotating, "first")
			case 400:
				store.set(nil, "second", "first")
			}
			for range 3 {
				forged[signedBy(receiver, "forged")]++
			}
			if i >= 320 { // Nylas rotated, and signs with what the store does not have yet
				genuine[recorded(receiver, posted(body).with(receive.SignatureHeader, hmacHex("second", body))).status]++
			}
			require.Equal(t, 200, signedBy(receiver, "first"))
			<-time.After(100 * time.Millisecond)
		}
		assert.Zero(t, genuine[401])
		assert.LessOrEqual(t, genuine[503], 80+50, "until it is stored, and a pause")
		assert.Equal(t, 680, genuine[200]+genuine[503])
		assert.Positive(t, forged[401])
		assert.Equal(t, 3000, forged[401]+forged[503])
		assert.Equal(t, 20, store.asked())
	})
}

// Deliveries that come while the source is asked wait for one answer. It says
// nothing against those that came after it was asked.
func TestSecretSourceIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		answer := make(chan struct{})
		receiver := newSourced(t, func(ctx context.Context) ([]string, error) {
			calls.Add(1)
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, 2*time.Second, time.Until(deadline))
			<-answer
			return []string{"known"}, nil
		})
		statuses := make([]int, 20)
		var all sync.WaitGroup
		for i := range statuses {
			all.Go(func() { statuses[i] = signedBy(receiver, []string{"known", "unknown"}[i%2]) })
			synctest.Wait()
		}
		assert.EqualValues(t, 1, calls.Load())
		assert.Equal(t, http.StatusOK, recorded(receiver, asked(http.MethodGet, "challenge=abc")).status)
		close(answer)
		all.Wait()
		for i, status := range statuses {
			assert.Equal(t, []int{200, 503}[i%2], status, i)
		}
		assert.EqualValues(t, 1, calls.Load())
	})
}

// badSources are sources that give no certain answer.
func badSources(known ...string) map[string]func(context.Context) ([]string, error) {
	secret := "whsec-in-the-error"
	return map[string]func(context.Context) ([]string, error){
		"error":        func(context.Context) ([]string, error) { return nil, errors.New("no database") },
		"rotating":     func(context.Context) ([]string, error) { return known, receive.ErrRotating },
		"known, error": func(context.Context) ([]string, error) { return known, errors.New("one of two failed") },
		"secret in the error": func(context.Context) ([]string, error) {
			return append(slices.Clone(known), secret), fmt.Errorf("cannot decrypt %q, kept %q", secret, known)
		},
		"nothing":   func(context.Context) ([]string, error) { return nil, nil },
		"empty":     func(context.Context) ([]string, error) { return []string{""}, nil },
		"blank":     func(context.Context) ([]string, error) { return []string{" \n"}, nil },
		"line end":  func(context.Context) ([]string, error) { return []string{receiverSecret + "\n"}, nil },
		"one blank": func(context.Context) ([]string, error) { return append([]string{""}, known...), nil },
		"hangs": func(ctx context.Context) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"panics": func(context.Context) ([]string, error) { panic(secret) },
		"nil map": func(context.Context) ([]string, error) {
			seen(nil)["secret"] = true
			return nil, nil
		},
		"exits": func(context.Context) ([]string, error) {
			runtime.Goexit()
			return nil, nil
		},
	}
}

// A source that fails makes nothing final, from the first delivery on; and what
// was known stays known.
func TestSecretSourceFails(t *testing.T) {
	t.Parallel()
	for name, bad := range badSources(receiverSecret) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logged receiverLog
				var source atomic.Pointer[func(context.Context) ([]string, error)]
				source.Store(&bad)
				receiver := newSourced(t, func(ctx context.Context) ([]string, error) { return (*source.Load())(ctx) }, logged.option())
				start := time.Now()
				for range 3 {
					require.Equal(t, 503, signedBy(receiver, "unknown"))
				}
				assert.LessOrEqual(t, time.Since(start), 2*time.Second)
				assert.NotEmpty(t, logged.String())
				<-time.After(5 * time.Second)

				good := func(context.Context) ([]string, error) { return []string{receiverSecret}, nil }
				source.Store(&good)
				require.Equal(t, 401, signedBy(receiver, "unknown"))
				require.Equal(t, 200, signedBy(receiver, receiverSecret))
				source.Store(&bad)
				for i := range 5 { // minutes: the answer becomes old
					<-time.After(time.Minute)
					start := time.Now()
					require.Equal(t, 200, signedBy(receiver, receiverSecret))
					if i > 0 {
						assert.Zero(t, time.Since(start), "known, and the source failed last time")
					}
					require.Equal(t, 503, signedBy(receiver, "unknown"))
				}
				synctest.Wait()
				assert.NotContains(t, logged.String(), receiverSecret)
				assert.NotContains(t, logged.String(), "whsec-in-the-error")
				<-time.After(time.Minute)
				source.Store(&good)
				require.Equal(t, 401, signedBy(receiver, "unknown"))
			})
		})
	}
}

// What it gives beside its error is verified with.
func TestSecretSourceGivesSecretsAndAnError(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rotating", "known, error", "one blank", "secret in the error"} {
		synctest.Test(t, func(t *testing.T) {
			receiver := newSourced(t, badSources("given")[name])
			require.Equal(t, 200, signedBy(receiver, "given"), name)
			<-time.After(5 * time.Second)
			require.Equal(t, 503, signedBy(receiver, "unknown"), name)
		})
	}
	// They take the place of those before.
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{secrets: []string{"first"}}
		receiver := newSourced(t, store.read)
		require.Equal(t, 200, signedBy(receiver, "first"))
		store.set(receive.ErrRotating, "second")
		<-time.After(5 * time.Second)
		require.Equal(t, 503, signedBy(receiver, "third"))
		require.Equal(t, 503, signedBy(receiver, "first"))
		require.Equal(t, 200, signedBy(receiver, "second"))
	})
}

// A source that takes no notice of its context cannot keep an answer, nor a
// number of goroutines that grows; and what it says in the end does not count.
func TestSecretSourceThatNeverReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		release := make(chan struct{})
		receiver := newSourced(t, func(context.Context) ([]string, error) {
			calls.Add(1)
			<-release
			return []string{"known"}, nil
		})
		for range 10 {
			start := time.Now()
			require.Equal(t, 503, signedBy(receiver, "known"))
			require.LessOrEqual(t, time.Since(start), 2*time.Second)
			<-time.After(5 * time.Second)
		}
		assert.EqualValues(t, 4, calls.Load())
		close(release)
		synctest.Wait()
		require.Equal(t, 200, signedBy(receiver, "known"))
	})
}

// A handler gets what the source left of the 6 s.
func TestSecretSourceTakesOfTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver, err := receive.New(receive.HandlerFunc(untilEnd), receive.WithSecretSource(func(context.Context) ([]string, error) {
			<-time.After(2*time.Second - 1)
			return []string{receiverSecret}, nil
		}))
		require.NoError(t, err)
		start := time.Now()
		require.Equal(t, 503, signedBy(receiver, receiverSecret))
		assert.Equal(t, 6*time.Second, time.Since(start))
	})
}

// What waits for the source is counted: memory stays bounded while it hangs.
func TestSecretSourceWaitingIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver := newSourced(t, badSources()["hangs"])
		var all sync.WaitGroup
		for range manyWireLimits / 2 {
			all.Go(func() { assert.Equal(t, 503, recorded(receiver, signed(padded("n-1", wireLimit))).status) })
		}
		synctest.Wait()
		requireOverloaded(t, receiver)
		all.Wait()
	})
}

// The recipe of WithSecretSource for two processes, under deliveries signed with
// whatever Nylas uses: none is lost, and no forgery is taken.
func TestRotationWithTwoReceiversOnOneSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{secrets: []string{"old"}}
		receivers := []http.Handler{newSourced(t, store.read), newSourced(t, store.read)}
		var current atomic.Value // what Nylas signs with
		current.Store("old")
		var lost, taken, again atomic.Int64
		done := make(chan struct{})
		var senders sync.WaitGroup
		for i, receiver := range receivers {
			senders.Go(func() { // they take turns, at different times
				for <-time.After(time.Duration(i) * time.Second); ; <-time.After(700 * time.Millisecond) {
					select {
					case <-done:
						return
					default:
					}
					assert.NotEqual(t, 200, signedBy(receiver, "forged"))
					switch signedBy(receiver, current.Load().(string)) {
					case 200:
						taken.Add(1)
					case 503:
						again.Add(1)
					default:
						lost.Add(1)
					}
				}
			})
		}
		<-time.After(time.Minute)
		store.set(receive.ErrRotating, "old") // 1
		<-time.After(receive.SecretCachePeriod)
		current.Store("new") // 3
		<-time.After(20 * time.Second)
		store.set(receive.ErrRotating, "new", "old") // 4
		<-time.After(10 * time.Second)
		assert.Zero(t, lost.Load())
		again.Store(0)
		store.set(nil, "new", "old") // 5
		<-time.After(time.Minute)
		assert.Zero(t, lost.Load())
		assert.Zero(t, again.Load(), "all of them know it")
		store.set(nil, "new")
		<-time.After(receive.SecretCachePeriod)
		for _, receiver := range receivers {
			assert.NotEqual(t, 200, signedBy(receiver, "old"))
		}
		close(done)
		senders.Wait()
		assert.Zero(t, lost.Load())
		assert.Positive(t, taken.Load())
	})
}

// Fixed secrets lose what comes between Nylas' change and theirs, which is why
// the documents say so.
func TestFixedSecretsLoseAtARotation(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, outcome(nil))
	assert.Equal(t, 401, signedBy(receiver, "new"))
}
