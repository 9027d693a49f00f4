// Command quickstart sends a tracked message and shows what comes back: an
// open, a click and a reply.
//
// Without settings it runs against a Nylas on this machine, plays the recipient
// too, and ends. With NYLAS_API_KEY, NYLAS_GRANT_ID, NYLAS_WEBHOOK_URL and
// NYLAS_TO it uses the real Nylas and waits for real events until it is
// interrupted. NYLAS_WEBHOOK_URL is a public https URL that leads to NYLAS_ADDR,
// by default 127.0.0.1:8080. NYLAS_REGION=eu chooses the region, NYLAS_API_URL
// another server, such as that of ./examples/emulator.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	account, err := usesNylas(getenv)
	if err != nil {
		return err
	}
	q := &quickstart{stdout: stdout, events: make(chan event), counts: make(map[events.Type]int)}
	if account {
		return q.withNylas(ctx, getenv)
	}
	return q.withEmulator(ctx)
}

// usesNylas reports whether the settings for the real Nylas are there.
func usesNylas(getenv func(string) string) (bool, error) {
	var set, missing []string
	for _, name := range []string{"NYLAS_API_KEY", "NYLAS_GRANT_ID", "NYLAS_WEBHOOK_URL", "NYLAS_TO"} {
		if getenv(name) == "" {
			missing = append(missing, name)
		} else {
			set = append(set, name)
		}
	}
	if len(set) > 0 && len(missing) > 0 {
		return false, fmt.Errorf("quickstart: %v is set, %v is missing: set all to use Nylas, none to use the emulator", set, missing)
	}
	return len(missing) == 0, nil
}

type quickstart struct {
	stdout io.Writer
	events chan event
	counts map[events.Type]int
}

// event is what the receiver tells the loop: the lines to print.
type event struct {
	typ   events.Type
	lines []string
}

// withEmulator runs the whole loop on this machine.
func (q *quickstart) withEmulator(ctx context.Context) (err error) {
	const patience = 4 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("quickstart: an event did not arrive"))
	defer cancel()

	server, err := nylastest.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		return err
	}
	hook, err := q.serve(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hook.close()) }()
	fmt.Fprintf(q.stdout, "%-20s %s\n", "Emulator", server.URL())
	if _, err := hook.subscribe(ctx, client, hook.url); err != nil {
		return err
	}
	message, err := q.send(ctx, client, server.GrantID(), "kim@example.org")
	if err != nil {
		return err
	}

	recipient, err := server.Recipient(message.ID)
	if err != nil {
		return err
	}
	recipient = recipient.WithIP("203.0.113.7").
		WithUserAgent("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15")
	if err := recipient.Open(ctx); err != nil {
		return err
	}
	if err := q.await(ctx, events.TypeMessageOpened); err != nil {
		return err
	}
	if _, err := recipient.Click(ctx, 0); err != nil {
		return err
	}
	if err := q.await(ctx, events.TypeMessageLinkClicked); err != nil {
		return err
	}
	if _, err := recipient.Reply(ctx); err != nil {
		return err
	}
	if err := q.await(ctx, events.TypeThreadReplied); err != nil {
		return err
	}
	q.summary()
	return nil
}

// withNylas sends a real message and shows real events until it is interrupted.
func (q *quickstart) withNylas(ctx context.Context, getenv func(string) string) (err error) {
	options := []nylas.ClientOption{nylas.WithRegion(nylas.Region(cmp.Or(getenv("NYLAS_REGION"), "us")))}
	if url := getenv("NYLAS_API_URL"); url != "" {
		options = append(options, nylas.WithBaseURL(url))
	}
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"), options...)
	if err != nil {
		return err
	}
	hook, err := q.serve(ctx, cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hook.close()) }()
	fmt.Fprintf(q.stdout, "%-20s %s\n", "Listening", hook.url)
	webhook, err := hook.subscribe(ctx, client, getenv("NYLAS_WEBHOOK_URL"))
	if err != nil {
		return err
	}
	defer func() {
		const patience = 30 * time.Second
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		err = errors.Join(err, client.Webhooks.Delete(ctx, webhook.ID))
	}()
	if _, err := q.send(ctx, client, getenv("NYLAS_GRANT_ID"), getenv("NYLAS_TO")); err != nil {
		return err
	}
	fmt.Fprintf(q.stdout, "%-20s %s\n", "Waiting", "for events; interrupt to end")
	for {
		select {
		case e := <-q.events:
			q.print(e)
		case <-ctx.Done():
			q.summary()
			return nil
		}
	}
}

