package nylastest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func (w *world) messagesPath() string { return "/v3/grants/" + w.server.GrantID() + "/messages" }

// headersOf returns the headers of a message in a mailbox, as it lists them.
func (w *world) headersOf(id, fields string) map[string]string {
	w.t.Helper()
	headers := map[string]string{}
	list, _ := w.call(http.MethodGet, w.messagesPath()+"/"+id+"?fields="+fields, nil).data()["headers"].([]any)
	for _, h := range list {
		headers[h.(object)["name"].(string)] = h.(object)["value"].(string)
	}
	return headers
}

func TestReplyInTheMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(object{"to": []object{{"name": "Kim", "email": "kim@example.org"}, {"email": "lee@example.org"}}})
	kim := w.recipient(m)
	id, err := kim.Reply(t.Context())
	require.NoError(t, err)
	reply := w.call(http.MethodGet, w.messagesPath()+"/"+id, nil).data()
	assert.Equal(t, []any{object{"name": "Kim", "email": "kim@example.org"}}, reply["from"])
	assert.Equal(t, []any{object{"name": "Sender", "email": "sender@nylas.test"}}, reply["to"])
	assert.Equal(t, "Re: "+m.Subject, reply["subject"])
	assert.Equal(t, m.ThreadID, reply["thread_id"])
	assert.Equal(t, m.ID, reply["reply_to_message_id"])
	assert.Equal(t, []any{"INBOX"}, reply["folders"])
	assert.Equal(t, true, reply["unread"])
	assert.NotContains(t, reply, "headers")

	sent := w.headersOf(m.ID, "include_headers")
	got := w.headersOf(id, "include_headers")
	assert.Equal(t, sent["Message-ID"], got["In-Reply-To"])
	assert.Equal(t, sent["Message-ID"], got["References"])
	assert.Equal(t, `"Kim" <kim@example.org>`, got["From"])
	assert.NotContains(t, got, "Auto-Submitted")
	basic := w.headersOf(id, "include_basic_headers")
	assert.Len(t, basic, 3)
	assert.Equal(t, got["Message-ID"], basic["Message-ID"])
	assert.Empty(t, w.headersOf(id, "standard"))

	// A follow-up of the sender answers the reply, and names its header.
	followUp := w.send(object{"reply_to_message_id": id})
	assert.Equal(t, got["Message-ID"], w.headersOf(followUp.ID, "include_headers")["In-Reply-To"])
	own, err := kim.AsSender().ReplyTo(t.Context(), id)
	require.NoError(t, err)
	ownReply := w.call(http.MethodGet, w.messagesPath()+"/"+own, nil).data()
	assert.Equal(t, []any{"SENT"}, ownReply["folders"])
	assert.Equal(t, false, ownReply["unread"])
	assert.Equal(t, []any{object{"name": "Sender", "email": "sender@nylas.test"}}, ownReply["from"])
	assert.Len(t, w.server.Messages(), 2, "replies are not sent messages")
}

func TestAutoReply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	m := w.send()
	id, err := w.recipient(m).AutoReply(t.Context())
	require.NoError(t, err)
	r := replied(t, w.one())
	assert.Equal(t, id, r.MessageID)
	assert.False(t, *r.FromSelf)
	assert.Equal(t, "auto-replied", w.headersOf(id, "include_headers")["Auto-Submitted"])
	assert.NotContains(t, w.headersOf(id, "include_basic_headers"), "Auto-Submitted")

	// The same from outside.
	a := w.call(http.MethodPost, "/nylastest/grants/"+w.server.GrantID()+"/messages/"+m.ID+"/replies", object{"automatic": true})
	assert.Equal(t, "auto-replied", w.headersOf(a.data()["id"].(string), "include_headers")["Auto-Submitted"])
}

func TestReadFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(object{"metadata": object{"key1": "v"}})
	path := w.messagesPath() + "/" + m.ID
	plain := w.call(http.MethodGet, path, nil).data()
	assert.Equal(t, m.Body, plain["body"])
	assert.Equal(t, object{"key1": "v"}, plain["metadata"])
	assert.NotContains(t, plain, "tracking_options")
	assert.Equal(t, object{"opens": true, "links": true, "thread_replies": true, "label": "trial-followup-q2"},
		w.call(http.MethodGet, path+"?fields=include_tracking_options", nil).data()["tracking_options"])
	quiet := w.send(object{"tracking_options": nil})
	assert.NotContains(t, w.call(http.MethodGet, w.messagesPath()+"/"+quiet.ID+"?fields=include_tracking_options", nil).data(), "tracking_options")

	for query, want := range map[string]string{
		"fields=all":    "fields must be standard, include_headers, include_basic_headers, include_tracking_options or raw_mime",
		"shared_from=x": "shared_from: this emulator has no provider that could answer it",
	} {
		w.call(http.MethodGet, path+"?"+query, nil).refused(400, "api.invalid_request_error", want)
		w.call(http.MethodGet, w.messagesPath()+"?"+query, nil).refused(400, "api.invalid_request_error", want)
	}
	w.call(http.MethodGet, w.messagesPath()+"?query_imap=true", nil).refused(400, "api.invalid_request_error", "query_imap needs in")
	w.call(http.MethodGet, w.messagesPath()+"/x", nil).refused(404, "api.not_found_error", "message not found")
	w.call(http.MethodGet, "/v3/grants/x/messages/x", nil).refused(404, "api.not_found_error", "grant not found")
	w.call(http.MethodGet, "/v3/grants/x/messages", nil).refused(404, "api.not_found_error", "grant not found")
	other := w.server.AddGrant("Ada", "ada@acme.dev")
	w.call(http.MethodGet, "/v3/grants/"+other+"/messages/"+m.ID, nil).refused(404, "api.not_found_error", "message not found")
}

func TestMessageList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		start := time.Now().Unix()
		first := w.send(object{"subject": "Alpha", "metadata": object{"key2": "x"}})
		pass(time.Minute)
		reply, err := w.recipient(first).Reply(t.Context())
		require.NoError(t, err)
		pass(time.Minute)
		second := w.send(object{"subject": "Beta", "cc": []object{{"email": "cc@example.org"}}, "attachments": []object{{"content": ""}}})
		all := []string{second.ID, reply, first.ID}
		for query, want := range map[string][]string{
			"": all, "unread=true": {reply}, "unread=false": {second.ID, first.ID}, "in=SENT": {second.ID, first.ID}, "in=INBOX": {reply},
			"in=inbox": {}, "from=kim@example.org": {reply}, "to=sender@nylas.test": {reply}, "cc=cc@example.org": {second.ID},
			"subject=Alpha": {reply, first.ID}, "subject=alpha": {}, "thread_id=" + first.ThreadID: {reply, first.ID},
			"has_attachment=true": {second.ID}, "metadata_pair=key2:x": {first.ID}, "starred=true": {}, "any_email=kim@example.org": all,
			fmt.Sprint("received_after=", start): {second.ID, reply}, fmt.Sprint("received_before=", start+60): {first.ID},
			"in=INBOX&query_imap=true": {reply}, "query_imap=false": all,
		} {
			a := w.call(http.MethodGet, w.messagesPath()+"?"+query, nil)
			require.Equal(t, http.StatusOK, a.status, "%s", a.body)
			ids := []string{}
			for _, m := range a.object()["data"].([]any) {
				ids = append(ids, m.(object)["id"].(string))
			}
			assert.Equal(t, want, ids, query)
		}
		w.call(http.MethodGet, w.messagesPath()+"?received_after=now", nil).
			refused(400, "api.invalid_request_error", "received_after must be a number of seconds")
		w.call(http.MethodGet, w.messagesPath()+"?query_imap=x", nil).
			refused(400, "api.invalid_request_error", "query_imap must be true or false")

		// A message that comes while somebody reads pages moves nothing.
		a := w.call(http.MethodGet, w.messagesPath()+"?limit=2&fields=include_headers", nil)
		cursor := a.object()["next_cursor"].(string)
		assert.Contains(t, a.object()["data"].([]any)[0], "headers")
		w.send()
		a = w.call(http.MethodGet, w.messagesPath()+"?limit=2&page_token="+cursor, nil)
		require.Len(t, a.object()["data"], 1)
		assert.Equal(t, first.ID, a.object()["data"].([]any)[0].(object)["id"])
	})
}

func TestTransactionalEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithSendingDomains("News.Acme.dev."))
	w.subscribe(appURL)
	const path, bad = "/v3/domains/news.acme.dev/messages/send", "api.invalid_request_error"
	from := object{"name": "Acme", "email": "hello@news.acme.dev"}
	tracking := object{"opens": true, "label": "welcome"}
	a := w.call(http.MethodPost, path, mail(object{
		"from": from, "tracking_options": tracking, "attachments": []object{{"filename": "a.txt", "content": ""}},
	}))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	data := a.data()
	assert.NotContains(t, a.object(), "grant_id")
	assert.NotContains(t, data, "thread_id")
	assert.Equal(t, object{"opens": true, "links": false, "label": "welcome"}, data["tracking_options"])
	assert.NotContains(t, data["attachments"].([]any)[0], "id")
	m := w.server.Messages()[0]
	assert.Equal(t, "news.acme.dev", m.Domain)
	assert.Empty(t, m.GrantID)
	require.NoError(t, w.recipient(m).Open(t.Context()))
	n := w.one()
	assert.Equal(t, "welcome", opened(t, n).Label)
	assert.NotContains(t, string(n.body), "grant_id")
	_, err := w.recipient(m).Reply(t.Context())
	require.ErrorContains(t, err, "no mailbox")

	quiet := w.call(http.MethodPost, path, mail(object{"from": from, "tracking_options": nil}))
	assert.NotContains(t, quiet.data(), "tracking_options")
	w.call(http.MethodPost, path, mail(object{"tracking_options": nil})).refused(400, bad, "from is required")
	w.call(http.MethodPost, path, mail(object{"from": []object{from}, "tracking_options": nil})).
		refused(400, bad, `error parsing request body: wrong type at "/from"`)
	w.call(http.MethodPost, path, mail(object{"from": from, "to": nil, "tracking_options": nil})).
		refused(400, bad, "to must have at least one recipient")
	w.call(http.MethodPost, path, mail(object{"from": object{"email": "a@acme.dev"}, "tracking_options": nil})).
		refused(400, bad, "from.email must belong to a verified domain")
	w.call(http.MethodPost, path+"?fields=standard", mail(object{"from": from, "tracking_options": nil}), "Authorization", "").
		refused(401, "unauthorized", "Unauthorized")
	w.call(http.MethodPost, path, mail(object{"from": from, "send_at": 1, "tracking_options": nil})).refused(400, bad, "send_at is in the past")
	assert.Len(t, w.server.Messages(), 2)
	messages := w.call(http.MethodGet, w.messagesPath(), nil).object()["data"]
	assert.Empty(t, messages, "no mailbox holds a transactional message")
}

func TestTransactionalIsStrict(t *testing.T) {
	t.Parallel()
	fake := &fakeT{TB: t}
	t.Cleanup(fake.end)
	w := newWorld(t)
	w.server = nylastest.NewServer(fake, nylastest.WithNetwork(w.network), nylastest.WithSendingDomains("acme.dev"))
	from := object{"email": "a@acme.dev"}
	const path, bad = "/v3/domains/acme.dev/messages/send", "api.invalid_request_error"
	w.call(http.MethodPost, path, mail(object{"from": from})).refused(400, bad, `unknown field "/tracking_options/thread_replies"`)
	w.call(http.MethodPost, path, mail(object{"from": from, "use_draft": true})).refused(400, bad, `unknown field "/use_draft"`)
	w.call(http.MethodPost, path+"?fields=standard", mail(object{"from": from})).refused(400, bad, `unknown query parameter "fields"`)
	assert.Len(t, fake.failures, 3)
	assert.Empty(t, w.server.Messages())
}

func TestSendingDomainsAreHostnames(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{"", "localhost", "https://acme.dev", "acme.dev:443"} {
		_, err := nylastest.Start(nylastest.WithSendingDomains("acme.dev", domain))
		require.EqualError(t, err, fmt.Sprintf("nylastest: sending domain %q is not a hostname with a dot", domain))
	}
}

