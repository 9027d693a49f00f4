package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Withdrawal names the mail of a person who withdrew their consent.
type Withdrawal struct {
	GrantID    string
	MessageIDs []string
	// ThreadIDs are their threads. Without them, replies are still stored if their
	// notification names the thread only.
	ThreadIDs []string
	// DeleteEvents also deletes the events that are stored.
	DeleteEvents bool
}

// Withdraw makes the Store drop all later events of messages, for ever: the pixel of a mail
// goes on reporting opens. Messages that are unknown so far are remembered too. Once it has
// returned, no event of them is stored any more, in any process. With DeleteEvents, the time of
// their last event is forgotten too.
//
// What [Store.SetSent] stored of the messages stays until [Store.DeleteMessages]. With
// DeleteEvents, what the events came to goes too: the message has no Outcome until
// [Store.Judge] finds that it has no events, and its campaign does not count it before. A
// message that SetSent did not store is in no list and no campaign any more.
func (s *Store) Withdraw(ctx context.Context, w Withdrawal) error {
	var places []place
	for i, id := range slices.Concat(w.MessageIDs, w.ThreadIDs) {
		message, thread := id, ""
		if i >= len(w.MessageIDs) {
			message, thread = "", id
		}
		at, err := placeOf(w.GrantID, message, thread)
		if err != nil {
			return failed(ctx, "withdraw", err)
		}
		places = append(places, at)
	}
	return failed(ctx, "withdraw", s.repeat(ctx, func(conn *sql.Conn) error {
		campaigns := changes{}
		for _, at := range places {
			if err := s.withdraw(ctx, conn, at, w.DeleteEvents, campaigns); err != nil {
				return err
			}
		}
		return campaigns.write(ctx, s, conn)
	}))
}

func (s *Store) withdraw(ctx context.Context, conn *sql.Conn, at place, deleteEvents bool, campaigns changes) error {
	now := time.Now().UnixMicro()
	var id int64
	var outcome string
	if err := conn.QueryRowContext(ctx, s.engine.numbered(`INSERT INTO nylas_messages (grant_id, message_id, thread_id, withdrawn, changed_at, version)
		VALUES (?, ?, ?, TRUE, ?, ?) ON CONFLICT (grant_id, message_id, thread_id) DO UPDATE SET withdrawn = TRUE, version = nylas_messages.version + 1
		RETURNING id, outcome`), at.grant, at.message, at.thread, now, now).Scan(&id, &outcome); err != nil || !deleteEvents {
		return err
	}
	if err := campaigns.forget(outcome, at.message); err != nil {
		return err
	}
	if _, err := s.execIn(ctx, conn, forgetLastEvent+" WHERE id = ?", id); err != nil {
		return err
	}
	if _, err := s.execIn(ctx, conn, `UPDATE nylas_messages SET state = -1, rules = '', outcome = '', judged_seq = 0, base = '', base_seq = 0,
		judge_at = CASE WHEN active_at > 0 THEN CAST(? AS bigint) ELSE 0 END WHERE id = ?`, now, id); err != nil {
		return err
	}
	_, err := s.execIn(ctx, conn, "DELETE FROM nylas_events WHERE message = ?", id)
	return err
}

const (
	// MinKnown is how long an event stays known at least: the same event can come again
	// with each notification of its message, and mail is read weeks after it was sent.
	MinKnown = 60 * 24 * time.Hour
	// sweepStep is how many messages one transaction looks at, so that others need not wait
	// long. It is our choice: with 10 events each, these are 2,000 events.
	sweepStep = 200
)

// forgetLastEvent begins an update of messages that have no events any more: their last time is
// personal data too. What was sent moves to where it was sent, and the rest is in no page.
const forgetLastEvent = "UPDATE nylas_messages SET last_event = 0, active_at = CASE WHEN NOT sent THEN 0 WHEN sent_at > 0 THEN sent_at ELSE changed_at END"

// DeleteEvents deletes the events that took place before a time, and returns how many. An
// event that is deleted stays known: it is not stored again when it comes again. A message all
// of whose events are deleted has no [Message.LastEvent] any more; [Store.Messages] returns it
// if [Store.SetSent] stored it.
//
// What deleted events came to stays: the Outcome of a message is kept as it was judged
// last, and [Store.Judge] adds what later events came to. Events that nobody has judged
// before they are deleted count for nothing.
func (s *Store) DeleteEvents(ctx context.Context, before time.Time) (int64, error) {
	deleted, err := s.sweep(ctx, func(conn *sql.Conn, after, last int64) (int64, error) {
		// The first statement locks the rows, so that no event can be added meanwhile. The
		// version tells a Judge that has read the events already.
		if _, err := s.execIn(ctx, conn, `UPDATE nylas_messages SET base = outcome, base_seq = judged_seq, version = version + 1
			WHERE id > ? AND id <= ? AND EXISTS (SELECT 1 FROM nylas_events WHERE message = nylas_messages.id AND at < ?)`,
			after, last, before.UnixMicro()); err != nil {
			return 0, err
		}
		if _, err := s.execIn(ctx, conn, forgetLastEvent+" WHERE id > ? AND id <= ? AND last_event > 0 AND last_event < ?", after, last, before.UnixMicro()); err != nil {
			return 0, err
		}
		return s.execIn(ctx, conn, "DELETE FROM nylas_events WHERE message > ? AND message <= ? AND at < ?", after, last, before.UnixMicro())
	})
	return deleted, failed(ctx, "delete events", err)
}

