package page_test

import (
	"embed"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/internal/page"
)

//go:embed testdata/main.html
var files embed.FS

func show(t *testing.T, method string, content any) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	page.Write(w, httptest.NewRequest(method, "/", nil), page.MustParse(files, "testdata/main.html"), http.StatusTeapot,
		page.Page{Title: "<title>", Assets: "/a/", Home: "/h/", Stream: "/s", Content: content})
	return w
}

func TestWrite(t *testing.T) {
	t.Parallel()
	w := show(t, http.MethodGet, map[string]any{"Text": "<script>1</script>"})
	assert.Equal(t, http.StatusTeapot, w.Code)
	for _, want := range []string{
		"<p>&lt;script&gt;1&lt;/script&gt;</p>", "<title>&lt;title&gt;</title>",
		`href="/a/page.css"`, `src="/a/page.js"`, `href="/h/"`, `data-stream="/s"`,
	} {
		assert.Contains(t, w.Body.String(), want)
	}
	assert.Empty(t, show(t, http.MethodHead, nil).Body.String())
	broken := show(t, http.MethodGet, "no map")
	assert.Equal(t, http.StatusInternalServerError, broken.Code)
	assert.NotContains(t, broken.Body.String(), "<main")
}

func TestWriteNotice(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	page.WriteNotice(w, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusNotFound, page.Page{Brand: "<Mail>", Stream: "/s"},
		page.Notice{Title: "<gone>", Text: "<text>", Link: "<back>", Path: "/h/"})
	assert.Equal(t, http.StatusNotFound, w.Code)
	for _, want := range []string{"&lt;Mail&gt;", "<title>&lt;gone&gt;</title>", "<h1>&lt;gone&gt;</h1>", "<p>&lt;text&gt;</p>", `<a href="/h/">&lt;back&gt;</a>`} {
		assert.Contains(t, w.Body.String(), want)
	}
	assert.NotContains(t, w.Body.String(), "data-stream", "nothing on it changes")
}

func TestMoments(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, time.March, 4, 12, 0, 0, 0, time.UTC)
	assert.Equal(t, page.Moment{Text: "12:00", Machine: "2026-03-04T12:00:00Z"}, page.MomentOf(noon, "15:04"))
	assert.Empty(t, page.MomentOf(time.Time{}, "15:04"))
	assert.Equal(t, "1 event, 2 events, 0 events", page.Counted(1, "event", "events")+", "+page.Counted(2, "event", "events")+", "+page.Counted(0, "event", "events"))
}

// Nothing comes from elsewhere, and nothing inline runs.
func TestPolicy(t *testing.T) {
	t.Parallel()
	policy := show(t, http.MethodGet, map[string]any{}).Header().Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'")
	assert.Contains(t, policy, "frame-ancestors 'none'")
	assert.Contains(t, policy, "base-uri 'none'")
	for directive := range strings.SplitSeq(policy, "; ") {
		assert.Regexp(t, `^[a-z-]+ '(self|none)'$`, directive)
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	server := http.StripPrefix("/a/", page.Assets())
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	for name, contentType := range map[string]string{
		"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		w := get("/a/" + name)
		assert.Equal(t, http.StatusOK, w.Code, name)
		assert.Equal(t, contentType, w.Header().Get("Content-Type"))
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		elsewhere := regexp.MustCompile(`(https?:)?//[a-z]|@import|url\(`)
		assert.NotRegexp(t, elsewhere, strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", ""), name)
	}
	assert.Equal(t, http.StatusNotFound, get("/a/").Code)
	assert.Equal(t, http.StatusNotFound, get("/a/other.css").Code)
}

func TestWriteMail(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	page.WriteMail(w, httptest.NewRequest(http.MethodGet, "/", nil), "<p>Hello", "127.0.0.1:80/pixel/")
	assert.Contains(t, w.Body.String(), "<p>Hello")
	assert.Contains(t, w.Body.String(), `<base target="_blank">`)
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "img-src data: 127.0.0.1:80/pixel/", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'self'",
		"sandbox allow-popups allow-popups-to-escape-sandbox",
	} {
		assert.Contains(t, strings.Split(policy, "; "), want)
	}
	assert.NotContains(t, policy, "allow-scripts")
	assert.NotContains(t, policy, "allow-same-origin")
	assert.NotContains(t, policy, "script-src")
	assert.Equal(t, "off", w.Header().Get("X-DNS-Prefetch-Control"))
	assert.Equal(t, `<pre class="plain">1 &lt; 2</pre>`, page.PlainText("1 < 2"))
}

// A policy does not keep a link element from opening a connection.
func TestWriteMailOpensNoConnection(t *testing.T) {
	t.Parallel()
	const rel = ` rel="preconnect" href="https://evil.dev">`
	for _, body := range []string{
		"<link" + rel, "<LINK\n" + rel, "<link/rel=dns-prefetch href=//evil.dev>", "<svg><style><p><link" + rel + "</style></svg>",
		"<template shadowrootmode=open><link" + rel + "</template>", "<noscript><link" + rel + "</noscript>", "<title><link" + rel + "</title><link" + rel,
		`<iframe srcdoc="&lt;link rel=preconnect href=//evil.dev&gt;"></iframe>`,
	} {
		w := httptest.NewRecorder()
		page.WriteMail(w, httptest.NewRequest(http.MethodGet, "/", nil), "<p>Hello</p><linked>"+body+"<p>Bye</p>")
		assert.Contains(t, w.Body.String(), "<p>Hello</p><linked>")
		assert.Contains(t, w.Body.String(), "<p>Bye</p>")
		assert.NotRegexp(t, `(?i)<(link|iframe)[\s/>]`, w.Body.String(), body)
	}
}
