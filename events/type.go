package events

import "strings"

// Type is the name of a trigger, as a webhook subscribes to it and as a
// notification carries it. It is an open string: Nylas adds triggers, and a
// type that this package does not know is still a valid Type.
type Type string

// The tracking triggers.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
const (
	TypeMessageOpened      Type = "message.opened"
	TypeMessageLinkClicked Type = "message.link_clicked"
	TypeThreadReplied      Type = "thread.replied"
)

// The tracking triggers in the form of API v2, delivered to migrated
// applications for mail that was sent through v2.
const (
	TypeLegacyMessageOpened      Type = "message.opened.legacy"
	TypeLegacyMessageLinkClicked Type = "message.link_clicked.legacy"
	TypeLegacyThreadReplied      Type = "thread.replied.legacy"
)

// What became of a sent message.
const (
	TypeMessageSendSuccess    Type = "message.send_success"
	TypeMessageSendFailed     Type = "message.send_failed"
	TypeMessageBounceDetected Type = "message.bounce_detected"

	TypeMessageTransactionalBounced   Type = "message.transactional.bounced"
	TypeMessageTransactionalComplaint Type = "message.transactional.complaint"
	TypeMessageTransactionalDelivered Type = "message.transactional.delivered"
	TypeMessageTransactionalRejected  Type = "message.transactional.rejected"

	TypeMessageBounced   Type = "message.bounced"
	TypeMessageComplaint Type = "message.complaint"
	TypeMessageDelivered Type = "message.delivered"
	TypeMessageRejected  Type = "message.rejected"
)

// Triggers whose data decodes to [*Unknown] today.
const (
	TypeAlertTriggered              Type = "alert.triggered"
	TypeBookingCancelled            Type = "booking.cancelled"
	TypeBookingCreated              Type = "booking.created"
	TypeBookingPending              Type = "booking.pending"
	TypeBookingReminder             Type = "booking.reminder"
	TypeBookingRescheduled          Type = "booking.rescheduled"
	TypeCalendarCreated             Type = "calendar.created"
	TypeCalendarDeleted             Type = "calendar.deleted"
	TypeCalendarUpdated             Type = "calendar.updated"
	TypeContactDeleted              Type = "contact.deleted"
	TypeContactUpdated              Type = "contact.updated"
	TypeEventCreated                Type = "event.created"
	TypeEventDeleted                Type = "event.deleted"
	TypeEventUpdated                Type = "event.updated"
	TypeFolderCreated               Type = "folder.created"
	TypeFolderDeleted               Type = "folder.deleted"
	TypeFolderUpdated               Type = "folder.updated"
	TypeGrantCreated                Type = "grant.created"
	TypeGrantDeleted                Type = "grant.deleted"
	TypeGrantExpired                Type = "grant.expired"
	TypeGrantIMAPSyncCompleted      Type = "grant.imap_sync_completed"
	TypeGrantUpdated                Type = "grant.updated"
	TypeMessageCreated              Type = "message.created"
	TypeMessageCreatedCleaned       Type = "message.created.cleaned"
	TypeMessageDeleted              Type = "message.deleted"
	TypeMessageIntelligenceOrder    Type = "message.intelligence.order"
	TypeMessageIntelligenceReturn   Type = "message.intelligence.return"
	TypeMessageIntelligenceTravel   Type = "message.intelligence.travel"
	TypeMessageIntelligenceTracking Type = "message.intelligence.tracking"
	TypeMessageUpdated              Type = "message.updated"
	TypeNotetakerCreated            Type = "notetaker.created"
	TypeNotetakerDeleted            Type = "notetaker.deleted"
	TypeNotetakerMedia              Type = "notetaker.media"
	TypeNotetakerMeetingState       Type = "notetaker.meeting_state"
	TypeNotetakerUpdated            Type = "notetaker.updated"
)

// TrackingTypes returns the triggers to subscribe to for tracking: opens,
// clicks and replies. The legacy forms are left out; they only concern mail
// that was sent through API v2.
func TrackingTypes() []Type {
	return []Type{TypeMessageOpened, TypeMessageLinkClicked, TypeThreadReplied}
}

// The suffixes that Nylas appends to the trigger a webhook subscribed to.
// ".legacy" and ".metadata" are not among them, they are part of a trigger's
// name.
//
// https://developer.nylas.com/docs/v3/notifications/
const (
	// SuffixTruncated marks a message.* notification over 1 MB that came without its body.
	SuffixTruncated = "truncated"
	// SuffixTransformed marks a notification whose fields were chosen in the Nylas Dashboard.
	SuffixTransformed = "transformed"
	// SuffixCleaned marks a message body that went through Clean Conversations.
	SuffixCleaned = "cleaned"
)

// Base returns the trigger without its suffixes: the Base of
// "message.created.cleaned.truncated" is "message.created".
func (t Type) Base() Type {
	base, _ := t.split()
	return base
}

// Suffixes returns the suffixes of the trigger in their order, without dots.
// It is nil for a trigger that has none.
func (t Type) Suffixes() []string {
	_, rest := t.split()
	if rest == "" {
		return nil
	}
	return strings.Split(rest, ".")
}

func (t Type) split() (base Type, suffixes string) {
	rest := string(t)
	for {
		head, last, found := cutLast(rest)
		if !found || head == "" {
			break
		}
		switch last {
		case SuffixTruncated, SuffixTransformed, SuffixCleaned:
			rest = head
			continue
		}
		break
	}
	return Type(rest), strings.TrimPrefix(string(t)[len(rest):], ".")
}

func cutLast(s string) (head, last string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
