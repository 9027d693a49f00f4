package receive

import (
	"context"
	"errors"
)

// A Handler takes responsibility for a delivery. Return nil once the delivery is safely
// stored or handled: the [Receiver] then answers 200, and Nylas will not send it again. This
// handing over of responsibility is called custody. Any other error, a panic, or not
// returning in time makes the Receiver answer 503, and Nylas tries up to two more times. An
// error marked by [Permanent] counts as nil.
//
// A Handler may be called more than once with the same [Delivery.ID], even concurrently, so
// it must be idempotent; [DropDuplicates] helps. It should return when ctx ends.
type Handler interface {
	HandleDelivery(ctx context.Context, d *Delivery) error
}

// HandlerFunc is a function that is a [Handler].
type HandlerFunc func(ctx context.Context, d *Delivery) error

// HandleDelivery calls f.
func (f HandlerFunc) HandleDelivery(ctx context.Context, d *Delivery) error {
	return f(ctx, d)
}

// ErrPermanent matches, with errors.Is, every error that [Permanent] has marked.
var ErrPermanent = errors.New("receive: permanent error")

// Permanent marks an error that a retry cannot fix. The [Receiver] logs it as an error, to
// [slog.Default] unless it has [WithLogger], and answers 200: the delivery is gone. A queue
// moves the delivery to its dead letters at once. Permanent(nil) is nil.
//
// An error that wraps several, such as one of errors.Join, is permanent if any of them is, so
// do not join a permanent error with one that a retry can fix.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err is marked by [Permanent]. If a method of err panics, as
// that of a nil pointer may, it returns false.
func IsPermanent(err error) (permanent bool) {
	defer func() {
		if recover() != nil {
			permanent = false
		}
	}()
	return errors.Is(err, ErrPermanent)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string   { return e.err.Error() }
func (e *permanentError) Unwrap() []error { return []error{e.err, ErrPermanent} }
