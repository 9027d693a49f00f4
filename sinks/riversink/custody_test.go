package riversink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

func TestADeliveryArrivesAsItWas(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := opened("large")
	large.Body = append(large.Body, bytes.Repeat([]byte(" "), 1<<20)...)
	for name, d := range map[string]*receive.Delivery{
		"an event":         opened("n-1"),
		"1 MB":             large,
		"an id in Unicode": opened("n-ü-<&>"),
		"an id of quotes":  opened(`n-"\'-1`),
		"bytes behind it":  receive.NewDelivery(append(opened("n-2").Body, "\x00\xff\xfe"...), ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, d.Err)
			sink, _, _ := open(t)
			handler := &recorder{}
			run(t, sink, handler)
			require.NoError(t, sink.HandleDelivery(t.Context(), d))
			eventually(t, func() bool { return handler.calls(d.ID) == 1 }, "it is handled")
			got := handler.last(d.ID)
			assert.Equal(t, d.ID, got.ID)
			assert.Equal(t, d.Type, got.Type)
			assert.True(t, bytes.Equal(d.Body, got.Body), "body")
			assert.True(t, d.ReceivedAt.Equal(got.ReceivedAt), "%v is not %v", got.ReceivedAt, d.ReceivedAt)
			require.NoError(t, got.Err)
		})
	}
	t.Run("every byte", func(t *testing.T) {
		t.Parallel()
		sink, _, _ := open(t)
		d := receive.NewDelivery(every, "")
		require.NoError(t, sink.HandleDelivery(t.Context(), d))
		letters := dead(t, sink)
		require.Len(t, letters, 1)
		assert.Equal(t, every, letters[0].Delivery.Body)
	})
}

// The setting can change while a program runs: for its role, or in a pool's own hooks.
func TestNoticesThatCommitsStopWaiting(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	config := newPool(t).Config()
	config.MaxConns = 1
	setting := "on"
	config.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		_, err := conn.Exec(ctx, "SET synchronous_commit = "+setting)
		return err == nil, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	sink, err := riversink.Open(pool, riversink.WithSchema(schema))
	require.NoError(t, err)
	require.NoError(t, sink.Migrate(t.Context()))
	undecodable := receive.NewDelivery([]byte("no JSON"), "")
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
	setting = "off"
	const text = "synchronous_commit is off"
	require.ErrorContains(t, sink.HandleDelivery(t.Context(), opened("n-2")), text)
	require.ErrorContains(t, sink.HandleDelivery(t.Context(), opened("n-1")), text, "a duplicate")
	require.ErrorContains(t, sink.HandleDelivery(t.Context(), undecodable), text)
	require.ErrorContains(t, sink.Secrets(webhookURL).Swap(t.Context(), receive.SecretState{}, someSecrets()), text)
	assert.Equal(t, 1, rows(t, pool, schema, ""))
	setting = "on"
	for _, d := range []*receive.Delivery{opened("n-2"), undecodable} {
		require.NoError(t, sink.HandleDelivery(t.Context(), d))
	}
	assert.Equal(t, 3, rows(t, pool, schema, ""))
}

// A delivery is known in every state of its job, and its first body is kept.
func TestDuplicatesAreKnown(t *testing.T) {
	t.Parallel()
	changed := opened("n-1")
	changed.Body = append(changed.Body, " "...)
	again := func(t *testing.T, sink *riversink.Sink, pool *pgxpool.Pool, schema, state string) {
		t.Helper()
		require.Equal(t, 1, rows(t, pool, schema, state))
		require.NoError(t, sink.HandleDelivery(t.Context(), changed))
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			return sink.HandleDeliveryTx(t.Context(), tx, changed)
		}))
		require.Equal(t, 1, rows(t, pool, schema, ""))
		require.Equal(t, 1, rows(t, pool, schema, state), "its state stays")
	}
	t.Run("waiting", func(t *testing.T) {
		t.Parallel()
		sink, pool, schema := open(t)
		require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
		again(t, sink, pool, schema, "available")
		handler := &recorder{}
		run(t, sink, handler)
		idle(t, sink)
		assert.Equal(t, opened("n-1").Body, handler.last("n-1").Body)
		assert.Equal(t, 1, handler.calls("n-1"))
	})
	t.Run("running", func(t *testing.T) {
		t.Parallel()
		sink, pool, schema := open(t)
		begun, end := make(chan struct{}), make(chan struct{})
		handler := &recorder{reply: func(*receive.Delivery, int) error {
			close(begun)
			<-end
			return nil
		}}
		run(t, sink, handler)
		require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
		<-begun
		again(t, sink, pool, schema, "running")
		close(end)
		idle(t, sink)
		assert.Equal(t, 1, handler.calls("n-1"))
	})
	for state, test := range map[string]struct {
		outcome error
		opts    []riversink.Option
	}{
		"completed": {},
		"cancelled": {outcome: receive.Permanent(errors.New("no"))},
		"discarded": {outcome: errors.New("no"), opts: []riversink.Option{riversink.WithMaxAttempts(1)}},
		"retryable": {outcome: errors.New("no"), opts: []riversink.Option{riversink.WithBackoff(time.Hour, time.Hour)}},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			sink, pool, schema := open(t, test.opts...)
			handler := &recorder{reply: func(*receive.Delivery, int) error { return test.outcome }}
			run(t, sink, handler)
			require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-1")))
			eventually(t, func() bool { return rows(t, pool, schema, state) == 1 }, state)
			again(t, sink, pool, schema, state)
			assert.Equal(t, 1, handler.calls("n-1"))
		})
	}
}

