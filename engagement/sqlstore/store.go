package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

// Store keeps events, what is known of them, and what was sent in a database. It is an
// [engagement.Store] and an [engagement.History], and is safe for concurrent use by any
// number of goroutines and processes.
type Store struct {
	db       *sql.DB
	engine   Engine
	minimize func(netip.Addr) netip.Addr // nil keeps addresses
	writer   chan struct{}               // full while this Store writes to SQLite
}

var (
	_ engagement.Store   = (*Store)(nil)
	_ engagement.History = (*Store)(nil)
)

// New returns a Store on a database of the caller's, who also closes it. [Store.Migrate]
// makes its tables.
func New(db *sql.DB, engine Engine, opts ...Option) (*Store, error) {
	switch {
	case db == nil:
		return nil, errors.New("sqlstore: db is nil: give New what sql.Open returns")
	case engine != SQLite && engine != PostgreSQL:
		return nil, fmt.Errorf("sqlstore: unknown engine %s: use SQLite or PostgreSQL", engine)
	}
	s := &Store{db: db, engine: engine, writer: make(chan struct{}, 1)}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.apply(s); err != nil {
			return nil, fmt.Errorf("sqlstore: %w", err)
		}
	}
	return s, nil
}

// maxIDBytes limits the ids of grants, messages and threads. PostgreSQL indexes three of
// them together, 2,704 bytes at most: https://www.postgresql.org/docs/current/btree.html.
// The longest ids that Nylas' pages show have about 150 bytes.
const maxIDBytes = 512

// place is where the events of a key are kept.
type place struct{ grant, message, thread string }

func placeOf(grant, message, thread string) (place, error) {
	if message == "" && thread == "" {
		return place{}, errors.New("the message is not named: give its id, or that of its thread")
	}
	for _, id := range []string{grant, message, thread} {
		if len(id) > maxIDBytes {
			return place{}, fmt.Errorf("an id of %d bytes is too long: the ids of grants, messages and threads have at most %d", len(id), maxIDBytes)
		}
	}
	return place{clean(grant), clean(message), clean(thread)}, nil
}

// stateColumn is the column with the state of a kind. It never comes from outside.
func stateColumn(kind engagement.Kind) (string, error) {
	switch kind {
	case engagement.Open:
		return "opens", nil
	case engagement.Click:
		return "clicks", nil
	case engagement.Reply:
		return "replies", nil
	}
	return "", errors.New("the kind of the events is none of Open, Click and Reply")
}

func locate(key engagement.Key) (place, string, error) {
	at, err := placeOf(key.GrantID, key.MessageID, key.ThreadID)
	if err != nil {
		return place{}, "", err
	}
	column, err := stateColumn(key.Kind)
	return at, column, err
}

// Load returns the record of a key. It is one statement, which locks nothing.
func (s *Store) Load(ctx context.Context, key engagement.Key) (engagement.Record, error) {
	at, column, err := locate(key)
	if err != nil {
		return engagement.Record{}, failed(ctx, "load", err)
	}
	var record engagement.Record
	err = s.query(ctx, func() { record = engagement.Record{} },
		func(rows *sql.Rows) error { return rows.Scan(&record.State, &record.Withdrawn) },
		"SELECT "+column+", withdrawn FROM nylas_messages WHERE grant_id = ? AND message_id = ? AND thread_id = ?",
		at.grant, at.message, at.thread)
	return record, failed(ctx, "load", err)
}

// Update changes the record of a key. It holds a lock while fn runs: in PostgreSQL that of
// the message, in SQLite that of the whole database. So fn must be quick, and must not call
// the Store.
//
// If the database breaks off during the commit, Update returns an error, although the
// change may have been stored.
func (s *Store) Update(ctx context.Context, key engagement.Key, fn func(engagement.Record) (engagement.Addition, error)) error {
	at, column, err := locate(key)
	if err != nil {
		return failed(ctx, "update", err)
	}
	var refused error
	err = s.transact(ctx, func(conn *sql.Conn) error {
		row, err := s.lock(ctx, conn, at, column)
		if err != nil {
			return err
		}
		addition, err := fn(row.record)
		if err != nil {
			refused = err
			return err
		}
		return s.save(ctx, conn, column, row, addition)
	})
	if refused != nil {
		return refused
	}
	return failed(ctx, "update", err)
}

// lockedRow is a row of nylas_messages that nobody else can change meanwhile.
type lockedRow struct {
	id        int64
	record    engagement.Record
	label     string
	lastEvent int64
	activeAt  int64
}

// lock makes the row if it is missing. Where others are making it too, they wait here:
// a row that is not there cannot be locked.
func (s *Store) lock(ctx context.Context, conn *sql.Conn, at place, column string) (row lockedRow, err error) {
	now := time.Now().UnixMicro()
	err = conn.QueryRowContext(ctx, s.engine.numbered(`INSERT INTO nylas_messages (grant_id, message_id, thread_id, changed_at, version)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (grant_id, message_id, thread_id) DO UPDATE SET withdrawn = nylas_messages.withdrawn
		RETURNING id, `+column+`, withdrawn, label, last_event, active_at`),
		at.grant, at.message, at.thread, now, now).
		Scan(&row.id, &row.record.State, &row.record.Withdrawn, &row.label, &row.lastEvent, &row.activeAt)
	return row, err
}

// save stores what an Update adds: in PostgreSQL with one statement, for the sake of the
// way there and back, which SQLite does not have.
func (s *Store) save(ctx context.Context, conn *sql.Conn, column string, row lockedRow, addition engagement.Addition) error {
	if len(addition.Events) == 0 && bytes.Equal(addition.State, row.record.State) {
		return nil
	}
	now := time.Now().UnixMicro()
	for _, event := range addition.Events {
		row.lastEvent = max(row.lastEvent, eventTime(event, now))
		row.activeAt = row.lastEvent
		if row.label == "" {
			row.label = clean(event.Label)
		}
	}
	campaign, judgeAt := engagement.CampaignOf(row.label), now
	if row.activeAt == 0 { // there is no message to judge yet
		judgeAt = 0
	}
	update := "UPDATE nylas_messages SET " + column + ` = ?, label = ?, label_hash = ?, campaign = ?, campaign_hash = ?,
		last_event = ?, active_at = ?, changed_at = ?, judge_at = ?, version = version + 1 WHERE id = ?`
	args := []any{addition.State, row.label, hashOf(row.label), campaign, hashOf(campaign), row.lastEvent, row.activeAt, now, judgeAt, row.id}
	if len(addition.Events) > 0 {
		rows, err := s.encodeEvents(addition.Events, now)
		if err != nil {
			return err
		}
		insert := insertEvents(s.engine)
		if s.engine == PostgreSQL {
			update = "WITH added AS (" + insert + ") " + update
			args = append([]any{row.id, rows}, args...)
		} else if _, err := conn.ExecContext(ctx, insert, row.id, rows); err != nil {
			return err
		}
	}
	_, err := conn.ExecContext(ctx, s.engine.numbered(update), args...)
	return err
}

// hashOf stands for a label or a campaign in an index. Of a million, two have the same once
// in 37 million databases.
func hashOf(text string) int64 {
	hash := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(hash[:])) //nolint:gosec // any number will do
}
