// Command job sends a tracked message, and shows what becomes of it as JSON.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if err := run(ctx, os.Getenv); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
	stop()
}

func run(ctx context.Context, getenv func(string) string) error {
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"),
		nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")))
	if err != nil {
		return err
	}
	box, err := inbox.Open("nylas.db") // keeps deliveries on disk, and the webhook's secrets
	if err != nil {
		return err
	}
	defer box.Close()
	receiver, err := receive.New(box, box.Secrets()) // answers 200 once a delivery is on disk
	if err != nil {
		return err
	}
	var mu sync.Mutex
	seen := []*events.Notification{}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/nylas", receiver)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_ = json.NewEncoder(w).Encode(seen)
	})
	listener, err := net.Listen("tcp", cmp.Or(getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	local, to := "http://"+listener.Addr().String(), cmp.Or(getenv("NYLAS_TO"), "kim@example.org")
	log.Println("the events are at " + local)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return receive.Serve(ctx, listener, mux) })
	group.Go(func() error {
		return box.Run(ctx, &receive.Dispatcher{
			Other: func(_ context.Context, n *events.Notification) error { // or one for each kind
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, n)
				return nil // after an error the inbox calls it again, later
			},
		})
	})
	group.Go(func() error { // first the webhook, or its events come late; Nylas asks for a challenge
		_, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL:   cmp.Or(getenv("NYLAS_WEBHOOK_URL"), local+"/webhooks/nylas"),
			Types: events.TrackingTypes(), Secrets: box.Secrets(),
		})
		if err != nil {
			return err
		}
		tracking := &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "q2"}
		_, err = client.Messages.Send(ctx, getenv("NYLAS_GRANT_ID"), &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: to}}, Subject: "Your trial", TrackingOptions: tracking,
			Body: `Reply or <a href="https://acme.dev/demo">book a demo</a> when ready.`,
		})
		return err
	})
	return group.Wait()
}
