// Package provide has what the packages of otelnylas share: the options that say where spans and
// metrics go, and gauges that are measured together.
package provide

import (
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// An Option sets where spans and metrics go. A nil Option has no effect.
type Option interface {
	apply(*config)
}

type option func(*config)

func (o option) apply(c *config) { o(c) }

type config struct {
	tracers trace.TracerProvider
	meters  metric.MeterProvider
}

// Tracers sets the provider for spans.
func Tracers(provider trace.TracerProvider) Option {
	return option(func(c *config) { c.tracers = provider })
}

// Meters sets the provider for metrics.
func Meters(provider metric.MeterProvider) Option {
	return option(func(c *config) { c.meters = provider })
}

// Instruments returns a tracer and a meter for the instrumentation with this name, of the global
// providers unless an option says otherwise.
func Instruments(scope string, opts []Option) (trace.Tracer, metric.Meter) {
	var c config
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&c)
		}
	}
	if c.tracers == nil {
		c.tracers = otel.GetTracerProvider()
	}
	if c.meters == nil {
		c.meters = otel.GetMeterProvider()
	}
	return c.tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		c.meters.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
}

// Gauges are measured together, each time that metrics are collected.
type Gauges struct {
	meter  metric.Meter
	all    []metric.Observable
	failed []error
}

// NewGauges returns no gauges yet.
func NewGauges(meter metric.Meter) *Gauges { return &Gauges{meter: meter} }

// Int64 adds a gauge. If that fails, Register says so.
func (g *Gauges) Int64(name, unit, description string) metric.Int64ObservableGauge {
	made, err := g.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	g.all, g.failed = append(g.all, made), append(g.failed, err)
	return made
}

// Float64 adds a gauge. If that fails, Register says so.
func (g *Gauges) Float64(name, unit, description string) metric.Float64ObservableGauge {
	made, err := g.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	g.all, g.failed = append(g.all, made), append(g.failed, err)
	return made
}

// Register has measure called from then on.
func (g *Gauges) Register(measure metric.Callback) (metric.Registration, error) {
	if err := errors.Join(g.failed...); err != nil {
		return nil, err
	}
	return g.meter.RegisterCallback(measure, g.all...)
}
