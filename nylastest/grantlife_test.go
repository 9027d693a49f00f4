package nylastest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

var lifeTypes = append(events.TrackingTypes(), events.TypeGrantCreated, events.TypeGrantUpdated, events.TypeGrantDeleted,
	events.TypeGrantExpired, events.TypeMessageBounceDetected, events.TypeMessageSendFailed, events.TypeMessageSendSuccess, events.TypeMessageBounced)

// types waits and returns the types of what has arrived since the last call.
func (w *world) types() []events.Type {
	w.t.Helper()
	w.wait()
	var types []events.Type
	for _, n := range w.receiver.take() {
		types = append(types, n.Type)
	}
	return types
}

// unusable asserts that requests on a grant are refused.
func (w *world) unusable(grantID string, status int, typ, message string) {
	w.t.Helper()
	path := "/v3/grants/" + grantID
	w.call(http.MethodPost, path+"/messages/send", mail()).refused(status, typ, message)
	w.call(http.MethodPost, path+"/drafts", mail()).refused(status, typ, message)
	for _, what := range []string{"/messages", "/threads", "/folders", "/drafts", "/messages/schedules"} {
		w.call(http.MethodGet, path+what, nil).refused(status, typ, message)
	}
}

func TestGrantExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL, lifeTypes...)
		kim := w.recipient(w.send())
		id := w.server.GrantID()
		pass(time.Hour)
		require.NoError(t, w.server.ExpireGrant("sender@nylas.test"))
		n := w.one()
		assert.Equal(t, events.TypeGrantExpired, n.Type)
		assert.Equal(t, "/nylas/system", n.Source)
		assert.NotContains(t, string(n.body), `"data":{"grant_id"`)
		data := n.Data.(*events.GrantExpired)
		assert.EqualValues(t, 25009, data.Code)
		assert.Equal(t, id, data.GrantID)
		assert.Equal(t, "google", data.Provider)
		assert.NotEmpty(t, data.IntegrationID)
		assert.Nil(t, data.ReauthenticationFlag)
		assert.EqualValues(t, "sender@nylas.test", data.Email)
		assert.Equal(t, time.Now().Add(-time.Hour).Unix(), data.GrantUpdatedAt.Unix(), "when it was last refreshed")
		require.NoError(t, w.server.ExpireGrant(id))
		assert.Empty(t, w.types(), "it has expired")

		got := w.call(http.MethodGet, "/v3/grants/"+id, nil).data()
		assert.Equal(t, "invalid", got["grant_status"])
		assert.InDelta(t, time.Now().Unix(), got["updated_at"], 0)
		assert.Equal(t, []string{"sender@nylas.test"}, w.emails("grant_status=invalid"))
		assert.Empty(t, w.emails("grant_status=valid"))
		w.unusable(id, http.StatusUnauthorized, "api.authentication_error", "the grant has expired: its owner must authenticate again")

		// What was sent before is tracked. Replies and bounces are not seen.
		require.NoError(t, kim.Open(t.Context()))
		_, err := kim.Click(t.Context(), 0)
		require.NoError(t, err)
		assert.ElementsMatch(t, []events.Type{events.TypeMessageOpened, events.TypeMessageLinkClicked}, w.types())
		replied := time.Now()
		replyID, err := kim.Reply(t.Context())
		require.NoError(t, err)
		require.NoError(t, kim.Bounce(t.Context(), ""))
		assert.Empty(t, w.types())

		pass(72*time.Hour - time.Second)
		require.NoError(t, w.server.RenewGrant(id))
		w.wait()
		found := map[events.Type]received{}
		for _, n := range w.receiver.take() {
			found[n.Type] = n
		}
		require.Len(t, found, 3)
		assert.Contains(t, found, events.TypeMessageBounceDetected)
		updated := found[events.TypeGrantUpdated].Data.(*events.GrantUpdated)
		assert.EqualValues(t, 25027, updated.Code)
		assert.Equal(t, data.IntegrationID, updated.IntegrationID)
		require.NotNil(t, updated.ReauthenticationFlag)
		assert.True(t, *updated.ReauthenticationFlag)
		reply := found[events.TypeThreadReplied].Data.(*events.ThreadReplied)
		assert.Equal(t, replyID, reply.MessageID)
		assert.Equal(t, replied.Unix(), reply.Timestamp.Unix())
		assert.Equal(t, "valid", w.call(http.MethodGet, "/v3/grants/"+id, nil).data()["grant_status"])
		w.call(http.MethodGet, "/v3/grants/"+id+"/messages/"+replyID, nil).data()
		w.send()
		_, err = kim.Reply(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []events.Type{events.TypeThreadReplied}, w.types())
	})
}

