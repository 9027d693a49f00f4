package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
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
var ErrPermanent = errors.New("receive: permanent error")

// Permanent marks an error that repeating cannot mend. The [Receiver] logs it
// and answers 200; a queue puts the delivery among its dead letters at once.
// Permanent(nil) is nil. An error that wraps several, as errors.Join makes it, is
// permanent if one of them is: do not join it with one that repeating can mend.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether repeating cannot mend err, as errors.Is does for
// [ErrPermanent]. It does not panic where the methods of err do, as those of a nil
// pointer may that was returned as an error: that is no permanent error.
func IsPermanent(err error) (permanent bool) {
	defer func() {
		if recover() != nil {
			permanent = false
		}
	}()
	return errors.Is(err, ErrPermanent)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string   { return e.err.Error() }
func (e *permanentError) Unwrap() []error { return []error{e.err, ErrPermanent} }

// Receiver is the http.Handler behind a webhook URL. It answers Nylas'
// challenge, verifies the signature, undoes compression, and gives each
// delivery to a [Handler]. Make one with [New]; it is safe for
// concurrent use.
//
// # What it answers
//
//   - 200: the Handler returned nil or a [Permanent] error. So it is for a
//     delivery that is signed but cannot be decoded: it is handed over too, with
//     [Delivery.Err] set.
//   - 200 and the value, without anything around it: GET or HEAD with one
//     challenge of at most 1 kB. Without one: 400.
//   - 401: the signature is missing, not exactly one, not 64 hexadecimal digits,
//     or not made with one of the secrets.
//   - 503: the signature has the right form and is unknown, but a secret may be
//     missing here: none is set yet, one is being rotated, or the source of the
//     secrets fails or was last asked before the delivery came. Or the Handler
//     failed, panicked or was late; or more than 64 MiB of bodies are being read and
//     handled, while challenges are still answered.
//   - 413: the body is over 2 MiB. 408: it came too slowly, or not whole.
//   - 405: any other method.
//
// Nylas repeats a delivery after 408 and 503, twice, and never after 401, 413
// and 405. It gives up waiting after 10 s; a Receiver reads for at most 3 s, waits
// for its Handler for at most 5 s, and takes at most 6 s for both. These hold
// under any http.Server. The Handler's context does not end when the client hangs
// up.
//
// # Limits
//
// [WithMaxBodyBytes] 2 MiB, [WithMaxInflatedBytes] 8 MiB, [WithMaxBytesInFlight]
// 64 MiB, [WithReadTimeout] 3 s, [WithCustodyTimeout] 5 s.
//
// # Secrets
//
// [WithSecrets], [WithSecretsLater] with [Receiver.SetSecrets], or
// [WithSecretSource]. To change one without losing what is signed meanwhile, use
// [Receiver.RotateSecret] in a program that runs once, and a source in one that
// runs several times. Nylas never repeats what was answered 401, so a fixed secret
// that is changed in another way loses notifications.
//
// # The server
//
// What comes before the body is the http.Server's to limit. Without these a
// client that sends its header slowly, or nothing, keeps a connection for ever:
//
//	server := &http.Server{
//		Handler:           mux,
//		ReadHeaderTimeout: 2 * time.Second, // with the 6 s of a Receiver within the 10 s of Nylas
//		ReadTimeout:       5 * time.Second, // of other handlers; a Receiver has its own
//		IdleTimeout:       2 * time.Minute,
//		MaxHeaderBytes:    16 << 10,
//	}
//
// To stop, call server.Shutdown and wait for it before the store behind the Handler
// is closed: what was accepted is handled and answered, the rest is not accepted and
// Nylas sends it again. A Handler that is closed already must return an error,
// which is a 503. Do not set a WriteTimeout below 8 s: it would cut off the
// answer of a Handler that takes its time.
//
// https://developer.nylas.com/docs/v3/notifications/
type Receiver struct {
	handler  Handler
	keys     keyring
	logger   *slog.Logger
	limits   limits
	rotation rotationConfig
	budget   budget
}

// A Option sets up a [Receiver].
type Option interface {
	apply(*config) error
}

type config struct {
	origins  []string // the options that say where the secrets come from
	secrets  secrets
	source   func(ctx context.Context) ([]string, error)
	logger   *slog.Logger
	limits   limits
	rotation rotationConfig
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// New returns a Receiver that gives deliveries to handler. It needs one
// of [WithSecrets], [WithSecretsLater] and [WithSecretSource].
func New(handler Handler, opts ...Option) (*Receiver, error) {
	r, err := newReceiver(handler, opts)
	if err != nil {
		return nil, fmt.Errorf("receive: new receiver: %w", err)
	}
	return r, nil
}

func newReceiver(handler Handler, opts []Option) (*Receiver, error) {
	if guard.IsNil(handler) {
		return nil, errors.New("handler is nil")
	}
	config := config{
		logger:   slog.New(slog.DiscardHandler),
		limits:   defaultLimits(),
		rotation: rotationConfig{overlap: secretOverlap},
	}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.apply(&config); err != nil {
			return nil, err
		}
	}
	if err := config.limits.check(); err != nil {
		return nil, err
	}
	switch len(config.origins) {
	case 0:
		return nil, errors.New("no secret: " +
			"use WithSecrets with the webhook_secret that creating the webhook returned, " +
			"WithSecretsLater if the webhook is created after the receiver, " +
			"or WithSecretSource if several processes share the secret")
	case 1:
	default:
		return nil, fmt.Errorf("%s exclude each other", strings.Join(config.origins, " and "))
	}
	r := &Receiver{
		handler: handler, logger: config.logger, limits: config.limits, rotation: config.rotation,
		budget: budget{limit: config.limits.inFlight},
	}
	if config.source != nil {
		r.keys = newSourcedSecrets(config.source, config.logger)
	} else {
		r.keys = newHeldSecrets(config.secrets)
	}
	return r, nil
}

// ServeHTTP answers one request of Nylas.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start, arrival := time.Now(), r.keys.arrival()
	if err := r.limitReading(w, start); err != nil {
		r.refuse(w, req, http.StatusRequestTimeout, "connection cannot be read", err)
		return
	}
	switch req.Method {
	case http.MethodPost:
		if d, held := r.accept(w, req, arrival); d != nil {
			r.handOver(w, req, d, held, start)
		}
	case http.MethodGet, http.MethodHead:
		respondToChallenge(w, req)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		respond(w, http.StatusMethodNotAllowed)
	}
}

