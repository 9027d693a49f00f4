package receive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

var errDisk = errors.New("disk full")

// deliver gives h a delivery with the id.
func deliver(ctx context.Context, h receive.Handler, id string) error {
	return h.HandleDelivery(ctx, receive.NewDelivery(openedBody(id), ""))
}

// script is a Handler whose calls end as it says, one after the other; what
// comes after that is nil. It keeps the ids of its calls.
type script struct {
	mu   sync.Mutex
	ends []func() error
	ids  []string
}

func (s *script) HandleDelivery(_ context.Context, d *receive.Delivery) error {
	s.mu.Lock()
	s.ids = append(s.ids, d.ID)
	end := func() error { return nil }
	if len(s.ends) > 0 {
		end, s.ends = s.ends[0], s.ends[1:]
	}
	s.mu.Unlock()
	return end()
}

func (s *script) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.ids...)
}

func returning(err error) func() error { return func() error { return err } }

func TestDropDuplicatesOneAfterTheOther(t *testing.T) {
	t.Parallel()
	permanent := receive.Permanent(errDisk)
	tests := map[string]struct {
		ends  []func() error
		want  []error
		calls int
	}{
		"handled":             {nil, []error{nil, nil, nil}, 1},
		"failed":              {[]func() error{returning(errDisk)}, []error{errDisk, nil, nil}, 2},
		"failed twice":        {[]func() error{returning(errDisk), returning(errDisk)}, []error{errDisk, errDisk, nil, nil}, 3},
		"permanent":           {[]func() error{returning(permanent)}, []error{permanent, nil, nil}, 1},
		"wrapped permanent":   {[]func() error{returning(errors.Join(permanent))}, []error{permanent, nil}, 1},
		"failed, permanent":   {[]func() error{returning(errDisk), returning(permanent)}, []error{errDisk, permanent, nil}, 2},
		"context of the call": {[]func() error{returning(context.Canceled)}, []error{context.Canceled, nil, nil}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{ends: test.ends}
			h := receive.DropDuplicates(s, 10)
			for i, want := range test.want {
				err := deliver(t.Context(), h, "n-1")
				if want == nil {
					require.NoError(t, err, "delivery %d", i)
				} else {
					require.ErrorIs(t, err, want, "delivery %d", i)
				}
			}
			assert.Len(t, s.calls(), test.calls)
		})
	}
}

// The handler gets the delivery, the context and nothing in between.
func TestDropDuplicatesPassesOn(t *testing.T) {
	t.Parallel()
	type key struct{}
	want := receive.NewDelivery(openedBody("n-1"), "")
	h := receive.DropDuplicates(receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		assert.Same(t, want, d)
		assert.Equal(t, "value", ctx.Value(key{}))
		return errDisk
	}), 10)
	err := h.HandleDelivery(context.WithValue(t.Context(), key{}, "value"), want)
	assert.Same(t, errDisk, err)
}

// The id counts, and neither the body nor the attempt in it.
func TestDropDuplicatesKnowsByID(t *testing.T) {
	t.Parallel()
	s := new(script)
	h := receive.DropDuplicates(s, 10)
	for _, body := range []string{
		`{"id":"n-1","type":"t","webhook_delivery_attempt":1}`,
		`{"id":"n-1","type":"t","webhook_delivery_attempt":2}`,
		`{"type":"other","id":"n-1"}`,
		`{"id":"N-1","type":"t"}`,
		`{"type":"t"}`,
		`{"type":"t"} `,
		`{"type":"t"}`,
	} {
		require.NoError(t, h.HandleDelivery(t.Context(), receive.NewDelivery([]byte(body), "")))
	}
	assert.Equal(t, []string{"n-1", "N-1", sha256ID([]byte(`{"type":"t"}`)), sha256ID([]byte(`{"type":"t"} `))}, s.calls())
}

// heldScript is a script whose first call ends as the channel says.
type heldScript struct {
	*script
	end chan error
}

// holding wraps a heldScript; ends are those of the later calls.
func holding(ends ...func() error) (receive.Handler, heldScript) {
	end := make(chan error)
	s := &script{ends: append([]func() error{func() error { return <-end }}, ends...)}
	return receive.DropDuplicates(s, 10), heldScript{s, end}
}

