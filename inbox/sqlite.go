package inbox

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// database is one connection to SQLite, for one goroutine. It is the driver
// without database/sql: that has a pool, and a goroutine for each statement whose
// context can end, and here is one connection whose statements never wait.
type database struct {
	conn       connection
	statements map[string]statement
	damage     error // the first error that told of damage
}

type connection interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
}

type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func openDatabase(path string) (*database, error) {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/...
	}
	// As a URL, so that a ? in the name of the file is not taken for options.
	conn, err := new(sqlite.Driver).Open((&url.URL{Scheme: "file", Path: slashed}).String())
	if err != nil {
		return nil, err
	}
	usable, ok := conn.(connection)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("the SQLite driver lacks methods: %T", conn)
	}
	return &database{conn: usable, statements: make(map[string]statement)}, nil
}

func (db *database) close() error {
	var errs []error
	for _, s := range db.statements {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, db.conn.Close())...)
}

// script runs statements that are not kept, such as pragmas.
func (db *database) script(sql string) error {
	_, err := db.conn.ExecContext(context.Background(), sql, nil)
	db.note(err)
	return err
}

// note keeps an error that tells of damage: what else the file holds is not to be
// trusted then, even if the next statement works.
func (db *database) note(err error) {
	if db.damage == nil && tellsOfDamage(err) {
		db.damage = damaged(err)
	}
}

func (db *database) statement(sql string) (statement, error) {
	if s := db.statements[sql]; s != nil {
		return s, nil
	}
	prepared, err := db.conn.PrepareContext(context.Background(), sql)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(statement)
	if !ok {
		_ = prepared.Close()
		return nil, fmt.Errorf("the SQLite driver lacks methods: %T", prepared)
	}
	db.statements[sql] = s
	return s, nil
}

// exec runs a statement and returns how many rows it changed.
func (db *database) exec(sql string, args ...any) (changed int64, err error) {
	defer func() { db.note(err) }()
	s, err := db.statement(sql)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), named(args))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query calls row with the values of each row, until it returns false.
func (db *database) query(row func(values []driver.Value) bool, sql string, args ...any) (err error) {
	defer func() { db.note(err) }()
	s, err := db.statement(sql)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), named(args))
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }() // Close repeats the error of Next
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if !row(values) {
			return nil
		}
	}
}

// number queries for one whole number; found is false if there is no row.
func (db *database) number(sql string, args ...any) (n int64, found bool, err error) {
	err = db.query(func(values []driver.Value) bool {
		n, found = values[0].(int64)
		return false
	}, sql, args...)
	return n, found, err
}

// transaction does work in a transaction; if that fails, nothing of it is left.
func (db *database) transaction(work func() error) error {
	if _, err := db.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := work()
	if err == nil {
		_, err = db.exec("COMMIT")
	}
	if err != nil {
		// It fails if SQLite has rolled back itself, as it does when the disk is full.
		_, _ = db.exec("ROLLBACK")
	}
	return err
}

func named(args []any) []driver.NamedValue {
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		if n, ok := arg.(int); ok {
			arg = int64(n) // database/sql would do that
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return values
}

// code is SQLite's primary code of an error, 0 if it is none of SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// explain gives an error of SQLite the sentinel and the advice that belong to it.
func explain(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return err
	}
	if tellsOfDamage(err) {
		return damaged(err)
	}
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w (%w)", ErrInUse, err)
	}
	return err
}

// tellsOfDamage reports whether an error means that the file holds what it should not, or
// that a part of it cannot be read.
func tellsOfDamage(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() {
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA:
		return true
	}
	return e.Code()&0xff == sqlite3.SQLITE_CORRUPT || e.Code()&0xff == sqlite3.SQLITE_NOTADB
}

func damaged(err error) error {
	return fmt.Errorf("%w: %w: end the program, keep a copy of the file and of those beside it that begin with its name, "+
		"and either put a good copy in their place, or save what can be read with the command .recover of the program sqlite3, "+
		"or move all of them away to begin with an empty inbox", ErrCorrupt, err)
}

// ofDisk tells errors that the next row would meet too from those of one row.
func ofDisk(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return errors.Is(err, errMoved)
}
