package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/receive"
)

// lastWait is for handlers whose contexts Run has ended, and for their marks.
const lastWait = time.Second

// hungAfter is how long after the end of its context a handler is said to hang: one that
// heeds it has returned by then.
const hungAfter = 5 * time.Second

// running is whether Run runs.
type running struct {
	mu   sync.Mutex
	done chan struct{} // nil if it does not
}

func (r *running) wait() {
	r.mu.Lock()
	done := r.done
	r.mu.Unlock()
	if done != nil {
		<-done
	}
}

// Run gives what is stored to handler, oldest first, until ctx ends; then it
// waits for the handlers that are running, at most for the grace (see
// [WithGrace]), and returns nil. What those have not finished is handled by the
// next Run. It returns [ErrClosed] if the Inbox is closed, and [ErrRunning] if Run
// is running already.
//
// A delivery is done when handler returns nil. Any other error, a panic, or
// runtime.Goexit is a failure: the delivery is handled again after a wait (see
// [WithBackoff]), and becomes a dead letter after [WithMaxAttempts] or at once if
// the error is marked by [receive.Permanent].
//
// handler gets each delivery at least once, and must be idempotent: a crash can
// come between its return and the mark in the file.
func (b *Inbox) Run(ctx context.Context, handler receive.Handler) error {
	if guard.IsNil(handler) {
		return errors.New("inbox: run: handler is nil")
	}
	if err := b.beginRun(); err != nil {
		return err
	}
	defer b.endRun()
	r := &run{Inbox: b, handler: handler}
	// What a handler works with outlives ctx by the grace.
	var end context.CancelCauseFunc
	r.base, end = context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(errStopped)
	b.schedule.mu.Lock()
	b.schedule.alarm = time.AfterFunc(0, r.wake)
	b.schedule.mu.Unlock()
	r.workers.Add(b.config.workers)
	for range b.config.workers {
		go r.work()
	}
	closed := false
	select {
	case <-ctx.Done():
	case <-b.closing:
		closed = true
	}
	r.stop(end)
	if closed {
		return ErrClosed
	}
	return nil
}

func (b *Inbox) beginRun() error {
	b.running.mu.Lock()
	defer b.running.mu.Unlock()
	select {
	case <-b.closing:
		return ErrClosed
	default:
	}
	if b.running.done != nil {
		return ErrRunning
	}
	b.running.done = make(chan struct{})
	return nil
}

func (b *Inbox) endRun() {
	b.running.mu.Lock()
	defer b.running.mu.Unlock()
	close(b.running.done)
	b.running.done = nil
}

// run is one call of Run.
type run struct {
	*Inbox
	handler receive.Handler
	base    context.Context //nolint:containedctx // of all its handlers
	workers sync.WaitGroup
	stopped bool // under schedule.mu
}

var (
	errStopped = errors.New("inbox: Run has ended")
	errExited  = errors.New("inbox: handler ended its goroutine")
	errPanic   = errors.New("inbox: handler panicked")
)

// wake lets a worker look for what is due.
func (r *run) wake() {
	r.schedule.mu.Lock()
	defer r.schedule.mu.Unlock()
	r.schedule.changed.Broadcast()
}

// stop waits for what runs.
func (r *run) stop(end context.CancelCauseFunc) {
	r.schedule.mu.Lock()
	r.stopped = true
	r.schedule.alarm.Stop()
	r.schedule.alarm = nil
	r.schedule.changed.Broadcast()
	r.schedule.mu.Unlock()
	idle := make(chan struct{})
	late := false
	go func() {
		defer close(idle)
		r.workers.Wait()
		r.schedule.mu.Lock()
		defer r.schedule.mu.Unlock()
		for r.schedule.running > 0 && !late {
			r.schedule.changed.Wait()
		}
	}()
	grace := time.NewTimer(r.config.grace)
	defer grace.Stop()
	select {
	case <-idle:
		return
	case <-grace.C:
	}
	end(errStopped)
	last := time.NewTimer(lastWait)
	defer last.Stop()
	select {
	case <-idle:
	case <-last.C:
		r.schedule.mu.Lock()
		late = true // so that the goroutine ends with the last handler
		left := r.schedule.running
		r.schedule.changed.Broadcast()
		r.schedule.mu.Unlock()
		r.config.logger.LogAttrs(context.Background(), slog.LevelWarn, "inbox: Run ends without its last deliveries: they are handled again",
			slog.Int(telemetry.LogHandlers, left))
	}
}

// next waits for an entry; nil means the end.
func (r *run) next() *entry {
	s := r.schedule
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if r.stopped {
			return nil
		}
		if s.running < r.config.workers+maxUnmarked {
			e := s.take(time.Now())
			if !s.reading && s.wantsMore() {
				s.reading = true
				r.queue.signal()
			}
			if e != nil {
				return e
			}
		}
		s.setAlarm()
		s.changed.Wait()
	}
}

// work is a worker. A handler that ends its goroutine ends the worker, and another
// one takes its place.
func (r *run) work() {
	finished := false
	defer func() {
		if finished {
			r.workers.Done()
		} else {
			go r.work()
		}
	}()
	for e := r.next(); e != nil; e = r.next() {
		r.handle(e)
	}
	finished = true
}

