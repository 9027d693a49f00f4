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
	mu    sync.Mutex
	state receive.SecretState
	err   error
	calls int
}

func (s *secretStore) set(state receive.SecretState, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.err = state, err
}

func (s *secretStore) Load(context.Context) (receive.SecretState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	return s.state, s.err
}

// asked tells how often it was read since the last time.
func (s *secretStore) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.calls = 0 }()
	return s.calls
}

func newSourced(tb testing.TB, source receive.SecretSource, opts ...receive.Option) *receive.Receiver {
	tb.Helper()
	receiver, err := receive.New(outcome(nil), source, opts...)
	require.NoError(tb, err)
	return receiver
}

func TestSecretSourceIsCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{state: stateOf("new", "old")}
		receiver := newSourced(t, store)
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
		store.set(stateOf("new"), nil)
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
		store := &secretStore{state: stateOf("first")}
		receiver := newSourced(t, store)
		require.Equal(t, 401, signedBy(receiver, "forged"), "it was asked for this one")
		require.Equal(t, 503, signedBy(receiver, "forged"), "the answer is from before")
		require.Equal(t, 1, store.asked())
		<-time.After(5*time.Second - time.Nanosecond)
		require.Equal(t, 503, signedBy(receiver, "forged"))
		require.Equal(t, 0, store.asked())
		<-time.After(time.Nanosecond)
		store.set(stateOf("second", "first"), nil)
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
		store := &secretStore{state: stateOf("first")}
		receiver := newSourced(t, store)
		body := openedBody("n-1")
		genuine := map[int]int{}
		forged := map[int]int{}
		for i := range 1000 { // each 100 ms, so 100 s
			switch i {
			case 300:
				store.set(rotating("first"), nil)
			case 400:
				store.set(stateOf("second", "first"), nil)
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
		receiver := newSourced(t, sourceFunc(func(ctx context.Context) (receive.SecretState, error) {
			calls.Add(1)
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, 2*time.Second, time.Until(deadline))
			<-answer
			return stateOf("known"), nil
		}))
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
func badSources(known ...string) map[string]sourceFunc {
	secret := "whsec-in-the-error"
	give := func(state receive.SecretState, err error) sourceFunc {
		return func(context.Context) (receive.SecretState, error) { return state, err }
	}
	return map[string]sourceFunc{
		"error":               give(receive.SecretState{}, errors.New("no database")),
		"state and error":     give(stateOf("of an error"), errors.New("one of two failed")),
		"secret in the error": give(stateOf(append(slices.Clone(known), secret)...), fmt.Errorf("cannot decrypt %q, kept %q", secret, known)),
		"blank":               give(stateOf(" \n"), nil),
		"line end":            give(stateOf(receiverSecret+"\n"), nil),
		"one blank":           give(stateOf(append([]string{""}, known...)...), nil),
		"hangs": func(ctx context.Context) (receive.SecretState, error) {
			<-ctx.Done()
			return receive.SecretState{}, ctx.Err()
		},
		"panics": func(context.Context) (receive.SecretState, error) { panic(secret) },
		"nil map": func(context.Context) (receive.SecretState, error) {
			seen(nil)["secret"] = true
			return receive.SecretState{}, nil
		},
		"exits": func(context.Context) (receive.SecretState, error) {
			runtime.Goexit()
			return receive.SecretState{}, nil
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
				var source atomic.Pointer[sourceFunc]
				source.Store(&bad)
				receiver := newSourced(t, sourceFunc(func(ctx context.Context) (receive.SecretState, error) {
					return (*source.Load())(ctx)
				}), logged.option())
				start := time.Now()
				for range 3 {
					require.Equal(t, 503, signedBy(receiver, "unknown"))
				}
				assert.LessOrEqual(t, time.Since(start), 2*time.Second)
				assert.NotEmpty(t, logged.String())
				<-time.After(5 * time.Second)

				good := sourceFunc(func(context.Context) (receive.SecretState, error) { return stateOf(receiverSecret), nil })
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

// What can be used of a state is used, and takes the place of what was there before.
func TestSecretSourceWithAnUnusableSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{state: stateOf("first")}
		receiver := newSourced(t, store)
		require.Equal(t, 200, signedBy(receiver, "first"))
		store.set(stateOf("", "second"), nil)
		<-time.After(5 * time.Second)
		require.Equal(t, 503, signedBy(receiver, "third"))
		require.Equal(t, 503, signedBy(receiver, "first"))
		require.Equal(t, 200, signedBy(receiver, "second"))
	})
}

// While a webhook is created or its secret rotated, however long, and for a while after a
// rotation, Nylas may sign with a secret that is not stored.
func TestUnknownSignatureIsNotFinal(t *testing.T) {
	t.Parallel()
	busy := func(what string, state receive.SecretState) receive.SecretState {
		state.Busy, state.Owner, state.BusyUntil = what, "owner-1", time.Now().Add(time.Minute)
		return state
	}
	for name, test := range map[string]struct {
		state func() receive.SecretState
		after time.Duration // until it is final, 0 for never
	}{
		"none yet":           {func() receive.SecretState { return receive.SecretState{} }, 0},
		"creating":           {func() receive.SecretState { return busy(receive.BusyCreate, receive.SecretState{}) }, 0},
		"rotating":           {func() receive.SecretState { return busy(receive.BusyRotate, stateOf("known")) }, 0},
		"a word of tomorrow": {func() receive.SecretState { return busy("repair", stateOf("known")) }, 0},
		"unsure":             {func() receive.SecretState { return unsure("known") }, 30 * time.Minute},
		"settled":            {func() receive.SecretState { return stateOf("known") }, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &secretStore{state: test.state()}
				receiver := newSourced(t, store)
				if test.after < 0 {
					require.Equal(t, 401, signedBy(receiver, "unknown"))
					return
				}
				require.Equal(t, 503, signedBy(receiver, "unknown"))
				if test.after == 0 {
					<-time.After(time.Hour) // long after the lease
					require.Equal(t, 503, signedBy(receiver, "unknown"))
					<-time.After(5 * time.Second)
					store.set(stateOf("unknown"), nil)
					require.Equal(t, 200, signedBy(receiver, "unknown"))
					return
				}
				<-time.After(test.after - 1)
				require.Equal(t, 503, signedBy(receiver, "unknown"))
				<-time.After(5 * time.Second)
				require.Equal(t, 401, signedBy(receiver, "unknown"))
			})
		})
	}
}

