package endtoend_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	testTopic = "projects/acme/topics/nylas"
	testARN   = "arn:aws:sns:eu-west-1:123456789012:nylas"
	testRole  = "arn:aws:iam::123456789012:role/nylas"
)

func TestLoopChannels(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, c := t.Context(), l.client
		for range 5 {
			_, err := c.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{TriggerTypes: events.TrackingTypes(), Topic: testTopic})
			require.NoError(t, err)
			_, err = c.SNSChannels.Create(ctx, &nylas.CreateSNSChannelRequest{
				TriggerTypes: events.TrackingTypes(), Topic: testARN, RoleARN: testRole, Description: "d", CompressedDelivery: true,
				NotificationEmailAddresses: []string{"ops@acme.dev"},
			})
			require.NoError(t, err)
		}
		_, err := c.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{TriggerTypes: events.TrackingTypes(), Topic: testTopic})
		require.ErrorIs(t, err, nylas.ErrInvalidRequest, "5 are the most")
		_, err = c.SNSChannels.Create(ctx, &nylas.CreateSNSChannelRequest{TriggerTypes: events.TrackingTypes(), Topic: testARN, RoleARN: testRole})
		require.ErrorIs(t, err, nylas.ErrInvalidRequest)

		pubsub := collect(t, c.PubSubChannels.List(ctx))
		require.Len(t, pubsub, 5)
		assert.True(t, pubsub[0].CreatedAt.IsZero())
		updated, err := c.PubSubChannels.Update(ctx, pubsub[0].ID, &nylas.UpdatePubSubChannelRequest{Status: nylas.WebhookPause, CompressedDelivery: new(true)})
		require.NoError(t, err)
		got, err := c.PubSubChannels.Get(ctx, pubsub[0].ID)
		require.NoError(t, err)
		assert.Equal(t, updated, got)
		assert.Equal(t, nylas.WebhookPause, got.Status)
		assert.Equal(t, events.TrackingTypes(), got.TriggerTypes)
		assert.False(t, got.CreatedAt.IsZero())
		require.NoError(t, c.PubSubChannels.Delete(ctx, got.ID))
		_, err = c.PubSubChannels.Get(ctx, got.ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		_, err = c.PubSubChannels.Update(ctx, got.ID, &nylas.UpdatePubSubChannelRequest{Topic: testTopic})
		require.ErrorIs(t, err, nylas.ErrNotFound)
		require.ErrorIs(t, c.PubSubChannels.Delete(ctx, got.ID), nylas.ErrNotFound)

		channel := collect(t, c.SNSChannels.List(ctx))[4]
		assert.Equal(t, []string{"ops@acme.dev"}, channel.NotificationEmailAddresses)
		change, err := c.SNSChannels.Update(ctx, channel.ID, &nylas.UpdateSNSChannelRequest{
			Description: "new", TriggerTypes: []events.Type{events.TypeMessageOpened}, Topic: testARN + "2", RoleARN: testRole + "2",
			NotificationEmailAddresses: []string{"a@acme.dev"},
		})
		require.NoError(t, err)
		read, err := c.SNSChannels.Get(ctx, channel.ID)
		require.NoError(t, err)
		assert.Equal(t, change, read)
		assert.Equal(t, testRole+"2", read.RoleARN)
		require.NoError(t, c.SNSChannels.Delete(ctx, channel.ID))
		assert.Len(t, collect(t, c.SNSChannels.List(ctx)), 4)
	})
}

// What the emulator publishes to a channel is what the handlers of this project read.
func TestLoopChannelsPublish(t *testing.T) {
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				ctx := t.Context()
				ids := make(chan string, 10)
				handler := &receive.Dispatcher{
					MessageOpened: func(_ context.Context, n *events.Notification, _ *events.MessageOpened) error {
						ids <- n.ID
						return nil
					},
					Other: func(_ context.Context, n *events.Notification) error {
						ids <- string(n.Type)
						return nil
					},
				}
				l.nylas.ConsumePubSub(func(ctx context.Context, m nylastest.PubSubMessage) error {
					return handler.HandleDelivery(ctx, receive.NewDelivery(m.Data, m.Attributes["content_encoding"]))
				})
				l.nylas.ConsumeSNS(func(ctx context.Context, m nylastest.SNSMessage) error {
					d, err := receive.NewSNSDelivery(m.Envelope())
					if err != nil {
						return err
					}
					assert.Equal(t, m.Timestamp.UTC(), d.ReceivedAt)
					return handler.HandleDelivery(ctx, d)
				})
				opens := []events.Type{events.TypeMessageOpened}
				_, err := l.client.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{
					TriggerTypes: opens, Topic: testTopic, CompressedDelivery: compressed,
				})
				require.NoError(t, err)
				_, err = l.client.SNSChannels.Create(ctx, &nylas.CreateSNSChannelRequest{
					TriggerTypes: opens, Topic: testARN, RoleARN: testRole, CompressedDelivery: compressed,
				})
				require.NoError(t, err)
				assert.Equal(t, "connector.verification", <-ids)

				m, err := l.send()
				require.NoError(t, err)
				recipient, err := l.nylas.Recipient(m.ID)
				require.NoError(t, err)
				require.NoError(t, recipient.Open(ctx))
				require.NoError(t, l.nylas.Wait(ctx))
				require.Len(t, ids, 2)
				first, second := <-ids, <-ids
				assert.Equal(t, first, second, "it is the same notification")
			})
		})
	}
}
