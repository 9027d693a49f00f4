package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// world is the inbox with its model: what must be in it, from what was seen from
// outside.
type world struct {
	t        *testing.T
	schedule schedule
	dir      string
	now      *life

	mu       sync.Mutex
	items    []*item
	byID     map[string]*item
	accepted int // how many items were, and so the place of the next one
	broken   error
}

// life is the time from opening the inbox to its end, by a crash or in good order.
type life struct {
	path    string
	box     *inbox.Inbox
	stop    context.CancelFunc // of Run; nil if it does not run
	ran     chan error
	stopped bool          // whether Run was told to end; what returns then may count or not
	crashed chan struct{} // closed: it is over, whatever its goroutines still do
}

// item is one notification.
type item struct {
	number    int
	id        string
	undecoded bool
	script    []outcome
	sent      int             // how often, so that each attempt has its own body
	bodies    map[string]bool // the one that is kept is among these
	place     int             // in the order of acceptance; 0 if it was not accepted
	requeued  bool            // and so without a certain place

	calls     int
	running   *life // in which its handler runs
	done      bool
	dead      bool
	overtaker string // a later one that was handled when this one had failed often enough to be dead
	given     bool   // its handler said that repeating cannot mend it
	lastErr   string // of its handler; empty if the inbox makes the text
	// What has counted as failures: an attempt that ended with Run may or may not.
	fewest, most int
}

func newWorld(t *testing.T, s schedule) (*world, error) {
	t.Helper()
	// In memory where that is possible: a flush of a disk takes its time, and here
	// nothing depends on it.
	parent := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		parent = "/dev/shm"
	}
	dir, err := os.MkdirTemp(parent, "inbox-model-")
	if err != nil {
		return nil, err
	}
	w := &world{t: t, schedule: s, dir: dir, byID: make(map[string]*item)}
	for number, script := range s.Scripts {
		i := &item{number: number, script: script, bodies: make(map[string]bool), undecoded: number < s.Broken}
		i.id = receive.NewDelivery(i.body(), "").ID
		w.items = append(w.items, i)
		w.byID[i.id] = i
	}
	return w, w.open(filepath.Join(dir, "0.db"))
}

