package riversink_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

// engine is a Sink with connections of its own, as each process has them.
type engine struct {
	*riversink.Sink
	pool *pgxpool.Pool
}

func TestRiverKeepsThePromiseOfAHandler(t *testing.T) {
	t.Parallel()
	nylastest.TestHandler(t, nylastest.Engine{
		Open: func(tb testing.TB, storage string) receive.Handler {
			tb.Helper()
			pool := newPool(tb)
			tb.Cleanup(func() { dropSchema(tb, storage) })
			sink, err := riversink.Open(pool, riversink.WithSchema(storage), quick)
			require.NoError(tb, err)
			require.NoError(tb, sink.Migrate(tb.Context()))
			return engine{sink, pool}
		},
		// What a process that died leaves to the database are its connections.
		Crash: func(_ testing.TB, _ string, e receive.Handler) { e.(engine).pool.Close() },
		Drain: func(tb testing.TB, e, handler receive.Handler) {
			tb.Helper()
			ctx, stop := context.WithTimeout(tb.Context(), patience)
			defer stop()
			done := make(chan error, 1)
			go func() { done <- e.(engine).Run(ctx, handler) }()
			require.Eventually(tb, func() bool {
				s, err := e.(engine).Stats(tb.Context())
				return err == nil && s.Pending+s.Running == 0
			}, patience, 10*time.Millisecond)
			stop()
			require.NoError(tb, <-done)
		},
		Dead: func(tb testing.TB, e receive.Handler) (dead []*receive.Delivery) {
			tb.Helper()
			for letter, err := range e.(engine).Dead(tb.Context()) {
				require.NoError(tb, err)
				dead = append(dead, letter.Delivery)
			}
			return dead
		},
	})
}
