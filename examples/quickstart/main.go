// Command quickstart sends a tracked message and shows what comes back, and what it is worth: a
// scanner follows a link before somebody reads, clicks and answers. It needs no account: it
// starts a Nylas on this machine, plays the recipient too, and ends. The hours in between take
// no time.
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
	"github.com/nylastrack/nylas-go/engagement"
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
	store := engagement.NewMemoryStore(engagement.WithEvents())
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(keeper(engagement.NewLedger(store)), secrets)
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
	const link = "https://acme.dev/demo"
	message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To:      []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
		Subject: "Quick follow-up on your trial",
		Body:    `Thanks for trying us out. Reply or <a href="` + link + `">book a demo</a> when ready.`,
		TrackingOptions: &nylas.TrackingOptions{
			Opens: true, Links: true, ThreadReplies: true, Label: "trial-q2",
		},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%-20s message %s with label \"trial-q2\"\n", "Sent", message.ID)
	sent := engagement.Sent{
		GrantID: server.GrantID(), MessageID: message.ID, At: time.Now(), Links: []string{link}, Recipients: 1,
	}
	if err := read(ctx, server, message.ID); err != nil {
		return err
	}
	if err := show(ctx, stdout, store, sent); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%-20s %s\n", "Next", "go run ./examples/tracker, the whole job as a program to copy")
	return nil
}

// keeper finds the new events in each notification, which repeats earlier ones, and keeps them.
func keeper(ledger *engagement.Ledger) receive.Handler {
	return receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		n, err := events.Parse(d.Body)
		if err != nil {
			return receive.Permanent(err)
		}
		_, err = ledger.Apply(ctx, n)
		return err
	})
}

// read lets the message arrive at somebody who reads it in Outlook, behind Microsoft's scanner
// of links. Then they answer.
func read(ctx context.Context, server *nylastest.Server, messageID string) error {
	happened, err := server.ReceiveAtOnce(ctx, messageID, nylastest.SafeLinks(), nylastest.Outlook())
	if err != nil {
		return err
	}
	recipient, err := server.Recipient(messageID)
	if err != nil {
		return err
	}
	last := happened[len(happened)-1].At
	if _, err := recipient.WithTime(last.Add(time.Minute)).Reply(ctx); err != nil {
		return err
	}
	return server.Wait(ctx) // until the receiver has answered
}

// show prints each event with its verdict, and what the message came to.
func show(ctx context.Context, stdout io.Writer, store *engagement.MemoryStore, sent engagement.Sent) error {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		return err
	}
	known, err := store.Events(ctx, sent.GrantID, sent.MessageID)
	if err != nil {
		return err
	}
	summary := classifier.Message(sent, known)
	for i, e := range known {
		verdict := summary.Verdicts[i]
		fmt.Fprintf(stdout, "%-20s %s %s\n", triggers[e.Kind], e.Time.Format(time.TimeOnly), who(verdict))
		fmt.Fprintf(stdout, "%-20s %s\n", "", verdict.Reasons[0])
	}
	fmt.Fprintf(stdout, "%-20s %s: %s\n", "In short", summary.State, summary.Reasons[0])
	return nil
}

var triggers = map[engagement.Kind]events.Type{
	engagement.Open:  events.TypeMessageOpened,
	engagement.Click: events.TypeMessageLinkClicked,
	engagement.Reply: events.TypeThreadReplied,
}

// who says in words who was behind an event.
func who(v engagement.Verdict) string {
	likely := map[engagement.Confidence]string{engagement.Low: "perhaps ", engagement.Medium: "probably "}[v.Confidence]
	switch v.Actor {
	case engagement.Human:
		return likely + "a person"
	case engagement.Machine:
		return likely + "a machine"
	case engagement.Self:
		return "you"
	default:
		return "nobody can tell"
	}
}