// send sends the message of Nylas' cookbook. Its link to example.com is another
// one here: Nylas refuses a tracked message with such a link.
func (q *quickstart) send(ctx context.Context, client *nylas.Client, grantID, to string) (*nylas.Message, error) {
	message, err := client.Messages.Send(ctx, grantID, &nylas.SendMessageRequest{
		To:      []nylas.Participant{{Name: "Kim Townsend", Email: to}},
		Subject: "Quick follow-up on your trial",
		Body:    `Thanks for trying us out. Reply or <a href="https://acme.dev/demo">book a demo</a> when ready.`,
		TrackingOptions: &nylas.TrackingOptions{
			Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2",
		},
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(q.stdout, "%-20s message %s\n", "Sent", message.ID)
	return message, nil
}

// await waits until an event of a type was received and printed.
func (q *quickstart) await(ctx context.Context, want events.Type) error {
	for {
		select {
		case e := <-q.events:
			q.print(e)
			if e.typ == want {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (q *quickstart) summary() {
	fmt.Fprintf(q.stdout, "%-20s %d opens, %d clicks, %d replies\n", "Summary",
		q.counts[events.TypeMessageOpened], q.counts[events.TypeMessageLinkClicked], q.counts[events.TypeThreadReplied])
}

// webhookServer is the endpoint that Nylas posts to.
type webhookServer struct {
	receiver *receive.Receiver
	server   *http.Server
	served   chan error
	url      string
}

// serve starts the endpoint. It has no secret yet: Nylas makes one when the
// webhook is created, and asks the endpoint for a challenge before.
func (q *quickstart) serve(ctx context.Context, addr string) (*webhookServer, error) {
	receiver, err := receive.New(receive.DropDuplicates(0)(q.dispatcher()), receive.WithSecretsLater())
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	const path = "/webhooks/nylas"
	mux := http.NewServeMux()
	mux.Handle(path, receiver)
	s := &webhookServer{
		receiver: receiver,
		server:   &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second},
		served:   make(chan error, 1),
		url:      "http://" + listener.Addr().String() + path,
	}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

func (s *webhookServer) subscribe(ctx context.Context, client *nylas.Client, url string) (*nylas.Webhook, error) {
	webhook, err := client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
		TriggerTypes: events.TrackingTypes(),
		WebhookURL:   url,
		Description:  "Email engagement tracking",
	})
	if err != nil {
		return nil, err
	}
	return webhook, s.receiver.SetSecrets(webhook.WebhookSecret)
}

func (s *webhookServer) close() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// dispatcher describes each event in one line. It holds a delivery until the
// line is printed: what the receiver answers 200 for has been seen.
func (q *quickstart) dispatcher() *receive.Dispatcher {
	return &receive.Dispatcher{
		MessageOpened: func(ctx context.Context, n *events.Notification, data *events.MessageOpened) error {
			latest, _ := data.Latest()
			return q.tell(ctx, n, latest.Timestamp, fmt.Sprintf("from %s by %q, %d recents, count %d",
				latest.IP, latest.UserAgent, len(data.Recents), data.MessageData.Count))
		},
		MessageLinkClicked: func(ctx context.Context, n *events.Notification, data *events.MessageLinkClicked) error {
			latest, _ := data.Latest()
			return q.tell(ctx, n, latest.Timestamp, fmt.Sprintf("link %d from %s by %q, %d recents",
				latest.LinkIndex, latest.IP, latest.UserAgent, len(data.Recents)))
		},
		ThreadReplied: func(ctx context.Context, n *events.Notification, data *events.ThreadReplied) error {
			return q.tell(ctx, n, data.Timestamp, fmt.Sprintf("reply %s, %d in the thread", data.MessageID, data.ReplyData.Count))
		},
	}
}

func (q *quickstart) tell(ctx context.Context, n *events.Notification, when events.Timestamp, what string) error {
	e := event{typ: n.Type}
	for _, tracked := range n.Tracked() {
		e.lines = append(e.lines, fmt.Sprintf("%-20s message %s, label %q, at %s, %s",
			n.Type, tracked.MessageID, tracked.Label, when.Format(time.TimeOnly), what))
	}
	select {
	case q.events <- e:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (q *quickstart) print(e event) {
	q.counts[e.typ]++
	for _, line := range e.lines {
		fmt.Fprintln(q.stdout, line)
	}
}
