package nylas

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/nylastrack/nylas-go/events"
)

// EnsureWebhookRequest is a destination as it shall be.
type EnsureWebhookRequest struct {
	// WebhookURL is the public https URL that tells destinations apart.
	WebhookURL string
	// TriggerTypes are all the triggers of the destination; see
	// events.TrackingTypes. Their order does not matter.
	TriggerTypes []events.Type
	// Description, if not empty, is that of the destination.
	Description string
	// NotificationEmailAddresses, if not empty, are those who get a mail when the
	// destination starts failing. Their order does not matter.
	NotificationEmailAddresses []string
	// CompressedDelivery, if not nil, says whether notifications come compressed by
	// gzip.
	CompressedDelivery *bool
}

// Ensure brings a destination for a URL and a set of triggers into being or up to
// date, and returns it. However often and from however many processes at once it
// is called for the URL, one destination for it is left at the end; call it when a
// service starts, once its [Receiver] answers challenges. Two URLs are the same if
// they differ only in the case of scheme and host, a default port or an empty path.
//
// WebhookSecret is set only if this call made the destination: give it to
// [Receiver.SetSecrets] and keep it. It is empty for one that was there before, for
// one that another process made at the same time, and for one that this call made
// without getting the answer. When nobody has the secret, [WebhookService.RotateSecret]
// makes another.
//
// If the destination is there and up to date, the call takes two requests. After
// making one it waits a few seconds before it returns, to see whether another
// process did the same. When there are several, all but the oldest are removed:
// by the calls that made them or, a minute after their creation, by any call. So
// other destinations for the URL do not survive, whatever their triggers. A call
// that waits for that ends with its context, and needs at most a little over a
// minute.
//
// What is there is changed only where the request differs. A destination that has
// failed is set active again, for which Nylas asks for the challenge; one that is
// paused stays so. Calls that differ in their triggers overwrite each other.
//
// Errors are those of List, Get, Create, Update and Delete. When one matches
// [ErrOutcomeUnknown], this call made a destination, or may have: it stays, and its
// secret is lost. Options hold for each request of the call; with [WithResponse]
// the response is that of the last one.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
func (s *WebhookService) Ensure(ctx context.Context, req *EnsureWebhookRequest, opts ...RequestOption) (*Webhook, error) {
	begin(opts)
	const op = "ensure webhook"
	switch {
	case req == nil:
		return nil, refuse(op, "the request is nil")
	case len(req.TriggerTypes) == 0:
		return nil, refuse(op, "TriggerTypes is empty: events.TrackingTypes has those of tracking")
	case req.WebhookURL == "":
		return nil, refuse(op, "WebhookURL is empty")
	}
	var config requestConfig
	for _, opt := range opts {
		if err := opt.applyRequest(&config); err != nil {
			return nil, refuse(op, err.Error())
		}
	}
	response := cmp.Or(config.response, &Response{})
	e := &ensuring{
		service: s, req: req, opts: append(slices.Clone(opts), WithResponse(response)), response: response,
		made:  make(map[string]*Webhook),
		read:  make(map[string]*Webhook),
		since: make(map[string]time.Time),
		pause: backoff.ExponentialBackOff{
			InitialInterval: ensurePause, RandomizationFactor: 0.5, Multiplier: 1.5, MaxInterval: maxEnsurePause,
		},
	}
	e.pause.Reset()
	webhook, err := e.run(ctx)
	if failed, ok := errors.AsType[*Error](err); ok && e.mayHaveMade() {
		failed.OutcomeUnknown = true
	}
	return webhook, err
}

// The times of Ensure.
const (
	// ensureQuiet is how long a destination must have existed before a call returns
	// it as the only one. created_at counts whole seconds, so in the second of its
	// creation another one can still be made that orders before it. The rest is for
	// lists that lag behind.
	ensureQuiet = 2 * time.Second
	// maxEnsureQuiet bounds what is added to that: Nylas waits at most 10 s for the
	// answer to a challenge.
	// https://developer.nylas.com/docs/v3/notifications/
	maxEnsureQuiet = 10 * time.Second
	// ensureSurplus is the age from which any call may remove a destination that is
	// not the oldest. Before that its maker does.
	ensureSurplus = time.Minute
	// ensurePause is the first wait between two lists, from which each further one
	// grows by half, give or take a half at random. 50 calls that wait stay below the
	// 50 requests a second that Nylas takes for an application.
	ensurePause    = time.Second
	maxEnsurePause = 8 * time.Second
	// maxEnsureLost is how many creations without an answer a call makes.
	maxEnsureLost = 3
)

