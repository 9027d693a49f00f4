package nylas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
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

	// Nylas waits 10 s for an answer. Of these, 2 are left for the header and the
	// network on both sides.
	readLimit    = 3 * time.Second
	custodyLimit = 5 * time.Second
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
// and 405. It gives up waiting after 10 s; a Receiver reads for at most 3 s and
// waits for its Handler for at most 5 s, so give the http.Server a
// ReadHeaderTimeout of 1 s or so. The Handler's context does not end when the
// client hangs up.
//
// https://developer.nylas.com/docs/v3/notifications/
type Receiver struct {
	handler  Handler
	secrets  atomic.Pointer[secrets]
	logger   *slog.Logger
	inFlight atomic.Int64
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
	if handler == nil {
		return nil, errors.New("nylas: new receiver: handler is nil")
	}
	config := receiverConfig{logger: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
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
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := limitReading(w); err != nil {
		r.refuse(w, req, http.StatusRequestTimeout, "connection cannot be read", err)
		return
	}
	switch req.Method {
	case http.MethodPost:
		r.receive(w, req)
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

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) {
	if d := r.accept(w, req); d != nil {
		r.handOver(w, req, d)
	}
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
	reserved := req.ContentLength
	if reserved < 0 {
		reserved = maxWireBytes
	}
	defer r.inFlight.Add(-reserved)
	if r.inFlight.Add(reserved) > maxBytesInFlight {
		r.refuse(w, req, http.StatusServiceUnavailable, "too many deliveries at a time", nil)
		return nil
	}
	body, err := readBody(w, req)
	if err != nil {
		status := http.StatusRequestTimeout
		if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
			status = http.StatusRequestEntityTooLarge
		}
		r.refuse(w, req, status, "body could not be read", err)
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
func readBody(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	limited := http.MaxBytesReader(w, req.Body, maxWireBytes)
	var body []byte
	var err error
	if req.ContentLength < 0 {
		body, err = io.ReadAll(limited)
	} else {
		body = make([]byte, req.ContentLength)
		_, err = io.ReadFull(limited, body)
	}
	if err != nil {
		return nil, err
	}
	// The deadline was set, so one that cannot be taken away does not matter.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// handOver gives a delivery to the handler and answers for the outcome.
func (r *Receiver) handOver(w http.ResponseWriter, req *http.Request, d *Delivery) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(req.Context()), custodyLimit, errCustodyLimit)
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
	errCustodyLimit  = fmt.Errorf("nylas: handler did not return within %v", custodyLimit)
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
	r.logger.LogAttrs(req.Context(), slog.LevelWarn, "nylas: request refused", attrs...)
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
	if errors.Is(err, ErrInvalidSignature) {
		return err.Error()
	}
	return fmt.Sprintf("%T", err)
}