// DeleteMessages deletes what is stored of the messages to which nothing has been added
// since a time: what was sent, their events, and which events are known. It returns how
// many messages that were. The time must be at least [MinKnown] ago.
//
// Of messages whose consent was withdrawn the ids stay, so that later events are still
// dropped.
func (s *Store) DeleteMessages(ctx context.Context, before time.Time) (int64, error) {
	if time.Since(before) < MinKnown {
		return 0, failed(ctx, "delete messages", fmt.Errorf("the time must be at least %d days ago, because events stay known that long", MinKnown/(24*time.Hour)))
	}
	deleted, err := s.sweep(ctx, func(conn *sql.Conn, after, last int64) (int64, error) {
		// The first statement locks the rows, so that no event can be added to one that is
		// going, and marks them with a changed_at of 0.
		gone, err := s.outcomesIn(ctx, conn, `UPDATE nylas_messages SET changed_at = 0, version = version + 1
			WHERE id > ? AND id <= ? AND changed_at > 0 AND changed_at < ? RETURNING message_id, outcome`, after, last, before.UnixMicro())
		if err != nil || len(gone) == 0 {
			return 0, err
		}
		campaigns := changes{}
		for _, row := range gone {
			if err := campaigns.forget(row.outcome, row.messageID); err != nil {
				return 0, err
			}
		}
		for _, statement := range []string{
			"DELETE FROM nylas_events WHERE message IN (SELECT id FROM nylas_messages WHERE id > ? AND id <= ? AND changed_at = 0)",
			"DELETE FROM nylas_messages WHERE id > ? AND id <= ? AND changed_at = 0 AND NOT withdrawn",
			`UPDATE nylas_messages SET sent = FALSE, label = '', label_hash = 0, campaign = '', campaign_hash = 0, subject = '', sent_at = 0,
				recipients = 0, links = 'null', delivery = '', last_event = 0, active_at = 0, opens = NULL, clicks = NULL, replies = NULL,
				judge_at = 0, state = -1, rules = '', outcome = '', judged_seq = 0, base = '', base_seq = 0
				WHERE id > ? AND id <= ? AND changed_at = 0`,
		} {
			if _, err := s.execIn(ctx, conn, statement, after, last); err != nil {
				return 0, err
			}
		}
		return int64(len(gone)), campaigns.write(ctx, s, conn)
	})
	return deleted, failed(ctx, "delete messages", err)
}

// sweep calls step for all messages, a few at a time: those with an id above after, up to
// last. Each step is a transaction, and is repeated if it has to be. sweep returns the sum of
// what the steps return.
func (s *Store) sweep(ctx context.Context, step func(conn *sql.Conn, after, last int64) (int64, error)) (total int64, err error) {
	for after := int64(0); ; {
		var last sql.NullInt64
		if err := s.query(ctx, func() {}, func(rows *sql.Rows) error { return rows.Scan(&last) },
			"SELECT max(id) FROM (SELECT id FROM nylas_messages WHERE id > ? ORDER BY id LIMIT "+strconv.Itoa(sweepStep)+") AS step", after); err != nil {
			return total, err
		}
		if !last.Valid {
			return total, nil
		}
		var done int64
		if err := s.repeat(ctx, func(conn *sql.Conn) (err error) {
			done, err = step(conn, after, last.Int64)
			return err
		}); err != nil {
			return total, err
		}
		total += done
		after = last.Int64
	}
}

type goneRow struct{ messageID, outcome string }

func (s *Store) outcomesIn(ctx context.Context, conn *sql.Conn, statement string, args ...any) (gone []goneRow, err error) {
	rows, err := conn.QueryContext(ctx, s.engine.numbered(statement), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says what failed
	for rows.Next() {
		var row goneRow
		if err := rows.Scan(&row.messageID, &row.outcome); err != nil {
			return nil, err
		}
		gone = append(gone, row)
	}
	return gone, rows.Err()
}

// execIn runs a statement in a transaction, and returns how many rows it changed.
func (s *Store) execIn(ctx context.Context, conn *sql.Conn, statement string, args ...any) (int64, error) {
	result, err := conn.ExecContext(ctx, s.engine.numbered(statement), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
