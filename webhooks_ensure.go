package nylas

import (
	"cmp"
	"context"
	"errors"
	"slices"
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
	// Resume sets a destination active that somebody has paused.
	Resume bool
}

const opEnsure = "ensure webhook"

// ErrWebhookPaused is what [WebhookService.Ensure] fails with if the oldest
// destination for the URL is paused and a younger one is not: it would have to
// remove the only one that delivers. Delete the wrong one of them, or set
// EnsureWebhookRequest.Resume.
var ErrWebhookPaused = errors.New("nylas: the oldest destination for the URL is paused and a younger one is not: " +
	"delete one of them, or resume the oldest")

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
// If the destination is there and up to date, the call takes two requests; in a
// test that always begins without one, Create is quicker. A call that makes it
// waits 12 to 25 seconds before it returns, to see whether another process did the
// same: calls see each other only in the list of destinations, and Nylas does not
// say how soon a new one is in it. What is promised here holds if each is listed
// within [EnsureLag] after it was made, or, as a list that lags behind as a whole
// has it, together with all that were made before it, however late up to a minute.
// If a list is worse than that, some calls may return destinations that a later
// call removes.
//
// When there are several, all but the oldest are removed: by the calls that made
// them or, a minute after their creation, by any call. So other destinations for
// the URL do not survive, whatever their triggers. A call that waits for that ends
// with its context, and needs at most three minutes if Nylas answers; after 429, which
// many calls at once provoke, it goes on more slowly.
//
// What is there is changed only where the request differs. A destination that has
// failed is set active again, for which Nylas asks for the challenge. One that
// somebody has paused stays so unless Resume is set: then nothing is delivered, and
// Status, which is worth a look, says so. [ErrWebhookPaused] is the error if an
// older destination is paused and a younger one is not: removing either could be
// wrong. Calls that differ in their triggers overwrite each other.
//
// Other errors are those of List, Get, Create, Update and Delete. When one matches
// [ErrOutcomeUnknown], this call made a destination, or may have: it stays, and its
// secret is lost. Options hold for each request of the call; with [WithResponse]
// the response is that of the last one.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
func (s *WebhookService) Ensure(ctx context.Context, req *EnsureWebhookRequest, opts ...RequestOption) (*Webhook, error) {
	op := s.client.begin(opEnsure, opts)
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
		made:    make(map[string]*creation),
		seen:    make(map[string]time.Time),
		read:    make(map[string]*reading),
		updated: make(map[string]*Webhook),
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

// EnsureLag is how late a list may show a new destination without harm to what
// [WebhookService.Ensure] promises, whatever else the list has by then. Nylas
// publishes nothing about how soon its lists follow; this is meant to be more than
// enough, and is waited for only by calls that make a destination.
const EnsureLag = 10 * time.Second

// The times of Ensure.
const (
	// ensureQuiet is what is waited beyond the lag of the list. created_at counts
	// whole seconds, so in the second of its creation another destination can be made
	// that orders before it. The rest is for clocks.
	ensureQuiet = 2 * time.Second
	// maxEnsureTook bounds what is added to that for creations that are still on
	// their way: Nylas waits at most 10 s for the answer to a challenge.
	// https://developer.nylas.com/docs/v3/notifications/
	maxEnsureTook = 10 * time.Second
	// maxEnsureLag is how long a call waits until what it made is listed.
	maxEnsureLag = time.Minute
	// ensureSurplus is the age from which any call may remove a destination that is
	// not the oldest. Before that its maker does.
	ensureSurplus = time.Minute
	// ensurePause is the first wait between two lists, from which each further one
	// grows by half, give or take a half at random. 50 calls that wait stay below the
	// 50 requests a second that Nylas takes for an application.
	ensurePause    = time.Second
	maxEnsurePause = 8 * time.Second
	// maxEnsureLost is how many creations without an answer, or of something that was
	// not there afterwards, a call makes up for.
	maxEnsureLost = 3
	// maxEnsureLimited is how often in a row a call goes on after Nylas has answered
	// 429 to all attempts of a request: over 100 calls at once come to their end.
	maxEnsureLimited = 20
)

// ensuring is one call of Ensure. Nylas has neither a unique key nor a
// conditional request for destinations, so calls agree through what all of them
// can read: the order of destinations by (created_at, id), both of which never
// change and are read through Get. A call repeats these steps:
//
//  1. List the destinations for the URL. What the call made belongs to them, listed
//     or not.
//  2. None: create one, and wait as long as others can be on their way.
//  3. Several: if the call made one and there is an older one, remove its own. Of
//     the others remove those older than a minute, except the oldest.
//  4. Exactly one, and no older one can turn up any more: done. In all other cases
//     wait at random and start again.
//
// Why at least one is left: only what was seen beside an older one, which Get found
// after the list began, is removed. The oldest of all that ever existed is never
// removed by that rule, not even when lists are stale or clocks are wrong. Should
// somebody delete it by hand, step 2 makes another.
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
// Why the secret is right: a call returns its own only after a list that has it and
// nothing older. Be the lag of the list at most EnsureLag: then that list, taken
// EnsureLag and the quiet time after the creation, has all that are older. Be the
// lag longer, and the list a view of the past: then the first list that has it has
// what was made before it, and one taken the quiet time later all that can order
// before it. What is created later has a later created_at, so nobody ever has a
// reason to remove the one returned. For a creation that began earlier and ends
// later the time is added that the call's own took, because Nylas challenges the
// same endpoint for both.
type ensuring struct {
	service  *WebhookService
	req      *EnsureWebhookRequest
	opts     []RequestOption
	response *Response // to the last request

	made    map[string]*creation // by this call, and not removed
	seen    map[string]time.Time // when a list first had a destination
	read    map[string]*reading  // what Get said last
	updated map[string]*Webhook  // what this call has brought up to date
	raced   bool                 // the call has made a destination
	clock   time.Duration        // how far that of Nylas is ahead of this machine's
	asked   time.Time            // when the last list began
	quietAt time.Time            // from when a list shows what the calls's creations concern
	lost    int                  // creations without an answer
	gone    int                  // creations of what was not there afterwards
	refused time.Time            // when Nylas first refused a creation
	limited int                  // steps in a row that ended with 429
	pause   backoff.ExponentialBackOff
}

// creation is a destination that the call made.
type creation struct {
	*Webhook           // with the secret
	end      time.Time // when the answer came
	took     time.Duration
	late     bool // a list that should have had it did not
}

type reading struct {
	*Webhook
	at time.Time
}

func (e *ensuring) run(ctx context.Context) (*Webhook, error) {
	for {
		webhook, wait, err := e.step(ctx)
		switch {
		case webhook != nil:
			return webhook, nil
		case err == nil:
			e.limited = 0
		case !errors.Is(err, ErrRateLimited) || ctx.Err() != nil || e.limited >= maxEnsureLimited:
			return nil, err
		default: // many calls at once are what it is for
			e.limited++
		}
		if err := sleep(ctx, wait+e.pause.NextBackOff()); err != nil {
			return nil, &Error{Op: opEnsure, cause: err}
		}
	}
}

// step lists the destinations and does what is to be done with them. It returns
// the one that is left, or how long to wait for the next step at least.
func (e *ensuring) step(ctx context.Context) (*Webhook, time.Duration, error) {
	found, err := e.list(ctx)
	switch {
	case err != nil:
		return nil, 0, err
	case len(found) == 0 && len(e.made) > 0:
		return nil, 0, nil
	case len(found) == 0:
		wait, err := e.create(ctx)
		return nil, wait, err
	case len(found) > 1:
		if err := e.removeOwn(ctx, found); err != nil {
			return nil, 0, err
		}
		return nil, 0, e.removeSurplus(ctx, found)
	}
	exists, err := e.get(ctx, found[0].ID)
	if err != nil || !exists {
		return nil, 0, err
	}
	if wait := e.quiet(found[0].ID); wait > 0 {
		return nil, wait, nil
	}
	webhook, err := e.finish(ctx, found[0])
	return webhook, 0, err
}

// mayHaveMade reports whether the call leaves something behind if it fails.
func (e *ensuring) mayHaveMade() bool { return e.lost > 0 || len(e.made) > 0 }
