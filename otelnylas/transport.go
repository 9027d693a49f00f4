package otelnylas

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// Transport returns a function for nylas.WithRoundTripper. Each attempt of a call becomes a
// span and a value of http.client.request.duration. Both last until the response is read or
// closed.
//
// A request that no Client makes has no url.template, and its span is named by the method.
func Transport(opts ...Option) func(http.RoundTripper) http.RoundTripper {
	tracer, meter := instruments(opts)
	duration, err := httpconv.NewClientRequestDuration(meter)
	if err != nil {
		otel.Handle(err)
	}
	return func(next http.RoundTripper) http.RoundTripper {
		if next == nil {
			next = http.DefaultTransport
		}
		return &transport{next: next, tracer: tracer, duration: duration}
	}
}

type transport struct {
	next     http.RoundTripper
	tracer   trace.Tracer
	duration httpconv.ClientRequestDuration
}

// RoundTrip sends a request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	e := &exchange{duration: t.duration, start: time.Now(), method: method(req.Method), host: req.URL.Hostname(), port: port(req.URL)}
	name := e.method
	started := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(e.method), semconv.ServerAddress(e.host), semconv.ServerPort(e.port),
	}
	if attempt, ok := telemetry.AttemptOf(req.Context()); ok {
		name += " " + attempt.Path
		e.attrs = append(e.attrs, semconv.URLTemplate(attempt.Path))
		started = append(started, e.attrs...)
		if attempt.Number > 1 {
			started = append(started, semconv.HTTPRequestResendCount(attempt.Number-1))
		}
	}
	e.ctx, e.span = t.tracer.Start(req.Context(), name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(started...))
	resp, err := t.next.RoundTrip(req.WithContext(e.ctx))
	if err != nil || resp == nil {
		e.end(0, err)
		return resp, err
	}
	if resp.Body == nil {
		e.end(resp.StatusCode, nil)
		return resp, nil
	}
	resp.Body = &body{ReadCloser: resp.Body, exchange: e, status: resp.StatusCode}
	return resp, nil
}

// exchange is a request and what came of it.
type exchange struct {
	ctx      context.Context //nolint:containedctx // of the span, which ends with the body
	span     trace.Span
	duration httpconv.ClientRequestDuration
	start    time.Time
	method   string
	host     string
	port     int
	attrs    []attribute.KeyValue
	once     sync.Once
}

// end ends the span. status is 0 if there was no response.
func (e *exchange) end(status int, err error) {
	e.once.Do(func() {
		var outcome []attribute.KeyValue
		if status != 0 {
			outcome = append(outcome, semconv.HTTPResponseStatusCode(status))
		}
		switch {
		case err != nil || status == 0:
			outcome = append(outcome, errorType(err))
		case status >= http.StatusBadRequest:
			outcome = append(outcome, semconv.ErrorTypeKey.String(strconv.Itoa(status)))
		}
		if err != nil || status == 0 || status >= http.StatusBadRequest {
			e.span.SetStatus(codes.Error, "")
		}
		e.span.SetAttributes(outcome...)
		e.span.End()
		e.duration.Record(e.ctx, time.Since(e.start).Seconds(), httpconv.RequestMethodAttr(e.method), e.host, e.port,
			append(outcome, e.attrs...)...)
	})
}

// body is that of a response. The exchange ends with it.
type body struct {
	io.ReadCloser
	exchange *exchange
	status   int
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.exchange.end(b.status, nil)
	case err != nil:
		b.exchange.end(b.status, err)
	}
	return n, err
}

func (b *body) Close() error {
	defer b.exchange.end(b.status, nil)
	return b.ReadCloser.Close()
}

// method returns the method of a request, if HTTP knows it: any other is the sender's text.
// https://opentelemetry.io/docs/specs/semconv/http/http-spans/
func method(name string) string {
	switch name {
	case "":
		return http.MethodGet
	case http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
		http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace:
		return name
	}
	return telemetry.OtherMethod
}

func port(u *url.URL) int {
	if number, err := strconv.Atoi(u.Port()); err == nil {
		return number
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}
