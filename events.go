package nylas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A Handler takes custody of a delivery. Returning nil means that the delivery
// is safe, whatever happens to this process next: the [Receiver] then answers
// 200, and Nylas will not send it again. Any other error, a panic, or not
// returning in time makes the Receiver answer 503, and Nylas tries up to two
// more times. An error marked by [Permanent] counts as custody taken.
//
// A Handler may be called again with the same [Delivery.ID], at the same time
// even, and must be idempotent; [DropDuplicates] helps. It should return when
// ctx ends.
type Handler interface {
	HandleDelivery(ctx context.Context, d *Delivery) error
}

// HandlerFunc is a function that is a [Handler].
type HandlerFunc func(ctx context.Context, d *Delivery) error

// HandleDelivery calls f.
func (f HandlerFunc) HandleDelivery(ctx context.Context, d *Delivery) error {
	return f(ctx, d)
}

// Middleware wraps a [Handler] in another one.
type Middleware func(Handler) Handler

// isNil reports handlers that would panic at the first delivery.
func isNil(handler Handler) bool {
	value := reflect.ValueOf(handler)
	switch value.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return value.IsNil()
	default:
		return false
	}
}

// ErrPermanent is what errors marked by [Permanent] match with errors.Is.
var ErrPermanent = errors.New("nylas: permanent error")

// Permanent marks an error that repeating cannot mend. The [Receiver] logs it
// and answers 200; a queue puts the delivery among its dead letters at once.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string   { return e.err.Error() }
func (e *permanentError) Unwrap() []error { return []error{e.err, ErrPermanent} }

// The limits of a Receiver.
const (
	// maxWireBytes bounds a notification as it arrives. Nylas sends up to 1 MB and
	// advises a limit of 2 MB: https://developer.nylas.com/docs/v3/notifications/.
	maxWireBytes = 2 << 20
	// maxBytesInFlight bounds the bodies that are being read and handled at a
	// time, those of handlers that are late included. Above it the answer is 503,
	// and Nylas comes again.
	maxBytesInFlight = 64 << 20
	// maxUnverifiedBytes bounds those of them that are being read: strangers must
	// not use up what genuine deliveries need while they are handled.
	maxUnverifiedBytes = maxBytesInFlight / 2
	// firstReadBytes is what a request gets before it has sent anything: most
	// notifications fit, and thousands of idle connections do no harm.
	firstReadBytes = 16 << 10

	// Nylas waits 10 s for an answer. Of these, 2 are left for the network on both
	// sides, and 2 for the header, which nobody here sees arrive.
	answerLimit     = 8 * time.Second
	headerAllowance = 2 * time.Second
	readLimit       = 3 * time.Second
	custodyLimit    = 5 * time.Second
)

// Receiver is the http.Handler behind a webhook URL. It answers Nylas'
// challenge, verifies the signature, undoes compression, and gives each
// delivery to a [Handler]. Make one with [NewReceiver]; it is safe for
// concurrent use.
//
// What it answers:
//
//   - 200: the Handler returned nil or a [Permanent] error. So it is for a
//     delivery that is signed but cannot be decoded: it is handed over too, with
//     [Delivery.Err] set.
//   - 200 and the value, without anything around it: GET or HEAD with one
//     challenge of at most 1 kB. Without one: 400.
//   - 401: the signature is missing, not exactly one, not 64 hexadecimal digits,
//     or not made with one of the secrets.
//   - 503: the signature has the right form, but no secret is set yet; the Handler
//     failed, panicked or was late; more than 64 MiB of bodies are being handled.
//   - 413: the body is over 2 MiB. 408: it came too slowly, or not whole.
//   - 405: any other method.
//
// Nylas repeats a delivery after 408 and 503, twice, and never after 401, 413
// and 405. It gives up waiting after 10 s; a Receiver reads for at most 3 s, waits
// for its Handler for at most 5 s, and takes at most 6 s for both, so give the
// http.Server a ReadHeaderTimeout of 2 s. The Handler's context does not end when
// the client hangs up.
//
// https://developer.nylas.com/docs/v3/notifications/
type Receiver struct {
	handler    Handler
	secrets    atomic.Pointer[secrets]
	logger     *slog.Logger
	inFlight   atomic.Int64 // bytes, those that are unverified included
	unverified atomic.Int64 // bytes
}

// A ReceiverOption sets up a [Receiver].
type ReceiverOption interface {
	applyReceiver(*receiverConfig) error
}

type receiverConfig struct {
	secrets *secrets
	later   bool
	logger  *slog.Logger
}