// TestGrantExpiresForLong: what came in more than 72 hours is not notified.
func TestGrantExpiresForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL, lifeTypes...)
		kim := w.recipient(w.send())
		id := w.server.GrantID()
		require.NoError(t, w.server.ExpireGrant(id))
		replyID, err := kim.Reply(t.Context())
		require.NoError(t, err)
		pass(72 * time.Hour)
		_, err = kim.Reply(t.Context())
		require.NoError(t, err)
		require.NoError(t, w.server.RenewGrant(id))
		require.NoError(t, w.server.RenewGrant(id))
		assert.ElementsMatch(t, []events.Type{events.TypeGrantExpired, events.TypeGrantUpdated, events.TypeGrantUpdated}, w.types())
		require.NoError(t, w.server.ExpireGrant(id))
		require.NoError(t, w.server.RenewGrant(id))
		assert.ElementsMatch(t, []events.Type{events.TypeGrantExpired, events.TypeGrantUpdated}, w.types(), "it is not notified later either")
		// The API has it.
		w.call(http.MethodGet, "/v3/grants/"+id+"/messages/"+replyID, nil).data()
	})
}

func TestGrantIsDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL, lifeTypes...)
		m := w.send()
		kim := w.recipient(m)
		id := w.server.GrantID()
		require.NoError(t, kim.Open(t.Context()))
		require.NoError(t, w.server.ExpireGrant(id))
		_, err := kim.Reply(t.Context())
		require.NoError(t, err)
		w.types()
		a := w.call(http.MethodDelete, "/v3/grants/"+id, nil)
		assert.Equal(t, http.StatusOK, a.status)
		assert.Equal(t, []string{"request_id"}, keys(a.object()))
		n := w.one()
		data := n.Data.(*events.GrantDeleted)
		assert.EqualValues(t, 25013, data.Code)
		assert.Equal(t, id, data.GrantID)

		w.unusable(id, http.StatusNotFound, "api.not_found_error", "grant not found")
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			w.call(method, "/v3/grants/"+id, nil).refused(http.StatusNotFound, "api.not_found_error", "grant not found")
		}
		assert.Empty(t, w.emails(""))
		require.EqualError(t, w.server.RenewGrant(id), "nylastest: renew grant: there is no such grant")
		require.EqualError(t, w.server.ExpireGrant(id), "nylastest: expire grant: there is no such grant")
		require.EqualError(t, w.server.DeleteGrant(id), "nylastest: delete grant: there is no such grant")

		// The mail is dead.
		require.ErrorContains(t, kim.Open(t.Context()), "status 404")
		_, err = kim.Click(t.Context(), 0)
		require.ErrorContains(t, err, "status 404")
		_, err = kim.Reply(t.Context())
		require.ErrorContains(t, err, "status 404")
		require.ErrorContains(t, kim.Bounce(t.Context(), ""), "status 404")
		assert.Empty(t, w.types())

		// The same mailbox gets another grant, which changes nothing of this.
		again := w.server.AddGrant("Sender", "sender@nylas.test")
		assert.NotEqual(t, id, again)
		n = w.one()
		created := n.Data.(*events.GrantCreated)
		assert.EqualValues(t, 25012, created.Code)
		assert.Equal(t, again, created.GrantID)
		require.Equal(t, http.StatusOK, w.call(http.MethodPost, "/v3/grants/sender@nylas.test/messages/send", mail()).status)
		require.NoError(t, w.recipient(w.server.Messages()[1]).Open(t.Context()))
		require.ErrorContains(t, kim.Open(t.Context()), "status 404")
		assert.Equal(t, []events.Type{events.TypeMessageOpened}, w.types())
	})
}

