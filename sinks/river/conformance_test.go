package nylasriver_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	nylasriver "github.com/nylastrack/nylas-go/sinks/river"
)

// engine is a Sink with connections of its own, as each process has them.
type engine struct {
	*nylasriver.Sink
	pool *pgxpool.Pool
}

func TestRiverKeepsThePromiseOfAHandler(t *testing.T) {
	t.Parallel()
	nylastest.TestHandler(t, nylastest.Engine{
		Open: func(tb testing.TB, storage string) nylas.Handler {
			tb.Helper()
			pool := newPool(tb)
			tb.Cleanup(func() { dropSchema(tb, storage) })
			sink, err := nylasriver.Open(pool, nylasriver.WithSchema(storage), quick)
			require.NoError(tb, err)
			require.NoError(tb, sink.Migrate(tb.Context()))
			return engine{sink, pool}
		},
		// What a process that died leaves to the database are its connections.
		Crash: func(_ testing.TB, _ string, e nylas.Handler) { e.(engine).pool.Close() },
		Drain: func(tb testing.TB, e, handler nylas.Handler) {
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
		Dead: func(tb testing.TB, e nylas.Handler) (dead []*nylas.Delivery) {
			tb.Helper()
			for letter, err := range e.(engine).Dead(tb.Context()) {
				require.NoError(tb, err)
				dead = append(dead, letter.Delivery)
			}
			return dead
		},
	})
}
