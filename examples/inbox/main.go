// Command inbox receives Nylas' notifications without losing one. It answers
// Nylas once a notification is on the disk, and handles it afterwards: again and
// again if the handler fails, and after a restart too.
//
//	export NYLAS_WEBHOOK_SECRET=…
//	go run ./examples/inbox -addr :8080 -file nylas.db
//
// Separate several secrets by commas, the newest first. -dead lists the
// notifications that were given up, and -requeue has them handled again. Both need
// the file for themselves, so stop the server first.
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

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// Nylas gives up on a delivery after 10 s, of which the receiver takes at most 8.
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

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("inbox", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	path := flags.String("path", "/webhooks/nylas", "path of the webhook URL")
	file := flags.String("file", "nylas.db", "file of the inbox")
	listDead := flags.Bool("dead", false, "list what was given up, and end")
	requeue := flags.Bool("requeue", false, "have what was given up handled again, and end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	logger := slog.New(slog.NewTextHandler(stdout, nil))

	// The events of one message come in the order in which they were received.
	box, err := inbox.Open(*file, inbox.WithLogger(logger), inbox.WithOrder(receive.MessageOrder))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	if *listDead || *requeue {
		return visitDead(ctx, box, *requeue, stdout)
	}
	receiver, err := receive.New(box, receive.WithLogger(logger),
		receive.WithSecrets(strings.Split(getenv("NYLAS_WEBHOOK_SECRET"), ",")...))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(*path, receiver)
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	logger.Info("listening", slog.String("url", "http://"+listener.Addr().String()+*path))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	worked := make(chan error, 1)
	go func() { worked <- box.Run(working, newDispatcher(logger)) }()

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// First stop receiving, which waits for what is being stored, then the handlers.
	// What is not handled by then stays in the file.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(ctx)
	stopWorking()
	return errors.Join(err, <-worked)
}

// visitDead lists the dead letters, or puts them back.
func visitDead(ctx context.Context, box *inbox.Inbox, requeue bool, stdout io.Writer) error {
	for letter, err := range box.Dead(ctx) {
		if err != nil {
			return err
		}
		if requeue {
			if err := box.Requeue(ctx, letter.Delivery.ID); err != nil {
				return err
			}
		}
		fmt.Fprintf(stdout, "%s %s attempts=%d died=%s: %s\n", letter.Delivery.ID, letter.Delivery.Type,
			letter.Attempts, letter.DiedAt.UTC().Format(time.RFC3339), letter.Err)
	}
	return nil
}

// newDispatcher says what to do with each kind of event. A function that returns
// an error gets the event again, later each time; one that cannot be mended is
// receive.Permanent.
func newDispatcher(logger *slog.Logger) *receive.Dispatcher {
	return &receive.Dispatcher{
		MessageOpened: func(_ context.Context, n *events.Notification, opened *events.MessageOpened) error {
			logger.Info("opened", slog.String("id", n.ID), slog.String("message", opened.MessageID), slog.String("label", opened.Label))
			return nil
		},
		MessageLinkClicked: func(_ context.Context, n *events.Notification, clicked *events.MessageLinkClicked) error {
			logger.Info("link clicked", slog.String("id", n.ID), slog.String("message", clicked.MessageID), slog.String("label", clicked.Label))
			return nil
		},
		ThreadReplied: func(_ context.Context, n *events.Notification, replied *events.ThreadReplied) error {
			logger.Info("replied", slog.String("id", n.ID), slog.String("message", replied.RootMessageID), slog.String("label", replied.Label))
			return nil
		},
		Other: func(_ context.Context, n *events.Notification) error {
			logger.Info("other", slog.String("id", n.ID), slog.String("type", string(n.Type)))
			return nil
		},
	}
}
