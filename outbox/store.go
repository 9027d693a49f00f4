package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite" // the driver

	"github.com/nylastrack/nylas-go/internal/links"
)

// The marks of a file of this package: https://www.sqlite.org/pragma.html#pragma_application_id.
const (
	applicationID = 0x4e794f75 // "NyOu"
	schemaVersion = 1
)

// Times are nanoseconds since 1970. A round is the attempts with one
// Idempotency-Key: when nothing is in doubt, Nylas could still answer from memory under the one
// before, so the next attempt begins another round. round is the number of its first attempt, first
// when that was, and doubts how many of its attempts have an unknown outcome. last is when the last
// attempt was, next when there is something to do. The suppression list is a
// table of its own because it outlives the mails and has addresses that no mail has.
const schema = `CREATE TABLE mails (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, grant_id TEXT NOT NULL, address TEXT NOT NULL,
	label TEXT NOT NULL, digest BLOB NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, round INTEGER NOT NULL, first INTEGER NOT NULL,
	last INTEGER NOT NULL, attempts INTEGER NOT NULL, doubts INTEGER NOT NULL, next INTEGER NOT NULL, message_id TEXT NOT NULL,
	reason TEXT NOT NULL, twice INTEGER NOT NULL);
CREATE INDEX mails_next ON mails (next);
CREATE INDEX mails_state ON mails (state, twice);
CREATE TABLE suppressed (address TEXT PRIMARY KEY, reason TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;`

// never is the next of a mail with which there is nothing to do.
const never = math.MaxInt64

// mail is a row.
type mail struct {
	Mail
	id, first, last, next int64
	address, request      string
	digest                []byte
	round, doubts         int
}

const columns = "id, key, grant_id, address, label, digest, request, state, round, first, last, attempts, doubts, next, message_id, reason, twice"

func (m *mail) scan(row interface{ Scan(...any) error }) error {
	err := row.Scan(&m.id, &m.Key, &m.GrantID, &m.address, &m.Label, &m.digest, &m.request, &m.State, &m.round, &m.first, &m.last,
		&m.Attempts, &m.doubts, &m.next, &m.MessageID, &m.Reason, &m.SecondMailPossible)
	m.setNext(m.next)
	return err
}

func (m *mail) setNext(next int64) {
	m.next, m.NextAt = next, time.Time{}
	if next != 0 && next != never {
		m.NextAt = time.Unix(0, next)
	}
}

// idempotencyKey is the mail's own key in its first round, and then one that
// no mail has, because it has an @.
func (m *mail) idempotencyKey() string {
	if m.round <= 1 {
		return m.Key
	}
	return fmt.Sprintf("%s@%d", m.Key, m.round)
}

// openFile takes the lock of the file and then opens it. The file of the lock stays: removing
// it would let two processes lock two files of one name.
func openFile(path string) (_ *sql.DB, _ *flock.Flock, err error) {
	file, err := links.Follow(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("its directory does not exist, make it first: %w", err)
	} else if err != nil {
		return nil, nil, err
	}
	lock := flock.New(file+".lock", flock.SetPermissions(0o600))
	if locked, err := lock.TryLock(); err != nil {
		return nil, nil, fmt.Errorf("lock: %w", err)
	} else if !locked {
		return nil, nil, ErrInUse
	}
	defer func() {
		if err != nil {
			_ = lock.Unlock()
		}
	}()
	// SQLite would make it readable for others, and gives what it makes beside it this mode.
	empty, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := empty.Close(); err != nil {
		return nil, nil, err
	}
	slashed := filepath.ToSlash(file)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/...
	}
	// FULL is the promise: a commit waits for the disk. fullfsync makes macOS do that.
	dsn := url.URL{Scheme: "file", Path: slashed, RawQuery: "_txlock=immediate&_pragma=synchronous(FULL)&_pragma=fullfsync(1)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer at a time
	if err := setUp(db); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, lock, nil
}

func setUp(db *sql.DB) error {
	ctx := context.Background()
	var tables, id, version int64
	if err := db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM sqlite_schema), application_id, user_version FROM pragma_application_id, pragma_user_version").
		Scan(&tables, &id, &version); err != nil {
		return err
	}
	if id != applicationID && tables+id+version > 0 {
		return errors.New("the file is a database of something else: give the outbox a file of its own")
	}
	if version > schemaVersion {
		return fmt.Errorf("a later version of this package wrote the file (format %d, this one knows %d): use that version", version, schemaVersion)
	}
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode=WAL"); err != nil || version == schemaVersion {
		return err
	}
	_, err := db.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", schema, applicationID, schemaVersion))
	return err
}

