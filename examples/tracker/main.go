// Command tracker is the whole job in one program: it sends a message with a label and an
// attachment, subscribes a webhook, keeps every notification on disk until it is handled,
// and shows as JSON what became of the message and who was probably behind each event.
//
//	go run ./examples/tracker
//
// Without settings it uses a Nylas on this machine and plays the recipient too. With these it
// uses the real Nylas:
//
//	export NYLAS_API_KEY=… NYLAS_GRANT_ID=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/tracker -to kim@example.org
//
// NYLAS_WEBHOOK_URL must lead to -addr. NYLAS_API_URL names another server, such as
// https://api.eu.nylas.com or that of ./examples/emulator. With -dead it lists the deliveries
// that were given up, and with -requeue it has them handled again; both need the file for
// themselves.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

// settings say which Nylas to use, and as whom.
type settings struct {
	apiURL, apiKey, grantID, webhookURL, to string
	addr, file                              string
	adopt                                   bool
}

const webhookPath = "/webhooks/nylas"

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("tracker", flag.ContinueOnError)
	set := settings{
		apiURL: cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com"), apiKey: getenv("NYLAS_API_KEY"),
		grantID: getenv("NYLAS_GRANT_ID"), webhookURL: getenv("NYLAS_WEBHOOK_URL"),
	}
	flags.StringVar(&set.to, "to", getenv("NYLAS_TO"), "send a tracked message to this address when it starts")
	flags.StringVar(&set.addr, "addr", "127.0.0.1:8080", "address to listen on")
	flags.StringVar(&set.file, "file", "nylas.db", "file of the inbox")
	flags.BoolVar(&set.adopt, "adopt", false, "take over a webhook for the URL whose secret is not in the file")
	listDead := flags.Bool("dead", false, "list what was given up, and end")
	requeue := flags.Bool("requeue", false, "have what was given up handled again, and end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *listDead || *requeue {
		return visitDead(ctx, set.file, *requeue, stdout)
	}
	if set.apiKey != "" {
		return track(ctx, set, stdout, func(context.Context, *nylas.Message) error { return nil })
	}

	// No account: a Nylas on this machine, and a recipient behind a scanner who reads and replies.
	server, err := nylastest.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	folder, err := os.MkdirTemp("", "tracker")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	set = settings{
		apiURL: server.URL(), apiKey: server.APIKey(), grantID: server.GrantID(), to: cmp.Or(set.to, "kim@example.org"),
		addr: set.addr, file: filepath.Join(folder, "nylas.db"),
	}
	return track(ctx, set, stdout, func(ctx context.Context, message *nylas.Message) error {
		happened, err := server.ReceiveAtOnce(ctx, message.ID, nylastest.SafeLinks(), nylastest.Gmail())
		if err != nil {
			return err
		}
		recipient, err := server.Recipient(message.ID)
		if err != nil {
			return err
		}
		last := happened[len(happened)-1].At
		_, err = recipient.WithTime(last.Add(time.Minute)).Reply(ctx)
		return err
	})
}

// track does the job until ctx ends. Afterwards everything that was received is handled or
// in the file.
func track(ctx context.Context, set settings, stdout io.Writer, sent func(context.Context, *nylas.Message) error) (err error) {
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	client, err := nylas.NewClient(set.apiKey, nylas.WithBaseURL(set.apiURL), nylas.WithLogger(logger))
	if err != nil {
		return err
	}
	// The events of one message are handled in the order in which they were received.
	box, err := inbox.Open(set.file, inbox.WithLogger(logger), inbox.WithOrder(receive.MessageOrder))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	receiver, err := receive.New(box, box.Secrets(), receive.WithLogger(logger))
	if err != nil {
		return err
	}
	tracked, err := newHistory()
	if err != nil {
		return err
	}
	handler, err := tracked.handler(logger)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(webhookPath, receiver)
	mux.Handle("GET /{$}", tracked)
	mux.Handle("GET /health", box.Health()) // for a readiness probe
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", set.addr)
	if err != nil {
		return err
	}
	local := "http://" + listener.Addr().String()
	logger.Info("listening", slog.String("events", local+"/"), slog.String("url", local+webhookPath))

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return receive.Serve(ctx, listener, mux) })
	group.Go(func() error { return box.Run(ctx, handler) })
	group.Go(func() error {
		webhook, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL: cmp.Or(set.webhookURL, local+webhookPath), Types: events.TrackingTypes(), Secrets: box.Secrets(),
			Description: "Email engagement tracking", Adopt: set.adopt,
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped meanwhile; the next start goes on with it
		}
		if err != nil {
			return err
		}
		logger.Info("subscribed", slog.String("webhook", webhook.ID), slog.String("status", string(webhook.Status)))
		if set.to == "" {
			return nil
		}
		message, err := send(ctx, client, set, tracked.store)
		if err != nil {
			return err
		}
		logger.Info("sent", slog.String("message", message.ID))
		return sent(ctx, message)
	})
	group.Go(func() error { return watch(ctx, logger, box) })
	return group.Wait()
}

// send sends a message with a label, which comes back with each of its events. What it keeps of
// the message makes the verdicts better.
func send(ctx context.Context, client *nylas.Client, set settings, store *engagement.MemoryStore) (*nylas.Message, error) {
	const link = "https://acme.dev/demo"
	label, err := nylas.EncodeLabel(map[string]string{"campaign": "trial-q2", "contact": "42"})
	if err != nil {
		return nil, err
	}
	message, err := client.Messages.Send(ctx, set.grantID, &nylas.SendMessageRequest{
		To:      []nylas.Participant{{Email: set.to}},
		Subject: "Quick follow-up on your trial",
		Body:    `<p>Thanks for trying us out. Reply or <a href="` + link + `">book a demo</a> when ready.</p>`,
		Attachments: []nylas.Attachment{
			{Filename: "prices.txt", ContentType: "text/plain", Content: nylas.BytesContent([]byte("One seat: 10 a month.\n"))},
		},
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: label},
	})
	if errors.Is(err, nylas.ErrOutcomeUnknown) {
		return nil, fmt.Errorf("look into the mailbox before sending again: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return message, store.SetSent(ctx, engagement.Sent{
		GrantID: message.GrantID, MessageID: message.ID, At: time.Now(), Links: []string{link}, Recipients: 1,
	})
}

// watch logs what an operator looks at: how much waits, for how long, and what is dead.
func watch(ctx context.Context, logger *slog.Logger, box *inbox.Inbox) error {
	const interval = time.Minute
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		stats, err := box.Stats(ctx)
		if err != nil {
			return nil // the inbox has logged it, or ends
		}
		var lag time.Duration
		if !stats.Oldest.IsZero() {
			lag = time.Since(stats.Oldest)
		}
		logger.Info("inbox", slog.Int64("pending", stats.Pending), slog.Duration("lag", lag), slog.Int64("dead", stats.Dead))
	}
}

// visitDead lists the dead letters, or puts them back.
func visitDead(ctx context.Context, file string, requeue bool, stdout io.Writer) (err error) {
	box, err := inbox.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	for letter, err := range box.Dead(ctx) {
		if err != nil {
			return err
		}
		if requeue {
			if err := box.Requeue(ctx, letter.Delivery.ID); err != nil {
				return err
			}
		}
		fmt.Fprintf(stdout, "%s %s attempts=%d died=%s: %s\n", letter.Delivery.ID, letter.Delivery.Type,
			letter.Attempts, letter.DiedAt.UTC().Format(time.RFC3339), letter.Err)
	}
	return nil
}