func TestTheSameDeliveryAtTheSameTime(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	other, err := riversink.Open(newPool(t), riversink.WithSchema(schema))
	require.NoError(t, err)
	var callers sync.WaitGroup
	for i := range 200 {
		for _, s := range []*riversink.Sink{sink, other} {
			callers.Go(func() { assert.NoError(t, s.HandleDelivery(t.Context(), opened(fmt.Sprint("n-", i%20)))) })
		}
	}
	callers.Wait()
	assert.Equal(t, 20, rows(t, pool, schema, ""))
}

// A delivery that is known already must not keep the new ones beside it out.
func TestADuplicateAmongNewOnes(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-0")))
	var callers sync.WaitGroup
	for i := range 100 {
		callers.Go(func() { assert.NoError(t, sink.HandleDelivery(t.Context(), opened(fmt.Sprint("n-", i)))) })
	}
	callers.Wait()
	assert.Equal(t, 100, rows(t, pool, schema, ""))
}

// A handler may hold its delivery for long, between CompleteTx and its commit. A
// duplicate waits for it, the new ones beside the duplicate do not.
func TestADuplicateOfAHeldDelivery(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-50")))
	holder, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = holder.Exec(t.Context(), "SELECT FROM "+schema+".river_job FOR UPDATE")
	require.NoError(t, err)
	var duplicate, others sync.WaitGroup
	for i := range 100 {
		callers := &others
		if i == 50 { // not the first, which goes by itself
			callers = &duplicate
		}
		callers.Go(func() { assert.NoError(t, sink.HandleDelivery(t.Context(), opened(fmt.Sprint("n-", i)))) })
	}
	others.Wait()
	require.NoError(t, holder.Commit(t.Context()))
	duplicate.Wait()
	assert.Equal(t, 100, rows(t, pool, schema, ""))
}

// Bodies that cannot be decoded are dead letters before anybody runs, and with
// what was wrong when they are put back.
func TestUndecodableDeliveriesAreDeadFromTheBeginning(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		d    *receive.Delivery
		want error
	}{
		"no JSON":             {receive.NewDelivery([]byte("\x00\x01"), ""), events.ErrNotJSON},
		"nothing":             {receive.NewDelivery(nil, ""), events.ErrNotJSON},
		"no id":               {receive.NewDelivery([]byte("{}"), ""), events.ErrEnvelope},
		"no gzip":             {receive.NewDelivery([]byte("\x1f\x8b\x00"), "gzip"), receive.ErrDeliveryEncoding},
		"text, called brotli": {receive.NewDelivery([]byte("text"), "br"), receive.ErrDeliveryEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, test.d.Err, test.want)
			sink, pool, schema := open(t)
			for range 2 {
				require.NoError(t, sink.HandleDelivery(t.Context(), test.d))
			}
			require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
				return sink.HandleDeliveryTx(t.Context(), tx, test.d)
			}))
			letters := dead(t, sink)
			require.Len(t, letters, 1)
			assert.Equal(t, test.d.ID, letters[0].Delivery.ID)
			assert.Equal(t, test.d.Body, letters[0].Delivery.Body)
			assert.Equal(t, test.d.Err.Error(), letters[0].Err)
			assert.Zero(t, letters[0].Attempts)
			assert.WithinDuration(t, time.Now(), letters[0].DiedAt, time.Minute)

			require.NoError(t, sink.Requeue(t.Context(), test.d.ID))
			require.NoError(t, sink.HandleDelivery(t.Context(), test.d), "it does not die of its duplicate")
			handler := &recorder{}
			run(t, sink, handler)
			eventually(t, func() bool { return rows(t, pool, schema, "completed") == 1 }, "it is handled")
			require.ErrorIs(t, handler.last(test.d.ID).Err, test.want)
			assert.Equal(t, test.d.Err.Error(), handler.last(test.d.ID).Err.Error())
			assert.Equal(t, 1, handler.calls(test.d.ID))
			assert.Empty(t, dead(t, sink))
		})
	}
}

