package oteloutbox

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/otelnylas/internal/provide"
	"github.com/nylastrack/nylas-go/outbox"
)

// Observe measures what is in the outbox each time that metrics are collected. Call Unregister
// of the registration before you close the outbox; from then on it is not measured.
//
// If [outbox.Outbox.Progress] fails, nylas.outbox.healthy is 0, the other metrics are missing, and
// the error goes to the error handler of OpenTelemetry.
//
// Observe returns an error if box is nil, or what the meter provider refuses.
func Observe(box *outbox.Outbox, opts ...otelnylas.Option) (metric.Registration, error) {
	if box == nil {
		return nil, errors.New("oteloutbox: observe: the outbox is nil")
	}
	_, meter := provide.Instruments(scope, opts)
	gauges := provide.NewGauges(meter)
	mails := gauges.Int64(telemetry.OutboxMails, "{mail}", "Mails by their state.")
	second := gauges.Int64(telemetry.OutboxSecondMail, "{mail}", "Mails that may have been sent twice.")
	healthy := gauges.Int64(telemetry.OutboxHealthy, "1", "1, or 0 if the file cannot be read.")
	registration, err := gauges.Register(func(ctx context.Context, o metric.Observer) error {
		counts, err := box.Progress(ctx)
		if err != nil {
			o.ObserveInt64(healthy, 0)
			return err
		}
		o.ObserveInt64(healthy, 1)
		o.ObserveInt64(second, int64(counts.SecondMailPossible))
		for state, n := range map[outbox.State]int{
			outbox.Waiting: counts.Waiting, outbox.Sending: counts.Sending, outbox.Unknown: counts.Unknown, outbox.Sent: counts.Sent,
			outbox.Failed: counts.Failed, outbox.Suppressed: counts.Suppressed,
		} {
			o.ObserveInt64(mails, int64(n), metric.WithAttributes(attribute.String(telemetry.OutboxState, string(state))))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("oteloutbox: observe: %w", err)
	}
	return registration, nil
}
