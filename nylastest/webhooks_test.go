package nylastest_test

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func keys(o object) []string { return slices.Sorted(maps.Keys(o)) }

func TestWebhookLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		created := w.call(http.MethodPost, "/v3/webhooks/", object{
			"trigger_types": events.TrackingTypes(), "webhook_url": appURL + "?tenant=1", "description": "Email engagement tracking",
			"notification_email_addresses": []string{"ops@acme.dev"}, "compressed_delivery": true,
		})
		require.Equal(t, http.StatusOK, created.status, "%s", created.body)
		hook := created.data()
		assert.Equal(t, []string{
			"compressed_delivery", "description", "id", "notification_email_addresses", "status", "trigger_types", "webhook_secret", "webhook_url",
		}, keys(hook))
		assert.Equal(t, "active", hook["status"])
		assert.Equal(t, 1, w.receiver.challenges())
		id, secret := hook["id"].(string), hook["webhook_secret"].(string)
		path := "/v3/webhooks/" + id

		w.subscribe(appURL)
		var list []any
		for _, path := range []string{"/v3/webhooks", "/v3/webhooks/"} {
			list = w.call(http.MethodGet, path, nil).object()["data"].([]any)
			require.Len(t, list, 2)
		}
		assert.Equal(t, []string{
			"compressed_delivery", "description", "id", "notification_email_addresses", "status", "trigger_types", "webhook_url",
		}, keys(list[0].(object)))
		assert.Equal(t, []any{}, list[1].(object)["notification_email_addresses"])

		start := time.Now().Unix()
		pass(time.Minute)
		got := w.call(http.MethodGet, path, nil).data()
		assert.Equal(t, []string{
			"created_at", "description", "id", "notification_email_addresses", "status", "status_updated_at", "trigger_types", "updated_at", "webhook_url",
		}, keys(got))
		assert.InDelta(t, start, got["created_at"], 0)

		// Empty members change nothing, false does.
		updated := w.call(http.MethodPut, path, object{
			"trigger_types": []string{}, "description": "", "webhook_url": "", "status": "", "notification_email_addresses": []string{},
		}).data()
		assert.Equal(t, []string{
			"compressed_delivery", "created_at", "description", "id", "notification_email_addresses", "status", "status_updated_at",
			"trigger_types", "updated_at", "webhook_url",
		}, keys(updated))
		for _, name := range []string{"trigger_types", "description", "webhook_url", "status", "notification_email_addresses", "compressed_delivery", "status_updated_at"} {
			if name != "status_updated_at" {
				assert.Equal(t, hook[name], updated[name], name)
			}
		}
		assert.InDelta(t, start+60, updated["updated_at"], 0)
		assert.InDelta(t, start, updated["status_updated_at"], 0)
		assert.Equal(t, 2, w.receiver.challenges(), "nothing to challenge")
		updated = w.call(http.MethodPut, path, object{
			"trigger_types": []string{"message.opened"}, "description": "new", "status": "pause",
			"notification_email_addresses": []string{"a@acme.dev"}, "compressed_delivery": false, "webhook_url": appURL + "?tenant=2",
		}).data()
		assert.Equal(t, []any{"message.opened"}, updated["trigger_types"])
		assert.Equal(t, "new", updated["description"])
		assert.Equal(t, "pause", updated["status"])
		assert.Equal(t, false, updated["compressed_delivery"])
		assert.Equal(t, appURL+"?tenant=2", updated["webhook_url"])
		assert.InDelta(t, start+60, updated["status_updated_at"], 0)
		assert.Equal(t, 3, w.receiver.challenges(), "a new URL is challenged")

		rotated := w.call(http.MethodPost, "/v3/webhooks/rotate-secret/"+id, nil).data()
		assert.NotEqual(t, secret, rotated["webhook_secret"])
		assert.NotEmpty(t, rotated["webhook_secret"])
		assert.Equal(t, keys(hook), keys(rotated))

		deleted := w.call(http.MethodDelete, path, nil)
		assert.Equal(t, http.StatusOK, deleted.status)
		assert.Equal(t, object{"status": "success"}, deleted.data())
		for method, path := range map[string]string{
			http.MethodGet: path, http.MethodPut: path, http.MethodDelete: path, http.MethodPost: "/v3/webhooks/rotate-secret/" + id,
		} {
			w.call(method, path, object{}).refused(400, "70000", "destination.id.not.found : record not found")
		}
	})
}

func TestWebhookRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hook := w.subscribe(appURL)
	for message, body := range map[string]object{
		"invalid.input.format : trigger_types is required":                         {"webhook_url": appURL},
		"invalid.input.format : trigger_types[1] is not a trigger":                 {"webhook_url": appURL, "trigger_types": []string{"message.opened", "message.opened.truncated"}},
		"invalid.input.format : webhook_url must be an absolute http or https URL": {"trigger_types": []string{"message.opened"}},
		"unable.verify.webhook_url : no answer":                                    {"trigger_types": []string{"message.opened"}, "webhook_url": "http://nobody.test/"},
	} {
		w.call(http.MethodPost, "/v3/webhooks", body).refused(400, "70005", message)
	}
	path := "/v3/webhooks/" + hook["id"].(string)
	w.call(http.MethodPut, path, object{"status": "paused"}).refused(400, "70005", "invalid.input.format : status must be active or pause")
	w.call(http.MethodPut, path, object{"trigger_types": []string{"x"}}).refused(400, "70005", "invalid.input.format : trigger_types[0] is not a trigger")
	w.call(http.MethodPut, path, object{"webhook_url": "ftp://app.test"}).refused(400, "70005", "invalid.input.format : webhook_url must be an absolute http or https URL")
	w.call(http.MethodPost, "/v3/webhooks", object{}, "Content-Type", "text/plain").
		refused(400, "70005", "invalid.input.format : request must be of content-type application/json")
	w.call(http.MethodGet, "/v3/webhooks", nil, "Authorization", "Bearer x").refused(401, "unauthorized", "Unauthorized")
	assert.Equal(t, appURL, w.call(http.MethodGet, path, nil).data()["webhook_url"], "nothing was changed")
}

func TestWebhookUnknownNamesFailTheTest(t *testing.T) {
	t.Parallel()
	fake := &fakeT{}
	network := nylastest.NewNetwork()
	w := &world{t: t, server: nylastest.NewServer(fake, nylastest.WithNetwork(network))}
	w.call(http.MethodPost, "/v3/webhooks", object{"trigger_type": "message.opened"}).
		refused(400, "api.invalid_request_error", `unknown field "/trigger_type"`)
	w.call(http.MethodGet, "/v3/webhooks?limit=1", nil).
		refused(400, "api.invalid_request_error", `unknown query parameter "limit"`)
	fake.end()
	assert.Len(t, fake.failures, 2)
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	echo := func(before, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, before+r.URL.Query().Get("challenge")+after)
		}
	}
	for name, test := range map[string]struct {
		challenge http.HandlerFunc
		message   string // "" if it is passed
	}{
		"good":      {echo("", ""), ""},
		"status":    {status(http.StatusNotFound), "status is not ok, got 404"},
		"201":       {status(http.StatusCreated), "status is not ok, got 201"},
		"redirect":  {status(http.StatusFound, "Location", "/elsewhere"), "status is not ok, got 302"},
		"empty":     {status(http.StatusOK), "the answer is not the challenge"},
		"quoted":    {echo(`"`, `"`), "the answer is not the challenge"},
		"line feed": {echo("", "\n"), "the answer is not the challenge"},
		"long":      {echo("", "0123456789"), "the answer is not the challenge"},
		"chunked": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			echo("", "")(w, r)
		}, "the answer is chunked"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "36")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "the answer was cut off"},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no answer"},
		"late":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.receiver.setChallenge(test.challenge)
				start := time.Now()
				a := w.call(http.MethodPost, "/v3/webhooks", object{"trigger_types": []string{"message.opened"}, "webhook_url": appURL + "?a=b"})
				list := w.call(http.MethodGet, "/v3/webhooks", nil).object()["data"]
				if test.message == "" {
					assert.Equal(t, http.StatusOK, a.status, "%s", a.body)
					assert.Len(t, list, 1)
					return
				}
				a.refused(400, "70005", "unable.verify.webhook_url : "+test.message)
				assert.Empty(t, list)
				assert.Equal(t, 1, w.receiver.challenges(), "there is no second try")
				if name == "late" {
					assert.Equal(t, 10*time.Second, time.Since(start))
				}
			})
		})
	}
}

func TestActivatingChallengesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/v3/webhooks/" + w.subscribe(appURL)["id"].(string)
	w.call(http.MethodPut, path, object{"status": "pause"})
	w.receiver.setChallenge(status(http.StatusNotFound))
	w.call(http.MethodPut, path, object{"status": "active"}).refused(400, "70005", "unable.verify.webhook_url : status is not ok, got 404")
	assert.Equal(t, "pause", w.call(http.MethodGet, path, nil).data()["status"])
	w.receiver.setChallenge(nil)
	assert.Equal(t, "active", w.call(http.MethodPut, path, object{"status": "active"}).data()["status"])
}

func TestMockPayload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, trigger := range []events.Type{
		events.TypeMessageOpened, events.TypeMessageLinkClicked, events.TypeThreadReplied,
		events.TypeMessageSendSuccess, events.TypeMessageSendFailed, events.TypeMessageBounceDetected,
	} {
		data := w.call(http.MethodPost, "/v3/webhooks/mock-payload", object{"trigger_type": trigger}).data()
		assert.Contains(t, data, "data", trigger)
		assert.Equal(t, string(trigger), data["type"])
		assert.Equal(t, "mock-id", data["id"])
	}
	w.call(http.MethodPost, "/v3/webhooks/mock-payload", object{"trigger_type": "contact.updated"}).
		refused(400, "70005", "invalid.input.format : no mock payload for this trigger_type")
	w.call(http.MethodPost, "/v3/webhooks/mock-payload", "{").refused(400, "api.invalid_request_error", "error parsing request body")
}

func TestSendTestEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := object{"trigger_type": "message.link_clicked", "webhook_url": appURL}
	a := w.call(http.MethodPost, "/v3/webhooks/send-test-event", request)
	assert.Equal(t, http.StatusOK, a.status, "%s", a.body)
	assert.Equal(t, "success", a.object()["data"])
	got := w.receiver.take()
	require.Len(t, got, 1)
	assert.Equal(t, "mock-id", got[0].ID)
	assert.IsType(t, &events.MessageLinkClicked{}, got[0].Data)
	assert.Equal(t, nylastest.Sign("mock-webhook-secret", got[0].body), got[0].header.Get("x-nylas-signature"))
	assert.Zero(t, w.receiver.challenges())

	w.receiver.then(status(http.StatusServiceUnavailable))
	w.call(http.MethodPost, "/v3/webhooks/send-test-event", request).
		refused(400, "70005", "unable.verify.webhook_url : status is not ok, got 503")
	w.call(http.MethodPost, "/v3/webhooks/send-test-event", object{"trigger_type": "message.opened", "webhook_url": "http://nobody.test"}).
		refused(400, "70005", "unable.verify.webhook_url : no answer")
	w.call(http.MethodPost, "/v3/webhooks/send-test-event", object{"trigger_type": "message.opened", "webhook_url": "x"}).
		refused(400, "70005", "invalid.input.format : webhook_url must be an absolute http or https URL")
	w.call(http.MethodPost, "/v3/webhooks/send-test-event", object{"trigger_type": "x", "webhook_url": appURL}).
		refused(400, "70005", "invalid.input.format : no mock payload for this trigger_type")
	w.call(http.MethodPost, "/v3/webhooks/send-test-event", "[", "Content-Type", "application/json").
		refused(400, "api.invalid_request_error", "error parsing request body")
}
