package endtoend_test

import (
	"context"
	"io"
	"iter"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// anEventID has the form that Nylas asks for, which a placeholder does not have.
var anEventID = strings.Repeat("0123456789abcdef", 4)

// call is one call of a method of a service.
type call struct {
	name string // as in "Messages.Send"
	do   func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error
}

// calls has each method of each service once. In place of an id stands its
// placeholder, so that the path of the request is the template of the endpoint.
func calls() []call {
	const (
		grant, message, draft, schedule = "{grant_id}", "{message_id}", "{draft_id}", "{schedule_id}"
		domain, webhook, channel        = "{domain}", "{webhook_id}", "{channel_id}"
		rule                            = "{rule_id}"
		thread, folder, attachment      = "{thread_id}", "{folder_id}", "{attachment_id}"
	)
	kim := []nylas.Participant{{Email: "kim@example.org"}}
	triggers := events.TrackingTypes()
	type Client = *nylas.Client
	return []call{
		{"Messages.Send", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Messages.Send(ctx, grant, &nylas.SendMessageRequest{To: kim}, opts...))
		}},
		{"Messages.SendMIME", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Messages.SendMIME(ctx, grant, []byte("To: kim@example.org\r\n\r\nHi"), opts...))
		}},
		{"Messages.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Messages.Get(ctx, grant, message, opts...))
		}},
		{"Messages.FindSent", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Messages.FindSent(ctx, grant, nylas.MarkOf("key5", "k"), opts...))
		}},
		{"Messages.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Messages.List(ctx, grant, nil, opts...))
		}},
		{"Messages.ListSchedules", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Messages.ListSchedules(ctx, grant, opts...))
		}},
		{"Messages.GetSchedule", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Messages.GetSchedule(ctx, grant, schedule, opts...))
		}},
		{"Messages.CancelSchedule", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.Messages.CancelSchedule(ctx, grant, schedule, opts...)
		}},
		{"Drafts.Create", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Drafts.Create(ctx, grant, &nylas.CreateDraftRequest{To: kim}, opts...))
		}},
		{"Drafts.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Drafts.Get(ctx, grant, draft, opts...))
		}},
		{"Drafts.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Drafts.List(ctx, grant, nil, opts...))
		}},
		{"Drafts.Update", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Drafts.Update(ctx, grant, draft, &nylas.UpdateDraftRequest{Body: new("b")}, opts...))
		}},
		{"Drafts.Delete", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.Drafts.Delete(ctx, grant, draft, opts...)
		}},
		{"Drafts.Send", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Drafts.Send(ctx, grant, draft, nil, opts...))
		}},
		{"Transactional.Send", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Transactional.Send(ctx, domain, &nylas.SendTransactionalRequest{To: kim, From: kim[0]}, opts...))
		}},
		{"Webhooks.Create", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{TriggerTypes: triggers, WebhookURL: "https://acme.dev/hook"}, opts...))
		}},
		{"Webhooks.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Webhooks.Get(ctx, webhook, opts...))
		}},
		{"Webhooks.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Webhooks.List(ctx, opts...))
		}},
		{"Webhooks.Update", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Webhooks.Update(ctx, webhook, &nylas.UpdateWebhookRequest{Description: "d"}, opts...))
		}},
		{"Webhooks.Delete", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.Webhooks.Delete(ctx, webhook, opts...)
		}},
		{"Webhooks.RotateSecret", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Webhooks.RotateSecret(ctx, webhook, opts...))
		}},
		{"Webhooks.MockPayload", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Webhooks.MockPayload(ctx, events.TypeMessageOpened, opts...))
		}},
		{"Webhooks.SendTestEvent", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.Webhooks.SendTestEvent(ctx, &nylas.SendTestEventRequest{
				TriggerType: events.TypeMessageOpened, WebhookURL: "https://acme.dev/hook",
			}, opts...)
		}},
		{"Webhooks.IPAddresses", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Webhooks.IPAddresses(ctx, opts...))
		}},
		{"Activity.ListTracking", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Activity.ListTracking(ctx, nil, opts...))
		}},
		{"Activity.GetTracking", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Activity.GetTracking(ctx, anEventID, opts...))
		}},
		{"Activity.MessageTracking", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Activity.MessageTracking(ctx, message, opts...))
		}},
		{"Activity.ListSends", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Activity.ListSends(ctx, nil, opts...))
		}},
		{"Activity.GetSend", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Activity.GetSend(ctx, anEventID, opts...))
		}},
		{"Activity.MessageDelivery", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Activity.MessageDelivery(ctx, message, opts...))
		}},
		{"Metrics.SendSummary", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Metrics.SendSummary(ctx, nil, opts...))
		}},
		{"Metrics.Send", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Metrics.Send(ctx, nil, opts...))
		}},
		{"Metrics.SendTimeseries", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Metrics.SendTimeseries(ctx, nil, opts...))
		}},
		{"Metrics.Tracking", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Metrics.Tracking(ctx, nil, opts...))
		}},
		{"Metrics.TrackingSummary", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Metrics.TrackingSummary(ctx, nil, opts...))
		}},
		{"Metrics.TrackingTimeseries", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Metrics.TrackingTimeseries(ctx, nil, opts...))
		}},
		{"Grants.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Grants.List(ctx, nil, opts...))
		}},
		{"Grants.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Grants.Get(ctx, grant, opts...))
		}},
		{"Threads.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Threads.List(ctx, grant, nil, opts...))
		}},
		{"Threads.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Threads.Get(ctx, grant, thread, opts...))
		}},
		{"Threads.Update", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Threads.Update(ctx, grant, thread, &nylas.UpdateThreadRequest{Unread: new(false)}, opts...))
		}},
		{"Threads.Delete", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.Threads.Delete(ctx, grant, thread, opts...)
		}},
		{"Attachments.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Attachments.Get(ctx, grant, attachment, message, opts...))
		}},
		{"Attachments.Download", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Attachments.Download(ctx, grant, attachment, message, opts...))
		}},
		{"Folders.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Folders.List(ctx, grant, nil, opts...))
		}},
		{"Folders.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Folders.Get(ctx, grant, folder, opts...))
		}},
		{"Messages.Update", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Messages.Update(ctx, grant, message, &nylas.UpdateMessageRequest{Unread: new(false)}, opts...))
		}},
		{"Messages.Delete", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.Messages.Delete(ctx, grant, message, opts...)
		}},
		{"Alerts.Create", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Alerts.Create(ctx, &nylas.CreateAlertRequest{Metric: nylas.AlertBounceRate, WindowHours: 1}, opts...))
		}},
		{"Alerts.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.Alerts.List(ctx, opts...))
		}},
		{"Alerts.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Alerts.Get(ctx, rule, opts...))
		}},
		{"Alerts.Update", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.Alerts.Update(ctx, rule, &nylas.UpdateAlertRequest{WindowHours: 2}, opts...))
		}},
		{"Alerts.Delete", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.Alerts.Delete(ctx, rule, opts...)
		}},
		{"PubSubChannels.Create", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.PubSubChannels.Create(ctx, &nylas.CreatePubSubChannelRequest{
				TriggerTypes: triggers, Topic: testTopic,
			}, opts...))
		}},
		{"PubSubChannels.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.PubSubChannels.Get(ctx, channel, opts...))
		}},
		{"PubSubChannels.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.PubSubChannels.List(ctx, opts...))
		}},
		{"PubSubChannels.Update", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.PubSubChannels.Update(ctx, channel, &nylas.UpdatePubSubChannelRequest{Description: "d"}, opts...))
		}},
		{"PubSubChannels.Delete", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.PubSubChannels.Delete(ctx, channel, opts...)
		}},
		{"SNSChannels.Create", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.SNSChannels.Create(ctx, &nylas.CreateSNSChannelRequest{
				TriggerTypes: triggers, Topic: testARN, RoleARN: testRole,
			}, opts...))
		}},
		{"SNSChannels.Get", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.SNSChannels.Get(ctx, channel, opts...))
		}},
		{"SNSChannels.List", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return lastError(c.SNSChannels.List(ctx, opts...))
		}},
		{"SNSChannels.Update", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return errorOf(c.SNSChannels.Update(ctx, channel, &nylas.UpdateSNSChannelRequest{Description: "d"}, opts...))
		}},
		{"SNSChannels.Delete", func(ctx context.Context, c Client, opts ...nylas.RequestOption) error {
			return c.SNSChannels.Delete(ctx, channel, opts...)
		}},
	}
}

