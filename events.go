package nylas

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/receive"
)

// SubscribeRequest describes the webhook that should exist.
type SubscribeRequest struct {
	// URL is the public https URL at which a receive.Receiver answers. The emulator
	// takes http too.
	URL string
	// Types are all the triggers of the webhook; see events.TrackingTypes. Their
	// order does not matter.
	Types []events.Type
	// Secrets keeps the webhook's id and secret. All processes that serve the URL
	// share it, and their receivers read it. Each webhook needs a store of its own.
	Secrets receive.SecretStore

	// Adopt takes over a webhook for the URL that Secrets does not know: Subscribe
	// rotates its secret and sets its Types. Without Adopt such a webhook is the error
	// ErrWebhookExists.
	Adopt bool

	// A field below that is empty or nil leaves the webhook's value as it is.

	Description string
	// NotificationEmailAddresses get a mail when the webhook starts failing.
	NotificationEmailAddresses []string
	// CompressedDelivery says whether notifications come compressed by gzip.
	CompressedDelivery *bool
}

// ErrWebhookExists means that Nylas has a webhook for the URL that the store does not
// know, so its secret is lost or belongs to somebody else. The text of the error has
// its id. Set SubscribeRequest.Adopt to take it over, or delete it.
var ErrWebhookExists = errors.New("nylas: a webhook for the URL exists that the store of secrets does not know")

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

