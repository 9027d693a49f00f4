package endtoend_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
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
