package nylasriver_test

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
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	nylasriver "github.com/nylastrack/nylas-go/sinks/river"
)

var quick = nylasriver.WithBackoff(time.Millisecond, time.Millisecond)

func TestFailuresAreTriedAgainUntilTheDeliveryIsDead(t *testing.T) {
	t.Parallel()
	var nothing map[string]int
	for name, test := range map[string]struct {
		reply func() error
		opts  []nylasriver.Option
		calls int
		text  string
	}{
		"error":     {reply: func() error { return errors.New("crm is away") }, calls: 3, text: "crm is away"},
		"permanent": {reply: func() error { return nylas.Permanent(errors.New("no such grant")) }, calls: 1, text: "no such grant"},
		"permanent inside": {reply: func() error { return fmt.Errorf("outside: %w", nylas.Permanent(errors.New("in"))) },
			calls: 1, text: "outside: in"},
		"panic":           {reply: func() error { panic("hunter2") }, calls: 3, text: "nylasriver: handler panicked: string"},
		"runtime panic":   {reply: func() error { nothing["a"] = 1; return nil }, calls: 3, text: "nylasriver: handler panicked: assignment to entry in nil map"},
		"goroutine ended": {reply: func() error { runtime.Goexit(); return nil }, calls: 3, text: "nylasriver: handler ended its goroutine"},
		"text that jsonb does not take": {reply: func() error { return errors.New("a\x00b\xffc") },
			calls: 3, text: "a\uFFFDb\uFFFDc"},
		"long text": {reply: func() error { return errors.New(strings.Repeat("x", 1<<20)) },
			calls: 3, text: strings.Repeat("x", 4096) + "..."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink, _, _ := open(t, append(test.opts, quick, nylasriver.WithMaxAttempts(3))...)
			var fine atomic.Bool
			handler := &recorder{reply: func(d *nylas.Delivery, _ int) error {
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
			eventually(t, func() bool { s := stats(t, sink); return s == nylasriver.Stats{} }, "it is handled")
			assert.Equal(t, 2*test.calls+1, handler.calls("bad"))
		})
	}
}

func TestAHandlerHasItsTime(t *testing.T) {
	t.Parallel()
	sink, _, _ := open(t, quick, nylasriver.WithHandlerTimeout(20*time.Millisecond), nylasriver.WithMaxAttempts(2))
	run(t, sink, nylas.HandlerFunc(func(ctx context.Context, _ *nylas.Delivery) error {
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
	handler := &recorder{reply: func(*nylas.Delivery, int) error { begun <- struct{}{}; return nil }}
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
	sink, pool, schema := open(t, nylasriver.WithMaxAttempts(1))
	begun := make(chan struct{})
	stop := run(t, sink, nylas.HandlerFunc(func(ctx context.Context, _ *nylas.Delivery) error {
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

func TestRequeueTakesDeadLettersOnly(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	dead := nylas.NewDelivery([]byte("no JSON"), "")
	require.NoError(t, sink.HandleDelivery(t.Context(), dead))
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	require.NoError(t, sink.Requeue(t.Context()))
	err := sink.Requeue(t.Context(), dead.ID, "n-1", "unknown")
	require.ErrorIs(t, err, nylasriver.ErrNotDead)
	require.ErrorContains(t, err, "2 of 3")
	assert.Equal(t, 1, rows(t, pool, schema, "cancelled"), "none is put back")
	require.NoError(t, sink.Requeue(t.Context(), dead.ID, dead.ID))
	require.ErrorIs(t, sink.Requeue(t.Context(), dead.ID), nylasriver.ErrNotDead)
	assert.Equal(t, 2, rows(t, pool, schema, "available"))
}

func TestDeadIteratesOverPages(t *testing.T) {
	t.Parallel()
	sink, _, _ := open(t)
	const count = 40
	for i := range count {
		require.NoError(t, sink.HandleDelivery(t.Context(), nylas.NewDelivery(fmt.Appendf(nil, "no JSON %02d", i), "")))
	}
	seen := 0
	for letter, err := range sink.Dead(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("no JSON %02d", seen), string(letter.Delivery.Body), "oldest first")
		require.NoError(t, sink.Requeue(t.Context(), letter.Delivery.ID), "while it iterates")
		seen++
	}
	assert.Equal(t, count, seen)
	assert.Empty(t, dead(t, sink), "all are put back")
}

// What a handler writes and that its delivery is done are committed together.
func TestCompleteTx(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t, quick)
	_, err := pool.Exec(t.Context(), "CREATE TABLE "+schema+".counted (id text)")
	require.NoError(t, err)
	handler := nylas.HandlerFunc(func(ctx context.Context, d *nylas.Delivery) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			var before int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+schema+".counted WHERE id LIKE 'try %'").Scan(&before); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO "+schema+".counted VALUES ($1)", d.ID); err != nil {
				return err
			}
			if err := nylasriver.CompleteTx(ctx, tx); err != nil {
				return err
			}
			if before == 0 {
				_, err := pool.Exec(ctx, "INSERT INTO "+schema+".counted VALUES ('try 1')") // not in tx
				return errors.Join(err, errors.New("after the mark, before the commit"))
			}
			return nil
		})
	})
	run(t, sink, handler)
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	eventually(t, func() bool { return rows(t, pool, schema, "completed") == 1 }, "it is done")
	var counted int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM "+schema+".counted WHERE id = 'n-1'").Scan(&counted))
	assert.Equal(t, 1, counted)

	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		require.ErrorContains(t, nylasriver.CompleteTx(t.Context(), tx), "context is not that of a handler")
		return nil
	}))
}

