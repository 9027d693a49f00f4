// Command stdlib receives opens, clicks and replies with net/http alone: without a client, an API
// key or a framework. Somebody makes the webhook in the Nylas Dashboard, which shows its secret.
//
//	go run ./examples/stdlib
//
// Start it without the secret first: the Dashboard makes a webhook only for a URL that answers,
// such as https://…/webhooks/nylas. Then start it again with the secret:
//
//	export NYLAS_WEBHOOK_SECRET=…
//
// Without the secret it answers 503 to notifications, so Nylas sends them again some minutes
// later. Separate several secrets by commas, the newest first. NYLAS_ADDR is where it listens,
// 127.0.0.1:8080 if it is not set.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// The limits that a Receiver needs of its server; see receive.Serve, which sets them too.
const (
	headerTimeout  = 2 * time.Second
	readTimeout    = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
	grace          = 10 * time.Second // for requests that are being handled
)

// remembered is how many ids of deliveries are known again: see receive.DropDuplicates.
const remembered = 10_000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	var secrets receive.SecretSource = new(receive.MemorySecrets) // none yet
	if known := getenv("NYLAS_WEBHOOK_SECRET"); known != "" {
		secrets = receive.Secret(strings.Split(known, ",")...)
	} else {
		logger.Warn("no NYLAS_WEBHOOK_SECRET: make the webhook in the Dashboard, and start again with its secret")
	}
	receiver, err := receive.New(receive.DropDuplicates(dispatcher(logger), remembered), secrets, receive.WithLogger(logger))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", receiver) // without a method: Nylas' challenge is a GET
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	logger.Info("listening", slog.String("url", "http://"+listener.Addr().String()+"/webhooks/nylas"))
	return serve(ctx, listener, mux)
}

// serve is receive.Serve written out, for a server that needs more, such as TLS.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return server.Shutdown(ending)
}

// dispatcher says what to do with each kind of event. Return nil once the event is safe: Nylas
// does not send it again. After an error it does, up to two more times.
func dispatcher(logger *slog.Logger) *receive.Dispatcher {
	return &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			latest, _ := opened.Latest()
			logger.Info("opened", slog.String("message", opened.MessageID), slog.String("label", opened.Label), slog.String("ip", latest.IP))
			return nil
		},
		MessageLinkClicked: func(_ context.Context, _ *events.Notification, clicked *events.MessageLinkClicked) error {
			latest, _ := clicked.Latest()
			link, _ := clicked.Link(latest)
			logger.Info("clicked", slog.String("message", clicked.MessageID), slog.String("label", clicked.Label), slog.String("to", link.URL))
			return nil
		},
		ThreadReplied: func(_ context.Context, _ *events.Notification, replied *events.ThreadReplied) error {
			logger.Info("replied", slog.String("message", replied.RootMessageID), slog.String("label", replied.Label))
			return nil
		},
		Undecodable: func(_ context.Context, d *receive.Delivery, err error) error {
			logger.Error("undecodable", slog.String("id", d.ID), slog.Any("error", err)) // keep d.Body
			return nil
		},
	}
}
