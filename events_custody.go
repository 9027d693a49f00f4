package nylas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

var (
	errCustodyLimit  = errors.New("nylas: handler did not return in time")
	errHandlerExited = errors.New("nylas: handler ended its goroutine")
	errPanic         = errors.New("nylas: handler panicked")
)

// handOver gives a delivery to the handler and answers for the outcome.
func (r *Receiver) handOver(w http.ResponseWriter, req *http.Request, d *Delivery, held share, start time.Time) {
	end := start.Add(deliveryLimit)
	if limit := time.Now().Add(r.limits.custody); limit.Before(end) {
		end = limit
	}
	ctx, cancel := context.WithDeadlineCause(context.WithoutCancel(req.Context()), end, errCustodyLimit)
	defer cancel()
	// From here on the delivery is the handler's, and may change or never be let
	// go of.
	named := naming{d.ID, d.Type}
	// A goroutine of its own, so that a handler that does not return, or that ends
	// its goroutine, cannot keep the answer from Nylas.
	done := make(chan custody, 1)
	go r.handle(ctx, d, named, held, done)
	var ended custody
	select {
	case ended = <-done:
	case <-ctx.Done():
		ended.err = context.Cause(ctx)
	}
	switch err := ended.err; {
	case err == nil:
		respondTaken(w)
	case ended.permanent:
		r.logger.LogAttrs(ctx, slog.LevelError, "nylas: delivery given up", named.attrs(slog.Any("error", err))...)
		respondTaken(w)
	default:
		r.logger.LogAttrs(ctx, slog.LevelWarn, "nylas: delivery not taken", named.attrs(slog.Any("error", err))...)
		respondUnavailable(w)
	}
}

// custody is what a handler made of a delivery.
type custody struct {
	err       error
	permanent bool
}

// handle calls the handler and sends what became of it. It looks into the error
// here, because that is code of the handler's too: the methods of a nil pointer
// that was returned as an error may panic.
func (r *Receiver) handle(ctx context.Context, d *Delivery, named naming, held share, done chan<- custody) {
	ended := custody{err: errHandlerExited}
	defer func() {
		if value := recover(); value != nil {
			r.logger.LogAttrs(ctx, slog.LevelError, "nylas: handler panicked", named.attrs(
				slog.String("panic", panicText(value)), slog.String("stack", string(debug.Stack())))...)
			ended = custody{err: errPanic}
		}
		held.free()
		done <- ended
	}()
	err := r.handler.HandleDelivery(ctx, d)
	ended = custody{err, errors.Is(err, ErrPermanent)}
}

// naming is what a log may say of a delivery.
type naming struct {
	id  string
	typ events.Type
}

func (n naming) attrs(more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{slog.String("id", n.id), slog.String("type", string(n.typ))}, more...)
}

// panicText names a panic. Its value may hold anything, so only its type is
// named, unless it comes from the runtime.
func panicText(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