type receiverOption func(*receiverConfig) error

func (o receiverOption) applyReceiver(c *receiverConfig) error { return o(c) }

// NewReceiver returns a Receiver that gives deliveries to handler. It needs
// [WithSecrets] or [WithSecretsLater].
func NewReceiver(handler Handler, opts ...ReceiverOption) (*Receiver, error) {
	if isNil(handler) {
		return nil, errors.New("nylas: new receiver: handler is nil")
	}
	config := receiverConfig{logger: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.applyReceiver(&config); err != nil {
			return nil, fmt.Errorf("nylas: new receiver: %w", err)
		}
	}
	switch {
	case config.secrets == nil && !config.later:
		return nil, errors.New("nylas: new receiver: no secret: " +
			"use WithSecrets with the webhook_secret that creating the webhook returned, " +
			"or WithSecretsLater if the webhook is created after the receiver")
	case config.secrets != nil && config.later:
		return nil, errors.New("nylas: new receiver: WithSecrets and WithSecretsLater exclude each other")
	}
	r := &Receiver{handler: handler, logger: config.logger}
	r.secrets.Store(config.secrets)
	return r, nil
}

// WithSecrets sets the webhook secrets to verify with. A delivery is genuine if
// its signature was made with any of them; give the newest first. Each webhook
// destination has its own secret, which Nylas shows only when the destination is
// created and when the secret is rotated.
func WithSecrets(values ...string) ReceiverOption {
	return receiverOption(func(c *receiverConfig) (err error) {
		c.secrets, err = newSecrets(values)
		return err
	})
}

// WithSecretsLater makes a Receiver without a secret. It answers challenges, and
// 503 to deliveries, until [Receiver.SetSecrets] brings one: Nylas makes the
// secret only after the endpoint answered its challenge.
func WithSecretsLater() ReceiverOption {
	return receiverOption(func(c *receiverConfig) error {
		c.later = true
		return nil
	})
}

// SetSecrets replaces the secrets. It may be called at any time.
func (r *Receiver) SetSecrets(values ...string) error {
	s, err := newSecrets(values)
	if err != nil {
		return fmt.Errorf("nylas: set secrets: %w", err)
	}
	r.secrets.Store(s)
	return nil
}

// ServeHTTP answers one request of Nylas.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := limitReading(w); err != nil {
		r.refuse(w, req, http.StatusRequestTimeout, "connection cannot be read", err)
		return
	}
	switch req.Method {
	case http.MethodPost:
		if d := r.accept(w, req); d != nil {
			r.handOver(w, req, d, start.Add(answerLimit-headerAllowance))
		}
	case http.MethodGet, http.MethodHead:
		respondToChallenge(w, req)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		respond(w, http.StatusMethodNotAllowed)
	}
}

// limitReading sets the deadline for the body, so that it holds under any
// http.Server. It comes first, and stays for a body that is refused: net/http
// reads on in a body that the handler left, before it sends the answer.
func limitReading(w http.ResponseWriter) error {
	err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(readLimit))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// accept reads and verifies a delivery. It refuses what is none, and returns
// nil then.
func (r *Receiver) accept(w http.ResponseWriter, req *http.Request) *Delivery {
	if req.ContentLength > maxWireBytes {
		r.refuse(w, req, http.StatusRequestEntityTooLarge, "body is too big", nil)
		return nil
	}
	signature, err := signatureHeader(req.Header)
	if err != nil {
		r.refuse(w, req, http.StatusUnauthorized, "signature has the wrong form", err)
		return nil
	}
	body, err := r.readBody(w, req)
	if err != nil {
		r.refuse(w, req, readStatus(err), "body could not be read", err)
		return nil
	}
	known := r.secrets.Load()
	if known == nil {
		r.refuse(w, req, http.StatusServiceUnavailable, "no secret is set yet", nil)
		return nil
	}
	if !known.verify(body, signature) {
		r.refuse(w, req, http.StatusUnauthorized, "signature is wrong", nil)
		return nil
	}
	// Two encodings are one after the other, which NewDelivery does not undo.
	return NewDelivery(body, strings.Join(req.Header.Values("Content-Encoding"), ", "))
}

