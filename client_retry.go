package nylas

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// RetryPolicy says how the SDK retries requests. A field that is 0 has its default.
//
// When the SDK retries depends on the call:
//
//   - A send is retried after 429, after 5xx except 501, 505 and 550, and if there was
//     no response. Each attempt has the same Idempotency-Key and the same bytes.
//   - A call that does no harm when it is made twice is retried in the same cases.
//   - Any other call, such as creating a webhook, is retried only after 429, or if
//     nothing was written to the connection.
//
// The SDK never retries after a response that Nylas repeats from an earlier request,
// after it has read from a [ReaderContent], or if an attachment cannot be read. No retry
// begins later than 55 minutes after the first attempt, because Nylas forgets an
// Idempotency-Key after an hour. Both the monotonic clock and the wall clock count, so
// that a machine that sleeps during a wait does not send too late. It never retries if
// sending is paused; see [ErrSendingPaused].
//
// If Nylas answers that an earlier attempt with the key is still running, the SDK asks
// again every 2 to 5 s, until 150 s after the first attempt. These requests do not count
// towards MaxAttempts.
type RetryPolicy struct {
	// MaxAttempts is the largest number of attempts, including the first one. 1 means
	// exactly one request. The default is 4.
	MaxAttempts int
	// BaseDelay is the wait before the first retry. Each further wait is half as long
	// again, up to two thirds of MaxDelay. The SDK then makes each wait up to a half
	// shorter or longer at random. The default is 500 ms, or MaxDelay if that is less.
	BaseDelay time.Duration
	// MaxDelay is the longest wait, including the random part. It must not be less than
	// BaseDelay. The default is 20 s, or BaseDelay if that is more.
	MaxDelay time.Duration
	// MaxRetryAfter is the longest wait that Nylas may ask for with Retry-After. If
	// Nylas asks for a longer wait, the SDK does not retry, and [Error.RetryAfter] has
	// that wait. The default is 60 s.
	MaxRetryAfter time.Duration
}

// The defaults of a RetryPolicy.
const (
	defaultMaxAttempts   = 4
	defaultBaseDelay     = 500 * time.Millisecond
	defaultMaxDelay      = 20 * time.Second
	defaultMaxRetryAfter = 60 * time.Second
)

// The times of repeating a send.
// https://developer.nylas.com/docs/v3/email/idempotent-send/
const (
	// repeatWindow stays below the hour for which Nylas knows a key: after it the
	// same key would send a second mail.
	repeatWindow = 55 * time.Minute
	// concurrentWindow is how long a first request can still be running: as long as
	// Nylas recommends to wait for one.
	concurrentWindow = sendTimeout
	// While one is running, "a few seconds" are to pass between questions.
	minConcurrentPoll = 2 * time.Second
	maxConcurrentPoll = 5 * time.Second
)

func (p RetryPolicy) withDefaults() (RetryPolicy, error) {
	if p.MaxAttempts < 0 || p.BaseDelay < 0 || p.MaxDelay < 0 || p.MaxRetryAfter < 0 {
		return p, errors.New("WithRetryPolicy: a field is negative")
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = defaultMaxAttempts
	}
	switch {
	case p.BaseDelay == 0 && p.MaxDelay == 0:
		p.BaseDelay, p.MaxDelay = defaultBaseDelay, defaultMaxDelay
	case p.BaseDelay == 0:
		p.BaseDelay = min(defaultBaseDelay, p.MaxDelay)
	case p.MaxDelay == 0:
		p.MaxDelay = max(defaultMaxDelay, p.BaseDelay)
	}
	if p.MaxDelay < p.BaseDelay {
		return p, errors.New("WithRetryPolicy: MaxDelay is shorter than BaseDelay")
	}
	if p.MaxRetryAfter == 0 {
		p.MaxRetryAfter = defaultMaxRetryAfter
	}
	return p, nil
}

// repeat says when a call may be made again.
type repeat int

const (
	// repeatAlways is for calls that can be made twice.
	repeatAlways repeat = iota
	// repeatWithKey is for calls that carry an Idempotency-Key.
	repeatWithKey
	// repeatUnsent is for calls that must not be made twice and take no key.
	repeatUnsent
	// repeatTold is for calls that can be made twice, but whose caller must know
	// whether an attempt may have been carried out.
	repeatTold
)

func newIdempotencyKey() string { return "nylas-go-" + rand.Text() }

