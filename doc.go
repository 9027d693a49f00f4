// Package nylas sends tracked mail through the Nylas API v3, and subscribes the webhook
// that reports opens, clicks and replies.
//
// Send a message with tracking on:
//
//	client, err := nylas.NewClient(apiKey)
//	msg, err := client.Messages.Send(ctx, grantID, &nylas.SendMessageRequest{
//		To:              []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
//		Subject:         "Quick follow-up on your trial",
//		Body:            `Reply or <a href="https://acme.dev/demo">book a demo</a>.`,
//		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "trial-42"},
//	})
//
// Serve a receive.Receiver at a public URL, and subscribe it when each process starts.
// The store keeps the secret of the webhook:
//
//	receiver, err := receive.New(handler, store)
//	webhook, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
//		URL:     "https://acme.dev/webhooks/nylas",
//		Types:   events.TrackingTypes(),
//		Secrets: store,
//	})
//
// Other packages: preflight checks a mail before it is sent, receive accepts what Nylas
// delivers, events decodes it, and nylastest is a local Nylas that really tracks, for
// tests and for trying things without an account.
//
// The SDK is unofficial, and was not tested against a live account.
package nylas
