package dashboard_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/dashboard"
)

var (
	markText    = regexp.MustCompile(`(?s)<mark class="([a-z]+)" data-from="(\d+)">(.*?)</mark>`)
	marksText   = regexp.MustCompile(`(?s)<div id="marks" class="marks" aria-hidden="true">(.*?)</div>`)
	findingText = regexp.MustCompile(`(?s)<li><span class="chip (\w+)">(\w+)</span> <span class="grow">(.*?) <span class="muted">(?:<a href="#body" data-from="(\d+)" data-to="(\d+)">line ([\d:]+)</a> )?<code>([a-z-]+)</code>`)
	linkText    = regexp.MustCompile(`<li><span class="chip (?:yes|wait|none)">(tracked|not tracked|unknown)</span> <span class="grow">(?:<bdi>(.*?)</bdi> )?<span class="muted"><bdi>(.*?)</bdi>`)
	statusText  = regexp.MustCompile(`<p id="check-status" role="status" class="result( \w+)?">([^<]*)</p>`)
)

// marked is the copy of the body on a page, with [level: and ] around each mark.
func (s seen) marked() string {
	found := marksText.FindStringSubmatch(s.body)
	if found == nil {
		return "(none)"
	}
	return html.UnescapeString(markText.ReplaceAllString(found[1], "[$1:$3]"))
}

func (s seen) checkStatus() string {
	found := statusText.FindStringSubmatch(s.body)
	return found[2] + found[1]
}

func TestCheck(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const body = "<p>Grüße 🎉 <a href=\"https://example.com/\">x</a>\r\n" +
		"<a>no</a>  <a href=\"zoommtg:1\">zoom</a> <a href=\"http://acme.dev\">h</a> https://acme.dev/bare </p>\r\n<!-- <b> --><a href='https://acme.dev/1'>one"
	a := d.do(http.MethodPost, "compose/check", d.form("body", body))
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, strings.Join([]string{
		`<p>Grüße 🎉 [error:<a href="https://example.com/">]x</a>`,
		`[warning:<a>]no</a>  [warning:<a href="zoommtg:1">]zoom</a> [info:<a href="http://acme.dev">]h</a> [info:https://acme.dev/bare] </p>`,
		`<!-- <b> -->[warning:<a href='https://acme.dev/1'>]one`,
	}, "\n"), a.marked())
	assert.Equal(t, "1 error, 3 warnings, 2 hints failed", a.checkStatus())

	units := utf16.Encode([]rune(strings.ReplaceAll(body, "\r\n", "\n")))
	places := map[string]string{}
	for _, found := range findingText.FindAllStringSubmatch(a.body, -1) {
		from, err := strconv.Atoi(found[4])
		require.NoError(t, err, found[0])
		to, err := strconv.Atoi(found[5])
		require.NoError(t, err, found[0])
		places[found[7]+" "+found[2]+" "+found[6]] = string(utf16.Decode(units[from:to]))
	}
	assert.Equal(t, map[string]string{
		"denylisted-placeholder error 1:12":      `<a href="https://example.com/">`,
		"anchor-no-href warning 2:1":             `<a>`,
		"unsupported-scheme warning 2:12":        `<a href="zoommtg:1">`,
		"http-scheme info 2:41":                  `<a href="http://acme.dev">`,
		"not-an-anchor info 2:73":                `https://acme.dev/bare`,
		"nested-or-unclosed-anchor warning 3:13": `<a href='https://acme.dev/1'>`,
	}, places)

	var links []string
	for _, found := range linkText.FindAllStringSubmatch(a.body, -1) {
		links = append(links, found[1]+" "+found[2]+" "+found[3])
	}
	assert.Equal(t, []string{
		"tracked x https://example.com/", "not tracked no ", "not tracked zoom zoommtg:1", "unknown h http://acme.dev", "tracked one https://acme.dev/1",
	}, links)
	assert.Contains(t, a.body, "<h3>5 links, 2 are tracked</h3>")
	assert.Empty(t, d.nylas.Messages())
}

// Whatever the findings, the copy has the text of the body.
func TestMarksKeepTheText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, body := range []string{
		"", "\n", "\n\n<p>x", "no tags", "<a", "<a href=\"https://acme.dev", "<!-- ", "<a href=x><a href=x><a href=x>", "</a>", "a&amp;b <b>&lt;</b>",
		`<a href="{{url}}">x</a><a href="https://acme.dev/?token=abcdefghijklmnop0123456789">https://other.dev</a>`, "\U0001f389\U0001f389 https://acme.dev",
		strings.Repeat(`<a href="x y">z</a>`, 150), "<textarea><a href=https://acme.dev>", "<a href=\"https://b\u200bad.dev\">é</a>", "nul\x00 and \xff",
	} {
		a := d.do(http.MethodPost, "compose/check", d.form("body", body))
		want := strings.NewReplacer("\x00", "\uFFFD", "\xff", "\uFFFD").Replace(body)
		plain := strings.NewReplacer("[error:", "", "[warning:", "", "[info:", "", "]", "").Replace(a.marked())
		assert.Equal(t, want, plain)
		assert.Contains(t, html.UnescapeString(a.body), "aria-describedby=\"check-status\">\n"+want+"</textarea>")
	}
}