// A secret stops being accepted at its end.
func TestStoredSecretEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		state := stateOf("new", "old")
		state.Secrets[1].Until = time.Now().Add(30 * time.Minute)
		receiver := newSourced(t, &secretStore{state: state})
		<-time.After(30*time.Minute - 1)
		require.Equal(t, 200, signedBy(receiver, "old"))
		<-time.After(1)
		require.Equal(t, 503, signedBy(receiver, "old"), "the store was asked a moment ago")
		<-time.After(5 * time.Second)
		require.Equal(t, 401, signedBy(receiver, "old"))
		require.Equal(t, 200, signedBy(receiver, "new"))
	})
}

// A source that ignores its context cannot keep an answer, nor a
// number of goroutines that grows; and what it says in the end does not count.
func TestSecretSourceThatNeverReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		release := make(chan struct{})
		receiver := newSourced(t, sourceFunc(func(context.Context) (receive.SecretState, error) {
			calls.Add(1)
			<-release
			return stateOf("known"), nil
		}))
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
		receiver, err := receive.New(receive.HandlerFunc(untilEnd), sourceFunc(func(context.Context) (receive.SecretState, error) {
			<-time.After(2*time.Second - 1)
			return stateOf(receiverSecret), nil
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
		start := time.Now()
		requireAnswer(t, 503, statusLine(503), recorded(receiver, signed(padded("n-1", wireLimit))))
		assert.Zero(t, time.Since(start), "it waited for the source too")
		all.Wait()
	})
}

// A rotation with two processes, under deliveries signed with whatever Nylas uses: none is
// lost, and no forgery is taken.
func TestRotationWithTwoReceiversOnOneSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &secretStore{state: stateOf("old")}
		receivers := []http.Handler{newSourced(t, store), newSourced(t, store)}
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
		store.set(rotating("old"), nil)
		current.Store("new") // at once: nobody waits for the caches
		<-time.After(20 * time.Second)
		assert.Zero(t, lost.Load())
		store.set(unsure("new", "old"), nil)
		<-time.After(10 * time.Second)
		again.Store(0)
		<-time.After(time.Hour)
		assert.Zero(t, lost.Load())
		assert.Zero(t, again.Load(), "all of them know it")
		store.set(stateOf("new"), nil)
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
