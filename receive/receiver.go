package receive

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
)

// Receiver is the http.Handler behind a webhook's URL. It answers Nylas' challenge, verifies
// the signature, undoes compression, and gives each delivery to a [Handler]. Make one with
// [New]; it is safe for concurrent use.
//
// It answers:
//
//   - 200 to a delivery whose Handler returned nil or a [Permanent] error. A delivery that is
//     signed but cannot be decoded goes to the Handler too, with [Delivery.Err] set.
//   - 200 and the bare value to a GET or HEAD with one challenge of at most 1 kB; 400 to one
//     without.
//   - 401 if the signature is missing, given more than once, not 64 hexadecimal digits, or
//     made with none of the secrets.
//   - 503, with Retry-After, if the signature has the right form but may be made with a
//     secret that is not here yet; see [SecretState]. Also if the Handler fails, panics or is
//     late, and while too many bytes are in flight.
//   - 413 if the body is too large, 408 if it arrives too slowly or not whole.
//   - 405 to any other method.
//
// Nylas retries a delivery at most twice, and only after 408, 429, 502, 503, 504, 507 or a
// broken connection. It never retries after 401, 405 or 413.
//
// Nylas waits 10 s for an answer. A Receiver reads for at most 3 s, waits for its Handler for
// at most 5 s, and takes at most 6 s for both. The Handler's context does not end when the
// client hangs up.
//
// The limit for reading needs a ResponseWriter that can set a deadline. That of an http.Server
// can. That of a middleware, for logging for example, can only if it has the method Unwrap that
// [http.ResponseController] describes. Without it a Receiver logs a warning once, and a slow
// body keeps its connection until the ReadTimeout of the http.Server. Adapters for AWS Lambda
// and FastCGI have no deadlines either; there the front end limits the time.
//
// [Serve] runs it with the time limits that it needs from an http.Server, and stops it
// gracefully. The limits of the Receiver itself are options; see [WithMaxBodyBytes].
//
// Anybody can send to the URL. Without the secret nothing reaches the Handler, and a Receiver
// bounds what it spends on strangers; see [WithMaxBytesInFlight]. If your contract with Nylas
// has static IP addresses, you can keep strangers out: admit in your firewall or load balancer
// only the addresses that a Client's Webhooks.IPAddresses returns, and read them again now and
// then. Without such a contract the addresses change, and a list of them loses notifications.
//
// https://developer.nylas.com/docs/v3/notifications/,
// https://developer.nylas.com/docs/dev-guide/platform/static-ips/
type Receiver struct {
	handler Handler
	keys    keyring
	logger  *slog.Logger
	loud    *slog.Logger // for what is lost: slog.Default unless an option says otherwise
	hooks   Hooks
	limits  limits
	budget  *budget
	seen    seen

	warnUnlimited sync.Once
}

// An Option sets up a [Receiver].
type Option interface {
	apply(*config) error
}

type config struct {
	logger *slog.Logger
	hooks  Hooks
	limits limits
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// New returns a Receiver that gives deliveries to handler and verifies them with secrets:
// [Secret] for fixed ones, or a [SecretStore] that a Client's Subscribe fills. It calls
// secrets only when deliveries arrive, so the store may still be empty.
func New(handler Handler, secrets SecretSource, opts ...Option) (*Receiver, error) {
	r, err := newReceiver(handler, secrets, opts)
	if err != nil {
		return nil, fmt.Errorf("receive: new receiver: %w", err)
	}
	return r, nil
}

func newReceiver(handler Handler, source SecretSource, opts []Option) (*Receiver, error) {
	if guard.IsNil(handler) {
		return nil, errors.New("handler is nil")
	}
	config := config{limits: defaultLimits()}
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
	loud := config.logger
	if config.logger == nil {
		config.logger = slog.New(slog.DiscardHandler)
		loud = slog.Default() // nothing may be lost in silence
	}
	r := &Receiver{
		handler: handler, logger: config.logger, loud: loud, hooks: config.hooks,
		limits: config.limits, budget: newBudget(config.limits.inFlight),
	}
	fixed, isFixed := source.(fixedSecrets)
	switch {
	case guard.IsNil(source):
		return nil, errors.New("secrets is nil: use Secret with the webhook_secret that Nylas showed, or a SecretStore")
	case isFixed:
		list, err := fixed.usable()
		if err != nil {
			return nil, fmt.Errorf("secrets: %w", err)
		}
		r.keys = &fixedKeys{list}
	default:
		r.keys = newCachedKeys(source, config.logger)
	}
	return r, nil
}

// ServeHTTP answers one request of Nylas.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	status := r.answer(w, req, start)
	if req.Method == http.MethodPost {
		r.seen.note(status, start)
	}
	if r.hooks.Answered != nil {
		r.tell(req, status, time.Since(start))
	}
}

