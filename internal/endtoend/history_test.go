package endtoend_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// Transactional mail has a history, found by its label: the send does not return
// the id that the history has for it.
func TestLoopHistoryOfTransactionalMail(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		message, err := l.client.Transactional.Send(ctx, testDomain, &nylas.SendTransactionalRequest{
			To: toKim(), From: nylas.Participant{Email: "hello@" + testDomain}, Body: `<a href="https://acme.dev/x">x</a>`,
			TrackingOptions: &nylas.TransactionalTrackingOptions{Opens: true, Links: true, Label: "q"},
		})
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(ctx))
		list := collect(t, l.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{Label: "q"}))
		require.Len(t, list, 1)
		assert.Empty(t, list[0].GrantID)
		assert.NotEqual(t, message.ID, list[0].MessageID)
		got, err := l.client.Activity.MessageTracking(ctx, list[0].MessageID)
		require.NoError(t, err)
		assert.Equal(t, list[0].MessageID, got.MessageID)
	}, nylastest.WithSendingDomains(testDomain))
}

// agentLoop is a loop whose mail comes from an Agent Account.
func agentLoop(t *testing.T, test func(*testing.T, *loop, string)) {
	t.Helper()
	inLoop(t, func(t *testing.T, l *loop) {
		test(t, l, l.nylas.AddAgentAccount("News", "news@mail.acme.dev"))
	})
}

