package nylastest_test

import (
	"context"
	"fmt"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// A program that reads a Pub/Sub channel gives each message to its handler. Here the emulator
// publishes instead of Nylas, and a mailbox that is disconnected is what there is to say.
func ExampleServer_ConsumePubSub() {
	server, err := nylastest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = server.Close() }()

	handler := &receive.Dispatcher{
		GrantExpired: func(_ context.Context, _ *events.Notification, expired *events.GrantExpired) error {
			fmt.Println("authenticate again:", expired.GrantID == server.GrantID())
			return nil
		},
	}
	server.ConsumePubSub(func(ctx context.Context, m nylastest.PubSubMessage) error {
		return handler.HandleDelivery(ctx, receive.NewDelivery(m.Data, m.Attributes["content_encoding"]))
	})
	if err := post(server, "/v3/channels/pubsub", map[string]any{
		"trigger_types": []events.Type{events.TypeGrantExpired}, "topic": "projects/acme/topics/nylas",
	}); err != nil {
		fmt.Println(err)
		return
	}

	if err := server.ExpireGrant(server.GrantID()); err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Wait(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: authenticate again: true
}
