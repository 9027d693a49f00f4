package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// calls notes when a handler was called for which id.
type calls struct {
	mu    sync.Mutex
	order []string
	at    map[string][]time.Duration
	start time.Time
}

func newCalls() *calls { return &calls{at: make(map[string][]time.Duration), start: time.Now()} }

func (c *calls) note(d *receive.Delivery) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order = append(c.order, d.ID)
	c.at[d.ID] = append(c.at[d.ID], time.Since(c.start))
	return len(c.at[d.ID])
}

func (c *calls) ids() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.order)
}

func dead(tb testing.TB, box *inbox.Inbox) (letters []*inbox.DeadLetter) {
	tb.Helper()
	for letter, err := range box.Dead(context.Background()) {
		require.NoError(tb, err)
		letters = append(letters, letter)
	}
	return letters
}

func stats(tb testing.TB, box *inbox.Inbox) inbox.Stats {
	tb.Helper()
	s, err := box.Stats(context.Background())
	require.NoError(tb, err)
	return s
}

func take(tb testing.TB, box *inbox.Inbox, ids ...string) {
	tb.Helper()
	for _, id := range ids {
		require.NoError(tb, box.HandleDelivery(context.Background(), delivery(id)))
	}
}

func TestFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCalls()
		box := open(t, path, inbox.WithBackoff(time.Second, time.Minute), inbox.WithMaxAttempts(4))
		take(t, box, "bad", "good")
		run(t, box, func(_ context.Context, d *receive.Delivery) error {
			c.note(d)
			if d.ID == "bad" {
				d.Body[0] = 'x' // its own affair
				return errors.New("no luck")
			}
			return nil
		})
		<-time.After(time.Hour)
		synctest.Wait()
		assert.Len(t, c.at["good"], 1)
		at := c.at["bad"]
		require.Len(t, at, 4)
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			wait := at[i+1] - at[i]
			assert.InDelta(t, want.Seconds(), wait.Seconds(), want.Seconds()*0.51, "wait %d", i+1)
			assert.NotEqual(t, want, wait.Round(time.Millisecond), "it has no jitter")
		}
		letters := dead(t, box)
		require.Len(t, letters, 1)
		assert.Equal(t, delivery("bad").Body, letters[0].Delivery.Body, "the body as it came")
		assert.Equal(t, "no luck", letters[0].Err)
		assert.Equal(t, 4, letters[0].Attempts)
		assert.Equal(t, c.start.Add(at[3]).Unix(), letters[0].DiedAt.Unix())
		s := stats(t, box)
		assert.Equal(t, [4]int64{0, 0, 1, 1}, [4]int64{s.Pending, s.Retrying, s.Dead, s.Done})
	})
}

func TestHandlersThatHangAreTold(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log bytes.Buffer
		hung := map[string]time.Duration{}
		release := make(chan struct{})
		box := open(t, path, inbox.WithHandlerTimeout(time.Minute), inbox.WithBackoff(24*time.Hour, 24*time.Hour),
			inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
			inbox.WithHooks(inbox.Hooks{Hung: func(d *receive.Delivery, running time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				assert.Equal(t, delivery(d.ID).Type, d.Type)
				assert.Nil(t, d.Body)
				hung[d.ID] = running
			}}))
		run(t, box, func(ctx context.Context, d *receive.Delivery) error {
			switch d.ID {
			case "hangs":
				<-release
			case "heeds":
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		take(t, box, "hangs", "heeds", "quick")
		<-time.After(64 * time.Second)
		synctest.Wait()
		mu.Lock()
		assert.Empty(t, hung)
		mu.Unlock()
		<-time.After(time.Hour)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, map[string]time.Duration{"hangs": 65 * time.Second}, hung, "once")
		assert.Equal(t, 1, strings.Count(log.String(), "does not return"))
		assert.Contains(t, log.String(), "messaging.message.id=hangs")
		close(release)
	})
}

func TestAttemptsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCalls()
		fail := func(_ context.Context, d *receive.Delivery) error {
			c.note(d)
			return errors.New("no luck")
		}
		for n := range 3 {
			box := open(t, path, inbox.WithBackoff(time.Hour, time.Hour), inbox.WithMaxAttempts(3))
			take(t, box, "bad")
			stop := run(t, box, fail)
			<-time.After(10 * time.Minute)
			synctest.Wait()
			assert.Len(t, c.at["bad"], n+1, "not before its time")
			stop()
			require.NoError(t, box.Close())
			<-time.After(2 * time.Hour)
		}
		assert.Len(t, dead(t, open(t, path)), 1)
	})
}

