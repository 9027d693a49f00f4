package nylastest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/nylastest"
)

// emails returns the addresses of a list of grants.
func (w *world) emails(query string) []string {
	w.t.Helper()
	var out []string
	for _, g := range w.list("/v3/grants?" + query) {
		out = append(out, g.(object)["email"].(string))
	}
	return out
}

func TestGrants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		begin := time.Now().Unix()
		pass(time.Second)
		agent := w.server.AddAgentAccount("News", "news@acme.dev")
		pass(time.Second)
		w.server.AddGrant("Kim", "kim@example.org")

		got := w.call(http.MethodGet, "/v3/grants/email:News@acme.dev", nil).data()
		assert.Equal(t, []string{"created_at", "email", "grant_status", "id", "name", "provider", "scope", "updated_at"}, keys(got))
		assert.Equal(t, agent, got["id"])
		assert.Equal(t, "nylas", got["provider"])
		assert.Equal(t, "valid", got["grant_status"])
		assert.InDelta(t, begin+1, got["created_at"], 0)
		assert.Equal(t, "google", w.call(http.MethodGet, "/v3/grants/"+w.server.GrantID(), nil).data()["provider"])
		w.call(http.MethodGet, "/v3/grants/unknown", nil).refused(http.StatusNotFound, "api.not_found_error", "grant not found")

		all := []string{"kim@example.org", "news@acme.dev", "sender@nylas.test"}
		assert.Equal(t, all, w.emails(""))
		assert.Equal(t, all, w.emails("sort_by=updated_at&order_by=desc&grant_status=valid"))
		assert.Equal(t, []string{"sender@nylas.test", "news@acme.dev", "kim@example.org"}, w.emails("order_by=asc"))
		assert.Equal(t, all[1:2], w.emails("limit=1&offset=1"))
		assert.Empty(t, w.emails("offset=3"))
		assert.Equal(t, all[1:2], w.emails("provider=nylas"))
		assert.Equal(t, all[:1], w.emails("email=Kim@example.org"))
		assert.Empty(t, w.emails("grant_status=invalid"))
		for _, query := range []string{"ip=203.0.113.7", "account_id=v2", "account_ids=v2,v3", "workspace_id=w"} {
			assert.Empty(t, w.emails(query), query)
		}
		page := w.call(http.MethodGet, "/v3/grants?limit=2&offset=1", nil).object()
		assert.InDelta(t, 2, page["limit"], 0)
		assert.InDelta(t, 1, page["offset"], 0)
		assert.NotContains(t, page, "next_cursor")
	})
}

// TestGrantsOfATime: both ends of the span are in it.
func TestGrantsOfATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pass(time.Hour)
		w.server.AddGrant("Kim", "kim@example.org")
		assert.Len(t, w.emails(""), 2)
		// A bubble begins at midnight UTC 2000-01-01, 946684800 seconds after 1970.
		assert.Equal(t, []string{"kim@example.org"}, w.emails("since=946688400"))
		assert.Empty(t, w.emails("since=946688401"))
		assert.Equal(t, []string{"sender@nylas.test"}, w.emails("before=946688399"))
		assert.Len(t, w.emails("since=946684800&before=946688400"), 2)
	})
}

func TestGrantsHaveTenOnAPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 12 {
		w.server.AddGrant("Kim", "kim@example.org")
	}
	assert.Len(t, w.list("/v3/grants"), 10)
	assert.Len(t, w.list("/v3/grants?offset=10"), 3)
	assert.Len(t, w.list("/v3/grants?limit=200"), 13)
}

func TestGrantsRefuse(t *testing.T) {
	t.Parallel()
	fake := &fakeT{}
	w := &world{t: t, server: nylastest.NewServer(fake, nylastest.WithNetwork(nylastest.NewNetwork()))}
	for query, message := range map[string]string{
		"limit=0":               "limit must be an integer from 1 to 200",
		"limit=201":             "limit must be an integer from 1 to 200",
		"offset=-1":             "offset must be an integer from 0 to 253402300799",
		"since=2026-10-01":      "since must be an integer from 0 to 253402300799",
		"sort_by=email":         "sort_by must be one of created_at, updated_at",
		"order_by=up":           "order_by must be one of asc, desc",
		"grant_status=expired":  "grant_status must be one of valid, invalid",
		"page_token=x":          `unknown query parameter "page_token"`,
		"provider=a&provider=b": `query parameter "provider" is given twice`,
	} {
		w.call(http.MethodGet, "/v3/grants?"+query, nil).refused(http.StatusBadRequest, "api.invalid_request_error", message)
	}
	fake.end()
	assert.Len(t, fake.failures, 1, "an unknown name fails the test: %v", fake.failures)
}
