// Command laptop shows real events on a laptop: it checks that its public URL leads here, makes a
// webhook for it, writes a line for each event, and deletes the webhook when you interrupt it.
//
//	export NYLAS_API_KEY=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/laptop
//
// The URL is that of a tunnel to NYLAS_ADDR, 127.0.0.1:8080 if it is not set. Nylas refuses
// addresses of ngrok. Port forwarding of VS Code works if the port is made public, and Hookdeck
// does. Without any tunnel, ./examples/pubsub does the same.
//
// Then send a message from a production application, in another terminal, and read it:
//
//	go run ./examples/send -to you@example.org
//
// NYLAS_API_URL names another server, such as that of ./examples/emulator.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	webhookPath = "/webhooks/nylas"
	// answerLimit is how long Nylas waits for an answer to its challenge.
	// https://developer.nylas.com/docs/v3/notifications/
	answerLimit = 10 * time.Second
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
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"), nylas.WithLogger(logger),
		nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")))
	if err != nil {
		return err
	}
	handler, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore(engagement.WithEvents())), nil,
		func(_ context.Context, e engagement.Event, v engagement.Verdict) error {
			logger.Info("event", slog.String("kind", string(e.Kind)), slog.String("message", e.MessageID), slog.String("label", e.Label),
				slog.String("verdict", v.String()), slog.String("why", engagement.Sentences(v.Reasons)))
			return nil
		})
	if err != nil {
		return err
	}
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(handler, secrets, receive.WithLogger(logger))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(webhookPath, receiver)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	local := listener.Addr().String()
	logger.Info("listening", slog.String("url", "http://"+local+webhookPath))
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // until the webhook is deleted
	defer stop()
	served := make(chan error, 1)
	go func() { served <- receive.Serve(serving, listener, mux) }()

	err = show(ctx, client, cmp.Or(getenv("NYLAS_WEBHOOK_URL"), "http://"+local+webhookPath), local, secrets, logger)
	stop()
	return errors.Join(err, <-served)
}

// show has a webhook until ctx ends.
func show(ctx context.Context, client *nylas.Client, public, local string, secrets receive.SecretStore, logger *slog.Logger) error {
	if err := leadsHere(ctx, public, local); err != nil {
		return err
	}
	webhook, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: public, Types: events.TrackingTypes(), Secrets: secrets, Description: "a laptop",
		Adopt: true, // a run that was killed may have left one, with a secret that nobody knows
	})
	if err != nil {
		return err
	}
	logger.Info("ready", slog.String("webhook", webhook.ID))
	<-ctx.Done()
	// Otherwise Nylas tries for 72 hours to reach a laptop that is closed.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
	defer cancel()
	return client.Webhooks.Delete(ending, webhook.ID)
}

// leadsHere asks for a challenge as Nylas does. What it says is more useful than Nylas' refusal.
func leadsHere(ctx context.Context, public, local string) error {
	target, err := url.Parse(public)
	if err != nil || target.Host == "" {
		return errors.New("laptop: NYLAS_WEBHOOK_URL is not a URL such as https://example.com" + webhookPath)
	}
	if strings.Contains(target.Hostname(), "ngrok") {
		return errors.New("laptop: Nylas refuses addresses of ngrok: forward the port with VS Code or Hookdeck, or use ./examples/pubsub")
	}
	challenge := rand.Text()
	target.RawQuery = url.Values{"challenge": {challenge}}.Encode()
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("laptop: nothing answers at NYLAS_WEBHOOK_URL: does the tunnel to %s run? %w", local, errors.Unwrap(err))
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, int64(len(challenge))+1))
	switch {
	case err != nil:
		return err
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return fmt.Errorf("laptop: NYLAS_WEBHOOK_URL redirects (%d), to a login perhaps: make the port public", answer.StatusCode)
	case answer.StatusCode != http.StatusOK || string(text) != challenge:
		return fmt.Errorf("laptop: something else answers at NYLAS_WEBHOOK_URL (%d): forward the port of %s, and let the path be %s",
			answer.StatusCode, local, webhookPath)
	}
	return nil
}
