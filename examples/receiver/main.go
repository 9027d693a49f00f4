// Command receiver is a server that receives opens, clicks and replies, and writes a line
// for each.
//
//	export NYLAS_API_KEY=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/receiver -addr :8080 -secret-file webhook.json
//
// It makes sure that the webhook exists, and keeps its secret in the file for the next start
// and for other processes on this machine. With NYLAS_WEBHOOK_SECRET it creates no webhook
// and uses that secret. Separate several secrets by commas, the newest first.
//
// NYLAS_API_URL names another server, such as that of ./examples/emulator. NYLAS_REGION is us
// or eu.
package main

import (
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
	"strings"
	"syscall"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// remembered is how many ids of deliveries are known again: see DropDuplicates.
const remembered = 10_000

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
	flags := flag.NewFlagSet("receiver", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	path := flags.String("path", "/webhooks/nylas", "path of the webhook URL")
	secretFile := flags.String("secret-file", "", "file that keeps the secret of a webhook created here")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	logger := slog.New(slog.NewTextHandler(stdout, nil))

	secrets, subscribe, err := webhookSecrets(getenv, *secretFile)
	if err != nil {
		return err
	}
	// The duplicates are dropped in memory here. A program that must not lose an
	// event to a crash puts a durable handler in the dispatcher's place.
	receiver, err := receive.New(receive.DropDuplicates(newDispatcher(logger), remembered), secrets, receive.WithLogger(logger))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(*path, receiver)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	logger.Info("listening", slog.String("url", "http://"+listener.Addr().String()+*path))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- receive.Serve(ctx, listener, mux) }()

	// The server must answer before Nylas makes the webhook: it asks for a challenge.
	if err := subscribe(ctx); err != nil {
		stop()
		return errors.Join(err, <-served)
	}
	logger.Info("ready")
	return <-served
}

// webhookSecrets returns the source of the secrets, and what makes sure that the
// webhook exists.
func webhookSecrets(getenv func(string) string, file string) (receive.SecretSource, func(context.Context) error, error) {
	if fixed := getenv("NYLAS_WEBHOOK_SECRET"); fixed != "" {
		return receive.Secret(strings.Split(fixed, ",")...), func(context.Context) error { return nil }, nil
	}
	url := getenv("NYLAS_WEBHOOK_URL")
	if url == "" || file == "" {
		return nil, nil, errors.New("receiver: set NYLAS_WEBHOOK_URL and -secret-file, or NYLAS_WEBHOOK_SECRET of a webhook that exists")
	}
	client, err := newClient(getenv)
	if err != nil {
		return nil, nil, err
	}
	store, err := receive.NewFileSecrets(file)
	if err != nil {
		return nil, nil, err
	}
	return store, func(ctx context.Context) error {
		_, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL: url, Types: events.TrackingTypes(), Secrets: store, Description: "Email engagement tracking",
		})
		return err
	}, nil
}

func newClient(getenv func(string) string) (*nylas.Client, error) {
	var opts []nylas.ClientOption
	if region := getenv("NYLAS_REGION"); region != "" {
		opts = append(opts, nylas.WithRegion(nylas.Region(region)))
	}
	if url := getenv("NYLAS_API_URL"); url != "" {
		opts = append(opts, nylas.WithBaseURL(url))
	}
	return nylas.NewClient(getenv("NYLAS_API_KEY"), opts...)
}

// newDispatcher says what to do with each kind of event. A function that returns
// an error gets the event again; receive.Permanent marks one that no retry can fix.
func newDispatcher(logger *slog.Logger) *receive.Dispatcher {
	return &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			logger.Info("opened", slog.String("message", opened.MessageID), slog.String("label", opened.Label),
				slog.Int64("count", int64(opened.MessageData.Count)), slog.Int("recents", len(opened.Recents)))
			return nil
		},
		MessageLinkClicked: func(_ context.Context, _ *events.Notification, clicked *events.MessageLinkClicked) error {
			logger.Info("link clicked", slog.String("message", clicked.MessageID), slog.String("label", clicked.Label),
				slog.Int("recents", len(clicked.Recents)))
			return nil
		},
		ThreadReplied: func(_ context.Context, _ *events.Notification, replied *events.ThreadReplied) error {
			logger.Info("replied", slog.String("message", replied.RootMessageID), slog.String("label", replied.Label),
				slog.String("reply", replied.MessageID))
			return nil
		},
		Other: func(_ context.Context, n *events.Notification) error {
			logger.Info("other", slog.String("type", string(n.Type)), slog.String("id", n.ID))
			return nil
		},
		// Nylas signed it and will not send it again: a program that wants to look at
		// it later keeps d.Body.
		Undecodable: func(_ context.Context, d *receive.Delivery, err error) error {
			logger.Error("undecodable", slog.String("id", d.ID), slog.Int("bytes", len(d.Body)), slog.Any("error", err))
			return nil
		},
	}
}