func errorOf[T any](_ T, err error) error { return err }

// lastError goes through a list and returns its error, which ends it.
func lastError[T any](list iter.Seq2[T, error]) error {
	var last error
	for _, err := range list {
		last = err
	}
	return last
}

// serviceMethods returns the methods of all services that take RequestOptions,
// as in "Messages.Send".
func serviceMethods() []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[nylas.Client]()) {
		if !field.IsExported() {
			continue
		}
		for method := range field.Type.Methods() {
			f := method.Type
			if f.IsVariadic() && f.In(f.NumIn()-1) == reflect.TypeFor[[]nylas.RequestOption]() {
				names = append(names, field.Name+"."+method.Name)
			}
		}
	}
	return names
}

// The table in docs/methods.md has every method of every service with the request
// that it makes, and the emulator answers all of them.
func TestTableOfMethods(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		rows := map[string]string{}
		for _, call := range calls() {
			var requests []string
			client := l.newClient(l.nylas.APIKey(), nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
				return roundTripper(func(r *http.Request) (*http.Response, error) {
					requests = append(requests, r.Method+" "+strings.Replace(r.URL.Path, anEventID, "{event_id}", 1))
					answer, err := next.RoundTrip(r)
					if err != nil {
						return nil, err
					}
					body, err := io.ReadAll(answer.Body)
					if err != nil {
						return nil, err
					}
					assert.False(t, answer.StatusCode == http.StatusNotFound && strings.HasPrefix(string(body), "Cannot "),
						"%s: the emulator does not have it", call.name)
					answer.Body = io.NopCloser(strings.NewReader(string(body)))
					return answer, nil
				})
			}))
			_ = call.do(t.Context(), client) // the ids are unknown to the emulator
			require.Len(t, requests, 1, call.name)
			rows[call.name] = "| `" + call.name + "` | `" + requests[0] + "` |\n"
		}
		table := "| Go | Nylas |\n|---|---|\n"
		for _, name := range serviceMethods() {
			assert.Contains(t, rows, name, "is missing in calls()")
			table += rows[name]
		}
		content, err := os.ReadFile("../../docs/methods.md")
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(string(content), "\n\n"+table), "docs/methods.md must end with this table:\n\n%s", table)
	})
}