// results are those of concurrent deliveries, in any order.
type results struct {
	mu   sync.Mutex
	errs []error
	all  sync.WaitGroup
}

func (r *results) deliver(ctx context.Context, h receive.Handler, id string) {
	r.all.Go(func() {
		err := deliver(ctx, h, id)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.errs = append(r.errs, err)
	})
}

func (r *results) now() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error(nil), r.errs...)
}

func TestDropDuplicatesWaitsForARunningOne(t *testing.T) {
	t.Parallel()
	permanent := receive.Permanent(errDisk)
	tests := map[string]struct {
		first error
		later []func() error
		want  []error // of all five, in order of what they are
		calls int
	}{
		"nil":                  {nil, nil, []error{nil, nil, nil, nil, nil}, 1},
		"permanent":            {permanent, nil, []error{permanent, nil, nil, nil, nil}, 1},
		"error, then nil":      {errDisk, nil, []error{errDisk, nil, nil, nil, nil}, 2},
		"two errors, then nil": {errDisk, []func() error{returning(errDisk)}, []error{errDisk, errDisk, nil, nil, nil}, 3},
		"errors only": {
			errDisk, []func() error{returning(errDisk), returning(errDisk), returning(errDisk), returning(errDisk)},
			[]error{errDisk, errDisk, errDisk, errDisk, errDisk}, 5,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, running := holding(test.later...)
				var got results
				for range 5 {
					got.deliver(t.Context(), h, "n-1")
				}
				synctest.Wait()
				assert.Len(t, running.calls(), 1)
				assert.Empty(t, got.now(), "they wait")
				running.end <- test.first
				got.all.Wait()
				assert.ElementsMatch(t, test.want, got.now())
				assert.Len(t, running.calls(), test.calls)
			})
		})
	}
}

// Of those that wait, one is handled at a time.
func TestDropDuplicatesRunsOneOfThoseThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan error)
		var at, most atomic.Int64
		h := receive.DropDuplicates(receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			return <-end
		}), 10)
		var got results
		for range 10 {
			got.deliver(t.Context(), h, "n-1")
		}
		for range 9 {
			synctest.Wait()
			assert.EqualValues(t, 1, at.Load())
			end <- errDisk
		}
		synctest.Wait()
		assert.EqualValues(t, 1, at.Load())
		end <- nil
		got.all.Wait()
		assert.EqualValues(t, 1, most.Load())
	})
}

func TestDropDuplicatesOtherIDsDoNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, running := holding()
		var got results
		got.deliver(t.Context(), h, "n-1")
		synctest.Wait()
		for i := range 5 {
			require.NoError(t, deliver(t.Context(), h, fmt.Sprintf("other-%d", i)))
		}
		assert.Empty(t, got.now())
		running.end <- nil
		got.all.Wait()
		assert.Len(t, running.calls(), 6)
	})
}

// Waiting ends with the context of the one that waits, and says why; the one
// that runs is not touched.
func TestDropDuplicatesWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, running := holding()
		var first results
		first.deliver(t.Context(), h, "n-1")
		synctest.Wait()

		cause := errors.New("five seconds are over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, cause)
		defer cancel()
		start := time.Now()
		err := deliver(ctx, h, "n-1")
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, receive.ErrPermanent)
		assert.Equal(t, 5*time.Second, time.Since(start))
		assert.Regexp(t, "^receive: waiting for ", err.Error())

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, deliver(ended, h, "n-1"), context.Canceled)

		assert.Empty(t, first.now())
		running.end <- nil
		first.all.Wait()
		assert.Equal(t, []error{nil}, first.now())
		require.NoError(t, deliver(ended, h, "n-1"), "what is known needs no time")
		assert.Len(t, running.calls(), 1)
	})
}

// However a handler ends, its claim ends with it.
func TestDropDuplicatesReleasesTheClaim(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func() error{
		"panic": func() error { panic("lost") },
		"exit": func() error {
			runtime.Goexit()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := make(chan struct{})
				s := &script{ends: []func() error{func() error {
					<-start
					return end()
				}}}
				h := receive.DropDuplicates(s, 10)
				var recovered any
				var first, waiting results
				first.all.Go(func() {
					defer func() { recovered = recover() }()
					_ = deliver(t.Context(), h, "n-1")
				})
				synctest.Wait()
				waiting.deliver(t.Context(), h, "n-1")
				waiting.deliver(t.Context(), h, "n-1")
				synctest.Wait()
				assert.Empty(t, waiting.now())
				close(start)
				first.all.Wait()
				waiting.all.Wait()
				assert.Equal(t, name == "panic", recovered != nil, "it is passed on")
				assert.Equal(t, []error{nil, nil}, waiting.now())
				assert.Len(t, s.calls(), 2, "the first, and one of those that waited")
				require.NoError(t, deliver(t.Context(), h, "n-1"))
				assert.Len(t, s.calls(), 2)
			})
		})
	}
}

