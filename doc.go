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
// Return nil once the event is safely stored: the receiver answers 200 then, and 503
// after an error, so that Nylas tries again.
//
// Subscribe it, once it can be reached:
//
//	webhook, err := client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
//		TriggerTypes: events.TrackingTypes(),
//		WebhookURL:   "https://acme.dev/webhooks/nylas",
//	})
//
// # Packages
//
// Package preflight checks a mail before it is sent. Package receive takes what Nylas
// delivers, package events decodes it. Package nylastest is a local Nylas that really
// tracks, for tests and for trying things without an account.
//
// The SDK is unofficial. Nothing here was tried against a live account.
package nylas