func (l *loop) sendFrom(grant, label string) *nylas.Message {
	l.t.Helper()
	message, err := l.client.Messages.Send(l.t.Context(), grant, &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: `<a href="https://acme.dev/a">a</a> <a href="https://acme.dev/b">b</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, Label: label},
	})
	require.NoError(l.t, err)
	return message
}

func TestLoopHistory(t *testing.T) {
	agentLoop(t, func(t *testing.T, l *loop, agent string) {
		ctx := t.Context()
		message := l.sendFrom(agent, "first")
		connected := l.sendFrom(l.nylas.GrantID(), "connected")
		sent := time.Now()
		for _, m := range []*nylas.Message{connected, message} {
			kim := l.recipient(m)
			require.NoError(t, kim.Open(ctx))
			_, err := kim.Click(ctx, 1)
			require.NoError(t, err)
			<-time.After(time.Hour)
			require.NoError(t, kim.Open(ctx))
		}
		all := collect(t, l.client.Activity.ListTracking(ctx, nil))
		require.Len(t, all, 3, "the connected grant's mail is not there")
		assert.Equal(t, sent.Add(2*time.Hour).Unix(), all[0].Timestamp.Unix(), "newest first")
		assert.Equal(t, nylas.TrackingLinkClicked, all[1].EventType)
		assert.Equal(t, nylas.TrackingEvent{
			ID: all[2].ID, EventType: nylas.TrackingOpened, Timestamp: events.At(sent.Add(time.Hour)), ApplicationID: l.nylas.ApplicationID(),
			GrantID: agent, MessageID: message.ID, ThreadID: message.ThreadID, From: "news@mail.acme.dev",
			SendingDomain: "mail.acme.dev", Label: "first",
		}, *all[2])

		one := collect(t, l.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{
			Label: "first", SendingDomain: "mail.acme.dev",
			From: "news@mail.acme.dev", GrantID: agent, MessageID: message.ID, ThreadID: message.ThreadID,
			Start: sent, End: sent.Add(90 * time.Minute), PageSize: 1,
		}))
		require.Len(t, one, 2, "two pages")
		assert.Equal(t, all[1:], one)
		for name, req := range map[string]nylas.ListTrackingRequest{
			"label": {Label: "connected"}, "domain": {SendingDomain: "acme.dev"}, "from": {From: "x@acme.dev"},
			"grant": {GrantID: l.nylas.GrantID()}, "message": {MessageID: connected.ID}, "thread": {ThreadID: "x"},
			"end": {End: sent}, "start": {Start: sent.Add(3 * time.Hour)},
		} {
			assert.Empty(t, collect(t, l.client.Activity.ListTracking(ctx, &req)), name)
		}
		opens := collect(t, l.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{EventType: nylas.TrackingOpened}))
		assert.Len(t, opens, 2)

		event, err := l.client.Activity.GetTracking(ctx, all[1].ID)
		require.NoError(t, err)
		assert.Equal(t, all[1], event)
		assert.JSONEq(t, `"https://acme.dev/b"`, string(event.Other["link_url"]))
		_, err = l.client.Activity.GetTracking(ctx, anEventID)
		require.ErrorIs(t, err, nylas.ErrNotFound)

		tracked, err := l.client.Activity.MessageTracking(ctx, message.ID)
		require.NoError(t, err)
		assert.Equal(t, message.ThreadID, tracked.ThreadID)
		assert.JSONEq(t, `2`, string(tracked.Other["opens"]))
		assert.JSONEq(t, fmt.Sprint(sent.Add(time.Hour).Unix()), string(tracked.Other["first_opened_at"]))
		assert.JSONEq(t, fmt.Sprint(sent.Add(2*time.Hour).Unix()), string(tracked.Other["last_opened_at"]))
		assert.JSONEq(t, `[{"url":"https://acme.dev/a","clicks":0},{"url":"https://acme.dev/b","clicks":1}]`, string(tracked.Other["links"]))
		_, err = l.client.Activity.MessageTracking(ctx, connected.ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)

		<-time.After(8 * 24 * time.Hour)
		assert.Empty(t, collect(t, l.client.Activity.ListTracking(ctx, nil)), "7 days unless asked for more")
		assert.Len(t, collect(t, l.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{Start: sent})), 3)
		<-time.After(83 * 24 * time.Hour)
		assert.Empty(t, collect(t, l.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{Start: sent})), "90 days and no more")
		_, err = l.client.Activity.GetTracking(ctx, all[1].ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)
		_, err = l.client.Activity.MessageTracking(ctx, message.ID)
		require.ErrorIs(t, err, nylas.ErrNotFound)
	})
}

func TestLoopHistoryFails(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		l.inject(nylastest.Fault{Endpoint: nylastest.EndpointListTracking, Before: nylastest.GatewayAnswer(http.StatusBadGateway)})
		var resp nylas.Response
		require.NoError(t, lastError(l.client.Activity.ListTracking(t.Context(), nil, nylas.WithResponse(&resp))))
		assert.Equal(t, 2, resp.Attempts)
		require.ErrorIs(t, lastError(l.newClient("nyk_wrong").Activity.ListTracking(t.Context(), nil)), nylas.ErrUnauthorized)
		addresses, err := l.client.Webhooks.IPAddresses(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"127.0.0.1"}, addresses.IPAddresses)
		assert.False(t, addresses.UpdatedAt.IsZero())
	})
}

func TestLoopMetrics(t *testing.T) {
	agentLoop(t, func(t *testing.T, l *loop, agent string) {
		ctx := t.Context()
		second := l.nylas.AddAgentAccount("Sales", "sales@acme.dev")
		l.sendFrom(l.nylas.GrantID(), "connected")
		today := time.Now()
		for i := range 4 {
			message := l.sendFrom(agent, "x")
			if i == 0 {
				require.NoError(t, l.recipient(message).Open(ctx))
				require.NoError(t, l.recipient(message).Open(ctx))
			}
		}
		<-time.After(24 * time.Hour)
		_, err := l.recipient(l.sendFrom(second, "x")).Click(ctx, 0)
		require.NoError(t, err)

		metrics, err := l.client.Metrics.Tracking(ctx, nil)
		require.NoError(t, err)
		for i := range metrics.Rows {
			metrics.Rows[i].Other = nil
		}
		assert.Equal(t, []nylas.TrackingMetricsRow{
			{Key: "mail.acme.dev", TrackedOpens: 4, TrackedLinks: 4, OpenRate: new(25.0), ClickRate: new(0.0)},
			{Key: "acme.dev", TrackedOpens: 1, TrackedLinks: 1, OpenRate: new(0.0), ClickRate: new(100.0)},
		}, metrics.Rows)
		metrics, err = l.client.Metrics.Tracking(ctx, &nylas.TrackingMetricsRequest{
			Start: today, End: today.AddDate(0, 0, 1), GroupBy: nylas.GroupByAgentAccount, Sort: "click_rate:desc", Limit: 1,
		})
		require.NoError(t, err)
		require.Len(t, metrics.Rows, 2)
		assert.Equal(t, "sales@acme.dev", metrics.Rows[0].Key)
		assert.Equal(t, nylas.OthersKey, metrics.Rows[1].Key)
		assert.EqualValues(t, 4, metrics.Rows[1].TrackedOpens)

		series, err := l.client.Metrics.TrackingTimeseries(ctx, nil)
		require.NoError(t, err)
		assert.Equal(t, nylas.GranularityDay, series.Granularity)
		require.Len(t, series.Buckets, 7)
		assert.JSONEq(t, `4`, string(series.Buckets[5]["tracked_opens"]), "the day on which they were sent")
		assert.JSONEq(t, `1`, string(series.Buckets[6]["tracked_opens"]))
		for days, want := range map[int]string{21: "day 21", 22: "week 4", 92: "week 14", 93: "month 4", 365: "month 13"} {
			series, err := l.client.Metrics.TrackingTimeseries(ctx, &nylas.TrackingTimeseriesRequest{Start: today.AddDate(0, 0, 1-days), End: today})
			require.NoError(t, err)
			assert.Equal(t, want, fmt.Sprint(series.Granularity, " ", len(series.Buckets)), "%d days", days)
		}

		summary, err := l.client.Metrics.TrackingSummary(ctx, &nylas.TrackingSummaryRequest{Start: today.AddDate(0, 0, 1), End: today.AddDate(0, 0, 1)})
		require.NoError(t, err)
		assert.Contains(t, string(summary.Totals), `"tracked_links":1`)
		assert.Contains(t, string(summary.Other["previous"]), `"tracked_links":4`)
		summary, err = l.client.Metrics.TrackingSummary(ctx, &nylas.TrackingSummaryRequest{SendingDomain: "example.org"})
		require.NoError(t, err)
		assert.Contains(t, string(summary.Totals), `"open_rate":null`)
	})
}

// The Message-ID of a Transactional send that nobody opened is in its send events.
func TestLoopSendEvents(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		_, err := l.client.Transactional.Send(ctx, testDomain, &nylas.SendTransactionalRequest{
			To:   []nylas.Participant{{Email: "kim@example.org"}, {Email: "gone@bounce.nylas.test"}},
			From: nylas.Participant{Email: "hello@" + testDomain}, Body: "Hi",
		})
		require.NoError(t, err)
		all := collect(t, l.client.Activity.ListSends(ctx, &nylas.ListSendsRequest{PageSize: 1, From: "hello@" + testDomain}))
		require.Len(t, all, 4)
		bounces := collect(t, l.client.Activity.ListSends(ctx, &nylas.ListSendsRequest{EventType: nylas.SendBounced, BounceClass: nylas.BounceHard}))
		require.Len(t, bounces, 1)
		assert.Equal(t, "gone@bounce.nylas.test", bounces[0].Recipient)
		assert.Empty(t, bounces[0].GrantID)
		event, err := l.client.Activity.GetSend(ctx, bounces[0].ID)
		require.NoError(t, err)
		assert.Equal(t, bounces[0], event)
		delivery, err := l.client.Activity.MessageDelivery(ctx, event.MessageID)
		require.NoError(t, err)
		assert.Contains(t, string(delivery.Message), testDomain)
		_, err = l.client.Activity.MessageDelivery(ctx, "unknown")
		require.ErrorIs(t, err, nylas.ErrNotFound)

		summary, err := l.client.Metrics.SendSummary(ctx, nil)
		require.NoError(t, err)
		assert.Equal(t, nylas.HealthInsufficientData, summary.Health.State)
		metrics, err := l.client.Metrics.Send(ctx, &nylas.SendMetricsRequest{GroupBy: nylas.GroupByRecipientDomain, Sort: "key:asc"})
		require.NoError(t, err)
		require.Len(t, metrics.Rows, 2)
		assert.Equal(t, "bounce.nylas.test", metrics.Rows[0].Key)
		assert.InDelta(t, 100, *metrics.Rows[0].BounceRate, 0)
		assert.Nil(t, metrics.Rows[0].ComplaintRate, "nothing was delivered")
		assert.InDelta(t, 100, *metrics.Rows[1].DeliveryRate, 0)
		series, err := l.client.Metrics.SendTimeseries(ctx, &nylas.SendMetricsRequest{Granularity: nylas.GranularityMonth})
		require.NoError(t, err)
		assert.NotEmpty(t, series.Buckets)
	}, nylastest.WithSendingDomains(testDomain))
}

func TestLoopAlerts(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, alerts := t.Context(), l.client.Alerts
		for _, threshold := range []float64{0, 0.07, 4.35, 99.99} {
			rule, err := alerts.Create(ctx, &nylas.CreateAlertRequest{Metric: nylas.AlertBounceRate, Threshold: threshold, WindowHours: 1})
			require.NoError(t, err)
			assert.InDelta(t, threshold, rule.Threshold, 0)
		}
		rules := collect(t, alerts.List(ctx))
		require.Len(t, rules, 4)
		changed, err := alerts.Update(ctx, rules[1].ID, &nylas.UpdateAlertRequest{Metric: nylas.AlertDeliveryRate, Threshold: new(100.0)})
		require.NoError(t, err)
		assert.Equal(t, "below", changed.Direction)
		got, err := alerts.Get(ctx, changed.ID)
		require.NoError(t, err)
		assert.Equal(t, changed, got)
		require.NoError(t, alerts.Delete(ctx, changed.ID))
		require.ErrorIs(t, alerts.Delete(ctx, changed.ID), nylas.ErrNotFound)
		assert.Len(t, collect(t, alerts.List(ctx)), 3)
	})
}
