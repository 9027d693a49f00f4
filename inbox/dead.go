package inbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	nylas "github.com/nylastrack/nylas-go"
)

// DeadLetter is a delivery that was given up.
type DeadLetter struct {
	Delivery *nylas.Delivery
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
// [ErrNotDead]. It returns when the change is on the disk.
func (b *Inbox) Requeue(ctx context.Context, ids ...string) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	if len(ids) == 0 {
		return nil
	}
	_, err := ask(ctx, &b.queue, func(s *store) (struct{}, error) {
		seqs, err := s.revive(ids)
		if err == nil {
			b.revived(s, seqs)
		}
		return struct{}{}, err
	})
	if err != nil {
		return fmt.Errorf("inbox: requeue: %w", err)
	}
	return nil
}

// revived makes deliveries known to the schedule, in the order of their acceptance.
func (b *Inbox) revived(s *store, seqs []int64) {
	now := time.Now()
	slices.Sort(seqs)
	for _, seq := range seqs {
		e := &entry{seq: seq, due: now}
		if b.config.order != nil {
			if d, err := s.read(seq); err == nil && d != nil {
				e.key = b.key(d)
			}
		}
		b.schedule.mu.Lock()
		if !b.schedule.behind || seq <= b.schedule.read { // if not, it is read with those around it
			b.schedule.admit(e, now)
			b.schedule.changed.Broadcast()
		}
		b.schedule.mu.Unlock()
	}
}

// ErrNotDead means that no dead letter has the id.
var ErrNotDead = errors.New("inbox: no dead letter has this id")
