package readme_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// The whole loop on a local Nylas: send, receive, subscribe, and what a
// recipient does.
func Example() {
	ctx := context.Background()
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	endpoint := httptest.NewServer(mux)
	if err := fragments(ctx, server.APIKey(), server.URL(), server.GrantID(), mux, endpoint.URL+"/webhooks/nylas"); err != nil {
		log.Fatal(err)
	}
	recipient, err := server.Recipient(server.Messages()[0].ID)
	if err != nil {
		log.Fatal(err)
	}
	recipient = recipient.WithIP("203.0.113.7").WithUserAgent("Mozilla/5.0")
	act := func(what func() error) {
		if err := errors.Join(what(), server.Wait(ctx)); err != nil {
			log.Fatal(err)
		}
	}
	act(func() error { return recipient.Open(ctx) })
	act(func() error { _, err := recipient.Click(ctx, 0); return err })
	act(func() error { _, err := recipient.Reply(ctx); return err })
	endpoint.Close()
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// sent Quick follow-up on your trial
	// opened: trial-followup-q2 from 203.0.113.7 by Mozilla/5.0
	// clicked: trial-followup-q2 link 0
	// replied: trial-followup-q2
}

// fragments has the parts of a program that README.md shows.
func fragments(ctx context.Context, apiKey, baseURL, grantID string, mux *http.ServeMux, webhookURL string) error {
	// readme:begin send
	client, err := nylas.NewClient(apiKey, nylas.WithBaseURL(baseURL)) // without WithBaseURL: Nylas, US region
	if err != nil {
		return err
	}
	message, err := client.Messages.Send(ctx, grantID, &nylas.SendMessageRequest{
		To:      []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
		Subject: "Quick follow-up on your trial",
		Body:    `Thanks for trying us out. Reply or <a href="https://acme.dev/demo">book a demo</a> when ready.`,
		TrackingOptions: &nylas.TrackingOptions{
			Opens: true, Links: true, ThreadReplies: true,
			Label: "trial-followup-q2", // comes back with every event
		},
	})
	if errors.Is(err, nylas.ErrOutcomeUnknown) {
		return fmt.Errorf("it may have been sent, look before sending again: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Println("sent", message.Subject)
	// readme:end

	// readme:begin receive
	dispatcher := &receive.Dispatcher{
		MessageOpened: func(ctx context.Context, n *events.Notification, opened *events.MessageOpened) error {
			latest, _ := opened.Latest()
			fmt.Println("opened:", opened.Label, "from", latest.IP, "by", latest.UserAgent)
			return nil // now Nylas gets its 200; an error brings the event again
		},
		MessageLinkClicked: func(ctx context.Context, n *events.Notification, clicked *events.MessageLinkClicked) error {
			latest, _ := clicked.Latest()
			fmt.Println("clicked:", clicked.Label, "link", latest.LinkIndex)
			return nil
		},
		ThreadReplied: func(ctx context.Context, n *events.Notification, replied *events.ThreadReplied) error {
			fmt.Println("replied:", replied.Label)
			return nil
		},
	}
	receiver, err := receive.New(receive.DropDuplicates(10_000)(dispatcher), receive.WithSecretsLater())
	if err != nil {
		return err
	}
	mux.Handle("/webhooks/nylas", receiver)
	// readme:end

	// readme:begin subscribe
	webhook, err := client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
		TriggerTypes: events.TrackingTypes(),
		WebhookURL:   webhookURL, // where the receiver answers: Nylas asks it for a challenge now
	})
	if err != nil {
		return err
	}
	// Nylas shows the secret only now. Keep it, and give it to WithSecrets at the next start.
	if err := receiver.SetSecrets(webhook.WebhookSecret); err != nil {
		return err
	}
	// readme:end
	return nil
}
