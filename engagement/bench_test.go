package engagement_test

import (
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
)

const (
	// What a notification of which all is known, or all but one event, costs of decoding
	// it.
	maxApply = 0.3
	// Bytes of a message with 50 opens in a MemoryStore that keeps no events, while they
	// come and once they settled, and of an event that it keeps, beside its strings.
	maxHot, maxSettled, maxEvent = 2500, 200, 400
)

// window50 is a notification of the opens from first on: 50 of them.
func window50(message string, first int) string {
	recents := make([]string, windowSize)
	for i := range recents {
		recents[i] = fmt.Sprintf(`{"opened_id":%d,"ip":"203.0.113.%d","timestamp":%d,"user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"}`,
			first+i, i, 1_700_000_000+10*(first+i))
	}
	return fmt.Sprintf(`{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":"n-%d","time":1700000000,"data":{"application_id":"a-1","grant_id":"5d3a9a3e-2b1c-4c39-9d4e-2b6a3c9d1f00","object":{"message_id":%q,"label":"campaign","recents":[%s]}}}`,
		first, message, strings.Join(recents, ","))
}

// The metric x-parse is the time as a part of what decoding the same bytes takes,
// measured in turns. Both are the least of all turns.
func BenchmarkApply(b *testing.B) {
	for _, bench := range []struct {
		name  string
		known int // opens of the message before
		fresh int
	}{
		{"known-50", 50, 0},
		{"known-10000", 10_000, 0},
		{"one-new", 50, 1},
		{"one-new-of-10000", 10_000, 1},
	} {
		b.Run(bench.name, func(b *testing.B) {
			store := engagement.NewMemoryStore()
			ledger := engagement.NewLedger(store)
			apply := func(n *events.Notification) {
				if _, err := ledger.Apply(b.Context(), n); err != nil {
					b.Fatal(err)
				}
			}
			for first := 0; first < bench.known; first += windowSize {
				apply(parse(b, window50("m-1", first)))
			}
			const atOnce = 16
			parsing, applying := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
			next := bench.known - windowSize
			rounds := 0
			for b.Loop() {
				rounds++
				bodies := make([]string, atOnce)
				for i := range bodies {
					next += bench.fresh
					bodies[i] = window50("m-1", next)
				}
				for _, body := range bodies {
					start := time.Now()
					n := parse(b, body)
					parsed := time.Now()
					apply(n)
					parsing = min(parsing, parsed.Sub(start))
					applying = min(applying, time.Since(parsed))
				}
			}
			ratio := float64(applying) / float64(parsing)
			b.ReportMetric(ratio, "x-parse")
			b.ReportMetric(float64(applying), "ns-apply")
			if ratio > maxApply && rounds > 10 {
				b.Errorf("applying takes %.2f of parsing, at most %.2f", ratio, maxApply)
			}
		})
	}
}

// The metrics are bytes of the heap: hot-B and settled-B for a message with 50 opens,
// event-B for an event that is kept, beside its strings.
func BenchmarkMemory(b *testing.B) {
	b.Run("opens-50", func(b *testing.B) {
		for b.Loop() {
			m := newMemory(b)
			m.fill(20_000, windowSize)
			hot := m.bytesPerMessage()
			m.settle()
			settled := m.bytesPerMessage()
			b.ReportMetric(hot, "hot-B")
			b.ReportMetric(settled, "settled-B")
			if hot > maxHot || settled > maxSettled {
				b.Errorf("a message takes %.0f bytes and %.0f once settled, at most %d and %d", hot, settled, maxHot, maxSettled)
			}
		}
	})
	b.Run("events", func(b *testing.B) {
		for b.Loop() {
			bare, full := newMemory(b), newMemory(b, engagement.WithEvents())
			bare.fill(2_000, windowSize)
			full.fill(2_000, windowSize)
			agent, id := len(bare.notification.Data.(*events.MessageOpened).Recents[0].UserAgent), 26
			event := (full.bytesPerMessage()-bare.bytesPerMessage())/windowSize - float64(agent+id)
			b.ReportMetric(event, "event-B")
			if event > maxEvent {
				b.Errorf("an event takes %.0f bytes beside its strings, at most %d", event, maxEvent)
			}
		}
	})
	// A million messages take as much each as a hundred thousand.
	b.Run("settled-1000000", func(b *testing.B) {
		for b.Loop() {
			m := newMemory(b, engagement.WithMaxRecords(4_000_000))
			m.fill(125_000, 3)
			m.settle()
			few := m.bytesPerMessage()
			m.fill(875_000, 3)
			m.settle()
			many := m.bytesPerMessage()
			b.ReportMetric(many, "settled-B")
			b.ReportMetric(many/few, "x-125000")
			if many > maxSettled || many/few > 1.5 {
				b.Errorf("%.0f bytes a message among 125,000 and %.0f among 1,000,000", few, many)
			}
		}
	})
}

type memory struct {
	b            *testing.B
	store        *engagement.MemoryStore
	ledger       *engagement.Ledger
	notification *events.Notification
	messages     int
	before       uint64
	clock        time.Time
}

func newMemory(b *testing.B, opts ...engagement.MemoryOption) *memory {
	b.Helper()
	m := &memory{b: b, notification: parse(b, window50("m", 0)), clock: time.Now(), before: heap()}
	m.store = engagement.NewMemoryStore(opts...)
	m.store.SetClock(func() time.Time { return m.clock })
	m.ledger = engagement.NewLedger(m.store)
	return m
}

// fill applies a notification with some opens to new messages.
func (m *memory) fill(messages, opens int) {
	opened := *m.notification.Data.(*events.MessageOpened)
	opened.Recents = opened.Recents[:opens]
	n := *m.notification
	n.Data = &opened
	for range messages {
		m.messages++
		opened.MessageID = "18ac281f237c" + strconv.Itoa(m.messages)
		if _, err := m.ledger.Apply(m.b.Context(), &n); err != nil {
			m.b.Fatal(err)
		}
	}
}

// settle lets two days pass, after which the next message settles the others.
func (m *memory) settle() {
	m.clock = m.clock.Add(48 * time.Hour)
	m.fill(1, 1)
}

func (m *memory) bytesPerMessage() float64 {
	defer runtime.KeepAlive(m)
	return float64(heap()-m.before) / float64(m.messages)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
