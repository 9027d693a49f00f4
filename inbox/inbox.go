package inbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/receive"
)

// Inbox is a durable queue of deliveries in a file. It is a [receive.Handler] for
// what comes in; [Inbox.Run] gives it to another Handler. [Inbox.Secrets] keeps the
// webhook's secrets in the same file. Make one with [Open]; it is safe for concurrent
// use.
type Inbox struct {
	config   *config
	queue    queue
	schedule *schedule
	webhooks *webhooks
	rates    rates
	totals   atomic.Pointer[totals] // as the writer saw them last
	failing  bool                   // the writer could not write the last time
	written  struct {               // what became of the writer's last write, for Health
		at  time.Time
		err error
	}
	damage atomic.Pointer[error] // what was found to be wrong with the file while it was open

	ended    chan struct{} // closed when the writer has closed the file
	closeErr error         // to be read after ended
	closing  chan struct{} // closed by Close
	close    sync.Once
	running  running
}

// Open opens the inbox in the file at path, or makes it; the directory must
// exist and be writable. A relative path belongs to the working directory of this moment. If
// path is a symbolic link, the file that it points to is the inbox, and the files beside it
// are beside that one. The Inbox must be closed. A file that an earlier version of this package made
// is brought up to date, after which that version refuses it.
//
// The error is [ErrInUse] if another Inbox has the file, [ErrCorrupt] if it is
// damaged. Otherwise it says that the file does not belong to an inbox, that a later version wrote
// it, or what the operating system says.
func Open(path string, opts ...Option) (*Inbox, error) {
	config, err := newConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("inbox: open: %w", err)
	}
	file, err := resolve(path)
	if err != nil {
		return nil, fmt.Errorf("inbox: open %s: %w", path, err)
	}
	s, err := openStore(file, config.fullCheck)
	if err != nil {
		return nil, fmt.Errorf("inbox: open %s: %w", path, err)
	}
	failures, err := s.failures()
	if err != nil {
		_ = s.close()
		return nil, fmt.Errorf("inbox: open %s: %w", path, err)
	}
	b := &Inbox{
		config:   config,
		queue:    queue{wake: make(chan struct{}, 1)},
		schedule: newSchedule(failures, s.pending),
		ended:    make(chan struct{}),
		closing:  make(chan struct{}),
	}
	b.webhooks = s.webhooks
	b.webhooks.inbox = b
	b.copyTotals(s)
	s.history = config.history
	go b.write(s)
	return b, nil
}

// HandleDelivery stores a delivery. It returns nil when the delivery is on the
// disk, or its id is known already: the first body of an id is kept. Callers at
// the same time share one transaction.
//
// An error means that the delivery was not stored, as far as is known: the disk
// is full or failed, the file is damaged ([ErrCorrupt]), the Inbox is closed ([ErrClosed]), or too much waits for the
// disk ([ErrOverloaded]); the Receiver then answers 503. If ctx ends while the
// delivery is being written, the error is that of ctx, and the delivery may be
// stored all the same.
//
// A delivery with Err set cannot be decoded: it is stored among the dead letters.
//
// HandleDelivery keeps a copy: d and its body are the caller's again when it returns.
func (b *Inbox) HandleDelivery(ctx context.Context, d *receive.Delivery) error {
	if d == nil || d.ID == "" {
		return storeError(errNoID)
	}
	if ctx.Err() != nil {
		return storeError(context.Cause(ctx))
	}
	if err := b.damaged(); err != nil {
		return storeError(err)
	}
	start := time.Now()
	w := &waiter{ctx: ctx, result: make(chan error, 1)}
	// The caller may go on when ctx ends, while the writer still reads.
	mine := *d
	mine.Body = bytes.Clone(d.Body)
	w.delivery, w.received = &mine, nanoseconds(d.ReceivedAt, start)
	if d.Err == nil {
		w.key = b.key(d)
	}
	if err := b.queue.put(w); err != nil {
		return err
	}
	select {
	case err := <-w.result:
		if err != nil {
			return err
		}
	case <-ctx.Done():
		return storeError(context.Cause(ctx))
	}
	hooks := &b.config.hooks
	switch {
	case !w.fresh:
		if hooks.Duplicate != nil {
			hooks.Duplicate(d)
		}
		return nil
	case hooks.Accepted != nil:
		hooks.Accepted(d, time.Since(start))
	}
	if d.Err != nil {
		b.buried(d, 0, d.Err)
	}
	return nil
}

