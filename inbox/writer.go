package inbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nylastrack/nylas-go/internal/telemetry"
)

const (
	// maxDiskFailures is after how many rows that failed one by one the disk is to
	// blame.
	maxDiskFailures = 3
	// The wait before marks that could not be written are tried again.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// write is the goroutine that owns the file. Whatever it does it does in steps, so
// that those who wait for the disk do not wait for anything else.
func (b *Inbox) write(s *store) {
	defer close(b.ended)
	interval := sweepInterval(b.config.retention)
	sweeping := time.NewTimer(0)
	defer sweeping.Stop()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	var current *sweep
	// What could not be marked is tried again by itself, so that it does not make
	// others fail.
	var unmarked []*verdict
	wait := firstRetry
	armed := false
	arm := func() {
		if !armed {
			armed = true
			retry.Reset(wait)
		}
	}
	for {
		var again []*verdict
		select {
		case <-b.queue.wake:
		case <-retry.C:
			armed = false
			again, unmarked = unmarked, nil
		case <-sweeping.C:
			sweeping.Reset(interval)
			if current == nil && s.moving == nil {
				var jumped bool
				if current, jumped = b.startSweep(s); jumped {
					sweeping.Reset(min(interval, confirmInterval))
				}
				b.queue.signal()
			}
		}
		g, calls, last := b.queue.next()
		for _, call := range calls {
			call(s)
		}
		left, _ := b.store(s, g)
		unmarked = append(unmarked, left...)
		if last { // those that are left are handled once more, after the next Open
			left, err := b.store(s, group{verdicts: unmarked})
			if len(left) == 0 {
				err = nil
			}
			b.closeErr = errors.Join(err, s.close())
			return
		}
		if left, _ := b.store(s, group{verdicts: again}); len(left) > 0 {
			unmarked = append(unmarked, left...)
			wait = min(2*wait, lastRetry)
		} else if len(again) > 0 {
			wait = firstRetry
		}
		if len(unmarked) > 0 {
			arm()
		}
		if !b.readOn(s) && s.db.damage == nil {
			arm()
		}
		// One of the two at a time: both remove recent ids.
		switch {
		case current != nil && b.sweepOn(s, current):
			b.queue.signal()
		case current != nil:
			current = nil
			b.queue.signal()
		default:
			if more, err := s.moveIDs(); err != nil {
				b.storeFailed(err)
				arm()
			} else if more {
				b.queue.signal()
			}
		}
		b.noteDamage(s)
		b.copyTotals(s)
	}
}

// store writes a group and tells those who wait for it. It returns the verdicts
// that could not be written, and why.
func (b *Inbox) store(s *store, g group) ([]*verdict, error) {
	g.waiters = leaveOut(g.waiters)
	if len(g.waiters) == 0 && len(g.verdicts) == 0 {
		return nil, nil
	}
	err := b.commit(s, g)
	if err == nil {
		return nil, nil
	}
	b.storeFailed(err)
	// One row can be to blame, or the size of all of them together.
	if len(g.waiters) == 0 || len(g.verdicts) == 0 {
		return b.split(s, g, err, new(int)), err
	}
	var unmarked []*verdict
	diskFailures := 0
	for _, part := range []group{{verdicts: g.verdicts}, {waiters: g.waiters}} {
		if err := b.commit(s, part); err != nil {
			unmarked = append(unmarked, b.split(s, part, err, &diskFailures)...)
		}
	}
	return unmarked, err
}

// split writes a group that failed with err in halves. Those rows that fail alone
// are told so; verdicts are returned. After some that failed because of the disk it
// gives the rest up.
func (b *Inbox) split(s *store, g group, err error, diskFailures *int) (unmarked []*verdict) {
	n := len(g.waiters) + len(g.verdicts)
	if n == 1 && ofDisk(err) {
		*diskFailures++
	}
	if n == 1 || *diskFailures >= maxDiskFailures {
		for _, w := range g.waiters {
			w.result <- storeError(err)
		}
		return g.verdicts
	}
	waiters, verdicts := len(g.waiters)/2, len(g.verdicts)/2
	for _, half := range []group{{g.waiters[:waiters], g.verdicts[:verdicts]}, {g.waiters[waiters:], g.verdicts[verdicts:]}} {
		if *diskFailures < maxDiskFailures {
			err = b.commit(s, half)
		}
		if err != nil {
			unmarked = append(unmarked, b.split(s, half, err, diskFailures)...)
		} else {
			*diskFailures = 0
		}
	}
	return unmarked
}

// leaveOut drops those whose callers are gone.
func leaveOut(waiters []*waiter) []*waiter {
	here := waiters[:0:0]
	for _, w := range waiters {
		if w.ctx.Err() != nil {
			w.result <- context.Cause(w.ctx)
			continue
		}
		here = append(here, w)
	}
	return here
}

// commit writes a group, and when it is on the disk tells everybody.
func (b *Inbox) commit(s *store, g group) error {
	if len(g.waiters) > 0 && s.db.damage != nil {
		return s.db.damage
	}
	intakes := make([]*intake, len(g.waiters))
	for i, w := range g.waiters {
		intakes[i] = &w.intake
	}
	if err := b.commitTo(s, func() error {
		if err := s.add(intakes); err != nil {
			return err
		}
		return s.mark(g.verdicts)
	}); err != nil {
		return err
	}
	b.copyTotals(s)
	now := time.Now()
	accepted, handled := 0, 0
	b.schedule.mu.Lock()
	for _, w := range g.waiters {
		if !w.fresh {
			continue
		}
		accepted++
		if w.delivery.Err == nil {
			b.schedule.offer(&entry{seq: w.seq, key: w.key, delivery: w.delivery, due: now})
		}
	}
	for _, v := range g.verdicts {
		if v.kind == done {
			handled++
		}
		b.schedule.settled(v)
	}
	if len(g.verdicts) > 0 {
		b.schedule.changed.Broadcast()
	}
	b.schedule.mu.Unlock()
	b.rates.count(now, accepted, handled)
	for _, w := range g.waiters {
		w.result <- nil
	}
	for _, v := range g.verdicts {
		if v.told != nil {
			v.told()
		}
	}
	return nil
}

// commitTo does work in a transaction, and notes what became of it.
func (b *Inbox) commitTo(s *store, work func() error) error {
	err := s.commit(work)
	b.written.at, b.written.err = time.Now(), err
	if err == nil {
		b.storeWorks()
	}
	return err
}

// readOn brings the next deliveries from the file into the schedule, if it wants
// more and somebody handles them. It returns false if that failed.
func (b *Inbox) readOn(s *store) bool {
	b.schedule.mu.Lock()
	after, wanted := b.schedule.read, b.schedule.reading && b.schedule.wantsMore()
	b.schedule.reading = false
	b.schedule.mu.Unlock()
	if !wanted {
		return true
	}
	entries, more, err := s.load(after)
	if err != nil {
		b.storeFailed(err)
		b.schedule.mu.Lock()
		defer b.schedule.mu.Unlock()
		b.schedule.reading = true
		return false
	}
	now := time.Now()
	for _, e := range entries {
		e.key = b.key(e.delivery)
	}
	b.schedule.mu.Lock()
	defer b.schedule.mu.Unlock()
	for _, e := range entries {
		e.due = now
		if failure, ok := b.schedule.failures[e.seq]; ok {
			delete(b.schedule.failures, e.seq)
			e.attempts = failure.attempts
			// A clock that was wrong must not keep a delivery back for ever.
			if e.due = failure.due; e.due.After(now.Add(2 * b.config.maxBackoff)) {
				e.due = now.Add(b.config.maxBackoff)
			}
		}
		b.schedule.read = e.seq
		b.schedule.admit(e, now)
	}
	if !more {
		b.schedule.behind = false
		b.schedule.read = s.seq
	}
	b.schedule.changed.Broadcast()
	return true
}

func (b *Inbox) startSweep(s *store) (w *sweep, jumped bool) {
	w, jumped, err := s.beginSweep(b.config.retention)
	if err != nil {
		b.storeFailed(err)
		return nil, false
	}
	return w, jumped
}

// sweepOn does a step, and tells whether there is another.
func (b *Inbox) sweepOn(s *store, w *sweep) bool {
	more, letters, err := w.step(s)
	if err != nil {
		b.storeFailed(err)
		return false
	}
	if letters > 0 {
		b.config.logger.LogAttrs(context.Background(), slog.LevelWarn, "inbox: dead letters over the retention were removed",
			slog.Int64(telemetry.LogCount, letters))
		if b.config.hooks.Expired != nil {
			b.config.hooks.Expired(int(letters))
		}
	}
	return more
}
