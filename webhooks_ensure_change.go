package nylas

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// create makes a destination and returns how long to wait before the next list.
// The error is nil if that list can tell what to do.
func (e *ensuring) create(ctx context.Context) (quiet time.Duration, err error) {
	if e.gone > maxEnsureLost {
		return 0, &Error{Op: opEnsure, Message: "what it made was never there afterwards"}
	}
	start := time.Now()
	webhook, err := e.service.Create(ctx, &CreateWebhookRequest{
		TriggerTypes: e.req.TriggerTypes, WebhookURL: e.req.WebhookURL, Description: e.req.Description,
		NotificationEmailAddresses: e.req.NotificationEmailAddresses,
		CompressedDelivery:         e.req.CompressedDelivery != nil && *e.req.CompressedDelivery,
	}, e.opts...)
	end := time.Now()
	took := min(end.Sub(start), maxEnsureTook)
	quiet = EnsureLag + ensureQuiet + took
	switch {
	case err == nil:
		e.raced = true
		e.made[webhook.ID] = &creation{Webhook: webhook, end: end, took: took}
	case ctx.Err() != nil:
		return 0, err
	case errors.Is(err, ErrOutcomeUnknown):
		// It may still become visible. If it does not, it is made again.
		e.raced = true
		if e.lost++; e.lost > maxEnsureLost {
			return 0, err
		}
	case errors.Is(err, ErrRateLimited):
		return 0, err
	default:
		// Another process may have been faster: Nylas wants a URL of its own for each
		// destination. The list may show that later.
		found, listErr := e.list(ctx)
		if listErr == nil && len(found) > 0 {
			return 0, nil
		}
		if e.refused.IsZero() {
			e.refused = end
		}
		if listErr != nil || !mayBeTaken(err) || end.Sub(e.refused) > EnsureLag+ensureQuiet {
			return 0, err
		}
		return 0, nil
	}
	e.quietAt = end.Add(quiet)
	return quiet, nil
}

// mayBeTaken reports whether a creation can have been refused because there is a
// destination for the URL, which no page of Nylas shows. What it shows is about the
// endpoint or the request.
func mayBeTaken(err error) bool {
	failed, ok := errors.AsType[*Error](err)
	return ok && (failed.StatusCode == http.StatusBadRequest || failed.StatusCode == http.StatusConflict) &&
		!strings.Contains(failed.Message, "unable.verify") && !strings.Contains(failed.Message, "invalid.input") &&
		!errors.Is(err, ErrUnauthorized)
}

// removeOwn removes what this call made and is not the oldest. It reads no more
// than it has to: many calls do this at once.
func (e *ensuring) removeOwn(ctx context.Context, found []*Webhook) error {
	for _, own := range found {
		if e.made[own.ID] == nil {
			continue
		}
		for _, other := range found {
			if other == own {
				continue
			}
			if e.read[own.ID] == nil { // otherwise its place in the order is known
				if exists, err := e.get(ctx, own.ID); err != nil || !exists {
					return err
				}
			}
			if exists, err := e.get(ctx, other.ID); err != nil || !exists {
				return err
			}
			if e.olderFirst(other, own) > 0 {
				continue
			}
			// What will be left must be as wanted before another one goes.
			if webhook, err := e.finish(ctx, other); err != nil || webhook == nil {
				return err
			}
			if err := e.remove(ctx, own); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// removeSurplus removes what anybody may remove. A call that takes part in a race
// leaves what it has not seen for long to those who made it.
func (e *ensuring) removeSurplus(ctx context.Context, found []*Webhook) error {
	if e.raced && !slices.ContainsFunc(found, func(w *Webhook) bool { return e.made[w.ID] == nil && e.age(w.ID) > ensureSurplus }) {
		return nil
	}
	var existing []*Webhook
	for _, webhook := range found {
		exists, err := e.get(ctx, webhook.ID)
		if err != nil {
			return err
		}
		if exists {
			existing = append(existing, webhook)
		}
	}
	slices.SortFunc(existing, e.olderFirst)
	if len(existing) < 2 {
		return nil
	}
	oldest, others := existing[0], existing[1:]
	surplus := slices.DeleteFunc(others, func(w *Webhook) bool { return e.made[w.ID] != nil || e.age(w.ID) <= ensureSurplus })
	if len(surplus) == 0 {
		return nil
	}
	if e.status(oldest).isPaused() && !e.req.Resume &&
		slices.ContainsFunc(surplus, func(w *Webhook) bool { return !e.status(w).isPaused() }) {
		return &Error{Op: opEnsure, Message: "no older destination was removed", cause: ErrWebhookPaused}
	}
	if webhook, err := e.finish(ctx, oldest); err != nil || webhook == nil {
		return err
	}
	for _, webhook := range surplus {
		if err := e.remove(ctx, webhook); err != nil {
			return err
		}
	}
	return nil
}

func (e *ensuring) remove(ctx context.Context, webhook *Webhook) error {
	if err := e.service.Delete(ctx, webhook.ID, e.opts...); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	delete(e.made, webhook.ID)
	delete(e.read, webhook.ID)
	return nil
}

// status prefers what Get says of a destination to what the list says.
func (e *ensuring) status(webhook *Webhook) WebhookStatus {
	return cmp.Or(e.read[webhook.ID].Status, webhook.Status)
}

// finish brings a destination that was read up to date and returns it, or nil if
// it is gone.
func (e *ensuring) finish(ctx context.Context, listed *Webhook) (*Webhook, error) {
	read := e.read[listed.ID]
	webhook := *listed
	webhook.Status = e.status(listed)
	webhook.CreatedAt, webhook.UpdatedAt, webhook.StatusUpdatedAt = read.CreatedAt, read.UpdatedAt, read.StatusUpdatedAt
	if updated := e.updated[listed.ID]; updated != nil {
		webhook = *updated // the list can be older than that
	} else if update, needed := e.update(&webhook); needed {
		updated, err := e.service.Update(ctx, listed.ID, update, e.opts...)
		switch {
		case errors.Is(err, ErrNotFound):
			delete(e.made, listed.ID)
			delete(e.read, listed.ID)
			return nil, nil
		case err != nil:
			return nil, err
		}
		updated.ID = listed.ID
		e.updated[listed.ID] = updated
		webhook = *updated
	}
	if own := e.made[listed.ID]; own != nil {
		webhook.WebhookSecret = own.WebhookSecret
	}
	return &webhook, nil
}

// update returns how the request differs from the destination.
func (e *ensuring) update(webhook *Webhook) (update *UpdateWebhookRequest, needed bool) {
	update = &UpdateWebhookRequest{}
	if !sameSet(webhook.TriggerTypes, e.req.TriggerTypes) {
		update.TriggerTypes, needed = e.req.TriggerTypes, true
	}
	if e.req.Description != "" && webhook.Description != e.req.Description {
		update.Description, needed = e.req.Description, true
	}
	if emails := e.req.NotificationEmailAddresses; len(emails) > 0 && !sameSet(webhook.NotificationEmailAddresses, emails) {
		update.NotificationEmailAddresses, needed = emails, true
	}
	if want := e.req.CompressedDelivery; want != nil && (webhook.CompressedDelivery == nil || *webhook.CompressedDelivery != *want) {
		update.CompressedDelivery, needed = want, true
	}
	if webhook.Status == WebhookFailed || e.req.Resume && webhook.Status.isPaused() {
		update.Status, needed = WebhookActive, true
	}
	return update, needed
}

func sameSet[S ~string](a, b []S) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
