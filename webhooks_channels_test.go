package nylas_test

import (
	"context"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

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

func pubSubChannel(change func(*nylas.PubSubChannel)) *nylas.PubSubChannel {
	c := &nylas.PubSubChannel{
		ID: testWebhook, Description: "Email engagement", TriggerTypes: trackingTriggers(), Topic: testTopic,
		Status: nylas.WebhookActive, NotificationEmailAddresses: []string{"jane@example.com"},
	}
	change(c)
	return c
}

// sns is a Pub/Sub channel as one of SNS.
func sns(c *nylas.PubSubChannel) *nylas.SNSChannel {
	return &nylas.SNSChannel{
		ID: c.ID, Description: c.Description, TriggerTypes: c.TriggerTypes, Topic: testARN, RoleARN: testRole, Status: c.Status,
		NotificationEmailAddresses: c.NotificationEmailAddresses, CompressedDelivery: c.CompressedDelivery,
		StatusUpdatedAt: c.StatusUpdatedAt, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
}

func TestChannelsOnTheWire(t *testing.T) {
	t.Parallel()
	created := pubSubChannel(func(c *nylas.PubSubChannel) { c.CompressedDelivery = new(false) })
	got := pubSubChannel(func(c *nylas.PubSubChannel) {
		w := webhook(withTimes)
		c.StatusUpdatedAt, c.CreatedAt, c.UpdatedAt = w.StatusUpdatedAt, w.CreatedAt, w.UpdatedAt
	})
	updated := *got
	updated.Status, updated.CompressedDelivery = nylas.WebhookPause, new(false)
	emails, opened := []string{"ops@acme.dev"}, []events.Type{events.TypeMessageOpened}
	for _, tt := range []struct {
		request, answer string
		call            func(context.Context, *nylas.Client) (any, error)
		want            any
	}{
		{"pubsub.create", "pubsub.create", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{TriggerTypes: trackingTriggers(), Topic: testTopic})
		}, created},
		{"pubsub.create-all", "pubsub.create", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{
				TriggerTypes: trackingTriggers(), Topic: testTopic, Description: "Email engagement",
				NotificationEmailAddresses: []string{"jane@example.com"}, CompressedDelivery: true,
			})
		}, created},
		{"pubsub.get", "pubsub.get", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.PubSubChannels.Get(ctx, testWebhook)
		}, got},
		{"pubsub.update-nothing", "pubsub.update", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.PubSubChannels.Update(ctx, testWebhook, &nylas.UpdatePubSubChannelRequest{})
		}, &updated},
		{"pubsub.update-all", "pubsub.update", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.PubSubChannels.Update(ctx, testWebhook, &nylas.UpdatePubSubChannelRequest{
				Description: "New", TriggerTypes: opened, Topic: testTopic, Status: nylas.WebhookPause,
				NotificationEmailAddresses: emails, CompressedDelivery: new(false),
			})
		}, &updated},
		{"pubsub.delete", "webhooks.delete", func(ctx context.Context, c *nylas.Client) (any, error) {
			return nil, c.PubSubChannels.Delete(ctx, testWebhook)
		}, nil},
		{"sns.create", "sns.create", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.SNSChannels.Create(ctx, &nylas.CreateSNSChannelRequest{TriggerTypes: trackingTriggers(), Topic: testARN, RoleARN: testRole})
		}, sns(created)},
		{"sns.create-all", "sns.create", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.SNSChannels.Create(ctx, &nylas.CreateSNSChannelRequest{
				TriggerTypes: trackingTriggers(), Topic: testARN, RoleARN: testRole, Description: "Email engagement",
				NotificationEmailAddresses: []string{"jane@example.com"}, CompressedDelivery: true,
			})
		}, sns(created)},
		{"sns.get", "sns.get", func(ctx context.Context, c *nylas.Client) (any, error) { return c.SNSChannels.Get(ctx, testWebhook) }, sns(got)},
		{"sns.update-nothing", "sns.update", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.SNSChannels.Update(ctx, testWebhook, &nylas.UpdateSNSChannelRequest{})
		}, sns(&updated)},
		{"sns.update-all", "sns.update", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.SNSChannels.Update(ctx, testWebhook, &nylas.UpdateSNSChannelRequest{
				Description: "New", TriggerTypes: opened, Topic: testARN, RoleARN: testRole, Status: nylas.WebhookPause,
				NotificationEmailAddresses: emails, CompressedDelivery: new(false),
			})
		}, sns(&updated)},
		{"sns.delete", "webhooks.delete", func(ctx context.Context, c *nylas.Client) (any, error) {
			return nil, c.SNSChannels.Delete(ctx, testWebhook)
		}, nil},
	} {
		t.Run(tt.request, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answersFile(t, 200, "http/"+tt.answer+".response.json"))
			got, err := tt.call(t.Context(), w.client(t))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			require.Len(t, w.requests(), 1)
			assertRecorded(t, "http/"+tt.request+".request.json", w.requests()[0])
		})
	}
}

