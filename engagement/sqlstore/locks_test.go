package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// hold takes SQLite's lock as another process would, until release is called.
func hold(t *testing.T, db *sql.DB) (release func()) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	return func() {
		_, err := conn.ExecContext(t.Context(), "ROLLBACK")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
}

// The driver itself does not wait: the Store does.
func TestAWriterWaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d database) {
		s := d.store(t)
		release := hold(t, d.open(t))
		done := make(chan error, 1)
		go func() {
			done <- errors.Join(
				s.Update(t.Context(), opens("m-1"), func(engagement.Record) (engagement.Addition, error) {
					return engagement.Addition{State: []byte("x"), Events: []engagement.Event{opened("m-1", "A", 1)}}, nil
				}),
				s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1"}))
		}()
		<-time.After(5 * time.Second)
		assert.Empty(t, done, "it did not wait")
		assert.Empty(t, history(t, s, "m-1"), "reading waits for nobody")
		release()
		require.NoError(t, <-done)
		assert.Equal(t, []string{"A"}, ids(history(t, s, "m-1")))
	})
}

func TestWaitingForAnotherProcessEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, d database) {
		s := d.store(t)
		release := hold(t, d.open(t))
		never := func(engagement.Record) (engagement.Addition, error) {
			t.Error("fn is called without the lock")
			return engagement.Addition{}, nil
		}
		start := time.Now()
		err := s.Update(t.Context(), opens("m-1"), never)
		require.ErrorContains(t, err, "others kept the database for 10s")
		require.ErrorContains(t, err, "database is locked")
		assert.WithinDuration(t, start.Add(10*time.Second), time.Now(), time.Second)
		start = time.Now()
		err = s.Withdraw(t.Context(), sqlstore.Withdrawal{MessageIDs: []string{"m-1"}})
		require.ErrorContains(t, err, "others kept the database for 10s")
		assert.Equal(t, 1, strings.Count(err.Error(), "others kept"), "it is said once")
		assert.WithinDuration(t, start.Add(10*time.Second), time.Now(), time.Second, "it does not begin again")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		require.ErrorIs(t, s.Update(ctx, opens("m-1"), never), context.DeadlineExceeded)
		assert.WithinDuration(t, start.Add(time.Second), time.Now(), time.Millisecond, "at once, not at the next attempt")

		// A function that calls the Store waits for itself.
		release()
		start = time.Now()
		require.NoError(t, s.Update(t.Context(), opens("m-1"), func(r engagement.Record) (engagement.Addition, error) {
			require.ErrorContains(t, s.Update(t.Context(), opens("m-2"), never), "others kept the database for 10s")
			return engagement.Addition{State: r.State}, nil
		}))
		assert.WithinDuration(t, start.Add(10*time.Second), time.Now(), time.Second)

		// The same while another Update of this Store waits.
		release = hold(t, d.open(t))
		synctest.Wait()
		waiting := make(chan error)
		go func() { waiting <- s.Update(t.Context(), opens("m-1"), never) }()
		<-time.After(time.Second)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		require.ErrorIs(t, s.Update(ctx, opens("m-2"), never), context.DeadlineExceeded)
		assert.WithinDuration(t, start.Add(time.Second), time.Now(), time.Millisecond)
		require.ErrorContains(t, <-waiting, "others kept")
		release()
	})
}

// Without a write-ahead log, a reader holds up the commit. The transaction is not lost.
func TestACommitWaitsForReaders(t *testing.T) {
	t.Parallel()
	d := database{engine: sqlstore.SQLite, name: filepath.Join(t.TempDir(), "events.db")}
	synctest.Test(t, func(t *testing.T) {
		db, s := d.open(t), d.store(t)
		require.NoError(t, s.Migrate(t.Context()))
		add(t, s, opens("m-1"), opened("m-1", "A", 1))
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		var n int
		require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT count(*) FROM nylas_events").Scan(&n))
		calls, done := 0, make(chan error, 1)
		go func() {
			done <- s.Update(t.Context(), opens("m-1"), func(engagement.Record) (engagement.Addition, error) {
				calls++
				return engagement.Addition{State: []byte("x"), Events: []engagement.Event{opened("m-1", "B", 2)}}, nil
			})
		}()
		<-time.After(3 * time.Second)
		require.Empty(t, done, "the reader is still there")
		require.NoError(t, tx.Rollback())
		require.NoError(t, <-done)
		assert.Equal(t, 1, calls)
		assert.Equal(t, []string{"A", "B"}, ids(history(t, s, "m-1")))
	})
}

