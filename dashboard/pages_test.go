package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
)

// everyPage has the paths of all kinds of pages about the message m-1 of the campaign evil.
func everyPage(label string) []string {
	return []string{
		"/", "/?search=m-1", "/?grant=g-1", "/campaigns", "/campaign?name=" + queryEscape(label), "/messages/g-1/m-1", "/messages.csv", "/events.csv",
	}
}

// A text of a mail, or of somebody who asks, is text everywhere.
func TestEscaping(t *testing.T) {
	t.Parallel()
	const evil = `<script>alert(1)</script>"'` + "\u202e"
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) {
		m.Subject, m.Label, m.Links = evil, evil, []string{"javascript:alert(1)", evil}
	})
	open := event("m-1", engagement.Open, noon, evil)
	open.Network = evil
	s.happened(open, click("m-1", 1, noon, evil))
	s.judge()
	for _, path := range append(everyPage(evil), "/?search="+queryEscape(evil), "/?grant="+queryEscape(evil), "/?campaign="+queryEscape(evil)) {
		w := s.do(http.MethodGet, path)
		assert.Equal(t, http.StatusOK, w.Code, path)
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		assert.NotContains(t, w.Body.String(), "<script>", path)
		assert.NotContains(t, w.Body.String(), `href="javascript:`, path)
		assert.Contains(t, w.Body.String(), "&lt;script&gt;alert(1)&lt;/script&gt;", path)
	}
	// What turns the direction of text around does so in its own element only.
	assert.Contains(t, s.get("/messages/g-1/m-1"), "<h1><bdi>&lt;script&gt;")
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Label = "spring" })
	for _, path := range append(everyPage("spring"), "/changes", "/none") {
		w := s.do(http.MethodHead, path)
		assert.Empty(t, w.Body.String(), path)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), path)
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"), path)
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'; script-src 'self'", path)
		}
	}
	for _, path := range everyPage("spring") {
		page := s.get(path)
		assert.NotContains(t, page, " style=", path)
		assert.NotContains(t, page, "<style", path)
		assert.NotRegexp(t, `(src|href)="(https?:)?//`, page, path)
	}
	assert.Equal(t, http.StatusOK, s.do(http.MethodGet, "/assets/dashboard.css").Code)
}

// The pages work wherever a program mounts them.
func TestPath(t *testing.T) {
	t.Parallel()
	s := newSite(t, dashboard.WithPath("/mail/box/"))
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Label = "spring" })
	s.judge()
	for _, path := range everyPage("spring") {
		for _, found := range links.FindAllStringSubmatch(s.get("/mail/box"+path), -1) {
			assert.Regexp(t, "^(/mail/box/|#main)", found[2], path)
		}
	}
	assert.Equal(t, http.StatusNotFound, s.do(http.MethodGet, "/").Code)
}

// A subject of any length leaves a list a list.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := strings.Repeat("日本語 ", 2500)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Subject, m.Label = long, strings.Repeat("x", 2048) })
	s.happened(event("m-1", engagement.Open, noon, long))
	s.judge()
	for _, path := range []string{"/", "/campaigns"} {
		assert.Less(t, len(s.get(path)), 20_000, path)
	}
	page := s.get("/messages/g-1/m-1")
	assert.Contains(t, page, long, "the whole subject is told once")
	assert.Less(t, len(page), 60_000)
	assert.Contains(t, page, "…</bdi></h1>")
}

// A database that fails is a page with an error for the visitor, and a line for the operator.
func TestDatabaseFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.db.ExecContext(t.Context(), "DROP TABLE nylas_messages; DROP TABLE nylas_campaigns")
	require.NoError(t, err)
	for _, path := range everyPage("spring") {
		w := s.do(http.MethodGet, path)
		assert.Equal(t, http.StatusInternalServerError, w.Code, path)
		assert.Contains(t, w.Body.String(), "<h1>That went wrong</h1>", path)
		assert.NotContains(t, w.Body.String(), "nylas_messages", path)
	}
	assert.Equal(t, len(everyPage("spring")), strings.Count(s.log.String(), "no such table"))
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := dashboard.New(nil)
	require.ErrorContains(t, err, "the store is nil")
	for want, option := range map[string]dashboard.Option{
		"begins and ends with a slash": dashboard.WithPath("mail/"), "give one that begins": dashboard.WithPath("/mail"),
		"the classifier is nil": dashboard.WithClassifier(nil), "the client is nil": dashboard.WithClient(nil),
		"the logger is nil": dashboard.WithLogger(nil), "the location is nil": dashboard.WithLocation(nil),
	} {
		_, err := dashboard.New(s.store, option)
		require.ErrorContains(t, err, want)
	}
	for _, path := range []string{"", "//", "/a//b/", "/a/../b/", "/./", "/../", "//evil/", "/a/./", "/a b/", "/{x}/", "/a\t/", "/a?/"} {
		_, err := dashboard.New(s.store, dashboard.WithPath(path))
		require.ErrorContains(t, err, "begins and ends with a slash", path)
	}
	for _, path := range []string{"/", "/a/", "/a.b/..c/", "/bücher/", "/50%/"} {
		_, err := dashboard.New(s.store, dashboard.WithPath(path))
		require.NoError(t, err, path)
	}
	_, err = dashboard.New(s.store, nil)
	require.NoError(t, err, "an option that is nil is ignored")
}

func TestLocalOnly(t *testing.T) {
	t.Parallel()
	handler := dashboard.LocalOnly(newSite(t).pages)
	for host, want := range map[string]int{"localhost:80": http.StatusOK, "127.0.0.1": http.StatusOK, "evil.dev": http.StatusMisdirectedRequest} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, host)
	}
}
