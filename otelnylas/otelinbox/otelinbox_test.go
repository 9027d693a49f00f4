package otelinbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/otelnylas/otelinbox"
	"github.com/nylastrack/nylas-go/receive"
)

// collect returns what is measured, each as "name attributes", and all of it as text.
func collect(t *testing.T, reader *metric.ManualReader) (values map[string]float64, all string, err error) {
	t.Helper()
	var found metricdata.ResourceMetrics
	err = reader.Collect(t.Context(), &found)
	values = make(map[string]float64)
	for _, scope := range found.ScopeMetrics {
		assert.Equal(t, "github.com/nylastrack/nylas-go/otelnylas/otelinbox", scope.Scope.Name)
		for _, m := range scope.Metrics {
			assert.NotEmpty(t, m.Description)
			assert.NotEmpty(t, m.Unit)
			switch data := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes)] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes)] = p.Value
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes)] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[key(m.Name, p.Attributes)] = p.Sum
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
		name += " " + a.Value.String()
	}
	return name
}

func notification(id string) *receive.Delivery {
	return receive.NewDelivery(fmt.Appendf(nil, `{"id":%q,"type":"message.opened","data":{"object":{"message_id":"m-1","label":"kim@example.org"}}}`, id), "")
}

func TestAnInboxIsMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		provider := otelnylas.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
		died := make(chan struct{}, 1)
		folder := t.TempDir()
		box, err := inbox.Open(filepath.Join(folder, "nylas.db"), inbox.WithMaxAttempts(2),
			inbox.WithBackoff(time.Hour, time.Hour), inbox.WithHistory(time.Hour),
			inbox.WithHooks(otelinbox.Hooks(inbox.Hooks{Died: func(*receive.Delivery, int, error) { died <- struct{}{} }}, provider, nil)))
		require.NoError(t, err)
		registration, err := otelinbox.Observe(box, nil, provider)
		require.NoError(t, err)

		values, _, err := collect(t, reader)
		require.NoError(t, err)
		assert.Positive(t, values["nylas.inbox.size"])
		delete(values, "nylas.inbox.size")
		assert.Equal(t, map[string]float64{
			"nylas.inbox.pending": 0, "nylas.inbox.running": 0, "nylas.inbox.retrying": 0, "nylas.inbox.dead": 0,
			"nylas.inbox.oldest.age": 0, "nylas.inbox.healthy": 1,
		}, values)

		for _, id := range []string{"n-good", "n-bad", "n-slow", "n-good"} {
			require.NoError(t, box.HandleDelivery(t.Context(), notification(id)))
		}
		require.NoError(t, box.HandleDelivery(t.Context(), receive.NewDelivery([]byte("no JSON"), "")))
		<-died
		<-time.After(30 * time.Second)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		release := make(chan struct{})
		go func() {
			ran <- box.Run(ctx, receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
				switch d.ID {
				case "n-bad":
					return errors.New("no row for kim@example.org")
				case "n-slow":
					<-release
				}
				return nil
			}))
		}()
		<-time.After(time.Second)
		values, all, err := collect(t, reader)
		require.NoError(t, err)
		assert.InDelta(t, 31, values["nylas.inbox.oldest.age"], 0.1)
		assert.InDelta(t, 30, values["nylas.inbox.delay message.opened"], 0.1)
		for _, other := range []string{"nylas.inbox.size", "nylas.inbox.oldest.age", "nylas.inbox.delay message.opened"} {
			delete(values, other)
		}
		assert.Equal(t, map[string]float64{
			"nylas.inbox.pending": 2, "nylas.inbox.running": 1, "nylas.inbox.retrying": 1, "nylas.inbox.dead": 1, "nylas.inbox.healthy": 1,
			"nylas.inbox.deliveries accepted":                 1, // what cannot be decoded has no type
			"nylas.inbox.deliveries died":                     1,
			"nylas.inbox.deliveries accepted message.opened":  3,
			"nylas.inbox.deliveries duplicate message.opened": 1,
			"nylas.inbox.deliveries handled message.opened":   1,
			"nylas.inbox.deliveries failed message.opened":    1,
		}, values)
		for _, private := range []string{"kim@", "n-good", "n-bad", "m-1", "no row", folder} {
			assert.NotContains(t, all, private)
		}

		<-time.After(2 * time.Hour) // the second attempt of n-bad is its last
		<-died
		values, _, err = collect(t, reader)
		require.NoError(t, err)
		assert.InDelta(t, 2, values["nylas.inbox.dead"], 0)
		assert.InDelta(t, 1, values["nylas.inbox.deliveries died message.opened"], 0)
		assert.InDelta(t, 1, values["nylas.inbox.deliveries hung message.opened"], 0, "its context ended after a minute")

		<-time.After(8 * 24 * time.Hour) // over the retention
		values, _, err = collect(t, reader)
		require.NoError(t, err)
		assert.InDelta(t, 0, values["nylas.inbox.dead"], 0)
		assert.InDelta(t, 2, values["nylas.inbox.deliveries expired"], 0)

		close(release)
		stop()
		require.NoError(t, <-ran)
		require.NoError(t, box.Close())
		values, _, err = collect(t, reader)
		require.ErrorIs(t, err, inbox.ErrClosed)
		healthy, measured := values["nylas.inbox.healthy"]
		assert.True(t, measured)
		assert.InDelta(t, 0, healthy, 0)
		assert.NotContains(t, values, "nylas.inbox.pending")

		require.NoError(t, registration.Unregister())
		values, _, err = collect(t, reader)
		require.NoError(t, err)
		assert.NotContains(t, values, "nylas.inbox.healthy")
	})
}

