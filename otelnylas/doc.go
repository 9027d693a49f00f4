// Package otelnylas makes traces and metrics with OpenTelemetry, by its semantic conventions.
//
//	client, err := nylas.NewClient(apiKey, nylas.WithRoundTripper(otelnylas.Transport()))
//	http.Handle("POST /webhooks/nylas", otelnylas.Receiver(receiver))
//	err = box.Run(ctx, otelnylas.Handler(handler))
//
// It links no exporter and no SDK: your program chooses them. Package otelinbox measures an
// inbox, and package oteloutbox an outbox. They are modules of their own, so that this one does
// not link SQLite.
//
// # Spans
//
//	client    one for each attempt, such as "POST /v3/grants/{grant_id}/messages/send";
//	          http.request.resend_count counts the retries
//	server    one for each request to the receiver, such as "POST /webhooks/nylas"
//	consumer  one for each delivery that a handler gets, such as "process message.opened"
//
// # Metrics
//
//	http.client.request.duration  attempts of the client, by url.template and status
//	http.server.request.duration  answers of the receiver, by status
//	messaging.process.duration    deliveries that a handler got, by nylas.notification.type
//
// All are histograms in seconds. The buckets of the first two end at 10 s, as the conventions
// want; a view of your SDK changes that for sends, which can take two minutes. A failure has error.type: a status, "timeout", "canceled",
// "panic", or the Go type of the error.
//
// # What stays private
//
// No attribute has a key, a secret, an address, an id or a part of a body. Therefore three
// attributes that the conventions ask for are missing: url.full of a client, url.path of a
// server, and messaging.message.id. The text of an error is left out too.
//
// The context of a trace does not leave the program. Nylas gets no traceparent header, and a
// traceparent of a request to the receiver has no effect, because anybody can send one.
//
// https://opentelemetry.io/docs/specs/semconv/http/,
// https://opentelemetry.io/docs/specs/semconv/messaging/
package otelnylas
