package nylastest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// restart ends the server and starts another one with the same network and state file.
func (w *world) restart(path string, opts ...nylastest.Option) {
	w.t.Helper()
	require.NoError(w.t, w.server.Close())
	w.server = nylastest.NewServer(w.t, append(opts, nylastest.WithNetwork(w.network), w.stateFile(path))...)
}

func (w *world) stateFile(path string) nylastest.Option {
	return nylastest.WithStateFile(path, func(err error) { w.t.Errorf("the state was not written: %v", err) })
}

// newStateWorld is newWorld with a state file.
func newStateWorld(t *testing.T, opts ...nylastest.Option) (*world, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nylas.json")
	w := &world{t: t}
	return newWorld(t, append(opts, w.stateFile(path))...), path
}

// told returns what the API answers to these GET requests.
func (w *world) told(paths ...string) object {
	w.t.Helper()
	told := object{}
	for _, path := range paths {
		a := w.call(http.MethodGet, path, nil)
		require.Equal(w.t, http.StatusOK, a.status, "%s: %s", path, a.body)
		if a.header.Get("Content-Type") != "application/json" || a.body[0] != '{' {
			told[path] = string(a.body)
			continue
		}
		o := a.object()
		delete(o, "request_id")
		told[path] = o
	}
	return told
}

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t, nylastest.WithSendingDomains("acme.dev"))
		agent := w.server.AddAgentAccount("Robot", "robot@agents.test")
		agentPath := "/v3/grants/" + agent + "/messages/send"
		post := func(path string, body any, header ...string) object {
			t.Helper()
			a := w.call(http.MethodPost, path, body, header...)
			require.Equal(t, http.StatusOK, a.status, "%s: %s", path, a.body)
			return a.data()
		}
		hook := w.subscribe(appURL, append(events.TrackingTypes(), events.TypeMessageSendSuccess)...)
		sns := post("/v3/channels/sns", object{
			"trigger_types": events.TrackingTypes(), "topic": "arn:aws:sns:eu-west-1:123456789012:nylas", "role_arn": "arn:aws:iam::123456789012:role/nylas",
		})
		pubsub := post("/v3/channels/pubsub", object{"trigger_types": events.TrackingTypes(), "topic": "projects/acme/topics/nylas"})
		alert := post("/v3/alerts/send", object{"metric": "bounce_rate", "threshold": 5, "window_hours": 24})
		draft := post("/v3/grants/"+w.server.GrantID()+"/drafts", mail(object{"subject": "draft", "starred": true, "tracking_options": object{"opens": true}}))
		message := w.send(object{
			"metadata": object{"lead": "7"}, "custom_headers": []object{{"name": "X-Acme", "value": "1"}},
			"attachments": []object{{"filename": "a.txt", "content": "aGVsbG8=", "content_type": "text/plain"}},
		})
		byAgent := post(agentPath, mail(), "Idempotency-Key", "once")
		post("/v3/domains/acme.dev/messages/send", mail(object{
			"from": object{"email": "news@acme.dev"}, "tracking_options": object{"opens": true},
		}))
		raw, contentType := multipartOf(t, "mime", "To: lee@example.org\r\nSubject: as written\r\n\r\nplain")
		post(w.sendPath()+"?type=mime", raw, "Content-Type", contentType)
		scheduled := post(w.sendPath(), mail(object{"subject": "later", "send_at": time.Now().Add(time.Hour).Unix()}))
		kim := w.recipient(message).WithIP("203.0.113.7").WithUserAgent("Kim's")
		for range 2 {
			pass(time.Minute)
			require.NoError(t, kim.Open(t.Context()))
		}
		_, err := kim.Click(t.Context(), 1)
		require.NoError(t, err)
		reply, err := kim.AutoReply(t.Context())
		require.NoError(t, err)
		sentByAgent, _ := w.server.Message(byAgent["id"].(string))
		require.NoError(t, w.recipient(sentByAgent).Open(t.Context()))
		w.call(http.MethodPut, "/v3/grants/"+w.server.GrantID()+"/messages/"+message.ID, object{"starred": true, "metadata": object{"lead": "8"}})
		w.wait()
		w.receiver.take()

		mailboxPath := "/v3/grants/" + w.server.GrantID()
		paths := []string{
			"/v3/grants", "/v3/webhooks", "/v3/webhooks/" + hook["id"].(string),
			"/v3/channels/sns", "/v3/channels/sns/" + sns["id"].(string), "/v3/channels/pubsub/" + pubsub["id"].(string),
			"/v3/alerts/send/" + alert["id"].(string), mailboxPath + "/drafts", mailboxPath + "/drafts/" + draft["id"].(string),
			mailboxPath + "/messages", mailboxPath + "/messages?fields=include_headers", mailboxPath + "/messages?fields=include_tracking_options",
			mailboxPath + "/messages/" + reply + "?fields=raw_mime", mailboxPath + "/messages?subject=as+written&fields=raw_mime",
			mailboxPath + "/threads", mailboxPath + "/messages/schedules", "/v3/grants/" + agent + "/messages",
			mailboxPath + "/attachments/" + message.ID + "-0/download?message_id=" + message.ID,
			"/v3/activity/tracking", "/v3/activity/tracking/messages/" + sentByAgent.ID, "/v3/activity/send", "/v3/metrics/tracking/summary", "/v3/metrics/send/summary",
		}
		before, messages, key := w.told(paths...), w.server.Messages(), w.server.APIKey()
		w.restart(path, nylastest.WithSendingDomains("acme.dev"))
		assert.Equal(t, key, w.server.APIKey())
		after := w.told(paths...)
		for _, path := range paths {
			assert.Equal(t, before[path], after[path], path)
		}
		assert.EqualExportedValues(t, messages, w.server.Messages())

		// What happened counts on, and the tracking URLs of before lead there.
		require.NoError(t, kim.WithUserAgent("later").Open(t.Context()), "the old URL")
		opened := w.one()
		require.NoError(t, receive.VerifySignature(hook["webhook_secret"].(string), opened.body, opened.header.Get("X-Nylas-Signature")))
		open := opened.Data.(*events.MessageOpened)
		require.Len(t, open.Recents, 3)
		assert.Equal(t, "Kim's", open.Recents[0].UserAgent)
		assert.Equal(t, "203.0.113.7", open.Recents[0].IP)
		assert.Equal(t, events.Int(2), open.Recents[2].OpenedID)
		assert.Equal(t, events.Int(2), open.MessageData.Count, "it came within a minute of the second")
		assert.Equal(t, "trial-followup-q2", open.Label)
		_, err = w.recipient(message).Click(t.Context(), 1)
		require.NoError(t, err)
		click := w.one().Data.(*events.MessageLinkClicked)
		assert.Len(t, click.Recents, 2)
		assert.Equal(t, []events.Int{0, 2}, []events.Int{click.LinkData[0].Count, click.LinkData[1].Count})
		_, err = w.recipient(message).ReplyTo(t.Context(), reply)
		require.NoError(t, err)
		replied := w.one().Data.(*events.ThreadReplied)
		assert.Equal(t, events.Int(2), replied.ReplyData.Count)
		assert.Equal(t, message.ID, replied.RootMessageID)
		assert.Equal(t, message.ThreadID, replied.ThreadID)

		again := w.call(http.MethodPost, agentPath, mail(), "Idempotency-Key", "once")
		assert.Equal(t, "true", again.header.Get("Idempotent-Response"))
		assert.Equal(t, byAgent["id"], again.data()["id"])

		pass(time.Hour)
		w.wait()
		success := w.receiver.take()
		require.Len(t, success, 1)
		assert.Equal(t, scheduled["schedule_id"], success[0].Data.(*events.MessageSendSuccess).Message.ScheduleID)
		latest := w.server.Messages()[len(w.server.Messages())-1]
		assert.Equal(t, "later", latest.Subject)
		require.NoError(t, w.recipient(latest).Open(t.Context()))
		assert.Equal(t, latest.ID, w.one().Data.(*events.MessageOpened).MessageID)
	})
}

func TestStateSendsWhatCameDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t)
		for _, subject := range []string{"due", "cancelled"} {
			a := w.call(http.MethodPost, w.sendPath(), mail(object{"subject": subject, "send_at": time.Now().Add(time.Hour).Unix()}))
			if subject == "cancelled" {
				w.call(http.MethodDelete, "/v3/grants/"+w.server.GrantID()+"/messages/schedules/"+a.data()["schedule_id"].(string), nil)
			}
		}
		require.NoError(t, w.server.Close())
		pass(2 * time.Hour)
		w.restart(path)
		synctest.Wait()
		require.Len(t, w.server.Messages(), 1)
		assert.Equal(t, "due", w.server.Messages()[0].Subject)
		w.restart(path)
		synctest.Wait()
		assert.Len(t, w.server.Messages(), 1, "once")

		// A crash can come between a send and the end of its schedule.
		require.NoError(t, w.server.Close())
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		var state object
		require.NoError(t, json.Unmarshal(content, &state))
		message := maps.Clone(state["mail"].(object)["sent"].([]any)[0].(object))
		for _, history := range []string{"Token", "Opens", "Counted", "LastCounted", "Clicks", "PerLink", "ClickCounts"} {
			delete(message, history)
		}
		plan := state["schedules"].([]any)[0].(object)
		plan["Code"], plan["Token"], plan["Message"] = "pending", "token", message
		content, err = json.Marshal(state)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		w.restart(path)
		synctest.Wait()
		assert.Len(t, w.server.Messages(), 1, "once")
		schedules := w.call(http.MethodGet, "/v3/grants/"+w.server.GrantID()+"/messages/schedules", nil)
		assert.Contains(t, string(schedules.body), `"success"`)
	})
}

