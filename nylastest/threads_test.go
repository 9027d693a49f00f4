package nylastest_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func (w *world) grantPath(rest string) string { return "/v3/grants/" + w.server.GrantID() + "/" + rest }

// idsOf returns the ids of a list.
func (w *world) idsOf(path string) []string {
	w.t.Helper()
	out := []string{}
	for _, e := range w.list(path) {
		out = append(out, e.(object)["id"].(string))
	}
	return out
}

func TestThreads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.send(object{"subject": "First", "cc": []object{{"email": "lee@example.org"}}})
		pass(time.Minute)
		second := w.send(object{"subject": "Second", "to": []object{{"email": "ann@example.org"}}})
		path := w.grantPath("threads")
		one := w.call(http.MethodGet, path+"/"+first.ThreadID, nil).data()
		assert.Equal(t, []string{
			"draft_ids", "earliest_message_date", "folders", "grant_id", "has_attachments", "has_drafts", "id", "latest_draft_or_message",
			"latest_message_sent_date", "message_ids", "object", "participants", "snippet", "starred", "subject", "unread",
		}, keys(one), "nothing was received")
		assert.Equal(t, []string{second.ThreadID, first.ThreadID}, w.idsOf(path))

		pass(time.Minute)
		reply, err := w.recipient(first).Reply(t.Context())
		require.NoError(t, err)
		pass(time.Minute)
		draft := w.call(http.MethodPost, w.grantPath("drafts"), object{"reply_to_message_id": reply}).data()
		one = w.call(http.MethodGet, path+"/"+first.ThreadID, nil).data()
		assert.Equal(t, []any{first.ID, reply}, one["message_ids"])
		assert.Equal(t, []any{draft["id"]}, one["draft_ids"])
		assert.Equal(t, true, one["has_drafts"])
		assert.Equal(t, true, one["unread"])
		assert.Equal(t, "First", one["subject"])
		assert.Equal(t, "thread", one["object"])
		assert.Equal(t, []any{"SENT", "INBOX"}, one["folders"])
		assert.Equal(t, "Thank you for your message.", one["snippet"])
		assert.Equal(t, reply, one["latest_draft_or_message"].(object)["id"])
		assert.InDelta(t, first.SentAt.Unix(), one["earliest_message_date"], 0)
		assert.InDelta(t, first.SentAt.Unix(), one["latest_message_sent_date"], 0)
		received := first.SentAt.Unix() + 120
		assert.InDelta(t, received, one["latest_message_received_date"], 0)
		assert.Equal(t, []any{
			object{"name": "Sender", "email": "sender@nylas.test"}, object{"name": "Kim Townsend", "email": "kim@example.org"},
			object{"email": "lee@example.org"},
		}, one["participants"])

		assert.Equal(t, []string{first.ThreadID, second.ThreadID}, w.idsOf(path), "the newest message counts")
		for query, want := range map[string]string{
			"from=kim@example.org": first.ThreadID, "to=ann@example.org": second.ThreadID, "cc=lee@example.org": first.ThreadID,
			"any_email=x@y.z,ann@example.org": second.ThreadID, "subject=Second": second.ThreadID, "in=INBOX": first.ThreadID,
			"unread=true": first.ThreadID, "unread=false": second.ThreadID, "limit=1": first.ThreadID,
			"latest_message_after=" + strconv.FormatInt(received-1, 10): first.ThreadID,
			"latest_message_before=" + strconv.FormatInt(received, 10):  second.ThreadID,
		} {
			assert.Equal(t, []string{want}, w.idsOf(path+"?"+query), query)
		}
		for _, query := range []string{"bcc=lee@example.org", "starred=true", "has_attachment=true", "in=TRASH"} {
			assert.Empty(t, w.idsOf(path+"?"+query), query)
		}
		page := w.call(http.MethodGet, path+"?limit=1", nil).object()
		assert.Equal(t, []string{second.ThreadID}, w.idsOf(path+"?limit=1&page_token="+page["next_cursor"].(string)))
		assert.Equal(t, []string{"id", "subject"}, keys(w.list(path + "?select=id,subject")[0].(object)))
	})
}

func TestChangesInAMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send()
	other := w.send()
	reply, err := w.recipient(m).Reply(t.Context())
	require.NoError(t, err)
	folder := func(id string) object { return w.call(http.MethodGet, w.grantPath("folders/"+id), nil).data() }
	assert.Equal(t, []string{"INBOX", "SENT", "DRAFTS", "SPAM", "TRASH"}, w.idsOf(w.grantPath("folders")))
	assert.Equal(t, []string{"attributes", "grant_id", "id", "name", "object", "system_folder", "total_count", "unread_count"}, keys(folder("INBOX")))
	assert.Equal(t, []any{`\Sent`}, folder("SENT")["attributes"])
	assert.InDelta(t, 2, folder("SENT")["total_count"], 0)
	assert.InDelta(t, 1, folder("INBOX")["unread_count"], 0)

	path := w.messagesPath() + "/" + reply
	got := w.call(http.MethodPut, path, object{"starred": true, "metadata": object{"key1": "v"}}).data()
	assert.Equal(t, true, got["starred"])
	assert.Equal(t, true, got["unread"], "what is left out stays")
	assert.Equal(t, object{"key1": "v"}, got["metadata"])
	got = w.call(http.MethodPut, path, object{"unread": false, "folders": []string{"SPAM", "INBOX"}}).data()
	assert.Equal(t, []any{"SPAM", "INBOX"}, got["folders"])
	assert.Equal(t, object{"key1": "v"}, got["metadata"])
	assert.Equal(t, []string{reply}, w.idsOf(w.messagesPath()+"?starred=true&unread=false&in=SPAM&from=kim@example.org"))
	assert.InDelta(t, 0, folder("INBOX")["unread_count"], 0)

	assert.Equal(t, []string{"request_id"}, keys(w.call(http.MethodDelete, path, nil).object()))
	assert.Equal(t, []any{"TRASH"}, w.call(http.MethodGet, path, nil).data()["folders"])
	assert.InDelta(t, 1, folder("TRASH")["total_count"], 0)

	thread := w.grantPath("threads/" + m.ThreadID)
	got = w.call(http.MethodPut, thread, object{"starred": true, "unread": true, "folders": []string{"INBOX"}}).data()
	assert.Equal(t, []any{"INBOX"}, got["folders"])
	assert.Equal(t, []string{reply, m.ID}, w.idsOf(w.messagesPath()+"?starred=true&unread=true&in=INBOX"))
	w.call(http.MethodDelete, thread, nil)
	assert.Equal(t, []string{reply, m.ID}, w.idsOf(w.messagesPath()+"?in=TRASH"))
	assert.Equal(t, []string{other.ID}, w.idsOf(w.messagesPath()+"?in=SENT"))
	// Mail in the trash is still tracked.
	require.NoError(t, w.recipient(m).Open(t.Context()))
}

// TestDeletedForGood: a mailbox forgets a message, and what was sent is still tracked, also
// after a restart.
func TestDeletedForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, path := newStateWorld(t, nylastest.WithHardDelete())
		m, other := w.send(), w.send()
		reply, err := w.recipient(other).Reply(t.Context())
		require.NoError(t, err)
		message := w.messagesPath() + "/" + m.ID
		assert.Equal(t, []string{"request_id"}, keys(w.call(http.MethodDelete, message+"?hard_delete=true", nil).object()))
		w.call(http.MethodDelete, w.messagesPath()+"/"+reply+"?hard_delete=false", nil)
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			w.call(method, message+map[string]string{http.MethodDelete: "?hard_delete=true"}[method], nil).
				refused(http.StatusNotFound, "api.not_found_error", "message not found")
		}
		w.call(http.MethodGet, w.grantPath("threads/"+m.ThreadID), nil).refused(http.StatusNotFound, "api.not_found_error", "thread not found")
		last := w.send()
		assert.Equal(t, []string{last.ID, reply, other.ID}, w.idsOf(w.messagesPath()))
		page := w.call(http.MethodGet, w.messagesPath()+"?limit=1", nil).object()
		assert.Equal(t, []string{reply}, w.idsOf(w.messagesPath()+"?limit=1&page_token="+page["next_cursor"].(string)))

		w.restart(path, nylastest.WithHardDelete())
		assert.Equal(t, []string{last.ID, reply, other.ID}, w.idsOf(w.messagesPath()))
		require.NoError(t, w.recipient(m).Open(t.Context()))
		_, err = w.recipient(m).Reply(t.Context())
		require.NoError(t, err)
		assert.Equal(t, nylastest.Counts{Opens: 1, Replies: 1}, w.server.Counts(m.ID))
	})
}

