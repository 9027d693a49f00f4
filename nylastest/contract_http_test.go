package nylastest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// published is a published answer, and the request that the emulator gives it to.
type published struct {
	fixture, method, path string
	body                  any
	except                []string // what the emulator leaves out, or has with another type
}

// contract has a row for each published answer. Fields that a fixture has only to see that
// clients survive them are left out by their names.
func contract(w *world) []published {
	grant := "/v3/grants/" + w.server.GrantID()
	withAttachment := mail(object{"attachments": []object{{
		"filename": "a.txt", "content_type": "text/plain", "content": "SGVsbG8=", "content_id": "c-1", "content_disposition": "attachment",
	}}, "metadata": object{"key1": "v1"}, "cc": []object{{"email": "cc@example.org"}}, "bcc": []object{{"email": "bcc@example.org"}}})
	sent := w.call(http.MethodPost, grant+"/messages/send", withAttachment).data()
	message := grant + "/messages/" + sent["id"].(string)
	attachment := sent["attachments"].([]any)[0].(object)["id"].(string)
	m, _ := w.server.Message(sent["id"].(string))
	_, err := w.recipient(m).Reply(w.t.Context())
	require.NoError(w.t, err)

	withAttachment["reply_to_message_id"] = sent["id"]
	draft := grant + "/drafts/" + w.call(http.MethodPost, grant+"/drafts", withAttachment).data()["id"].(string)
	delete(withAttachment, "reply_to_message_id")
	scheduled := func() object { return mail(object{"send_at": time.Now().Add(time.Hour).Unix()}) }
	schedule := grant + "/messages/schedules/" + w.call(http.MethodPost, grant+"/messages/send", scheduled()).data()["schedule_id"].(string)
	pass(2 * time.Hour)
	pending := grant + "/messages/schedules/" + w.call(http.MethodPost, grant+"/messages/send", scheduled()).data()["schedule_id"].(string)

	agent := w.server.AddAgentAccount("Agent", "agent@nylas.test")
	tracked := w.call(http.MethodPost, "/v3/grants/"+agent+"/messages/send", mail()).data()["id"].(string)
	m, _ = w.server.Message(tracked)
	require.NoError(w.t, w.recipient(m).Open(w.t.Context()))
	_, err = w.recipient(m).Click(w.t.Context(), 0)
	require.NoError(w.t, err)
	require.NoError(w.t, w.recipient(m).Bounce(w.t.Context(), "General"))
	first := func(path string) string {
		return path + "/" + w.call(http.MethodGet, path, nil).object()["data"].([]any)[0].(object)["id"].(string)
	}

	webhook := object{
		"trigger_types": events.TrackingTypes(), "webhook_url": appURL, "description": "Email engagement", "notification_email_addresses": []string{"jane@example.com"},
	}
	hook := "/v3/webhooks/" + w.call(http.MethodPost, "/v3/webhooks", webhook).data()["id"].(string)
	channel := object{
		"trigger_types": events.TrackingTypes(), "topic": "projects/acme/topics/nylas", "notification_email_addresses": []string{"jane@example.com"},
	}
	sns := object{
		"trigger_types": events.TrackingTypes(), "topic": "arn:aws:sns:eu-west-1:123456789012:nylas", "role_arn": "arn:aws:iam::123456789012:role/nylas",
		"notification_email_addresses": []string{"jane@example.com"},
	}
	pubsubID := "/v3/channels/pubsub/" + w.call(http.MethodPost, "/v3/channels/pubsub", channel).data()["id"].(string)
	snsID := "/v3/channels/sns/" + w.call(http.MethodPost, "/v3/channels/sns", sns).data()["id"].(string)
	rule := object{"metric": "bounce_rate", "threshold": 2.5, "window_hours": 1}

	get, post, put := http.MethodGet, http.MethodPost, http.MethodPut
	return []published{
		{"published/messages.send.response.json", post, grant + "/messages/send?fields=include_headers", withAttachment, []string{
			".data.tracking_options", // in the schema, and in no published answer
		}},
		{"published/webhooks.create.response.json", post, "/v3/webhooks", webhook, nil},
		{"published/error.response.json", get, grant + "/messages/none", nil, []string{".error.provider_error"}}, // of a provider
		{"constructed/messages.send.scheduled.200.json", post, grant + "/messages/send", scheduled(), nil},
		{"http/messages.get-headers.response.json", get, message + "?fields=include_headers", nil, nil},
		{"http/messages.get-tracking.response.json", get, message + "?fields=include_tracking_options", nil, nil},
		{"http/messages.list-empty.response.json", get, grant + "/messages?limit=1", nil, nil},
		{"http/attachments.get.response.json", get, grant + "/attachments/" + attachment + "?message_id=" + sent["id"].(string), nil, nil},
		{"http/threads.thread.response.json", get, grant + "/threads/" + sent["thread_id"].(string), nil, nil},
		{"http/folders.list.response.json", get, grant + "/folders", nil, []string{ // of labels that a user made
			".data[].background_color", ".data[].text_color", ".data[].parent_id", ".data[].child_count",
			".data[].unread_count", // a number in the reference
		}},
		{"http/drafts.draft.response.json", get, draft, nil, []string{".data.tracking_options"}}, // not in the schema,
		{"http/drafts.list.response.json", get, grant + "/drafts", nil, []string{".data[].tracking_options", ".data[].metadata.n"}},
		{"constructed/schedules.data.json", get, grant + "/messages/schedules", nil, nil},
		{"http/schedules.get-data.response.json", get, schedule, nil, nil},
		{"http/schedules.cancel.response.json", http.MethodDelete, pending, nil, nil},
		{"http/grants.get.response.json", get, grant, nil, []string{ // of the login at the provider
			".data.blocked", ".data.ip", ".data.provider_user_id", ".data.settings", ".data.state", ".data.user_agent",
		}},
		{"http/grants.list.response.json", get, "/v3/grants", nil, []string{
			".data[].blocked", ".data[].ip", ".data[].provider_user_id", ".data[].settings", ".data[].state", ".data[].user_agent",
			".data[].created_at", // a number in the reference
		}},
		{"http/activity.list.response.json", get, "/v3/activity/tracking?limit=1", nil, nil},
		{"http/activity.get.response.json", get, first("/v3/activity/tracking"), nil, nil},
		{"http/activity.message.response.json", get, "/v3/activity/tracking/messages/" + tracked, nil, nil},
		{"http/sends.list.response.json", get, "/v3/activity/send?limit=1", nil, nil},
		{"http/sends.get.response.json", get, first("/v3/activity/send"), nil, nil},
		{"http/sends.message.response.json", get, "/v3/activity/send/messages/" + tracked, nil, nil},
		{"http/transactional.sent.response.json", post, "/v3/domains/acme.dev/messages/send", mail(object{
			"from": object{"email": "a@acme.dev", "name": "A"}, "tracking_options": object{"opens": true, "links": true, "label": "q2"},
			"attachments": withAttachment["attachments"],
		}), nil},
		{"http/alerts.rule.response.json", post, "/v3/alerts/send", rule, []string{".data.min_volume"}}, // a number in the reference,
		{"http/alerts.list.response.json", get, "/v3/alerts/send", nil, []string{".data[].min_volume"}},
		{"http/webhooks.get.response.json", get, hook, nil, nil},
		{"http/webhooks.update.response.json", put, hook, object{"description": "x"}, nil},
		{"http/webhooks.list.response.json", get, "/v3/webhooks", nil, nil},
		{"http/webhooks.rotate-secret.response.json", post, strings.Replace(hook, "webhooks/", "webhooks/rotate-secret/", 1), nil, []string{
			".data.created_at", ".data.updated_at", ".data.status_updated_at", // not in the published example
		}},
		{"http/webhooks.ip-addresses.response.json", get, "/v3/webhooks/ip-addresses", nil, nil},
		{"http/webhooks.mock-payload.response.json", post, "/v3/webhooks/mock-payload", object{"trigger_type": "message.opened"}, []string{
			".data.data.object.count", // of an older page
		}},
		{"http/webhooks.send-test-event.response.json", post, "/v3/webhooks/send-test-event", object{"trigger_type": "message.opened", "webhook_url": appURL}, nil},
		{"http/pubsub.create.response.json", post, "/v3/channels/pubsub", channel, nil},
		{"http/pubsub.get.response.json", get, pubsubID, nil, nil},
		{"http/pubsub.list.response.json", get, "/v3/channels/pubsub", nil, nil},
		{"http/pubsub.update.response.json", put, pubsubID, object{"description": "x"}, nil},
		{"http/sns.create.response.json", post, "/v3/channels/sns", sns, nil},
		{"http/sns.get.response.json", get, snsID, nil, nil},
		{"http/sns.list.response.json", get, "/v3/channels/sns", nil, nil},
		{"http/sns.update.response.json", put, snsID, object{"description": "x"}, nil},
		{"http/webhooks.delete.response.json", http.MethodDelete, hook, nil, nil},
		{"http/drafts.delete.response.json", http.MethodDelete, draft, nil, nil},
	}
}

func TestAnswersHaveThePublishedFields(t *testing.T) {
	t.Parallel()
	var rows []published
	var answers []any
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithSendingDomains("acme.dev"))
		rows = contract(w)
		for _, row := range rows {
			a := w.call(row.method, row.path, row.body)
			require.Equal(t, strings.Contains(row.fixture, "error."), a.status >= http.StatusBadRequest, "%s: %s", row.fixture, a.body)
			var answer any
			require.NoError(t, json.Unmarshal(a.body, &answer))
			answers = append(answers, answer)
		}
	})
	for i, row := range rows {
		t.Run(row.fixture, func(t *testing.T) {
			t.Parallel()
			requireShape(t, withoutInvented(fixture(t, row.fixture)), answers[i], row.except...)
		})
	}
}

// withoutInvented drops what a fixture has only to see that clients survive it.
func withoutInvented(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if strings.Contains(name, "nobody_read") || strings.Contains(name, "whatever_name") {
				delete(value, name)
			} else {
				value[name] = withoutInvented(member)
			}
		}
	case []any:
		for i := range value {
			value[i] = withoutInvented(value[i])
		}
	}
	return value
}