// accept reads, verifies and inflates a delivery, and returns it with its share
// of the bytes in flight. It refuses what is none, and returns nil then.
func (r *Receiver) accept(w http.ResponseWriter, req *http.Request, arrival int64) (d *Delivery, held share) {
	if req.ContentLength > r.limits.body {
		r.refuse(w, req, http.StatusRequestEntityTooLarge, "body is too big", nil)
		return nil, held
	}
	sum, err := signatureHeader(req.Header)
	if err != nil {
		r.refuse(w, req, http.StatusUnauthorized, "signature has the wrong form", err)
		return nil, held
	}
	held = share{budget: &r.budget}
	defer func() {
		if d == nil {
			held.free()
		}
	}()
	body, err := r.readBody(w, req, &held)
	if err != nil {
		r.refuse(w, req, readStatus(err), "body could not be read", err)
		return nil, held
	}
	// Two encodings are one after the other, which newDelivery does not undo.
	encoding := strings.Join(req.Header["Content-Encoding"], ", ")
	if err := r.keys.judge(arrival, body, sum); err != nil {
		status, reason := http.StatusServiceUnavailable, err.Error()
		if errors.Is(err, errForged) {
			status = http.StatusUnauthorized
		}
		if strings.EqualFold(encoding, "gzip") && !looksCompressed(body) {
			reason += "; the body is not compressed as its header says, so something on the way may have inflated it"
		}
		r.refuse(w, req, status, reason, nil)
		return nil, held
	}
	held.verified(int64(cap(body)))
	d, err = newDelivery(body, encoding, r.limits.inflated, held.grow)
	if err != nil {
		r.refuse(w, req, http.StatusServiceUnavailable, "body could not be inflated", err)
		return nil, held
	}
	held.verified(int64(cap(d.Body)))
	return d, held
}

// WithLogger sets a logger. The Receiver writes what it refused, what its Handler did
// not take, and why, with the text of the Handler's error. No other record holds a
// body, a secret or an address.
func WithLogger(logger *slog.Logger) Option {
	return option(func(c *config) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.logger = logger
		return nil
	})
}