// body is the notification as it is sent the next time.
func (i *item) body() []byte {
	if i.undecoded {
		return fmt.Appendf(nil, "no JSON, number %d", i.number)
	}
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"s","id":"item-%d","time":1695480567,`+
		`"webhook_delivery_attempt":%d,"data":{"object":{"message_id":"key-%d"}}}`, i.number, i.sent, i.number%3)
}

// open begins a life.
func (w *world) open(path string) error {
	l := &life{path: path, crashed: make(chan struct{})}
	options := []inbox.Option{
		inbox.WithWorkers(w.schedule.Workers), inbox.WithMaxAttempts(modelAttempts),
		inbox.WithBackoff(time.Second, modelMaxWait), inbox.WithHandlerTimeout(modelTimeout),
		inbox.WithGrace(modelGrace), inbox.WithRetention(modelRetention),
		inbox.WithHooks(inbox.Hooks{Handled: func(d *receive.Delivery, _ int, _ time.Duration) { w.handled(l, d) }}),
	}
	if w.schedule.Ordered {
		options = append(options, inbox.WithOrder(receive.MessageOrder))
	}
	var err error
	if l.box, err = inbox.Open(path, options...); err != nil {
		return err
	}
	w.now = l
	return nil
}

// fail keeps the first thing that was wrong.
func (w *world) fail(format string, args ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf(format, args...)
	}
}

func (w *world) do(s step) error {
	var err error
	switch s.Do {
	case deliver:
		w.deliver(s.Which)
	case wait:
		<-time.After(s.Wait)
	case crash:
		err = w.crash()
	case restart:
		err = w.restart()
	case pause:
		err = w.pause()
	case resume:
		w.resume()
	case requeue:
		err = w.requeue(s.Which)
	}
	if err != nil {
		return err
	}
	synctest.Wait()
	return w.check()
}

// deliver delivers notifications at the same time, or one after the other where
// their order matters.
func (w *world) deliver(which []int) {
	var delivering sync.WaitGroup
	fresh := make(map[*item]bool)
	for _, number := range which {
		i := w.items[number]
		i.sent++
		body := i.body()
		w.mu.Lock()
		if i.place == 0 || fresh[i] {
			fresh[i] = true
			i.bodies[string(body)] = true
		}
		if i.place == 0 {
			w.accepted++
			i.place = w.accepted
			i.dead = i.undecoded
		}
		w.mu.Unlock()
		delivering.Go(func() {
			if err := w.now.box.HandleDelivery(context.Background(), receive.NewDelivery(body, "")); err != nil {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.fail("%s was not accepted: %w", i.id, err)
			}
		})
		if w.schedule.Ordered {
			delivering.Wait()
		}
	}
	delivering.Wait()
}

// crash copies the files while the inbox is open, and goes on with the copy. At
// this moment nothing is being written, so the copy is what kill -9 leaves; it
// holds what was written, flushed or not, so it is not what a power cut leaves.
func (w *world) crash() error {
	old := w.now
	path := old.path + "+"
	if err := copyStore(old.path, path); err != nil {
		return err
	}
	running := old.stop != nil
	w.mu.Lock()
	close(old.crashed)
	for _, i := range w.items {
		if i.running == old {
			i.running = nil
		}
	}
	w.mu.Unlock()
	// What is left of the old one must not disturb; nobody looks at what it does.
	err := w.stop(old)
	if err = errors.Join(err, old.box.Close()); err != nil {
		return err
	}
	if err := w.open(path); err != nil {
		return err
	}
	if running {
		w.resume()
	}
	return nil
}

func (w *world) restart() error {
	old := w.now
	running := old.stop != nil
	if err := w.stop(old); err != nil {
		return err
	}
	if err := old.box.Close(); err != nil {
		return err
	}
	d := receive.NewDelivery(w.items[0].body(), "")
	if err := old.box.HandleDelivery(context.Background(), d); !errors.Is(err, inbox.ErrClosed) {
		return fmt.Errorf("a closed inbox says %w", err)
	}
	if err := w.open(old.path); err != nil {
		return err
	}
	if running {
		w.resume()
	}
	return nil
}

func (w *world) pause() error { return w.stop(w.now) }

// stop ends Run, which must wait for its handlers, but not for long.
func (w *world) stop(l *life) error {
	if l.stop == nil {
		return nil
	}
	w.mu.Lock()
	l.stopped = true
	w.mu.Unlock()
	l.stop()
	l.stop = nil
	begin := time.Now()
	err := <-l.ran
	if took := time.Since(begin); took > modelGrace+lateTime {
		return fmt.Errorf("Run went on for %v", took)
	}
	return err
}

func (w *world) resume() {
	l := w.now
	if l.stop != nil {
		return
	}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	l.ran = make(chan error, 1)
	w.mu.Lock()
	l.stopped = false
	w.mu.Unlock()
	ran := l.ran
	go func() {
		ran <- l.box.Run(ctx, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
			return w.handle(ctx, l, d)
		}))
	}()
}

func (w *world) requeue(which []int) error {
	var ids []string
	for _, number := range which {
		i := w.items[number]
		w.mu.Lock()
		if i.dead && !i.undecoded && !slices.Contains(ids, i.id) {
			ids = append(ids, i.id)
			i.dead, i.given, i.requeued = false, false, true
			i.fewest, i.most, i.lastErr = 0, 0, ""
		}
		w.mu.Unlock()
	}
	if len(ids) == 0 {
		return nil
	}
	return w.now.box.Requeue(context.Background(), ids...)
}

// handle is the handler of all.
func (w *world) handle(ctx context.Context, l *life, d *receive.Delivery) error {
	i, end := w.begin(l, d)
	if i == nil {
		return errors.New("nobody looks at this any more")
	}
	switch end {
	case slow:
		if !l.wait(nil, slowTime) {
			return errCrashed
		}
	case late:
		if !l.wait(nil, lateTime) {
			return errCrashed
		}
	case hangs:
		if !l.wait(ctx.Done(), time.Hour) {
			return errCrashed
		}
		err := context.Cause(ctx)
		w.failed(l, i, "", errors.Is(err, inbox.ErrHandlerTimeout))
		return err
	case fails:
		err := fmt.Errorf("failure %d of %s", i.calls, i.id)
		w.failed(l, i, err.Error(), true)
		return err
	case gives:
		err := fmt.Errorf("the end of %s at call %d", i.id, i.calls)
		w.mu.Lock()
		i.given = true
		w.mu.Unlock()
		w.failed(l, i, err.Error(), true)
		return receive.Permanent(err)
	case panics:
		w.failed(l, i, "", true)
		panic("as the schedule says")
	case exits:
		w.failed(l, i, "", true)
		runtime.Goexit()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i.running == l {
		i.running = nil
	}
	return nil
}

var errCrashed = errors.New("the process is gone")

// wait waits until done or for some time; false means that the life ended.
func (l *life) wait(done <-chan struct{}, limit time.Duration) bool {
	select {
	case <-l.crashed:
		return false
	case <-done:
	case <-time.After(limit):
	}
	return true
}

func (l *life) over() bool {
	select {
	case <-l.crashed:
		return true
	default:
		return false
	}
}
