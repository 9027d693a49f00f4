package nylastest_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func (w *world) draftsPath() string { return "/v3/grants/" + w.server.GrantID() + "/drafts" }

// draft creates a draft and returns its path.
func (w *world) draft(changes ...object) string {
	w.t.Helper()
	a := w.call(http.MethodPost, w.draftsPath(), mail(changes...))
	require.Equal(w.t, http.StatusOK, a.status, "%s", a.body)
	return w.draftsPath() + "/" + a.data()["id"].(string)
}

func TestDraftIsStrict(t *testing.T) {
	t.Parallel()
	fake := &fakeT{TB: t}
	t.Cleanup(fake.end)
	w := newWorld(t)
	strict := nylastest.NewServer(fake, nylastest.WithNetwork(w.network))
	w.server = strict
	path := w.draft()
	domains := "/v3/domains/acme.dev/messages/send"
	for _, test := range []struct {
		method, path string
		body         any
		message      string
	}{
		{http.MethodPost, w.draftsPath(), mail(object{"send_at": 1}), `unknown field "/send_at"`},
		{http.MethodPost, w.draftsPath(), mail(object{"unread": true}), `unknown field "/unread"`},
		{http.MethodPut, path, object{"is_plaintext": true}, `unknown field "/is_plaintext"`},
		{http.MethodPut, path, object{"tracking_options": object{"open": true}}, `unknown field "/tracking_options/open"`},
		{http.MethodPost, path, object{"tracking_options": object{}}, `unknown field "/tracking_options"`},
		{http.MethodGet, w.draftsPath() + "?unread=true", nil, `unknown query parameter "unread"`},
		{http.MethodGet, path + "?fields=standard", nil, `unknown query parameter "fields"`},
		{http.MethodGet, "/v3/grants/" + w.server.GrantID() + "/messages?offset=1", nil, `unknown query parameter "offset"`},
		{http.MethodGet, "/v3/grants/" + w.server.GrantID() + "/messages/x?limit=1", nil, `unknown query parameter "limit"`},
		{http.MethodGet, "/v3/grants/" + w.server.GrantID() + "/messages/schedules?limit=1", nil, `unknown query parameter "limit"`},
	} {
		w.call(test.method, test.path, test.body).refused(400, "api.invalid_request_error", test.message)
	}
	assert.Len(t, fake.failures, 10)
	w.call(http.MethodPost, domains, mail()).refused(404, "api.not_found_error", "domain not found")
}

func TestDraftRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithTrackingDomains("track.acme.dev"))
	path := w.draft()
	const bad = "api.invalid_request_error"
	for name, test := range map[string]struct {
		method string
		change object
		want   string
	}{
		"from":                {http.MethodPost, mail(object{"from": []object{{"email": "a@b.c"}, {"email": "a@b.c"}}}), "from must have one sender at most"},
		"address":             {http.MethodPost, mail(object{"cc": []object{{"email": "kim"}}}), "cc[0].email is not an address"},
		"address, update":     {http.MethodPut, object{"cc": []object{{"email": "kim"}}}, "cc[0].email is not an address"},
		"metadata, update":    {http.MethodPut, object{"metadata": object{strings.Repeat("k", 41): ""}}, "a metadata key is longer than 40 characters or a value than 500"},
		"template":            {http.MethodPost, object{"template": object{"id": "t"}}, "template.id: this emulator has no templates, so subject and body must be given"},
		"base64":              {http.MethodPost, object{"attachments": []object{{"content": "%"}}}, "attachments[0].content is not base64"},
		"base64, update":      {http.MethodPut, object{"attachments": []object{{"content": "%"}}}, "attachments[0].content is not base64"},
		"domain":              {http.MethodPost, object{"tracking_options": object{"opens": true, "domain_name": "x.dev"}}, "tracking_options.domain_name must be an active custom hostname for this organization"},
		"domain, update":      {http.MethodPut, object{"tracking_options": object{"domain_name": "x.dev"}}, "tracking_options.domain_name must be an active custom hostname for this organization"},
		"domain, empty":       {http.MethodPut, object{"tracking_options": object{"domain_name": ""}}, "tracking_options.domain_name must be an active custom hostname for this organization"},
		"domain, all is off":  {http.MethodPut, object{"tracking_options": object{"domain_name": "track.acme.dev", "opens": false, "links": false}}, "tracking_options.domain_name must be an active custom hostname for this organization"},
		"label":               {http.MethodPut, object{"tracking_options": object{"label": strings.Repeat("ä", 2049)}}, "The message has not been sent. Please try resending with open tracking disabled."},
		"type of tracking":    {http.MethodPut, object{"tracking_options": 1}, `error parsing request body: wrong type at "/tracking_options"`},
		"type of a recipient": {http.MethodPut, object{"to": []int{1}}, `error parsing request body: wrong type at "/to/0"`},
	} {
		target := w.draftsPath()
		if test.method == http.MethodPut {
			target = path
		}
		a := w.call(test.method, target, test.change)
		t.Log(name)
		a.refused(400, bad, test.want)
	}
	w.call(http.MethodPost, path, "{", "Content-Type", "application/json").refused(400, bad, "error parsing request body")
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost} {
		body := any(object{})
		if method == http.MethodGet || method == http.MethodDelete {
			body = nil
		}
		w.call(method, w.draftsPath()+"/x", body).refused(404, "api.not_found_error", "draft not found")
		w.call(method, "/v3/grants/x/drafts/x", body).refused(404, "api.not_found_error", "grant not found")
		// The drafts of a mailbox are not those of another one.
		other := w.server.AddGrant("Ada", "ada"+method+"@acme.dev")
		w.call(method, strings.Replace(path, w.server.GrantID(), other, 1), body).refused(404, "api.not_found_error", "draft not found")
	}
	w.call(http.MethodPost, "/v3/grants/x/drafts", mail()).refused(404, "api.not_found_error", "grant not found")
	w.call(http.MethodGet, "/v3/grants/x/drafts", nil).refused(404, "api.not_found_error", "grant not found")

	// A refused update changes nothing.
	w.call(http.MethodPut, path, object{"subject": "new", "tracking_options": object{"domain_name": "x.dev"}})
	assert.Equal(t, mail()["subject"], w.call(http.MethodGet, path, nil).data()["subject"])
}

// What is wrong with the links of a draft is said when it is sent, and the draft
// stays.
func TestDraftWithBadLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.draft(object{"body": `<a href="https://example.com/">x</a>`})
	a := w.call(http.MethodPost, path, nil)
	assert.Equal(t, http.StatusBadRequest, a.status)
	assert.Empty(t, w.server.Messages())
	w.call(http.MethodPut, path, object{"body": `<a href="https://acme.dev/">x</a>`})
	a = w.call(http.MethodPost, path, nil)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	assert.Len(t, w.server.Messages()[0].Links, 1)
	assert.Equal(t, `<a href="https://acme.dev/">x</a>`, a.data()["body"])
}

func TestDraftUpdateReadings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reading nylastest.Readings
		want    object
	}{
		"merged": {nylastest.Readings{}, object{
			"subject": mail()["subject"], "to": []any{object{"name": "Kim Townsend", "email": "kim@example.org"}}, "starred": true,
			"body": "new", "metadata": object{"key1": "v"},
		}},
		"replaced": {nylastest.Readings{DraftUpdateReplaces: true}, object{
			"subject": "", "to": []any{}, "starred": false, "body": "new", "metadata": nil,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nylastest.WithReadings(test.reading))
			path := w.draft(object{"starred": true, "metadata": object{"key1": "v"}})
			data := w.call(http.MethodPut, path, object{"body": "new"}).data()
			for field, want := range test.want {
				assert.Equal(t, want, data[field], field)
			}
			w.call(http.MethodPut, path, mail(object{"tracking_options": nil}))
			w.call(http.MethodPost, path, nil)
			assert.Equal(t, "trial-followup-q2", w.server.Messages()[0].Tracking.Label)
		})
	}
}

