package receive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
)

// SecretCachePeriod is how long a [Receiver] uses the secrets of its source
// without asking again. A secret that the source no longer gives is refused after
// this time at the latest, if the source answers then.
const SecretCachePeriod = time.Minute

const (
	// secretPause is the least time between two calls of a source: strangers must not
	// be able to make it busy.
	secretPause = 5 * time.Second
	// sourceLimit is what a call may take. It is part of the time in which Nylas waits.
	sourceLimit = 2 * time.Second
	// maxSourceCalls bounds the calls that run at a time, because a source that takes
	// no notice of its context keeps its goroutine.
	maxSourceCalls = 4
)

// WithSecretSource makes a Receiver that asks a function for its secrets, the
// newest first: a table or a secret store that several processes share. It is
// the way to rotate a secret without a loss there.
//
// The source is asked when the first delivery arrives, and again when one has an
// unknown signature, at most once in 5 seconds, and when its answer is older than
// [SecretCachePeriod]. Deliveries that come meanwhile wait for it. It has 2
// seconds, after which its context ends, and is never called on the way to an
// answer to a challenge.
//
// 401, which is final, is the answer only to a signature that is unknown to an
// answer of the source that was asked for after the delivery arrived, and that
// came without an error. Every other unknown signature is answered 503, so that
// Nylas delivers the notification again, however many forgeries arrive.
//
// The source may return secrets and an error, which is logged, without the
// secrets: what is signed with one of them is accepted, the rest is answered 503.
// If it returns an error and no secrets, panics, is late, or returns a secret that
// is blank or has white space around it, or none, the secrets that it gave before stay valid, until it gives others.
//
// So this changes the secret for any number of processes:
//
//  1. Write a mark beside the secret. While it is there, the source returns
//     [ErrRotating] with the secrets that it has.
//  2. Wait for one [SecretCachePeriod], and for as long as the store itself may give
//     an older value.
//  3. Rotate the secret: [WebhookService.RotateSecret].
//  4. Store the new secret before the old one. Nylas does not show it again; if
//     storing fails, leave the mark and begin again at 3.
//  5. Clear the mark. 30 minutes later, or at once after a leak, remove the old secret.
//
// SetSecrets and RotateSecret are errors on such a Receiver: what changes the
// secrets changes what the source reads.
func WithSecretSource(source func(ctx context.Context) ([]string, error)) Option {
	return option(func(c *config) error {
		if source == nil {
			return errors.New("WithSecretSource: the function is nil")
		}
		c.origins = append(c.origins, "WithSecretSource")
		c.source = source
		return nil
	})
}

var (
	errOldSecrets    = errors.New("signature is unknown to the secrets from before it arrived")
	errFailingSource = errors.New("signature is unknown and the source of secrets gives no certain answer")

	errSourceLate   = errors.New("it did not return in time")
	errSourceExited = errors.New("it ended its goroutine")
)

// sourcedSecrets are the secrets of a source.
type sourcedSecrets struct {
	source func(ctx context.Context) ([]string, error)
	logger *slog.Logger

	// started counts the calls. A delivery keeps the count of its arrival: a call with
	// a greater number was made later, which no clock could tell as well.
	started atomic.Int64
	answer  atomic.Pointer[sourceAnswer] // never nil

	mu      sync.Mutex
	asking  *sourceCall // nil if none is waited for
	asked   time.Time   // when the last call was made
	running int         // calls that have not returned, those that are late included
}

// sourceAnswer is what is known after a call. It never changes.
type sourceAnswer struct {
	call    int64
	asked   time.Time
	secrets secrets // of an earlier call if this one gave none
	err     error
}

// sourceCall is a call that is waited for.
type sourceCall struct {
	number int64
	asked  time.Time
	done   chan struct{} // closed when there is an answer
}

func newSourcedSecrets(source func(context.Context) ([]string, error), logger *slog.Logger) *sourcedSecrets {
	s := &sourcedSecrets{source: source, logger: logger}
	s.answer.Store(&sourceAnswer{})
	return s
}

