package inbox

import (
	"container/heap"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/receive"
)

const (
	// maxHeldBytes and maxHeld bound the deliveries that are kept in memory, so that
	// they need not be read from the file again.
	maxHeldBytes = 16 << 20
	maxHeld      = 4096
	// maxUnmarked bounds the deliveries that were handled and whose mark is not on the
	// disk: a crash would have them handled again.
	maxUnmarked = 1024
)

// entry is a delivery that waits or is being handled.
type entry struct {
	seq      int64
	key      string
	delivery *receive.Delivery // nil: it is in the file only
	attempts int               // failures so far
	due      time.Time
}

// schedule is what is to be handled, and when. Of what the file holds it knows a
// window: everything up to the seq read, and those after it if behind is false.
// That takes memory for each delivery that has failed, about 200 bytes, and none
// for those that were not looked at yet.
type schedule struct {
	mu    sync.Mutex
	ready list
	later dueHeap
	// lanes holds the keys of which a delivery is ready, runs or waits for another
	// attempt, and those that come after it.
	lanes map[string]*list

	bytes   int   // of the deliveries in ready
	held    int   // how many those are
	running int   // taken and not settled
	read    int64 // up to this seq all that wait are known here
	behind  bool  // the file holds later ones

	failures map[int64]failure // as they were when the file was opened, until they are read
	retrying int64             // entries with failures

	// changed wakes those that wait for an entry, for its mark, or for the end.
	changed *sync.Cond
	alarm   *time.Timer // for the first of later, while Run runs
	reading bool        // the writer was asked to read on
}

func newSchedule(failures map[int64]failure, last int64) *schedule {
	s := &schedule{lanes: make(map[string]*list), failures: failures, retrying: int64(len(failures)), behind: last > 0}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// The methods below need mu.

// offer takes a delivery that was just stored, if there is room and nothing
// before it that must be read first.
func (s *schedule) offer(e *entry) {
	if !s.behind && s.roomFor(len(e.delivery.Body)) {
		s.read = e.seq
		s.admit(e, e.due)
		return
	}
	s.behind = true
}

func (s *schedule) roomFor(size int) bool {
	return s.held < maxHeld && (s.bytes+size <= maxHeldBytes || s.held == 0)
}

// wantsMore tells whether it is time to read on in the file.
func (s *schedule) wantsMore() bool {
	return s.behind && s.held < maxHeld/2 && s.bytes < maxHeldBytes/2
}

// admit puts an entry behind those of its key, or where its time says.
func (s *schedule) admit(e *entry, now time.Time) {
	if e.key != "" {
		if lane, taken := s.lanes[e.key]; taken {
			e.delivery = nil // what waits for others must not use up the room
			lane.push(e)
			return
		}
		s.lanes[e.key] = new(list)
	}
	s.place(e, now)
}

func (s *schedule) place(e *entry, now time.Time) {
	if e.due.After(now) {
		e.delivery = nil
		heap.Push(&s.later, e)
		s.setAlarm()
		return
	}
	s.hold(e)
	s.ready.push(e)
	s.changed.Signal()
}

func (s *schedule) hold(e *entry) {
	if e.delivery != nil {
		s.held++
		s.bytes += len(e.delivery.Body)
	}
}

// take gives the next entry that is ready, or nil.
func (s *schedule) take(now time.Time) *entry {
	for len(s.later) > 0 && !s.later[0].due.After(now) {
		s.ready.push(heap.Pop(&s.later).(*entry))
	}
	e := s.ready.pop()
	if e != nil {
		s.running++
		if e.delivery != nil {
			s.held--
			s.bytes -= len(e.delivery.Body)
		}
	}
	return e
}

// back puts an entry back that was taken and not handled.
func (s *schedule) back(e *entry, due time.Time) {
	s.running--
	e.delivery, e.due = nil, due
	s.place(e, time.Now())
	s.changed.Broadcast()
}

// settled is told what is on the disk of an entry that was taken.
func (s *schedule) settled(v *verdict) {
	e := v.entry
	s.running--
	switch {
	case v.kind == failed:
		if e.attempts == 0 {
			s.retrying++
		}
		e.attempts, e.due, e.delivery = v.attempts, v.due, nil
		s.place(e, time.Now())
		return
	case e.attempts > 0:
		s.retrying--
	}
	if e.key == "" {
		return
	}
	if next := s.lanes[e.key].pop(); next != nil {
		s.place(next, time.Now())
	} else {
		delete(s.lanes, e.key)
	}
}

func (s *schedule) setAlarm() {
	if s.alarm != nil && len(s.later) > 0 {
		s.alarm.Reset(max(0, time.Until(s.later[0].due)))
	}
}

// list is a queue.
type list struct {
	entries []*entry
	first   int
}

func (l *list) push(e *entry) { l.entries = append(l.entries, e) }

func (l *list) pop() *entry {
	if l.first == len(l.entries) {
		return nil
	}
	e := l.entries[l.first]
	l.entries[l.first] = nil
	l.first++
	if l.first == len(l.entries) {
		l.entries, l.first = l.entries[:0], 0
	} else if l.first > 1024 && l.first > len(l.entries)/2 {
		l.entries = append(l.entries[:0:0], l.entries[l.first:]...)
		l.first = 0
	}
	return e
}

// dueHeap has the entry that is due first at its root.
type dueHeap []*entry

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].seq < h[j].seq
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(e any)   { *h = append(*h, e.(*entry)) }
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
