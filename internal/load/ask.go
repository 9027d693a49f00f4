//go:build unix

package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Post renders a POST of body, with headers given as names and values in turn. The
// connection is kept after it.
func Post(body []byte, headers ...string) []byte {
	var b bytes.Buffer
	b.WriteString("POST / HTTP/1.1\r\nHost: load.test\r\nContent-Type: application/json\r\n")
	for pair := range slices.Chunk(headers, 2) {
		fmt.Fprintf(&b, "%s: %s\r\n", pair[0], pair[1])
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(body))
	b.Write(body)
	return b.Bytes()
}

// Result is what asking gave.
type Result struct {
	Elapsed  time.Duration
	CPU      time.Duration // of the server's process
	Statuses map[int]int   // how many answers had each status
	Waits    []time.Duration
}

// PerSecond is how many requests were answered in a second.
func (r Result) PerSecond() float64 { return float64(len(r.Waits)) / r.Elapsed.Seconds() }

// P99 is the time in which 99 of 100 requests were answered.
func (r Result) P99() time.Duration {
	waits := slices.Sorted(slices.Values(r.Waits))
	return waits[len(waits)*99/100]
}

// Ask sends n requests over as many connections, each of which has one request
// under way at a time. request gives the i-th one, as from [Post]; it is called by
// many goroutines at once.
func (s *Server) Ask(tb testing.TB, connections, n int, request func(i int) []byte) Result {
	tb.Helper()
	askers := make([]*asker, connections)
	for i := range askers {
		conn, err := new(net.Dialer).DialContext(tb.Context(), "tcp", s.addr)
		if err != nil {
			tb.Fatal("load: ", err)
		}
		defer func() { _ = conn.Close() }()
		askers[i] = &asker{conn: conn, input: bufio.NewReader(conn), statuses: make(map[int]int)}
	}
	var next atomic.Int64
	var working sync.WaitGroup
	cpu, start := s.CPU(tb), time.Now()
	for _, a := range askers {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && a.err == nil; i = next.Add(1) - 1 {
				a.ask(request(int(i)))
			}
		})
	}
	working.Wait()
	result := Result{Elapsed: time.Since(start), CPU: s.CPU(tb) - cpu, Statuses: make(map[int]int)}
	for _, a := range askers {
		if a.err != nil {
			tb.Fatal("load: ", a.err)
		}
		for status, count := range a.statuses {
			result.Statuses[status] += count
		}
		result.Waits = append(result.Waits, a.waits...)
	}
	return result
}

// asker is one connection.
type asker struct {
	conn     net.Conn
	input    *bufio.Reader
	statuses map[int]int
	waits    []time.Duration
	err      error
}

func (a *asker) ask(request []byte) {
	var status int
	start := time.Now()
	if _, a.err = a.conn.Write(request); a.err != nil {
		return
	}
	if status, a.err = readAnswer(a.input); a.err != nil {
		return
	}
	a.statuses[status]++
	a.waits = append(a.waits, time.Since(start))
}

// readAnswer reads an answer as net/http writes it when it knows the length. It
// takes less than http.ReadResponse, which would be most of what is measured.
func readAnswer(input *bufio.Reader) (status int, err error) {
	line, err := input.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200\r\n") {
		return 0, fmt.Errorf("no status line: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := -1
	for {
		if line, err = input.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= len("\r\n") {
			break
		}
		if name, value, _ := strings.Cut(string(line), ":"); strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("an answer of status %d without a length", status)
	}
	_, err = io.CopyN(io.Discard, input, int64(length))
	return status, err
}

// Median is the middle of the values, of which there must be one at least. With an
// even number of values it is the greater of the two in the middle.
func Median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
