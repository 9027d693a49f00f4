package riversink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

var quick = riversink.WithBackoff(time.Millisecond, time.Millisecond)

func TestFailuresAreTriedAgainUntilTheDeliveryIsDead(t *testing.T) {
	t.Parallel()
	var nothing map[string]int
	for name, test := range map[string]struct {
		reply func() error
		opts  []riversink.Option
		calls int
		text  string
	}{
		"error":     {reply: func() error { return errors.New("crm is away") }, calls: 3, text: "crm is away"},
		"permanent": {reply: func() error { return receive.Permanent(errors.New("no such grant")) }, calls: 1, text: "no such grant"},
		"permanent inside": {reply: func() error { return fmt.Errorf("outside: %w", receive.Permanent(errors.New("in"))) },
			calls: 1, text: "outside: in"},
		"panic":           {reply: func() error { panic("hunter2") }, calls: 3, text: "riversink: handler panicked: string"},
		"runtime panic":   {reply: func() error { nothing["a"] = 1; return nil }, calls: 3, text: "riversink: handler panicked: assignment to entry in nil map"},
		"goroutine ended": {reply: func() error { runtime.Goexit(); return nil }, calls: 3, text: "riversink: handler ended its goroutine"},
		"text that jsonb does not take": {reply: func() error { return errors.New("a\x00b\xffc") },
			calls: 3, text: "a\uFFFDb\uFFFDc"},
		"long text": {reply: func() error { return errors.New(strings.Repeat("x", 1<<20)) },
			calls: 3, text: strings.Repeat("x", 4096) + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, _, _ := open(t, append(test.opts, quick, riversink.WithMaxAttempts(3))...)
			var fine atomic.Bool
			handler := &recorder{reply: func(d *receive.Delivery, _ int) error {
				if d.ID != "bad" || fine.Load() {
					return nil
				}
				return test.reply()
			}}
			run(t, sink, handler)
			for _, id := range []string{"bad", "n-1", "n-2"} {
				require.NoError(t, sink.HandleDelivery(t.Context(), opened(id)))
			}
			eventually(t, func() bool { return stats(t, sink).Dead == 1 }, "it is dead")
			idle(t, sink)
			assert.Equal(t, test.calls, handler.calls("bad"))
			assert.Equal(t, []int{1, 1}, []int{handler.calls("n-1"), handler.calls("n-2")}, "others are not held up")

			letters := dead(t, sink)
			require.Len(t, letters, 1)
			assert.Equal(t, opened("bad").Body, letters[0].Delivery.Body)
			assert.Equal(t, test.calls, letters[0].Attempts)
			assert.Equal(t, test.text, letters[0].Err)

			// Put back, it has all its attempts again.
			require.NoError(t, sink.Requeue(t.Context(), "bad"))
			eventually(t, func() bool { return handler.calls("bad") == 2*test.calls }, "it is tried again")
			eventually(t, func() bool { return stats(t, sink).Dead == 1 }, "it is dead again")
			fine.Store(true)
			require.NoError(t, sink.Requeue(t.Context(), "bad"))
			eventually(t, func() bool { s := stats(t, sink); return s == riversink.Stats{} }, "it is handled")
			assert.Equal(t, 2*test.calls+1, handler.calls("bad"))
		})
	}
}

func TestAHandlerHasItsTime(t *testing.T) {
	t.Parallel()
	sink, _, _ := open(t, quick, riversink.WithHandlerTimeout(20*time.Millisecond), riversink.WithMaxAttempts(2))
	run(t, sink, receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
		<-ctx.Done()
		return ctx.Err()
	}))
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	eventually(t, func() bool { return stats(t, sink).Dead == 1 }, "it is dead")
	letters := dead(t, sink)
	assert.Equal(t, context.DeadlineExceeded.Error(), letters[0].Err)
	assert.Equal(t, 2, letters[0].Attempts)
}

// What Run leaves behind is handled by the next one.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	sink, _, _ := open(t)
	begun := make(chan struct{}, 1)
	handler := &recorder{reply: func(*receive.Delivery, int) error { begun <- struct{}{}; return nil }}
	stop := run(t, sink, handler)
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	<-begun
	stop()
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-2")))
	assert.Equal(t, int64(1), stats(t, sink).Pending, "n-1 is marked, n-2 waits")
	assert.False(t, stats(t, sink).Oldest.IsZero())
	run(t, sink, handler)
	<-begun
	idle(t, sink)
	assert.Equal(t, []int{1, 1}, []int{handler.calls("n-1"), handler.calls("n-2")})

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, sink.Run(ended, handler))
}