// A handler owns its delivery, and may change all of it.
func TestDropDuplicatesHandlerChangesTheDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []error{nil, errDisk} {
			var calls atomic.Int64
			h := receive.DropDuplicates(receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
				calls.Add(1)
				*d = receive.Delivery{ID: "changed"}
				return end
			}), 10)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			for range 3 {
				require.ErrorIs(t, deliver(ctx, h, "n-1"), end)
			}
			cancel()
			if end == nil {
				assert.EqualValues(t, 1, calls.Load())
			} else {
				assert.EqualValues(t, 3, calls.Load())
			}
		}
	})
}

func TestDropDuplicatesForgetsTheOldest(t *testing.T) {
	t.Parallel()
	for _, remember := range []int{1, 2, 3, 10} {
		t.Run(fmt.Sprint(remember), func(t *testing.T) {
			t.Parallel()
			s := new(script)
			h := receive.DropDuplicates(s, remember)
			id := func(i int) string { return fmt.Sprintf("n-%d", i) }
			for i := range remember {
				require.NoError(t, deliver(t.Context(), h, id(i)))
			}
			for i := range remember {
				require.NoError(t, deliver(t.Context(), h, id(i)))
			}
			require.Len(t, s.calls(), remember, "as many are remembered")

			// One more takes the place of the oldest, and of no other.
			require.NoError(t, deliver(t.Context(), h, "one more"))
			for i := 1; i < remember; i++ {
				require.NoError(t, deliver(t.Context(), h, id(i)))
			}
			require.NoError(t, deliver(t.Context(), h, "one more"))
			require.Len(t, s.calls(), remember+1)
			require.NoError(t, deliver(t.Context(), h, id(0)))
			require.Len(t, s.calls(), remember+2)
		})
	}
}

// An id that comes again is not the oldest any more.
func TestDropDuplicatesKeepsWhatComesAgain(t *testing.T) {
	t.Parallel()
	s := new(script)
	h := receive.DropDuplicates(s, 2)
	for _, id := range []string{"a", "b", "a", "c", "a", "b"} {
		require.NoError(t, deliver(t.Context(), h, id))
	}
	assert.Equal(t, []string{"a", "b", "c", "b"}, s.calls())
}

// What failed takes no place in the memory.
func TestDropDuplicatesRemembersNoFailure(t *testing.T) {
	t.Parallel()
	s := &script{ends: []func() error{returning(nil), returning(errDisk), returning(errDisk)}}
	h := receive.DropDuplicates(s, 1)
	require.NoError(t, deliver(t.Context(), h, "kept"))
	require.Error(t, deliver(t.Context(), h, "failed 1"))
	require.Error(t, deliver(t.Context(), h, "failed 2"))
	require.NoError(t, deliver(t.Context(), h, "kept"))
	assert.Equal(t, []string{"kept", "failed 1", "failed 2"}, s.calls())
}

func TestDropDuplicatesPanics(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handler  receive.Handler
		remember int
		want     string
	}{
		"no handler":   {nil, 10, "receive: DropDuplicates: handler is nil"},
		"nil function": {receive.HandlerFunc(nil), 10, "receive: DropDuplicates: handler is nil"},
		"zero":         {new(script), 0, "receive: DropDuplicates: remember is not positive: 10000 ids take about 2 MB"},
		"negative":     {new(script), -1, "receive: DropDuplicates: remember is not positive: 10000 ids take about 2 MB"},
	} {
		assert.PanicsWithValue(t, test.want, func() { receive.DropDuplicates(test.handler, test.remember) }, name)
	}
}

