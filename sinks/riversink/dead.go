package riversink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/nylastrack/nylas-go/receive"
)

// DeadLetter is a delivery that is not handled any more.
type DeadLetter struct {
	Delivery *receive.Delivery
	// Attempts counts the calls of the handler since the delivery was stored or
	// put back; 0 if it could not be decoded.
	Attempts int
	// Err is the text of the last error, of at most 4 kB.
	Err string
	// DiedAt is when it was given up.
	DiedAt time.Time
}

// deadPage is how many dead letters are in memory at a time; a body is up to 8 MiB.
const deadPage = 16

// deadStates are River's names for what is given up: after the last attempt,
// and at once.
var deadStates = []rivertype.JobState{rivertype.JobStateDiscarded, rivertype.JobStateCancelled}

// Dead returns the dead letters, oldest first. Those that are put back or deleted
// meanwhile do no harm. After an error there is no more.
func (s *Sink) Dead(ctx context.Context) iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) {
		page := river.NewJobListParams().Kinds(Kind).States(deadStates...).
			OrderBy(river.JobListOrderByFinalizedAt, river.SortOrderAsc).First(deadPage)
		for {
			result, err := s.client.JobList(ctx, page)
			if err != nil {
				yield(nil, fmt.Errorf("riversink: list dead letters: %w", readable(err)))
				return
			}
			for _, job := range result.Jobs {
				letter, err := deadLetter(job)
				if err != nil {
					yield(nil, fmt.Errorf("riversink: list dead letters: job %d: %w", job.ID, err))
					return
				}
				if !yield(letter, nil) {
					return
				}
			}
			if len(result.Jobs) < deadPage {
				return
			}
			page = page.After(result.LastCursor)
		}
	}
}

func deadLetter(job *rivertype.JobRow) (*DeadLetter, error) {
	var args deliveryArgs
	if err := json.Unmarshal(job.EncodedArgs, &args); err != nil {
		return nil, fmt.Errorf("its arguments were changed and are no delivery any more (%T)", err)
	}
	letter := &DeadLetter{Delivery: args.delivery(), Attempts: job.Attempt}
	if job.FinalizedAt != nil {
		letter.DiedAt = *job.FinalizedAt
	}
	switch {
	case len(job.Errors) > 0:
		letter.Err = job.Errors[len(job.Errors)-1].Error
	case args.Error != nil:
		letter.Err = args.Error.Text
	}
	return letter, nil
}

// ErrNotDead means that there is no dead letter with an id.
var ErrNotDead = errors.New("riversink: not a dead letter")

// Requeue gives the dead letters with the delivery ids to the handler again,
// with all their attempts. If one is no dead letter, none is put back and the
// error is [ErrNotDead].
func (s *Sink) Requeue(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return s.requeue(ctx, tx, ids) })
	if err != nil {
		return fmt.Errorf("riversink: requeue: %w", readable(err))
	}
	return nil
}

func (s *Sink) requeue(ctx context.Context, tx pgx.Tx, ids []string) error {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	// The lock is against two who put back the same one: River would take the
	// second call as a wish to do again what the first one had done meanwhile.
	rows, err := tx.Query(ctx, `UPDATE `+s.table()+` SET attempt = 0 WHERE id IN (
		SELECT id FROM `+s.table()+`
		WHERE kind = $1 AND state IN ('cancelled', 'discarded') AND args->>'id' = ANY($2)
		ORDER BY id FOR UPDATE) RETURNING id`, Kind, ids)
	if err != nil {
		return err
	}
	jobs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	if len(jobs) < len(wanted) {
		return fmt.Errorf("%w: %d of %d", ErrNotDead, len(wanted)-len(jobs), len(wanted))
	}
	for _, job := range jobs {
		if _, err := s.client.JobRetryTx(ctx, tx, job); err != nil {
			return err
		}
	}
	return nil
}

// Stats counts the deliveries of a [Sink].
type Stats struct {
	Pending int64 // stored and not begun, or waiting for a further attempt
	Running int64 // with a handler, or with one whose process died and that waits to be rescued
	Dead    int64
	// Oldest is when the oldest of those pending and running was stored; zero
	// without one.
	Oldest time.Time
}

// Stats counts. It reads an entry of an index for each delivery that is not done,
// and none for those that are.
func (s *Sink) Stats(ctx context.Context) (Stats, error) {
	var stats Stats
	var oldest *time.Time
	err := s.pool.QueryRow(ctx, `SELECT
			count(*) FILTER (WHERE state IN ('available', 'pending', 'retryable', 'scheduled')),
			count(*) FILTER (WHERE state = 'running'),
			count(*) FILTER (WHERE state IN ('cancelled', 'discarded')),
			min(created_at) FILTER (WHERE state NOT IN ('cancelled', 'discarded'))
		FROM `+s.table()+` WHERE kind = $1
			AND state IN ('available', 'pending', 'retryable', 'scheduled', 'running', 'cancelled', 'discarded')`,
		Kind).Scan(&stats.Pending, &stats.Running, &stats.Dead, &oldest)
	if err != nil {
		return Stats{}, fmt.Errorf("riversink: stats: %w", readable(err))
	}
	if oldest != nil {
		stats.Oldest = *oldest
	}
	return stats, nil
}

// table is the table of River's jobs.
func (s *Sink) table() string {
	if s.config.schema == "" {
		return "river_job"
	}
	return pgx.Identifier{s.config.schema, "river_job"}.Sanitize()
}
