package inbox

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// Selection says what [Inbox.Replay] takes. A field with its zero value takes everything.
type Selection struct {
	// From and To bound the time when the handler returned nil: not before From, and before
	// To.
	From, To time.Time
	// Types are the triggers.
	Types []events.Type
	// MessageID is the id of the tracked message.
	MessageID string
}

func (c *Selection) takes(d *receive.Delivery) bool {
	if len(c.Types) > 0 && !slices.Contains(c.Types, d.Type) {
		return false
	}
	if c.MessageID == "" {
		return true
	}
	n, err := d.Parse()
	return err == nil && slices.ContainsFunc(n.Tracked(), func(t events.Tracked) bool { return t.MessageID == c.MessageID })
}

// Replay has deliveries handled again that were handled before, as after a bug in a handler,
// and returns how many. It needs [WithHistory]. They are due at once, with their attempts
// counted from 0, and keep their ids and ReceivedAt: a handler that drops duplicates drops
// them.
//
// Replay works in steps. After an error, or when ctx is done, those that it counted are
// replayed and the others are not; calling it again takes the others and what was handled
// since, unless To excludes that.
func (b *Inbox) Replay(ctx context.Context, which Selection) (count int, err error) {
	if b.config.history == 0 {
		return 0, errors.New("inbox: replay: nothing is kept of what was handled: open the inbox with WithHistory")
	}
	if which.To.IsZero() {
		which.To = time.Now() // and not what this call has handled again
	}
	type step struct {
		count int
		last  int64
		more  bool
	}
	for next := (step{more: true}); next.more; {
		next, err = ask(ctx, &b.queue, func(s *store) (step, error) {
			entries, last, more, err := b.replayable(s, next.last, &which)
			if err != nil || len(entries) == 0 {
				return step{0, last, more}, err
			}
			if err := s.commit(func() error {
				_, err := s.putBack("handled", entries)
				return err
			}); err != nil {
				return step{}, err
			}
			b.revived(entries)
			return step{len(entries), last, more}, nil
		})
		count += next.count
		if err != nil {
			return count, fmt.Errorf("inbox: replay: %w", err)
		}
	}
	return count, nil
}

// replayable reads some of what was handled after a seq.
func (b *Inbox) replayable(s *store, after int64, which *Selection) (entries []*entry, last int64, more bool, err error) {
	last = after
	rows, size := 0, 0
	err = s.db.query(func(values []driver.Value) bool {
		last = integer(values[0])
		d := rebuild(values[1:5])
		if which.takes(d) {
			entries = append(entries, &entry{seq: last, key: b.key(d)})
		}
		rows++
		size += len(d.Body)
		more = size >= stepBytes || rows == stepRows
		return !more
	}, "SELECT seq, id, received, body, reason FROM handled WHERE seq > ? AND at >= ? AND at < ? ORDER BY seq",
		after, nanoseconds(which.From, time.Unix(0, 0)), nanoseconds(which.To, time.Now()))
	return entries, last, more, explain(err)
}