// run makes attempts until one settles the call, or none may follow.
func (x *roundTrips) run(ctx context.Context) (*answer, error) {
	if err := x.admit(ctx, time.Time{}); err != nil {
		return nil, x.fail(nil, err)
	}
	x.pace = newPace(x.retry, x.client.clocks)
	for {
		a := x.attempt(ctx)
		if a.err == nil && isSuccess(a.status) {
			return a, nil
		}
		x.learn(a)
		if ctx.Err() != nil {
			return a, x.fail(a, ended(ctx))
		}
		wait, again := x.pace.next(a, x.mayRepeat(a))
		if !again || a.broken || x.body.Spent() {
			return a, x.fail(a, nil)
		}
		if err := sleep(ctx, wait); err != nil {
			return a, x.fail(a, err)
		}
		if err := x.admit(ctx, x.pace.until); err != nil {
			return a, x.fail(a, err)
		}
		if x.pace.isOver() { // the machine slept during a wait
			return a, x.fail(a, errWindowOver)
		}
	}
}

// errWindowOver ends a call that woke up too late for another attempt.
var errWindowOver = fmt.Errorf("more than %v passed since the first attempt, so there is no further one", repeatWindow)

// clocks are two readings of the same moment. The monotonic clock stands still while the
// machine is suspended, and the wall clock can be set back.
type clocks struct{ monotonic, wall time.Time }

func readClocks() clocks {
	now := time.Now()
	return clocks{monotonic: now, wall: now.Round(0)}
}

// since returns the time from start to c, by the clock that shows more.
func (c clocks) since(start clocks) time.Duration {
	return max(c.monotonic.Sub(start.monotonic), c.wall.Sub(start.wall))
}

// pace decides on the next attempt of a call.
type pace struct {
	policy   RetryPolicy
	delay    time.Duration // the next wait, without chance
	clocks   func() clocks
	start    clocks
	until    time.Time // when the next attempt has to begin
	failures int
}

func newPace(policy RetryPolicy, read func() clocks) *pace {
	return &pace{policy: policy, delay: min(policy.BaseDelay, longestDelay(policy)), clocks: read, start: read()}
}

// isOver reports whether Nylas can have forgotten the key of the call.
func (p *pace) isOver() bool { return p.clocks().since(p.start) > repeatWindow }

// longestDelay is what the half that chance can add makes MaxDelay. Cutting waits at
// MaxDelay would make most of the last ones alike.
func longestDelay(policy RetryPolicy) time.Duration { return policy.MaxDelay / 3 * 2 }

// backOff returns the next wait, give or take a half, and lets the one after it grow by
// half.
func (p *pace) backOff() time.Duration {
	wait := p.delay/2 + mathrand.N(p.delay+1)
	p.delay = min(p.delay+p.delay/2, longestDelay(p.policy))
	return wait
}

// next returns how long to wait for the next attempt, and whether there is one.
func (p *pace) next(a *answer, mayRepeat bool) (time.Duration, bool) {
	asked := a.retryAfter()
	if p.policy.MaxAttempts == 1 || asked > p.policy.MaxRetryAfter {
		return 0, false
	}
	var wait, window time.Duration
	switch {
	case a.isConcurrent():
		wait = minConcurrentPoll + mathrand.N(maxConcurrentPoll-minConcurrentPoll)
		window = concurrentWindow
	case mayRepeat:
		if p.failures++; p.failures >= p.policy.MaxAttempts {
			return 0, false
		}
		wait = p.backOff()
		window = repeatWindow
	default:
		return 0, false
	}
	wait = max(wait, asked)
	left := window - p.clocks().since(p.start)
	p.until = time.Now().Add(left)
	return wait, wait <= left
}

// mayRepeat reports whether a failed attempt may be followed by another one.
func (x *roundTrips) mayRepeat(a *answer) bool {
	switch {
	case a.err != nil:
		return x.call.repeat != repeatUnsent || !a.reached
	case a.replayed(), a.isPaused():
		return false
	case a.status == http.StatusTooManyRequests:
		return true
	default:
		return isPassing(a.status) && x.call.repeat != repeatUnsent
	}
}

// learn keeps account of whether a call whose attempt failed may have been carried out.
func (x *roundTrips) learn(a *answer) {
	switch {
	case x.call.repeat == repeatAlways:
		// It can be made again: nobody needs to know.
	case a.err != nil:
		if a.reached {
			x.lost++
		}
	case a.isConcurrent(), a.isConflict():
		// An earlier request with the key runs, or ran with another body.
		x.open = true
	case a.replayed(): // it is the outcome of one of the attempts before
		x.lost, x.open = max(0, x.lost-1), a.leavesOpen(x.call.noProvider)
	case a.isOfGateway(), a.leavesOpen(x.call.noProvider):
		x.lost++
	}
}

// isUnknown reports whether the call may have been carried out.
func (x *roundTrips) isUnknown() bool { return x.lost > 0 || x.open }

