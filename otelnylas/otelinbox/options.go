package otelinbox

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// scope is the name of the instrumentation.
const scope = "github.com/nylastrack/nylas-go/otelnylas/otelinbox"

// An Option sets where metrics go. A nil Option has no effect.
type Option interface {
	apply(*config)
}

type option func(*config)

func (o option) apply(c *config) { o(c) }

// WithMeterProvider sets the provider for metrics. The default, also for nil, is
// [otel.GetMeterProvider].
func WithMeterProvider(provider metric.MeterProvider) Option {
	return option(func(c *config) { c.meters = provider })
}

type config struct{ meters metric.MeterProvider }

func meter(opts []Option) metric.Meter {
	var c config
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&c)
		}
	}
	if c.meters == nil {
		c.meters = otel.GetMeterProvider()
	}
	return c.meters.Meter(scope)
}
