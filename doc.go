// Package nylas sends tracked mail through the Nylas API v3 and receives what
// becomes of it: opens, clicks and replies, as typed Go values.
//
// Send a message with tracking on:
//
//	client, err := nylas.NewClient(apiKey)
//	msg, err := client.Messages.Send(ctx, grantID, &nylas.SendMessageRequest{
//		To:              []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
//		Subject:         "Quick follow-up on your trial",
//		Body:            `Reply or <a href="https://acme.dev/demo">book a demo</a>.`,
//		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2"},
//	})
//
// Receive what happens to it:
//
//	receiver, err := receive.New(&receive.Dispatcher{
//		MessageOpened: func(ctx context.Context, n *events.Notification, opened *events.MessageOpened) error {
//			log.Println(opened.MessageID, "was opened; the label is", opened.Label)
//			return nil
//		},
//	}, receive.Secret(secret))
//	http.Handle("/webhooks/nylas", receiver)
//
// It answers 200 only when the function returned nil, so what is behind it decides
// what is safe. How to change its secret without losing an event is at
// [Receiver.RotateSecret] and [WithSecretSource].
//
// Subscribe it, once it can be reached:
//
//	webhook, err := client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
//		TriggerTypes: events.TrackingTypes(),
//		WebhookURL:   "https://acme.dev/webhooks/nylas",
//	})
//
// # Files
//
// client.go and client_*.go hold the [Client], its options, repeating and
// [Error]; messages.go and messages_*.go sending and reading; tracking.go
// [TrackingOptions] and tracking_*.go what is done before a send, labels, and what
// Nylas has recorded; webhooks.go and webhooks_*.go the destinations and channels;
// events.go and events_*.go the [Receiver] and all that is behind
// it. Package events decodes notifications, package nylastest is a local Nylas
// that really tracks, for tests and for trying things without an account.
//
// The SDK is unofficial. Nothing here was tried against a live account.
package nylas
