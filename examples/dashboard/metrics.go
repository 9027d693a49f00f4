package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
)

// metrics are those of the client, the receiver, the handler and the inbox.
type metrics struct {
	provider *metric.MeterProvider
	page     http.Handler // in the format of Prometheus
}

func newMetrics() (*metrics, error) {
	registry := prometheus.NewRegistry() // not the global one: a test runs several programs
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	return &metrics{
		provider: metric.NewMeterProvider(metric.WithReader(reader)),
		page:     promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
	}, nil
}
