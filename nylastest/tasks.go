package nylastest

import (
	"context"
	"sync"
)

// tasks holds what runs for a server, requests and goroutines, so that Close can
// end it and wait for it.
type tasks struct {
	ctx    context.Context //nolint:containedctx // it is the life of the server
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newTasks() *tasks {
	ctx, cancel := context.WithCancel(context.Background())
	return &tasks{ctx: ctx, cancel: cancel}
}

// enter reports whether something may begin; leave must follow if so.
func (t *tasks) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.wg.Add(1)
	return true
}

func (t *tasks) leave() { t.wg.Done() }

// run starts f in a goroutine, and reports whether it did.
func (t *tasks) run(f func(context.Context)) bool {
	if !t.enter() {
		return false
	}
	go func() {
		defer t.leave()
		f(t.ctx)
	}()
	return true
}

// refuse lets nothing begin any more.
func (t *tasks) refuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

func (t *tasks) refusing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// stop ends what runs and waits for it.
func (t *tasks) stop() {
	t.cancel()
	t.wg.Wait()
}
