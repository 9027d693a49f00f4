// Command chi receives opens, clicks and replies behind the router chi and its middleware, beside
// the other routes of a service.
//
//	export NYLAS_API_KEY=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/chi
//
// Three things matter behind any router. The route takes GET too, by which Nylas asks for its
// challenge. No middleware reads the body, of which Nylas signs each byte. And each middleware that
// wraps the ResponseWriter has the method Unwrap, as those of chi have: without it a slow body
// cannot be cut off, and the receiver logs a warning.
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
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	remembered   = 10_000           // ids of deliveries: see receive.DropDuplicates
	pageTimeout  = 30 * time.Second // of the service's own routes
	maxPageBytes = 64 << 10
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
	secrets, err := receive.NewFileSecrets(cmp.Or(getenv("NYLAS_SECRET_FILE"), "webhook.json"))
	if err != nil {
		return err
	}
	receiver, err := receive.New(receive.DropDuplicates(dispatcher(logger), remembered), secrets, receive.WithLogger(logger))
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	local := "http://" + listener.Addr().String() + "/webhooks/nylas"
	logger.Info("listening", slog.String("url", local))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- receive.Serve(ctx, listener, routes(logger, receiver)) }()
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: cmp.Or(getenv("NYLAS_WEBHOOK_URL"), local), Types: events.TrackingTypes(), Secrets: secrets,
	})
	if err != nil {
		stop()
		return errors.Join(err, <-served)
	}
	logger.Info("ready")
	return <-served
}

// routes are those of the service. The webhook shares the log with the others, and not what
// limits them: a Receiver has limits of its own.
func routes(logger *slog.Logger, receiver http.Handler) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.RequestID, logRequests(logger), middleware.Recoverer)
	router.Handle("/webhooks/nylas", receiver) // not router.Post: the challenge is a GET
	router.Group(func(pages chi.Router) {
		pages.Use(middleware.Timeout(pageTimeout), middleware.RequestSize(maxPageBytes))
		pages.Get("/hello/{name}", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = fmt.Fprintln(w, "hello", chi.URLParam(r, "name")) // an error means that the reader is gone
		})
	})
	return router
}

// logRequests writes a line for each request. It logs the route and not the URL, which may hold a
// challenge or a name.
func logRequests(logger *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor) // has Unwrap
			next.ServeHTTP(wrapped, r)
			logger.Info("request", slog.String("method", r.Method), slog.String("route", chi.RouteContext(r.Context()).RoutePattern()),
				slog.Int("status", wrapped.Status()), slog.String("id", middleware.GetReqID(r.Context())))
		})
	}
}

func dispatcher(logger *slog.Logger) *receive.Dispatcher {
	return &receive.Dispatcher{Other: func(_ context.Context, n *events.Notification) error {
		for _, tracked := range n.Tracked() {
			logger.Info("event", slog.String("type", string(n.Type)), slog.String("message", tracked.MessageID), slog.String("label", tracked.Label))
		}
		return nil // after an error Nylas sends it again
	}}
}
