package otelnylas_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/receive"
)

func TestHandlerMeasuresEachDelivery(t *testing.T) {
	t.Parallel()
	const operation = "messaging.operation.name=process messaging.operation.type=process messaging.system=nylas"
	const ofType = " nylas.notification.type=message.opened"
	cases := []struct {
		name, body, span string
		err              error
		failure          string // what stands before the operation
		after            string // what stands after it
	}{
		{"handled", opened, "process message.opened", nil, "", ofType},
		{"failed", opened, "process message.opened", fmt.Errorf("of kim@example.org: %w", io.ErrNoProgress), "error.type=*errors.errorString ", ofType},
		{"permanent", opened, "process message.opened", receive.Permanent(context.DeadlineExceeded), "error.type=timeout ", " nylas.delivery.permanent=true" + ofType},
		{"undecodable", "no JSON", "process", nil, "", " nylas.delivery.undecodable=true"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newTelescope(t)
				var inside trace.SpanContext
				next := receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
					inside = trace.SpanContextFromContext(ctx)
					<-time.After(3 * time.Second)
					return tc.err
				})
				err := otelnylas.Handler(next, s.options()...).HandleDelivery(t.Context(), receive.NewDelivery([]byte(tc.body), ""))
				assert.Equal(t, tc.err, err)
				want := tc.failure + operation + tc.after
				span := s.only()
				assert.Equal(t, tc.span, span.Name())
				assert.Equal(t, want, text(span.Attributes()))
				assert.Equal(t, trace.SpanKindConsumer, span.SpanKind())
				assert.Equal(t, tc.err != nil, span.Status().Code == codes.Error)
				assert.Equal(t, span.SpanContext(), inside)
				// The metric needs no type of operation: its name says it.
				point, ok := s.histogram("messaging.process.duration")["1: "+tc.failure+"messaging.operation.name=process messaging.system=nylas"+tc.after]
				require.True(t, ok, "%v", s.counts("messaging.process.duration"))
				assert.InDelta(t, 3, point.Sum, 0)
				assert.InDelta(t, 60, point.Bounds[len(point.Bounds)-1], 0)
			})
		})
	}
}

func TestHandlerThatPanics(t *testing.T) {
	t.Parallel()
	s := newTelescope(t)
	next := receive.HandlerFunc(func(context.Context, *receive.Delivery) error { panic("with kim@example.org") })
	assert.PanicsWithValue(t, "with kim@example.org", func() {
		_ = otelnylas.Handler(next, s.options()...).HandleDelivery(t.Context(), receive.NewDelivery([]byte(opened), ""))
	})
	assert.Contains(t, text(s.only().Attributes()), "error.type=panic ")
	assert.NotContains(t, s.everything(), "kim@")
}

func TestNilIsRefused(t *testing.T) {
	t.Parallel()
	assert.PanicsWithValue(t, "otelnylas: Receiver: next is nil", func() { otelnylas.Receiver(nil) })
	assert.PanicsWithValue(t, "otelnylas: Handler: next is nil", func() { otelnylas.Handler(receive.HandlerFunc(nil)) })
}