type otherArgs struct{}

func (otherArgs) Kind() string { return "other" }

func TestWithAClientOfOnesOwn(t *testing.T) {
	t.Parallel()
	_, pool, schema := open(t)
	handler := &recorder{reply: func(d *nylas.Delivery, _ int) error {
		if d.ID == "n-2" {
			return nylas.Permanent(errors.New("no"))
		}
		return nil
	}}
	others := make(chan struct{}, 1)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[otherArgs]) error {
		others <- struct{}{}
		return nil
	}))
	config := &river.Config{
		Schema: schema, Workers: workers, Logger: slog.New(slog.DiscardHandler),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}},
	}
	require.NoError(t, nylasriver.Configure(config, handler, nylasriver.WithQueue("default")))
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	require.NoError(t, err)
	sink, err := nylasriver.Open(pool, nylasriver.WithClient(client), nylasriver.WithQueue("default"))
	require.NoError(t, err)
	require.ErrorContains(t, sink.Run(t.Context(), handler), "Configure")

	done, unsubscribe := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobCancelled)
	defer unsubscribe()
	require.NoError(t, client.Start(t.Context()))
	for _, id := range []string{"n-1", "n-2"} {
		require.NoError(t, sink.HandleDelivery(t.Context(), opened(id)))
		assert.Equal(t, nylasriver.Kind, (<-done).Job.Kind)
	}
	_, err = client.Insert(t.Context(), otherArgs{}, nil)
	require.NoError(t, err)
	<-others
	assert.Len(t, dead(t, sink), 1)
	require.NoError(t, client.Stop(context.WithoutCancel(t.Context())))
}

