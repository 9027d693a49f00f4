package nylastest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

func replied(t *testing.T, r received) *events.ThreadReplied {
	t.Helper()
	data, ok := r.Data.(*events.ThreadReplied)
	require.True(t, ok, "%T", r.Data)
	return data
}

func TestReplies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL)
		m := w.send()
		kim := w.recipient(m)

		first, err := kim.Reply(t.Context())
		require.NoError(t, err)
		r := replied(t, w.one())
		assert.Equal(t, first, r.MessageID)
		assert.NotEqual(t, m.ID, first)
		assert.Equal(t, m.ID, r.ReplyToMessageID)
		assert.False(t, *r.FromSelf)

		second, err := kim.AsSender().ReplyTo(t.Context(), first)
		require.NoError(t, err)
		r = replied(t, w.one())
		assert.Equal(t, second, r.MessageID)
		assert.Equal(t, first, r.ReplyToMessageID)
		assert.Equal(t, m.ID, r.RootMessageID)
		assert.Equal(t, m.ThreadID, r.ThreadID)
		assert.EqualValues(t, 2, r.ReplyData.Count)
		assert.True(t, *r.FromSelf)

		// A follow-up through the API is a reply of the sender, too. Its own label
		// does not matter: the thread belongs to the first tracked message.
		followUp := w.send(object{"reply_to_message_id": second, "tracking_options": object{"thread_replies": true, "label": "other"}})
		assert.Equal(t, m.ThreadID, followUp.ThreadID)
		r = replied(t, w.one())
		assert.Equal(t, followUp.ID, r.MessageID)
		assert.Equal(t, m.ID, r.RootMessageID)
		assert.Equal(t, "trial-followup-q2", r.Label)
		assert.EqualValues(t, 3, r.ReplyData.Count)
		assert.True(t, *r.FromSelf)
		_, err = w.recipient(followUp).Reply(t.Context())
		require.NoError(t, err)
		r = replied(t, w.one())
		assert.Equal(t, followUp.ID, r.ReplyToMessageID)
		assert.Equal(t, m.ID, r.RootMessageID)
	})
}

func TestRepliesThatAreNotTracked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	quiet := w.send(object{"tracking_options": object{"opens": true}})
	id, err := w.recipient(quiet).Reply(t.Context())
	require.NoError(t, err)
	assert.NotEmpty(t, id)
	w.wait()
	assert.Empty(t, w.receiver.take())

	// Other threads and other mailboxes are not concerned.
	m := w.send()
	assert.NotEqual(t, quiet.ThreadID, m.ThreadID)
	other := w.server.AddGrant("Ada", "ada@acme.dev")
	a := w.call(http.MethodPost, "/v3/grants/"+other+"/messages/send", mail(object{"reply_to_message_id": m.ID}))
	assert.NotEqual(t, m.ThreadID, a.data()["thread_id"])
	w.wait()
	assert.Empty(t, w.receiver.take())
}

func TestReplyEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	m := w.send()
	path := "/nylastest/grants/" + w.server.GrantID() + "/messages/" + m.ID + "/replies"
	a := w.call(http.MethodPost, path, nil)
	assert.Equal(t, m.ThreadID, a.data()["thread_id"])
	assert.False(t, *replied(t, w.one()).FromSelf)
	w.call(http.MethodPost, path, object{"from_self": true})
	assert.True(t, *replied(t, w.one()).FromSelf)
	w.call(http.MethodPost, path, "{").refused(400, "api.invalid_request_error", "error parsing request body")
	w.call(http.MethodPost, path, nil, "Authorization", "").refused(401, "unauthorized", "Unauthorized")
	w.call(http.MethodPost, "/nylastest/grants/x/messages/"+m.ID+"/replies", nil).refused(404, "api.not_found_error", "grant not found")
	w.call(http.MethodPost, "/nylastest/grants/"+w.server.GrantID()+"/messages/x/replies", nil).refused(404, "api.not_found_error", "message not found")
}

func TestRecipientMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.server.Recipient("x")
	require.EqualError(t, err, `nylastest: no message "x" was sent`)
	m := w.send(object{"tracking_options": object{"links": true}})
	kim := w.recipient(m)
	require.EqualError(t, kim.Open(t.Context()), "nylastest: open message "+m.ID+": no pixel in the body")
	for _, index := range []int{-1, 2} {
		_, err = kim.Click(t.Context(), index)
		require.ErrorContains(t, err, "the body has 2 tracked links")
	}
	_, err = kim.WithIP("kim").Click(t.Context(), 0)
	require.ErrorContains(t, err, "not an IP address")
	_, err = kim.ReplyTo(t.Context(), "unknown")
	require.EqualError(t, err, "nylastest: reply to message unknown: status 404")
	require.NoError(t, w.server.Close())
	_, err = kim.Click(t.Context(), 0)
	require.ErrorContains(t, err, "nylastest: click in message")
	require.NotContains(t, err.Error(), "http://")
}

