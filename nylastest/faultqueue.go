package nylastest

import (
	"slices"
	"strconv"
	"sync"
)

// faultQueue hands out faults in the order in which they were added. T is Fault or
// DeliveryFault.
type faultQueue[T any] struct {
	ids  *ids
	kind string // sets the chances of the queues apart
	// rule returns what every fault has: how often it hits, and with which probability.
	rule func(*T) (times *int, chance float64)

	mu    sync.Mutex
	queue []queuedFault[T]
	added int
}

type queuedFault[T any] struct {
	fault  T // Times is what is left, at least 1
	serial int
}

func (q *faultQueue[T]) add(faults []T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range faults {
		times, _ := q.rule(&f)
		*times = max(*times, 1)
		q.queue = append(q.queue, queuedFault[T]{f, q.added})
		q.added++
	}
}

func (q *faultQueue[T]) waiting() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	faults := make([]T, len(q.queue))
	for i, f := range q.queue {
		faults[i] = f.fault
	}
	return faults
}

func (q *faultQueue[T]) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = nil
}

// take uses up the first fault that matches and comes about. Without one it returns the zero
// T, with which nothing goes wrong. key names what the fault would hit, for its chance; it is
// only called if a fault has one.
func (q *faultQueue[T]) take(matches func(*T) bool, key func() []string) T {
	q.mu.Lock()
	defer q.mu.Unlock()
	var names []string
	for i := range q.queue {
		f := &q.queue[i]
		if !matches(&f.fault) {
			continue
		}
		times, chance := q.rule(&f.fault)
		if chance != 0 && names == nil {
			names = key()
		}
		if chance != 0 && chance != 1 && !q.ids.chance(chance, append([]string{q.kind, strconv.Itoa(f.serial)}, names...)...) {
			continue
		}
		if *times != Forever {
			*times--
		}
		taken := f.fault
		if *times == 0 {
			q.queue = slices.Delete(q.queue, i, i+1)
		}
		return taken
	}
	var none T
	return none
}
