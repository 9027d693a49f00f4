// Package oteloutbox makes traces and metrics of an outbox with OpenTelemetry.
//
//	box, err := outbox.Open("campaign.db", outbox.WithHook(oteloutbox.Hook(nil)))
//	registration, err := oteloutbox.Observe(box)
//
// [Observe] measures what is in the outbox now:
//
//	nylas.outbox.mails                 mails by nylas.outbox.state, which is waiting, sending,
//	                                   unknown, sent, failed or suppressed
//	nylas.outbox.second_mail.possible  mails that may have been sent twice
//	nylas.outbox.healthy               1, or 0 if the file cannot be read
//
// [Hook] measures each request to send a mail, until its outcome is on the disk:
//
//	messaging.client.operation.duration  seconds, by nylas.outbox.state: what became of the mail
//
// It also makes a span of it, named "send". If the mail was not sent, error.type is its state.
// The span is not the parent of those that the client makes with Transport of package otelnylas.
//
// No attribute has a key, an id, an address or a part of a mail. The options are those of package
// otelnylas.
package oteloutbox
