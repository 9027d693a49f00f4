package receive

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

var (
	errCustodyLimit  = errors.New("receive: handler did not return in time")
	errHandlerExited = errors.New("receive: handler ended its goroutine")
	errPanic         = errors.New("receive: handler panicked")
)

// handOver gives a delivery to the handler and answers for the outcome.
func (r *Receiver) handOver(w http.ResponseWriter, req *http.Request, d *Delivery, held share, start time.Time) (status int) {
	end := start.Add(deliveryLimit)
	if limit := d.ReceivedAt.Add(r.limits.custody); limit.Before(end) {
		end = limit
	}
	ctx := &custodyContext{request: req.Context(), end: end}
	// From here on the delivery is the handler's, and may change or never be let
	// go of.
	named := naming{d.ID, d.Type}
	outcomes := make(chan outcome, 2) // of the handler and of the timer, whoever is first
	timer := time.AfterFunc(time.Until(end), func() { outcomes <- outcome{errCustodyLimit, true} })
	defer timer.Stop()
	// A goroutine of its own, so that a handler that does not return, or that ends
	// its goroutine, cannot keep the answer from Nylas.
	go r.handle(ctx, d, named, held, outcomes)
	first := <-outcomes
	if !first.late { // else it ends by itself, and its cause is to say why
		defer ctx.cancel()
	}
	switch err := first.err; {
	case err == nil:
		return respondTaken(w)
	case IsPermanent(err):
		r.loud.LogAttrs(ctx, slog.LevelError, "receive: delivery given up", named.attrs(slog.Any(telemetry.LogError, err))...)
		return respondTaken(w)
	default:
		r.logger.LogAttrs(ctx, slog.LevelWarn, "receive: delivery not taken", named.attrs(slog.Any(telemetry.LogError, err))...)
		return respondUnavailable(w)
	}
}

// outcome is what became of a delivery.
type outcome struct {
	err  error
	late bool // the handler has not returned
}

// handle calls the handler and sends what became of it.
func (r *Receiver) handle(ctx context.Context, d *Delivery, named naming, held share, outcomes chan<- outcome) {
	guard.Call(func() error { return r.handler.HandleDelivery(ctx, d) }, func(err error) {
		if err != nil {
			err = r.failure(ctx, named, err)
		}
		held.free()
		outcomes <- outcome{err: err}
	})
}

// failure names what the handler did, if its error is not its own. It is a function of its
// own, so that the frames of handle stay small: its goroutine's stack would grow.
func (r *Receiver) failure(ctx context.Context, named naming, err error) error {
	panicked, err := guard.Outcome(err, errPanic, errHandlerExited)
	if panicked != nil {
		r.logger.LogAttrs(ctx, slog.LevelError, "receive: handler panicked", panicked.Attrs(named.attrs()...)...)
	}
	return err
}

// custodyContext is the context of a handler: it has the values of the request,
// does not end with the request, and ends with the custody. Most of what a context
// takes is made when a handler asks for it, because many do not.
type custodyContext struct {
	request context.Context //nolint:containedctx // it is one itself
	end     time.Time

	mu    sync.Mutex
	made  context.Context //nolint:containedctx // it is one itself
	close context.CancelFunc
	over  bool
}

// full makes the context that does it all.
func (c *custodyContext) full() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		c.made, c.close = context.WithDeadlineCause(context.WithoutCancel(c.request), c.end, errCustodyLimit)
		if c.over {
			c.close()
		}
	}
	return c.made
}

func (c *custodyContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.close != nil {
		c.close()
	}
}

func (c *custodyContext) Deadline() (time.Time, bool) { return c.end, true }
func (c *custodyContext) Done() <-chan struct{}       { return c.full().Done() }
func (c *custodyContext) Err() error                  { return c.full().Err() }
func (c *custodyContext) Value(key any) any           { return c.full().Value(key) }

// naming is what a log may say of a delivery.
type naming struct {
	id  string
	typ events.Type
}

func (n naming) attrs(more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{slog.String(telemetry.LogDeliveryID, n.id), slog.String(telemetry.LogType, string(n.typ))}, more...)
}
