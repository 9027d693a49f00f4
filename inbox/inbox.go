package inbox

import (
	"context"
	"errors"
	"iter"
	"time"

	nylas "github.com/nylastrack/nylas-go"
)

// Inbox is a durable queue of deliveries in a file. It is a [nylas.Handler] for
// what comes in; [Inbox.Run] gives it to another Handler. Make one with [Open];
// it is safe for concurrent use.
type Inbox struct {
}

var errNotYet = errors.New("not yet")

// Open opens the inbox in the file at path, or makes it; the directory must
// exist. The Inbox must be closed.
//
// The error is [ErrInUse] if another Inbox has the file, [ErrCorrupt] if it is
// damaged, or tells that the file is none of an inbox, that a later version wrote
// it, or what the operating system says.
func Open(path string, opts ...Option) (*Inbox, error) { return nil, errNotYet }

// HandleDelivery stores a delivery. It returns nil when the delivery is on the
// disk, or its id is known already: the first body of an id is kept. Callers at
// the same time share one transaction.
//
// An error means that the delivery was not stored, as far as is known: the disk
// is full or failed, the Inbox is closed ([ErrClosed]), or too much waits for the
// disk ([ErrOverloaded]); the Receiver then answers 503. If ctx ends while the
// delivery is being written, the error is that of ctx, and the delivery may be
// stored all the same.
//
// A delivery with Err set cannot be decoded: it is stored among the dead letters.
func (b *Inbox) HandleDelivery(ctx context.Context, d *nylas.Delivery) error { return errNotYet }

// Run gives what is stored to handler, oldest first, until ctx ends; then it
// waits for the handlers that are running, for the grace at the most (see
// [WithGrace]), and returns nil. What those have not finished is handled by the
// next Run. It returns [ErrClosed] if the Inbox is closed, and [ErrRunning] if Run
// is running already.
//
// A delivery is done when handler returns nil. Any other error, a panic, or
// runtime.Goexit is a failure: the delivery is handled again after a wait (see
// [WithBackoff]), and becomes a dead letter after [WithMaxAttempts] or at once if
// the error is marked by [nylas.Permanent].
//
// handler gets each delivery at least once, and must be idempotent: a crash can
// come between its return and the mark in the file.
func (b *Inbox) Run(ctx context.Context, handler nylas.Handler) error { return errNotYet }

// Close ends Run as if its context had ended, waits until what was accepted is on
// the disk, and closes the file. HandleDelivery returns [ErrClosed] from then on.
// A handler must not call it.
func (b *Inbox) Close() error { return errNotYet }

// DeadLetter is a delivery that was given up.
type DeadLetter struct {
	Delivery *nylas.Delivery
	// Attempts is how often it was handled; 0 if it could not be decoded.
	Attempts int
	// Err is the text of the last error, cut to 1 kB.
	Err string
	// DiedAt is when it was given up. It is kept for the retention from then on.
	DiedAt time.Time
}

// Dead lists the dead letters, those first that were accepted first. It reads in
// steps and sees what changes meanwhile; the Inbox may be used inside the loop. An
// error ends the list.
func (b *Inbox) Dead(ctx context.Context) iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) { yield(nil, errNotYet) }
}

// Requeue makes dead letters due at once, with their attempts counted from 0. All
// of them or none; an id that is not among the dead letters is an error,
// [ErrNotDead]. It returns when the change is on the disk.
func (b *Inbox) Requeue(ctx context.Context, ids ...string) error { return errNotYet }

// ErrNotDead means that no dead letter has the id.
var ErrNotDead = errors.New("inbox: no dead letter has this id")

// Stats is a picture of an Inbox.
type Stats struct {
	// Pending counts what waits to be handled, Running included. Running counts what
	// handlers are working on, or have finished and is not yet marked in the file.
	Pending, Running int64
	// Retrying counts those of Pending that have failed before.
	Retrying int64
	// Dead counts the dead letters, Done the ids that are remembered of what was
	// handled.
	Dead, Done int64
	// Oldest is the ReceivedAt of the oldest pending delivery; zero if there is none.
	// time.Since(Oldest) is what to watch.
	Oldest time.Time
	// AcceptedPerSecond and HandledPerSecond are averages over the last minute.
	AcceptedPerSecond, HandledPerSecond float64
	// Bytes is the size of the file with what belongs to it.
	Bytes int64
}

// Stats looks at the Inbox. It is cheap.
func (b *Inbox) Stats(ctx context.Context) (Stats, error) { return Stats{}, errNotYet }