// TestScheduledSendsOfLostGrants: at its time a message cannot be sent.
func TestScheduledSendsOfLostGrants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL, lifeTypes...)
		other := w.server.AddGrant("Kim", "kim@example.org")
		w.types()
		for _, id := range []string{w.server.GrantID(), other} {
			a := w.call(http.MethodPost, "/v3/grants/"+id+"/messages/send", mail(object{"send_at": time.Now().Add(time.Hour).Unix()}))
			require.Equal(t, http.StatusOK, a.status)
		}
		require.NoError(t, w.server.ExpireGrant(w.server.GrantID()))
		require.NoError(t, w.server.DeleteGrant(other))
		w.types()
		pass(2 * time.Hour)
		n := w.one()
		failed := n.Data.(*events.MessageSendFailed)
		assert.Equal(t, w.server.GrantID(), n.GrantID)
		assert.EqualValues(t, http.StatusUnauthorized, failed.Error.StatusCode)
		assert.Empty(t, w.server.Messages())
	})
}

func TestAgentAccountIsDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithAgentSendLimit(1))
		w.subscribe(appURL, lifeTypes...)
		id := w.server.AddAgentAccount("News", "news@acme.dev")
		n := w.one()
		assert.Equal(t, "nylas", n.Data.(*events.GrantCreated).Provider)
		require.EqualError(t, w.server.ExpireGrant(id),
			"nylastest: expire grant: an Agent Account does not expire, because Nylas itself is its provider")
		w.call(http.MethodPost, "/nylastest/grants/"+id+"/expire", nil).refused(http.StatusBadRequest, "api.invalid_request_error",
			"an Agent Account does not expire, because Nylas itself is its provider")
		for _, want := range []int{http.StatusOK, http.StatusAccepted} { // the second one is queued
			a := w.call(http.MethodPost, "/v3/grants/"+id+"/messages/send", mail())
			require.Equal(t, want, a.status)
		}
		kim := w.recipient(w.server.Messages()[0])
		require.NoError(t, kim.Open(t.Context()))
		assert.Equal(t, []events.Type{events.TypeMessageOpened}, w.types())
		require.NoError(t, w.server.DeleteGrant(id))
		require.ErrorContains(t, kim.Bounce(t.Context(), ""), "status 404")
		pass(time.Minute)
		assert.Equal(t, []events.Type{events.TypeGrantDeleted}, w.types())
		assert.Len(t, w.server.Messages(), 1)
		assert.Len(t, w.list("/v3/activity/send?event_type=delivered"), 1)
		assert.Len(t, w.list("/v3/activity/tracking"), 1, "what happened is still in the history")
	})
}

// TestGrantLifeOverHTTP: programs in other languages can do the same.
func TestGrantLifeOverHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.subscribe(appURL, lifeTypes...)
		const path = "/nylastest/grants/sender@nylas.test/"
		status := func() any {
			return w.call(http.MethodGet, "/v3/grants/"+w.server.GrantID(), nil).data()["grant_status"]
		}
		assert.Equal(t, object{"status": "success"}, w.call(http.MethodPost, path+"expire", nil).data())
		assert.Equal(t, "invalid", status())
		pass(time.Second)
		assert.Equal(t, object{"status": "success"}, w.call(http.MethodPost, path+"renew", nil).data())
		assert.Equal(t, "valid", status())
		assert.ElementsMatch(t, []events.Type{events.TypeGrantExpired, events.TypeGrantUpdated}, w.types())
		for _, what := range []string{"expire", "renew"} {
			w.call(http.MethodPost, "/nylastest/grants/nobody/"+what, nil).refused(http.StatusNotFound, "api.not_found_error", "grant not found")
		}
		// Grants can be listed by when they were updated.
		w.server.AddGrant("Kim", "kim@example.org")
		pass(time.Second)
		require.NoError(t, w.server.RenewGrant("sender@nylas.test"))
		assert.Equal(t, []string{"sender@nylas.test", "kim@example.org"}, w.emails("sort_by=updated_at"))
		assert.Equal(t, []string{"kim@example.org", "sender@nylas.test"}, w.emails("sort_by=created_at"))
	})
}