// Subscribe makes sure that one webhook for the URL exists, with these triggers, and
// that its secret is in the store. Call it each time a service starts, from any number
// of processes, once the server listens: Nylas asks for a challenge, which needs no
// secret, and a receiver answers 503 to what comes before the secret is saved. If all
// is in place, it makes one List request.
//
// Send nothing tracked before the first Subscribe has returned: Nylas notifies only
// webhooks that exist, and retries what was answered 503 minutes later.
//
// It creates a webhook if there is none, also if the one in the store was deleted at
// Nylas. It updates what differs from the request, and sets a failed webhook active,
// for which Nylas asks for a challenge again. A paused webhook stays paused: look at
// Status in the result. The result never holds the secret.
//
// Before a creation or a rotation Subscribe writes a lease of one minute into the
// store, and then asks Nylas for at most 30 seconds. Other calls wait until that is
// done. After a minute they take over, and rotate the secret of the webhook that they
// find. The clocks of the processes must agree within 20 seconds. If they do not, a second
// webhook can be left, but no call waits longer than a minute for the same lease.
//
// Errors:
//   - Nylas refused: nothing was made, and the next call starts anew.
//   - [ErrOutcomeUnknown]: Nylas may have made the webhook, but its answer was lost or
//     its secret could not be saved. Call Subscribe again: it waits for the end of the
//     lease, at most a minute, and takes over what it finds.
//   - [ErrWebhookExists]: there is a webhook that the store does not know.
//   - [ErrRateLimited]: Nylas takes 50 such requests a second for an application. If
//     more processes than that start at once, give RetryPolicy.MaxAttempts at least 10.
//   - [ErrInvalidRequest] also if the store holds a webhook for another URL. URLs are
//     the same if they differ only in the case of scheme and host, in a default port
//     or in an empty path.
//
// If a new webhook appears in Nylas' list only after the lease, a second webhook can
// be left behind. Subscribe deletes nothing: it warns of webhooks for the URL that
// the store does not know, with their ids, through [WithLogger].
//
// Options apply to each request of the call. [WithResponse] returns the last response.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
func (c *Client) Subscribe(ctx context.Context, req *SubscribeRequest, opts ...RequestOption) (*Webhook, error) {
	op := c.begin("subscribe", opts)
	switch {
	case req == nil:
		return nil, refuse(op, "the request is nil")
	case req.URL == "":
		return nil, refuse(op, "URL is empty")
	case len(req.Types) == 0:
		return nil, refuse(op, "Types is empty: events.TrackingTypes has those of tracking")
	case guard.IsNil(req.Secrets):
		return nil, refuse(op, "Secrets is nil: without a store the secret would be lost")
	}
	k := &keeper{client: c, op: op, store: req.Secrets, overlap: defaultOverlap, opts: opts}
	for {
		webhook, err := k.subscribe(ctx, req)
		if !errors.Is(err, receive.ErrChanged) {
			if webhook != nil {
				webhook.WebhookSecret = ""
			}
			return webhook, err
		}
		if err := k.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// Rotate replaces the secret of the webhook in a store. Receivers that read the store
// accept the new secret at once and the old ones for 30 minutes; see [WithOverlap].
// Until the new secret is saved, and for 30 minutes after that, they answer 503 to an
// unknown signature, so that no notification is lost.
//
// Rotate writes a lease into the store as [Client.Subscribe] does, and waits for that
// of another call. If it fails or the process stops in between, call it again: it
// rotates once more and finishes; so does Subscribe, with an overlap of 30 minutes. If
// the error matches [ErrOutcomeUnknown], Nylas may sign with a secret that nobody
// knows until then, and receivers answer 503. Each call makes a new secret, so let one
// process rotate.
//
// It is an error if the store has no webhook yet. [ErrNotFound] means that the webhook
// was deleted at Nylas: call Subscribe.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/post-new-secret/
func (c *Client) Rotate(ctx context.Context, store receive.SecretStore, opts ...RequestOption) error {
	k := &keeper{client: c, store: store, overlap: defaultOverlap}
	for _, opt := range opts {
		if overlap, ok := opt.(overlapOption); ok {
			k.overlap = time.Duration(overlap)
		} else {
			k.opts = append(k.opts, opt)
		}
	}
	k.op = c.begin("rotate", k.opts)
	switch {
	case guard.IsNil(store):
		return refuse(k.op, "the store is nil")
	case k.overlap < 0:
		return refuse(k.op, "WithOverlap: the duration is negative")
	}
	for {
		state, err := k.load(ctx)
		if err != nil {
			return err
		}
		if state.WebhookID == "" {
			return refuse(k.op, "the store has no webhook yet: call Subscribe first")
		}
		if err := k.rotate(ctx, state, state); !errors.Is(err, receive.ErrChanged) {
			return err
		}
		if err := k.pause(ctx); err != nil {
			return err
		}
	}
}

// WithOverlap sets how long [Client.Rotate] leaves the old secrets valid. 0 ends them
// at once, after a leak: what is signed with them is then answered 503 for 30 minutes,
// and 401 after that. Other calls refuse this option.
func WithOverlap(overlap time.Duration) RequestOption { return overlapOption(overlap) }

// overlapOption is taken out by Rotate.
type overlapOption time.Duration

func (overlapOption) applyRequest(*requestConfig) error {
	return errors.New("WithOverlap: only Rotate takes it")
}

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

func (k *keeper) subscribe(ctx context.Context, req *SubscribeRequest) (*Webhook, error) {
	state, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	if state.URL != "" && !sameURL(state.URL, req.URL) {
		return nil, refuse(k.op, "the store holds the secret of a webhook for another URL: use another store")
	}
	webhook, others, err := k.find(ctx, state.WebhookID, req.URL)
	if err != nil {
		return nil, err
	}
	next := state
	if webhook == nil { // there is none yet, or it was deleted: all begins again
		next = receive.SecretState{URL: req.URL}
		if len(others) > 0 {
			if !req.Adopt && state.Busy != receive.BusyCreate {
				return nil, k.exists(ctx, state, others[0].ID)
			}
			webhook, others = others[0], others[1:]
			next.WebhookID = webhook.ID
		}
	}
	for _, other := range others {
		k.client.logger.LogAttrs(ctx, slog.LevelWarn, "nylas: another webhook for the URL gets the same notifications: delete it if nobody needs it",
			slog.String("webhook", next.WebhookID), slog.String("other", other.ID))
	}
	switch {
	case webhook == nil:
		return k.create(ctx, state, next, req)
	case state.Busy != "" || len(next.Secrets) == 0 || k.crossed:
		if err := k.rotate(ctx, state, next); err != nil {
			return nil, err
		}
	}
	if update, needed := req.update(webhook); needed {
		return k.client.Webhooks.Update(ctx, webhook.ID, update, k.opts...)
	}
	return webhook, nil
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

// find returns the webhook of an id, nil if there is none, and others for the URL.
func (k *keeper) find(ctx context.Context, id, target string) (webhook *Webhook, others []*Webhook, err error) {
	for listed, err := range k.client.Webhooks.List(ctx, k.opts...) {
		switch {
		case err != nil:
			return nil, nil, err
		case listed.ID == "":
		case listed.ID == id:
			webhook = listed
		case sameURL(listed.WebhookURL, target):
			others = append(others, listed)
		}
	}
	if webhook == nil && id != "" { // the list may lag behind
		webhook, err = k.client.Webhooks.Get(ctx, id, k.opts...)
		if errors.Is(err, ErrNotFound) {
			webhook, err = nil, nil
		}
	}
	return webhook, others, err
}

// exists is the error for a webhook that the store did not know before it was listed.
// Another call may have stored it since.
func (k *keeper) exists(ctx context.Context, state receive.SecretState, id string) error {
	now, err := k.store.Load(ctx)
	switch {
	case err != nil:
		return k.storeError("the store of secrets cannot be read", err, state, now)
	case !now.Equal(state):
		return receive.ErrChanged
	}
	return &Error{Op: k.op.name, refused: []error{ErrWebhookExists}, Message: fmt.Sprintf(
		"the webhook %q for the URL exists, and the store does not know its secret: set Adopt, or delete it", id)}
}

// update returns how the request differs from a webhook.
func (r *SubscribeRequest) update(webhook *Webhook) (update *UpdateWebhookRequest, needed bool) {
	update = &UpdateWebhookRequest{}
	if !sameSet(webhook.TriggerTypes, r.Types) {
		update.TriggerTypes, needed = r.Types, true
	}
	if !sameURL(webhook.WebhookURL, r.URL) {
		update.WebhookURL, needed = r.URL, true
	}
	if r.Description != "" && webhook.Description != r.Description {
		update.Description, needed = r.Description, true
	}
	if emails := r.NotificationEmailAddresses; len(emails) > 0 && !sameSet(webhook.NotificationEmailAddresses, emails) {
		update.NotificationEmailAddresses, needed = emails, true
	}
	if want := r.CompressedDelivery; want != nil && (webhook.CompressedDelivery == nil || *webhook.CompressedDelivery != *want) {
		update.CompressedDelivery, needed = want, true
	}
	if webhook.Status == WebhookFailed {
		update.Status, needed = WebhookActive, true
	}
	return update, needed
}

func (k *keeper) create(ctx context.Context, old, next receive.SecretState, req *SubscribeRequest) (*Webhook, error) {
	next.Busy = receive.BusyCreate
	return k.lease(ctx, old, next, func(ctx context.Context) (*Webhook, error) {
		return k.client.Webhooks.Create(ctx, &CreateWebhookRequest{
			TriggerTypes: req.Types, WebhookURL: req.URL, Description: req.Description,
			NotificationEmailAddresses: req.NotificationEmailAddresses,
			CompressedDelivery:         req.CompressedDelivery != nil && *req.CompressedDelivery,
		}, k.opts...)
	})
}

func (k *keeper) rotate(ctx context.Context, old, next receive.SecretState) error {
	next.Busy = receive.BusyRotate
	_, err := k.lease(ctx, old, next, func(ctx context.Context) (*Webhook, error) {
		return k.client.Webhooks.RotateSecret(ctx, next.WebhookID, k.opts...)
	})
	return err
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
