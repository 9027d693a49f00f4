package events

import "strings"

// Type is the name of a trigger. A webhook subscribes to it and a notification
// carries it. Nylas adds triggers: a Type that this package does not know is
// valid too.
type Type string

// Triggers with typed data: each comment names the struct that
// [Notification.Data] points to.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/ describes the
// tracking triggers, https://developer.nylas.com/docs/reference/notifications/
// all of them.
const (
	TypeMessageOpened      Type = "message.opened"       // MessageOpened
	TypeMessageLinkClicked Type = "message.link_clicked" // MessageLinkClicked
	TypeThreadReplied      Type = "thread.replied"       // ThreadReplied

	// The tracking triggers of API v2. Nylas sends them to migrated applications,
	// for mail that was sent through API v2.

	TypeLegacyMessageOpened      Type = "message.opened.legacy"       // LegacyMessageOpened
	TypeLegacyMessageLinkClicked Type = "message.link_clicked.legacy" // LegacyMessageLinkClicked
	TypeLegacyThreadReplied      Type = "thread.replied.legacy"       // LegacyThreadReplied

	// What became of a sent message.

	TypeMessageSendSuccess    Type = "message.send_success"    // MessageSendSuccess
	TypeMessageSendFailed     Type = "message.send_failed"     // MessageSendFailed
	TypeMessageBounceDetected Type = "message.bounce_detected" // MessageBounceDetected

	// What became of transactional mail.

	TypeMessageTransactionalBounced   Type = "message.transactional.bounced"   // MessageTransactionalBounced
	TypeMessageTransactionalComplaint Type = "message.transactional.complaint" // MessageTransactionalComplaint
	TypeMessageTransactionalDelivered Type = "message.transactional.delivered" // MessageTransactionalDelivered
	TypeMessageTransactionalRejected  Type = "message.transactional.rejected"  // MessageTransactionalRejected

	// What became of mail from agent accounts.

	TypeMessageBounced   Type = "message.bounced"   // MessageBounced
	TypeMessageComplaint Type = "message.complaint" // MessageComplaint
	TypeMessageDelivered Type = "message.delivered" // MessageDelivered
	TypeMessageRejected  Type = "message.rejected"  // MessageRejected

	// What became of a grant, and of the deliverability of a sending domain.

	TypeGrantCreated   Type = "grant.created"   // GrantCreated
	TypeGrantUpdated   Type = "grant.updated"   // GrantUpdated
	TypeGrantDeleted   Type = "grant.deleted"   // GrantDeleted
	TypeGrantExpired   Type = "grant.expired"   // GrantExpired
	TypeAlertTriggered Type = "alert.triggered" // AlertTriggered
)

// Triggers without typed data: [Notification.Data] is an [*Unknown]. A later
// version of this package may give them a struct.
//
// https://developer.nylas.com/docs/reference/notifications/
const (
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
	TypeGrantIMAPSyncCompleted      Type = "grant.imap_sync_completed"
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

// TrackingTypes returns the triggers to subscribe to for tracking: opens, clicks
// and replies. It leaves out the legacy forms, which concern only mail that was
// sent through API v2. A program that sends should also subscribe to
// [FailureTypes].
func TrackingTypes() []Type {
	return []Type{TypeMessageOpened, TypeMessageLinkClicked, TypeThreadReplied}
}

// FailureTypes returns the triggers that tell a sender what went wrong, after Nylas
// accepted a message:
//
//   - message.send_failed: a scheduled or queued message was not sent.
//   - message.bounce_detected (connected mailboxes), message.bounced (Agent Accounts),
//     message.transactional.bounced: a message did not arrive.
//   - message.complaint, message.transactional.complaint: a recipient reported a message
//     as spam. Do not write to them again.
//   - message.rejected, message.transactional.rejected: Nylas refused to deliver a
//     message, for example because it contains a virus.
//   - grant.expired: the mailbox must be connected again. Until then nothing can be sent
//     from it and its replies are not seen.
//   - grant.deleted: the links and pixels of mail that was already delivered no longer
//     work.
//
// Each trigger concerns only some senders, and a webhook may have all of them. The list
// can grow. It leaves out what confirms success, such as message.delivered, which
// is in [DeliveryTypes], and alert.triggered, which needs an alert rule.
//
// https://developer.nylas.com/docs/reference/notifications/
func FailureTypes() []Type {
	return []Type{
		TypeMessageSendFailed,
		TypeMessageBounceDetected, TypeMessageBounced, TypeMessageTransactionalBounced,
		TypeMessageComplaint, TypeMessageTransactionalComplaint,
		TypeMessageRejected, TypeMessageTransactionalRejected,
		TypeGrantExpired, TypeGrantDeleted,
	}
}

// DeliveryTypes returns the triggers that tell whether a message arrived: delivered, bounced
// and rejected, of connected mailboxes (message.bounce_detected alone), Agent Accounts and
// Transactional sends. Each trigger concerns only some senders, and a webhook may have all of
// them. [FailureTypes] has the bounces and rejections too: do not name a trigger twice.
//
// https://developer.nylas.com/docs/reference/notifications/
func DeliveryTypes() []Type {
	return []Type{
		TypeMessageBounceDetected,
		TypeMessageDelivered, TypeMessageBounced, TypeMessageRejected,
		TypeMessageTransactionalDelivered, TypeMessageTransactionalBounced, TypeMessageTransactionalRejected,
	}
}

// The suffixes that Nylas appends to the trigger that a webhook subscribed to.
// The endings ".legacy" and ".metadata" are no suffixes but part of the trigger's
// name.
//
// https://developer.nylas.com/docs/v3/notifications/
const (
	// SuffixTruncated marks a message.* notification over 1 MB that Nylas sent
	// without the message's body.
	SuffixTruncated = "truncated"
	// SuffixTransformed marks a notification that has only the fields chosen in the
	// Nylas Dashboard.
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

// Suffixes returns the suffixes of the trigger in order, without dots, or nil if
// there are none.
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
