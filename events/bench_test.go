package events_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

// The limits of what decoding may cost, as multiples of what the JSON library
// needs to check the same bytes and keep nothing. The benchmarks fail above them.
const (
	maxParseScans = 2.2
	maxPeekScans  = 0.1
)

// maxParseAllocs is how often decoding may take memory, however many events there are.
const maxParseAllocs = 30

func TestParseAllocates(t *testing.T) { //nolint:paralleltest // others would be counted
	body := openedWith(50)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := events.Parse(body); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > maxParseAllocs {
		t.Errorf("decoding takes memory %v times, the limit is %d", allocs, maxParseAllocs)
	}
}

func BenchmarkParse(b *testing.B) {
	b.Run("opened-50", func(b *testing.B) {
		benchmarkScans(b, maxParseScans, openedWith(50), func(body []byte) error {
			_, err := events.Parse(body)
			return err
		})
	})
}

func BenchmarkPeek(b *testing.B) {
	b.Run("opened-50", func(b *testing.B) {
		benchmarkScans(b, maxPeekScans, openedWith(50), func(body []byte) error {
			_, _, err := events.Peek(body)
			return err
		})
	})
}

// benchmarkScans measures decode beside a scan of the same bytes, in turns, and
// reports the median of the turns' ratios as x-scan.
func benchmarkScans(b *testing.B, limit float64, body []byte, decode func([]byte) error) {
	b.Helper()
	b.ReportAllocs()
	const perTurn = 16
	var ratios []float64
	for b.Loop() {
		start := time.Now()
		for range perTurn {
			if !jsontext.Value(body).IsValid() {
				b.Fatal("the body is not JSON")
			}
		}
		middle := time.Now()
		for range perTurn {
			if err := decode(body); err != nil {
				b.Fatal(err)
			}
		}
		ratios = append(ratios, float64(time.Since(middle))/float64(middle.Sub(start)))
	}
	slices.Sort(ratios)
	median := ratios[len(ratios)/2]
	b.ReportMetric(median, "x-scan")
	if b.N > 1 && median > limit {
		b.Errorf("decoding took %.2f times a scan, the limit is %.1f", median, limit)
	}
}

// openedWith returns a message.opened notification; with 50 recents it is about
// 9 kB, the largest that Nylas sends for short labels.
func openedWith(recents int) []byte {
	var b strings.Builder
	b.WriteString(`{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking",` +
		`"id":"Kkx2QQB7TWjWM3KXRQQn562394","time":1695480567,"webhook_delivery_attempt":1,"data":{` +
		`"application_id":"26302083-12ae-4f38-91fe-6cba93da03ee","grant_id":"0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6",` +
		`"object":{"object":"message","grant_id":"0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6",` +
		`"message_data":{"count":50,"timestamp":1695480410},"message_id":"18ac281f237c934b",` +
		`"label":"trial-followup-q2","recents":[`)
	agents := []string{
		"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
		"Mozilla/5.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36",
	}
	for i := range recents {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"ip":"203.0.113.%d","opened_id":%d,"timestamp":%d,"user_agent":%q}`,
			i, i, 1695480567+61*i, agents[i%len(agents)])
	}
	b.WriteString(`],"sender_app_id":"26302083","timestamp":1695480410}}}`)
	return []byte(b.String())
}
