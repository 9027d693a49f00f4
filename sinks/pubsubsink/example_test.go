package pubsubsink_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/pubsubsink"
)

// A whole consumer of a Pub/Sub channel. It ends at an interrupt, after the handlers
// that run.
//
// A handler that must not be lost to Pub/Sub's retention, or that should keep
// dead letters on this machine, works behind an inbox: give the inbox to Receive
// and the dispatcher to the inbox.
func ExampleReceive() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client, err := pubsub.NewClient(ctx, "my-project", pretend()...) // without options: your credentials
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	dispatcher := &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, opened *events.MessageOpened) error {
			fmt.Println("opened:", opened.MessageID)
			stop() // so that the example ends
			return nil
		},
	}
	subscriber := client.Subscriber("nylas-notifications")
	subscriber.ReceiveSettings.MaxOutstandingMessages = 100
	err = pubsubsink.Receive(ctx, subscriber, receive.DropDuplicates(dispatcher, 10_000),
		pubsubsink.WithLogger(slog.Default()), pubsubsink.WithHandlerTimeout(30*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	// Output: opened: message-1
}

// A webhook that publishes: 200 is the answer when Pub/Sub has stored the delivery.
func ExampleNewSink() {
	ctx := context.Background()
	client, err := pubsub.NewClient(ctx, "my-project", pretend()...)
	if err != nil {
		log.Fatal(err)
	}
	publisher := client.Publisher("nylas-notifications")
	sink, err := pubsubsink.NewSink(publisher)
	if err != nil {
		log.Fatal(err)
	}
	receiver, err := receive.New(sink, receive.Secret(os.Getenv("NYLAS_WEBHOOK_SECRET")))
	if err != nil {
		log.Fatal(err)
	}
	_ = receiver // http.Handle("/webhooks/nylas", receiver); after the server's Shutdown:
	publisher.Stop()
}

// Deliveries that are given up go to a topic of their own, and are acknowledged when
// they are there.
func ExampleReceive_deadLetters() {
	client, err := pubsub.NewClient(context.Background(), "my-project", pretend()...)
	if err != nil {
		log.Fatal(err)
	}
	dead, err := pubsubsink.NewSink(client.Publisher("nylas-dead-letters"))
	if err != nil {
		log.Fatal(err)
	}
	handler := &receive.Dispatcher{
		Undecodable: func(ctx context.Context, d *receive.Delivery, _ error) error {
			return dead.HandleDelivery(ctx, d)
		},
	}
	_ = handler // for Receive
}

// pretend puts a fake where Google is.
func pretend() []option.ClientOption {
	server := pstest.NewServer()
	ctx := context.Background()
	topic := "projects/my-project/topics/nylas-notifications"
	_, err := server.GServer.CreateTopic(ctx, &pubsubpb.Topic{Name: topic})
	if err != nil {
		log.Fatal(err)
	}
	_, err = server.GServer.CreateSubscription(ctx, &pubsubpb.Subscription{
		Name: "projects/my-project/subscriptions/nylas-notifications", Topic: topic, AckDeadlineSeconds: 10,
	})
	if err != nil {
		log.Fatal(err)
	}
	server.Publish(topic, openedBody("n-1"), map[string]string{"trigger_type": "message.opened"})
	conn, err := grpc.NewClient(server.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return []option.ClientOption{option.WithGRPCConn(conn)}
}
