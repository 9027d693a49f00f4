package otelnylas

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// Receiver wraps a receive.Receiver, or another http.Handler. Each request becomes a span and
// a value of http.server.request.duration. The span is in the context that the
// [receive.Handler] gets.
//
// Wrap what you give to an [http.ServeMux]: http.route is then the path of the mux's pattern.
// Do not put a secret into the pattern; a wildcard keeps it out. A span of a middleware further
// out is the parent.
//
// Receiver panics if next is nil.
func Receiver(next http.Handler, opts ...Option) http.Handler {
	if guard.IsNil(next) {
		panic("otelnylas: Receiver: next is nil")
	}
	tracer, meter := instruments(opts)
	duration, err := httpconv.NewServerRequestDuration(meter)
	if err != nil {
		otel.Handle(err)
	}
	return &server{next: next, tracer: tracer, duration: duration}
}

type server struct {
	next     http.Handler
	tracer   trace.Tracer
	duration httpconv.ServerRequestDuration
}

// ServeHTTP answers a request.
func (s *server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	name, scheme := method(req.Method), "http"
	if req.TLS != nil {
		scheme = "https"
	}
	var attrs []attribute.KeyValue
	if path := route(req.Pattern); path != "" {
		attrs = append(attrs, semconv.HTTPRoute(path))
		name += " " + path
	}
	ctx, span := s.tracer.Start(req.Context(), name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(method(req.Method)), semconv.URLScheme(scheme)))
	answer := &answer{ResponseWriter: w}
	returned := false
	defer func() {
		var outcome []attribute.KeyValue
		switch {
		case !returned:
			outcome = append(outcome, semconv.ErrorTypeKey.String(telemetry.Panic))
		case answer.status == 0: // net/http then writes it
			answer.status = http.StatusOK
		case answer.status >= http.StatusInternalServerError:
			outcome = append(outcome, semconv.ErrorTypeKey.String(strconv.Itoa(answer.status)))
		}
		if len(outcome) > 0 {
			span.SetStatus(codes.Error, "")
		}
		if answer.status != 0 {
			outcome = append(outcome, semconv.HTTPResponseStatusCode(answer.status))
		}
		span.SetAttributes(outcome...)
		span.End()
		s.duration.Record(ctx, time.Since(start).Seconds(), httpconv.RequestMethodAttr(method(req.Method)), scheme,
			append(outcome, attrs...)...)
	}()
	s.next.ServeHTTP(answer, req.WithContext(ctx))
	returned = true
}

// route returns the path of a pattern of http.ServeMux: "[METHOD ][HOST]/[PATH]".
func route(pattern string) string {
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 {
		return ""
	}
	return pattern[slash:]
}

// answer keeps the status. By Unwrap, [http.ResponseController] finds what sets deadlines.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(p)
}
