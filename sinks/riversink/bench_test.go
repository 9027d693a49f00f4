package riversink_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
)

const (
	benchCallers = 64
	benchRounds  = 5
	benchCount   = 3200 // deliveries in a round

	minAccept = 0.4
	minCycle  = 0.12
)

// bench is a Sink beside a table with nothing but id and body.
type bench struct {
	*riversink.Sink
	pool   *pgxpool.Pool
	schema string
	ids    int
}

func newBench(b *testing.B) *bench {
	b.Helper()
	config, err := pgxpool.ParseConfig(databaseURL(b))
	require.NoError(b, err)
	config.MaxConns = benchCallers
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	require.NoError(b, err)
	b.Cleanup(pool.Close)
	schema := newSchema(b)
	sink, err := riversink.Open(pool, riversink.WithSchema(schema))
	require.NoError(b, err)
	require.NoError(b, sink.Migrate(b.Context()))
	_, err = pool.Exec(b.Context(), "CREATE TABLE "+schema+".plain (id text PRIMARY KEY, body bytea NOT NULL)")
	require.NoError(b, err)
	return &bench{sink, pool, schema, 0}
}

// plain is what one would write by hand: a row for each delivery, a transaction
// for each row, as many connections as callers.
func (n *bench) plain(b *testing.B) float64 {
	b.Helper()
	insert := "INSERT INTO " + n.schema + ".plain VALUES ($1, $2) ON CONFLICT DO NOTHING"
	return n.inParallel(b, func(d *receive.Delivery) error {
		_, err := n.pool.Exec(b.Context(), insert, d.ID, d.Body)
		return err
	})
}

func (n *bench) sink(b *testing.B) float64 {
	b.Helper()
	return n.inParallel(b, func(d *receive.Delivery) error { return n.HandleDelivery(b.Context(), d) })
}

// inParallel calls accept from benchCallers goroutines, for benchCount deliveries
// of 1.3 kB, and returns their rate per second.
func (n *bench) inParallel(b *testing.B, accept func(*receive.Delivery) error) float64 {
	b.Helper()
	deliveries := make(chan *receive.Delivery, benchCount)
	for range benchCount {
		n.ids++
		d := opened(fmt.Sprint("n-", n.ids))
		// Random, because what takes turns on the disk is not compressed either.
		d.Body = fmt.Appendf(d.Body[:len(d.Body)-1], `,"padding":"%s"}`, randomText(1335-len(d.Body)-14))
		deliveries <- d
	}
	close(deliveries)
	var callers sync.WaitGroup
	failed := make(chan error, benchCallers)
	start := time.Now()
	for range benchCallers {
		callers.Go(func() {
			for d := range deliveries {
				if err := accept(d); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	callers.Wait()
	rate := benchCount / time.Since(start).Seconds()
	close(failed)
	require.NoError(b, <-failed)
	return rate
}

func randomText(n int) string {
	text := make([]byte, (n+1)/2)
	_, _ = rand.Read(text) // never fails
	return hex.EncodeToString(text)[:n]
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// compare measures in turns, because the machine is not equally fast at all
// times, and fails if the sink does not reach limit times the plain rate.
func (n *bench) compare(b *testing.B, sink func(*testing.B) float64, limit float64) {
	b.Helper()
	n.plain(b) // connects
	var rates, plain, ratios []float64
	for b.Loop() {
		for range benchRounds {
			s, p := sink(b), n.plain(b)
			rates, plain, ratios = append(rates, s), append(plain, p), append(ratios, s/p)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(rates), "per-s")
	b.ReportMetric(median(plain), "insert-per-s")
	b.ReportMetric(median(ratios), "x-insert")
	if r := median(ratios); r < limit {
		b.Errorf("%.2f times the rate of a plain INSERT, want at least %.2f", r, limit)
	}
}

// BenchmarkAccept takes deliveries into custody. x-insert is its rate as a share
// of plain INSERT ... ON CONFLICT DO NOTHING.
func BenchmarkAccept(b *testing.B) {
	b.Run("64", func(b *testing.B) {
		n := newBench(b)
		n.compare(b, n.sink, minAccept)
	})
}

// BenchmarkCycle also handles them, by a handler that does nothing, and marks them
// done.
func BenchmarkCycle(b *testing.B) {
	b.Run("64", func(b *testing.B) {
		n := newBench(b)
		ctx, stop := context.WithCancel(b.Context())
		var handled atomic.Int64
		done := make(chan error, 1)
		go func() {
			done <- n.Run(ctx, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
				handled.Add(1)
				return nil
			}))
		}()
		n.compare(b, func(b *testing.B) float64 {
			b.Helper()
			before, start := handled.Load(), time.Now()
			n.sink(b)
			for ticks := time.NewTicker(time.Millisecond); handled.Load() < before+benchCount; <-ticks.C {
			}
			return benchCount / time.Since(start).Seconds()
		}, minCycle)
		stop()
		require.NoError(b, <-done)
	})
}