// insert stores all mails or none. It has no effect on those that are there with the same content.
func (o *Outbox) insert(ctx context.Context, mails []*mail) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has no effect after Commit
	for _, m := range mails {
		if _, err := tx.ExecContext(ctx, "INSERT INTO mails ("+columns+") VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, '', '', 0) ON CONFLICT (key) DO NOTHING",
			m.Key, m.GrantID, m.address, m.Label, m.digest, m.request, Waiting); err != nil {
			return err
		}
		var same bool
		if err := tx.QueryRowContext(ctx, "SELECT digest = ? FROM mails WHERE key = ?", m.digest, m.Key).Scan(&same); err != nil {
			return err
		} else if !same {
			return ErrKeyUsed
		}
	}
	return tx.Commit()
}

// recover makes what was under way when the process ended unknown, and what was given up or
// stopped due.
func (o *Outbox) recover(ctx context.Context) error {
	_, err := o.db.ExecContext(ctx, `UPDATE mails SET doubts = doubts + (state = 'sending'), reason = iif(state = 'sending', ?, reason),
		next = iif(state = 'sending', last + ?, 0), state = iif(state = 'sending', 'unknown', state)
		WHERE state = 'sending' OR next = ? AND state IN ('unknown', 'waiting')`, reasonKilled, int64(o.lookAfter), int64(never))
	return err
}

// claim returns a mail that is due, or nil and when the next one is. No other worker gets it until
// it is saved with another next. One that waited is marked as being sent, because its request may
// go out, or as suppressed. One that is unknown is to be looked for.
func (r *run) claim(ctx context.Context) (_ *mail, wake int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, now := new(mail), time.Now()
	err = m.scan(r.db.QueryRowContext(ctx, "SELECT "+columns+" FROM mails WHERE next < ? ORDER BY next, id LIMIT 1", int64(never)))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, never, nil
	case err != nil || m.next > now.UnixNano():
		return nil, m.next, err
	case m.State == Unknown:
		m.setNext(never)
	default:
		err = r.prepare(ctx, m, now)
	}
	if err == nil {
		err = r.write(context.WithoutCancel(ctx), m)
	}
	return m, 0, err
}

// prepare marks a mail as being sent, or not to be sent to a suppressed address.
func (o *Outbox) prepare(ctx context.Context, m *mail, now time.Time) error {
	m.setNext(never)
	var reason string
	err := o.db.QueryRowContext(ctx, "SELECT reason FROM suppressed WHERE address = ?", m.address).Scan(&reason)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		m.State, m.Reason, m.last = Sending, "", now.UnixNano()
		m.Attempts++
		if m.doubts == 0 {
			m.first, m.round = m.last, m.Attempts
		}
		return nil
	case m.doubts == 0:
		m.State, m.Reason = Suppressed, reason
	default: // nobody can take back what may have been sent
		m.Reason = "it may have been sent, and is not sent again: its address is suppressed, " + reason
	}
	return err
}

// write writes what can change of a mail.
func (o *Outbox) write(ctx context.Context, m *mail) error {
	if m.State == Sent {
		m.request = ""
	}
	_, err := o.db.ExecContext(ctx, `UPDATE mails SET request = ?, state = ?, first = ?, last = ?, attempts = ?, doubts = ?, next = ?,
		message_id = ?, reason = ?, twice = ?, round = ? WHERE id = ?`, m.request, m.State, m.first, m.last,
		m.Attempts, m.doubts, m.next, m.MessageID, m.Reason, m.SecondMailPossible, m.round, m.id)
	return err
}

// Progress counts the mails by their state.
func (o *Outbox) Progress(ctx context.Context) (c Counts, err error) {
	err = o.db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'sending'),
		count(*) FILTER (WHERE state = 'unknown'), count(*) FILTER (WHERE state = 'sent'), count(*) FILTER (WHERE state = 'failed'),
		count(*) FILTER (WHERE state = 'suppressed'), count(*) FILTER (WHERE twice) FROM mails`).
		Scan(&c.Waiting, &c.Sending, &c.Unknown, &c.Sent, &c.Failed, &c.Suppressed, &c.SecondMailPossible)
	return c, wrap("count", err)
}

// Mails lists the mails in the order of their addition: those in one of the states, or all if
// none is given. The Outbox may be used inside the loop. An error ends the list.
func (o *Outbox) Mails(ctx context.Context, states ...State) iter.Seq2[Mail, error] {
	return func(yield func(Mail, error) bool) {
		for m := new(mail); ; { // one query for each, so that none is open inside the loop
			err := m.scan(o.db.QueryRowContext(ctx, "SELECT "+columns+" FROM mails WHERE id > ? ORDER BY id LIMIT 1", m.id))
			if errors.Is(err, sql.ErrNoRows) {
				return
			} else if err != nil {
				yield(Mail{}, wrap("list", err))
				return
			}
			if (len(states) == 0 || slices.Contains(states, m.State)) && !yield(m.Mail, nil) {
				return
			}
		}
	}
}

// wrap says what failed.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("outbox: %s: %w", what, err)
}
