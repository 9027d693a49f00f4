package nylas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/guard"
	"github.com/nylastrack/nylas-go/internal/telemetry"
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
	// share it, and their receivers read it. Each webhook needs a store of its own; the
	// inbox has one for each name, Inbox.SecretsFor.
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
			slog.String(telemetry.LogWebhook, next.WebhookID), slog.String(telemetry.LogOtherWebhook, other.ID))
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