// nanoseconds is a time as it is stored; one that cannot be is now.
func nanoseconds(t, now time.Time) int64 {
	if year := t.Year(); year < 1970 || year > 2200 {
		t = now
	}
	return t.UnixNano()
}

// key is the key of the order; empty without one.
func (b *Inbox) key(d *receive.Delivery) (key string) {
	if b.config.order == nil {
		return ""
	}
	defer func() {
		if value := recover(); value != nil {
			b.config.logger.LogAttrs(context.Background(), slog.LevelError, "inbox: the key of the order panicked",
				slog.String(telemetry.LogDeliveryID, d.ID), slog.String(telemetry.LogType, string(d.Type)))
			key = ""
		}
	}()
	return b.config.order(d)
}

// Close ends Run as if its context had ended, waits until what was accepted is on
// the disk, and closes the file. HandleDelivery returns [ErrClosed] from then on.
// A handler must not call it.
func (b *Inbox) Close() error {
	b.close.Do(func() {
		b.queue.mu.Lock()
		b.queue.closing = true
		b.queue.mu.Unlock()
		close(b.closing)
		b.running.wait()
		b.queue.mu.Lock()
		b.queue.last = true
		b.queue.signal()
		b.queue.mu.Unlock()
	})
	<-b.ended
	if b.closeErr != nil {
		return fmt.Errorf("inbox: close: %w", b.closeErr)
	}
	return nil
}

func storeError(err error) error { return fmt.Errorf("inbox: store delivery: %w", err) }

// storeFailed tells once of failures that follow each other.
func (b *Inbox) storeFailed(err error) {
	if b.config.hooks.StoreFailed != nil {
		b.config.hooks.StoreFailed(err)
	}
	if !b.failing && !errors.Is(err, ErrCorrupt) { // which noteDamage tells
		b.failing = true
		b.config.logger.LogAttrs(context.Background(), slog.LevelError, "inbox: cannot write the file", slog.Any(telemetry.LogError, err))
	}
}

// damaged is what was found to be wrong with the file, or nil. From then on nothing new is
// taken: it might be stored where nobody finds it again.
func (b *Inbox) damaged() error {
	if err := b.damage.Load(); err != nil {
		return *err
	}
	return nil
}

// noteDamage tells once of damage.
func (b *Inbox) noteDamage(s *store) {
	if s.db.damage == nil || b.damaged() != nil {
		return
	}
	b.damage.Store(&s.db.damage)
	b.config.logger.LogAttrs(context.Background(), slog.LevelError, "inbox: no delivery is accepted any more", slog.Any(telemetry.LogError, s.db.damage))
}

func (b *Inbox) storeWorks() {
	if b.failing {
		b.failing = false
		b.config.logger.LogAttrs(context.Background(), slog.LevelInfo, "inbox: the file can be written again")
	}
}

// buried tells of a dead letter.
func (b *Inbox) buried(d *receive.Delivery, attempts int, err error) {
	b.config.logger.LogAttrs(context.Background(), slog.LevelError, "inbox: delivery given up",
		slog.String(telemetry.LogDeliveryID, d.ID), slog.String(telemetry.LogType, string(d.Type)), slog.Int(telemetry.LogAttempts, attempts), slog.String(telemetry.LogError, errorText(err)))
	if b.config.hooks.Died != nil {
		b.config.hooks.Died(d, attempts, err)
	}
}