// Each hook is called beside the counting, and each can be missing.
func TestHooksCallTheNext(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	provider := otelnylas.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	d, failure := notification("n-1"), errors.New("kim@example.org")
	var called []any
	next := inbox.Hooks{
		Accepted:  func(d *receive.Delivery, took time.Duration) { called = append(called, d, took) },
		Duplicate: func(d *receive.Delivery) { called = append(called, d) },
		Handled:   func(d *receive.Delivery, attempt int, took time.Duration) { called = append(called, d, attempt, took) },
		Failed: func(d *receive.Delivery, attempt int, err error, at time.Time) {
			called = append(called, d, attempt, err, at)
		},
		Died:        func(d *receive.Delivery, attempts int, err error) { called = append(called, d, attempts, err) },
		Hung:        func(d *receive.Delivery, running time.Duration) { called = append(called, d, running) },
		Expired:     func(count int) { called = append(called, count) },
		StoreFailed: func(err error) { called = append(called, err) },
	}
	for _, hooks := range []inbox.Hooks{otelinbox.Hooks(next, provider), otelinbox.Hooks(inbox.Hooks{}, provider)} {
		hooks.Accepted(d, 1)
		hooks.Duplicate(d)
		hooks.Handled(d, 2, 3)
		hooks.Failed(d, 4, failure, time.Unix(5, 0))
		hooks.Died(d, 6, failure)
		hooks.Hung(d, 7)
		hooks.Expired(8)
		hooks.StoreFailed(failure)
	}
	assert.Equal(t, []any{
		d, time.Duration(1), d, d, 2, time.Duration(3), d, 4, failure, time.Unix(5, 0), d, 6, failure, d, time.Duration(7), 8, failure,
	}, called)
	values, all, err := collect(t, reader)
	require.NoError(t, err)
	delete(values, "nylas.inbox.delay message.opened")
	assert.Equal(t, map[string]float64{
		"nylas.inbox.deliveries accepted message.opened":  2,
		"nylas.inbox.deliveries duplicate message.opened": 2,
		"nylas.inbox.deliveries handled message.opened":   2,
		"nylas.inbox.deliveries failed message.opened":    2,
		"nylas.inbox.deliveries died message.opened":      2,
		"nylas.inbox.deliveries hung message.opened":      2,
		"nylas.inbox.deliveries expired":                  16,
		"nylas.inbox.store.failures":                      2,
	}, values)
	assert.NotContains(t, all, "kim@")
}

func TestObserveRefusesNil(t *testing.T) {
	t.Parallel()
	_, err := otelinbox.Observe(nil)
	require.EqualError(t, err, "otelinbox: observe: the inbox is nil")
}

// It sets the global provider, which all other tests here leave alone.
func TestTheGlobalProviderIsTheDefault(t *testing.T) {
	reader := metric.NewManualReader()
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	otelinbox.Hooks(inbox.Hooks{}, otelnylas.WithMeterProvider(nil)).Expired(3)
	values, _, err := collect(t, reader)
	require.NoError(t, err)
	assert.Equal(t, map[string]float64{"nylas.inbox.deliveries expired": 3}, values)
}