func (r *run) handle(e *entry) {
	d := e.delivery
	if d == nil {
		var err error
		if d, err = ask(context.Background(), &r.queue, func(s *store) (*receive.Delivery, error) { return s.read(e.seq) }); err != nil || d == nil {
			r.unreadable(e, err)
			return
		}
	}
	e.delivery = nil
	known := receive.Delivery{ID: d.ID, Type: d.Type, Body: d.Body, ReceivedAt: d.ReceivedAt, Err: d.Err} // whatever the handler does to d
	ctx, cancel := r.base, context.CancelFunc(func() {})
	if r.config.handlerTimeout > 0 {
		ctx, cancel = context.WithTimeoutCause(r.base, r.config.handlerTimeout, ErrHandlerTimeout)
	}
	start := time.Now()
	watch := r.watch(&known, start)
	guard.Call(func() error { return r.handler.HandleDelivery(ctx, d) }, func(err error) {
		panicked, err := guard.Outcome(err, errPanic, errExited)
		if panicked != nil {
			err = r.panicked(&known, panicked)
		}
		if watch != nil {
			watch.Stop()
		}
		cause := context.Cause(ctx)
		cancel()
		r.settle(e, &known, err, cause, time.Since(start))
	})
}

// watch tells of a handler that does not return at the end of its context.
func (r *run) watch(d *receive.Delivery, start time.Time) *time.Timer {
	if r.config.handlerTimeout == 0 {
		return nil
	}
	id, kind, received := d.ID, d.Type, d.ReceivedAt
	return time.AfterFunc(r.config.handlerTimeout+hungAfter, func() {
		running := time.Since(start)
		r.config.logger.LogAttrs(context.Background(), slog.LevelWarn, "inbox: handler does not return although its context has ended",
			slog.String(telemetry.LogDeliveryID, id), slog.String(telemetry.LogType, string(kind)), slog.Duration(telemetry.LogDuration, running))
		if r.config.hooks.Hung != nil {
			r.config.hooks.Hung(&receive.Delivery{ID: id, Type: kind, ReceivedAt: received}, running)
		}
	})
}

// unreadable puts back what could not be read.
func (r *run) unreadable(e *entry, err error) {
	if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrCorrupt) {
		r.config.logger.LogAttrs(context.Background(), slog.LevelError, "inbox: cannot read a delivery", slog.Any(telemetry.LogError, err))
	}
	r.schedule.mu.Lock()
	defer r.schedule.mu.Unlock()
	r.schedule.back(e, time.Now().Add(lastRetry))
}

// settle has the file say what became of a delivery.
func (r *run) settle(e *entry, d *receive.Delivery, err, cause error, took time.Duration) {
	hooks := &r.config.hooks
	v := &verdict{entry: e, attempts: e.attempts + 1}
	switch {
	case err == nil:
		v.kind = done
		if hooks.Handled != nil {
			v.told = func() { hooks.Handled(d, v.attempts, took) }
		}
	case errors.Is(cause, errStopped) && !receive.IsPermanent(err):
		// Run ended it, so it is not its fault.
		r.schedule.mu.Lock()
		defer r.schedule.mu.Unlock()
		r.schedule.back(e, time.Now())
		return
	default:
		if errors.Is(cause, ErrHandlerTimeout) {
			err = errors.Join(ErrHandlerTimeout, err)
		}
		v.text = errorText(err)
		v.kind = failed
		if v.attempts >= r.config.maxAttempts || receive.IsPermanent(err) {
			v.kind = died
		} else {
			v.due = time.Now().Add(r.config.wait(v.attempts))
		}
		v.told = func() { r.fell(v, d, err) }
	}
	r.queue.putVerdicts(v)
}

// fell tells of a failure.
func (r *run) fell(v *verdict, d *receive.Delivery, err error) {
	if r.config.hooks.Failed != nil {
		r.config.hooks.Failed(d, v.attempts, err, v.due)
	}
	if v.kind == died {
		r.buried(d, v.attempts, err)
		return
	}
	r.config.logger.LogAttrs(context.Background(), slog.LevelWarn, "inbox: delivery failed",
		slog.String(telemetry.LogDeliveryID, d.ID), slog.String(telemetry.LogType, string(d.Type)), slog.Int(telemetry.LogAttempt, v.attempts),
		slog.Time(telemetry.LogRetryAt, v.due), slog.String(telemetry.LogError, v.text))
}

// wait is how long a delivery waits after its nth failure.
func (c *config) wait(failures int) time.Duration {
	interval := min(c.maxBackoff, math.MaxInt64/2) // room for the half that chance adds
	// Beyond 62 doublings there is no number for it.
	if doublings := failures - 1; doublings < 62 && c.firstBackoff <= c.maxBackoff>>doublings {
		interval = c.firstBackoff << doublings
	}
	// From half of it to one and a half, so that what failed together does not return together.
	return interval/2 + rand.N(interval)
}

// panicked logs a panic.
func (r *run) panicked(d *receive.Delivery, p *guard.PanicError) error {
	r.config.logger.LogAttrs(context.Background(), slog.LevelError, "inbox: handler panicked",
		p.Attrs(slog.String(telemetry.LogDeliveryID, d.ID), slog.String(telemetry.LogType, string(d.Type)))...)
	return fmt.Errorf("%w: %s", errPanic, p.Text)
}

// bounded cuts a text to what is kept of it.
func bounded(text string) string {
	text = text[:min(len(text), maxErrorBytes)]
	return strings.ToValidUTF8(text, "") // a character that was cut in two
}