// readBody reads the body of a request, and takes its deadline away once it is
// whole: while the handler works, net/http watches the connection, and takes the
// end of a deadline for the sender's. It clears one by itself only where there
// was a body to read.
//
// Memory is taken as bytes arrive, whatever length the sender announced.
func (r *Receiver) readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	limited := http.MaxBytesReader(w, req.Body, maxWireBytes)
	whole := req.ContentLength // -1 if unknown
	var reserved int64
	defer func() {
		r.inFlight.Add(-reserved)
		r.unverified.Add(-reserved)
	}()
	var body []byte
	for size := int64(firstReadBytes); ; size *= 2 {
		if whole >= 0 {
			size = min(size, whole)
		}
		grow := size - reserved
		reserved = size
		if r.unverified.Add(grow) > maxUnverifiedBytes || r.inFlight.Add(grow) > maxBytesInFlight {
			return nil, errOverload
		}
		body = slices.Grow(body, int(grow))
		err := fill(&body, int(size), limited)
		switch {
		case int64(len(body)) == whole || whole < 0 && errors.Is(err, io.EOF):
			// The deadline was set, so one that cannot be taken away does not matter.
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}

// fill reads until body has size bytes or its source ends.
func fill(body *[]byte, size int, source io.Reader) error {
	for len(*body) < size {
		n, err := source.Read((*body)[len(*body):size])
		*body = (*body)[:len(*body)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

var errOverload = errors.New("nylas: too many deliveries at a time")

// readStatus is the answer to a body that could not be read.
func readStatus(err error) int {
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, errOverload) {
		return http.StatusServiceUnavailable
	}
	return http.StatusRequestTimeout
}

// handOver gives a delivery to the handler and answers for the outcome.
func (r *Receiver) handOver(w http.ResponseWriter, req *http.Request, d *Delivery, end time.Time) {
	limit := min(custodyLimit, time.Until(end))
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(req.Context()), limit, errCustodyLimit)
	defer cancel()
	// From here on the delivery is the handler's, and may change or never be let
	// go of.
	attrs := []slog.Attr{slog.String("id", d.ID), slog.String("type", string(d.Type))}
	held := int64(len(d.Body))
	r.inFlight.Add(held)
	// A goroutine of its own, so that a handler that does not return, or that ends
	// its goroutine, cannot keep the answer from Nylas.
	done := make(chan error, 1)
	go func() {
		err := errHandlerExited
		defer func() {
			r.inFlight.Add(-held)
			done <- err
		}()
		defer func() {
			if value := recover(); value != nil {
				err = r.recovered(attrs, value)
			}
		}()
		err = r.handler.HandleDelivery(ctx, d)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	switch {
	case err == nil:
		respond(w, http.StatusOK)
	case errors.Is(err, ErrPermanent):
		r.logger.LogAttrs(ctx, slog.LevelError, "nylas: delivery given up", append(attrs, slog.Any("error", err))...)
		respond(w, http.StatusOK)
	default:
		r.logger.LogAttrs(ctx, slog.LevelWarn, "nylas: delivery not taken", append(attrs, slog.Any("error", err))...)
		respondUnavailable(w)
	}
}

var (
	errCustodyLimit  = errors.New("nylas: handler did not return in time")
	errHandlerExited = errors.New("nylas: handler ended its goroutine")
	errPanic         = errors.New("nylas: handler panicked")
)

// recovered logs a panic. Its value may hold anything, so only its type is
// named, unless it comes from the runtime.
func (r *Receiver) recovered(attrs []slog.Attr, value any) error {
	what := fmt.Sprintf("%T", value)
	if err, ok := value.(runtime.Error); ok {
		what = err.Error()
	}
	r.logger.LogAttrs(context.Background(), slog.LevelError, "nylas: handler panicked",
		append(attrs, slog.String("panic", what), slog.String("stack", string(debug.Stack())))...)
	return errPanic
}

// refuse answers a request that does not reach the handler.
func (r *Receiver) refuse(w http.ResponseWriter, req *http.Request, status int, reason string, err error) {
	attrs := []slog.Attr{slog.Int("status", status), slog.String("reason", reason)}
	if err != nil {
		attrs = append(attrs, slog.String("error", readError(err)))
	}
	level := slog.LevelWarn
	if errors.Is(err, ErrInvalidSignature) {
		level = slog.LevelDebug // a scanner; what Nylas sends has the right form
	}
	r.logger.LogAttrs(req.Context(), level, "nylas: request refused", attrs...)
	if status == http.StatusServiceUnavailable {
		respondUnavailable(w)
		return
	}
	respond(w, status)
}

// readError names an error of a connection without the addresses in its text.
func readError(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "it did not arrive in time"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "it was cut off"
	}
	if errors.Is(err, ErrInvalidSignature) || errors.Is(err, errOverload) {
		return err.Error()
	}
	return fmt.Sprintf("%T", err)
}
