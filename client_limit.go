package nylas

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nylastrack/nylas-go/internal/lanes"
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

// lane says which limit a call counts for.
type lane int

const (
	laneApplication lane = iota // names neither grant nor domain
	laneGrant                   // of the grant that is the first id
	laneSend                    // sends from the grant or domain that is the first id
)

// limiter holds up requests. A nil limiter does not.
type limiter struct {
	sends, multipartSends, grantCalls, applicationCalls *lanes.Lanes
}

func newLimiter(limits RateLimits) *limiter {
	return &limiter{
		sends:            lanes.New(cmp.Or(limits.Sends, defaultSends)),
		multipartSends:   lanes.New(cmp.Or(limits.MultipartSends, defaultMultipartSends)),
		grantCalls:       lanes.New(cmp.Or(limits.GrantCalls, defaultGrantCalls)),
		applicationCalls: lanes.New(cmp.Or(limits.ApplicationCalls, defaultApplicationCalls)),
	}
}

// pass waits until a request of x may go.
func (l *limiter) pass(ctx context.Context, x *roundTrips) error {
	switch {
	case x.call.lane == laneApplication:
		return lanes.Pass(ctx, "", l.applicationCalls)
	case x.call.lane == laneGrant:
		return lanes.Pass(ctx, x.call.ids[0], l.grantCalls)
	case x.body.IsMultipart():
		return lanes.Pass(ctx, x.call.ids[0], l.multipartSends, l.sends)
	default:
		return lanes.Pass(ctx, x.call.ids[0], l.sends)
	}
}

// admit waits until an attempt may begin, at most until the end of the time for
// repeating, if the attempt is a further one.
func (x *roundTrips) admit(ctx context.Context, until time.Time) error {
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
	err := x.client.limiter.pass(waiting, x)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("while waiting for the rate limit: %w", ended(ctx))
	case err != nil:
		return errors.New("while waiting for the rate limit: the time in which the request may be repeated is over")
	}
	return nil
}