func (s *sourcedSecrets) arrival() int64 { return s.started.Load() }

func (s *sourcedSecrets) judge(arrival int64, body []byte, sum signature) error {
	answer := s.answer.Load()
	if time.Since(answer.asked) >= SecretCachePeriod {
		call := s.ask()
		// A source that failed last time is not waited for by what is known.
		if call != nil && (answer.err == nil || !answer.secrets.verify(body, sum)) {
			<-call.done
			answer = s.answer.Load()
		}
	}
	for {
		switch {
		case answer.secrets.verify(body, sum):
			return nil
		case answer.call <= arrival:
		case answer.err != nil:
			return errFailingSource
		default:
			return errForged
		}
		call := s.ask()
		if call == nil {
			if answer.err != nil {
				return errFailingSource
			}
			return errOldSecrets
		}
		<-call.done
		answer = s.answer.Load()
	}
}

// ask returns the call that is running, or a new one. It returns nil if it is too
// early for one.
func (s *sourcedSecrets) ask() *sourceCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.asking != nil:
		return s.asking
	case !s.asked.IsZero() && now.Sub(s.asked) < secretPause, s.running >= maxSourceCalls:
		return nil
	}
	call := &sourceCall{number: s.started.Add(1), asked: now, done: make(chan struct{})}
	s.asking, s.asked = call, now
	s.running++
	// It does not end with the delivery that needed it: others wait for it too.
	ctx, cancel := context.WithTimeout(context.Background(), sourceLimit)
	context.AfterFunc(ctx, func() { s.end(call, nil, errSourceLate) })
	go func() {
		defer cancel()
		s.call(ctx, call)
	}()
	return call
}

// call asks the source, which may end its goroutine.
func (s *sourcedSecrets) call(ctx context.Context, call *sourceCall) {
	var values []string
	err := errSourceExited
	defer func() {
		if value := recover(); value != nil {
			values, err = nil, fmt.Errorf("it panicked: %s", guard.PanicText(value))
			s.logger.LogAttrs(ctx, slog.LevelError, "receive: source of secrets panicked",
				slog.String("panic", guard.PanicText(value)), slog.String("stack", string(debug.Stack())))
		}
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
		s.end(call, values, err)
	}()
	values, err = s.source(ctx)
}

// end makes an answer of what a call returned, unless it is late and another one
// took its place.
func (s *sourcedSecrets) end(call *sourceCall, values []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking != call {
		return
	}
	before := s.answer.Load()
	answer := &sourceAnswer{call: call.number, asked: call.asked, secrets: before.secrets, err: err}
	given, blank := usableSecrets(values)
	if blank != nil && (err == nil || len(values) > 0) {
		answer.err = errors.Join(err, blank)
	}
	if len(given) > 0 {
		answer.secrets = given
	}
	s.answer.Store(answer)
	s.asking = nil
	close(call.done)
	if answer.err != nil {
		level := slog.LevelWarn
		if errors.Is(err, ErrRotating) {
			level = slog.LevelInfo
		}
		s.logger.LogAttrs(context.Background(), level, "receive: source of secrets gave an error",
			slog.String("error", withoutSecrets(answer.err.Error(), values, before.secrets)))
	}
}

// usableSecrets are the values that can be secrets. The error says that there is one
// that cannot, or none at all.
func usableSecrets(values []string) (list secrets, err error) {
	if len(values) == 0 {
		return nil, errors.New("no secret given")
	}
	for _, value := range values {
		one, blank := newSecrets([]string{value})
		list, err = append(list, one...), cmp.Or(err, blank)
	}
	return list, err
}

// withoutSecrets removes what a source may have put into its error.
func withoutSecrets(text string, values []string, before secrets) string {
	values = slices.Clone(values)
	for _, old := range before {
		values = append(values, old.value)
	}
	for _, value := range values {
		if strings.TrimSpace(value) != "" {
			text = strings.ReplaceAll(text, value, "[secret]")
		}
	}
	return text
}