func TestListChannels(t *testing.T) {
	t.Parallel()
	want := []*nylas.PubSubChannel{
		pubSubChannel(func(c *nylas.PubSubChannel) { c.CompressedDelivery = new(false) }),
		pubSubChannel(func(c *nylas.PubSubChannel) { c.ID, c.Status, c.CompressedDelivery = "second", "paused", new(true) }),
	}
	w := newWireAlways(answersFile(t, 200, "http/pubsub.list.response.json"))
	list := w.client(t).PubSubChannels.List(t.Context())
	assert.Empty(t, w.requests())
	assert.Equal(t, want, collect(t, list))
	assertRecorded(t, "http/pubsub.list.request.json", w.requests()[0])
	for _, err := range list {
		require.NoError(t, err)
		break
	}

	w = newWire(t, answersFile(t, 200, "http/sns.list.response.json"))
	assert.Equal(t, []*nylas.SNSChannel{sns(want[0]), sns(want[1])}, collect(t, w.client(t).SNSChannels.List(t.Context())))
	assertRecorded(t, "http/sns.list.request.json", w.requests()[0])
}

func TestUnknownChannel(t *testing.T) {
	t.Parallel()
	for _, m := range channelMethods() {
		if m.verb == http.MethodPost || m.path[len(m.path)-1] != '}' {
			continue
		}
		err := m.call(t.Context(), newWire(t, answersFile(t, 400, unknownWebhookAnswer)).client(t))
		assertSentinels(t, err, nylas.ErrNotFound)
		assert.Equal(t, "70000", asError(t, err).Type)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, m := range channelMethods() {
			if m.verb == http.MethodDelete {
				require.NoError(t, m.call(t.Context(), newWire(t, loses, answersFile(t, 400, unknownWebhookAnswer)).client(t)), "the lost attempt deleted it")
			}
		}
	})
}

// TestChannelWithAnOddField has a field of another type than documented: the id of
// what was created must not be lost for it.
func TestChannelWithAnOddField(t *testing.T) {
	t.Parallel()
	odd := answers(200, `{"data":{"id":"c-1","status":["active"]}}`)
	pubsub, err := newWire(t, odd).client(t).PubSubChannels.Create(t.Context(),
		&nylas.CreatePubSubChannelRequest{TriggerTypes: trackingTriggers(), Topic: testTopic})
	require.NoError(t, err)
	assert.Equal(t, "c-1", pubsub.ID)
	sns, err := newWire(t, odd).client(t).SNSChannels.Create(t.Context(),
		&nylas.CreateSNSChannelRequest{TriggerTypes: trackingTriggers(), Topic: testARN, RoleARN: testRole})
	require.NoError(t, err)
	assert.Equal(t, "c-1", sns.ID)
}

func TestChannelsRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	c, triggers := w.client(t), trackingTriggers()
	check := func(want string, err error) {
		t.Helper()
		require.EqualError(t, err, "nylas: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	pubsub := func(r *nylas.CreatePubSubChannelRequest) error {
		_, err := c.PubSubChannels.Create(t.Context(), r)
		return err
	}
	sns := func(r *nylas.CreateSNSChannelRequest) error {
		_, err := c.SNSChannels.Create(t.Context(), r)
		return err
	}
	check("create Pub/Sub channel: the request is nil", pubsub(nil))
	check("create Pub/Sub channel: TriggerTypes is empty: events.TrackingTypes has those of tracking",
		pubsub(&nylas.CreatePubSubChannelRequest{Topic: testTopic}))
	for _, topic := range []string{"", "nylas", "projects//topics/x", "projects/x/topics/", "projects/x/topics/y/z", "project/x/topics/y", "projects/x/topic/y"} {
		check("create Pub/Sub channel: Topic is not of the form projects/<project>/topics/<topic>",
			pubsub(&nylas.CreatePubSubChannelRequest{TriggerTypes: triggers, Topic: topic}))
	}
	check("create SNS channel: the request is nil", sns(nil))
	check("create SNS channel: TriggerTypes is empty: events.TrackingTypes has those of tracking",
		sns(&nylas.CreateSNSChannelRequest{Topic: testARN, RoleARN: testRole}))
	for _, topic := range []string{"", "arn:aws:sns:", "arn:aws:sqs:x"} {
		check("create SNS channel: Topic is not an ARN that begins with arn:aws:sns:",
			sns(&nylas.CreateSNSChannelRequest{TriggerTypes: triggers, Topic: topic, RoleARN: testRole}))
	}
	check("create SNS channel: Topic is a FIFO topic: Nylas publishes to standard topics only",
		sns(&nylas.CreateSNSChannelRequest{TriggerTypes: triggers, Topic: testARN + ".fifo", RoleARN: testRole}))
	for _, role := range []string{"", "arn:aws:iam::123:user/x", "arn:aws:iam:::role/x", "arn:aws:iam::123:role/", "123:role/x"} {
		check("create SNS channel: RoleARN is not of the form arn:aws:iam::<account>:role/<name>",
			sns(&nylas.CreateSNSChannelRequest{TriggerTypes: triggers, Topic: testARN, RoleARN: role}))
	}
	_, err := c.PubSubChannels.Update(t.Context(), testWebhook, nil)
	check("update Pub/Sub channel: the request is nil", err)
	_, err = c.PubSubChannels.Update(t.Context(), testWebhook, &nylas.UpdatePubSubChannelRequest{Topic: "x"})
	check("update Pub/Sub channel: Topic is not of the form projects/<project>/topics/<topic>", err)
	_, err = c.SNSChannels.Update(t.Context(), testWebhook, nil)
	check("update SNS channel: the request is nil", err)
	_, err = c.SNSChannels.Update(t.Context(), testWebhook, &nylas.UpdateSNSChannelRequest{Topic: "x"})
	check("update SNS channel: Topic is not an ARN that begins with arn:aws:sns:", err)
	_, err = c.SNSChannels.Update(t.Context(), testWebhook, &nylas.UpdateSNSChannelRequest{RoleARN: "x"})
	check("update SNS channel: RoleARN is not of the form arn:aws:iam::<account>:role/<name>", err)
	_, err = c.PubSubChannels.Get(t.Context(), "")
	check("get Pub/Sub channel: channel_id is empty", err)
	assert.Empty(t, w.requests())
}

const testRule = "8069c06e-a4c0-4bfa-9535-0f286575cc0e"

func newAlert() *nylas.CreateAlertRequest {
	return &nylas.CreateAlertRequest{Metric: nylas.AlertBounceRate, Threshold: 2.55, WindowHours: 1, MinVolume: 50}
}

