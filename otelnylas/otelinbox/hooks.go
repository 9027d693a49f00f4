package otelinbox

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/otelnylas/internal/provide"
	"github.com/nylastrack/nylas-go/receive"
)

// delaySeconds are the bounds of nylas.inbox.delay: from at once to the 63 hours after which
// an inbox gives a delivery up by default.
func delaySeconds() []float64 {
	return []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 63 * 3600}
}

// scope is the name of the instrumentation.
const scope = "github.com/nylastrack/nylas-go/otelnylas/otelinbox"

// meter returns the one that the options say: an inbox has no spans of its own.
func meter(opts []otelnylas.Option) metric.Meter {
	_, meter := provide.Instruments(scope, opts)
	return meter
}

// Hooks returns hooks for [inbox.WithHooks] that count what happens. They also call those of
// next that are not nil.
func Hooks(next inbox.Hooks, opts ...otelnylas.Option) inbox.Hooks {
	c := newCounters(meter(opts))
	return inbox.Hooks{
		Accepted: func(d *receive.Delivery, took time.Duration) {
			c.count(d, telemetry.Accepted)
			if next.Accepted != nil {
				next.Accepted(d, took)
			}
		},
		Duplicate: func(d *receive.Delivery) {
			c.count(d, telemetry.Duplicate)
			if next.Duplicate != nil {
				next.Duplicate(d)
			}
		},
		Handled: func(d *receive.Delivery, attempt int, took time.Duration) {
			c.count(d, telemetry.Handled)
			c.delay.Record(context.Background(), max(0, time.Since(d.ReceivedAt)).Seconds(), metric.WithAttributes(typeOf(d)...))
			if next.Handled != nil {
				next.Handled(d, attempt, took)
			}
		},
		Failed: func(d *receive.Delivery, attempt int, err error, retryAt time.Time) {
			c.count(d, telemetry.Failed)
			if next.Failed != nil {
				next.Failed(d, attempt, err, retryAt)
			}
		},
		Died: func(d *receive.Delivery, attempts int, err error) {
			c.count(d, telemetry.Died)
			if next.Died != nil {
				next.Died(d, attempts, err)
			}
		},
		Hung: func(d *receive.Delivery, running time.Duration) {
			c.count(d, telemetry.Hung)
			if next.Hung != nil {
				next.Hung(d, running)
			}
		},
		Expired: func(count int) {
			c.deliveries.Add(context.Background(), int64(count),
				metric.WithAttributes(attribute.String(telemetry.InboxOutcome, telemetry.Expired)))
			if next.Expired != nil {
				next.Expired(count)
			}
		},
		StoreFailed: func(err error) {
			c.failures.Add(context.Background(), 1)
			if next.StoreFailed != nil {
				next.StoreFailed(err)
			}
		},
	}
}

type counters struct {
	deliveries, failures metric.Int64Counter
	delay                metric.Float64Histogram
}

func newCounters(meter metric.Meter) counters {
	counter := func(name, unit, description string) metric.Int64Counter {
		made, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		if err != nil {
			otel.Handle(err)
		}
		return made
	}
	delay, err := meter.Float64Histogram(telemetry.InboxDelay, metric.WithUnit("s"),
		metric.WithDescription("Time from the receipt of a delivery until it is handled."),
		metric.WithExplicitBucketBoundaries(delaySeconds()...))
	if err != nil {
		otel.Handle(err)
	}
	return counters{
		deliveries: counter(telemetry.InboxDeliveries, "{delivery}", "What became of deliveries."),
		failures:   counter(telemetry.InboxStoreFailures, "{failure}", "How often the file could not be written."),
		delay:      delay,
	}
}

func (c counters) count(d *receive.Delivery, outcome string) {
	c.deliveries.Add(context.Background(), 1,
		metric.WithAttributes(append(typeOf(d), attribute.String(telemetry.InboxOutcome, outcome))...))
}

// typeOf returns the trigger of a delivery, if it has one.
func typeOf(d *receive.Delivery) []attribute.KeyValue {
	if d.Type == "" {
		return nil
	}
	return []attribute.KeyValue{attribute.String(telemetry.NotificationType, string(d.Type))}
}
