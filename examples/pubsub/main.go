// Command pubsub receives opens, clicks and replies on a laptop or behind a firewall, without a
// public address: Nylas publishes them to a topic of Google Cloud Pub/Sub, and the program fetches
// them from a subscription.
//
//	gcloud pubsub topics create nylas
//	gcloud pubsub topics add-iam-policy-binding nylas --role roles/pubsub.publisher \
//	  --member serviceAccount:nylas-datapublisher@nylas-gma-mt.iam.gserviceaccount.com
//	gcloud pubsub subscriptions create laptop --topic nylas \
//	  --min-retry-delay 10s --max-retry-delay 600s
//	gcloud auth application-default login
//	export NYLAS_API_KEY=… GOOGLE_CLOUD_PROJECT=acme PUBSUB_TOPIC=nylas PUBSUB_SUBSCRIPTION=laptop
//	go run ./examples/pubsub
//
// It creates the channel of Nylas if there is none for the topic. There is no challenge, no
// signature and no secret: the roles of the topic say who may publish. Pub/Sub keeps what comes
// while the laptop is closed, 7 days by default. NYLAS_API_URL names another server, such as
// https://api.eu.nylas.com.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/pubsubsink"
)

const (
	remembered = 10_000 // ids of deliveries: Nylas and Pub/Sub both deliver at least once
	atATime    = 100    // handlers
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

// run receives until ctx ends. The options are those of Google's client; without any it finds your
// credentials.
func run(ctx context.Context, getenv func(string) string, stdout io.Writer, opts ...option.ClientOption) (err error) {
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	project, topic, subscription := getenv("GOOGLE_CLOUD_PROJECT"), getenv("PUBSUB_TOPIC"), getenv("PUBSUB_SUBSCRIPTION")
	if project == "" || topic == "" || subscription == "" {
		return errors.New("pubsub: set GOOGLE_CLOUD_PROJECT, PUBSUB_TOPIC and PUBSUB_SUBSCRIPTION")
	}
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"), nylas.WithLogger(logger),
		nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")))
	if err != nil {
		return err
	}
	google, err := pubsub.NewClient(ctx, project, opts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, google.Close()) }()
	channel, err := ensureChannel(ctx, client, "projects/"+project+"/topics/"+topic)
	if err != nil {
		return err
	}
	logger.Info("receiving", slog.String("channel", channel.ID), slog.String("topic", channel.Topic))
	subscriber := google.Subscriber(subscription)
	subscriber.ReceiveSettings.MaxOutstandingMessages = atATime
	return pubsubsink.Receive(ctx, subscriber, receive.DropDuplicates(dispatcher(logger), remembered), pubsubsink.WithLogger(logger))
}

// ensureChannel returns the channel that publishes to a topic. An application can have 5.
func ensureChannel(ctx context.Context, client *nylas.Client, topic string) (*nylas.PubSubChannel, error) {
	for channel, err := range client.PubSubChannels.List(ctx) {
		if err != nil {
			return nil, err
		}
		if channel.Topic == topic {
			return channel, nil
		}
	}
	return client.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{
		Topic: topic, TriggerTypes: events.TrackingTypes(), Description: "opens, clicks and replies", CompressedDelivery: true,
	})
}

// dispatcher is the same as behind a webhook. After an error Pub/Sub delivers again, as the
// subscription's retry policy says.
func dispatcher(logger *slog.Logger) *receive.Dispatcher {
	return &receive.Dispatcher{
		Other: func(_ context.Context, n *events.Notification) error {
			for _, tracked := range n.Tracked() {
				logger.Info("event", slog.String("type", string(n.Type)), slog.String("message", tracked.MessageID), slog.String("label", tracked.Label))
			}
			return nil
		},
		Undecodable: func(_ context.Context, d *receive.Delivery, err error) error {
			logger.Error("undecodable", slog.String("id", d.ID), slog.Any("error", err)) // keep d.Body
			return nil
		},
	}
}