// TestAlertsOnTheWire runs each method against a recorded exchange.
func TestAlertsOnTheWire(t *testing.T) {
	t.Parallel()
	rule := &nylas.AlertRule{
		ID: testRule, ApplicationID: "26302083-12ae-4f38-91fe-6cba93da03ee", Metric: nylas.AlertBounceRate, Direction: "above",
		Threshold: 2.5, WindowHours: 1, MinVolume: 50,
		CreatedAt: events.At(time.Unix(1792785235, 0)), UpdatedAt: events.At(time.Unix(1792785300, 0)),
	}
	for request, call := range map[string]func(context.Context, *nylas.AlertService) (*nylas.AlertRule, error){
		"create": func(ctx context.Context, s *nylas.AlertService) (*nylas.AlertRule, error) {
			return s.Create(ctx, &nylas.CreateAlertRequest{Metric: nylas.AlertComplaintRate, WindowHours: 24})
		},
		"create-all": func(ctx context.Context, s *nylas.AlertService) (*nylas.AlertRule, error) {
			return s.Create(ctx, newAlert())
		},
		"get": func(ctx context.Context, s *nylas.AlertService) (*nylas.AlertRule, error) {
			return s.Get(ctx, testRule)
		},
		"update": func(ctx context.Context, s *nylas.AlertService) (*nylas.AlertRule, error) {
			return s.Update(ctx, testRule, &nylas.UpdateAlertRequest{MinVolume: new(0)})
		},
		"update-all": func(ctx context.Context, s *nylas.AlertService) (*nylas.AlertRule, error) {
			return s.Update(ctx, testRule, &nylas.UpdateAlertRequest{
				Metric: nylas.AlertDeliveryRate, Threshold: new(100.0), WindowHours: 12, MinVolume: new(1_000_000_000),
			})
		},
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answersFile(t, 200, "http/alerts.rule.response.json"))
			got, err := call(t.Context(), w.client(t).Alerts)
			require.NoError(t, err)
			assert.Equal(t, rule, got)
			assertRecorded(t, "http/alerts."+request+".request.json", w.requests()[0])
		})
	}
	w := newWire(t, answersFile(t, 200, "http/alerts.list.response.json"), answersFile(t, 200, "http/drafts.delete.response.json"))
	assert.Equal(t, []*nylas.AlertRule{rule, {ID: "2"}}, collect(t, w.client(t).Alerts.List(t.Context())))
	require.NoError(t, w.client(t).Alerts.Delete(t.Context(), testRule))
	assertRecorded(t, "http/alerts.list.request.json", w.requests()[0])
	assertRecorded(t, "http/alerts.delete.request.json", w.requests()[1])
}

func TestAlertsRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	s, ctx := w.client(t).Alerts, t.Context()
	for _, tt := range []struct {
		change func(*nylas.CreateAlertRequest)
		want   string
	}{
		{func(r *nylas.CreateAlertRequest) { r.Metric = "" }, "Metric is empty"},
		{func(r *nylas.CreateAlertRequest) { r.Metric = "open_rate" }, "Metric is not one of bounce_rate, complaint_rate and delivery_rate"},
		{func(r *nylas.CreateAlertRequest) { r.Threshold = -0.01 }, "Threshold is not a percentage from 0 to 100"},
		{func(r *nylas.CreateAlertRequest) { r.Threshold = math.NaN() }, "Threshold is not a percentage from 0 to 100"},
		{func(r *nylas.CreateAlertRequest) { r.Threshold = 0.125 }, "Threshold has more than 2 decimal places"},
		{func(r *nylas.CreateAlertRequest) { r.Threshold = 100 }, "Threshold is 100: a bounce or complaint rate is never above it"},
		{func(r *nylas.CreateAlertRequest) { r.Metric, r.Threshold = nylas.AlertDeliveryRate, 0 }, "Threshold is 0: a delivery rate is never below it"},
		{func(r *nylas.CreateAlertRequest) { r.WindowHours = 0 }, "WindowHours is not within 1 to 24"},
		{func(r *nylas.CreateAlertRequest) { r.WindowHours = 25 }, "WindowHours is not within 1 to 24"},
		{func(r *nylas.CreateAlertRequest) { r.MinVolume = -1 }, "MinVolume is not within 0 to 1000000000"},
		{func(r *nylas.CreateAlertRequest) { r.MinVolume = 1_000_000_001 }, "MinVolume is not within 0 to 1000000000"},
	} {
		req := newAlert()
		tt.change(req)
		_, err := s.Create(ctx, req)
		require.EqualError(t, err, "nylas: create alert rule: "+tt.want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	require.EqualError(t, second(s.Create(ctx, nil)), "nylas: create alert rule: the request is nil")
	require.EqualError(t, second(s.Update(ctx, testRule, nil)), "nylas: update alert rule: the request is nil")
	require.EqualError(t, second(s.Update(ctx, testRule, &nylas.UpdateAlertRequest{WindowHours: 25})), "nylas: update alert rule: WindowHours is not within 1 to 24")
	require.EqualError(t, second(s.Get(ctx, "")), "nylas: get alert rule: rule_id is empty")
	assert.Empty(t, w.requests())
}
