// Command quickstart sends a tracked message and shows what comes back: an open, a click and
// a reply. It needs no account: it starts a Nylas on this machine, plays the recipient too,
// and ends.
//
//	go run ./examples/quickstart
//
// To do the same with the real Nylas, see ./examples/tracker.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, stdout io.Writer) (err error) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("quickstart: an event did not arrive"))
	defer cancel()
	server, err := nylastest.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fmt.Fprintf(stdout, "%-20s %s\n", "Emulator", server.URL())

	// The receiver listens before the webhook is created: Nylas asks it for a challenge.
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(dispatcher(stdout), secrets)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- receive.Serve(serving, listener, receiver) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()

	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		return err
	}
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: "http://" + listener.Addr().String(), Types: events.TrackingTypes(), Secrets: secrets,
	})
	if err != nil {
		return err
	}
	// The message of Nylas' cookbook, whose link to example.com Nylas would refuse.
	message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To:      []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
		Subject: "Quick follow-up on your trial",
		Body:    `Thanks for trying us out. Reply or <a href="https://acme.dev/demo">book a demo</a> when ready.`,
		TrackingOptions: &nylas.TrackingOptions{
			Opens: true, Links: true, ThreadReplies: true, Label: "trial-q2",
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%-20s message %s\n", "Sent", message.ID)
	if err := read(ctx, server, message.ID); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%-20s %s\n", "Next", "go run ./examples/tracker, the whole job as a program to copy")
	return nil
}

// read does what a recipient does, one thing after the other.
func read(ctx context.Context, server *nylastest.Server, messageID string) error {
	recipient, err := server.Recipient(messageID)
	if err != nil {
		return err
	}
	recipient = recipient.WithIP("203.0.113.7").WithUserAgent("Mozilla/5.0 (iPhone)")
	for _, act := range []func() error{
		func() error { return recipient.Open(ctx) },
		func() error { _, err := recipient.Click(ctx, 0); return err },
		func() error { _, err := recipient.Reply(ctx); return err },
	} {
		if err := errors.Join(act(), server.Wait(ctx)); err != nil { // until the receiver has answered
			return err
		}
	}
	return nil
}

// dispatcher prints each event in one line.
func dispatcher(stdout io.Writer) *receive.Dispatcher {
	show := func(n *events.Notification, label string, when events.Timestamp, detail string) error {
		_, err := fmt.Fprintf(stdout, "%-20s at %s, label %q, %s\n", n.Type, when.Format(time.TimeOnly), label, detail)
		return err
	}
	return &receive.Dispatcher{
		MessageOpened: func(_ context.Context, n *events.Notification, opened *events.MessageOpened) error {
			latest, _ := opened.Latest()
			return show(n, opened.Label, latest.Timestamp,
				fmt.Sprintf("from %s by %q", latest.IP, latest.UserAgent))
		},
		MessageLinkClicked: func(_ context.Context, n *events.Notification, clicked *events.MessageLinkClicked) error {
			latest, _ := clicked.Latest()
			link, _ := clicked.Link(latest)
			return show(n, clicked.Label, latest.Timestamp, link.URL)
		},
		ThreadReplied: func(_ context.Context, n *events.Notification, replied *events.ThreadReplied) error {
			return show(n, replied.Label, replied.Timestamp, "reply "+replied.MessageID)
		},
	}
}
