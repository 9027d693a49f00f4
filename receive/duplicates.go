package receive

import (
	"container/list"
	"context"
	"fmt"
	"sync"

	"github.com/nylastrack/nylas-go/internal/guard"
)

// DropDuplicates returns a Handler that calls handler only once for each [Delivery.ID] that
// it took, as far back as the last remember ids. 10,000 ids take about 2 MB and cover the 20
// minutes in which Nylas retries a notification, at eight notifications a second.
//
// If a delivery arrives while another one with its id is being handled, it waits for the
// outcome. If that is nil or [Permanent], it is a duplicate and gives nil. If not, one of
// those that wait is handled in its place. An id is remembered only after handler returned,
// so a failed delivery is handled again when Nylas sends it again.
//
// The ids are held in memory: a restart forgets them, and other processes do not know them.
//
// DropDuplicates panics if handler is nil or remember is not positive.
func DropDuplicates(handler Handler, remember int) Handler {
	switch {
	case guard.IsNil(handler):
		panic("receive: DropDuplicates: handler is nil")
	case remember < 1:
		panic("receive: DropDuplicates: remember is not positive: 10000 ids take about 2 MB")
	}
	return &duplicates{
		next:     handler,
		remember: remember,
		running:  make(map[string]*claim),
		handled:  make(map[string]*list.Element),
		order:    list.New(),
	}
}

type duplicates struct {
	next     Handler
	remember int

	mu      sync.Mutex
	running map[string]*claim
	handled map[string]*list.Element
	order   *list.List // of handled ids, the oldest first
}

// claim is a delivery that is being handled.
type claim struct {
	done    chan struct{} // closed when the handler returned
	handled bool          // and whether it took custody; to be read after done
}

func (d *duplicates) HandleDelivery(ctx context.Context, delivery *Delivery) error {
	id := delivery.ID
	for {
		d.mu.Lock()
		if d.known(id) {
			d.mu.Unlock()
			return nil
		}
		other := d.running[id]
		if other == nil {
			mine := &claim{done: make(chan struct{})}
			d.running[id] = mine
			d.mu.Unlock()
			return d.handle(ctx, delivery, mine)
		}
		d.mu.Unlock()
		select {
		case <-other.done:
			// Its id may be forgotten again by now.
			if other.handled {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("receive: waiting for another delivery of the same notification: %w", context.Cause(ctx))
		}
	}
}

// handle runs the handler for a claim, and gives the claim up however the
// handler ends, by a panic too.
func (d *duplicates) handle(ctx context.Context, delivery *Delivery, mine *claim) error {
	id := delivery.ID // the handler may change the delivery
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.running, id)
		if mine.handled {
			d.learn(id)
		}
		close(mine.done)
	}()
	err := d.next.HandleDelivery(ctx, delivery)
	mine.handled = err == nil || IsPermanent(err)
	return err
}

func (d *duplicates) known(id string) bool {
	element, ok := d.handled[id]
	if ok {
		d.order.MoveToBack(element)
	}
	return ok
}

func (d *duplicates) learn(id string) {
	d.handled[id] = d.order.PushBack(id)
	if d.order.Len() > d.remember {
		oldest := d.order.Front()
		d.order.Remove(oldest)
		delete(d.handled, oldest.Value.(string))
	}
}
