package inbox_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing/synctest"
	"time"

	"github.com/nylastrack/nylas-go/receive"
)

// begin notes that a handler runs, and checks that it may. It returns nil for a
// life that is over.
func (w *world) begin(l *life, d *receive.Delivery) (*item, outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.over() {
		return nil, ""
	}
	i := w.byID[d.ID]
	switch {
	case i == nil || i.place == 0:
		w.fail("%s was handled, and never accepted", d.ID)
		return nil, ""
	case i.done:
		w.fail("%s was handled after it was marked done", i.id)
	case i.dead:
		w.fail("%s was handled although it is dead", i.id)
	case i.running == l:
		w.fail("%s was handled beside itself", i.id)
	}
	w.checkBody(i, d)
	w.checkOrder(i)
	i.running = l
	i.calls++
	if i.calls > len(i.script) {
		return i, succeeds
	}
	return i, i.script[i.calls-1]
}

// checkBody checks that an id has one body for ever, the first that came.
func (w *world) checkBody(i *item, d *receive.Delivery) {
	if !i.bodies[string(d.Body)] {
		w.fail("%s has a body that is not its first one", i.id)
	}
	i.bodies = map[string]bool{string(d.Body): true}
}

// checkOrder checks that nothing of the same key that was accepted before waits.
func (w *world) checkOrder(i *item) {
	if !w.schedule.Ordered || i.requeued {
		return
	}
	for _, other := range w.items {
		switch {
		case other.place == 0 || other.place >= i.place || other.number%3 != i.number%3 || other.done || other.dead || other.requeued:
		case other.mayBeDead():
			other.overtaker = i.id // check sees whether it is dead
		default:
			w.fail("%s was handled before %s, which came before it", i.id, other.id)
		}
	}
}

// failed notes that a call failed, before it returns. counts tells whether it is
// a failure of the handler, and not of Run's end.
func (w *world) failed(l *life, i *item, text string, counts bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.over() {
		return
	}
	if i.running == l {
		i.running = nil
	}
	i.lastErr = text
	switch {
	case counts && !l.stopped:
		i.fewest++
		i.most++
	case counts: // the handler's time was over, and Run's too
		i.most++
	}
	i.dead = i.mustBeDead()
}

func (i *item) mustBeDead() bool { return i.given || i.fewest >= modelAttempts }
func (i *item) mayBeDead() bool  { return i.given || i.most >= modelAttempts }

// handled is the hook: from now on the item is done.
func (w *world) handled(l *life, d *receive.Delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.over() {
		return
	}
	i := w.byID[d.ID]
	switch {
	case i == nil || i.calls == 0:
		w.fail("%s was marked done, and never handled", d.ID)
	case i.done:
		w.fail("%s was marked done twice", i.id)
	default:
		i.done = true
	}
}

// check compares the inbox with the model, when everything has come to rest.
func (w *world) check() error {
	ctx := context.Background()
	dead := make(map[*item]bool)
	for letter, err := range w.now.box.Dead(ctx) {
		if err != nil {
			return err
		}
		w.mu.Lock()
		i := w.byID[letter.Delivery.ID]
		switch {
		case i == nil || i.place == 0:
			w.fail("%s is dead, and was never accepted", letter.Delivery.ID)
		case dead[i]:
			w.fail("%s is dead twice", i.id)
		case i.undecoded && (letter.Attempts != 0 || letter.Delivery.Err == nil):
			w.fail("%s cannot be decoded, and has %d attempts and the error %v", i.id, letter.Attempts, letter.Delivery.Err)
		case !i.undecoded && !i.mayBeDead():
			w.fail("%s is dead after at most %d failures", i.id, i.most)
		case !i.undecoded && (letter.Attempts < i.fewest || letter.Attempts > i.most):
			w.fail("%s is dead after %d attempts, and had %d to %d", i.id, letter.Attempts, i.fewest, i.most)
		case letter.Err == "" || !strings.Contains(letter.Err, i.lastErr):
			w.fail("%s is dead with the error %q, and the last one was %q", i.id, letter.Err, i.lastErr)
		case letter.DiedAt.After(time.Now()) || letter.DiedAt.Before(letter.Delivery.ReceivedAt):
			w.fail("%s died at %v", i.id, letter.DiedAt)
		default:
			w.checkBody(i, letter.Delivery)
			i.dead = true
			dead[i] = true
		}
		w.mu.Unlock()
	}
	stats, err := w.now.box.Stats(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var done, alive, running int64
	for _, i := range w.items {
		switch {
		case i.place == 0:
			continue
		case i.dead != dead[i]:
			w.fail("%s must be dead, and is not", i.id)
		case i.overtaker != "" && !dead[i]:
			w.fail("%s was handled before %s, which came before it and is not dead", i.overtaker, i.id)
		case i.done && dead[i]:
			w.fail("%s is done and dead", i.id)
		case i.done:
			done++
		case !dead[i]:
			alive++
		}
		if i.running == w.now {
			running++
		}
		i.overtaker = ""
	}
	if stats.Done != done || stats.Dead != int64(len(dead)) || stats.Pending != alive || stats.Running != running {
		w.fail("done %d, dead %d, pending %d, running %d; the inbox says %+v", done, len(dead), alive, running, stats)
	}
	if stats.Oldest.IsZero() != (alive == 0) {
		w.fail("%d are pending, and the oldest is %v", alive, stats.Oldest)
	}
	return w.broken
}

// finish waits until nothing is pending, and checks that nothing stays so.
func (w *world) finish() error {
	for range 120 {
		<-time.After(modelMaxWait)
		synctest.Wait()
		if err := w.check(); err != nil {
			return err
		}
		stats, err := w.now.box.Stats(context.Background())
		if err != nil {
			return err
		}
		if stats.Pending == 0 {
			return nil
		}
	}
	return errors.New("some are pending for ever")
}

// end takes everything away.
func (w *world) end() error {
	if w.now == nil {
		return os.RemoveAll(w.dir)
	}
	err := errors.Join(w.stop(w.now), w.now.box.Close())
	<-time.After(lateTime) // for handlers that ignore their context; time ends with this function
	synctest.Wait()
	path := w.now.path
	w.now = nil
	if err == nil {
		err = checkWhole(path)
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}