func TestFailuresOfAllKinds(t *testing.T) {
	t.Parallel()
	var nilMap map[string]int
	tests := map[string]struct {
		handler  func(ctx context.Context) error
		attempts int
		text     string
	}{
		"an error":           {func(context.Context) error { return errors.New("no luck") }, 2, "no luck"},
		"a permanent error":  {func(context.Context) error { return receive.Permanent(errors.New("never")) }, 1, "never"},
		"a panic":            {func(context.Context) error { panic("secret") }, 2, "inbox: handler panicked: string"},
		"a runtime panic":    {func(context.Context) error { nilMap["a"] = 1; return nil }, 2, "inbox: handler panicked: assignment to entry in nil map"},
		"the goroutine ends": {func(context.Context) error { runtime.Goexit(); return nil }, 2, "inbox: handler ended its goroutine"},
		"it is late": {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 2,
			"inbox: handler did not return in time\ncontext deadline exceeded"},
		"a long text": {func(context.Context) error { return errors.New(strings.Repeat("ä", 2000)) }, 2, strings.Repeat("ä", 512)},
		"an error that cannot be unwrapped": {func(context.Context) error { return (*wrapperError)(nil) }, 2,
			"an error of type *inbox_test.wrapperError whose text cannot be had"},
		"an error that cannot be printed": {func(context.Context) error { return (*broken)(nil) }, 2, "an error of type *inbox_test.broken whose text cannot be had"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			synctest.Test(t, func(t *testing.T) {
				var failures, handled []int
				box := open(t, path, inbox.WithMaxAttempts(2), inbox.WithWorkers(1), inbox.WithHooks(inbox.Hooks{
					Failed:  func(_ *receive.Delivery, attempt int, _ error, _ time.Time) { failures = append(failures, attempt) },
					Handled: func(_ *receive.Delivery, attempt int, _ time.Duration) { handled = append(handled, attempt) },
				}))
				take(t, box, "bad", "good")
				run(t, box, func(ctx context.Context, d *receive.Delivery) error {
					if d.ID == "good" {
						return nil
					}
					return test.handler(ctx)
				})
				<-time.After(time.Hour)
				synctest.Wait()
				letters := dead(t, box)
				require.Len(t, letters, 1)
				assert.Equal(t, test.text, letters[0].Err)
				assert.Equal(t, test.attempts, letters[0].Attempts)
				assert.Len(t, failures, test.attempts)
				assert.Equal(t, []int{1}, handled, "the one worker goes on")
			})
		})
	}
}

type broken struct{ text string }

func (e *broken) Error() string { return e.text }

// wrapperError is what a handler returns that declares a pointer and no error.
type wrapperError struct{ inner error }

func (e *wrapperError) Error() string { return e.inner.Error() }
func (e *wrapperError) Unwrap() error { return e.inner }

func TestALateHandlerIsNotRunBesideItself(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCalls()
		box := open(t, path, inbox.WithHandlerTimeout(time.Second), inbox.WithWorkers(2), inbox.WithBackoff(time.Second, time.Second))
		take(t, box, "late", "good")
		release := make(chan struct{})
		run(t, box, func(_ context.Context, d *receive.Delivery) error {
			c.note(d)
			if d.ID == "late" {
				<-release // whatever its context says
			}
			return nil
		})
		<-time.After(time.Hour)
		take(t, box, "next")
		synctest.Wait()
		assert.Len(t, c.at["late"], 1)
		assert.Len(t, c.at["next"], 1)
		assert.EqualValues(t, 1, stats(t, box).Running)
		close(release)
		synctest.Wait()
		assert.EqualValues(t, 0, stats(t, box).Pending, "it returned nil, late or not")
		assert.Len(t, c.at["late"], 1)
	})
}

func TestOrder(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		c := newCalls()
		opts := []inbox.Option{inbox.WithOrder(receive.MessageOrder), inbox.WithBackoff(time.Minute, time.Minute)}
		box := open(t, path, opts...)
		add := func(message string, from, to int) {
			for i := from; i < to; i++ {
				require.NoError(t, box.HandleDelivery(t.Context(), deliveryOf(fmt.Sprintf("%s-%d", message, i), message)))
			}
		}
		add("a", 0, 5)
		add("b", 0, 5)
		require.NoError(t, box.HandleDelivery(t.Context(), receive.NewDelivery([]byte(`{"id":"no-message","type":"grant.expired"}`), "")))
		handler := func(_ context.Context, d *receive.Delivery) error {
			if n := c.note(d); d.ID == "a-1" && n <= 2 {
				return errors.New("not yet")
			} else if d.ID == "b-2" {
				return receive.Permanent(errors.New("never"))
			}
			return nil
		}
		stop := run(t, box, handler)
		<-time.After(time.Second)
		synctest.Wait()
		add("a", 5, 7)
		synctest.Wait()
		assert.Subset(t, c.ids(), []string{"a-0", "a-1", "b-4", "no-message"}, "only its own key waits")
		assert.NotContains(t, c.ids(), "a-2")

		// The order outlives the process.
		stop()
		require.NoError(t, box.Close())
		box = open(t, path, opts...)
		run(t, box, handler)
		add("a", 7, 8)
		synctest.Wait()
		assert.NotContains(t, c.ids(), "a-2")
		<-time.After(time.Hour)
		synctest.Wait()
		of := func(message string) (ids []string) {
			for _, id := range c.ids() {
				if strings.HasPrefix(id, message+"-") {
					ids = append(ids, id)
				}
			}
			return ids
		}
		assert.Equal(t, []string{"a-0", "a-1", "a-1", "a-1", "a-2", "a-3", "a-4", "a-5", "a-6", "a-7"}, of("a"))
		assert.Equal(t, []string{"b-0", "b-1", "b-2", "b-3", "b-4"}, of("b"))
	})
}

