package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Engine says which database a [Store] works with.
type Engine int

// The engines.
const (
	SQLite     Engine = iota + 1 // version 3.38 or later
	PostgreSQL                   // version 12 or later
)

// String returns the name of the engine.
func (e Engine) String() string {
	switch e {
	case SQLite:
		return "SQLite"
	case PostgreSQL:
		return "PostgreSQL"
	}
	return "Engine(" + strconv.Itoa(int(e)) + ")"
}

// begin starts a transaction that writes. SQLite takes its lock at once: a transaction
// that reads first may not get it later. PostgreSQL is told its isolation, because
// statements must see what others committed before them, whatever the role's default is.
func (e Engine) begin() string {
	if e == SQLite {
		return "BEGIN IMMEDIATE"
	}
	return "BEGIN ISOLATION LEVEL READ COMMITTED"
}

// numbered turns each ? of a statement into what the engine calls its parameters.
func (e Engine) numbered(statement string) string {
	if e == SQLite {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(statement, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		fmt.Fprintf(&b, "$%d", n)
		statement = after
	}
}

// table reads a list of JSON objects, which is the parameter of the statement, as rows of
// what it calls j. Each column has a name and a type. value is the SQL of one of its values.
func (e Engine) table(columns [][2]string) (source string, value func(name string) string) {
	if e == SQLite {
		return "json_each(?) AS j", func(name string) string { return "(j.value ->> '" + name + "')" }
	}
	types := make([]string, len(columns))
	for i, column := range columns {
		types[i] = column[0] + " " + column[1]
	}
	return "json_to_recordset(CAST(? AS json)) AS j(" + strings.Join(types, ", ") + ")", func(name string) string { return "j." + name }
}

// listed is the SQL of the numbers in a parameter that is a JSON list.
func (e Engine) listed() string {
	if e == SQLite {
		return "(SELECT value FROM json_each(?))"
	}
	return "(SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(? AS json)))"
}

const (
	// maxBusy is how long a statement is tried again while somebody else has the
	// database, if its context does not end before. It is our choice: others hold the
	// lock for milliseconds, and Nylas waits 10 seconds for an answer.
	maxBusy = 10 * time.Second
	// minPause and maxPause are how long the first and the later pauses are.
	minPause = time.Millisecond
	maxPause = 25 * time.Millisecond
)

// retry repeats a statement that had no effect because of somebody else's.
func retry(ctx context.Context, statement func() error) error {
	start, pause := time.Now(), minPause
	for {
		err := statement()
		if err == nil || !busy(err) {
			return err
		}
		if waited := time.Since(start); waited >= maxBusy {
			return &busyError{waited.Round(time.Second), err}
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		pause = min(2*pause, maxPause)
	}
}

// busyError ends the waiting for others. It is not tried again.
type busyError struct {
	waited time.Duration
	err    error
}

func (e *busyError) Error() string {
	return fmt.Sprintf("others kept the database for %s: make their transactions shorter, or their number smaller: %s", e.waited, e.err)
}

func (e *busyError) Unwrap() error { return e.err }

// busy reports whether the same statement can succeed later. Drivers of SQLite have no
// error in common, but all have its text. Those of PostgreSQL have SQLState:
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
func busy(err error) bool {
	if _, over := errors.AsType[*busyError](err); over {
		return false
	}
	if coded, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		const serializationFailure, deadlockDetected = "40001", "40P01"
		return coded.SQLState() == serializationFailure || coded.SQLState() == deadlockDetected
	}
	text := err.Error()
	return strings.Contains(text, "database is locked") || strings.Contains(text, "database table is locked")
}

// clean takes out of a text what PostgreSQL refuses: a text is UTF-8 without NUL.
func clean(text string) string {
	const replacement = "\uFFFD"
	return strings.ReplaceAll(strings.ToValidUTF8(text, replacement), "\x00", replacement)
}