func TestMailboxRefuses(t *testing.T) {
	t.Parallel()
	fake := &fakeT{}
	w := &world{t: t, server: nylastest.NewServer(fake, nylastest.WithNetwork(nylastest.NewNetwork()))}
	m := w.send()
	message, thread := w.messagesPath()+"/"+m.ID, w.grantPath("threads/"+m.ThreadID)
	for _, tt := range []struct {
		method, path string
		body         any
		message      string
	}{
		{http.MethodPut, message, object{"folders": []string{"SENT", "Sent"}}, "folders[1] is not a folder of this mailbox"},
		{http.MethodPut, thread, object{"folders": []string{"Sent"}}, "folders[0] is not a folder of this mailbox"},
		{http.MethodPut, message, object{"metadata": object{"k": strings.Repeat("x", 501)}}, "a metadata key is longer than 40 characters or a value than 500"},
		{http.MethodPut, message, object{"subject": "x"}, `unknown field "/subject"`},
		{http.MethodPut, thread, object{"metadata": object{}}, `unknown field "/metadata"`},
		{http.MethodPut, message, object{"starred": "yes"}, `error parsing request body: wrong type at "/starred"`},
		{http.MethodDelete, message + "?hard_delete=true", nil, `hard_delete: "Enable hard delete" is off`},
		{http.MethodDelete, message + "?hard_delete=x", nil, "hard_delete must be true or false"},
		{http.MethodGet, w.grantPath("threads?latest_message_after=x"), nil, "latest_message_after must be a number of seconds"},
		{http.MethodGet, w.grantPath("threads?limit=201"), nil, "limit must be between 1 and 200"},
		{http.MethodGet, w.grantPath("threads?search_query_native=x"), nil, "search_query_native: this emulator has no provider that could answer it"},
		{http.MethodGet, w.grantPath("threads?metadata_pair=key1:a"), nil, `unknown query parameter "metadata_pair"`},
		{http.MethodGet, w.grantPath("folders?single_level=x"), nil, "single_level must be true or false"},
		{http.MethodGet, w.grantPath("folders/INBOX?shared_from=x"), nil, "shared_from: this emulator has no provider that could answer it"},
	} {
		w.call(tt.method, tt.path, tt.body).refused(http.StatusBadRequest, "api.invalid_request_error", tt.message)
	}
	for path, what := range map[string]string{"threads/x": "thread", "folders/x": "folder", "messages/x": "message"} {
		w.call(http.MethodGet, w.grantPath(path), nil).refused(http.StatusNotFound, "api.not_found_error", what+" not found")
		if what != "folder" {
			w.call(http.MethodPut, w.grantPath(path), object{}).refused(http.StatusNotFound, "api.not_found_error", what+" not found")
			w.call(http.MethodDelete, w.grantPath(path), nil).refused(http.StatusNotFound, "api.not_found_error", what+" not found")
		}
	}
	w.call(http.MethodGet, "/v3/grants/x/threads", nil).refused(http.StatusNotFound, "api.not_found_error", "grant not found")
	fake.end()
	assert.Len(t, fake.failures, 3, "unknown names fail the test: %v", fake.failures)
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(object{"attachments": []object{{"filename": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}}})
	draft := w.call(http.MethodPost, w.grantPath("drafts"), object{
		"attachments": []object{{"filename": "b.bin", "content_type": "application/octet-stream", "content": "AP8="}},
	}).data()
	for id, want := range map[string]string{m.ID: "hello", draft["id"].(string): "\x00\xff"} {
		path := w.messagesPath() + "/" + id
		if id != m.ID {
			path = w.grantPath("drafts/" + id)
		}
		info := w.call(http.MethodGet, path, nil).data()["attachments"].([]any)[0].(object)
		path = w.grantPath("attachments/" + info["id"].(string))
		assert.Equal(t, info, w.call(http.MethodGet, path+"?message_id="+id, nil).data())
		a := w.call(http.MethodGet, path+"/download?message_id="+id+"&query_imap=true", nil)
		assert.Equal(t, want, string(a.body))
		assert.Equal(t, "application/octet-stream", a.header.Get("Content-Type"))
		assert.NotEmpty(t, a.header.Get("X-Request-Id"))
		w.call(http.MethodGet, path, nil).refused(http.StatusBadRequest, "api.invalid_request_error", "message_id is required")
		w.call(http.MethodGet, path+"/download?message_id=x", nil).refused(http.StatusNotFound, "api.not_found_error", "message not found")
	}
	w.call(http.MethodGet, w.grantPath("attachments/x?message_id="+m.ID), nil).
		refused(http.StatusNotFound, "api.not_found_error", "attachment not found")
}
