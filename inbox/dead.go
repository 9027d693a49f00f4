package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/receive"
)

// DeadLetter is a delivery that was given up.
type DeadLetter struct {
	// Delivery is as it was received. If it cannot be decoded, its Err says why. Encoded as
	// JSON its Body is base64, so print string(Delivery.Body).
	Delivery *receive.Delivery
	// Attempts is how often it was handled; 0 if it could not be decoded.
	Attempts int
	// Err is the text of the last error, cut to 1 kB.
	Err string
	// DiedAt is when it was given up. It is kept for the retention from then on.
	DiedAt time.Time
}

// Dead lists the dead letters, those first that were accepted first. It reads in
// steps and sees what changes meanwhile; the Inbox may be used inside the loop. An
// error ends the list.
func (b *Inbox) Dead(ctx context.Context) iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) {
		type page struct {
			letters []*DeadLetter
			last    int64
		}
		for last := int64(0); ; {
			p, err := ask(ctx, &b.queue, func(s *store) (page, error) {
				letters, last, err := s.lettersAfter(last)
				return page{letters, last}, err
			})
			if err != nil {
				yield(nil, fmt.Errorf("inbox: list dead letters: %w", err))
				return
			}
			if len(p.letters) == 0 {
				return
			}
			last = p.last
			for _, letter := range p.letters {
				if !yield(letter, nil) {
					return
				}
			}
		}
	}
}

// Requeue makes dead letters due at once, with their attempts counted from 0. All
// of them or none; an id that is not among the dead letters is an error,
// [ErrNotDead]. It returns when the change is on the disk. Deliveries that come
// meanwhile wait for that one change, some seconds with 100,000 ids, which a receiver
// answers with 503: give at most some 10,000 at a time.
func (b *Inbox) Requeue(ctx context.Context, ids ...string) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	if len(ids) == 0 {
		return nil
	}
	if err := b.requeue(ctx, ids); err != nil {
		return fmt.Errorf("inbox: requeue: %w", err)
	}
	return nil
}

// requeue looks for the dead letters in steps, and changes all of them in one
// transaction: after an outage they can be all that came in a day, and whoever
// delivers waits for what the writer does at a time.
func (b *Inbox) requeue(ctx context.Context, ids []string) error {
	entries := make([]*entry, 0, len(ids))
	for some := range slices.Chunk(ids, stepRows) {
		found, err := ask(ctx, &b.queue, func(s *store) ([]*entry, error) { return b.deadEntries(s, some) })
		if err != nil {
			return err
		}
		entries = append(entries, found...)
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	_, err := ask(ctx, &b.queue, func(s *store) (struct{}, error) {
		err := s.revive(entries)
		if err == nil {
			b.revived(entries)
		}
		return struct{}{}, err
	})
	return err
}

func (b *Inbox) deadEntries(s *store, ids []string) (entries []*entry, err error) {
	for _, id := range ids {
		seq, d, err := s.deadLetter(id)
		if err != nil {
			return nil, err
		}
		if seq == 0 {
			return nil, fmt.Errorf("%w: %q", ErrNotDead, id)
		}
		entries = append(entries, &entry{seq: seq, key: b.key(d)})
	}
	return entries, nil
}

// revived makes deliveries known to the schedule, in the order of their acceptance.
func (b *Inbox) revived(entries []*entry) {
	now := time.Now()
	b.schedule.mu.Lock()
	defer b.schedule.mu.Unlock()
	for _, e := range entries {
		if e.due = now; !b.schedule.behind || e.seq <= b.schedule.read { // if not, it is read with those around it
			b.schedule.admit(e, now)
		}
	}
	b.schedule.changed.Broadcast()
}

// ErrNotDead means that no dead letter has the id.
var ErrNotDead = errors.New("inbox: no dead letter has this id")