// Two Updates of one message wait for each other, and those of other messages do not.
func TestPostgreSQLLocksOneMessage(t *testing.T) {
	t.Parallel()
	d := migrated(t, sqlstore.PostgreSQL)
	s := d.store(t)
	add(t, s, opens("m-1"), opened("m-1", "A", 1))
	require.NoError(t, s.Update(t.Context(), opens("m-1"), func(r engagement.Record) (engagement.Addition, error) {
		add(t, s, opens("m-2"), opened("m-2", "B", 1))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := s.Update(ctx, opens("m-1"), func(engagement.Record) (engagement.Addition, error) {
			t.Error("two at a time")
			return engagement.Addition{}, nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return engagement.Addition{State: r.State}, nil
	}))
	assert.Equal(t, []string{"B"}, ids(history(t, s, "m-2")))
}

// After a restart of the server the pool is full of broken connections.
func TestBrokenConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	d := migrated(t, sqlstore.PostgreSQL)
	db := d.open(t)
	s, err := sqlstore.New(db, d.engine)
	require.NoError(t, err)
	_, err = s.Load(t.Context(), opens("m-1"))
	require.NoError(t, err)
	require.Equal(t, 1, db.Stats().OpenConnections)
	var pid int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	run(t, d.open(t), "SELECT pg_terminate_backend("+itoa(pid)+", 10000)")
	add(t, s, opens("m-1"), opened("m-1", "A", 1))
	assert.Equal(t, []string{"A"}, ids(history(t, s, "m-1")))
}

// A connection that breaks between begin and commit is an error, and nothing is stored.
func TestABrokenTransactionIsAnError(t *testing.T) {
	t.Parallel()
	d := migrated(t, sqlstore.PostgreSQL)
	db, other := d.open(t), d.open(t)
	db.SetMaxOpenConns(1)
	s, err := sqlstore.New(db, d.engine)
	require.NoError(t, err)
	var pid int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	err = s.Update(t.Context(), opens("m-1"), func(engagement.Record) (engagement.Addition, error) {
		run(t, other, "SELECT pg_terminate_backend("+itoa(pid)+", 10000)")
		return engagement.Addition{State: []byte("x"), Events: []engagement.Event{opened("m-1", "A", 1)}}, nil
	})
	require.ErrorContains(t, err, "sqlstore: update: ")
	assert.Equal(t, engagement.Record{}, load(t, s, opens("m-1")))
	add(t, s, opens("m-1"), opened("m-1", "A", 1))
}

// A role may have stricter transactions by default. Then statements fail that others come
// in the way of.
func TestRolesWithSerializableTransactions(t *testing.T) {
	t.Parallel()
	d := migrated(t, sqlstore.PostgreSQL)
	const writers, rounds = 4, 20
	errs := make(chan error, writers)
	for range writers {
		db := d.open(t)
		db.SetMaxOpenConns(1)
		run(t, db, "SET default_transaction_isolation = 'serializable'")
		s, err := sqlstore.New(db, d.engine)
		require.NoError(t, err)
		go func() {
			for range rounds {
				err := s.Update(t.Context(), opens("m-1"), func(r engagement.Record) (engagement.Addition, error) {
					return engagement.Addition{State: append(r.State[:len(r.State):len(r.State)], 'x')}, nil
				})
				if err == nil {
					err = s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1"})
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		require.NoError(t, <-errs)
	}
	assert.Len(t, load(t, d.store(t), opens("m-1")).State, writers*rounds)
}
