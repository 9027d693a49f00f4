package otelinbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// Observe measures what is in the inbox each time that metrics are collected. Call Unregister
// of the registration before you close the inbox; from then on it is not measured.
//
// If [inbox.Inbox.Stats] fails, nylas.inbox.healthy is 0, the other metrics are missing, and
// the error goes to the error handler of OpenTelemetry.
//
// Observe returns an error if box is nil, or what the meter provider refuses.
func Observe(box *inbox.Inbox, opts ...Option) (metric.Registration, error) {
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
	var failures []error
	var all []metric.Observable
	gauge := func(name, unit, description string) metric.Int64ObservableGauge {
		made, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		failures, all = append(failures, err), append(all, made)
		return made
	}
	pending := gauge(telemetry.InboxPending, "{delivery}", "Deliveries that wait to be handled, the running ones included.")
	running := gauge(telemetry.InboxRunning, "{delivery}", "Deliveries that handlers are working on.")
	retrying := gauge(telemetry.InboxRetrying, "{delivery}", "Pending deliveries that have failed before.")
	dead := gauge(telemetry.InboxDead, "{delivery}", "Dead letters.")
	size := gauge(telemetry.InboxSize, "By", "Size of the file with what belongs to it.")
	healthy := gauge(telemetry.InboxHealthy, "1", "1, or 0 if the file is damaged or cannot be read.")
	age, err := meter.Float64ObservableGauge(telemetry.InboxOldestAge, metric.WithUnit("s"),
		metric.WithDescription("Time since the oldest pending delivery was received."))
	if err := errors.Join(append(failures, err)...); err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
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
	}, append(all, age)...)
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
