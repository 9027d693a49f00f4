package nylas_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// recordedGrant is the grant of the recorded answers.
func recordedGrant() *nylas.Grant {
	return &nylas.Grant{
		ID: testGrant, Provider: "google", GrantStatus: nylas.GrantValid, Email: "sales@acme.dev", Name: "Sales",
		Scope:     []string{"https://www.googleapis.com/auth/gmail.modify"},
		CreatedAt: events.At(time.Unix(1635355739, 0)), UpdatedAt: events.At(time.Unix(1635355800, 0)),
		UserAgent: "Mozilla/5.0", IP: "203.0.113.7", State: "s-1", ProviderUserID: "u-1",
	}
}

// assertSettings checks what Nylas does not document, and takes it away.
func assertSettings(t *testing.T, grant *nylas.Grant) {
	t.Helper()
	assert.JSONEq(t, `{"a_member_nobody_read":[1]}`, string(grant.Settings))
	grant.Settings = nil
}

func TestGetGrant(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/grants.get.response.json"), answersFile(t, 404, "http/error.not-found.404.json"))
	got, err := w.client(t).Grants.Get(t.Context(), testGrant)
	require.NoError(t, err)
	assertSettings(t, got)
	assert.Equal(t, recordedGrant(), got)
	assertRecorded(t, "http/grants.get.request.json", w.requests()[0])
	_, err = w.client(t).Grants.Get(t.Context(), testGrant)
	assertSentinels(t, err, nylas.ErrNotFound)
}

func TestListGrants(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/grants.list.response.json"), answersFile(t, 200, "http/grants.list-last.response.json"),
		answers(200, `{"data":[]}`))
	req := &nylas.ListGrantsRequest{
		PageSize: 2, Offset: 4, SortBy: nylas.SortGrantsByUpdate, OldestFirst: true, Email: "sales@acme.dev", GrantStatus: nylas.GrantValid,
		Provider: "google", IP: "203.0.113.7", Since: time.Unix(1635355000, 999), Before: time.Unix(1635356000, 0),
	}
	list := w.client(t).Grants.List(t.Context(), req)
	assert.Empty(t, w.requests(), "nothing is asked before it is needed")
	req.Email = "changed@acme.dev"
	agent := &nylas.Grant{
		ID: "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6", Provider: nylas.ProviderAgentAccount, GrantStatus: nylas.GrantInvalid,
		Email: "news@mail.example.com", CreatedAt: events.At(time.Unix(1635355600, 0)),
	}
	got := collect(t, list)
	require.Len(t, got, 3)
	assertSettings(t, got[0])
	assert.Equal(t, []*nylas.Grant{recordedGrant(), agent, agent}, got)
	assertRecorded(t, "http/grants.list-all.request.json", w.requests()[0])
	assertRecorded(t, "http/grants.list-next.request.json", w.requests()[1])

	assert.Empty(t, collect(t, w.client(t).Grants.List(t.Context(), nil)))
	assertRecorded(t, "http/grants.list.request.json", w.requests()[2])
}

// TestPagesByOffset: the list ends at the first page that is not full, whoever says how
// many grants a full one has.
func TestPagesByOffset(t *testing.T) {
	t.Parallel()
	const one, two = `{"data":[{"id":"1"},{"id":"2"}]%s}`, `{"data":[{"id":"3"}]%s}`
	for _, tt := range []struct {
		name     string
		pageSize int
		limit    string // of the answers
		pages    []string
		want     int // grants
	}{
		{"the answer says it", 0, `,"limit":2,"offset":0`, []string{one, two}, 3},
		{"the answer takes fewer than asked for", 50, `,"limit":2`, []string{one, two}, 3},
		{"only the request says it", 2, ``, []string{one, two}, 3},
		{"nobody says it", 0, ``, []string{one, two, `{"data":[]%s}`}, 3},
		{"the last page is full", 2, `,"limit":2`, []string{one, `{"data":[]%s}`}, 2},
		{"one that cannot be read counts", 0, `,"limit":2`, []string{`{"data":[{"id":"1"},7]%s}`, two}, 2},
		{"the limit is odd", 2, `,"limit":"x"`, []string{one, two}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			w := newWireAlways(func(r *http.Request) (*http.Response, error) {
				asked++
				require.LessOrEqual(t, asked, len(tt.pages))
				want := map[int]string{1: "", 2: "2", 3: "3"}[asked]
				assert.Equal(t, want, r.URL.Query().Get("offset"))
				return answers(200, fmt.Sprintf(tt.pages[asked-1], tt.limit))(r)
			})
			var ids []string
			for grant, err := range w.client(t).Grants.List(t.Context(), &nylas.ListGrantsRequest{PageSize: tt.pageSize}) {
				if err == nil {
					ids = append(ids, grant.ID)
				} else {
					var list *nylas.ListError
					require.ErrorAs(t, err, &list)
					assert.Equal(t, []json.RawMessage{json.RawMessage("7")}, list.Elements)
				}
			}
			assert.Len(t, ids, tt.want)
			assert.Equal(t, len(tt.pages), asked)
		})
	}
	t.Run("a server that ignores the offset", func(t *testing.T) {
		t.Parallel()
		w := newWireAlways(answers(200, `{"data":[{"id":"1"},{"id":"2"}],"limit":2}`))
		var ids []string
		var failed error
		for grant, err := range w.client(t).Grants.List(t.Context(), nil) {
			if failed = err; err == nil {
				ids = append(ids, grant.ID)
			}
		}
		require.EqualError(t, failed, "nylas: list grants: the page is the same as the one before: the list would not end")
		assert.Equal(t, []string{"1", "2"}, ids)
		assert.Len(t, w.requests(), 2)
	})
}

func TestGrantsRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	for want, req := range map[string]nylas.ListGrantsRequest{
		"PageSize is not between 1 and 200": {PageSize: 201},
		"Offset is negative":                {Offset: -1},
		"Since is before 1970":              {Since: time.Unix(-1, 0)},
		"Before is before 1970":             {Before: time.Unix(-1, 0)},
	} {
		err := onlyError(w.client(t).Grants.List(t.Context(), &req))
		require.EqualError(t, err, "nylas: list grants: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	_, err := w.client(t).Grants.Get(t.Context(), "")
	require.EqualError(t, err, "nylas: get grant: grant_id is empty")
	assert.Empty(t, w.requests())
}
