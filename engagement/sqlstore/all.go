package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// AllMessages returns all messages of a query, each once, in the order that [Store.Messages]
// has when the loop begins. It is complete as of then: a message that gets an event or another
// outcome meanwhile comes too, as it is by then. Messages that are deleted meanwhile do not
// come, nor new ones.
//
// It locks nothing. It keeps 8 bytes for each message, and one page of messages. Search looks
// at all messages, which takes a second or so for a million. After and Limit must be empty. An
// error ends the loop.
func (s *Store) AllMessages(ctx context.Context, q MessageQuery) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := s.eachMessage(ctx, q, func(m Message) bool { return yield(m, nil) }); err != nil {
			yield(Message{}, failed(ctx, "all messages", err))
		}
	}
}

// eachMessage returns nil if yield ended it.
func (s *Store) eachMessage(ctx context.Context, q MessageQuery, yield func(Message) bool) error {
	if q.After != "" || q.Limit != 0 {
		return fmt.Errorf("%w: AllMessages has no pages: leave After and Limit out", ErrQuery)
	}
	if err := q.check(); err != nil {
		return err
	}
	named, err := s.named(ctx, q)
	if err != nil {
		return err
	}
	for _, m := range named {
		if !yield(m) {
			return nil
		}
	}
	if len(named) > 0 {
		return nil
	}
	ids, err := s.listedIDs(ctx, q)
	if err != nil {
		return err
	}
	for step := range slices.Chunk(ids, MaxPage) {
		messages, err := s.messagesOf(ctx, step)
		if err != nil {
			return err
		}
		for _, id := range step {
			// SQLite gives an id again once its row is deleted, perhaps to another grant.
			m, found := messages[id]
			if found && (q.GrantID == "" || clean(q.GrantID) == m.GrantID) && !yield(m) {
				return nil
			}
		}
	}
	return nil
}

// listedIDs returns the ids of the rows of all messages of a query, at one moment.
func (s *Store) listedIDs(ctx context.Context, q MessageQuery) (ids []int64, err error) {
	list, args := s.list(q, firstPage, "")
	statement := "SELECT id FROM (" + list + ") AS listed"
	if q.Search != "" {
		statement = "SELECT id FROM nylas_messages WHERE id IN (" + statement + ") AND " + s.hit()
		args = append(args, clean(q.Search))
	}
	err = s.query(ctx, func() { ids = nil }, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, statement+newestFirst, args...)
	return ids, err
}

// messagesOf returns messages by the ids of their rows.
func (s *Store) messagesOf(ctx context.Context, ids []int64) (messages map[int64]Message, err error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	err = s.query(ctx, func() { messages = make(map[int64]Message, len(ids)) }, func(rows *sql.Rows) error {
		message, at, err := scanMessage(rows)
		messages[at.id] = message
		return err
	}, "SELECT "+messageColumns+" FROM nylas_messages WHERE active_at > 0 AND id IN "+s.engine.listed(), string(list))
	return messages, err
}
