package otelnylas

import (
	"context"
	"errors"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/otelnylas/internal/provide"
)

// scope is the name of the instrumentation.
const scope = "github.com/nylastrack/nylas-go/otelnylas"

// An Option sets where spans and metrics go. A nil Option has no effect. Packages otelinbox and
// oteloutbox take the same options.
type Option = provide.Option

// WithTracerProvider sets the provider for spans. The default, also for nil, is
// [otel.GetTracerProvider].
func WithTracerProvider(provider trace.TracerProvider) Option { return provide.Tracers(provider) }

// WithMeterProvider sets the provider for metrics. The default, also for nil, is
// [otel.GetMeterProvider].
func WithMeterProvider(provider metric.MeterProvider) Option { return provide.Meters(provider) }

func instruments(opts []Option) (trace.Tracer, metric.Meter) { return provide.Instruments(scope, opts) }

// processSeconds are the bounds of the buckets of messaging.process.duration. Those up to 10 are
// what the conventions ask for; above them a handler of an inbox has a minute by default.
// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
func processSeconds() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60}
}

// errorType names an error without its text, which may hold an address or an id.
func errorType(err error) (named attribute.KeyValue) {
	defer func() {
		if recover() != nil { // of a method of err, as that of a nil pointer may
			named = semconv.ErrorTypeOther
		}
	}()
	var late interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return semconv.ErrorTypeKey.String(telemetry.Canceled)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return semconv.ErrorTypeKey.String(telemetry.Timeout)
	}
	return semconv.ErrorType(err)
}