func TestScheduleEndpoints(t *testing.T) {
	t.Parallel()
	for _, bare := range []bool{false, true} {
		w := newWorld(t, nylastest.WithReadings(nylastest.Readings{SchedulesBare: bare}))
		id := w.call(http.MethodPost, w.sendPath(), mail(object{"send_at": time.Now().Add(time.Hour).Unix()})).data()["schedule_id"].(string)
		want := fmt.Sprintf(`{"schedule_id":%q,"status":{"code":"pending","description":"schedule send awaiting send at time"}}`, id)
		one, list := w.call(http.MethodGet, w.messagesPath()+"/schedules/"+id, nil), w.call(http.MethodGet, w.messagesPath()+"/schedules", nil)
		assert.NotEmpty(t, list.header.Get("X-Request-Id"))
		if bare {
			assert.JSONEq(t, `[`+want+`]`, string(list.body))
			assert.JSONEq(t, want, string(one.body))
		} else {
			assert.Contains(t, list.object(), "request_id")
			assert.Contains(t, string(list.body), `"data":[`+want+`]`)
			assert.Contains(t, string(one.body), `"data":`+want)
		}
		other := "/v3/grants/" + w.server.AddGrant("Ada", "ada@acme.dev") + "/messages/schedules/" + id
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			w.call(method, other, nil).refused(404, "api.not_found_error", "schedule not found")
			w.call(method, "/v3/grants/x/messages/schedules/"+id, nil).refused(404, "api.not_found_error", "grant not found")
		}
		w.call(http.MethodGet, "/v3/grants/x/messages/schedules", nil).refused(404, "api.not_found_error", "grant not found")
		a := w.call(http.MethodDelete, w.messagesPath()+"/schedules/"+id, nil)
		assert.Equal(t, http.StatusAccepted, a.status)
		assert.Equal(t, object{"message": "requested cancelation for workflow"}, a.data())
		assert.Empty(t, w.server.Messages())
	}
}

// TestFaultsOfMessageEndpoints lets each endpoint fail once.
func TestFaultsOfMessageEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithSendingDomains("acme.dev"))
	for _, endpoint := range []nylastest.Endpoint{
		nylastest.EndpointListMessages, nylastest.EndpointGetMessage, nylastest.EndpointListSchedules, nylastest.EndpointGetSchedule,
		nylastest.EndpointCancelSchedule, nylastest.EndpointCreateDraft, nylastest.EndpointListDrafts, nylastest.EndpointGetDraft,
		nylastest.EndpointUpdateDraft, nylastest.EndpointDeleteDraft, nylastest.EndpointSendDraft, nylastest.EndpointSendTransactional,
	} {
		require.NoError(t, w.server.Inject(nylastest.Fault{Endpoint: endpoint, Inside: nylastest.ErrorAnswer(503, "away", "away")}))
	}
	requests := []string{
		"GET " + w.messagesPath(), "GET " + w.messagesPath() + "/x", "GET " + w.messagesPath() + "/schedules",
		"GET " + w.messagesPath() + "/schedules/x", "DELETE " + w.messagesPath() + "/schedules/x", "POST " + w.draftsPath(),
		"GET " + w.draftsPath(), "GET " + w.draftsPath() + "/x", "PUT " + w.draftsPath() + "/x", "DELETE " + w.draftsPath() + "/x",
		"POST " + w.draftsPath() + "/x", "POST /v3/domains/acme.dev/messages/send",
	}
	for _, request := range requests {
		method, path, _ := strings.Cut(request, " ")
		var body any
		if slices.Contains([]string{http.MethodPost, http.MethodPut}, method) {
			body = object{}
		}
		w.call(method, path, body).refused(503, "away", "away")
	}
}

// A search for metadata excludes other filters, and begins with the oldest message.
func TestMetadataSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var want []string
	for range 3 {
		want = append(want, w.send(object{"metadata": object{"key5": "a:b", "key6": "x"}}).ID)
		w.send(object{"metadata": object{"key5": "a"}})
	}
	found := func(query string) (ids []string, next any) {
		a := w.call(http.MethodGet, w.messagesPath()+"?"+query, nil)
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		for _, m := range a.object()["data"].([]any) {
			ids = append(ids, m.(object)["id"].(string))
		}
		return ids, a.object()["next_cursor"]
	}
	const search = "metadata_pair=key5:a:b"
	all, next := found(search + "&fields=include_headers&select=id")
	assert.Equal(t, want, all)
	assert.Nil(t, next)
	first, next := found(search + "&limit=2")
	assert.Equal(t, want[:2], first)
	rest, next := found(search + "&limit=2&page_token=" + next.(string))
	assert.Equal(t, want[2:], rest)
	assert.Nil(t, next)
	for _, filter := range []string{"in=SENT", "from=sender@nylas.test", "received_after=0", "starred=false"} {
		name, _, _ := strings.Cut(filter, "=")
		w.call(http.MethodGet, w.messagesPath()+"?"+search+"&"+filter, nil).
			refused(400, "api.invalid_request_error", "use either metadata_pair or "+name)
	}
	w.call(http.MethodGet, w.messagesPath()+"?metadata_pair=key6:x", nil).
		refused(400, "api.invalid_request_error", "metadata_pair must be one of key1 to key5, a colon and a value")
}
