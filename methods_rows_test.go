// This file has the methods of most services, for methods().

package nylas_test

import (
	"context"
	"net/http"

	"github.com/nylastrack/nylas-go"
)

// mailboxMethods are those of grants, threads, folders, and changing messages.
func mailboxMethods() []method {
	return []method{
		{
			"list grants", http.MethodGet, "/v3/grants", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Grants.List(ctx, nil, opts...))
			},
		},
		{
			"get grant", http.MethodGet, "/v3/grants/{grant_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Grants.Get(ctx, testGrant, opts...)
				return err
			},
		},
		{
			"send MIME message", http.MethodPost, "/v3/grants/{grant_id}/messages/send", repeatsWithKey,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.SendMIME(ctx, testGrant, markedMIME(), append(opts, nylas.WithIdempotencyKey(testKey))...)
				return err
			},
		},
		{
			"list threads", http.MethodGet, "/v3/grants/{grant_id}/threads", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Threads.List(ctx, testGrant, nil, opts...))
			},
		},
		{
			"get thread", http.MethodGet, "/v3/grants/{grant_id}/threads/{thread_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Threads.Get(ctx, testGrant, testThread, opts...)
				return err
			},
		},
		{
			"update thread", http.MethodPut, "/v3/grants/{grant_id}/threads/{thread_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Threads.Update(ctx, testGrant, testThread, &nylas.UpdateThreadRequest{Folders: []string{markBody}}, opts...)
				return err
			},
		},
		{
			"delete thread", http.MethodDelete, "/v3/grants/{grant_id}/threads/{thread_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Threads.Delete(ctx, testGrant, testThread, opts...)
			},
		},
		{
			"get attachment", http.MethodGet, "/v3/grants/{grant_id}/attachments/{attachment_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Attachments.Get(ctx, testGrant, testAttachment, testID, opts...)
				return err
			},
		},
		{
			"download attachment", http.MethodGet, "/v3/grants/{grant_id}/attachments/{attachment_id}/download", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(download(ctx, c, opts...))
			},
		},
		{
			"list folders", http.MethodGet, "/v3/grants/{grant_id}/folders", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Folders.List(ctx, testGrant, nil, opts...))
			},
		},
		{
			"get folder", http.MethodGet, "/v3/grants/{grant_id}/folders/{folder_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Folders.Get(ctx, testGrant, testFolder, opts...)
				return err
			},
		},
		{
			"update message", http.MethodPut, "/v3/grants/{grant_id}/messages/{message_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.Update(ctx, testGrant, testID, &nylas.UpdateMessageRequest{Metadata: map[string]string{"k": markBody}}, opts...)
				return err
			},
		},
		{
			"delete message", http.MethodDelete, "/v3/grants/{grant_id}/messages/{message_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Messages.Delete(ctx, testGrant, testID, opts...)
			},
		},
	}
}

// messageMethods are those of drafts, schedules, transactional sends and reading.
func messageMethods() []method {
	return []method{
		{
			"get message", http.MethodGet, "/v3/grants/{grant_id}/messages/{message_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.Get(ctx, testGrant, testID, opts...)
				return err
			},
		},
		{
			"list messages", http.MethodGet, "/v3/grants/{grant_id}/messages", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Messages.List(ctx, testGrant, nil, opts...))
			},
		},
		{
			"find sent message", http.MethodGet, "/v3/grants/{grant_id}/messages", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.FindSent(ctx, testGrant, nylas.MarkOf("key5", testKey), opts...)
				return err
			},
		},
		{
			"list schedules", http.MethodGet, "/v3/grants/{grant_id}/messages/schedules", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Messages.ListSchedules(ctx, testGrant, opts...))
			},
		},
		{
			"get schedule", http.MethodGet, "/v3/grants/{grant_id}/messages/schedules/{schedule_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.GetSchedule(ctx, testGrant, testID, opts...)
				return err
			},
		},
		{
			"cancel schedule", http.MethodDelete, "/v3/grants/{grant_id}/messages/schedules/{schedule_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Messages.CancelSchedule(ctx, testGrant, testID, opts...)
			},
		},
		{
			"create draft", http.MethodPost, "/v3/grants/{grant_id}/drafts", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Create(ctx, testGrant, markedDraft(), opts...)
				return err
			},
		},
		{
			"get draft", http.MethodGet, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Get(ctx, testGrant, testID, opts...)
				return err
			},
		},
		{
			"list drafts", http.MethodGet, "/v3/grants/{grant_id}/drafts", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Drafts.List(ctx, testGrant, nil, opts...))
			},
		},
		{
			"update draft", http.MethodPut, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Update(ctx, testGrant, testID, &nylas.UpdateDraftRequest{Body: new(markBody)}, opts...)
				return err
			},
		},
		{
			"delete draft", http.MethodDelete, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Drafts.Delete(ctx, testGrant, testID, opts...)
			},
		},
		{
			"send draft", http.MethodPost, "/v3/grants/{grant_id}/drafts/{draft_id}", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Drafts.Send(ctx, testGrant, testID, &nylas.SendDraftRequest{SignatureID: markBody}, opts...)
				return err
			},
		},
		{
			"send transactional message", http.MethodPost, "/v3/domains/{domain}/messages/send", repeatsWithKey,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Transactional.Send(ctx, testDomain, markedTransactional(), append(opts, nylas.WithIdempotencyKey(testKey))...)
				return err
			},
		},
	}
}