func TestDeliveriesMadeByHand(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	require.ErrorContains(t, sink.HandleDelivery(t.Context(), nil), "nil")
	for _, id := range []string{"", "a\x00b", "a\xff"} {
		err := sink.HandleDelivery(t.Context(), &receive.Delivery{ID: id, Body: []byte("secret")})
		require.ErrorContains(t, err, "receive.NewDelivery")
		require.NotErrorIs(t, err, receive.ErrPermanent)
		assert.NotContains(t, err.Error(), "secret")
	}
	far := opened("n-1")
	far.ReceivedAt = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	require.Error(t, sink.HandleDelivery(t.Context(), far))
	assert.Zero(t, rows(t, pool, schema, ""))
}

func TestHandleDeliveryTx(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	for _, commit := range []bool{false, true} {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, sink.HandleDeliveryTx(t.Context(), tx, opened("n-1")))
		if commit {
			require.NoError(t, tx.Commit(t.Context()))
			assert.Equal(t, 1, rows(t, pool, schema, ""))
		} else {
			require.NoError(t, tx.Rollback(t.Context()))
			assert.Zero(t, rows(t, pool, schema, ""))
		}
	}
}

func TestAContextThatEndsEndsTheWait(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-0")))

	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gone home"))
	err := sink.HandleDelivery(ended, opened("n-1"))
	require.ErrorIs(t, err, context.Cause(ended))

	lock, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE "+schema+".river_job")
	require.NoError(t, err)
	var callers sync.WaitGroup
	outcomes := make([]error, 20)
	for i := range outcomes {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			begin := time.Now()
			outcomes[i] = sink.HandleDelivery(ctx, opened(fmt.Sprint("locked-", i)))
			assert.Less(t, time.Since(begin), patience/4)
		})
	}
	callers.Wait()
	for _, err := range outcomes {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	given := time.Now()
	eventually(t, func() bool {
		var blocked int
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass",
			schema+".river_job").Scan(&blocked))
		return blocked == 0
	}, "what nobody waits for is given up")
	assert.Less(t, time.Since(given), 15*time.Second, "before the limit of a group")
	require.NoError(t, lock.Rollback(t.Context()))
	require.NoError(t, sink.HandleDelivery(t.Context(), opened("n-2")))
}

// Connections break while deliveries are stored: some fail, and what was taken
// is there.
func TestBrokenConnectionsLoseNothing(t *testing.T) {
	t.Parallel()
	_, admin, schema := open(t)
	config := admin.Config()
	config.ConnConfig.RuntimeParams["application_name"] = schema
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer pool.Close()
	sink, err := riversink.Open(pool, riversink.WithSchema(schema))
	require.NoError(t, err)

	const failures = 20
	var failed, succeeded atomic.Int64
	var callers sync.WaitGroup
	taken := make([][]string, 16)
	for caller := range taken {
		callers.Go(func() {
			for i := 0; failed.Load() < failures && t.Context().Err() == nil; i++ {
				id := fmt.Sprintf("n-%d-%d", caller, i)
				if err := sink.HandleDelivery(t.Context(), opened(id)); err == nil {
					taken[caller] = append(taken[caller], id)
					succeeded.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	eventually(t, func() bool { return succeeded.Load() > 0 }, "calls succeed")
	eventually(t, func() bool {
		_, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", schema)
		require.NoError(t, err)
		return failed.Load() >= failures
	}, "calls fail")
	callers.Wait()
	ids := slices.Concat(taken...)
	assert.NotEmpty(t, ids)
	var stored int
	require.NoError(t, admin.QueryRow(t.Context(),
		"SELECT count(*) FROM "+schema+".river_job WHERE args->>'id' = ANY($1)", ids).Scan(&stored))
	assert.Len(t, ids, stored)
	eventually(t, func() bool { // the pool can hold connections that were just broken
		return sink.HandleDelivery(t.Context(), opened("afterwards")) == nil
	}, "it stores again")
}

// A body that is too large for a group goes by itself.
func TestLargeBodiesAtTheSameTime(t *testing.T) {
	t.Parallel()
	sink, pool, schema := open(t)
	var callers sync.WaitGroup
	for i := range 6 {
		callers.Go(func() {
			d := opened(fmt.Sprint("n-", i))
			d.Body = append(d.Body, bytes.Repeat([]byte(" "), 5<<20)...)
			assert.NoError(t, sink.HandleDelivery(t.Context(), d))
		})
	}
	callers.Wait()
	assert.Equal(t, 6, rows(t, pool, schema, ""))
}