func TestNothingFound(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.do(http.MethodPost, "compose/check", d.form("links", "", "opens", "", "body", "<p>x", "to", "kim@"))
	assert.Equal(t, "Nothing to complain about", a.checkStatus())
	assert.Equal(t, "1 warning warned", d.do(http.MethodPost, "compose/check", d.form("body", "<a>x</a>")).checkStatus())
	assert.Equal(t, "1 hint told", d.do(http.MethodPost, "compose/check", d.form("to", "kim@acme.dev, lee@acme.dev")).checkStatus())
	a = d.do(http.MethodPost, "compose/check", d.form("links", "", "opens", "", "body", "<p>x", "to", "kim@"))
	assert.Equal(t, "<p>x", a.marked())
	a = d.do(http.MethodGet, "compose", nil)
	assert.Empty(t, a.checkStatus())
	assert.Empty(t, a.marked())
}

func TestManyFindings(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.do(http.MethodPost, "compose/check", d.form("body", strings.Repeat(`<a href="x y">z</a>`, 150)))
	assert.Len(t, findingText.FindAllString(a.body, -1), 100)
	assert.Len(t, linkText.FindAllString(a.body, -1), 100)
	assert.Contains(t, a.body, `<p class="muted">50 more links are not shown.</p>`)
	assert.Regexp(t, `<p class="muted">\d+ more are not shown.</p>`, a.body)
}

// Texts of the form come back as texts.
func TestFormIsEscaped(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const evil = `"><script>alert(1)</script></textarea><img src=x onerror=alert(1)>`
	form := url.Values{}
	for _, name := range []string{"key", "sender", "to", "subject", "body", "campaign"} {
		form.Set(name, evil)
	}
	for _, path := range []string{"compose", "compose/check", "compose/find"} {
		a := d.do(http.MethodPost, path, form)
		assert.NotContains(t, a.body, "<script>alert")
		assert.NotContains(t, a.body, "<img src=x")
		assert.Contains(t, a.header.Get("Content-Security-Policy"), "script-src 'self'")
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const body = `<p>x</p><script>alert(1)</script>`
	a := d.do(http.MethodPost, "compose/preview", d.form("body", body))
	assert.Contains(t, a.body, body)
	inert(t, a)
}

// inert asserts that a frame's mail can do nothing but open a link in a tab of its own.
func inert(t *testing.T, a seen) {
	t.Helper()
	policy := strings.Split(a.header.Get("Content-Security-Policy"), "; ")
	for _, want := range []string{
		"default-src 'none'", "form-action 'none'", "base-uri 'none'", "frame-ancestors 'self'", "sandbox allow-popups allow-popups-to-escape-sandbox",
	} {
		assert.Contains(t, policy, want)
	}
	for _, directive := range policy {
		name, sources, _ := strings.Cut(directive, " ")
		switch name {
		case "style-src":
			assert.Equal(t, "'unsafe-inline'", sources)
		case "img-src":
			assert.Equal(t, "data:", strings.TrimSpace(sources))
		case "default-src", "form-action", "base-uri", "frame-ancestors", "sandbox":
		default:
			t.Errorf("the policy has %s", directive)
		}
	}
	assert.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	assert.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	assert.Equal(t, "no-referrer", a.header.Get("Referrer-Policy"))
}

func TestNoFormWithoutSenders(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, url := range []string{d.serve(), d.serve(dashboard.WithClient(d.client))} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			assert.NotEqual(t, http.StatusOK, d.do(method, url+"compose", nil).status)
		}
	}
	a := d.do(http.MethodGet, "compose/check", nil)
	assert.Equal(t, http.StatusSeeOther, a.status)
	assert.Equal(t, "/mail/compose", a.header.Get("Location"))
}

// The check and the send look at one request: what the check lets pass, the client checks alike.
func TestCheckAgreesWithTheClient(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := d.form("to", "kim@acme.dev, lee@acme.dev", "body", `<a href="https://acme.dev/1">https://acme.dev</a>`)
	a := d.do(http.MethodPost, "compose/check", form)
	report := nylas.CheckTracking(&nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@acme.dev"}, {Email: "lee@acme.dev"}}, Subject: form.Get("subject"), Body: form.Get("body"),
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	})
	var want, got []string
	for _, f := range report.Findings {
		want = append(want, string(f.Code)+": "+strings.ToUpper(f.Message[:1])+f.Message[1:]+".")
	}
	for _, found := range findingText.FindAllStringSubmatch(a.body, -1) {
		got = append(got, found[7]+": "+html.UnescapeString(found[3]))
	}
	assert.Equal(t, want, got)
	assert.Contains(t, strings.Join(got, "\n"), "group-mail")
}