func TestAClientWithoutTheWorkerIsRefused(t *testing.T) {
	t.Parallel()
	_, pool, schema := open(t)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[otherArgs]) error { return nil }))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: schema, Workers: workers})
	require.NoError(t, err)
	sink, err := nylasriver.Open(pool, nylasriver.WithClient(client))
	require.NoError(t, err)
	require.ErrorContains(t, sink.HandleDelivery(t.Context(), opened("n-1")), nylasriver.Kind)
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	handler := &recorder{}
	config := &river.Config{DiscardedJobRetentionPeriod: -1, CancelledJobRetentionPeriod: 30 * 24 * time.Hour}
	require.NoError(t, nylasriver.Configure(config, handler, nil))
	assert.Equal(t, week, config.CompletedJobRetentionPeriod)
	assert.Equal(t, 30*24*time.Hour, config.CancelledJobRetentionPeriod)
	assert.Equal(t, time.Duration(-1), config.DiscardedJobRetentionPeriod)
	assert.Equal(t, 5*time.Minute, config.RescueStuckJobsAfter)
	assert.Equal(t, 50, config.Queues["nylas"].MaxWorkers)
	require.ErrorContains(t, nylasriver.Configure(config, handler), "already registered")

	config = &river.Config{}
	require.NoError(t, nylasriver.Configure(config, handler, nylasriver.WithRetention(2*week),
		nylasriver.WithHandlerTimeout(time.Hour), nylasriver.WithWorkers(3), nylasriver.WithQueue("mine")))
	assert.Equal(t, 2*week, config.DiscardedJobRetentionPeriod)
	assert.Equal(t, time.Hour+4*time.Minute, config.RescueStuckJobsAfter)
	assert.Equal(t, 3, config.Queues["mine"].MaxWorkers)

	for name, test := range map[string]struct {
		config  *river.Config
		handler nylas.Handler
		opts    []nylasriver.WorkOption
		want    string
	}{
		"no config":  {handler: handler, want: "config is nil"},
		"no handler": {config: &river.Config{}, want: "handler is nil"},
		"nil func":   {config: &river.Config{}, handler: nylas.HandlerFunc(nil), want: "handler is nil"},
		"retention": {config: &river.Config{CompletedJobRetentionPeriod: 24 * time.Hour}, handler: handler,
			want: "CompletedJobRetentionPeriod is below 168h0m0s"},
		"retention below the option": {config: &river.Config{CancelledJobRetentionPeriod: week}, handler: handler,
			opts: []nylasriver.WorkOption{nylasriver.WithRetention(2 * week)}, want: "CancelledJobRetentionPeriod is below 336h0m0s"},
		"rescue": {config: &river.Config{RescueStuckJobsAfter: time.Minute}, handler: handler, want: "RescueStuckJobsAfter"},
		"bad option": {config: &river.Config{}, handler: handler,
			opts: []nylasriver.WorkOption{nylasriver.WithWorkers(0)}, want: "workers must be 1 to 10000"},
		"options together": {config: &river.Config{}, handler: handler,
			opts: []nylasriver.WorkOption{nylasriver.WithRescueAfter(time.Minute)}, want: "rescue after must be above"},
	} {
		require.ErrorContains(t, nylasriver.Configure(test.config, test.handler, test.opts...), test.want, name)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	_, err := nylasriver.Open(nil)
	require.ErrorContains(t, err, "pool is nil")
	pool := newPool(t)
	_, err = nylasriver.Open(pool, nil)
	require.NoError(t, err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
	require.NoError(t, err)
	for want, opts := range map[string][]nylasriver.Option{
		"schema must be":                {nylasriver.WithSchema("Crm-1")},
		"client is nil":                 {nylasriver.WithClient(nil)},
		"max attempts must be":          {nylasriver.WithMaxAttempts(1 << 15)},
		"logger is nil":                 {nylasriver.WithLogger(nil)},
		"queue must be":                 {nylasriver.WithQueue("a b")},
		"handler timeout must be":       {nylasriver.WithHandlerTimeout(0)},
		"backoff must be":               {nylasriver.WithBackoff(2, 1)},
		"rescue after must be positive": {nylasriver.WithRescueAfter(0)},
		"retention must be at least":    {nylasriver.WithRetention(72 * time.Hour)},
		"exclude each other":            {nylasriver.WithClient(client), nylasriver.WithSchema("mine")},
		"belong to Configure":           {nylasriver.WithClient(client), nylasriver.WithWorkers(2)},
	} {
		_, err := nylasriver.Open(pool, opts...)
		require.ErrorContains(t, err, want)
	}
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
	sink, _, _ := open(t, quick, nylasriver.WithMaxAttempts(2),
		nylasriver.WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	run(t, sink, nylas.HandlerFunc(func(context.Context, *nylas.Delivery) error { panic("hunter2") }))
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
	run(t, sink, &nylas.Dispatcher{
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
