package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func ExampleCheckTracking() {
	req := &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}},
		Body:            `<p>Book a <a href="https://example.com/demo">demo</a>.</p>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true},
	}
	if report := nylas.CheckTracking(req); report.Refused() {
		fmt.Println(report.Findings[0])
	}
	// Output:
	// 1:11: error: denylisted-placeholder: Nylas rejects messages with tracked links to example.com: use a host of your own
}

func ExampleStripPixel() {
	sent := `<p>Hello Kim</p><img src="https://tracking.us.nylas.com/open/1.gif" width="1"><img src="https://go.acme.dev/open/2.gif">`
	fmt.Println(nylas.StripPixel(sent, "go.acme.dev"))
	// Output:
	// <p>Hello Kim</p>
}

// A label carries the ids of the sender to the events of the message.
func ExampleEncodeLabel() {
	ctx := context.Background()
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(&receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			values, ours := nylas.DecodeLabel(opened.Label)
			fmt.Println("opened:", ours, values["campaign"], values["contact"])
			return nil
		},
	}, secrets)
	if err != nil {
		log.Fatal(err)
	}
	endpoint := httptest.NewServer(receiver)
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: endpoint.URL, Types: events.TrackingTypes(), Secrets: secrets,
	})
	if err != nil {
		log.Fatal(err)
	}

	label, err := nylas.EncodeLabel(map[string]string{"campaign": "trial q2", "contact": "42"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("label:", label)
	message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}},
		Body:            "<p>Quick follow-up.</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: label},
	})
	if err != nil {
		log.Fatal(err)
	}

	recipient, err := server.Recipient(message.ID)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(recipient.Open(ctx), server.Wait(ctx)); err != nil {
		log.Fatal(err)
	}
	endpoint.Close()
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// label: nt1:campaign=trial+q2&contact=42
	// opened: true trial q2 42
}

func ExampleDecodeLabel() {
	dispatcher := &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			values, ours := nylas.DecodeLabel(opened.Label)
			if !ours {
				fmt.Println("foreign:", opened.Label)
				return nil
			}
			fmt.Println("contact", values["contact"], "of campaign", values["campaign"])
			return nil
		},
	}
	for _, label := range []string{"nt1:campaign=q2&contact=42", "trial-followup-q2"} {
		body := `{"specversion":"1.0","type":"message.opened","id":"n-1","time":1,"data":{"object":{"message_id":"m-1","label":"` + label + `"}}}`
		if err := dispatcher.HandleDelivery(context.Background(), receive.NewDelivery([]byte(body), "")); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// contact 42 of campaign q2
	// foreign: trial-followup-q2
}

func ExampleWithTrackingPolicy() {
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	agreed := map[string]bool{"kim@example.org": true} // a table of yours
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithTrackingPolicy(nylas.TrackingPolicy{
		Unknown: nylas.ConsentDenied,
		Consent: func(_ context.Context, recipient nylas.Participant, kind nylas.TrackingKind) (nylas.Consent, error) {
			if kind == nylas.TrackThreadReplies || agreed[recipient.Email] {
				return nylas.ConsentGranted, nil
			}
			return nylas.ConsentUnknown, nil
		},
	}))
	if err != nil {
		log.Fatal(err)
	}
	var response nylas.Response
	_, err = client.Messages.Send(context.Background(), server.GrantID(), &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}, {Email: "lee@example.org"}},
		Body:            "<p>Quick follow-up.</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true, ThreadReplies: true},
	}, nylas.WithResponse(&response))
	if err != nil {
		log.Fatal(err)
	}
	for _, decision := range response.Tracking {
		fmt.Println(decision.Kind, decision.Allowed)
		for _, objection := range decision.Objections {
			fmt.Println("  because of", objection.Recipient.Email, "consent is", objection.Consent)
		}
	}
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// opens false
	//   because of lee@example.org consent is unknown
	// thread_replies true
}

func ExampleTrackingPolicy_Check() {
	policy := nylas.TrackingPolicy{
		Unknown: nylas.ConsentDenied,
		Consent: func(context.Context, nylas.Participant, nylas.TrackingKind) (nylas.Consent, error) {
			return nylas.ConsentUnknown, nil
		},
	}
	report, err := policy.Check(context.Background(), &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Email: "kim@example.org"}},
		Body:            "<p>Quick follow-up.</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, finding := range report.Findings {
		fmt.Println(finding.Level, finding.Code)
	}
	// Output:
	// warning consent-missing
}
