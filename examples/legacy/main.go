// Command legacy receives the events of mail that was sent through API v2 and through API v3 at one
// webhook, and makes records of one kind of both. It is for the time after a migration, in which
// people still open old mail.
//
//	export NYLAS_API_KEY=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/legacy
//
// Nylas notifies of old mail by triggers of their own, such as message.opened.legacy, in the shape
// of API v2: one notification may be about several messages, and the label is called payload. The
// ids of messages and threads are those of API v2 too, so look them up in what you kept of that
// mail.
//
// NYLAS_ADDR is where it listens, 127.0.0.1:8080 if it is not set. NYLAS_API_URL names another
// server, such as that of ./examples/emulator.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

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

// record is one open, click or reply, whichever API sent the message.
type record struct {
	ID        string          `json:"id"`
	API       string          `json:"api"` // "v2" or "v3", whose ids the others are
	Kind      engagement.Kind `json:"kind"`
	MessageID string          `json:"message_id,omitempty"`
	ThreadID  string          `json:"thread_id,omitempty"`
	ReplyID   string          `json:"reply_id,omitempty"`
	Label     string          `json:"label,omitempty"`
	URL       string          `json:"url,omitempty"`
	At        time.Time       `json:"at"`
}

func run(ctx context.Context, getenv func(string) string, stdout io.Writer) error {
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"),
		nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")))
	if err != nil {
		return err
	}
	secrets, err := receive.NewFileSecrets(cmp.Or(getenv("NYLAS_SECRET_FILE"), "webhook.json"))
	if err != nil {
		return err
	}
	receiver, err := receive.New(handler(stdout), secrets)
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
	slog.New(slog.NewTextHandler(stdout, nil)).Info("listening", slog.String("url", local))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- receive.Serve(ctx, listener, mux) }()
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: cmp.Or(getenv("NYLAS_WEBHOOK_URL"), local), Secrets: secrets,
		Types: append(events.TrackingTypes(), // which leaves out those of API v2
			events.TypeLegacyMessageOpened, events.TypeLegacyMessageLinkClicked, events.TypeLegacyThreadReplied),
	})
	if err != nil {
		stop()
		return errors.Join(err, <-served)
	}
	return <-served
}

// handler writes a record for each event, once, however often the notifications repeat it. The
// memory of its store ends with the program: package sqlstore has one that does not.
func handler(stdout io.Writer) receive.Handler {
	ledger := engagement.NewLedger(engagement.NewMemoryStore())
	var mu sync.Mutex
	return &receive.Dispatcher{Other: func(ctx context.Context, n *events.Notification) error {
		api := "v3"
		if strings.HasSuffix(string(n.Type), ".legacy") {
			api = "v2"
		}
		change, err := ledger.Apply(ctx, n)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range change.New {
			err := json.NewEncoder(stdout).Encode(record{
				ID: e.ID, API: api, Kind: e.Kind, MessageID: e.MessageID, ThreadID: e.ThreadID, ReplyID: e.ReplyID,
				Label: e.Label, URL: e.URL, At: e.Time,
			})
			if err != nil {
				return err
			}
		}
		return nil
	}}
}
