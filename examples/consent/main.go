// Command consent tracks only mail to people who agreed to it, and forgets what it knows of
// somebody who refuses later.
//
//	export NYLAS_API_KEY=… NYLAS_GRANT_ID=… NYLAS_PUBLIC_URL=https://…
//	export NYLAS_TO=kim@example.org,lee@example.org NYLAS_AGREED=kim@example.org
//	go run ./examples/consent
//
// It sends a message to each address in NYLAS_TO. A policy of the client asks before each send who
// agreed; nobody else is tracked. Each message has a page on which its recipient refuses, at the
// end of the body and as List-Unsubscribe. A refusal switches tracking off, and withdraws the
// events of the mail that was sent before: Nylas goes on notifying of that, and the store drops it.
//
// Whether you need consent depends on where your recipients are and what your mail is for: see
// nylas.TrackingPolicy.
//
// NYLAS_PUBLIC_URL must lead to NYLAS_ADDR, 127.0.0.1:8080 if it is not set. NYLAS_API_URL names
// another server, such as that of ./examples/emulator.
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
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/nylastrack/nylas-go"
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
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	public := cmp.Or(getenv("NYLAS_PUBLIC_URL"), "http://"+listener.Addr().String())
	people := newPeople(public, strings.Split(getenv("NYLAS_AGREED"), ","))
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"), nylas.WithLogger(logger),
		nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")),
		nylas.WithTrackingPolicy(nylas.TrackingPolicy{Consent: people.consent, Unknown: nylas.ConsentDenied}))
	if err != nil {
		return err
	}
	secrets, err := receive.NewFileSecrets(cmp.Or(getenv("NYLAS_SECRET_FILE"), "webhook.json"))
	if err != nil {
		return err
	}
	handler, err := engagement.NewHandler(engagement.NewLedger(people.store), nil, func(_ context.Context, e engagement.Event, v engagement.Verdict) error {
		logger.Info("event", slog.String("kind", string(e.Kind)), slog.String("message", e.MessageID), slog.String("verdict", v.String()))
		return nil
	})
	if err != nil {
		return err
	}
	receiver, err := receive.New(handler, secrets, receive.WithLogger(logger))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", receiver)
	mux.HandleFunc("GET "+refusalPath+"{token}", people.ask)
	mux.HandleFunc("POST "+refusalPath+"{token}", people.refuse)
	logger.Info("listening", slog.String("url", "http://"+listener.Addr().String()))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return receive.Serve(ctx, listener, mux) })
	group.Go(func() error {
		_, err := client.Subscribe(ctx, &nylas.SubscribeRequest{URL: public + "/webhooks/nylas", Types: events.TrackingTypes(), Secrets: secrets})
		for email := range strings.SplitSeq(getenv("NYLAS_TO"), ",") {
			if err == nil && email != "" {
				err = people.send(ctx, client, getenv("NYLAS_GRANT_ID"), email, logger)
			}
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped meanwhile
		}
		return err
	})
	return group.Wait()
}

// send sends a message to one person, so that Nylas tracks for that person alone.
func (p *people) send(ctx context.Context, client *nylas.Client, grantID, email string, logger *slog.Logger) error {
	refusal := p.refusalURL(email)
	var response nylas.Response
	message, err := client.Messages.Send(ctx, grantID, &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: email}}, Subject: "Your trial",
		Body: `<p>How is your trial?</p><p><a href="` + refusal + `">No more mail and no tracking, please</a></p>`,
		// Mail clients show it as a button, and post. It does not work with Microsoft and iCloud.
		CustomHeaders: []nylas.Header{
			{Name: "List-Unsubscribe", Value: "<" + refusal + ">"},
			{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"},
		},
		// Links are tracked all or none, and the one to refuse must not be.
		TrackingOptions: &nylas.TrackingOptions{Opens: true, ThreadReplies: true},
	}, nylas.WithResponse(&response))
	if err != nil {
		return err
	}
	tracked := slices.ContainsFunc(response.Tracking, func(d nylas.TrackingDecision) bool { return d.Allowed })
	logger.Info("sent", slog.String("message", message.ID), slog.Bool("tracked", tracked))
	return p.sent(ctx, email, message)
}
