// Command cloudrun receives opens, clicks and replies in a container of Google Cloud Run: it
// listens on PORT, ends within ten seconds after SIGTERM, and logs as Cloud Logging reads it.
//
//	gcloud run deploy nylas --source . --allow-unauthenticated \
//	  --update-secrets NYLAS_WEBHOOK_SECRET=nylas-webhook-secret:latest
//
// Deploy it without the secret first, and make the webhook for its URL with the path
// /webhooks/nylas. Then put the webhook's secret into Secret Manager, and deploy again. Until then
// it answers 503 to notifications, so Nylas sends them again some minutes later. Separate several
// secrets by commas, the newest first. To rotate without a loss, the secrets must be in a store
// that all instances share: see ./examples/rotate.
//
// Cloud Run gives an instance little or no CPU between requests, and a disk that is memory. So
// store each event before you return nil, in a database or in Pub/Sub: an inbox would lose what it
// holds. Here the lines that Cloud Logging keeps stand for that. Each instance has a memory of its
// own, so recognise duplicates in what you store, by the id of the event.
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

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	logger := newLogger(stdout)
	var secrets receive.SecretSource = new(receive.MemorySecrets) // none yet
	if known := getenv("NYLAS_WEBHOOK_SECRET"); known != "" {
		secrets = receive.Secret(strings.Split(known, ",")...)
	}
	receiver, err := receive.New(&receive.Dispatcher{
		Other: func(_ context.Context, n *events.Notification) error { return store(logger, n) },
		// Nylas signed it and does not send it again: keep d.Body.
		Undecodable: func(_ context.Context, d *receive.Delivery, err error) error {
			logger.Error("undecodable", slog.String("id", d.ID), slog.Any("error", err))
			return nil
		},
	}, secrets, receive.WithLogger(logger))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", receiver)
	mux.Handle("GET /health", receiver.Health()) // for a startup probe
	// Cloud Run connects from outside of the container. NYLAS_HOST is for a machine of yours.
	addr := net.JoinHostPort(getenv("NYLAS_HOST"), cmp.Or(getenv("PORT"), "8080"))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	logger.Info("listening", slog.String("url", "http://"+listener.Addr().String()+"/webhooks/nylas"))
	// After SIGTERM it answers what is being handled, for which a Receiver takes at most 6 s.
	// Cloud Run kills it after 10 s.
	if err := receive.Serve(ctx, listener, mux); err != nil {
		return err
	}
	logger.Info("ended")
	return nil
}

// newLogger writes the fields by the names that Cloud Logging gives a meaning to.
// https://cloud.google.com/logging/docs/structured-logging
func newLogger(stdout io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case len(groups) > 0:
			case a.Key == slog.MessageKey:
				a.Key = "message"
			case a.Key == slog.LevelKey && a.Value.String() == slog.LevelWarn.String():
				return slog.String("severity", "WARNING")
			case a.Key == slog.LevelKey:
				a.Key = "severity"
			}
			return a
		},
	}))
}

// store is where your table or topic stands. After an error the answer is 503, and Nylas sends the
// notification again, up to two more times. A notification repeats up to 50 events of its message,
// which have the same ids each time.
func store(logger *slog.Logger, n *events.Notification) error {
	for _, e := range engagement.Events(n) {
		logger.Info("event", slog.String("id", e.ID), slog.String("notification", n.ID), slog.String("kind", string(e.Kind)),
			slog.String("message_id", e.MessageID), slog.String("label", e.Label), slog.Time("at", e.Time))
	}
	return nil
}
