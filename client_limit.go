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

// RateLimits says how many requests a Client makes per second at most; see
// [WithRateLimit]. A field that is 0 means the limit that Nylas publishes, or no limit
// if it publishes none. Use a fraction for the limit of a mail provider: Microsoft accepts
// 30 messages a minute, so Sends is 0.5.
//
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
type RateLimits struct {
	// Sends limits the sends of one grant or one domain, including sends of drafts. The
	// default is 200.
	Sends float64
	// MultipartSends limits those sends that are too large for JSON; see [Attachment].
	// They count as Sends too, because Nylas does not say whether they do. The default
	// is 10.
	MultipartSends float64
	// OrganizationSends limits all sends of the Client together, whatever they are sent
	// from. Agent Accounts need it besides Sends: Nylas limits the sends of all Agent
	// Accounts of an organization together, queues what is beyond that, and answers 429
	// when the queue is full; see [Message.Queued]. The number depends on the plan, so the
	// default is no limit. Sends from connected mailboxes count too: a program that has
	// both uses a Client of its own for Agent Accounts.
	//
	// https://developer.nylas.com/docs/v3/agent-accounts/send-limits/
	OrganizationSends float64
	// GrantCalls limits all other calls of one grant. The default is 200.
	GrantCalls float64
	// ApplicationCalls limits all calls without a grant and a domain together, such as
	// those for webhooks. The default is 50.
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

// WithRateLimit makes each attempt wait until the limits allow it, so that Nylas does
// not answer 429. The wait ends when the context ends. It does not count towards
// [WithTimeout]. The SDK gives up a retry whose turn would come too late; see
// [RetryPolicy].
//
// Requests go out evenly and in order, without bursts, because Nylas does not say how it
// counts a second. A grant that some calls name by id and others by address counts as
// two grants.
//
// The limits apply to one Client. Several programs that use the same grant share Nylas'
// limits, so give each program a part of them. See also [ErrRateLimited]. Limits must be
// finite and not negative.
//
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
func WithRateLimit(limits RateLimits) ClientOption {
	return clientOption(func(c *clientConfig) error {
		for _, n := range []*float64{&limits.Sends, &limits.MultipartSends, &limits.OrganizationSends, &limits.GrantCalls, &limits.ApplicationCalls} {
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
	organizationSends                                   *lanes.Lanes // nil for no limit
}

func newLimiter(limits RateLimits) *limiter {
	l := &limiter{
		sends:            lanes.New(cmp.Or(limits.Sends, defaultSends)),
		multipartSends:   lanes.New(cmp.Or(limits.MultipartSends, defaultMultipartSends)),
		grantCalls:       lanes.New(cmp.Or(limits.GrantCalls, defaultGrantCalls)),
		applicationCalls: lanes.New(cmp.Or(limits.ApplicationCalls, defaultApplicationCalls)),
	}
	if limits.OrganizationSends > 0 {
		l.organizationSends = lanes.NewShared(limits.OrganizationSends)
	}
	return l
}

// pass waits until a request of x may go.
func (l *limiter) pass(ctx context.Context, x *roundTrips) error {
	switch x.call.lane {
	case laneApplication:
		return lanes.Pass(ctx, "", l.applicationCalls)
	case laneGrant:
		return lanes.Pass(ctx, x.call.ids[0], l.grantCalls)
	}
	var all []*lanes.Lanes
	if x.body.IsMultipart() {
		all = append(all, l.multipartSends)
	}
	all = append(all, l.sends)
	if l.organizationSends != nil {
		all = append(all, l.organizationSends)
	}
	return lanes.Pass(ctx, x.call.ids[0], all...)
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
