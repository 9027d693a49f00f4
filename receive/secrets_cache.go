package receive

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// SecretCachePeriod is how long a [Receiver] uses the secrets of its source without
// asking again. It refuses a secret that the source no longer has after this time at the
// latest, if the source answers then.
const SecretCachePeriod = time.Minute

const (
	// secretPause is the least time between two calls of a source: strangers must not
	// be able to make it busy.
	secretPause = 5 * time.Second
	// sourceLimit is what a call may take. It is part of the time in which Nylas waits.
	sourceLimit = 2 * time.Second
	// maxSourceCalls bounds the calls that run at a time, because a source that ignores
	// its context keeps its goroutine.
	maxSourceCalls = 4
)

// A keyring tells whether a signature is that of Nylas.
type keyring interface {
	// arrival is called when a request comes in, and its result is given to judge.
	arrival() int64
	// judge returns nil for a body that was signed with a known secret, errForged for
	// one that Nylas cannot have signed, and another error where that is not
	// certain. It may wait for the source of the secrets.
	judge(arrival int64, body []byte, sum signature) error
	// has reports whether a secret is known. If not, err is that of the source. It may wait
	// for the source.
	has() (known bool, err error)
}

// fixedKeys are the secrets of [Secret]: there are no others. It is used by its pointer,
// so that printing a Receiver stops there.
type fixedKeys struct{ secrets secrets }

func (k *fixedKeys) arrival() int64 { return 0 }

func (k *fixedKeys) judge(_ int64, body []byte, sum signature) error {
	if !k.secrets.verify(body, sum) {
		return errForged
	}
	return nil
}

func (k *fixedKeys) has() (bool, error) { return true, nil }

var (
	errForged        = errors.New("signature is wrong")
	errNoSecret      = errors.New("no secret is stored yet")
	errBusy          = errors.New("signature is unknown while the webhook is being created or its secret rotated")
	errUnsure        = errors.New("signature is unknown, and a secret may have been lost when it was last rotated")
	errOldSecrets    = errors.New("signature is unknown to the secrets from before it arrived")
	errFailingSource = errors.New("signature is unknown and the source of secrets gives no certain answer")

	errSourceLate = errors.New("it did not return in time")
)

// cachedKeys are the secrets of a source, as it gave them last.
type cachedKeys struct {
	source SecretSource
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
	secrets secrets     // of an earlier call if this one gave none
	state   SecretState // without the secrets
	err     error
}

// unknown says what an unknown signature means, for a delivery that arrived before the
// source was asked.
func (a *sourceAnswer) unknown() error {
	switch {
	case a.err != nil:
		return errFailingSource
	case len(a.secrets) == 0:
		return errNoSecret
	case a.state.Busy != "": // also after BusyUntil: a process that crashed may have rotated
		return errBusy
	case time.Now().Before(a.state.UnsureUntil):
		return errUnsure
	default:
		return errForged
	}
}

// sourceCall is a call that is waited for.
type sourceCall struct {
	number int64
	asked  time.Time
	done   chan struct{} // closed when there is an answer
}

func newCachedKeys(source SecretSource, logger *slog.Logger) *cachedKeys {
	k := &cachedKeys{source: source, logger: logger}
	k.answer.Store(&sourceAnswer{})
	return k
}

func (k *cachedKeys) arrival() int64 { return k.started.Load() }

func (k *cachedKeys) judge(arrival int64, body []byte, sum signature) error {
	answer := k.answer.Load()
	if time.Since(answer.asked) >= SecretCachePeriod {
		call := k.ask()
		// A source that failed last time is not waited for by what is known.
		if call != nil && (answer.err == nil || !answer.secrets.verify(body, sum)) {
			<-call.done
			answer = k.answer.Load()
		}
	}
	for {
		switch {
		case answer.secrets.verify(body, sum):
			return nil
		case answer.call > arrival:
			return answer.unknown()
		}
		call := k.ask()
		if call == nil {
			if reason := answer.unknown(); !errors.Is(reason, errForged) {
				return reason
			}
			return errOldSecrets
		}
		<-call.done
		answer = k.answer.Load()
	}
}

func (k *cachedKeys) has() (bool, error) {
	answer := k.answer.Load()
	if len(answer.secrets) == 0 {
		if call := k.ask(); call != nil {
			<-call.done
			answer = k.answer.Load()
		}
	}
	return len(answer.secrets) > 0, answer.err
}

// ask returns the call that is running, or a new one. It returns nil if it is too
// early for one.
func (k *cachedKeys) ask() *sourceCall {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	switch {
	case k.asking != nil:
		return k.asking
	case !k.asked.IsZero() && now.Sub(k.asked) < secretPause, k.running >= maxSourceCalls:
		return nil
	}
	call := &sourceCall{number: k.started.Add(1), asked: now, done: make(chan struct{})}
	k.asking, k.asked = call, now
	k.running++
	// It does not end with the delivery that needed it: others wait for it too.
	ctx, cancel := context.WithTimeout(context.Background(), sourceLimit)
	context.AfterFunc(ctx, func() { k.end(call, SecretState{}, errSourceLate) })
	var state SecretState
	go guard.Call(func() (err error) {
		state, err = k.source.Load(ctx)
		return err
	}, func(err error) {
		defer cancel()
		if panicked, _ := guard.Outcome(err, nil, nil); panicked != nil {
			k.logger.LogAttrs(ctx, slog.LevelError, "receive: source of secrets panicked", panicked.Attrs()...)
		}
		k.mu.Lock()
		k.running--
		k.mu.Unlock()
		k.end(call, state, err)
	})
	return call
}

// end makes an answer of what a call returned, unless it is late and another one
// took its place.
func (k *cachedKeys) end(call *sourceCall, state SecretState, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asking != call {
		return
	}
	before := k.answer.Load()
	answer := &sourceAnswer{call: call.number, asked: call.asked, secrets: before.secrets, state: before.state, err: err}
	if err == nil {
		given, unusable := newSecrets(state.Secrets)
		answer.secrets, answer.err = given, unusable
		if len(given) == 0 && unusable != nil {
			answer.secrets = before.secrets
		}
		answer.state = state
		answer.state.Secrets = nil
	}
	k.answer.Store(answer)
	k.asking = nil
	close(call.done)
	if answer.err != nil {
		k.logger.LogAttrs(context.Background(), slog.LevelWarn, "receive: source of secrets gave an error",
			slog.String(telemetry.LogError, withoutSecrets(answer.err.Error(), state.Secrets, before.secrets)))
	}
}

// withoutSecrets removes what a source may have put into its error.
func withoutSecrets(text string, stored []StoredSecret, before secrets) string {
	hide := func(value string) {
		if strings.TrimSpace(value) != "" {
			text = strings.ReplaceAll(text, value, "[secret]")
		}
	}
	for _, s := range stored {
		hide(s.Value)
	}
	for _, s := range before {
		hide(s.value)
	}
	return text
}
