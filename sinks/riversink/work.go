package riversink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/receive"
)

// fetchCooldown is the shortest time between two fetches. River's default, 100
// ms, would hold 50 workers to 500 deliveries a second.
const fetchCooldown = 5 * time.Millisecond

// Run gives stored deliveries to handler until ctx ends, and returns nil then.
// Any number of processes may run at a time, also beside receivers in the same
// process. When ctx ends no more deliveries are begun; handlers have 10 s to
// finish before their contexts end too, and Run waits as long again for them to
// return. A delivery that was interrupted so is handled by the next Run, and the
// attempt does not count.
//
// It returns an error at once if the database cannot be reached or has no
// tables. Later on it outlives failures of the database.
//
// With [WithClient] there is nothing to run: start that client.
func (s *Sink) Run(ctx context.Context, handler receive.Handler) error {
	if s.config.client != nil {
		return errors.New("riversink: run: with WithClient, prepare the client with Configure and start it instead")
	}
	if err := s.run(ctx, handler); err != nil {
		return fmt.Errorf("riversink: run: %w", readable(err))
	}
	return nil
}

func (s *Sink) run(ctx context.Context, handler receive.Handler) error {
	config := &river.Config{
		Schema: s.config.schema, Logger: s.config.logger, SoftStopTimeout: stopLimit,
		JobTimeout: s.config.handlerTimeout, RescueStuckJobsAfter: s.config.rescueAfter,
	}
	if err := s.config.configure(config, handler); err != nil {
		return err
	}
	client, err := river.NewClient(riverpgxv5.New(s.pool), config)
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	select {
	case <-client.Stopped():
		return nil
	case <-time.After(2 * stopLimit):
		return errors.New("handlers did not return after their contexts ended")
	}
}

// Configure prepares the config of a River client that shall work off
// deliveries: it adds the worker that calls handler and the queue, unless the
// config has it, and has finished jobs kept for 7 days or [WithRetention]. A
// retention that the config sets itself is an error if it is shorter. The time
// after which jobs of a dead process are rescued becomes that of
// [WithRescueAfter] if the config sets none and no JobTimeout. The waits between
// attempts are those of [WithBackoff], not of the config's RetryPolicy.
//
// Retention and rescue are the leader's, who may be any client of the schema, so
// all of them need this.
func Configure(config *river.Config, handler receive.Handler, opts ...WorkOption) error {
	if config == nil {
		return errors.New("riversink: configure: config is nil")
	}
	c := newConfig()
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.apply(c); err != nil {
			return fmt.Errorf("riversink: configure: %w", err)
		}
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("riversink: configure: %w", err)
	}
	if err := c.configure(config, handler); err != nil {
		return fmt.Errorf("riversink: configure: %w", err)
	}
	return nil
}

func (c *config) configure(config *river.Config, handler receive.Handler) error {
	if guard.IsNil(handler) {
		return errors.New("handler is nil")
	}
	for _, period := range []struct {
		name  string
		value *time.Duration
	}{
		{"CompletedJobRetentionPeriod", &config.CompletedJobRetentionPeriod},
		{"CancelledJobRetentionPeriod", &config.CancelledJobRetentionPeriod},
		{"DiscardedJobRetentionPeriod", &config.DiscardedJobRetentionPeriod},
	} {
		least := max(c.retention, minRetention)
		switch {
		case *period.value == 0:
			*period.value = least
		case *period.value > 0 && *period.value < least:
			return fmt.Errorf("%s is below %v: Nylas repeats for 72 h, and what is no longer known is handled again",
				period.name, least)
		}
	}
	if config.RescueStuckJobsAfter == 0 && config.JobTimeout == 0 {
		config.RescueStuckJobsAfter = c.rescueAfter
	}
	if config.RescueStuckJobsAfter > 0 && config.RescueStuckJobsAfter <= c.handlerTimeout {
		return errors.New("RescueStuckJobsAfter must be above the handler's timeout, " +
			"or a handler that is still at work is called a second time")
	}
	if config.Workers == nil {
		config.Workers = river.NewWorkers()
	}
	logger := config.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if err := river.AddWorkerSafely(config.Workers, &worker{handler: handler, config: c, logger: logger}); err != nil {
		return err
	}
	if config.Queues == nil {
		config.Queues = map[string]river.QueueConfig{}
	}
	if _, ok := config.Queues[c.queue]; !ok {
		config.Queues[c.queue] = river.QueueConfig{MaxWorkers: c.workers, FetchCooldown: fetchCooldown}
	}
	return nil
}

// worker gives deliveries to a handler.
type worker struct {
	river.WorkerDefaults[*deliveryArgs]
	handler receive.Handler
	config  *config
	logger  *slog.Logger
}

// Timeout is the time of the handler.
func (w *worker) Timeout(*river.Job[*deliveryArgs]) time.Duration { return w.config.handlerTimeout }

// NextRetry goes by the attempts since the delivery was stored or put back.
func (w *worker) NextRetry(job *river.Job[*deliveryArgs]) time.Time {
	wait := w.config.firstBackoff
	for i := 1; i < job.Attempt && wait < w.config.maxBackoff; i++ {
		wait *= 2
	}
	wait = min(wait, w.config.maxBackoff)
	jitter := 0.75 + 0.5*rand.Float64()
	return time.Now().Add(time.Duration(float64(wait) * jitter))
}

// Work calls the handler, in a goroutine of its own: one that a handler ends
// would take River's with it, and the delivery would wait to be rescued.
func (w *worker) Work(ctx context.Context, job *river.Job[*deliveryArgs]) error {
	ctx = context.WithValue(ctx, jobKey{}, job)
	done := make(chan error, 1)
	go guard.Call(func() error {
		return w.handler.HandleDelivery(ctx, job.Args.delivery())
	}, func(err error) {
		panicked, err := guard.Outcome(err, errPanic, errExited)
		if panicked != nil {
			w.logger.LogAttrs(ctx, slog.LevelError, "riversink: handler panicked", panicked.Attrs(slog.String(telemetry.LogDeliveryID, job.Args.ID))...)
			err = fmt.Errorf("%w: %s", err, panicked.Text)
		}
		done <- err
	})
	return outcome(<-done)
}

// outcome makes of a handler's error what River understands.
func outcome(err error) error {
	if err == nil {
		return nil
	}
	failed := &workError{text: storable(err.Error()), err: err}
	if receive.IsPermanent(err) {
		failed.err = river.JobCancel(err)
	}
	return failed
}

// workError is an error whose text can be stored.
type workError struct {
	text string
	err  error
}

func (e *workError) Error() string { return e.text }
func (e *workError) Unwrap() error { return e.err }

type jobKey struct{}

// CompleteTx marks the delivery that is being handled as done, as part of tx, a
// transaction of the same database. A handler that writes through tx, calls
// CompleteTx and commits has counted its delivery exactly once: if it fails, or
// its process dies, neither the writes nor the mark remain. ctx is the one that
// the handler got.
func CompleteTx(ctx context.Context, tx pgx.Tx) error {
	job, ok := ctx.Value(jobKey{}).(*river.Job[*deliveryArgs])
	if !ok {
		return errors.New("riversink: complete: the context is not that of a handler behind River")
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return fmt.Errorf("riversink: complete: %w", readable(err))
	}
	return nil
}