// answer answers a request and returns the status.
func (r *Receiver) answer(w http.ResponseWriter, req *http.Request, start time.Time) (status int) {
	known := r.keys.arrival()
	limited, err := r.limitReading(w, req, start)
	if err != nil {
		return r.refuse(w, req, http.StatusRequestTimeout, "connection cannot be read", err)
	}
	switch req.Method {
	case http.MethodPost:
		d, held, refused := r.accept(w, req, known, limited)
		if d == nil {
			return refused
		}
		return r.handOver(w, req, d, held, start)
	case http.MethodGet, http.MethodHead:
		return respondToChallenge(w, req)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		return respond(w, http.StatusMethodNotAllowed)
	}
}

// accept reads, verifies and inflates a delivery, and returns it with its share
// of the bytes in flight. It refuses what is none, and returns nil and the status then.
func (r *Receiver) accept(w http.ResponseWriter, req *http.Request, known int64, limited bool) (d *Delivery, held share, refused int) {
	held.budget = r.budget
	if req.ContentLength > r.limits.body {
		return nil, held, r.refuse(w, req, http.StatusRequestEntityTooLarge, "body is too big", nil)
	}
	sum, err := signatureHeader(req.Header)
	if err != nil {
		return nil, held, r.refuse(w, req, http.StatusUnauthorized, "signature has the wrong form", err)
	}
	body, refused := r.readVerified(w, req, sum, known, limited)
	if refused != 0 {
		return nil, held, refused
	}
	held.hold(int64(cap(body)))
	d, err = newDelivery(body, contentEncoding(req), r.limits.inflated, held.grow)
	if err != nil {
		held.free()
		return nil, held, r.refuse(w, req, http.StatusServiceUnavailable, "body could not be inflated", err)
	}
	held.hold(int64(cap(d.Body)))
	return d, held, 0
}

// readVerified returns the body of a request if it is signed. If not, it refuses the request
// and returns the status.
func (r *Receiver) readVerified(w http.ResponseWriter, req *http.Request, sum signature, known int64, limited bool) (body []byte, refused int) {
	arriving := newArrival(r.budget, req)
	if limited {
		arriving.stop = w
	}
	defer arriving.end()
	body, err := r.readBody(w, req, &arriving)
	if err != nil {
		return nil, r.refuse(w, req, readStatus(err), "body could not be read", err)
	}
	if err := r.keys.judge(known, body, sum); err != nil {
		status, reason := http.StatusServiceUnavailable, err.Error()
		if errors.Is(err, errForged) {
			status = http.StatusUnauthorized
		}
		if strings.EqualFold(contentEncoding(req), "gzip") && !looksCompressed(body) {
			reason += "; the body is not compressed as its header says, so something on the way may have inflated it"
		}
		return nil, r.refuse(w, req, status, reason, nil)
	}
	return body, 0
}

func contentEncoding(req *http.Request) string {
	return strings.Join(req.Header["Content-Encoding"], ", ")
}

// WithLogger sets a logger. The Receiver writes what it refused, what its Handler did
// not take, and why, with the text of the Handler's error. No other record holds a
// body, a secret or an address. Without this option it writes only deliveries that are
// given up, as errors to [slog.Default]: no dead letter is behind a Receiver.
func WithLogger(logger *slog.Logger) Option {
	return option(func(c *config) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.logger = logger
		return nil
	})
}
