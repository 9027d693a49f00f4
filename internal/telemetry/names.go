// Package telemetry has what the client tells about its requests, the names of what otelnylas
// and the packages below it measure, and the keys of log records. It imports nothing, so the
// client links no OpenTelemetry.
package telemetry

// Names of attributes. All others are those of the semantic conventions of OpenTelemetry.
const (
	NotificationType = "nylas.notification.type"    // the trigger, such as "message.opened"
	Undecodable      = "nylas.delivery.undecodable" // true if Delivery.Err is set
	Permanent        = "nylas.delivery.permanent"   // true if the handler gave the delivery up
	InboxOutcome     = "nylas.inbox.outcome"        // what became of a delivery
	OutboxState      = "nylas.outbox.state"         // what has become of a mail
	MessagingSystem  = "nylas"                      // the value of messaging.system
	Send             = "send"                       // the value of messaging.operation.type and .name
	Process          = "process"                    // the value of messaging.operation.type and .name
	OtherMethod      = "_OTHER"                     // the value of http.request.method that HTTP does not know
	Timeout          = "timeout"                    // the value of error.type when a limit passed
	Canceled         = "canceled"                   // the value of error.type when a context was canceled
	Panic            = "panic"                      // the value of error.type when a handler did not return
)

// Names of the metrics of an inbox.
const (
	InboxPending       = "nylas.inbox.pending"
	InboxRunning       = "nylas.inbox.running"
	InboxRetrying      = "nylas.inbox.retrying"
	InboxDead          = "nylas.inbox.dead"
	InboxOldestAge     = "nylas.inbox.oldest.age"
	InboxSize          = "nylas.inbox.size"
	InboxHealthy       = "nylas.inbox.healthy"
	InboxDeliveries    = "nylas.inbox.deliveries"
	InboxDelay         = "nylas.inbox.delay"
	InboxStoreFailures = "nylas.inbox.store.failures"
)

// Names of the metrics of an outbox.
const (
	OutboxMails      = "nylas.outbox.mails"
	OutboxSecondMail = "nylas.outbox.second_mail.possible"
	OutboxHealthy    = "nylas.outbox.healthy"
)

// Values of InboxOutcome.
const (
	Accepted  = "accepted"
	Duplicate = "duplicate"
	Handled   = "handled"
	Failed    = "failed"
	Died      = "died"
	Hung      = "hung"
	Expired   = "expired"
)
