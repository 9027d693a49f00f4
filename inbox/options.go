package inbox

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nylastrack/nylas-go/receive"
)

// An Option sets up an [Inbox].
type Option interface {
	apply(*config) error
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type config struct {
	workers        int
	retention      time.Duration
	history        time.Duration
	maxAttempts    int
	firstBackoff   time.Duration
	maxBackoff     time.Duration
	handlerTimeout time.Duration
	grace          time.Duration
	order          func(*receive.Delivery) string
	logger         *slog.Logger
	hooks          Hooks
	fullCheck      bool
}

// What an Inbox does unless options say otherwise.
const (
	defaultWorkers   = 8
	defaultRetention = 7 * 24 * time.Hour // Nylas sends again for 72 hours
	// With these a delivery is given up after about 63 hours: a weekend, after which
	// somebody notices and repairs what it needs. They are those of sinks/riversink.
	defaultMaxAttempts    = 25
	defaultFirstBackoff   = time.Second
	defaultMaxBackoff     = 6 * time.Hour
	defaultHandlerTimeout = time.Minute
	defaultGrace          = 10 * time.Second
)

func newConfig(opts []Option) (*config, error) {
	c := &config{
		workers:        defaultWorkers,
		retention:      defaultRetention,
		maxAttempts:    defaultMaxAttempts,
		firstBackoff:   defaultFirstBackoff,
		maxBackoff:     defaultMaxBackoff,
		handlerTimeout: defaultHandlerTimeout,
		grace:          defaultGrace,
		logger:         slog.New(slog.DiscardHandler),
	}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.apply(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// WithWorkers sets how many deliveries are handled at a time, 8 by default.
func WithWorkers(n int) Option {
	return option(func(c *config) error {
		if n < 1 {
			return fmt.Errorf("%d workers: want at least 1", n)
		}
		c.workers = n
		return nil
	})
}

// WithRetention sets how long an id is remembered after its acceptance, so that
// a duplicate is known, and how long a dead letter is kept after its death: 7 days
// by default, at least a minute. A dead letter that is over its time is removed,
// and [Hooks.Expired] told of it. When the clock jumped, nothing is removed until ten
// minutes later the clock still says so. Less than 72 hours cannot know all that Nylas
// sends again after an endpoint failed.
func WithRetention(d time.Duration) Option {
	return option(func(c *config) error {
		if d < time.Minute {
			return fmt.Errorf("a retention of %v: want at least a minute", d)
		}
		c.retention = d
		return nil
	})
}

// WithHistory keeps what was handled for d after that, at least a minute, so that
// [Inbox.Replay] can have it handled again. Without it only the id is kept. The file grows by
// what comes in during d, and each delivery is written once more.
func WithHistory(d time.Duration) Option {
	return option(func(c *config) error {
		if d < time.Minute {
			return fmt.Errorf("a history of %v: want at least a minute", d)
		}
		c.history = d
		return nil
	})
}

// WithMaxAttempts sets after how many failures a delivery becomes a dead letter:
// 25 by default, which takes about 63 hours. An attempt that ended with the
// process, or with Run, does not count.
func WithMaxAttempts(n int) Option {
	return option(func(c *config) error {
		if n < 1 {
			return fmt.Errorf("%d attempts: want at least 1", n)
		}
		c.maxAttempts = n
		return nil
	})
}

// WithBackoff sets the wait after the first failure of a delivery, which doubles
// with each further one up to most: 1 s and 6 h by default. Each wait is made up
// to a half longer or shorter by chance, so that what failed together does not
// come back together.
func WithBackoff(first, most time.Duration) Option {
	return option(func(c *config) error {
		if first <= 0 || most < first {
			return fmt.Errorf("a back-off from %v to %v: want the first above 0 and not above the last", first, most)
		}
		c.firstBackoff, c.maxBackoff = first, most
		return nil
	})
}

// WithHandlerTimeout sets when the context of a handler ends, a minute by default;
// 0 means never. A handler that does not return then keeps its worker, and its
// delivery is not handled a second time beside it. If it still runs 5 s later, the Inbox
// logs a warning and calls [Hooks.Hung]: with all workers in that state nothing is handled.
func WithHandlerTimeout(d time.Duration) Option {
	return option(func(c *config) error {
		if d < 0 {
			return fmt.Errorf("a handler time-out of %v is negative", d)
		}
		c.handlerTimeout = d
		return nil
	})
}

// WithGrace sets how long Run, when its own context has ended, waits for handlers
// that are running before it ends their contexts too: 10 s by default.
func WithGrace(d time.Duration) Option {
	return option(func(c *config) error {
		if d < 0 {
			return fmt.Errorf("a grace of %v is negative", d)
		}
		c.grace = d
		return nil
	})
}

// WithOrder handles deliveries with the same key one after the other, in the
// order of their acceptance; [receive.MessageOrder] is such a key. One that failed holds
// back the later ones of its key until it succeeds or is dead. Deliveries whose
// key is empty have no order.
//
// key is called once when a delivery is accepted and again when it is read from
// the file, by several goroutines; it must give the same result each time. A key
// that panics counts as empty. Nylas itself does not keep an order.
func WithOrder(key func(d *receive.Delivery) string) Option {
	return option(func(c *config) error {
		if key == nil {
			return errors.New("the key of the order is nil")
		}
		c.order = key
		return nil
	})
}

// WithLogger sets where the Inbox tells of what goes wrong; by default nowhere.
// Logs name deliveries by id and type, and hold the errors that your handlers
// return, but never a body.
func WithLogger(logger *slog.Logger) Option {
	return option(func(c *config) error {
		if logger == nil {
			return errors.New("the logger is nil")
		}
		c.logger = logger
		return nil
	})
}

// WithFullCheck makes Open read the whole file to find damage, however big it
// is: about a second for each gigabyte that the system has in memory. Without it
// a file above 256 MiB is checked only where Open needs it.
func WithFullCheck() Option {
	return option(func(c *config) error {
		c.fullCheck = true
		return nil
	})
}

// WithHooks sets functions that are called when something happens, for metrics.
func WithHooks(hooks Hooks) Option {
	return option(func(c *config) error {
		c.hooks = hooks
		return nil
	})
}

// Hooks are functions for metrics; each of them may be nil. They are called by
// the goroutines that do the work, at the same time even, so they must return
// at once. A hook must not change the delivery, keep its body, or call the Inbox,
// and one that panics ends the process.
type Hooks struct {
	// Accepted is called when a delivery is on the disk. took is how long its caller
	// waited.
	Accepted func(d *receive.Delivery, took time.Duration)
	// Duplicate is called for a delivery whose id is known already.
	Duplicate func(d *receive.Delivery)
	// Handled is called when a handler has returned nil and that is on the disk. took
	// is how long the handler ran; time.Since(d.ReceivedAt) is the whole delay.
	Handled func(d *receive.Delivery, attempt int, took time.Duration)
	// Failed is called when a handler has failed. attempt counts from 1; the next one
	// is at retryAt, or never if that is zero: then Died follows.
	Failed func(d *receive.Delivery, attempt int, err error, retryAt time.Time)
	// Died is called when a delivery has become a dead letter. attempts is 0 if it
	// could not be decoded and was never given to a handler.
	Died func(d *receive.Delivery, attempts int, err error)
	// Hung is called when a handler still runs 5 s after its context has ended, because of
	// [WithHandlerTimeout]. running is for how long. d has no body, which the handler may
	// be changing.
	Hung func(d *receive.Delivery, running time.Duration)
	// Expired is called when dead letters over their retention were removed.
	Expired func(count int)
	// StoreFailed is called when the file could not be written. The Inbox tries again
	// by itself; deliveries that could not be stored are their callers' to repeat.
	StoreFailed func(err error)
}
