package otelnylas_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/nylastrack/nylas-go/otelnylas"
)

const scopeName = "github.com/nylastrack/nylas-go/otelnylas"

// telescope keeps spans and metrics in memory.
type telescope struct {
	t       *testing.T
	spans   *tracetest.SpanRecorder
	tracers *sdktrace.TracerProvider
	reader  *metric.ManualReader
	meters  *metric.MeterProvider
}

func newTelescope(t *testing.T) *telescope {
	t.Helper()
	s := &telescope{t: t, spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	s.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))
	s.meters = metric.NewMeterProvider(metric.WithReader(s.reader))
	return s
}

func (s *telescope) options() []otelnylas.Option {
	return []otelnylas.Option{nil, otelnylas.WithTracerProvider(s.tracers), otelnylas.WithMeterProvider(s.meters)}
}

// only returns the one span that ended.
func (s *telescope) only() sdktrace.ReadOnlySpan {
	s.t.Helper()
	ended := s.spans.Ended()
	require.Len(s.t, ended, 1)
	return ended[0]
}

// named returns the spans with a name, in the order of their ends.
func (s *telescope) named(name string) []sdktrace.ReadOnlySpan {
	var found []sdktrace.ReadOnlySpan
	for _, span := range s.spans.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

func (s *telescope) metrics() metricdata.ResourceMetrics {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(s.t, s.reader.Collect(s.t.Context(), &all))
	return all
}

// histogram returns the points of a metric, each as "count: attributes".
func (s *telescope) histogram(name string) (points map[string]metricdata.HistogramDataPoint[float64]) {
	s.t.Helper()
	for _, scope := range s.metrics().ScopeMetrics {
		assert.Equal(s.t, scopeName, scope.Scope.Name)
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			assert.Equal(s.t, "s", m.Unit)
			points = make(map[string]metricdata.HistogramDataPoint[float64])
			for _, point := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				points[fmt.Sprintf("%d: %s", point.Count, text(point.Attributes.ToSlice()))] = point
			}
		}
	}
	return points
}

// counts returns the keys of histogram.
func (s *telescope) counts(name string) (all []string) {
	s.t.Helper()
	for key := range s.histogram(name) {
		all = append(all, key)
	}
	return all
}

// everything is all that was recorded, as text.
func (s *telescope) everything() string {
	s.t.Helper()
	spans, err := json.Marshal(tracetest.SpanStubsFromReadOnlySpans(s.spans.Ended()))
	require.NoError(s.t, err)
	metrics, err := json.Marshal(s.metrics())
	require.NoError(s.t, err)
	return string(spans) + string(metrics)
}

// text is attributes in the order of their names.
func text(attrs []attribute.KeyValue) string {
	set := attribute.NewSet(attrs...)
	var all []string
	for _, a := range set.ToSlice() {
		all = append(all, string(a.Key)+"="+a.Value.String())
	}
	return strings.Join(all, " ")
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