// ensuring is one call of Ensure. Nylas has neither a unique key nor a
// conditional request for destinations, so calls agree through what all of them
// can read: the order of destinations by (created_at, id), both of which never
// change. A call repeats these steps:
//
//  1. List the destinations for the URL, and read those that are new to it
//     through Get.
//  2. None: create one.
//  3. Several: if the call made one and there is an older one, remove its own. Of
//     the others remove those older than a minute, except the oldest.
//  4. Exactly one, and it has existed for the quiet time: done. In all other cases
//     wait at random and start again.
//
// Why at least one is left: only what was seen beside an older one is removed. The
// oldest of all that ever existed is never removed by that rule, not even when
// lists are stale or clocks are wrong. Should somebody delete it by hand, step 2
// makes another.
//
// Why at most one is left: a call creates only after a list without any, so once
// one is visible only creations that are already on their way can follow, one
// for each call. From then on the set only shrinks, and no call returns while it
// sees two. What is not the oldest is removed by its maker when it next looks. If
// the maker crashed, or does not know the id because the answer was lost, whoever
// is there removes it after a minute. The minute is counted by the Date header of
// Nylas, or at the latest by the time for which the call has seen it, so waiting
// ends whatever the clocks say. What a call that then crashes creates after all
// others have returned is left to the next call.
//
// Why the secret is right: a call returns its own only after a list that had
// nothing else, taken the quiet time after the creation. What is created later
// has a later created_at, so it is younger, and nobody ever has a reason to
// remove the one returned. A creation that began earlier and becomes visible later
// is covered by adding the time that the call's own creation took, because Nylas
// challenges the same endpoint for both.
type ensuring struct {
	service  *WebhookService
	req      *EnsureWebhookRequest
	opts     []RequestOption
	response *Response // to the last request

	made  map[string]*Webhook  // by this call, and not removed; with the secret
	read  map[string]*Webhook  // what Get said when a destination was first seen
	since map[string]time.Time // when this call first saw it
	clock time.Duration        // how far that of Nylas is ahead of this machine's
	asked time.Time            // when the last list began
	lost  int                  // creations without an answer
	pause backoff.ExponentialBackOff
}

func (e *ensuring) run(ctx context.Context) (*Webhook, error) {
	for {
		found, err := e.list(ctx)
		if err != nil {
			return nil, err
		}
		wait := e.pause.NextBackOff()
		switch len(found) {
		case 0:
			quiet, err := e.create(ctx)
			if err != nil {
				return nil, err
			}
			wait += quiet
		case 1:
			quiet := e.quiet(found[0])
			if quiet <= 0 {
				webhook, err := e.finish(ctx, found[0])
				if webhook != nil || err != nil {
					return webhook, err
				}
			}
			wait = max(wait, quiet)
		default:
			// What will be left must be as wanted before another one goes.
			webhook, err := e.finish(ctx, found[0])
			if err != nil {
				return nil, err
			}
			if webhook == nil {
				break
			}
			if err := e.reduce(ctx, found); err != nil {
				return nil, err
			}
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, &Error{Op: "ensure webhook", cause: err}
		}
	}
}

// mayHaveMade reports whether the call leaves something behind if it fails.
func (e *ensuring) mayHaveMade() bool { return e.lost > 0 || len(e.made) > 0 }

// list returns the destinations for the URL, oldest first. What this call made
// counts even if the list does not have it yet, or has another spelling of the
// URL.
func (e *ensuring) list(ctx context.Context) ([]*Webhook, error) {
	e.asked = time.Now()
	var found []*Webhook
	missing := make(map[string]bool, len(e.made))
	for id := range e.made {
		missing[id] = true
	}
	for webhook, err := range e.service.List(ctx, e.opts...) {
		if err != nil {
			return nil, err
		}
		if webhook.ID == "" || e.made[webhook.ID] == nil && !sameURL(webhook.WebhookURL, e.req.WebhookURL) {
			continue
		}
		delete(missing, webhook.ID)
		exists, err := e.get(ctx, webhook.ID, false)
		if err != nil {
			return nil, err
		}
		if exists {
			webhook.CreatedAt = e.read[webhook.ID].CreatedAt
			webhook.UpdatedAt = e.read[webhook.ID].UpdatedAt
			webhook.StatusUpdatedAt = e.read[webhook.ID].StatusUpdatedAt
			found = append(found, webhook)
		}
	}
	for id := range missing {
		exists, err := e.get(ctx, id, true)
		if err != nil {
			return nil, err
		}
		if exists {
			webhook := *e.read[id]
			webhook.CompressedDelivery = e.made[id].CompressedDelivery
			found = append(found, &webhook)
		} else {
			delete(e.made, id)
		}
	}
	slices.SortFunc(found, func(a, b *Webhook) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt.Time), cmp.Compare(a.ID, b.ID))
	})
	return found, nil
}