func TestAddressOfAVisitor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	m := w.send()
	kim := w.recipient(m)
	require.NoError(t, kim.Open(t.Context()))
	assert.Equal(t, "127.0.0.1", opened(t, w.one()).Recents[0].IP)
	require.NoError(t, kim.WithIP("2001:DB8::1").Open(t.Context()))
	assert.Equal(t, "2001:db8::1", opened(t, w.one()).Recents[1].IP)

	// Anybody on this machine can say for whom he asks, as proxies do.
	for value, want := range map[string]string{
		"66.102.7.162": "66.102.7.162", "198.51.100.1, 2001:DB8::2": "2001:db8::2", "unknown": "127.0.0.1", "": "127.0.0.1",
	} {
		a := w.call(http.MethodGet, strings.TrimPrefix(m.PixelURL, w.server.URL()), nil, "X-Forwarded-For", value, "X-Real-Ip", "203.0.113.9")
		require.Equal(t, http.StatusOK, a.status)
		assert.Equal(t, want, lastIP(t, w.one()), value)
	}

	// Nobody else can.
	request := httptest.NewRequest(http.MethodGet, m.PixelURL, nil)
	request.RemoteAddr = "198.51.100.7:1234"
	request.Header.Set("X-Forwarded-For", "66.102.7.162")
	request.Header.Set("X-Nylastest-Time", "2026-03-02T15:04:05Z")
	w.server.ServeHTTP(httptest.NewRecorder(), request)
	got := w.one()
	assert.Equal(t, "198.51.100.7", lastIP(t, got))
	assert.WithinDuration(t, time.Now(), opened(t, got).MessageData.Timestamp.Time, time.Minute)
}

func lastIP(t *testing.T, r received) string {
	t.Helper()
	recents := opened(t, r).Recents
	return recents[len(recents)-1].IP
}

func TestTimeOfAVisitor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	m := w.send()
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	kim := w.recipient(m).WithTime(at)
	require.NoError(t, kim.Open(t.Context()))
	got := w.one()
	assert.Equal(t, at, got.Time.UTC())
	assert.Equal(t, at, opened(t, got).Recents[0].Timestamp.UTC())
	_, err := kim.Click(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, at, clicked(t, w.one()).Recents[0].Timestamp.UTC())
	id, err := kim.Reply(t.Context())
	require.NoError(t, err)
	assert.Equal(t, at, replied(t, w.one()).Timestamp.UTC())
	assert.EqualValues(t, at.Unix(), w.call(http.MethodGet, "/v3/grants/"+w.server.GrantID()+"/messages/"+id, nil).data()["date"])

	for _, path := range []string{strings.TrimPrefix(m.PixelURL, w.server.URL()), strings.TrimPrefix(m.Links[0].TrackedURL, w.server.URL())} {
		w.call(http.MethodGet, path, nil, "X-Nylastest-Time", "tomorrow").
			refused(400, "api.invalid_request_error", "X-Nylastest-Time must be a time in RFC 3339, such as 2026-03-02T15:04:05Z")
	}
	w.call(http.MethodPost, "/nylastest/grants/"+w.server.GrantID()+"/messages/"+m.ID+"/replies", nil, "X-Nylastest-Time", "1").
		refused(400, "api.invalid_request_error", "X-Nylastest-Time must be a time in RFC 3339, such as 2026-03-02T15:04:05Z")
}

func TestQuotedTrackingIsNotTheRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	first := w.send(object{"tracking_options": object{"opens": true, "links": true, "label": "first"}})
	second := w.send(object{"body": first.Body + `<a href="https://acme.dev/second">x</a>`, "tracking_options": object{"opens": true, "links": true, "label": "second"}})
	to, err := w.recipient(second).Click(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, "https://acme.dev/second", to)
	assert.Equal(t, "second", clicked(t, w.one()).Label)
	require.NoError(t, w.recipient(second).Open(t.Context()))
	assert.Equal(t, "second", opened(t, w.one()).Label)
}
