package pubsubsink_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/pubsubsink"
)

// minOfPlain is what a Sink must reach of the rate of the library alone.
const minOfPlain = 0.8

// BenchmarkSink compares a Sink with Publish and Get of the same message, by 64
// callers, on the same server, in turns. x-plain is the ratio of the rates, per-s what the
// Sink published in a second. The server is a fake in the same process: the numbers
// say what the client's side costs, nothing of Google's.
func BenchmarkSink(b *testing.B) {
	b.Run("64", func(b *testing.B) {
		const callers, each = 64, 12
		f := newFake(b, nil)
		publisher := func() *pubsub.Publisher {
			p := f.publisher(b)
			p.PublishSettings.DelayThreshold = time.Millisecond
			p.PublishSettings.CountThreshold = callers / 2
			return p
		}
		sink, err := pubsubsink.NewSink(publisher())
		require.NoError(b, err)
		plain := publisher()
		body := openedBody("n-1")
		body = append(body, bytes.Repeat([]byte(" "), 1335-len(body))...)
		d := receive.NewDelivery(body, "")
		ctx := context.Background()
		require.NoError(b, sink.HandleDelivery(ctx, d))
		attributes := f.Messages()[0].Attributes
		round := func(publish func() error) time.Duration {
			defer f.ClearMessages()
			start := time.Now()
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					for range each {
						if err := publish(); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			return time.Since(start)
		}
		ourPublish := func() error { return sink.HandleDelivery(ctx, d) }
		theirPublish := func() error {
			_, err := plain.Publish(ctx, &pubsub.Message{Data: body, Attributes: attributes}).Get(ctx)
			return err
		}
		var ours, theirs []time.Duration
		turn := func() {
			// Who comes second pays for the garbage of the first.
			if len(ours)%2 == 0 {
				ours = append(ours, round(ourPublish))
				theirs = append(theirs, round(theirPublish))
			} else {
				theirs = append(theirs, round(theirPublish))
				ours = append(ours, round(ourPublish))
			}
		}
		turn() // connections
		ours, theirs = ours[:0], theirs[:0]
		for b.Loop() {
			turn()
		}
		for len(ours) < 6 {
			turn()
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		median := ours[len(ours)/2]
		ratio := float64(theirs[len(theirs)/2]) / float64(median)
		b.ReportMetric(ratio, "x-plain")
		b.ReportMetric(callers*each/median.Seconds(), "per-s")
		if ratio < minOfPlain {
			b.Errorf("a Sink publishes at %.2f of the plain rate, want at least %.2f", ratio, minOfPlain)
		}
	})
}
