//go:build linux

package inbox_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/internal/load"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	// The smallest allowed rates, as parts of what appending to a file with one
	// fdatasync for all that came meanwhile reaches in the same run.
	minAccept = 0.25
	minCycle  = 0.15

	callers = 64
	rounds  = 5
	// roundItems is how many notifications one round stores.
	roundItems = 12_000
)

// notification is a message.opened of about 1.3 kB, as Nylas sends it with a few
// recents, with an id of its own.
func notification(id string) []byte {
	body := fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":%q,"time":1695480423,`+
		`"data":{"application_id":"6f8c6a0c-2a3f-4a4e-9a0e-1f0f3c7d2b11","grant_id":"f7d1a8b4-3c52-4a6f-8b11-0f5a7c9e2d33","object":{`+
		`"message_id":"18ac281f237c934b","label":"trial-followup-q2","sender_app_id":"6f8c6a0c","timestamp":1695480410,`+
		`"message_data":{"count":7,"timestamp":1695480410},"recents":[`, id)
	for i := range 7 {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"ip":"203.0.113.%d","opened_id":%d,"timestamp":%d,`+
			`"user_agent":"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"}`, i, i, 1695480410-i)
	}
	return append(body, `]}}}`...)
}

// uuids makes ids as random as Nylas', without asking for randomness in between.
func uuid(i int) string {
	x := uint64(i)*0x9e3779b97f4a7c15 + uint64(time.Now().UnixNano())
	x ^= x >> 31
	x *= 0xbf58476d1ce4e5b9
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", uint32(x>>32), uint16(x>>16), uint16(x)&0xfff, uint16(i)&0xfff, i)
}

func deliveries(n int) []*receive.Delivery {
	all := make([]*receive.Delivery, n)
	for i := range all {
		all[i] = receive.NewDelivery(notification(uuid(i)), "")
	}
	return all
}

// together has as many callers store all of them, and returns how many a second.
func together(callers int, all []*receive.Delivery, store func(*receive.Delivery) error, finish func()) (float64, error) {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var working sync.WaitGroup
	start := time.Now()
	for range callers {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				if err := store(all[i]); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	working.Wait()
	finish()
	elapsed := time.Since(start)
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(len(all)) / elapsed.Seconds(), nil
}

// rawLog appends to a file, and syncs it once for all that came meanwhile: the
// least that a durable answer can cost.
type rawLog struct {
	file    *os.File
	mu      sync.Mutex
	waiting []rawWaiter
	wake    chan struct{}
}

type rawWaiter struct {
	body []byte
	done chan error
}

func newRawLog(tb testing.TB) *rawLog {
	tb.Helper()
	file, err := os.Create(filepath.Join(tb.TempDir(), "raw"))
	require.NoError(tb, err)
	l := &rawLog{file: file, wake: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() { l.write(); close(ended) }()
	tb.Cleanup(func() { close(l.wake); <-ended; _ = file.Close(); _ = os.Remove(file.Name()) })
	return l
}

func (l *rawLog) store(d *receive.Delivery) error {
	w := rawWaiter{d.Body, make(chan error, 1)}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return <-w.done
}

func (l *rawLog) write() {
	var buffer []byte
	for range l.wake {
		l.mu.Lock()
		group := l.waiting
		l.waiting = nil
		l.mu.Unlock()
		buffer = buffer[:0]
		for _, w := range group {
			buffer = append(buffer, w.body...)
		}
		_, err := l.file.Write(buffer)
		if err == nil {
			err = fdatasync(l.file)
		}
		for _, w := range group {
			w.done <- err
		}
	}
}

// BenchmarkAccept measures how fast deliveries get onto the disk.
func BenchmarkAccept(b *testing.B) {
	b.Run(fmt.Sprint(callers), func(b *testing.B) {
		compare(b, minAccept, func(b *testing.B, all []*receive.Delivery) float64 {
			b.Helper()
			box, err := inbox.Open(filepath.Join(b.TempDir(), "nylas.db"))
			require.NoError(b, err)
			rate, err := together(callers, all, func(d *receive.Delivery) error {
				return box.HandleDelivery(context.Background(), d)
			}, func() {})
			require.NoError(b, err)
			require.NoError(b, box.Close())
			return rate
		})
	})
}

// BenchmarkCycle measures how fast deliveries are stored, handled and marked.
func BenchmarkCycle(b *testing.B) {
	b.Run(fmt.Sprint(callers), func(b *testing.B) {
		compare(b, minCycle, func(b *testing.B, all []*receive.Delivery) float64 {
			b.Helper()
			finished := make(chan struct{})
			var handled atomic.Int64
			box, err := inbox.Open(filepath.Join(b.TempDir(), "nylas.db"), inbox.WithHooks(inbox.Hooks{
				Handled: func(*receive.Delivery, int, time.Duration) { // the mark is on the disk
					if handled.Add(1) == int64(len(all)) {
						close(finished)
					}
				},
			}))
			require.NoError(b, err)
			ctx, cancel := context.WithCancel(b.Context())
			ran := make(chan error, 1)
			go func() {
				ran <- box.Run(ctx, receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil }))
			}()
			rate, err := together(callers, all, func(d *receive.Delivery) error {
				return box.HandleDelivery(context.Background(), d)
			}, func() { <-finished })
			require.NoError(b, err)
			cancel()
			require.NoError(b, <-ran)
			require.NoError(b, box.Close())
			return rate
		})
	})
}

// compare measures in turns with the raw log and fails if the inbox is too slow.
func compare(b *testing.B, limit float64, measure func(*testing.B, []*receive.Delivery) float64) {
	b.Helper()
	var ratios, rates []float64
	for b.Loop() {
		ratios, rates = nil, nil
		for range rounds {
			all := deliveries(roundItems)
			raw := newRawLog(b)
			reference, err := together(callers, all, raw.store, func() {})
			require.NoError(b, err)
			rate := measure(b, all)
			rates = append(rates, rate)
			ratios = append(ratios, rate/reference)
			b.Logf("raw %.0f/s, inbox %.0f/s: %.3f", reference, rate, rate/reference)
		}
	}
	ratio := load.Median(ratios)
	b.ReportMetric(ratio, "x-raw")
	b.ReportMetric(load.Median(rates), "items/s")
	if ratio < limit {
		b.Errorf("%.3f of a raw append, want at least %v", ratio, limit)
	}
}