// historyMethods are the methods of Activity, of Metrics, and IPAddresses.
func historyMethods() []method {
	return []method{
		{
			"list tracking events", http.MethodGet, "/v3/activity/tracking", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Activity.ListTracking(ctx, nil, opts...))
			},
		},
		{
			"get tracking event", http.MethodGet, "/v3/activity/tracking/{event_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Activity.GetTracking(ctx, testEvent, opts...)
				return err
			},
		},
		{
			"get message tracking", http.MethodGet, "/v3/activity/tracking/messages/{message_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Activity.MessageTracking(ctx, testTransactional, opts...)
				return err
			},
		},
		{
			"get tracking summary", http.MethodGet, "/v3/metrics/tracking/summary", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Metrics.TrackingSummary(ctx, nil, opts...)
				return err
			},
		},
		{
			"get tracking metrics", http.MethodGet, "/v3/metrics/tracking", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Metrics.Tracking(ctx, nil, opts...)
				return err
			},
		},
		{
			"get tracking timeseries", http.MethodGet, "/v3/metrics/tracking/timeseries", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Metrics.TrackingTimeseries(ctx, nil, opts...)
				return err
			},
		},
		{
			"list send events", http.MethodGet, "/v3/activity/send", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Activity.ListSends(ctx, nil, opts...))
			},
		},
		{
			"get send event", http.MethodGet, "/v3/activity/send/{event_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Activity.GetSend(ctx, testEvent, opts...))
			},
		},
		{
			"get message delivery", http.MethodGet, "/v3/activity/send/messages/{message_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Activity.MessageDelivery(ctx, testTransactional, opts...))
			},
		},
		{
			"get send summary", http.MethodGet, "/v3/metrics/send/summary", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Metrics.SendSummary(ctx, nil, opts...))
			},
		},
		{
			"get send metrics", http.MethodGet, "/v3/metrics/send", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Metrics.Send(ctx, nil, opts...))
			},
		},
		{
			"get send timeseries", http.MethodGet, "/v3/metrics/send/timeseries", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Metrics.SendTimeseries(ctx, nil, opts...))
			},
		},
		{
			"create alert rule", http.MethodPost, "/v3/alerts/send", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Alerts.Create(ctx, newAlert(), opts...))
			},
		},
		{
			"list alert rules", http.MethodGet, "/v3/alerts/send", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.Alerts.List(ctx, opts...))
			},
		},
		{
			"get alert rule", http.MethodGet, "/v3/alerts/send/{rule_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Alerts.Get(ctx, testWebhook, opts...))
			},
		},
		{
			"update alert rule", http.MethodPut, "/v3/alerts/send/{rule_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return second(c.Alerts.Update(ctx, testWebhook, &nylas.UpdateAlertRequest{WindowHours: 2}, opts...))
			},
		},
		{
			"delete alert rule", http.MethodDelete, "/v3/alerts/send/{rule_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Alerts.Delete(ctx, testWebhook, opts...)
			},
		},
		{
			"list webhook IP addresses", http.MethodGet, "/v3/webhooks/ip-addresses", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Webhooks.IPAddresses(ctx, opts...)
				return err
			},
		},
	}
}

// channelMethods are the methods of both kinds of channels.
func channelMethods() []method {
	return []method{
		{
			"create Pub/Sub channel", http.MethodPost, "/v3/channels/pubsub", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{
					TriggerTypes: trackingTriggers(), Topic: testTopic, Description: markBody, NotificationEmailAddresses: []string{markAddress},
				}, opts...)
				return err
			},
		},
		{
			"list Pub/Sub channels", http.MethodGet, "/v3/channels/pubsub", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.PubSubChannels.List(ctx, opts...))
			},
		},
		{
			"get Pub/Sub channel", http.MethodGet, "/v3/channels/pubsub/{channel_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.PubSubChannels.Get(ctx, testWebhook, opts...)
				return err
			},
		},
		{
			"update Pub/Sub channel", http.MethodPut, "/v3/channels/pubsub/{channel_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.PubSubChannels.Update(ctx, testWebhook, &nylas.UpdatePubSubChannelRequest{Description: markBody}, opts...)
				return err
			},
		},
		{
			"delete Pub/Sub channel", http.MethodDelete, "/v3/channels/pubsub/{channel_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.PubSubChannels.Delete(ctx, testWebhook, opts...)
			},
		},
		{
			"create SNS channel", http.MethodPost, "/v3/channels/sns", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.SNSChannels.Create(ctx, &nylas.CreateSNSChannelRequest{
					TriggerTypes: trackingTriggers(), Topic: testARN, RoleARN: testRole, Description: markBody,
				}, opts...)
				return err
			},
		},
		{
			"list SNS channels", http.MethodGet, "/v3/channels/sns", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return onlyError(c.SNSChannels.List(ctx, opts...))
			},
		},
		{
			"get SNS channel", http.MethodGet, "/v3/channels/sns/{channel_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.SNSChannels.Get(ctx, testWebhook, opts...)
				return err
			},
		},
		{
			"update SNS channel", http.MethodPut, "/v3/channels/sns/{channel_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.SNSChannels.Update(ctx, testWebhook, &nylas.UpdateSNSChannelRequest{Description: markBody}, opts...)
				return err
			},
		},
		{
			"delete SNS channel", http.MethodDelete, "/v3/channels/sns/{channel_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.SNSChannels.Delete(ctx, testWebhook, opts...)
			},
		},
	}
}
