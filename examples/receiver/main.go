// Command receiver is a server that receives opens, clicks and replies and
// writes a line for each.
//
//	export NYLAS_WEBHOOK_SECRET=…
//	go run ./examples/receiver -addr :8080
//
// Several secrets are separated by commas, the newest first. They are fixed: a
// program that changes its secret uses Receiver.RotateSecret, and one that runs
// several times WithSecretSource, or it loses events. Without a secret,
// the receiver creates the webhook itself, which is when Nylas shows its secret,
// and keeps that in a file for the next start:
//
//	export NYLAS_API_KEY=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/receiver -addr :8080 -secret-file webhook.secret
//
// NYLAS_REGION and NYLAS_API_URL choose the region or another server, such as
// that of ./examples/emulator.
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
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// Nylas gives up on a delivery after 10 s, of which the header may take 2 and the
// receiver takes at most 6.
const (
	readHeaderTimeout = 2 * time.Second
	readTimeout       = 5 * time.Second // of what is not for the receiver
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
	shutdownTimeout   = 10 * time.Second
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

	secrets, err := readSecrets(getenv("NYLAS_WEBHOOK_SECRET"), *secretFile)
	if err != nil {
		return err
	}
	options := []receive.Option{receive.WithLogger(logger), receive.WithSecretsLater()}
	if len(secrets) > 0 {
		options[1] = receive.WithSecrets(secrets...)
	} else if getenv("NYLAS_WEBHOOK_URL") == "" || *secretFile == "" {
		return errors.New("receiver: set NYLAS_WEBHOOK_SECRET, or NYLAS_WEBHOOK_URL and -secret-file to create a webhook")
	}
	// The duplicates are dropped in memory here. A program that must not lose an
	// event to a crash puts a durable handler in the dispatcher's place.
	receiver, err := receive.New(receive.DropDuplicates(0)(newDispatcher(logger)), options...)
	if err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle(*path, receiver)
	server := newServer(mux)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	logger.Info("listening", slog.String("url", "http://"+listener.Addr().String()+*path))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	if len(secrets) > 0 && getenv("NYLAS_WEBHOOK_SECRET") == "" {
		logger.Info("using the kept secret; remove the file to create a new webhook", slog.String("file", *secretFile))
	}
	if len(secrets) == 0 {
		if err := subscribe(ctx, getenv, receiver, *secretFile); err != nil {
			return errors.Join(err, server.Close())
		}
		logger.Info("webhook created, its secret is kept", slog.String("file", *secretFile))
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// What was accepted is finished: Shutdown waits for the running deliveries. A
	// store behind the dispatcher would be closed after it, and not before.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return server.Shutdown(ctx)
}

// newServer returns a server that slow clients cannot hold up: the receiver sets
// limits to what comes after the header, and these are for the rest.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}

// newDispatcher says what to do with each kind of event. A function that returns
// an error gets the event again; one that cannot be mended is receive.Permanent.
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

// readSecrets takes the secrets from the environment, otherwise from the file.
func readSecrets(env, file string) ([]string, error) {
	if env == "" && file != "" {
		content, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		env = string(content)
	}
	if env = strings.TrimSpace(env); env == "" {
		return nil, nil
	}
	secrets := strings.Split(env, ",")
	for i := range secrets {
		secrets[i] = strings.TrimSpace(secrets[i])
	}
	return secrets, nil
}

// subscribe creates the webhook, which this server must already be able to
// answer for, and gives its secret to the receiver.
func subscribe(ctx context.Context, getenv func(string) string, receiver *receive.Receiver, secretFile string) error {
	var opts []nylas.ClientOption
	if region := getenv("NYLAS_REGION"); region != "" {
		opts = append(opts, nylas.WithRegion(nylas.Region(region)))
	}
	if url := getenv("NYLAS_API_URL"); url != "" {
		opts = append(opts, nylas.WithBaseURL(url))
	}
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"), opts...)
	if err != nil {
		return err
	}
	// The file is made first: a secret that cannot be kept is lost.
	file, err := os.OpenFile(secretFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	webhook, err := client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
		TriggerTypes: events.TrackingTypes(),
		WebhookURL:   getenv("NYLAS_WEBHOOK_URL"),
		Description:  "Email engagement tracking",
	})
	if err != nil {
		return errors.Join(err, file.Close())
	}
	_, err = file.WriteString(webhook.WebhookSecret + "\n")
	return errors.Join(err, file.Close(), receiver.SetSecrets(webhook.WebhookSecret))
}
