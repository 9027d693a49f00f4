//go:build unix

package receive_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/load"
	"github.com/nylastrack/nylas-go/receive"
)

// The most CPU time that a delivery may take, as multiples of what no receiver can do
// without. BenchmarkReceiver fails above them.
const (
	maxSmallFloors = 1.4  // of 1.3 kB
	maxLargeFloors = 1.25 // of 8.5 kB
)

func TestMain(m *testing.M) {
	load.Serve(map[string]load.Setup{"empty": serveEmpty, "floor": serveFloor, "receiver": serveReceiver})
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

// serveFloor does what no receiver can do without: it reads the body into memory of its own
// and makes its HMAC.
func serveFloor(string) (http.Handler, func() error, error) {
	macs := sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(receiverSecret)) }}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := make([]byte, req.ContentLength)
		if _, err := io.ReadFull(req.Body, body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
			return
		}
		mac := macs.Get().(hash.Hash)
		defer macs.Put(mac)
		mac.Reset()
		mac.Write(body)
		sum, err := hex.DecodeString(req.Header.Get(receive.SignatureHeader))
		if err != nil || !hmac.Equal(mac.Sum(nil), sum) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}), nil, nil
}

// BenchmarkReceiver measures the CPU time that a delivery takes in a server, all of it,
// beside that of two other handlers: x-floor compares with one that does only what it must,
// and x-empty with one that reads the body and does nothing. How much an HMAC takes of the
// latter differs between processors, so the limit is one of x-floor. It fails when the median
// of the rounds is above it.
func BenchmarkReceiver(b *testing.B) {
	b.Run("1.3kB", func(b *testing.B) { benchmarkReceiver(b, 1335, maxSmallFloors) })
	b.Run("8.5kB", func(b *testing.B) { benchmarkReceiver(b, 8553, maxLargeFloors) })
}

func benchmarkReceiver(b *testing.B, length int, limit float64) {
	b.Helper()
	const (
		rounds      = 5
		turns       = 6 // of all servers in a round, so that all have the same weather
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
	empty, floor, receiver := load.Start(b, "empty"), load.Start(b, "floor"), load.Start(b, "receiver")
	for _, server := range []*load.Server{empty, floor, receiver} {
		cpu(server) // all have grown their heaps when it counts
	}
	for b.Loop() {
		var toEmpty, toFloor, costs []float64
		for range rounds {
			var least, must, cost float64
			for range turns {
				least += cpu(empty)
				must += cpu(floor)
				cost += cpu(receiver)
			}
			toEmpty, toFloor, costs = append(toEmpty, cost/least), append(toFloor, cost/must), append(costs, cost/turns)
		}
		median := load.Median(toFloor)
		b.ReportMetric(median, "x-floor")
		b.ReportMetric(load.Median(toEmpty), "x-empty")
		b.ReportMetric(load.Median(costs), "cpu-us")
		if median > limit {
			b.Errorf("a delivery takes %.2f times the CPU of what it must (%.2f), the limit is %.2f", median, toFloor, limit)
		}
	}
}
