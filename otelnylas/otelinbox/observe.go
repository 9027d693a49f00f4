package otelinbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/otelnylas/internal/provide"
)

// Observe measures what is in the inbox each time that metrics are collected. Call Unregister
// of the registration before you close the inbox; from then on it is not measured.
//
// If [inbox.Inbox.Stats] fails, nylas.inbox.healthy is 0, the other metrics are missing, and
// the error goes to the error handler of OpenTelemetry.
//
// Observe returns an error if box is nil, or what the meter provider refuses.
func Observe(box *inbox.Inbox, opts ...otelnylas.Option) (metric.Registration, error) {
	if box == nil {
		return nil, errors.New("otelinbox: observe: the inbox is nil")
	}
	registration, err := observe(box, meter(opts))
	if err != nil {
		return nil, fmt.Errorf("otelinbox: observe: %w", err)
	}
	return registration, nil
}

func observe(box *inbox.Inbox, meter metric.Meter) (metric.Registration, error) {
	gauges := provide.NewGauges(meter)
	pending := gauges.Int64(telemetry.InboxPending, "{delivery}", "Deliveries that wait to be handled, the running ones included.")
	running := gauges.Int64(telemetry.InboxRunning, "{delivery}", "Deliveries that handlers are working on.")
	retrying := gauges.Int64(telemetry.InboxRetrying, "{delivery}", "Pending deliveries that have failed before.")
	dead := gauges.Int64(telemetry.InboxDead, "{delivery}", "Dead letters.")
	size := gauges.Int64(telemetry.InboxSize, "By", "Size of the file with what belongs to it.")
	healthy := gauges.Int64(telemetry.InboxHealthy, "1", "1, or 0 if the file is damaged or cannot be read.")
	age := gauges.Float64(telemetry.InboxOldestAge, "s", "Time since the oldest pending delivery was received.")
	return gauges.Register(func(ctx context.Context, o metric.Observer) error {
		stats, err := box.Stats(ctx)
		if err != nil {
			o.ObserveInt64(healthy, 0)
			return err
		}
		o.ObserveInt64(pending, stats.Pending)
		o.ObserveInt64(running, stats.Running)
		o.ObserveInt64(retrying, stats.Retrying)
		o.ObserveInt64(dead, stats.Dead)
		o.ObserveInt64(size, stats.Bytes)
		o.ObserveInt64(healthy, one(stats.Damage == nil))
		var old time.Duration
		if !stats.Oldest.IsZero() {
			old = max(0, time.Since(stats.Oldest)) // a clock that was set back must not make it negative
		}
		o.ObserveFloat64(age, old.Seconds())
		return nil
	})
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