// get reads a destination, unless that was done before, and reports whether it
// exists.
func (e *ensuring) get(ctx context.Context, id string, again bool) (bool, error) {
	if e.read[id] != nil && !again {
		return true, nil
	}
	webhook, err := e.service.Get(ctx, id, e.opts...)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	now := time.Now()
	if date, err := http.ParseTime(e.response.Header.Get("Date")); err == nil {
		e.clock = date.Sub(now)
	}
	if e.read[id] == nil {
		e.since[id] = now
	}
	e.read[id] = webhook
	return true, nil
}

// create makes a destination and returns how long to wait before the next list.
// The error is nil if that list can tell what to do.
func (e *ensuring) create(ctx context.Context) (quiet time.Duration, err error) {
	start := time.Now()
	webhook, err := e.service.Create(ctx, &CreateWebhookRequest{
		TriggerTypes: e.req.TriggerTypes, WebhookURL: e.req.WebhookURL, Description: e.req.Description,
		NotificationEmailAddresses: e.req.NotificationEmailAddresses,
		CompressedDelivery:         e.req.CompressedDelivery != nil && *e.req.CompressedDelivery,
	}, e.opts...)
	quiet = ensureQuiet + min(time.Since(start), maxEnsureQuiet)
	switch {
	case err == nil:
		e.made[webhook.ID] = webhook
		return quiet, nil
	case ctx.Err() != nil:
		return 0, err
	case errors.Is(err, ErrOutcomeUnknown):
		// It may still become visible. If it does not, it is made again.
		if e.lost++; e.lost > maxEnsureLost {
			return 0, err
		}
		return quiet, nil
	}
	// Another process may have been faster: Nylas wants a URL of its own for each
	// destination.
	if found, listErr := e.list(ctx); listErr != nil || len(found) == 0 {
		return 0, err
	}
	return 0, nil
}

// quiet returns how long it still takes until nothing older than the only
// destination can turn up. One of its own was waited for after its creation.
func (e *ensuring) quiet(webhook *Webhook) time.Duration {
	if e.made[webhook.ID] != nil {
		return 0
	}
	return ensureQuiet - e.age(webhook)
}

// age returns how long a destination had existed at least when the last list
// began.
func (e *ensuring) age(webhook *Webhook) time.Duration {
	age := e.asked.Sub(e.since[webhook.ID])
	if !webhook.CreatedAt.IsZero() {
		// created_at is cut to seconds: the difference can be one too long.
		age = max(age, e.asked.Add(e.clock).Sub(webhook.CreatedAt.Time)-time.Second)
	}
	return age
}

// reduce removes what this call may remove of several destinations, of which the
// first is the oldest.
func (e *ensuring) reduce(ctx context.Context, found []*Webhook) error {
	for _, webhook := range found[1:] {
		if e.made[webhook.ID] == nil && e.age(webhook) <= ensureSurplus {
			continue
		}
		if err := e.service.Delete(ctx, webhook.ID, e.opts...); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		delete(e.made, webhook.ID)
	}
	return nil
}

// finish brings the only destination up to date and returns it, or nil if it is
// gone.
func (e *ensuring) finish(ctx context.Context, webhook *Webhook) (*Webhook, error) {
	if update, needed := e.update(webhook); needed {
		updated, err := e.service.Update(ctx, webhook.ID, update, e.opts...)
		switch {
		case errors.Is(err, ErrNotFound):
			delete(e.made, webhook.ID)
			delete(e.read, webhook.ID)
			return nil, nil
		case err != nil:
			return nil, err
		}
		updated.ID = webhook.ID
		webhook = updated
	}
	if made := e.made[webhook.ID]; made != nil {
		webhook.WebhookSecret = made.WebhookSecret
	}
	return webhook, nil
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
	if webhook.Status == WebhookFailed {
		update.Status, needed = WebhookActive, true
	}
	return update, needed
}

func sameSet[S ~string](a, b []S) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// sameURL reports whether two URLs are the same after the normalisation that
// every server may do: RFC 3986, sections 6.2.2.1 and 6.2.3.
func sameURL(a, b string) bool { return a == b || normalURL(a) == normalURL(b) }

func normalURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Host = strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		u.Host = strings.TrimSuffix(u.Host, ":443")
	case "http":
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
