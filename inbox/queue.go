package inbox

import (
	"context"
	"runtime"
	"sync"
)

const (
	// maxQueuedBytes bounds what waits for the disk. The receiver holds as much.
	maxQueuedBytes = 64 << 20
	// maxGroup and maxGroupBytes bound a transaction, so that those in it do not wait
	// long for each other.
	maxGroup      = 512
	maxGroupBytes = 8 << 20
)

// queue is what waits for the writer.
type queue struct {
	mu       sync.Mutex
	intakes  []*waiter
	bytes    int
	verdicts []*verdict
	calls    []func(*store)
	closing  bool // nothing is taken any more
	last     bool // the writer ends when it has done what is here
	wake     chan struct{}
}

// waiter is somebody who waits for an intake to be on the disk.
type waiter struct {
	intake
	ctx    context.Context //nolint:containedctx // the writer skips those whose caller is gone
	result chan error
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// put adds a delivery.
func (q *queue) put(w *waiter) error {
	size := len(w.delivery.Body)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closing:
		return ErrClosed
	case q.bytes+size > maxQueuedBytes && q.bytes > 0:
		return ErrOverloaded
	}
	q.intakes = append(q.intakes, w)
	q.bytes += size
	q.signal()
	return nil
}

func (q *queue) putVerdicts(verdicts ...*verdict) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.last {
		return // the next Open finds it unmarked
	}
	q.verdicts = append(q.verdicts, verdicts...)
	q.signal()
}

// ask has the writer run a function, and waits for what it gives.
func ask[T any](ctx context.Context, q *queue, question func(*store) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	q.mu.Lock()
	if q.last {
		q.mu.Unlock()
		return *new(T), ErrClosed
	}
	q.calls = append(q.calls, func(s *store) {
		value, err := question(s)
		answers <- answer{value, err}
	})
	q.signal()
	q.mu.Unlock()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return *new(T), context.Cause(ctx)
	}
}

// group is what goes into one transaction.
type group struct {
	waiters  []*waiter
	verdicts []*verdict
}

// next takes a group, and the calls that go before it.
func (q *queue) next() (g group, calls []func(*store), last bool) {
	q.gather()
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.intakes) && n < maxGroup && (n == 0 || size < maxGroupBytes) {
		size += len(q.intakes[n].delivery.Body)
		n++
	}
	g.waiters = q.intakes[:n:n]
	q.bytes -= size
	if q.intakes = q.intakes[n:]; len(q.intakes) == 0 {
		q.intakes = nil
	} else {
		q.signal()
	}
	n = min(len(q.verdicts), maxGroup)
	g.verdicts = q.verdicts[:n:n]
	if q.verdicts = q.verdicts[n:]; len(q.verdicts) == 0 {
		q.verdicts = nil
	} else {
		q.signal()
	}
	calls, q.calls = q.calls, nil
	return g, calls, q.last && len(q.intakes) == 0 && len(q.verdicts) == 0
}

// gather lets those run who are about to put something: the callers whom the last
// transaction woke come back together, and would make a group of one and a group
// of the rest.
func (q *queue) gather() {
	for before := -1; ; {
		q.mu.Lock()
		now := len(q.intakes) + len(q.verdicts)
		q.mu.Unlock()
		if now == before || now >= maxGroup {
			return
		}
		before = now
		runtime.Gosched()
	}
}