// maybeTwice reports whether a send that succeeded with a may have been carried out by
// an earlier attempt too. Nylas marks an answer that it repeats, so one without the mark
// is that of an execution of its own. Nylas forgets the key of a request whose client
// disconnected, so of two attempts without an answer one can have been carried out, and
// the answer to the other one be repeated.
// https://developer.nylas.com/docs/changelogs/2026-09-28-send-imap-and-scheduler-fixes/
func (x *roundTrips) maybeTwice(a *answer) bool {
	switch {
	case x.key == "" || a.err != nil || !isSuccess(a.status):
		return false
	case a.replayed():
		return x.lost > 1
	default:
		return x.isUnknown()
	}
}

// isPassing reports whether a status is a failure that can pass by itself. Of
// 5xx only three are for good: 501, 505, and 550, with which Nylas reports that
// the provider took the message for spam.
func isPassing(status int) bool {
	switch status {
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, 550:
		return false
	}
	return status >= 500
}

// isOfGateway reports whether a gateway or proxy answered, which may have passed the
// request on. A body in the form of Nylas' errors proves that Nylas answered. Without one,
// as 503 often comes, nobody knows: what ran out of connections answers the same as what
// lost the one on which it had passed the request on.
// https://developer.nylas.com/docs/api/errors/
func (a *answer) isOfGateway() bool { return !a.isNylas() && !isRefusal(a.status) }

// isRefusal reports whether a status says, whoever answers with it, that the request was
// neither passed on nor carried out. 403 is not among them: a gateway that filters can
// answer it after the request has been passed on.
// https://www.rfc-editor.org/rfc/rfc9110#section-15
func isRefusal(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusExpectationFailed, http.StatusMisdirectedRequest,
		http.StatusUpgradeRequired, http.StatusTooManyRequests, http.StatusRequestHeaderFieldsTooLarge,
		http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return true
	}
	return status >= 300 && status < 400
}

// leavesOpen reports whether an answer of Nylas says that the request may have been
// carried out. With 503 Nylas reports that the mail provider is unavailable, if one is
// involved.
func (a *answer) leavesOpen(noProvider bool) bool {
	switch a.status {
	case http.StatusRequestTimeout:
		return true
	case http.StatusServiceUnavailable:
		return noProvider
	}
	return isPassing(a.status)
}

// isConcurrent reports whether an earlier request with the key is still running.
func (a *answer) isConcurrent() bool { return !a.replayed() && a.isKeyError(typeConcurrentRequest) }

// isConflict reports whether the key was used for another request.
func (a *answer) isConflict() bool { return a.isKeyError(typeConflict) }

func (a *answer) isKeyError(typ string) bool {
	return a.err == nil && a.status == http.StatusConflict && a.failure().Type == typ
}

// isPaused reports whether Nylas sends nothing from the account until somebody acts.
func (a *answer) isPaused() bool { return a.err == nil && a.failure().Is(ErrSendingPaused) }

// isNylas reports whether Nylas itself answered, and not a gateway on the way. Its errors
// have an id of the request, and a type in lower case or, from webhooks, of five digits.
// Some pages of Nylas show one of the two only.
// https://developer.nylas.com/docs/api/errors/
func (a *answer) isNylas() bool {
	body := loose.Parse(a.body)
	e := loose.Parse(body["error"])
	name, number := e.Text("type"), e["type"]
	return a.replayed() || body.Text("request_id") != "" && body["error"] != nil ||
		name != "" && name == strings.ToLower(name) || number.Kind() == '0' && len(number) == len("70000")
}

// retryAfter returns how long Nylas asked to wait: seconds or a date.
func (a *answer) retryAfter() time.Duration {
	value := strings.TrimSpace(a.header.Get("Retry-After"))
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // out of range, it is still the nearest number
		return max(0, time.Duration(min(seconds, int64(math.MaxInt64/time.Second)))*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// fail returns the error of the call after its last attempt. ended says why
// there is no further one, if not because of that attempt.
func (x *roundTrips) fail(last *answer, ended error) *Error {
	e := x.newError(last)
	if ended != nil {
		e.cause = ended
	}
	switch {
	case x.isUnknown():
		e.OutcomeUnknown = true
	case x.key != "" && last != nil && last.isStored():
		e.NeedsNewKey, e.givenKey = true, x.op.config.idempotencyKey != "" && !x.op.madeKey
	}
	return e
}

// isStored reports whether Nylas keeps a failure that sent nothing under the key
// of the request. What is answered before a request is looked at (who are you,
// not so fast) is not kept.
func (a *answer) isStored() bool {
	switch {
	case a.err != nil, !a.isNylas():
		return false
	case a.status == http.StatusPaymentRequired:
		return false // the message may have gone to some of its recipients
	case a.replayed(), a.status == 550:
		return true
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests:
		return false
	}
	return a.status >= 400 && a.status < 500
}

// sleep waits, and returns the cause if the context ends before.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("while waiting to try again: %w", ended(ctx))
	}
}

// ended returns why a context ended: its error, and the cause if it has one of
// its own.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
