//go:build unix

package comparison_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/load"
	"github.com/nylastrack/nylas-go/nylastest"
)

const rounds = 5

// BenchmarkReceive delivers notifications of seven new opens, 1.3 kB, to each receiver in
// turns. cpu-us is the CPU time that a delivery takes in this SDK's receiver with a Dispatcher
// that does what the others do, and p99-ms in what time it answers 99 of 100. x-hand and
// x-node are its CPU time by that of the others, whose own numbers have hand or node before
// them. ledger is this SDK's receiver of TestReceivers, which does more.
func BenchmarkReceive(b *testing.B) {
	const requests, connections = 1000, 16
	all := receivers(b)
	all = append(all, all[0])
	all[0] = program{"dispatcher", load.Start(b, "receive dispatcher")}
	number := 0
	for b.Loop() {
		cpu, p99 := make([][]float64, len(all)), make([][]float64, len(all))
		for round := range rounds + 1 {
			posts := make([][]byte, requests)
			for i := range posts {
				number++
				body := bytes.ReplaceAll(opened(fmt.Sprint("n-", number), 0, 6, 0), []byte(`"M"`), fmt.Appendf(nil, `"m-%d"`, number))
				posts[i] = load.Post(body, "X-Nylas-Signature", sign(body))
			}
			for i, p := range all {
				result := p.server.Ask(b, connections, requests, func(i int) []byte { return posts[i] })
				require.Equal(b, map[int]int{http.StatusOK: requests}, result.Statuses, p.name)
				if round > 0 { // the first one warms up
					cpu[i] = append(cpu[i], float64(result.CPU.Microseconds())/requests)
					p99[i] = append(p99[i], float64(result.P99().Microseconds())/1000)
				}
			}
		}
		b.ReportMetric(least(cpu[0])/least(cpu[1]), "x-hand")
		b.ReportMetric(least(cpu[0])/least(cpu[2]), "x-node")
		b.ReportMetric(least(cpu[3])/least(cpu[0]), "ledger-x-dispatcher")
		for i, prefix := range []string{"", "hand-", "node-", "ledger-"} {
			b.ReportMetric(least(cpu[i]), prefix+"cpu-us")
			b.ReportMetric(least(p99[i]), prefix+"p99-ms")
		}
	}
}

// BenchmarkSend sends tracked messages to the emulator, one after the other, with each sender
// in turns. us is how long one takes with this SDK, and cpu-us its CPU time; the others are
// named as in BenchmarkReceive.
func BenchmarkSend(b *testing.B) {
	const sends = 50
	to := emulatorOf(nylastest.NewServer(b))
	var all []program
	for _, name := range senderNames[:3] { // the fourth costs what the third does
		all = append(all, startSender(b, name, to))
	}
	for b.Loop() {
		took, cpu := make([][]float64, len(all)), make([][]float64, len(all))
		for round := range rounds + 1 {
			for i, p := range all {
				before, start := p.server.CPU(b), time.Now()
				told := get(b, fmt.Sprintf("%s/?times=%d", p.server.URL(), sends))
				elapsed := time.Since(start)
				require.Equal(b, strings.Repeat("sent ", sends), strings.Join(told, " ")+" ", p.name)
				if round > 0 { // the first one warms up
					took[i] = append(took[i], float64(elapsed.Microseconds())/sends)
					cpu[i] = append(cpu[i], float64((p.server.CPU(b)-before).Microseconds())/sends)
				}
			}
		}
		b.ReportMetric(least(took[0])/least(took[1]), "x-hand")
		b.ReportMetric(least(took[0])/least(took[2]), "x-node")
		for i, prefix := range []string{"", "hand-", "node-"} {
			b.ReportMetric(least(took[i]), prefix+"us")
			b.ReportMetric(least(cpu[i]), prefix+"cpu-us")
		}
	}
}

// least is the turn that other programs disturbed least.
func least(values []float64) float64 { return slices.Min(values) }
