package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/internal/program"
	"github.com/nylastrack/nylas-go/nylastest"
)

const topic = "projects/acme/topics/nylas"

// google is a Pub/Sub on this machine, to which the emulator publishes.
func google(t *testing.T, server *nylastest.Server) *pstest.Server {
	t.Helper()
	fake := pstest.NewServer()
	t.Cleanup(func() { assert.NoError(t, fake.Close()) })
	_, err := fake.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: topic})
	require.NoError(t, err)
	_, err = fake.GServer.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: "projects/acme/subscriptions/laptop", Topic: topic, AckDeadlineSeconds: 10,
	})
	require.NoError(t, err)
	server.ConsumePubSub(func(_ context.Context, m nylastest.PubSubMessage) error {
		fake.Publish(m.Topic, m.Data, m.Attributes)
		return nil
	})
	return fake
}

func start(t *testing.T, server *nylastest.Server, fake *pstest.Server) *program.Program {
	t.Helper()
	return program.Start(t, func(ctx context.Context, stdout *program.Program) error {
		conn, err := grpc.NewClient(fake.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		env := map[string]string{
			"NYLAS_API_KEY": server.APIKey(), "NYLAS_API_URL": server.URL(),
			"GOOGLE_CLOUD_PROJECT": "acme", "PUBSUB_TOPIC": "nylas", "PUBSUB_SUBSCRIPTION": "laptop",
		}
		return run(ctx, func(name string) string { return env[name] }, stdout, option.WithGRPCConn(conn))
	})
}

// What happens while the laptop is closed comes when it is opened again.
func TestClosedLaptop(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	fake := google(t, server)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	// An earlier run has made the channel.
	_, err = ensureChannel(t.Context(), client, topic)
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: `<a href="https://acme.dev/demo">demo</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "l-1"},
	})
	require.NoError(t, err)
	kim, err := server.Recipient(message.ID)
	require.NoError(t, err)
	require.NoError(t, kim.Open(t.Context()))
	require.NoError(t, server.Wait(t.Context())) // Pub/Sub has it

	p := start(t, server, fake)
	p.Await("type=message.opened message=" + message.ID + " label=l-1")
	_, err = kim.Click(t.Context(), 0)
	require.NoError(t, err)
	p.Await("type=message.link_clicked message=" + message.ID + " label=l-1")
	_, err = kim.Reply(t.Context())
	require.NoError(t, err)
	p.Await("type=thread.replied message=" + message.ID + " label=l-1")
	fake.Publish(topic, []byte("no JSON"), nil)
	p.Await("msg=undecodable")
	p.End()
	for _, m := range fake.Messages() {
		assert.Positive(t, m.Acks)
	}
}

// The first start makes the channel, and later ones find it.
func TestOneChannel(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	fake := google(t, server)
	for range 2 {
		p := start(t, server, fake)
		p.Await("msg=receiving")
		p.End()
	}
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	channels := 0
	for channel, err := range client.PubSubChannels.List(t.Context()) {
		require.NoError(t, err)
		assert.Equal(t, topic, channel.Topic)
		assert.Equal(t, events.TrackingTypes(), channel.TriggerTypes)
		channels++
	}
	assert.Equal(t, 1, channels)
}

func TestSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), func(name string) string { return strings.TrimPrefix(name, "PUBSUB_SUBSCRIPTION") }, io.Discard)
	require.ErrorContains(t, err, "set GOOGLE_CLOUD_PROJECT, PUBSUB_TOPIC and PUBSUB_SUBSCRIPTION")
}
