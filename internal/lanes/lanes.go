// Package lanes limits the rate of requests: those of one owner go out evenly, so many per
// second, in the order in which they came.
package lanes

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// minSweep is how many lanes are open before the first look for idle ones.
const minSweep = 1024

// Lanes are the lanes of one kind of request, one for each owner. A lane whose
// next request could go at once is like a new one and can be forgotten, so there
// are at most about twice as many as were in use within the time between two
// requests, or minSweep.
type Lanes struct {
	rate   rate.Limit
	shared bool // all owners have one lane

	mu      sync.Mutex
	open    map[string]*lane
	sweepAt int
}

// lane lets requests through one by one.
type lane struct {
	limiter *rate.Limiter
	turn    chan struct{} // holds a value while a request waits for the limiter
	users   int           // guarded by Lanes.mu
}

// New returns lanes that let perSecond requests of each owner through in a second.
func New(perSecond float64) *Lanes {
	return &Lanes{rate: rate.Limit(perSecond), open: make(map[string]*lane), sweepAt: minSweep}
}

// NewShared returns lanes that let perSecond requests of all owners together through in a
// second.
func NewShared(perSecond float64) *Lanes {
	l := New(perSecond)
	l.shared = true
	return l
}

// Pass waits until a request of owner may go. A request that has to pass several lanes
// names the slowest first, but shared ones last: a request that waits for its own owner
// holds up no other. An error is that of ctx, and then nothing was taken from any
// lane.
func Pass(ctx context.Context, owner string, all ...*Lanes) error {
	return all[0].pass(ctx, owner, all[1:])
}

func (l *Lanes) enter(owner string) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shared {
		owner = ""
	}
	entered := l.open[owner]
	if entered == nil {
		if len(l.open) >= l.sweepAt {
			l.sweep()
		}
		entered = &lane{limiter: rate.NewLimiter(l.rate, 1), turn: make(chan struct{}, 1)}
		l.open[owner] = entered
	}
	entered.users++
	return entered
}

func (l *Lanes) leave(left *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left.users--
}

// sweep forgets idle lanes. What is left goes into a new map, because a map does
// not shrink.
func (l *Lanes) sweep() {
	inUse := make(map[string]*lane)
	for owner, lane := range l.open {
		if lane.users > 0 || lane.limiter.Tokens() < 1 {
			inUse[owner] = lane
		}
	}
	l.open, l.sweepAt = inUse, max(minSweep, 2*len(inUse))
}

// pass waits for the turn of a request. If it has to pass others too, it does that
// just before it goes, so that it does not go together with one behind it that had
// to wait there as well.
func (l *Lanes) pass(ctx context.Context, owner string, others []*Lanes) error {
	lane := l.enter(owner)
	defer l.leave(lane)
	// Only the first in the line takes from the limiter: one that is given up behind
	// others could not be given back to it.
	select {
	case lane.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-lane.turn }()
	if len(others) > 0 {
		free := lane.limiter.Reserve()
		delay := free.Delay()
		free.Cancel()
		if err := await(ctx, delay); err != nil {
			return err
		}
		if err := others[0].pass(ctx, owner, others[1:]); err != nil {
			return err
		}
	}
	reserved := lane.limiter.Reserve()
	err := await(ctx, reserved.Delay())
	if err != nil {
		reserved.Cancel()
	}
	return err
}

func await(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
