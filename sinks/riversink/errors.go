package riversink

import (
	"context"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	errPanic  = errors.New("riversink: handler panicked")
	errExited = errors.New("riversink: handler ended its goroutine")
)

// dbError is an error of the database without the user, host and database in
// its text. The error itself can still be asked for with errors.As.
type dbError struct {
	text string
	err  error
}

func (e *dbError) Error() string { return e.text }
func (e *dbError) Unwrap() error { return e.err }

// Conditions of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	undefinedTable  = "42P01"
	invalidSchema   = "3F000"
	uniqueViolation = "23505"
)

// readable makes an error of the database one that may be logged, and says what
// to do where that is known.
func readable(err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return &dbError{"cannot connect to the database", err}
	}
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return &dbError{"the connection string cannot be read", err}
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		text := pgErr.Message + " (SQLSTATE " + pgErr.Code + ")"
		if pgErr.Code == undefinedTable || pgErr.Code == invalidSchema {
			text = "tables are missing, call Sink.Migrate: " + text
		}
		return &dbError{text, err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &dbError{"the database did not answer in time", err}
	}
	if errors.Is(err, context.Canceled) {
		return &dbError{"the call was canceled", err}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return &dbError{"the connection to the database broke", err}
	}
	return err
}
