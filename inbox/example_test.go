package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

func Example() {
	if err := serve(); err != nil {
		fmt.Println(err)
	}
	// Output: opened: trial-followup-q2
}

func serve() error {
	folder, err := os.MkdirTemp("", "inbox")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()

	box, err := inbox.Open(filepath.Join(folder, "nylas.db"))
	if err != nil {
		return err
	}
	receiver, err := receive.New(box, receive.Secret("the webhook's secret"))
	if err != nil {
		return err
	}
	http.NewServeMux().Handle("/webhooks/nylas", receiver) // answers 200 when a notification is on the disk

	ctx, cancel := context.WithCancel(context.Background())
	dispatcher := &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			fmt.Println("opened:", opened.Label)
			cancel() // one is enough for an example
			return nil
		},
	}
	// In place of Nylas:
	notification := []byte(`{"id":"n-1","type":"message.opened","data":{"object":{"message_id":"m-1","label":"trial-followup-q2"}}}`)
	if err := box.HandleDelivery(ctx, receive.NewDelivery(notification, "")); err != nil {
		return err
	}
	err = box.Run(ctx, dispatcher) // until ctx ends
	return errors.Join(err, box.Close())
}

func ExampleInbox_Dead() {
	folder, err := os.MkdirTemp("", "inbox")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	box, err := inbox.Open(filepath.Join(folder, "nylas.db"))
	if err != nil {
		panic(err)
	}
	defer func() { _ = box.Close() }()
	ctx := context.Background()
	if err := box.HandleDelivery(ctx, receive.NewDelivery([]byte(`{"id":"n-1"`), "")); err != nil {
		panic(err)
	}

	for letter, err := range box.Dead(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Println(letter.Attempts, string(letter.Delivery.Body))
		// When what was wrong is mended:
		if err := box.Requeue(ctx, letter.Delivery.ID); err != nil {
			panic(err)
		}
	}
	stats, err := box.Stats(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(stats.Pending, "waits,", stats.Dead, "dead")
	// Output:
	// 0 {"id":"n-1"
	// 1 waits, 0 dead
}
