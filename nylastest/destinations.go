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
}

// destinations holds the webhooks of the application, in the order of their
// creation.
type destinations struct {
	mu   sync.Mutex
	list []destination
}

func (d *destinations) add(hook destination) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, hook)
}

func (d *destinations) all() []destination {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list)
}

func (d *destinations) get(id string) (destination, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.index(id); i >= 0 {
		return d.list[i], true
	}
	return destination{}, false
}

// update changes a destination and returns what it became.
func (d *destinations) update(id string, change func(*destination)) (destination, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(id)
	if i < 0 {
		return destination{}, false
	}
	change(&d.list[i])
	return d.list[i], true
}

func (d *destinations) remove(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(id)
	if i < 0 {
		return false
	}
	d.list = slices.Delete(d.list, i, i+1)
	return true
}

func (d *destinations) index(id string) int {
	return slices.IndexFunc(d.list, func(hook destination) bool { return hook.id == id })
}

// active returns the destinations that a notification goes to now.
func (d *destinations) active(trigger events.Type) []destination {
	d.mu.Lock()
	defer d.mu.Unlock()
	var active []destination
	for _, hook := range d.list {
		if hook.status == statusActive && slices.Contains(hook.triggerTypes, trigger) {
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
