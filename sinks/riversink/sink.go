package riversink

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/nylastrack/nylas-go/receive"
)

// Sink takes deliveries into a PostgreSQL database. It is a [receive.Handler],
// safe for concurrent use, and needs no closing: it has no goroutine while no
// call is under way, and the pool is its maker's.
type Sink struct {
	pool   *pgxpool.Pool
	client *river.Client[pgx.Tx]
	config *config
	groups groups
}

var _ receive.Handler = (*Sink)(nil)

// Open returns a Sink for the database of pool. It does not connect: a receiver
// should start, and answer 503, also while the database is away. Without
// [Sink.Migrate], in this program or before it, there are no tables.
func Open(pool *pgxpool.Pool, opts ...Option) (*Sink, error) {
	if pool == nil {
		return nil, errors.New("riversink: open: pool is nil")
	}
	c := newConfig()
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.apply(c); err != nil {
			return nil, fmt.Errorf("riversink: open: %w", err)
		}
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("riversink: open: %w", err)
	}
	client := c.client
	if client == nil {
		var err error
		client, err = river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: c.schema, Logger: c.logger})
		if err != nil {
			return nil, fmt.Errorf("riversink: open: %w", err)
		}
	}
	s := &Sink{pool: pool, client: client, config: c}
	s.groups.insert = s.insertGroup
	return s, nil
}

// HandleDelivery stores d. A nil means that it is committed, now or before. The
// error is [context.Cause] if ctx ended first; d may be stored then all the same,
// and is known when it comes again.
//
// Deliveries that come at the same time are stored together, at most 500 or 8 MiB
// in a transaction, which is given up when none of the callers waits any more,
// and after 30 s.
//
// If d cannot be decoded, as its Err says, it is stored as a dead letter.
func (s *Sink) HandleDelivery(ctx context.Context, d *receive.Delivery) error {
	err := s.store(ctx, d)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("riversink: store delivery: %w", readable(err))
}

func (s *Sink) store(ctx context.Context, d *receive.Delivery) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	args, err := newArgs(d)
	if err != nil {
		return err
	}
	if args.Error != nil {
		return s.begin(ctx, func(tx pgx.Tx) error { return s.insertDead(ctx, tx, args) })
	}
	err = s.groups.add(ctx, args)
	if errors.Is(err, errNotTogether) {
		err = s.begin(ctx, func(tx pgx.Tx) error {
			_, err := s.client.InsertTx(ctx, tx, args, s.insertOpts())
			return err
		})
	}
	return err
}

// HandleDeliveryTx stores d as part of tx, which must be of the same database.
// The delivery is taken once tx is committed.
func (s *Sink) HandleDeliveryTx(ctx context.Context, tx pgx.Tx, d *receive.Delivery) error {
	args, err := newArgs(d)
	if err != nil {
		return fmt.Errorf("riversink: store delivery: %w", err)
	}
	if args.Error != nil {
		err = s.insertDead(ctx, tx, args)
	} else {
		_, err = s.client.InsertTx(ctx, tx, args, s.insertOpts())
	}
	if err != nil {
		return fmt.Errorf("riversink: store delivery: %w", readable(err))
	}
	return nil
}

// checkDurable refuses a session in which a commit does not wait for the disk. It is sent
// with each BEGIN, because the setting can change at any time: for the server, or for the
// role, which only the next connections see. The code is that of a bad setting.
const checkDurable = `; DO $$BEGIN IF current_setting('synchronous_commit') = 'off' THEN
	RAISE 'synchronous_commit is off, so that a crash loses what was committed: set it on for this role or in the connection''s parameters'
	USING ERRCODE = 'F0000'; END IF; END$$`

// begin does work in a transaction that is as durable as the server can make it.
func (s *Sink) begin(ctx context.Context, work func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: "BEGIN" + checkDurable}, work)
}

// groupLockTimeout is how long a group waits for a delivery that is known already
// and that somebody holds, such as a handler between [CompleteTx] and its commit.
const groupLockTimeout = "100ms"

// insertGroup stores several deliveries at once. The first way is the fast one,
// because nothing comes back and nothing is looked up, and stores none of them if
// one is known already.
func (s *Sink) insertGroup(ctx context.Context, group []*deliveryArgs) error {
	jobs := make([]river.InsertManyParams, len(group))
	opts := s.insertOpts()
	for i, args := range group {
		jobs[i] = river.InsertManyParams{Args: args, InsertOpts: opts}
	}
	err := s.begin(ctx, func(tx pgx.Tx) error {
		_, err := s.client.InsertManyFastTx(ctx, tx, jobs)
		return err
	})
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != uniqueViolation || len(group) == 1 {
		return err
	}
	return s.begin(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+groupLockTimeout+"'"); err != nil {
			return err
		}
		_, err := s.client.InsertManyTx(ctx, tx, jobs)
		return err
	})
}

// insertDead stores a delivery that no handler could decode. River knows no job
// that is born dead, but one that nobody has taken yet can be cancelled.
func (s *Sink) insertDead(ctx context.Context, tx pgx.Tx, args *deliveryArgs) error {
	result, err := s.client.InsertTx(ctx, tx, args, s.insertOpts())
	if err != nil || result.UniqueSkippedAsDuplicate {
		return err
	}
	_, err = s.client.JobCancelTx(ctx, tx, result.Job.ID)
	return err
}

func (s *Sink) insertOpts() *river.InsertOpts {
	return &river.InsertOpts{
		MaxAttempts: s.config.maxAttempts,
		Queue:       s.config.queue,
		// Every state: what is dead or done is known as well.
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: rivertype.JobStates()},
	}
}
