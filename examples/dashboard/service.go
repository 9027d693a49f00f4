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
	"net/netip"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/otelnylas"
	"github.com/nylastrack/nylas-go/receive"
)

// run shows the pages until ctx ends. What was received by then is in the storage.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) (err error) {
	set, err := parse(args, getenv, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	pages, err := set.pages.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = pages.Close() }()
	guard, err := newGuard(pages.Addr(), set.password)
	if err != nil {
		return err
	}
	deliveries, err := set.receive.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = deliveries.Close() }()

	p := &service{settings: set, logger: slog.New(slog.NewTextHandler(stdout, nil)), stdout: stdout}
	if p.metrics, err = newMetrics(); err != nil {
		return err
	}
	if p.storage, err = openStorage(ctx, set, p.logger, p.metrics.provider); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.storage.close()) }()
	if set.apiKey == "" {
		server, err := startNylas(set, p.logger)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		p.demo = newDemonstration(server, p.storage.events, set, p.logger)
		p.apiURL, p.apiKey = server.URL(), server.APIKey()
		p.webhookURL = "http://" + deliveries.Addr().String() + webhookPath
	}
	return p.serve(ctx, pages, deliveries, guard)
}

// service is what runs.
type service struct {
	settings
	storage *storage
	metrics *metrics
	demo    *demonstration // nil with the real Nylas
	logger  *slog.Logger
	stdout  io.Writer
}

func (s *service) serve(ctx context.Context, pages, deliveries net.Listener, guard func(http.Handler) http.Handler) error {
	measure := otelnylas.WithMeterProvider(s.metrics.provider)
	client, err := nylas.NewClient(s.apiKey, nylas.WithBaseURL(s.apiURL), nylas.WithLogger(s.logger),
		nylas.WithRoundTripper(otelnylas.Transport(measure)))
	if err != nil {
		return err
	}
	// The demonstration has a sender who looks at the own mail.
	classifier, err := engagement.NewClassifier(engagement.WithOwnNetworks(s.ownNetworks()...))
	if err != nil {
		return err
	}
	mailboxes, err := s.senders(ctx, client)
	if err != nil {
		return err
	}
	shown, err := dashboard.New(s.storage.events, dashboard.WithClassifier(classifier), dashboard.WithLogger(s.logger),
		dashboard.WithClient(client, mailboxes...))
	if err != nil {
		return err
	}
	secrets := s.storage.secrets(s.webhookURL)
	receiver, err := receive.New(s.storage.deliveries, secrets, receive.WithLogger(s.logger))
	if err != nil {
		return err
	}
	handler, err := engagement.NewHandler(engagement.NewLedger(s.storage.events), classifier,
		func(context.Context, engagement.Event, engagement.Verdict) error { return nil }, // what more is to be done goes here
		engagement.WithReplyHeaders(replyHeaders(client)), engagement.WithDelivery(s.storage.events.SetDelivery))
	if err != nil {
		return err
	}
	front, back := http.NewServeMux(), http.NewServeMux()
	front.Handle("/", shown)
	front.Handle("GET /metrics", s.metrics.page)
	front.Handle("GET /healthz/receiver", receiver.Health())
	if s.storage.health != nil {
		front.Handle("GET /healthz/inbox", s.storage.health)
	}
	back.Handle(webhookPath, otelnylas.Receiver(receiver, measure))
	fmt.Fprintf(s.stdout, "The dashboard is at http://%s/\n", pages.Addr())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return servePages(ctx, pages, guard(front)) })
	group.Go(func() error { return receive.Serve(ctx, deliveries, back) })
	group.Go(func() error { return s.storage.deliveries.Run(ctx, otelnylas.Handler(handler, measure)) })
	group.Go(func() error { return shown.Run(ctx) })
	group.Go(func() error {
		_, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL: s.webhookURL, Types: slices.Concat(events.TrackingTypes(), events.DeliveryTypes()), Secrets: secrets, Description: "Dashboard",
		})
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // stopped meanwhile; the next start goes on with it
		case err != nil:
			return err
		case s.demo == nil:
			fmt.Fprintf(s.stdout, "Nylas delivers to %s, which must lead to http://%s%s\n", s.webhookURL, deliveries.Addr(), webhookPath)
			return nil
		}
		return s.demo.run(ctx, client, s.stdout)
	})
	return group.Wait()
}

// ownNetworks are the networks of the senders: opens and clicks from there are theirs.
func (s *service) ownNetworks() []netip.Prefix {
	if s.demo == nil {
		return nil // name those of your office here
	}
	return []netip.Prefix{nylastest.SenderNetwork()}
}

// senders returns the mailboxes that the form for a new message offers.
func (s *service) senders(ctx context.Context, client *nylas.Client) ([]dashboard.Sender, error) {
	if s.demo != nil {
		return s.demo.connect(ctx, client)
	}
	sender := dashboard.Sender{GrantID: s.grantID, Name: s.grantID}
	if grant, err := client.Grants.Get(ctx, s.grantID); err != nil {
		s.logger.Warn("the form shows the grant's id, because its address cannot be read", slog.Any("error", err))
	} else if grant.Email != "" {
		sender.Name = grant.Email
	}
	return []dashboard.Sender{sender}, nil
}

// replyHeaders returns a function that reads the headers of a reply, which tell whether a
// program wrote it.
func replyHeaders(client *nylas.Client) func(context.Context, engagement.Event) (map[string][]string, error) {
	return func(ctx context.Context, e engagement.Event) (map[string][]string, error) {
		reply, err := client.Messages.Get(ctx, e.GrantID, e.ReplyID, nylas.WithFields(nylas.FieldsIncludeHeaders))
		if errors.Is(err, nylas.ErrNotFound) {
			return nil, nil // it was deleted
		} else if err != nil {
			return nil, err // the event comes again
		}
		headers := make(map[string][]string)
		for _, h := range reply.Headers {
			headers[h.Name] = append(headers[h.Name], h.Value)
		}
		return headers, nil
	}
}
