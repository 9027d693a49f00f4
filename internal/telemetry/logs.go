package telemetry

// Keys of log records. Where the semantic conventions of OpenTelemetry have an attribute, a key is
// named after it, and all others begin with "nylas.", so that a program's own keys stay apart.
// docs/logs.md is made of these lines.
const (
	LogMethod       = "http.request.method"       // the method of a call
	LogPath         = "url.template"              // the template of a call's path, without ids
	LogStatus       = "http.response.status_code" // the status of an answer
	LogError        = "exception.message"         // the text of an error; after a panic its type, or what the runtime says
	LogStack        = "exception.stacktrace"      // the stack of a panic
	LogDeliveryID   = "messaging.message.id"      // the ID of a delivery
	LogType         = NotificationType            // the trigger of a delivery, such as message.opened
	LogAttempt      = "nylas.attempt"             // which attempt it was, counted from 1
	LogAttempts     = "nylas.attempts"            // how many attempts were made
	LogCount        = "nylas.count"               // how many dead letters were removed
	LogDuration     = "nylas.duration"            // how long it took, or takes so far
	LogHandlers     = "nylas.handlers"            // how many handlers still run
	LogMailState    = OutboxState                 // what has become of a mail: see outbox.State
	LogReason       = "nylas.reason"              // why a request was refused, or what is not known of a mail
	LogReplayed     = "nylas.replayed"            // true if the answer is that of an earlier attempt
	LogRequestID    = "nylas.request.id"          // Nylas' id of a request, for its support
	LogRetryAt      = "nylas.retry_at"            // when the next attempt is
	LogWebhook      = "nylas.webhook.id"          // the webhook that Subscribe looks after
	LogOtherWebhook = "nylas.webhook.other_id"    // another one for the same URL
	LogWriter       = "nylas.response_writer"     // the type of a ResponseWriter that cannot limit the time
)
