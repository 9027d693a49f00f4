// Package otelinbox makes metrics of an inbox with OpenTelemetry.
//
//	box, err := inbox.Open("nylas.db", inbox.WithHooks(otelinbox.Hooks(inbox.Hooks{})))
//	registration, err := otelinbox.Observe(box)
//
// [Observe] measures what is in the inbox now:
//
//	nylas.inbox.pending     deliveries that wait to be handled, the running ones included
//	nylas.inbox.running     deliveries that handlers are working on
//	nylas.inbox.retrying    pending deliveries that have failed before
//	nylas.inbox.dead        dead letters: each waits for a person
//	nylas.inbox.oldest.age  seconds since the oldest pending delivery was received, 0 for none
//	nylas.inbox.size        bytes of the file with what belongs to it
//	nylas.inbox.healthy     1, or 0 if the file is damaged or cannot be read
//
// [Hooks] counts what happens:
//
//	nylas.inbox.deliveries      by nylas.notification.type and nylas.inbox.outcome, which is
//	                            accepted, duplicate, handled, failed, died, hung or expired
//	nylas.inbox.delay           seconds from the receipt of a delivery until it is handled
//	nylas.inbox.store.failures  how often the file could not be written
//
// A delivery that fails and is handled later counts as failed and as handled. For dead letters
// that expired the type is not known. No attribute has an id, an address or a part of a body.
//
// The options are those of package otelnylas; only its WithMeterProvider has an effect here. For
// spans of handlers wrap them with its Handler.
package otelinbox
