package nylastest

import (
	"slices"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The states of a destination that can be set.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/put-webhook/
const (
	statusActive = "active"
	statusPause  = "pause"
)

// destination is a webhook. Values are copied in and out of [destinations].
type destination struct {
	id              string
	description     string
	triggerTypes    []events.Type
	url             string
	secret          string
	status          string
	emails          []string
	compressed      bool
	statusUpdatedAt time.Time
	createdAt       time.Time
	updatedAt       time.Time
	health          health
	fault           string // what goes wrong with this delivery, by a DeliveryFault
}

// destinations holds the webhooks of the application, in the order of their
// creation.
type destinations struct {
	lag     time.Duration // of listed
	changes *changes

	mu    sync.Mutex
	list  []destination
	past  []version // what listed can still show, in the order of time
	mails []WebhookMail
}

// version is what the list became at a time.
type version struct {
	at   time.Time
	list []destination
}

// changed keeps the list, as it has been since a time, for as long as listed can show it.
func (d *destinations) changed(at time.Time) {
	d.changes.happened()
	if d.lag <= 0 {
		return
	}
	now := time.Now()
	shown := 0
	for i, v := range d.past {
		if now.Sub(v.at) >= d.lag {
			shown = i
		}
	}
	d.past = append(d.past[shown:], version{at, slices.Clone(d.list)})
}

// listed returns the webhooks as the list has them.
func (d *destinations) listed() []destination {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	if d.lag <= 0 {
		return slices.Clone(d.list)
	}
	for _, v := range slices.Backward(d.past) {
		if time.Since(v.at) >= d.lag {
			return slices.Clone(v.list)
		}
	}
	return nil
}

// all returns the webhooks as they are.
func (d *destinations) all() []destination {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	return slices.Clone(d.list)
}

// add reports whether the webhook was added: with unique, only if no other one has
// its URL.
func (d *destinations) add(hook destination, unique bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	if unique && slices.ContainsFunc(d.list, func(other destination) bool { return other.url == hook.url }) {
		return false
	}
	d.list = append(d.list, hook)
	d.changed(time.Now())
	return true
}

func (d *destinations) get(id string) (destination, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	if i := d.index(id); i >= 0 {
		return d.list[i], true
	}
	return destination{}, false
}

// update changes a destination and returns what it became.
func (d *destinations) update(id string, change func(*destination)) (destination, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	i := d.index(id)
	if i < 0 {
		return destination{}, false
	}
	change(&d.list[i])
	d.changed(time.Now())
	return d.list[i], true
}

func (d *destinations) remove(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	i := d.index(id)
	if i < 0 {
		return false
	}
	d.list = slices.Delete(d.list, i, i+1)
	d.changed(time.Now())
	return true
}

func (d *destinations) index(id string) int {
	return slices.IndexFunc(d.list, func(hook destination) bool { return hook.id == id })
}

// active returns the destinations that a notification goes to now: those that are active or
// failing.
func (d *destinations) active(trigger events.Type) []destination {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	var active []destination
	for _, hook := range d.list {
		if hook.receives() && slices.Contains(hook.triggerTypes, trigger) {
			active = append(active, hook)
		}
	}
	return active
}

// subscribable lists the trigger types that a destination can have.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/post-webhook-destinations/
func subscribable(trigger events.Type) bool {
	switch trigger {
	case events.TypeMessageOpened, events.TypeMessageLinkClicked, events.TypeThreadReplied,
		events.TypeLegacyMessageOpened, events.TypeLegacyMessageLinkClicked, events.TypeLegacyThreadReplied,
		events.TypeMessageSendSuccess, events.TypeMessageSendFailed, events.TypeMessageBounceDetected,
		events.TypeMessageTransactionalBounced, events.TypeMessageTransactionalComplaint,
		events.TypeMessageTransactionalDelivered, events.TypeMessageTransactionalRejected,
		events.TypeMessageBounced, events.TypeMessageComplaint, events.TypeMessageDelivered, events.TypeMessageRejected,
		events.TypeAlertTriggered,
		events.TypeBookingCancelled, events.TypeBookingCreated, events.TypeBookingPending,
		events.TypeBookingReminder, events.TypeBookingRescheduled,
		events.TypeCalendarCreated, events.TypeCalendarDeleted, events.TypeCalendarUpdated,
		events.TypeContactDeleted, events.TypeContactUpdated,
		events.TypeEventCreated, events.TypeEventDeleted, events.TypeEventUpdated,
		events.TypeFolderCreated, events.TypeFolderDeleted, events.TypeFolderUpdated,
		events.TypeGrantCreated, events.TypeGrantDeleted, events.TypeGrantExpired,
		events.TypeGrantIMAPSyncCompleted, events.TypeGrantUpdated,
		events.TypeMessageCreated, events.TypeMessageCreatedCleaned, events.TypeMessageDeleted, events.TypeMessageUpdated,
		events.TypeMessageIntelligenceOrder, events.TypeMessageIntelligenceReturn,
		events.TypeMessageIntelligenceTravel, events.TypeMessageIntelligenceTracking,
		events.TypeNotetakerCreated, events.TypeNotetakerDeleted, events.TypeNotetakerMedia,
		events.TypeNotetakerMeetingState, events.TypeNotetakerUpdated:
		return true
	default:
		return false
	}
}
