package inbox

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Stats is a picture of an Inbox.
type Stats struct {
	// Pending counts what waits to be handled, Running included. Running counts what
	// handlers are working on, or have finished and is not yet marked in the file.
	Pending, Running int64
	// Retrying counts those of Pending that have failed before.
	Retrying int64
	// Dead counts the dead letters, Done the ids that are remembered of what was
	// handled.
	Dead, Done int64
	// Oldest is the ReceivedAt of the oldest pending delivery; zero if there is none.
	// time.Since(Oldest) is what to watch.
	Oldest time.Time
	// AcceptedPerSecond and HandledPerSecond are averages over the last minute.
	AcceptedPerSecond, HandledPerSecond float64
	// Bytes is the size of the file with what belongs to it.
	Bytes int64
	// Damage is nil, or says what was found to be wrong with the file while it was open; it
	// is an [ErrCorrupt]. From then on HandleDelivery returns it, and Oldest may be zero.
	Damage error
}

// Stats looks at the Inbox. It is cheap.
func (b *Inbox) Stats(ctx context.Context) (Stats, error) {
	type answer struct {
		oldest time.Time
		bytes  int64
		damage error
	}
	a, err := ask(ctx, &b.queue, func(s *store) (answer, error) {
		_ = s.untouched() // for those that nobody delivers to
		oldest, err := s.oldest()
		if s.db.damage != nil {
			err = nil
		}
		b.copyTotals(s)
		return answer{oldest, s.bytes(), s.db.damage}, err
	})
	if err != nil {
		return Stats{}, fmt.Errorf("inbox: stats: %w", err)
	}
	t := b.totals.Load()
	stats := Stats{Pending: t.pending, Dead: t.dead, Done: t.known - t.pending - t.dead, Oldest: a.oldest, Bytes: a.bytes, Damage: a.damage}
	stats.AcceptedPerSecond, stats.HandledPerSecond = b.rates.perSecond(time.Now())
	b.schedule.mu.Lock()
	defer b.schedule.mu.Unlock()
	stats.Running, stats.Retrying = int64(b.schedule.running), b.schedule.retrying
	return stats, nil
}

func (b *Inbox) copyTotals(s *store) {
	t := s.totals
	b.totals.Store(&t)
}

// rates counts what happened in each of the last seconds.
type rates struct {
	mu      sync.Mutex
	seconds [rateSeconds]struct {
		second            int64 // unix
		accepted, handled int
	}
}

const rateSeconds = 60

func (r *rates) count(now time.Time, accepted, handled int) {
	second := now.Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := &r.seconds[uint64(second)%rateSeconds]
	if slot.second != second {
		slot.second, slot.accepted, slot.handled = second, 0, 0
	}
	slot.accepted += accepted
	slot.handled += handled
}

func (r *rates) perSecond(now time.Time) (accepted, handled float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, slot := range r.seconds {
		if age := now.Unix() - slot.second; age >= 0 && age < rateSeconds {
			accepted += float64(slot.accepted)
			handled += float64(slot.handled)
		}
	}
	return accepted / rateSeconds, handled / rateSeconds
}
