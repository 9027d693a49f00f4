package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// The times of sending again.
const (
	// repeatWindow stays below the hour for which Nylas knows an Idempotency-Key.
	// https://developer.nylas.com/docs/v3/email/idempotent-send/
	repeatWindow = 55 * time.Minute
	// maxRest is how long Microsoft Exchange throttles, and what Nylas recommends to wait
	// when a mail provider is unavailable: 10 to 20 minutes.
	// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
	// https://developer.nylas.com/docs/api/errors/
	maxRest = 20 * time.Minute
	// firstProviderRest is for what the mail provider refuses, firstRest for the rest: Nylas'
	// own limits count seconds.
	firstProviderRest = time.Minute
	firstRest         = time.Second
	// maxRetryAfter is as long as a daily quota of a mailbox can take to pass.
	// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
	maxRetryAfter = 24 * time.Hour
	// maxLookDoublings bounds how much later each further look comes.
	maxLookDoublings = 4
	maxDoublings     = 11 // from a second to more than maxRest
)

const (
	reasonKilled   = "the program ended during a send"
	reasonNotFound = "its outcome is unknown, and the mailbox does not have it: another key sends it again"
)

// Run sends the mails through client, and returns nil when nothing is left to do: every mail
// is sent, failed or suppressed, or is [Unknown] and was looked for in vain. Mails
// that are added meanwhile are sent too. One Run at a time is allowed.
//
// Run ends early when ctx is done, and returns the cause: it begins no further send, and waits
// for those under way, which usually takes seconds and at most 150 s each. A program that
// does not wait for them loses nothing: see [Unknown].
//
// The error joins a [StoppedError] for each grant from which Run stopped sending. An error of
// the file ends Run too.
//
// Run makes single attempts whatever the client's RetryPolicy says, and retries by itself.
func (o *Outbox) Run(ctx context.Context, client *nylas.Client) error {
	if client == nil {
		return errors.New("outbox: run: the client is nil")
	}
	select {
	case o.running <- struct{}{}:
		defer func() { <-o.running }()
	default:
		return ErrRunning
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-o.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	r := &run{Outbox: o, client: client, stops: make(map[string]error)}
	if err := o.recover(ctx); err != nil {
		return wrap("run", err)
	}
	var working sync.WaitGroup
	errs := make([]error, o.workers)
	for i := range errs {
		working.Go(func() {
			if errs[i] = r.work(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	working.Wait()
	if err := errors.Join(errs...); err == nil && ctx.Err() != nil {
		errs[0] = context.Cause(ctx)
	}
	return errors.Join(append(slices.Collect(maps.Values(r.stops)), wrap("run", errors.Join(errs...)))...)
}

// run is one call of Run.
type run struct {
	*Outbox
	client *nylas.Client
	mu     sync.Mutex       // one claims at a time; it guards stops too
	stops  map[string]error // by grant
}

// work handles mails until nothing is left.
func (r *run) work(ctx context.Context) error {
	defer r.signal() // the next worker sees that too
	for ctx.Err() == nil {
		m, wake, err := r.claim(ctx)
		switch {
		case err != nil && ctx.Err() != nil, err == nil && wake == never && !r.stay:
			return nil
		case err != nil:
			return err
		case m != nil:
			r.signal() // there may be more
			if err := r.handle(ctx, m); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(time.Unix(0, wake))):
		case <-r.wake:
		}
	}
	return nil
}

// handle does what a claimed mail needs: to be sent, or to be looked for first. Once a send is
// marked, the end of ctx does not touch it: to cut it off is to lose its outcome.
func (r *run) handle(ctx context.Context, m *mail) error {
	if m.State == Unknown {
		if again, err := r.look(ctx, m); err != nil || !again {
			return err
		}
	} else {
		r.changed(m)
	}
	if m.State == Suppressed {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	request := new(nylas.SendMessageRequest)
	if err := json.Unmarshal([]byte(m.request), request); err != nil {
		m.State, m.Reason = Failed, "its content cannot be read from the file"
		return r.save(ctx, m)
	}
	var response nylas.Response
	message, err := r.client.Messages.Send(ctx, m.GrantID, request, nylas.WithIdempotencyKey(m.idempotencyKey()),
		nylas.WithMark(markKey), nylas.WithoutRetry(), nylas.WithResponse(&response))
	if response.Replayed && m.doubts > 0 { // it is the answer to one of the attempts in doubt
		m.doubts--
	}
	if err != nil {
		return r.judge(ctx, m, err)
	}
	m.State, m.MessageID, m.SecondMailPossible = Sent, message.ID, m.SecondMailPossible || m.doubts > 0
	return r.save(ctx, m)
}

// judge decides what an error of a send means for a mail, and for others.
func (r *run) judge(ctx context.Context, m *mail, err error) error {
	failed, ok := errors.AsType[*nylas.Error](err)
	if !ok || failed.OutcomeUnknown {
		m.doubts++
	}
	m.Reason = err.Error()
	var others int64 // until when the grant sends nothing
	switch {
	case m.doubts > 0: // one attempt may have sent it, whatever this one says
		m.State = Unknown
		m.setNext(time.Now().Add(r.lookDelay(m.doubts)).UnixNano())
	case failed.Replayed && failed.NeedsNewKey && (concernsGrant(err) || passes(failed)): // it is out of date
		m.State = Waiting
	case concernsGrant(err):
		m.State, others = Waiting, never
		r.mu.Lock()
		r.stops[m.GrantID] = &StoppedError{GrantID: m.GrantID, Key: m.Key, Err: err}
		r.mu.Unlock()
	case passes(failed):
		m.State, others = Waiting, time.Now().Add(restAfter(failed, m.Attempts)).UnixNano()
	default:
		m.State = Failed
		if failed.StatusCode == http.StatusPaymentRequired { // the recipient's side refused
			if err := r.Suppress(ctx, m.address, ReasonRefused); err != nil {
				return err
			}
		}
	}
	r.logger.Warn("outbox: a mail was not sent, or may not have been", slog.String(telemetry.LogMailState, string(m.State)),
		slog.Int(telemetry.LogAttempts, m.Attempts), slog.String(telemetry.LogError, m.Reason))
	if m.State != Waiting {
		return r.save(ctx, m)
	}
	m.setNext(others)
	if err := r.save(ctx, m); err != nil {
		return err
	}
	_, err = r.db.ExecContext(ctx, "UPDATE mails SET next = max(next, ?) WHERE grant_id = ? AND state = 'waiting'", others, m.GrantID)
	return err
}

// concernsGrant reports whether an error would meet all other mail of the grant too.
func concernsGrant(err error) bool {
	return slices.ContainsFunc([]error{
		nylas.ErrSendingPaused, nylas.ErrUnauthorized, nylas.ErrForbidden, nylas.ErrNotFound, nylas.ErrTrackingNotAllowed,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// passes reports whether a send that sent nothing can succeed later. Status 0 without a refusal
// means that Nylas was not reached.
// https://developer.nylas.com/docs/api/errors/
func passes(e *nylas.Error) bool {
	return e.StatusCode == 0 && !e.Is(nylas.ErrInvalidRequest) || e.StatusCode == http.StatusTooManyRequests ||
		e.StatusCode == http.StatusServiceUnavailable || e.StatusCode == http.StatusLocked
}

// restAfter is how long a grant sends nothing after an error: as long as Nylas asks, or longer
// with each attempt.
func restAfter(e *nylas.Error, attempts int) time.Duration {
	first := firstRest
	if e.StatusCode == http.StatusServiceUnavailable || e.StatusCode == http.StatusLocked || e.Is(nylas.ErrProviderRateLimited) {
		first = firstProviderRest
	}
	return max(min(first<<min(attempts-1, maxDoublings), maxRest), min(e.RetryAfter, maxRetryAfter))
}

// lookDelay is how long after an attempt the Outbox looks, when so many are in doubt.
func (o *Outbox) lookDelay(doubts int) time.Duration {
	return o.lookAfter << min(max(doubts-1, 0), maxLookDoublings)
}

// look settles an unknown mail by the mailbox. It reports whether to send it again, and has
// marked it as being sent then.
func (r *run) look(ctx context.Context, m *mail) (again bool, err error) {
	found, err := r.client.Messages.FindSent(ctx, m.GrantID, nylas.MarkOf(markKey, m.idempotencyKey()))
	if ctx.Err() != nil && len(found) == 0 {
		return false, nil // the next Run looks again
	}
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	age := now.Sub(time.Unix(0, m.first))
	isOver := age < 0 || age > repeatWindow // below 0 the clock was set back, and tells nothing
	switch {
	case err == nil && len(found) > 0:
		m.State, m.MessageID, m.Reason = Sent, found[0].ID, ""
		m.SecondMailPossible = m.SecondMailPossible || len(found) > 1
		return false, r.save(ctx, m)
	case err != nil:
		m.Reason = "its outcome is unknown, and looking for it failed: " + err.Error()
		if !isOver && !concernsGrant(err) {
			m.setNext(now.Add(r.lookDelay(m.doubts)).UnixNano())
		}
	case isOver:
		m.Reason = reasonNotFound
	default:
		if err := r.prepare(ctx, m, now); err != nil {
			return false, err
		}
		return m.State == Sending, r.save(ctx, m)
	}
	r.logger.Warn("outbox: a mail may have been sent", slog.String(telemetry.LogReason, m.Reason))
	return false, r.save(ctx, m)
}

func (r *run) save(ctx context.Context, m *mail) error {
	ctx = context.WithoutCancel(ctx) // what happened is recorded whatever ended
	err := r.write(ctx, m)
	if err == nil {
		r.changed(m)
	}
	return err
}

// changed calls the hook.
func (r *run) changed(m *mail) {
	if r.hook != nil {
		r.hook(m.Mail)
	}
}
