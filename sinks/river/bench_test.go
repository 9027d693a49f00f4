package nylasriver_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	nylasriver "github.com/nylastrack/nylas-go/sinks/river"
)

const (
	benchCallers = 64
	benchRounds  = 5
	benchCount   = 6400 // deliveries in a round
)

// benchBody is an event with 5 recents, 1.3 kB, of which padding stands for most.
func benchDelivery(id string) *nylas.Delivery {
	d := opened(id)
	d.Body = append(d.Body[:len(d.Body)-1], fmt.Sprintf(`,"padding":"%0*d"}`, 1335-len(d.Body)-14, 0)...)
	return d
}

// inParallel calls accept n times, from benchCallers goroutines, and returns the rate per second.
func inParallel(b *testing.B, n int, accept func(i int) error) float64 {
	b.Helper()
	var next atomic.Int64
	var callers sync.WaitGroup
	failed := make(chan error, benchCallers)
	start := time.Now()
	for range benchCallers {
		callers.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := accept(int(i)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	callers.Wait()
	rate := float64(n) / time.Since(start).Seconds()
	close(failed)
	require.NoError(b, <-failed)
	return rate
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func benchPool(b *testing.B) *pgxpool.Pool {
	b.Helper()
	config, err := pgxpool.ParseConfig(databaseURL(b))
	require.NoError(b, err)
	config.MaxConns = benchCallers
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	return pool
}

// BenchmarkAccept takes deliveries of 1.3 kB from 64 callers into custody. The
// peer is what one would write by hand: one INSERT ... ON CONFLICT DO NOTHING for
// each, into a table with nothing but id and body, from as many connections.
func BenchmarkAccept(b *testing.B) {
	b.Run("64", func(b *testing.B) {
		pool := benchPool(b)
		schema := newSchema(b)
		sink, err := nylasriver.Open(pool, nylasriver.WithSchema(schema))
		require.NoError(b, err)
		require.NoError(b, sink.Migrate(b.Context()))
		_, err = pool.Exec(b.Context(), "CREATE TABLE "+schema+".plain (id text PRIMARY KEY, body bytea NOT NULL)")
		require.NoError(b, err)
		plain := func(ctx context.Context, d *nylas.Delivery) error {
			_, err := pool.Exec(ctx, "INSERT INTO "+schema+".plain VALUES ($1, $2) ON CONFLICT DO NOTHING", d.ID, d.Body)
			return err
		}
		var sinkRates, plainRates, ratios []float64
		for b.Loop() {
			for round := range benchRounds {
				id := func(i int) string { return fmt.Sprintf("n-%d-%d-%d", b.N, round, len(ratios)*benchCount+i) }
				s := inParallel(b, benchCount, func(i int) error { return sink.HandleDelivery(b.Context(), benchDelivery(id(i))) })
				p := inParallel(b, benchCount, func(i int) error { return plain(b.Context(), benchDelivery(id(i))) })
				sinkRates, plainRates, ratios = append(sinkRates, s), append(plainRates, p), append(ratios, s/p)
			}
		}
		b.ReportMetric(median(sinkRates), "per-s")
		b.ReportMetric(median(plainRates), "insert-per-s")
		b.ReportMetric(median(ratios), "x-insert")
	})
}
