package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

const (
	// commitTimeout ends a commit that the database does not answer. Unlike other
	// statements a commit does not end with the caller's context, because nobody would
	// know then whether it took place. It is our choice, as long as maxBusy.
	commitTimeout = 10 * time.Second
	// beginAttempts is how many connections are tried. The pool may hold some that broke
	// while they were idle; database/sql tries as often.
	beginAttempts = 3
)

// repeat does work in a transaction, again if somebody else's comes in its way.
func (s *Store) repeat(ctx context.Context, work func(*sql.Conn) error) error {
	return retry(ctx, func() error { return s.transact(ctx, work) })
}

// transact does work in a transaction. If work fails, panics or ends the goroutine, it is
// rolled back. work is called once.
func (s *Store) transact(ctx context.Context, work func(*sql.Conn) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	conn, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	committed := false
	defer func() {
		if !committed {
			rollback(ctx, conn)
		}
	}()
	if err := work(conn); err != nil {
		return err
	}
	if err := s.commit(ctx, conn); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

// enter waits until no other writer of this Store uses SQLite, which has one at a time.
// Here they wait in order; in SQLite they would poll. A function that calls the Store it is
// called by would wait for itself, so waiting ends.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	if s.db == nil {
		return nil, errors.New("the Store was not made by New")
	}
	if s.engine != SQLite {
		return func() {}, nil
	}
	timer := time.NewTimer(maxBusy)
	defer timer.Stop()
	select {
	case s.writer <- struct{}{}:
		return func() { <-s.writer }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-timer.C:
		return nil, &busyError{maxBusy, errors.New("the writers of this Store did not end")}
	}
}

// begin returns a connection with a transaction on it. To connect can fail because of
// others too: drivers run statements then.
func (s *Store) begin(ctx context.Context) (conn *sql.Conn, err error) {
	for range beginAttempts {
		err = retry(ctx, func() error {
			if conn, err = s.db.Conn(ctx); err != nil {
				return err
			}
			if _, err = conn.ExecContext(ctx, s.engine.begin()); err != nil {
				_ = conn.Close()
			}
			return err
		})
		if !errors.Is(err, driver.ErrBadConn) {
			break
		}
	}
	return conn, err
}

func (s *Store) commit(ctx context.Context, conn *sql.Conn) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	commit := func() error {
		_, err := conn.ExecContext(ctx, "COMMIT")
		return err
	}
	if s.engine == SQLite {
		return retry(ctx, commit) // the transaction stays open while readers block it
	}
	return commit()
}

// rollback ends a transaction. A connection on which that fails does not go back to the pool.
func rollback(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// exec runs one statement that writes.
func (s *Store) exec(ctx context.Context, statement string, args ...any) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return retry(ctx, func() error {
		_, err := s.db.ExecContext(ctx, s.engine.numbered(statement), args...)
		return err
	})
}

// query runs one statement that reads, and calls scan for each row. reset is called
// before: it forgets what an earlier attempt read.
func (s *Store) query(ctx context.Context, reset func(), scan func(*sql.Rows) error, statement string, args ...any) error {
	if s.db == nil {
		return errors.New("the Store was not made by New")
	}
	return retry(ctx, func() error {
		reset()
		rows, err := s.db.QueryContext(ctx, s.engine.numbered(statement), args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // Err says what failed
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// failed says what failed. The error of a context that ended is its cause.
func failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		err = errors.Join(context.Cause(ctx), err)
	}
	return fmt.Errorf("sqlstore: %s: %w", what, err)
}