func TestAKeyThatPanicsIsEmpty(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t), inbox.WithOrder(func(*receive.Delivery) string { panic("no") }))
	take(t, box, "n-1")
	done := make(chan struct{})
	run(t, box, func(context.Context, *receive.Delivery) error { close(done); return nil })
	<-done
}

func TestRunEndsInGoodOrder(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		box := open(t, path, inbox.WithGrace(10*time.Second), inbox.WithWorkers(3), inbox.WithHandlerTimeout(0),
			inbox.WithBackoff(time.Hour, time.Hour))
		take(t, box, "soon", "obeys", "ignores", "next")
		release := make(chan struct{})
		c := newCalls()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- box.Run(ctx, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
				c.note(d)
				switch d.ID {
				case "soon":
					<-time.After(15 * time.Second)
					return ctx.Err()
				case "obeys":
					<-ctx.Done()
					return context.Cause(ctx)
				case "ignores":
					<-release
				}
				return nil
			}))
		}()
		<-time.After(6 * time.Second)
		require.ErrorIs(t, box.Run(t.Context(), receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil })), inbox.ErrRunning)
		start := time.Now()
		cancel()
		require.NoError(t, <-done)
		assert.Equal(t, 11*time.Second, time.Since(start), "the grace, and a second for those who obey")
		assert.ElementsMatch(t, []string{"soon", "obeys", "ignores"}, c.ids(), "no new ones")

		// What was not finished is handled again, with no attempt lost, but not beside
		// the one that still runs.
		var attempts []string
		run(t, box, func(_ context.Context, d *receive.Delivery) error { attempts = append(attempts, d.ID); return nil })
		synctest.Wait()
		assert.ElementsMatch(t, []string{"obeys", "next"}, attempts)
		assert.EqualValues(t, 1, stats(t, box).Running)
		close(release)
		synctest.Wait()
		s := stats(t, box)
		assert.Equal(t, [3]int64{0, 0, 4}, [3]int64{s.Pending, s.Running, s.Done})
	})
}

func TestCloseEndsRun(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := open(t, path)
	started, done := make(chan struct{}), make(chan error, 1)
	take(t, box, "n-1")
	handler := receive.HandlerFunc(func(context.Context, *receive.Delivery) error { close(started); return nil })
	go func() { done <- box.Run(context.Background(), handler) }()
	<-started
	require.NoError(t, box.Close())
	require.ErrorIs(t, <-done, inbox.ErrClosed)
	require.ErrorIs(t, box.HandleDelivery(t.Context(), delivery("n-2")), inbox.ErrClosed)
	require.ErrorIs(t, box.Run(t.Context(), handler), inbox.ErrClosed)
	require.ErrorIs(t, box.Requeue(t.Context(), "n-1"), inbox.ErrClosed)
	_, err := box.Stats(t.Context())
	require.ErrorIs(t, err, inbox.ErrClosed)
	for _, err := range box.Dead(t.Context()) {
		require.ErrorIs(t, err, inbox.ErrClosed)
	}
	require.NoError(t, box.Close(), "once more")
	assert.NoFileExists(t, path+"-wal", "it is all in one file")
	assert.EqualValues(t, 1, stats(t, open(t, path)).Done)
}

func TestRunRefusesNoHandler(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t))
	require.Error(t, box.Run(t.Context(), nil))
	require.Error(t, box.Run(t.Context(), receive.HandlerFunc(nil)))
	require.Error(t, box.Run(t.Context(), (*receive.Dispatcher)(nil)))
}

// What does not fit into memory comes from the file.
func TestABacklogIsHandledOnce(t *testing.T) {
	t.Parallel()
	const n = 10_000
	path := newPath(t)
	box := open(t, path)
	c := newCalls()
	var storing sync.WaitGroup
	store := func(from, to int) {
		for worker := range 16 {
			storing.Go(func() {
				for i := from + worker; i < to; i += 16 {
					assert.NoError(t, box.HandleDelivery(context.Background(), delivery(fmt.Sprint(i))))
				}
			})
		}
	}
	store(0, n/2)
	storing.Wait()
	store(n/2, n)
	handler := func(_ context.Context, d *receive.Delivery) error { c.note(d); return nil }
	stop := run(t, box, handler)
	storing.Wait()
	require.Eventually(t, func() bool { return stats(t, box).Pending <= n/10 }, time.Minute, time.Millisecond)
	stop()
	require.NoError(t, box.Close())
	box = open(t, path)
	run(t, box, handler)
	require.Eventually(t, func() bool { return stats(t, box).Pending == 0 }, time.Minute, time.Millisecond)
	assert.Len(t, c.at, n)
	assert.Len(t, c.order, n)
	assert.Len(t, slices.Collect(maps.Keys(c.at)), n)
}