// Each call has a memory of its own.
func TestDropDuplicatesIsOneMemoryPerHandler(t *testing.T) {
	t.Parallel()
	s := new(script)
	for range 2 {
		for _, h := range []receive.Handler{receive.DropDuplicates(s, 10), receive.DropDuplicates(s, 10)} {
			require.NoError(t, deliver(t.Context(), h, "n-1"))
			require.NoError(t, deliver(t.Context(), h, "n-1"))
		}
	}
	assert.Len(t, s.calls(), 4)
}

// With a memory of one id, those that wait for it still learn the outcome,
// though it may be forgotten before they come to ask.
func TestDropDuplicatesForgottenWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			end := make(chan error)
			s := &script{ends: []func() error{func() error { return <-end }}}
			h := receive.DropDuplicates(s, 1)
			var all sync.WaitGroup
			all.Go(func() {
				assert.NoError(t, deliver(t.Context(), h, "n-1"))
				assert.NoError(t, deliver(t.Context(), h, "n-2")) // makes it forget
			})
			synctest.Wait()
			for range 10 {
				all.Go(func() { assert.NoError(t, deliver(t.Context(), h, "n-1")) })
			}
			synctest.Wait()
			end <- nil
			all.Wait()
			require.Equal(t, []string{"n-1", "n-2"}, s.calls())
		}
	})
}

// For the race detector.
func TestDropDuplicatesAtTheSameTime(t *testing.T) {
	t.Parallel()
	for range 20 {
		var calls atomic.Int64
		h := receive.DropDuplicates(counted(&calls, outcome(nil)), 10)
		start := make(chan struct{})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				<-start
				assert.NoError(t, deliver(t.Context(), h, "n-1"))
			})
		}
		close(start)
		all.Wait()
		require.EqualValues(t, 1, calls.Load())
	}
}

func TestDropDuplicatesManyAtTheSameTime(t *testing.T) {
	t.Parallel()
	const ids, times = 50, 20
	var mu sync.Mutex
	taken := map[string]int{}
	attempts := map[string]int{}
	h := receive.DropDuplicates(receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		attempts[d.ID]++
		if attempts[d.ID] <= 3 {
			return errDisk
		}
		taken[d.ID]++
		return nil
	}), ids)
	var failures atomic.Int64
	var all sync.WaitGroup
	for i := range ids * times {
		all.Go(func() {
			if deliver(t.Context(), h, fmt.Sprintf("n-%d", i%ids)) != nil {
				failures.Add(1)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 3*ids, failures.Load())
	assert.Len(t, taken, ids)
	for id, count := range taken {
		assert.Equal(t, 1, count, id)
	}
}

// A handler error gives 503 and a second delivery; then the handler runs once
// more, and never again.
func TestDropDuplicatesBehindReceiver(t *testing.T) {
	t.Parallel()
	permanent := receive.Permanent(errDisk)
	for name, first := range map[string]func() error{
		"error": returning(errDisk),
		"panic": func() error { panic("lost") },
		"exit": func() error {
			runtime.Goexit()
			return nil
		},
	} {
		for _, second := range []error{nil, permanent} {
			t.Run(fmt.Sprintf("%s, then %v", name, second), func(t *testing.T) {
				t.Parallel()
				s := &script{ends: []func() error{first, returning(second)}}
				receiver := newReceiver(t, receive.DropDuplicates(s, 10))
				for attempt, want := range []int{503, 200, 200, 200} {
					body := fmt.Appendf(nil, `{"id":"n-1","type":"t","webhook_delivery_attempt":%d}`, attempt+1)
					requireAnswer(t, want, statusLine(want), recorded(receiver, signed(body)))
				}
				assert.Equal(t, []string{"n-1", "n-1"}, s.calls())
			})
		}
	}
}

// While a handler is late, a repeated delivery waits and is 503 too; when it
// ends after all, the next one is a duplicate.
func TestDropDuplicatesBehindReceiverLateHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan error)
		s := &script{ends: []func() error{func() error { return <-end }}}
		receiver := newReceiver(t, receive.DropDuplicates(s, 10))
		in := signed(openedBody("n-1"))
		for range 2 {
			start := time.Now()
			requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), recorded(receiver, in))
			assert.Equal(t, 5*time.Second, time.Since(start))
		}
		end <- nil
		requireAnswer(t, http.StatusOK, "", recorded(receiver, in))
		assert.Len(t, s.calls(), 1)
	})
}