func TestStateHasTheWebhooksOfAListThatLags(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lag := nylastest.WithReadings(nylastest.Readings{WebhookListLag: time.Minute})
		w, path := newStateWorld(t, lag)
		id := w.subscribe(appURL)["id"]
		w.restart(path, lag)
		list := w.call(http.MethodGet, "/v3/webhooks", nil).object()["data"].([]any)
		require.Len(t, list, 1)
		assert.Equal(t, id, list[0].(object)["id"])
	})
}

func TestStateKeepsAdditionalGrants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t)
		first, second := w.server.GrantID(), w.server.AddGrant("Lee", "lee@acme.dev")
		w.restart(path)
		assert.Equal(t, first, w.server.GrantID())
		ids := map[string]bool{}
		for _, g := range w.call(http.MethodGet, "/v3/grants", nil).object()["data"].([]any) {
			ids[g.(object)["id"].(string)] = true
		}
		assert.Equal(t, map[string]bool{first: true, second: true}, maps.Clone(ids))
	})
}

func TestStateKeepsThatAWebhookFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t)
		w.subscribe(appURL)
		message := w.send()
		for range 20 {
			w.receiver.then(status(http.StatusNotFound))
			require.NoError(t, w.recipient(message).Open(t.Context()))
			pass(time.Minute)
		}
		require.Equal(t, "failing", w.server.Webhooks()[0].Status)
		content := written(t, path)
		assert.Contains(t, content, `"failing"`)
		w.restart(path)
		assert.Equal(t, "failing", w.server.Webhooks()[0].Status)
		require.NoError(t, w.server.Close())
		pass(72*time.Hour - time.Minute) // from when it began to fail, and not from the restart
		w.restart(path)
		assert.Equal(t, "failed", w.server.Webhooks()[0].Status)
	})
}

// TestStateWithASeed: a run on a state repeats, and makes no id that the state already has.
func TestStateWithASeed(t *testing.T) {
	t.Parallel()
	var runs [2][]string
	for i := range runs {
		synctest.Test(t, func(t *testing.T) {
			w, path := newStateWorld(t, nylastest.WithSeed(7))
			for range 3 {
				runs[i] = append(runs[i], w.send(nil).ID)
				w.restart(path, nylastest.WithSeed(7))
			}
		})
	}
	assert.Equal(t, runs[0], runs[1])
	assert.NotEqual(t, runs[0][0], runs[0][1])
	assert.NotEqual(t, runs[0][1], runs[0][2])
}

// TestStateKeepsTheEndsOfGrants: what an expired mailbox got is notified after a restart, and a
// deleted one, also the first, stays dead.
func TestStateKeepsTheEndsOfGrants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t)
		w.subscribe(appURL, events.TypeThreadReplied, events.TypeGrantUpdated)
		reply := func() {
			_, err := w.recipient(w.send()).Reply(t.Context())
			require.NoError(t, err)
		}
		message := w.send()
		require.NoError(t, w.server.ExpireGrant(w.server.GrantID()))
		_, err := w.recipient(message).Reply(t.Context())
		require.NoError(t, err)
		w.restart(path)
		w.call(http.MethodPost, w.sendPath(), mail()).refused(http.StatusUnauthorized, "api.authentication_error", "the grant has expired: its owner must authenticate again")
		require.NoError(t, w.server.RenewGrant(w.server.GrantID()))
		assert.ElementsMatch(t, []events.Type{events.TypeGrantUpdated, events.TypeThreadReplied}, w.types())
		w.restart(path)
		reply()
		assert.Equal(t, []events.Type{events.TypeThreadReplied}, w.types(), "nothing is notified twice")

		require.NoError(t, w.server.DeleteGrant(w.server.GrantID()))
		w.restart(path)
		w.call(http.MethodPost, w.sendPath(), mail()).refused(http.StatusNotFound, "api.not_found_error", "grant not found")
	})
}
