//go:build unix

package receive_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/load"
	"github.com/nylastrack/nylas-go/receive"
)

func TestMain(m *testing.M) {
	load.Serve(map[string]load.Setup{"empty": serveEmpty, "receiver": serveReceiver})
	os.Exit(m.Run())
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

func serveReceiver(string) (http.Handler, func() error, error) {
	receiver, err := receive.New(receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
		return nil
	}), receive.Secret(receiverSecret))
	return receiver, nil, err
}

// BenchmarkReceiver measures the CPU time that a delivery takes in a server, all
// of it, beside that of a handler that reads the same body and does nothing. It
// fails when the median of the rounds is above the limit.
func BenchmarkReceiver(b *testing.B) {
	b.Run("1.3kB", func(b *testing.B) { benchmarkReceiver(b, 1335, 1.5) })
	b.Run("8.5kB", func(b *testing.B) { benchmarkReceiver(b, 8553, 1.85) })
}

func benchmarkReceiver(b *testing.B, length int, limit float64) {
	b.Helper()
	const (
		rounds      = 5
		turns       = 8 // of both servers in a round, so that both have the same weather
		requests    = 5_000
		connections = 64
	)
	body := padded("Kkx2QQB7TWjWM3KXRQQn562394", length)
	request := load.Post(body, receive.SignatureHeader, hmacHex(receiverSecret, body))
	cpu := func(server *load.Server) float64 {
		result := server.Ask(b, connections, requests, func(int) []byte { return request })
		require.Equal(b, map[int]int{http.StatusOK: requests}, result.Statuses)
		return float64(result.CPU.Microseconds()) / requests
	}
	empty, receiver := load.Start(b, "empty"), load.Start(b, "receiver")
	cpu(empty) // both have grown their heaps when it counts
	cpu(receiver)
	for b.Loop() {
		var ratios, costs []float64
		for range rounds {
			var least, cost float64
			for range turns {
				least += cpu(empty)
				cost += cpu(receiver)
			}
			ratios, costs = append(ratios, cost/least), append(costs, cost/turns)
		}
		median := load.Median(ratios)
		b.ReportMetric(median, "x-empty")
		b.ReportMetric(load.Median(costs), "cpu-us")
		if median > limit {
			b.Errorf("a delivery takes %.2f times the CPU of an empty handler (%.2f), the limit is %.2f", median, ratios, limit)
		}
	}
}
