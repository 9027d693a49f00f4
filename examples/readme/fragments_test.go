package readme_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// The whole loop on a local Nylas: receive, subscribe, send, and what a recipient does.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	secrets := new(receive.MemorySecrets)
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, secrets) }()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: "http://" + listener.Addr().String(), Types: events.TrackingTypes(), Secrets: secrets,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := send(ctx, client, server.GrantID()); err != nil {
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
	stop()
	if err := errors.Join(<-served, server.Close()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// sent Quick follow-up on your trial
	// opened: trial-q2 from 203.0.113.7
	// clicked: trial-q2 https://acme.dev/demo
}

func send(ctx context.Context, client *nylas.Client, grantID string) error {
	// readme:begin send
	message, err := client.Messages.Send(ctx, grantID, &nylas.SendMessageRequest{
		To:      []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
		Subject: "Quick follow-up on your trial",
		Body:    `Reply or <a href="https://acme.dev/demo">book a demo</a> when ready.`,
		TrackingOptions: &nylas.TrackingOptions{
			Opens: true, Links: true, ThreadReplies: true,
			Label: "trial-q2", // comes back with every event
		},
	})
	if errors.Is(err, nylas.ErrOutcomeUnknown) {
		return fmt.Errorf("it may have been sent, look before sending again: %w", err)
	}
	// readme:end
	if err == nil {
		fmt.Println("sent", message.Subject)
	}
	return err
}

// readme:begin receive
func serve(ctx context.Context, listener net.Listener, secrets receive.SecretSource) error {
	receiver, err := receive.New(receive.DropDuplicates(&receive.Dispatcher{
		MessageOpened:      onOpen,
		MessageLinkClicked: onClick,
		Undecodable: func(_ context.Context, d *receive.Delivery, err error) error {
			return keep(d.Body, err) // signed by Nylas, but not readable: do not lose it
		},
	}, 10_000), secrets)
	if err != nil {
		return err
	}
	return receive.Serve(ctx, listener, receiver)
}

// readme:end

// readme:begin functions
func onOpen(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
	latest, _ := opened.Latest()
	fmt.Println("opened:", opened.Label, "from", latest.IP)
	return nil // the receiver answers 200; an error means 503, and Nylas tries again
}

func onClick(_ context.Context, _ *events.Notification, clicked *events.MessageLinkClicked) error {
	latest, _ := clicked.Latest()
	link, _ := clicked.Link(latest)
	fmt.Println("clicked:", clicked.Label, link.URL)
	return nil
}

// readme:end

func keep([]byte, error) error { return nil }

// readme:begin test
func TestFollowUpIsTracked(t *testing.T) {
	server := nylastest.NewServer(t)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	require.NoError(t, send(t.Context(), client, server.GrantID())) // your code

	recipient, err := server.Recipient(server.Messages()[0].ID)
	require.NoError(t, err)
	require.NoError(t, recipient.Open(t.Context())) // loads the pixel, as a mail client does
	target, err := recipient.Click(t.Context(), 0)  // follows the rewritten link
	require.NoError(t, err)
	assert.Equal(t, "https://acme.dev/demo", target)
}

// readme:end
