package riversink

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// The defaults of a Sink, and their limits.
const (
	defaultSchema = "nylas"
	defaultQueue  = "nylas"

	defaultWorkers        = 50
	defaultHandlerTimeout = time.Minute

	// minRetention is how long a handled delivery must be known at least. Nylas
	// repeats for up to 72 h, https://developer.nylas.com/docs/v3/notifications/;
	// the rest is for an outage of this side.
	minRetention = 7 * 24 * time.Hour

	// 25 attempts, River's number, take 63 hours with these waits.
	defaultMaxAttempts  = river.MaxAttemptsDefault
	defaultFirstBackoff = time.Second
	defaultMaxBackoff   = 6 * time.Hour

	// maxAttempts is what the column holds.
	maxAttempts = 1<<15 - 1

	// defaultRescueAfter is far above the time a handler has, and far below the
	// time for which somebody waits for an event.
	defaultRescueAfter = 5 * time.Minute

	// stopLimit is what handlers get to end in when Run is told to stop.
	stopLimit = 10 * time.Second
)

// Option sets up [Open]. Every [WorkOption] is one too.
type Option interface {
	apply(*config) error
}

// WorkOption sets up how deliveries are worked off, by [Sink.Run] or by a client
// that [Configure] prepared.
type WorkOption interface {
	Option
	work()
}

type config struct {
	schema      string
	schemaGiven bool
	client      *river.Client[pgx.Tx]
	maxAttempts int
	logger      *slog.Logger

	queue          string
	workers        int
	handlerTimeout time.Duration
	firstBackoff   time.Duration
	maxBackoff     time.Duration
	rescueAfter    time.Duration
	retention      time.Duration
	runGiven       bool // an option that only a client that works looks at
}

func newConfig() *config {
	return &config{
		schema:         defaultSchema,
		maxAttempts:    defaultMaxAttempts,
		logger:         slog.New(slog.DiscardHandler),
		queue:          defaultQueue,
		workers:        defaultWorkers,
		handlerTimeout: defaultHandlerTimeout,
		firstBackoff:   defaultFirstBackoff,
		maxBackoff:     defaultMaxBackoff,
	}
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type workOption func(*config) error

func (o workOption) apply(c *config) error { return o(c) }
func (workOption) work()                   {}

func runOption(set func(*config) error) WorkOption {
	return workOption(func(c *config) error {
		c.runGiven = true
		return set(c)
	})
}

// WithSchema names the PostgreSQL schema of River's tables; by default nylas. No
// client that was set up elsewhere may use the same one, see the package's doc.
func WithSchema(name string) Option {
	return option(func(c *config) error {
		if !schemaName.MatchString(name) {
			return errors.New("schema must be 1 to 46 lower-case letters, digits and underscores, and not begin with a digit")
		}
		c.schema, c.schemaGiven = name, true
		return nil
	})
}

// schemaName holds to what needs no quotes, and to the length that River takes.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,45}$`)

// WithClient stores deliveries with a client that is already there, in its
// schema and with its hooks. It must be a client of the pool that [Open] gets.
// If it has workers, they need the one of [Configure].
func WithClient(client *river.Client[pgx.Tx]) Option {
	return option(func(c *config) error {
		if client == nil {
			return errors.New("client is nil")
		}
		c.client = client
		return nil
	})
}

// WithMaxAttempts sets how often the handler is called for a delivery before it
// becomes a dead letter: 1 to 32767, by default 25. It holds for what is stored
// from then on.
func WithMaxAttempts(n int) Option {
	return option(func(c *config) error {
		if n < 1 || n > maxAttempts {
			return fmt.Errorf("max attempts must be 1 to %d", maxAttempts)
		}
		c.maxAttempts = n
		return nil
	})
}

// WithLogger gives a logger to [Sink.Run] and River's client in it. By default
// nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return option(func(c *config) error {
		if logger == nil {
			return errors.New("logger is nil")
		}
		c.logger, c.runGiven = logger, true
		return nil
	})
}

// WithQueue names the queue of the deliveries; by default nylas. Receivers and
// workers need the same one.
func WithQueue(name string) WorkOption {
	return workOption(func(c *config) error {
		if !queueName.MatchString(name) {
			return errors.New("queue must be 1 to 64 letters, digits, hyphens and underscores, and begin with a letter or digit")
		}
		c.queue = name
		return nil
	})
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$`)

// WithWorkers sets how many deliveries this process handles at a time: 1 to
// 10000, by default 50.
func WithWorkers(n int) WorkOption {
	return runOption(func(c *config) error {
		if n < 1 || n > river.QueueNumWorkersMax {
			return fmt.Errorf("workers must be 1 to %d", river.QueueNumWorkersMax)
		}
		c.workers = n
		return nil
	})
}

// WithHandlerTimeout sets after what time the handler's context ends; by
// default a minute. A handler that goes on all the same keeps its worker.
func WithHandlerTimeout(d time.Duration) WorkOption {
	return runOption(func(c *config) error {
		if d <= 0 {
			return errors.New("handler timeout must be positive")
		}
		c.handlerTimeout = d
		return nil
	})
}

// WithBackoff sets the wait after the first failed attempt, which doubles with
// each further one, and the longest wait; by default 1 s and 6 h. The real waits
// differ by up to a quarter, so that deliveries that failed together do not
// come together.
func WithBackoff(first, longest time.Duration) WorkOption {
	return runOption(func(c *config) error {
		if first <= 0 || longest < first {
			return errors.New("backoff must be positive, and the longest not below the first")
		}
		c.firstBackoff, c.maxBackoff = first, longest
		return nil
	})
}

// WithRescueAfter sets after what time a delivery whose process died is handled
// again; by default 5 minutes, or the handler's time and 4 minutes if that is
// longer. It must be above the handler's time: nobody can tell a dead process
// from one that is slow, and a handler that takes longer than this, because it
// ignores its context or its machine stood still, is called a second time. River
// looks every 30 s.
func WithRescueAfter(d time.Duration) WorkOption {
	return runOption(func(c *config) error {
		if d <= 0 {
			return errors.New("rescue after must be positive")
		}
		c.rescueAfter = d
		return nil
	})
}

// WithRetention sets how long handled deliveries and dead letters are kept; at
// least, and by default, 7 days. Until then duplicates are known.
func WithRetention(d time.Duration) WorkOption {
	return runOption(func(c *config) error {
		if d < minRetention {
			return fmt.Errorf("retention must be at least %v: Nylas repeats for 72 h", minRetention)
		}
		c.retention = d
		return nil
	})
}

// check looks at what options mean together.
func (c *config) check() error {
	if c.rescueAfter == 0 {
		c.rescueAfter = max(defaultRescueAfter, c.handlerTimeout+defaultRescueAfter-defaultHandlerTimeout)
	}
	if c.rescueAfter <= c.handlerTimeout {
		return errors.New("rescue after must be above the handler's timeout, " +
			"or a handler that is still at work is called a second time")
	}
	if c.client == nil {
		return nil
	}
	if c.schemaGiven {
		return errors.New("WithSchema and WithClient exclude each other: a client has a schema")
	}
	if c.runGiven {
		return errors.New("with WithClient, options of working belong to Configure")
	}
	c.schema = c.client.Schema()
	return nil
}
