//go:build unix

package receive_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/internal/load"
	"github.com/nylastrack/nylas-go/receive"
)

// attack is connections that each declare a body, send a part of it and wait, again and again.
// Their signatures have the right form: nothing else would get them to be read.
type attack struct {
	connections int
	declared    int // -1 means chunked
	sent        int
}

// attackRound is how often each connection sends anew: a Receiver reads for 3 s.
const attackRound = 3 * time.Second

func (a attack) head() []byte {
	return posted(nil).with(receive.SignatureHeader, strings.Repeat("0", 64)).declaring(int64(a.declared)).head()
}

func (a attack) body() []byte {
	part := make([]byte, a.sent)
	if a.declared < 0 {
		return append([]byte("200000\r\n"), part...) // a chunk of 2 MiB that does not end
	}
	return part
}

// run attacks until ctx ends. It calls begun once every connection has sent its part.
func (a attack) run(ctx context.Context, addr string, begun func()) {
	var all, first sync.WaitGroup
	request := append(a.head(), a.body()...)
	for range a.connections {
		first.Add(1)
		all.Go(func() {
			once := sync.OnceFunc(first.Done)
			defer once()
			for ctx.Err() == nil {
				round, end := context.WithTimeout(ctx, attackRound)
				if conn, err := new(net.Dialer).DialContext(round, "tcp", addr); err == nil {
					_, _ = conn.Write(request)
					once()
					<-round.Done()
					_ = conn.Close()
				}
				<-round.Done()
				end()
			}
		})
	}
	first.Wait()
	begun()
	all.Wait()
}

// Strangers without the secret do not shut out what Nylas sends: at least 95 % of the genuine
// deliveries of up to 64 kB are answered 200 while the attack goes on.
func TestStrangersDoNotShutOutGenuineDeliveries(t *testing.T) {
	t.Parallel()
	const (
		deliveries = 400
		every      = 10 * time.Millisecond // so that they last longer than a round
		fraction   = 0.95
	)
	for name, attack := range map[string]attack{
		"many connections with a byte each":  {connections: 2_100, declared: 60_000, sent: 1},
		"few connections with 1 MiB each":    {connections: 16, declared: wireLimit, sent: 1 << 20},
		"few of them without a length":       {connections: 16, declared: -1, sent: 1 << 20},
		"small bodies that fill their share": {connections: 300, declared: 64_000, sent: 63_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := load.Start(t, "receiver")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			begun, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				attack.run(ctx, strings.TrimPrefix(server.URL(), "http://"), func() { close(begun) })
			}()
			defer func() { cancel(); <-ended }()
			<-begun

			lengths := []int{1_335, 8_553, 64_000}
			statuses := make(chan int, deliveries)
			var all sync.WaitGroup
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			for i := range deliveries {
				<-ticker.C
				all.Go(func() { statuses <- statusOf(ctx, server.URL(), signed(padded("n-1", lengths[i%len(lengths)]))) })
			}
			all.Wait()
			close(statuses)
			counts := make(map[int]int)
			for status := range statuses {
				counts[status]++
			}
			assert.GreaterOrEqual(t, float64(counts[http.StatusOK]), fraction*deliveries, "answers by status: %v", counts)
		})
	}
}

// statusOf returns the status of the answer to a delivery, 0 if there was none.
func statusOf(ctx context.Context, url string, in incoming) (status int) {
	req, err := http.NewRequestWithContext(ctx, in.method, url, bytes.NewReader(in.body))
	if err != nil {
		return 0
	}
	req.Header = in.header
	resp, err := new(http.Client).Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
