// Command river keeps Nylas' notifications in PostgreSQL and handles them from there, in any
// number of processes:
//
//	export DATABASE_URL=postgres://…
//	export NYLAS_API_KEY=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/river receive -addr :8080    # creates the webhook once, and answers Nylas
//	go run ./examples/river work                   # writes a line for each event
//	go run ./examples/river stats                  # how many wait, run and are dead
//	go run ./examples/river dead                   # what was given up, and why
//	go run ./examples/river requeue id...          # handle it again
//
// All of them may run several times. The secret of the webhook is in the database too.
// NYLAS_API_URL names another server, such as that of ./examples/emulator.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/riversink"
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

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	const usage = "usage: river receive|work|stats|dead|requeue"
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet("river "+args[0], flag.ContinueOnError)
	schema := flags.String("schema", "nylas", "schema of the tables")
	addr := flags.String("addr", "127.0.0.1:8080", "address to receive on")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}

	pool, err := pgxpool.New(ctx, getenv("DATABASE_URL"))
	if err != nil {
		return errors.New("river: DATABASE_URL cannot be read") // the error would show it
	}
	defer pool.Close()
	sink, err := riversink.Open(pool, riversink.WithSchema(*schema))
	if err != nil {
		return err
	}
	if err := sink.Migrate(ctx); err != nil {
		return err
	}
	switch args[0] {
	case "receive":
		return accept(ctx, sink, *addr, getenv, stdout)
	case "work":
		return sink.Run(ctx, dispatcher(stdout))
	case "stats":
		return stats(ctx, sink, stdout)
	case "dead":
		return dead(ctx, sink, stdout)
	case "requeue":
		return sink.Requeue(ctx, flags.Args()...)
	default:
		return errors.New(usage)
	}
}

func accept(ctx context.Context, sink *riversink.Sink, addr string, getenv func(string) string, stdout io.Writer) error {
	webhookURL := getenv("NYLAS_WEBHOOK_URL")
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"),
		nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")))
	if err != nil {
		return err
	}
	secrets := sink.Secrets(webhookURL)
	receiver, err := receive.New(sink, secrets)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "receiving at http://%s\n", listener.Addr())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return receive.Serve(ctx, listener, receiver) })
	group.Go(func() error {
		webhook, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL: webhookURL, Types: events.TrackingTypes(), Secrets: secrets,
		})
		if err == nil {
			fmt.Fprintf(stdout, "subscribed as webhook %s\n", webhook.ID)
		}
		return err
	})
	return group.Wait()
}

func dispatcher(stdout io.Writer) *receive.Dispatcher {
	return &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			fmt.Fprintln(stdout, "opened", opened.MessageID, opened.Label)
			return nil
		},
		MessageLinkClicked: func(_ context.Context, _ *events.Notification, clicked *events.MessageLinkClicked) error {
			fmt.Fprintln(stdout, "clicked", clicked.MessageID, clicked.Label)
			return nil
		},
		ThreadReplied: func(_ context.Context, _ *events.Notification, replied *events.ThreadReplied) error {
			fmt.Fprintln(stdout, "replied", replied.RootMessageID, replied.Label)
			return nil
		},
	}
}

func stats(ctx context.Context, sink *riversink.Sink, stdout io.Writer) error {
	s, err := sink.Stats(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "pending %d, running %d, dead %d", s.Pending, s.Running, s.Dead)
	if !s.Oldest.IsZero() {
		fmt.Fprintf(stdout, ", the oldest of %v ago", time.Since(s.Oldest).Round(time.Second))
	}
	fmt.Fprintln(stdout)
	return nil
}

func dead(ctx context.Context, sink *riversink.Sink, stdout io.Writer) error {
	for letter, err := range sink.Dead(ctx) {
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s %s, %d attempts, given up at %s: %s\n", letter.Delivery.ID, letter.Delivery.Type,
			letter.Attempts, letter.DiedAt.Format(time.RFC3339), letter.Err)
	}
	return nil
}