func TestDraftMultipart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	build := func(parts ...string) (body, contentType string) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		for i := 0; i < len(parts); i += 2 {
			require.NoError(t, m.WriteField(parts[i], parts[i+1]))
		}
		require.NoError(t, m.Close())
		return b.String(), m.FormDataContentType()
	}
	for _, name := range []string{"message", "draft"} { // Nylas' pages have both
		body, contentType := build(name, `{"subject":"s","to":[{"email":"kim@example.org"}]}`, "file0", "hello")
		a := w.call(http.MethodPost, w.draftsPath(), body, "Content-Type", contentType)
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		attachment := a.data()["attachments"].([]any)[0].(object)
		assert.InDelta(t, 5, attachment["size"], 0)
		path := w.draftsPath() + "/" + a.data()["id"].(string)
		assert.Equal(t, attachment["id"], w.call(http.MethodGet, path, nil).data()["attachments"].([]any)[0].(object)["id"])

		a = w.call(http.MethodPut, path, object{"subject": "other"})
		assert.Len(t, a.data()["attachments"], 1)
		body, contentType = build(name, `{}`, "file0", "a", "file1", "b")
		a = w.call(http.MethodPut, path, body, "Content-Type", contentType)
		assert.Len(t, a.data()["attachments"], 2)
		a = w.call(http.MethodPut, path, object{"attachments": []object{}})
		assert.Empty(t, a.data()["attachments"])
	}
	body, contentType := build("message", "{}", "draft", "{}")
	w.call(http.MethodPost, w.draftsPath(), body, "Content-Type", contentType).
		refused(400, "api.invalid_request_error", "error parsing request: two parts draft")
	w.call(http.MethodPost, w.draftsPath(), "{}", "Content-Type", "text/plain").
		refused(400, "api.invalid_request_error", "request must be of content-type multipart/form-data or application/json")
}

func TestDraftList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.draft(object{"subject": "First", "starred": true, "metadata": object{"key1": "a"}})
	second := w.draft(object{"subject": "Second", "cc": []object{{"email": "cc@example.org"}}, "bcc": []object{{"email": "bcc@example.org"}}})
	w.server.AddGrant("Ada", "ada@acme.dev")
	w.call(http.MethodPost, "/v3/grants/ada@acme.dev/drafts", mail())
	ids := func(query string) []string {
		a := w.call(http.MethodGet, w.draftsPath()+"?"+query, nil)
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		ids := []string{}
		for _, draft := range a.object()["data"].([]any) {
			ids = append(ids, w.draftsPath()+"/"+draft.(object)["id"].(string))
		}
		return ids
	}
	both := []string{second, first}
	for query, want := range map[string][]string{
		"": both, "limit=200": both, "subject=FIRST": {first}, "subject=third": {}, "starred=true": {first}, "starred=false": {second},
		"to=KIM@example.org": both, "to=lee@example.org": {}, "cc=cc@example.org": {second}, "bcc=bcc@example.org": {second},
		"any_email=x@y.z,cc@example.org": {second}, "any_email=sender@nylas.test": both, "metadata_pair=key1:a": {first},
		"metadata_pair=key1:b": {}, "has_attachment=true": {}, "has_attachment=false": both, "thread_id=t": {}, "limit=1": {second},
		"query_imap=true": both,
	} {
		assert.Equal(t, want, ids(query), query)
	}
	a := w.call(http.MethodGet, w.draftsPath()+"?limit=1&select=id", nil)
	next := a.object()["next_cursor"].(string)
	assert.Equal(t, []any{object{"id": strings.TrimPrefix(second, w.draftsPath()+"/")}}, a.object()["data"])
	assert.Equal(t, []string{first}, ids("limit=1&page_token="+next))
	a = w.call(http.MethodGet, w.draftsPath()+"?limit=1&page_token="+next, nil)
	assert.Nil(t, a.object()["next_cursor"])
	assert.Contains(t, a.object(), "next_cursor")

	for query, want := range map[string]string{
		"limit=0": "limit must be between 1 and 200", "limit=201": "limit must be between 1 and 200", "limit=x": "limit must be between 1 and 200",
		"page_token=x": "page_token is invalid", "starred=maybe": "starred must be true or false",
		"metadata_pair=key6:a": "metadata_pair must be one of key1 to key5, a colon and a value",
		"metadata_pair=key1":   "metadata_pair must be one of key1 to key5, a colon and a value",
		"any_email=" + strings.Repeat("a@b.c,", 25) + "a@b.c": "any_email has more than 25 addresses",
	} {
		w.call(http.MethodGet, w.draftsPath()+"?"+query, nil).refused(400, "api.invalid_request_error", want)
	}
}
