//go:build linux

package inbox_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/internal/load"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	// minEndpoint is the smallest allowed rate of the endpoint with the inbox behind
	// it, as a part of what a handler that only reads the body reaches.
	minEndpoint = 0.18
	// A burst: the most that a sender is documented to cause within seconds.
	burst        = 20_000
	maxBurstP99  = time.Second
	benchSecret  = "benchmark-secret"
	handledFile  = "handled"
	roundAnswers = 10_000
)

func servers() map[string]load.Setup {
	return map[string]load.Setup{"empty": serveEmpty, "inbox": serveInbox, "worked": serveWorked}
}

// serveEmpty is the least that a handler can do with a body.
func serveEmpty(string) (http.Handler, func() error, error) {
	buffers := sync.Pool{New: func() any { return new([16 << 10]byte) }}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		buffer := buffers.Get().(*[16 << 10]byte)
		defer buffers.Put(buffer)
		if _, err := io.ReadFull(req.Body, buffer[:req.ContentLength]); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	}), nil, nil
}

// serveInbox is the endpoint with an inbox behind it.
func serveInbox(dir string) (http.Handler, func() error, error) {
	box, err := inbox.Open(filepath.Join(dir, "nylas.db"))
	if err != nil {
		return nil, nil, err
	}
	receiver, err := receive.New(box, receive.Secret(benchSecret))
	return receiver, box.Close, err
}

// serveWorked is that with a handler that handles it, and writes down which ids
// it had.
func serveWorked(dir string) (http.Handler, func() error, error) {
	handled := make(map[string]int)
	var mu sync.Mutex
	var left int
	empty := make(chan struct{})
	box, err := inbox.Open(filepath.Join(dir, "nylas.db"), inbox.WithHooks(inbox.Hooks{
		Handled: func(d *receive.Delivery, _ int, _ time.Duration) { // it is marked on the disk
			mu.Lock()
			defer mu.Unlock()
			handled[d.ID]++
			if left--; left == -burst {
				close(empty)
			}
		},
	}))
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() {
		ran <- box.Run(ctx, receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil }))
	}()
	receiver, err := receive.New(box, receive.Secret(benchSecret))
	return receiver, func() error {
		select {
		case <-empty:
		case <-time.After(time.Minute):
		}
		cancel()
		err := errors.Join(<-ran, box.Close())
		mu.Lock()
		defer mu.Unlock()
		return errors.Join(err, os.WriteFile(filepath.Join(dir, handledFile), []byte(strconv.Itoa(len(handled))), 0o600))
	}, err
}

func signed(body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(benchSecret))
	mac.Write(body)
	return load.Post(body, receive.SignatureHeader, hex.EncodeToString(mac.Sum(nil)))
}

func requests(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = signed(notification(uuid(i)))
	}
	return all
}

// BenchmarkEndpoint measures how many notifications a second the endpoint takes
// with an inbox behind it.
func BenchmarkEndpoint(b *testing.B) {
	b.Run("1.3kB", func(b *testing.B) {
		var ratios, rates []float64
		for b.Loop() {
			ratios, rates = nil, nil
			for round := range rounds {
				all := requests(roundAnswers)
				rate := func(name string) float64 {
					server := load.Start(b, name)
					result := server.Ask(b, callers, len(all), func(i int) []byte { return all[i] })
					server.Stop(b)
					require.Equal(b, map[int]int{http.StatusOK: len(all)}, result.Statuses, name)
					return result.PerSecond()
				}
				var empty, box float64
				if round%2 == 0 {
					empty, box = rate("empty"), rate("inbox")
				} else {
					box, empty = rate("inbox"), rate("empty")
				}
				ratios, rates = append(ratios, box/empty), append(rates, box)
				b.Logf("empty %.0f/s, inbox %.0f/s: %.3f", empty, box, box/empty)
			}
		}
		ratio := load.Median(ratios)
		b.ReportMetric(ratio, "x-empty")
		b.ReportMetric(load.Median(rates), "items/s")
		if ratio < minEndpoint {
			b.Errorf("%.3f of the empty handler's rate, want at least %v", ratio, minEndpoint)
		}
	})
}

// BenchmarkBurst has 20,000 notifications arrive as fast as 64 connections carry
// them. None may be lost: not refused, in the file, and handled.
func BenchmarkBurst(b *testing.B) {
	var lost int
	var p99 time.Duration
	for b.Loop() {
		dir := b.TempDir()
		all := requests(burst)
		server := load.StartIn(b, "worked", dir)
		result := server.Ask(b, callers, len(all), func(i int) []byte { return all[i] })
		server.Stop(b) // when all is handled
		require.Equal(b, map[int]int{http.StatusOK: burst}, result.Statuses)
		p99 = max(p99, result.P99())

		handled, err := os.ReadFile(filepath.Join(dir, handledFile))
		require.NoError(b, err)
		n, err := strconv.Atoi(string(handled))
		require.NoError(b, err)
		box, err := inbox.Open(filepath.Join(dir, "nylas.db"))
		require.NoError(b, err)
		stats, err := box.Stats(b.Context())
		require.NoError(b, err)
		require.NoError(b, box.Close())
		lost = max(lost, burst-n, burst-int(stats.Done), int(stats.Pending+stats.Dead))
		b.Logf("%.0f/s, %d handled, %d in the file", result.PerSecond(), n, stats.Done)
	}
	b.ReportMetric(float64(lost), "lost")
	b.ReportMetric(float64(p99.Milliseconds()), "p99-ms")
	if lost > 0 || p99 >= maxBurstP99 {
		b.Errorf("%d lost, want none; 99 of 100 answered in %v, want less than %v", lost, p99, maxBurstP99)
	}
}

// serveBenchmark makes this process the server of a benchmark, if it was started
// as one.
func serveBenchmark() { load.Serve(servers()) }
