// Command replies routes what comes back on tracked mail: the answer of a person goes to sales, an
// absence notice makes the sequence wait, and an address that bounces gets no more mail.
//
//	export NYLAS_API_KEY=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/replies
//
// Nylas sends thread.replied for whatever comes into the thread, and does not say who wrote it. The
// headers of the reply tell, so the program reads the reply. That can take longer than Nylas waits
// for an answer, or fail, so the inbox keeps the notification and tries again. A bounce has a
// notification of its own, message.bounce_detected.
//
// NYLAS_ADDR is where it listens, 127.0.0.1:8080 if it is not set. NYLAS_API_URL names another
// server, such as that of ./examples/emulator.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, getenv func(string) string, stdout io.Writer) (err error) {
	logger := slog.New(slog.NewTextHandler(stdout, nil))
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
	receiver, err := receive.New(box, box.Secrets(), receive.WithLogger(logger))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", receiver)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	local := "http://" + listener.Addr().String() + "/webhooks/nylas"
	logger.Info("listening", slog.String("url", local))
	r := &router{client, logger}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return receive.Serve(ctx, listener, mux) })
	group.Go(func() error {
		return box.Run(ctx, &receive.Dispatcher{
			ThreadReplied: r.replied, MessageBounceDetected: r.bounceDetected, MessageBounced: r.bounced,
		})
	})
	group.Go(func() error {
		_, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL: cmp.Or(getenv("NYLAS_WEBHOOK_URL"), local), Secrets: box.Secrets(),
			Types: []events.Type{events.TypeThreadReplied, events.TypeMessageBounceDetected, events.TypeMessageBounced},
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped meanwhile; the next start goes on with it
		}
		if err == nil {
			logger.Info("ready")
		}
		return err
	})
	return group.Wait()
}

// router is where your CRM stands. Its methods may be called again for the same notification.
type router struct {
	client *nylas.Client
	logger *slog.Logger
}

func (r *router) replied(ctx context.Context, n *events.Notification, replied *events.ThreadReplied) error {
	if replied.FromSelf != nil && *replied.FromSelf {
		return nil // a follow-up of the sender
	}
	machine, why, err := r.author(ctx, cmp.Or(replied.GrantID, n.GrantID), replied.MessageID)
	if err != nil {
		return err // the inbox tries again
	}
	route := "sales"
	switch machine {
	case events.MachineYes:
		route = "wait" // nobody has read it yet: neither stop the sequence nor count it
	case events.MachineNo:
	case events.MachineUnknown:
		why = "nobody can tell who wrote it: " + why // a person must not be missed
	}
	r.logger.Info("replied", slog.String("route", route), slog.String("label", replied.Label), slog.String("reply", replied.MessageID), slog.String("why", why))
	return nil
}

// author says whether a program wrote a message.
func (r *router) author(ctx context.Context, grantID, messageID string) (machine events.Machine, why string, err error) {
	// Some mailboxes have all headers, and others only the message as it was received.
	for _, fields := range []nylas.MessageFields{nylas.FieldsIncludeHeaders, nylas.FieldsRawMIME} {
		message, err := r.client.Messages.Get(ctx, grantID, messageID, nylas.WithFields(fields))
		if errors.Is(err, nylas.ErrNotFound) {
			return events.MachineUnknown, "it was deleted", nil
		}
		if err != nil {
			return events.MachineUnknown, "", err
		}
		if machine, why = message.MachineReply(); machine != events.MachineUnknown {
			break
		}
	}
	return machine, why, nil
}

// bounceDetected is for the mailboxes of Google, Microsoft, iCloud and Yahoo.
func (r *router) bounceDetected(_ context.Context, _ *events.Notification, bounced *events.MessageBounceDetected) error {
	r.suppress(bounced.BouncedAddresses, cmp.Or(bounced.Origin.ID, bounced.MessageID), bounced.Type)
	return nil
}

// bounced is for Agent Accounts.
func (r *router) bounced(_ context.Context, _ *events.Notification, bounced *events.MessageBounced) error {
	for _, recipient := range bounced.Bounce.Recipients {
		r.suppress(recipient.Email, bounced.Message.ID, bounced.Bounce.Type)
	}
	return nil
}

// suppress puts an address on the list of those that get no more mail. No address belongs into a
// log.
func (r *router) suppress(address, messageID, reason string) {
	r.logger.Info("bounced", slog.String("route", "suppress"), slog.Bool("address", address != ""), slog.String("message", messageID), slog.String("reason", reason))
}
