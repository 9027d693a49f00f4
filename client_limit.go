package nylas

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RateLimits says how many requests a second a Client makes at most; see
// [WithRateLimit]. The zero value of a field means what Nylas publishes as its own
// limit. A fraction is good for the limits of providers: Microsoft takes 30
// messages a minute, so Sends 0.5.
//
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
type RateLimits struct {
	// Sends is for all sends of a grant, drafts included, or of a domain. The default
	// is 200.
	Sends float64
	// MultipartSends is for those of them that are too large for JSON. They count
	// among Sends, too: Nylas has a limit for each form and does not say whether a
	// request counts for both. The default is 10.
	MultipartSends float64
	// GrantCalls is for all other calls of a grant. The default is 200.
	GrantCalls float64
	// ApplicationCalls is for all calls that name neither grant nor domain together,
	// such as those on webhooks. The default is 50.
	ApplicationCalls float64
}

// What Nylas takes a second.
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
const (
	defaultSends            = 200
	defaultMultipartSends   = 10
	defaultGrantCalls       = 200
	defaultApplicationCalls = 50
)

// WithRateLimit makes calls wait until Nylas' limits allow them, instead of being
// answered 429. Each attempt waits, repeated ones too. Waiting is no attempt, does
// not count for [WithTimeout], and ends when the context ends. A repeat that would
// come when it is not safe any more is not made: see [RetryPolicy].
//
// The requests of a grant go out evenly, without bursts, because Nylas does not
// say how it counts a second; those that wait go in the order in which they came.
// A grant is what the call names it: one that is named by id here and by address
// there counts as two. The limits hold for one Client. Programs that share a grant
// share Nylas' limits too, so give each its part, and see [ErrRateLimited]. A
// number that is negative or not finite is refused.
//
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
func WithRateLimit(limits RateLimits) ClientOption {
	return clientOption(func(c *clientConfig) error {
		for _, n := range []*float64{&limits.Sends, &limits.MultipartSends, &limits.GrantCalls, &limits.ApplicationCalls} {
			if *n < 0 || math.IsNaN(*n) || math.IsInf(*n, 0) {
				return errors.New("WithRateLimit: want finite numbers that are not negative")
			}
		}
		c.limiter = newLimiter(limits)
		return nil
	})
}

// limiter holds up requests. A nil limiter does not.
type limiter struct {
	sends, multipartSends, grantCalls, applicationCalls *lanes
}

func newLimiter(limits RateLimits) *limiter {
	or := func(n, standard float64) *lanes {
		if n == 0 {
			n = standard
		}
		return &lanes{rate: rate.Limit(n), open: make(map[string]*lane), sweepAt: minSweep}
	}
	return &limiter{
		sends:            or(limits.Sends, defaultSends),
		multipartSends:   or(limits.MultipartSends, defaultMultipartSends),
		grantCalls:       or(limits.GrantCalls, defaultGrantCalls),
		applicationCalls: or(limits.ApplicationCalls, defaultApplicationCalls),
	}
}

// lanesOf returns what a request has to pass, the slowest first, and whose lane of
// it.
func (l *limiter) lanesOf(x *exchange) (_ []*lanes, owner string) {
	call := &x.call
	if !strings.HasPrefix(call.path, "/v3/grants/{") && !strings.HasPrefix(call.path, "/v3/domains/{") {
		return []*lanes{l.applicationCalls}, ""
	}
	switch isSend := call.method == http.MethodPost && (strings.HasSuffix(call.path, "/messages/send") || call.path == draftPath); {
	case !isSend:
		return []*lanes{l.grantCalls}, call.ids[0]
	case strings.HasPrefix(x.contentType(), "multipart/"):
		return []*lanes{l.multipartSends, l.sends}, call.ids[0]
	default:
		return []*lanes{l.sends}, call.ids[0]
	}
}

// minSweep is how many lanes are open before the first look for idle ones.
const minSweep = 1024

// lanes are the lanes of one kind of request, one for each owner. A lane whose
// next request could go at once is like a new one and can be forgotten, so there
// are at most about twice as many as were in use within the time between two
// requests, or minSweep.
type lanes struct {
	rate rate.Limit

	mu      sync.Mutex
	open    map[string]*lane
	sweepAt int
}

// lane lets requests through one by one.
type lane struct {
	limiter *rate.Limiter
	turn    chan struct{} // holds a value while a request waits for the limiter
	users   int           // guarded by lanes.mu
}

func (l *lanes) enter(owner string) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
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

func (l *lanes) leave(left *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left.users--
}

// sweep forgets idle lanes. What is left goes into a new map, because a map does
// not shrink.
func (l *lanes) sweep() {
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
func (l *lanes) pass(ctx context.Context, owner string, others []*lanes) error {
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

// admit waits until an attempt may begin, at most until the end of the time for
// repeating, if the attempt is a further one.
func (x *exchange) admit(ctx context.Context, until time.Time) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if x.client.limiter == nil {
		return nil
	}
	waiting := ctx
	if !until.IsZero() {
		var cancel context.CancelFunc
		waiting, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	all, owner := x.client.limiter.lanesOf(x)
	err := all[0].pass(waiting, owner, all[1:])
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("while waiting for the rate limit: %w", ended(ctx))
	case err != nil:
		return errors.New("while waiting for the rate limit: the time in which the request may be repeated is over")
	}
	return nil
}
