package engagement_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// The limits leave room for slow machines. Dashboards judge each event again whenever
// somebody looks.
const (
	maxEventAllocs = 2 // the reasons, and one more if the user agent has to leave the stack
	maxEventTime   = 200 * time.Microsecond
)

func BenchmarkClassifierEvent(b *testing.B) {
	c, err := engagement.NewClassifier()
	require.NoError(b, err)
	e := click(chrome, home, 1, time.Hour)
	require.LessOrEqual(b, testing.AllocsPerRun(100, func() { c.Event(e) }), float64(maxEventAllocs))
	b.ReportAllocs()
	for b.Loop() {
		c.Event(e)
	}
	if perEvent := b.Elapsed() / time.Duration(b.N); b.N > 100 && perEvent > maxEventTime {
		b.Errorf("%v for an event, more than %v", perEvent, maxEventTime)
	}
}

func BenchmarkClassifierMessage(b *testing.B) {
	c, err := engagement.NewClassifier()
	require.NoError(b, err)
	agents := []string{chrome, gmail, "Mozilla/5.0", outlook}
	var events []engagement.Event
	for i := range 100 {
		events = append(events, open(agents[i%4], home, time.Duration(i)*time.Hour), click(chrome, home, i%9, time.Duration(i)*time.Minute))
	}
	sent := sentTo(9)
	b.ReportAllocs()
	for b.Loop() {
		c.Message(sent, events)
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(len(events)), "ns/event")
}

func BenchmarkNewClassifier(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := engagement.NewClassifier()
		require.NoError(b, err)
	}
}
