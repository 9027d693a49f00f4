package otelnylas

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/receive"
)

// Handler wraps a [receive.Handler]. Each delivery becomes a span and a value of
// messaging.process.duration. The span is in the context that next gets.
//
// Behind an inbox the span begins a new trace, because an inbox does not store that of the
// request. A duplicate that [receive.DropDuplicates] or an inbox drops does not reach the
// handler behind it, so it has no span there.
//
// Handler panics if next is nil.
func Handler(next receive.Handler, opts ...Option) receive.Handler {
	if guard.IsNil(next) {
		panic("otelnylas: Handler: next is nil")
	}
	tracer, meter := instruments(opts)
	duration, err := messagingconv.NewProcessDuration(meter, metric.WithExplicitBucketBoundaries(processSeconds()...))
	if err != nil {
		otel.Handle(err)
	}
	return &handler{next: next, tracer: tracer, duration: duration}
}

type handler struct {
	next     receive.Handler
	tracer   trace.Tracer
	duration messagingconv.ProcessDuration
}

// HandleDelivery gives d to the handler.
func (h *handler) HandleDelivery(ctx context.Context, d *receive.Delivery) (err error) {
	start := time.Now()
	name := telemetry.Process
	var attrs []attribute.KeyValue
	if d.Type != "" {
		name += " " + string(d.Type)
		attrs = append(attrs, attribute.String(telemetry.NotificationType, string(d.Type)))
	}
	if d.Err != nil {
		attrs = append(attrs, attribute.Bool(telemetry.Undecodable, true))
	}
	ctx, span := h.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attrs...),
		trace.WithAttributes(
			semconv.MessagingSystemKey.String(telemetry.MessagingSystem),
			semconv.MessagingOperationTypeProcess,
			semconv.MessagingOperationName(telemetry.Process)))
	returned := false
	defer func() {
		var outcome []attribute.KeyValue
		switch {
		case !returned:
			outcome = append(outcome, semconv.ErrorTypeKey.String(telemetry.Panic))
		case err != nil:
			outcome = append(outcome, errorType(err))
			if receive.IsPermanent(err) {
				outcome = append(outcome, attribute.Bool(telemetry.Permanent, true))
			}
		}
		if len(outcome) > 0 {
			span.SetStatus(codes.Error, "")
		}
		span.SetAttributes(outcome...)
		span.End()
		h.duration.Record(ctx, time.Since(start).Seconds(), telemetry.Process, telemetry.MessagingSystem,
			append(outcome, attrs...)...)
	}()
	err = h.next.HandleDelivery(ctx, d)
	returned = true
	return err
}
