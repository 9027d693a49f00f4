package oteloutbox_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/otelnylas/oteloutbox"
	"github.com/nylastrack/nylas-go/outbox"
)

// collect returns what is measured, each as "name attributes"; of a histogram the sum, and with
// "count " before its name the count. all is everything as text.
func collect(t *testing.T, reader *metric.ManualReader) (values map[string]float64, all string, err error) {
	t.Helper()
	var found metricdata.ResourceMetrics
	err = reader.Collect(t.Context(), &found)
	values = make(map[string]float64)
	for _, scope := range found.ScopeMetrics {
		assert.Equal(t, "github.com/nylastrack/nylas-go/otelnylas/oteloutbox", scope.Scope.Name)
		for _, m := range scope.Metrics {
			assert.NotEmpty(t, m.Description)
			assert.NotEmpty(t, m.Unit)
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes)] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes)] = p.Sum
					values[key("count "+m.Name, p.Attributes)] = float64(p.Count)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	text, marshalErr := json.Marshal(found)
	require.NoError(t, marshalErr)
	return values, string(text), err
}

func key(name string, set attribute.Set) string {
	for _, a := range set.ToSlice() {
		name += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
	}
	return name
}

const mails = "nylas.outbox.mails nylas.outbox.state="

// An outbox that sends two mails, is refused one, has one for a suppressed address.
func TestAnOutboxIsMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader, spans := metric.NewManualReader(), tracetest.NewSpanRecorder()
		opts := []otelnylas.Option{
			nil, otelnylas.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))),
			otelnylas.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))),
		}
		server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
		client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithHTTPClient(server.HTTPClient()))
		require.NoError(t, err)
		var mu sync.Mutex
		heard := 0
		folder := t.TempDir()
		box, err := outbox.Open(filepath.Join(folder, "outbox.db"), outbox.WithWorkers(1),
			outbox.WithHook(oteloutbox.Hook(func(outbox.Mail) { mu.Lock(); defer mu.Unlock(); heard++ }, opts...)))
		require.NoError(t, err)
		registration, err := oteloutbox.Observe(box, opts...)
		require.NoError(t, err)
		require.NoError(t, box.Suppress(t.Context(), "sue@example.org", outbox.ReasonUnsubscribed))
		for _, name := range []string{"kim", "bob", "sue", "ann"} {
			require.NoError(t, box.Add(t.Context(), "key-"+name, server.GrantID(), &nylas.SendMessageRequest{
				To: []nylas.Participant{{Email: name + "@example.org"}}, Subject: "Spring", Body: "Hello " + name,
			}))
		}
		values, _, err := collect(t, reader)
		require.NoError(t, err)
		want := map[string]float64{
			mails + "waiting": 4, mails + "sending": 0, mails + "unknown": 0, mails + "sent": 0, mails + "failed": 0,
			mails + "suppressed": 0, "nylas.outbox.second_mail.possible": 0, "nylas.outbox.healthy": 1,
		}
		assert.Equal(t, want, values)

		require.NoError(t, server.Inject(nylastest.Fault{
			Endpoint: nylastest.EndpointSend, Delay: 3 * time.Second, Inside: nylastest.ErrorAnswer(400, "invalid_request_error", "m"),
		}))
		require.NoError(t, box.Run(t.Context(), client))
		values, all, err := collect(t, reader)
		require.NoError(t, err)
		want[mails+"waiting"], want[mails+"sent"], want[mails+"failed"], want[mails+"suppressed"] = 0, 2, 1, 1
		const duration = "messaging.client.operation.duration "
		const attrs = " messaging.operation.name=send messaging.operation.type=send messaging.system=nylas nylas.outbox.state="
		failed := duration[:len(duration)-1] + " error.type=failed" + attrs + "failed"
		assert.InDelta(t, 3, values[failed], 0.5)
		assert.Equal(t, map[string]float64{"count " + failed: 1, "count " + duration[:len(duration)-1] + attrs + "sent": 2}, only(values, "count "))
		assert.Equal(t, want, only(values, "nylas."))
		for _, private := range []string{"example.org", "key-", "Spring", folder, server.GrantID()} {
			assert.NotContains(t, all, private)
		}
		mu.Lock()
		assert.Equal(t, 7, heard, "each of three twice, and one that is suppressed")
		mu.Unlock()

		require.Len(t, spans.Ended(), 3)
		states := map[string]codes.Code{}
		for _, span := range spans.Ended() {
			assert.Equal(t, "send", span.Name())
			assert.Equal(t, trace.SpanKindClient, span.SpanKind())
			attrs := map[attribute.Key]string{}
			for _, a := range span.Attributes() {
				attrs[a.Key] = a.Value.String()
			}
			states[attrs["nylas.outbox.state"]] = span.Status().Code
			if attrs["error.type"] == "failed" {
				delete(attrs, "error.type")
			}
			delete(attrs, "nylas.outbox.state")
			assert.Equal(t, map[attribute.Key]string{
				"messaging.system": "nylas", "messaging.operation.type": "send", "messaging.operation.name": "send", "nylas.attempt": "1",
			}, attrs)
		}
		assert.Equal(t, map[string]codes.Code{"sent": codes.Unset, "failed": codes.Error}, states)

		require.NoError(t, box.Close())
		values, _, err = collect(t, reader)
		require.Error(t, err)
		assert.Equal(t, map[string]float64{"nylas.outbox.healthy": 0}, only(values, "nylas."))
		require.NoError(t, registration.Unregister())
		values, _, err = collect(t, reader)
		require.NoError(t, err)
		assert.NotContains(t, values, "nylas.outbox.healthy")
	})
}

func only(values map[string]float64, prefix string) map[string]float64 {
	some := map[string]float64{}
	for name, value := range values {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			some[name] = value
		}
	}
	return some
}

func TestObserveRefusesNil(t *testing.T) {
	t.Parallel()
	_, err := oteloutbox.Observe(nil)
	require.EqualError(t, err, "oteloutbox: observe: the outbox is nil")
}

// A mail whose outcome was never told counts when its next request begins, and none counts twice.
func TestHookOfASendWithoutAnEnd(t *testing.T) {
	t.Parallel()
	reader, spans := metric.NewManualReader(), tracetest.NewSpanRecorder()
	hook := oteloutbox.Hook(nil, otelnylas.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))), otelnylas.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
	hook(outbox.Mail{Key: "a", State: outbox.Unknown}) // it was not being sent
	hook(outbox.Mail{Key: "a", State: outbox.Sending, Attempts: 1})
	assert.Empty(t, spans.Ended())
	hook(outbox.Mail{Key: "a", State: outbox.Sending, Attempts: 2})
	hook(outbox.Mail{Key: "b", State: outbox.Sent})
	assert.Len(t, spans.Ended(), 1)
	hook(outbox.Mail{Key: "a", State: outbox.Sent})
	assert.Len(t, spans.Ended(), 2)
	assert.Len(t, spans.Started(), 2)
	hook(outbox.Mail{Key: "a", State: outbox.Failed})
	values, _, err := collect(t, reader)
	require.NoError(t, err)
	count := 0.0
	for _, n := range only(values, "count ") {
		count += n
	}
	assert.InDelta(t, 2, count, 0)
}
