package receive

import (
	"container/list"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// budget is the bytes in flight.
type budget struct {
	limit        int64
	inFlight     atomic.Int64 // those of unverified bodies included
	small, large unverified
}

func newBudget(limit int64) *budget {
	return &budget{limit: limit, small: unverified{limit: limit / smallShare}, large: unverified{limit: limit / largeShare}}
}

var errOverload = errors.New("receive: too many deliveries at a time")

// take counts bytes, also after an error.
func (b *budget) take(bytes int64) error {
	if b.inFlight.Add(bytes) > b.limit {
		return errOverload
	}
	return nil
}

// full reports whether there is room for nothing more.
func (b *budget) full() bool { return b.inFlight.Load() >= b.limit }

// share is what a genuine delivery takes of them.
type share struct {
	budget *budget
	bytes  int64
}

// grow takes bytes before they are allocated. After an error they are part of the share too.
func (s *share) grow(by int64) error {
	s.bytes += by
	return s.budget.take(by)
}

// hold makes the share that of a delivery which holds so many bytes.
func (s *share) hold(bytes int64) {
	s.budget.inFlight.Add(bytes - s.bytes)
	s.bytes = bytes
}

func (s *share) free() { s.hold(0) }

// unverified is the bodies of one size that are arriving, which anybody can send. When they
// are too many, the one that began first gives way: a body of Nylas comes at once, and one
// that is to fill the memory stays.
type unverified struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	order list.List // of *waiting that can give way, the first to begin at the front
}

// arrival is a body that is being read. Its first piece does not count: net/http takes more
// for each connection, and so nobody fills the budget by connections alone.
type arrival struct {
	budget *budget
	among  *unverified
	stop   http.ResponseWriter // of a connection whose reading can be ended, or nil
	more   *waiting            // nil until it grows beyond its first piece
}

// waiting is the part of an arrival that counts. It is guarded by the mutex of unverified.
type waiting struct {
	stop    http.ResponseWriter
	bytes   int64
	element *list.Element // of those that can give way
	gaveWay bool
}

// newArrival is for the body of a request.
func newArrival(b *budget, req *http.Request) arrival {
	if req.ContentLength > 0 && req.ContentLength <= smallBodyBytes {
		return arrival{budget: b, among: &b.small}
	}
	return arrival{budget: b, among: &b.large}
}

// grow takes bytes before they are allocated. After an error they count too.
func (a *arrival) grow(by int64) error {
	u := a.among
	u.mu.Lock()
	defer u.mu.Unlock()
	if a.more == nil {
		a.more = &waiting{stop: a.stop}
		if a.stop != nil {
			a.more.element = u.order.PushBack(a.more)
		}
	}
	if a.more.gaveWay {
		return errOverload
	}
	a.more.bytes += by
	u.bytes += by
	if err := a.budget.take(by); err != nil {
		return err
	}
	for u.bytes > u.limit {
		first := u.order.Front()
		if first == nil || first == a.more.element {
			return errOverload
		}
		gives := first.Value.(*waiting)
		u.forget(gives, a.budget)
		gives.gaveWay = true
		// It worked before, when the time limit was set.
		_ = http.NewResponseController(gives.stop).SetReadDeadline(time.Unix(1, 0))
	}
	return nil
}

// forget gives back what a body has taken.
func (u *unverified) forget(w *waiting, b *budget) {
	u.keep(w)
	u.bytes -= w.bytes
	b.inFlight.Add(-w.bytes)
	w.bytes = 0
}

// keep keeps a body from giving way.
func (u *unverified) keep(w *waiting) {
	if w.element != nil {
		u.order.Remove(w.element)
		w.element = nil
	}
}

// read is called when the reading has ended: ending it again would free nothing. It returns
// the error of the reading, or that the body gave way.
func (a *arrival) read(err error) error {
	if a.more == nil {
		return err
	}
	a.among.mu.Lock()
	defer a.among.mu.Unlock()
	a.among.keep(a.more)
	if a.more.gaveWay {
		return errOverload
	}
	return err
}

// end is called when the body is verified, refused, or could not be read.
func (a *arrival) end() {
	if a.more == nil {
		return
	}
	a.among.mu.Lock()
	defer a.among.mu.Unlock()
	a.among.forget(a.more, a.budget)
}