// A handler that is still at work when Run is told to end has 10 s, and what it
// could not finish is not a failed attempt.
func TestRunInterruptsHandlers(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t, riversink.WithMaxAttempts(1))
	begun := make(chan struct{})
	stop := run(t, sink, receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
		close(begun)
		<-ctx.Done()
		return fmt.Errorf("crm: %w", ctx.Err())
	}))
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	<-begun
	begin := time.Now()
	stop()
	assert.Greater(t, time.Since(begin), 9*time.Second)
	assert.Equal(t, 1, rows(t, pool, schema, "available"))
	handler := &recorder{}
	run(t, sink, handler)
	idle(t, sink)
	assert.Equal(t, 1, handler.calls("n-1"))
}

// What a handler writes and that its delivery is done are committed together.
func TestCompleteTx(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t, quick)
	_, err := pool.Exec(t.Context(), "CREATE TABLE "+schema+".counted (id text)")
	require.NoError(t, err)
	committed, end := make(chan struct{}), make(chan struct{})
	var attempts atomic.Int64
	run(t, sink, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO "+schema+".counted VALUES ($1)", d.ID); err != nil {
				return err
			}
			if err := riversink.CompleteTx(ctx, tx); err != nil {
				return err
			}
			if attempts.Add(1) == 1 {
				return errors.New("after the mark, before the commit")
			}
			return nil
		})
		if err == nil {
			close(committed)
			<-end
		}
		return err
	}))
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	<-committed
	assert.Equal(t, 1, rows(t, pool, schema, "completed"), "it is done before its handler returns")
	close(end)
	var counted int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".counted").Scan(&counted))
	assert.Equal(t, 1, counted)
	assert.Equal(t, int64(2), attempts.Load())

	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		require.ErrorContains(t, riversink.CompleteTx(t.Context(), tx), "context is not that of a handler")
		return nil
	}))
}

// River's cleaner deletes what is past the retention, and only that.
func TestRetention(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	handler := &recorder{}
	stop := run(t, sink, handler)
	for _, id := range []string{"6 days", "8 days"} {
		require.NoError(t, sink.HandleDelivery(t.Context(), opened(id)))
	}
	eventually(t, func() bool { return rows(t, pool, schema, "completed") == 2 }, "both are handled")
	stop()
	_, err := pool.Exec(t.Context(), "UPDATE "+schema+".river_job SET finalized_at = now() - (args->>'id')::interval")
	require.NoError(t, err)
	run(t, sink, handler) // the new leader cleans when it begins
	eventually(t, func() bool { return rows(t, pool, schema, "") == 1 }, "one is deleted")
	for _, id := range []string{"6 days", "8 days"} {
		require.NoError(t, sink.HandleDelivery(t.Context(), opened(id)))
	}
	eventually(t, func() bool { return rows(t, pool, schema, "completed") == 2 }, "both are handled")
	assert.Equal(t, []int{1, 2}, []int{handler.calls("6 days"), handler.calls("8 days")})
}

func TestTheLogHoldsNoBodyAndNoPanic(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	sink, _, _ := open(t, quick, riversink.WithMaxAttempts(2),
		riversink.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	run(t, sink, receive.HandlerFunc(func(context.Context, *receive.Delivery) error { panic("hunter2") }))
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	eventually(t, func() bool { return stats(t, sink).Dead == 1 }, "it is dead")
	assert.Contains(t, log.String(), "handler panicked")
	assert.Contains(t, log.String(), "work_test.go", "the stack")
	assert.NotContains(t, log.String(), "hunter2")
	assert.NotContains(t, log.String(), "message_id")
}

// The same Dispatcher as behind a Receiver.
func TestADispatcherBehind(t *testing.T) {
	t.Parallel()
	sink, _, _ := open(t)
	got := make(chan string, 1)
	run(t, sink, &receive.Dispatcher{
		MessageOpened: func(_ context.Context, n *events.Notification, data *events.MessageOpened) error {
			got <- n.ID + " " + data.MessageID
			return nil
		},
	})
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	assert.Equal(t, "n-1 m-1", <-got)
}

// buffer is a log that can be read while it is written.

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
