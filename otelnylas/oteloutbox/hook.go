package oteloutbox

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/otelnylas/internal/provide"
	"github.com/nylastrack/nylas-go/outbox"
)

// scope is the name of the instrumentation.
const scope = "github.com/nylastrack/nylas-go/otelnylas/oteloutbox"

// sendSeconds are the bounds of messaging.client.operation.duration: those of the conventions,
// which end at 10, and then up to the 150 s after which a send is given up.
// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
func sendSeconds() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 150}
}

// Hook returns a hook for [outbox.WithHook] that measures each request to send a mail. It also
// calls next, unless that is nil. Use one for each outbox.
func Hook(next func(outbox.Mail), opts ...otelnylas.Option) func(outbox.Mail) {
	tracer, meter := provide.Instruments(scope, opts)
	duration, err := messagingconv.NewClientOperationDuration(meter, metric.WithExplicitBucketBoundaries(sendSeconds()...))
	if err != nil {
		otel.Handle(err)
	}
	s := &sends{tracer: tracer, duration: duration, running: make(map[string]send)}
	return func(m outbox.Mail) {
		s.changed(m)
		if next != nil {
			next(m)
		}
	}
}

// sends are the requests that are under way.
type sends struct {
	tracer   trace.Tracer
	duration messagingconv.ClientOperationDuration
	mu       sync.Mutex
	running  map[string]send // by the key of the mail
}

type send struct {
	ctx   context.Context //nolint:containedctx // of the span
	start time.Time
}

// changed begins a span when a mail is being sent, and ends it when its state changes again.
func (s *sends) changed(m outbox.Mail) {
	s.mu.Lock()
	before, ran := s.running[m.Key]
	delete(s.running, m.Key)
	if m.State == outbox.Sending {
		ctx, _ := s.tracer.Start(context.Background(), telemetry.Send, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
			semconv.MessagingSystemKey.String(telemetry.MessagingSystem), semconv.MessagingOperationTypeSend,
			semconv.MessagingOperationName(telemetry.Send), attribute.Int(telemetry.LogAttempt, m.Attempts)))
		s.running[m.Key] = send{ctx, time.Now()}
	}
	s.mu.Unlock()
	if !ran {
		return
	}
	outcome := []attribute.KeyValue{attribute.String(telemetry.OutboxState, string(m.State))}
	span := trace.SpanFromContext(before.ctx)
	if m.State != outbox.Sent {
		outcome = append(outcome, semconv.ErrorTypeKey.String(string(m.State)))
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(outcome...)
	span.End()
	s.duration.Record(before.ctx, time.Since(before.start).Seconds(), telemetry.Send, telemetry.MessagingSystem,
		append(outcome, semconv.MessagingOperationTypeSend)...)
}
