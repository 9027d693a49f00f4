// Command webhooks has two webhooks in one program: one for opens, clicks and replies, and
// one for what goes wrong with sent mail. Each has a URL, a receiver and a secret of its own.
// Both keep their notifications in one inbox.
//
//	export NYLAS_API_KEY=… NYLAS_PUBLIC_URL=https://…
//	go run ./examples/webhooks
//
// NYLAS_PUBLIC_URL must lead to NYLAS_ADDR, 127.0.0.1:8080 if it is not set. NYLAS_API_URL
// names another server, such as that of ./examples/emulator.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, slog.Default()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

// webhooks are those that the program has. The names are those of their secrets.
var webhooks = []struct {
	name, path string
	types      []events.Type
}{
	{"tracking", "/webhooks/tracking", events.TrackingTypes()},
	{"failures", "/webhooks/failures", events.FailureTypes()},
}

func run(ctx context.Context, getenv func(string) string, logger *slog.Logger) (err error) {
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"), nylas.WithLogger(logger),
		nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")))
	if err != nil {
		return err
	}
	box, err := inbox.Open(cmp.Or(getenv("NYLAS_FILE"), "nylas.db"), inbox.WithLogger(logger))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	mux := http.NewServeMux()
	for _, webhook := range webhooks {
		receiver, err := receive.New(box, box.SecretsFor(webhook.name), receive.WithLogger(logger))
		if err != nil {
			return err
		}
		mux.Handle(webhook.path, receiver)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	logger.InfoContext(ctx, "listening", slog.String("addr", listener.Addr().String()))
	public := cmp.Or(getenv("NYLAS_PUBLIC_URL"), "http://"+listener.Addr().String())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return receive.Serve(ctx, listener, mux) })
	group.Go(func() error { return box.Run(ctx, dispatcher(logger)) })
	group.Go(func() error {
		for _, webhook := range webhooks {
			_, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
				URL: public + webhook.path, Types: webhook.types, Secrets: box.SecretsFor(webhook.name), Description: webhook.name,
			})
			if ctx.Err() != nil {
				return nil //nolint:nilerr // stopped meanwhile; the next start goes on with it
			}
			if err != nil {
				return err
			}
		}
		logger.InfoContext(ctx, "ready")
		return nil
	})
	return group.Wait()
}

// dispatcher says what to do with the notifications of both webhooks.
func dispatcher(logger *slog.Logger) *receive.Dispatcher {
	return &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			logger.Info("opened", slog.String("message", opened.MessageID))
			return nil
		},
		MessageBounceDetected: func(_ context.Context, _ *events.Notification, bounced *events.MessageBounceDetected) error {
			logger.Warn("bounced", slog.String("message", bounced.Origin.ID), slog.String("reason", bounced.Type))
			return nil
		},
		GrantExpired: func(_ context.Context, _ *events.Notification, expired *events.GrantExpired) error {
			logger.Warn("the mailbox must be connected again", slog.String("grant", expired.GrantID))
			return nil
		},
		Other: func(_ context.Context, n *events.Notification) error {
			logger.Info("other", slog.String("type", string(n.Type)))
			return nil
		},
	}
}
