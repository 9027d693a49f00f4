package nylas

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/nylastrack/nylas-go/receive"
)

// The times of Subscribe and Rotate.
const (
	// leaseTime is how long a call may be busy before another one takes over.
	leaseTime = time.Minute
	// leaseRest is the part of a lease in which its owner asks nothing of Nylas any
	// more. By its end Nylas has finished what it was asked last, for which it waits
	// up to 10 s for the answer to a challenge, and its list shows the result.
	// https://developer.nylas.com/docs/v3/notifications/
	leaseRest = 30 * time.Second
	// leasePoll is the pause between two looks at a store whose lease is another's, give
	// or take a half: many processes that start at once must not all ask Nylas at once.
	leasePoll = 500 * time.Millisecond
	// defaultOverlap is how long an old secret stays valid, and how long after a
	// rotation Nylas may still deliver what it signed with a secret that was lost. It
	// is more than the 20 minutes for which Nylas repeats a notification.
	// https://developer.nylas.com/docs/v3/notifications/
	defaultOverlap = 30 * time.Minute
	// storedPrecision is that of the times in a store: any table or file can keep it.
	storedPrecision = time.Second
)

// keeper is one call of Subscribe or Rotate. Its methods return an error that matches
// receive.ErrChanged if another call was faster: then all begins again.
type keeper struct {
	client  *Client
	op      *operation
	store   receive.SecretStore
	overlap time.Duration
	opts    []RequestOption
	// crossed is set if another call took over while this one rotated: which of the two
	// secrets came last is not known, so a further one must follow.
	crossed bool
}

// load returns what is stored, once no other call has a lease.
func (k *keeper) load(ctx context.Context) (receive.SecretState, error) {
	var owner string
	var seen time.Time // when that owner's lease was seen first
	for {
		state, err := k.store.Load(ctx)
		now := time.Now()
		switch {
		case err != nil:
			return state, k.storeError("the store of secrets cannot be read", err, state)
		case state.Busy == "" || !now.Before(state.BusyUntil):
			return state, nil
		case seen.IsZero() || state.Owner != owner:
			owner, seen = state.Owner, now
		case now.Sub(seen) >= leaseTime: // the owner's clock is ahead of this one
			return state, nil
		}
		if err := k.pause(ctx); err != nil {
			return state, err
		}
	}
}

func (k *keeper) pause(ctx context.Context) error {
	if err := sleep(ctx, leasePoll/2+mathrand.N(leasePoll)); err != nil {
		return &Error{Op: k.op.name, Message: "another call is busy with the webhook", cause: err}
	}
	return nil
}

// lease stores what is about to be done, does it, and stores what came of it. It
// returns what do returned.
func (k *keeper) lease(
	ctx context.Context, old, busy receive.SecretState, do func(context.Context) (*Webhook, error),
) (*Webhook, error) {
	busy.Owner, busy.BusyUntil = rand.Text(), time.Now().UTC().Truncate(storedPrecision).Add(leaseTime)
	if err := k.store.Swap(ctx, old, busy); err != nil {
		return nil, k.storeError("nothing was done, because the store of secrets could not be written", err, old)
	}
	doing, cancel := context.WithDeadlineCause(ctx, busy.BusyUntil.Add(-leaseRest),
		fmt.Errorf("the time for it in the lease is over: %w", context.DeadlineExceeded))
	defer cancel()
	webhook, err := do(doing)
	// What is known now must be stored, also if the caller's time is over.
	ctx, stop := context.WithDeadline(context.WithoutCancel(ctx), busy.BusyUntil)
	defer stop()
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return nil, err
	case err != nil: // nothing was done
		if failed := k.store.Swap(ctx, busy, old); failed != nil && !errors.Is(failed, receive.ErrChanged) {
			err = errors.Join(err, k.storeError("the store of secrets could not be written", failed, old))
		}
		return nil, err
	}

	now := time.Now().UTC().Truncate(storedPrecision)
	settled := receive.SecretState{
		WebhookID: webhook.ID, URL: busy.URL, Secrets: []receive.StoredSecret{{Value: webhook.WebhookSecret}},
	}
	if busy.Busy == receive.BusyRotate {
		settled.WebhookID, settled.UnsureUntil = busy.WebhookID, now.Add(defaultOverlap)
		for _, secret := range busy.Secrets {
			if end := now.Add(k.overlap); secret.Until.IsZero() || secret.Until.After(end) {
				secret.Until = end
			}
			if secret.Until.After(now) {
				settled.Secrets = append(settled.Secrets, secret)
			}
		}
	}
	if err := k.store.Swap(ctx, busy, settled); err != nil {
		k.crossed = busy.Busy == receive.BusyRotate
		lost := k.storeError(fmt.Sprintf("the secret of webhook %q could not be saved: call it again", settled.WebhookID), err, busy, settled)
		lost.OutcomeUnknown = true
		return nil, lost
	}
	return webhook, nil
}

// storeError is the error for one of the store. Its text has no secret, should the
// store have put one of these states into it.
func (k *keeper) storeError(message string, err error, states ...receive.SecretState) *Error {
	var values []string
	for _, state := range states {
		for _, secret := range state.Secrets {
			values = append(values, secret.Value)
		}
	}
	return &Error{Op: k.op.name, Message: message, cause: err, secrets: func() []string { return values }}
}
