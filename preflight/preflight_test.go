package nylas_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// tracked is a message with a body and all tracking on.
func tracked(body string) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: toKim(), Body: body,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	}
}

// found is a finding in short.
func found(findings []nylas.TrackingFinding) []string {
	short := []string{}
	for _, f := range findings {
		text := fmt.Sprintf("%s %s %d:%d", f.Level, f.Code, f.Line, f.Column)
		if f.Refused {
			text += " refused"
		}
		short = append(short, text)
	}
	return short
}

func TestCheckTrackingOfLinks(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"
	for name, tt := range map[string]struct {
		body   string
		status nylas.LinkStatus
		reason nylas.FindingCode
		want   []string
	}{
		"good":           {`<a href="https://acme.dev/demo">demo</a>`, nylas.LinkEligible, "", nil},
		"port and query": {`<a href="https://acme.dev:8443/demo?a=b&amp;c=d#e">demo</a>`, nylas.LinkEligible, "", nil},
		"mailto": {`<a href="mailto:kim@acme.dev">kim@acme.dev</a>`, nylas.LinkEligible, "",
			[]string{"info mailto-tel-rewritten 1:1"}},
		"tel": {`<a href="tel:+4930123">call</a>`, nylas.LinkEligible, "", []string{"info mailto-tel-rewritten 1:1"}},
		"mailto without an address": {`<a href="mailto:?subject=x">x</a>`, nylas.LinkUnknown, nylas.CodeMailtoNoAddress,
			[]string{"info mailto-no-address 1:1"}},
		"http": {`<a href="http://acme.dev/">x</a>`, nylas.LinkUnknown, nylas.CodeHTTPScheme, []string{"info http-scheme 1:1"}},
		"no href": {`<a>www.google.com</a>`, nylas.LinkSkipped, nylas.CodeAnchorNoHref,
			[]string{"warning anchor-no-href 1:1"}},
		"a place":  {`<a name="top"></a>`, nylas.LinkSkipped, nylas.CodeAnchorNoHref, nil},
		"empty":    {`<a href>x</a>`, nylas.LinkSkipped, nylas.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"zoom":     {`<a href="zoommtg://zoom.us">x</a>`, nylas.LinkSkipped, nylas.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"script":   {`<a href="javascript:x()">x</a>`, nylas.LinkSkipped, nylas.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"relative": {`<a href="/x">x</a>`, nylas.LinkSkipped, nylas.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"fragment": {`<a href="#x">x</a>`, nylas.LinkSkipped, nylas.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"space":    {`<a href="https://acme.dev/a b">x</a>`, nylas.LinkSkipped, nylas.CodeBadURI, []string{"warning bad-uri 1:1"}},
		"variable": {`<a href="https://acme.dev/{{id}}">x</a>`, nylas.LinkSkipped, nylas.CodeBadURI, []string{"warning bad-uri 1:1"}},
		"password": {`<a href="https://kim:pw@acme.dev/">x</a>`, nylas.LinkSkipped, nylas.CodeURLUserinfo, []string{"warning url-userinfo 1:1"}},
		"user":     {`<a href="https://kim@acme.dev/">x</a>`, nylas.LinkUnknown, nylas.CodeURLUserinfo, []string{"warning url-userinfo 1:1"}},

		"example.com": {`<a href="https://example.com/demo">x</a>`, nylas.LinkEligible, "",
			[]string{"error denylisted-placeholder 1:1 refused"}},
		"EXAMPLE.com.":      {`<a href="https://EXAMPLE.com./">x</a>`, nylas.LinkEligible, "", []string{"error denylisted-placeholder 1:1 refused"}},
		"www.example.com":   {`<a href="https://www.example.com/">x</a>`, nylas.LinkEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"example.org":       {`<a href="https://example.org/">x</a>`, nylas.LinkEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"acme.test":         {`<a href="https://acme.test/">x</a>`, nylas.LinkEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"localhost":         {`<a href="https://localhost/">x</a>`, nylas.LinkEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"notexample.com":    {`<a href="https://notexample.com/">x</a>`, nylas.LinkEligible, "", nil},
		"http placeholder":  {`<a href="http://example.com/">x</a>`, nylas.LinkUnknown, nylas.CodeHTTPScheme, []string{"info http-scheme 1:1", "warning denylisted-placeholder 1:1"}},
		"user at it":        {`<a href="https://kim@example.com/">x</a>`, nylas.LinkUnknown, nylas.CodeURLUserinfo, []string{"warning url-userinfo 1:1", "warning denylisted-placeholder 1:1"}},
		"mailto at example": {`<a href="mailto:kim@example.com?subject=x">x</a>`, nylas.LinkEligible, "", []string{"info mailto-tel-rewritten 1:1", "warning denylisted-placeholder 1:1"}},

		"token":             {`<a href="https://acme.dev/?x=1&amp;Token=abc">x</a>`, nylas.LinkEligible, "", []string{"warning url-secret 1:1"}},
		"empty token":       {`<a href="https://acme.dev/?token=">x</a>`, nylas.LinkEligible, "", nil},
		"token in fragment": {`<a href="https://acme.dev/#access_token=abc">x</a>`, nylas.LinkEligible, "", []string{"warning url-secret 1:1"}},
		"signature":         {`<a href="https://acme.dev/?X-Amz-Signature=abc">x</a>`, nylas.LinkEligible, "", []string{"warning url-secret 1:1"}},
		"JWT":               {`<a href="https://acme.dev/?x=` + jwt + `">x</a>`, nylas.LinkEligible, "", []string{"warning url-secret 1:1"}},
		"JWT in the path":   {`<a href="https://acme.dev/` + jwt + `">x</a>`, nylas.LinkEligible, "", []string{"warning url-secret 1:1"}},
		"reset":             {`<a href="https://acme.dev/Reset-Password/12">x</a>`, nylas.LinkEligible, "", []string{"warning url-secret 1:1"}},
		"presets":           {`<a href="https://acme.dev/presets?monkey=1&amp;keys=2">x</a>`, nylas.LinkEligible, "", nil},

		"unsubscribe text":       {`<a href="https://acme.dev/x">Vom Newsletter <b>ABMELDEN</b></a>`, nylas.LinkEligible, "", []string{"warning unsubscribe-tracked 1:1"}},
		"unsubscribe target":     {`<a href="https://acme.dev/Unsubscribe?u=1">x</a>`, nylas.LinkEligible, "", []string{"warning unsubscribe-tracked 1:1"}},
		"unsubscribe by mail":    {`<a href="mailto:unsubscribe@acme.dev">x</a>`, nylas.LinkEligible, "", []string{"info mailto-tel-rewritten 1:1", "warning unsubscribe-tracked 1:1"}},
		"unsubscribe, untracked": {`<a href="/unsubscribe">x</a>`, nylas.LinkSkipped, nylas.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},

		"URL as text":       {`<a href="https://acme.dev/demo">https://acme.dev/demo</a>`, nylas.LinkEligible, "", []string{"warning text-is-url 1:1"}},
		"host as text":      {`<a href="https://www.acme.dev/demo">Acme.dev.</a>`, nylas.LinkEligible, "", []string{"warning text-is-url 1:1"}},
		"www as text":       {`<a href="https://acme.dev/demo">(www.acme.dev/x)</a>`, nylas.LinkEligible, "", []string{"warning text-is-url 1:1"}},
		"subdomain":         {`<a href="https://go.acme.dev/demo">acme.dev</a>`, nylas.LinkEligible, "", []string{"warning text-is-url 1:1"}},
		"URL in a sentence": {`<a href="https://acme.dev/demo">Visit https://evil.io now</a>`, nylas.LinkEligible, "", []string{"error text-host-mismatch 1:1"}},
		"a file name":       {`<a href="https://acme.dev/demo">README.md</a>`, nylas.LinkEligible, "", nil},
		"other URL":         {`<a href="https://acme.dev/demo">https://acme.io/demo</a>`, nylas.LinkEligible, "", []string{"error text-host-mismatch 1:1"}},
		"other host":        {`<a href="http://evil.io/">bank.com</a>`, nylas.LinkUnknown, nylas.CodeHTTPScheme, []string{"error text-host-mismatch 1:1", "info http-scheme 1:1"}},
		"suffix of a name":  {`<a href="https://notbank.com/">bank.com</a>`, nylas.LinkEligible, "", []string{"error text-host-mismatch 1:1"}},
		"two forms":         {`<a href="https://xn--bcher-kva.de/">bücher.de</a>`, nylas.LinkEligible, "", []string{"warning text-is-url 1:1"}},
		"version number":    {`<a href="https://acme.dev/">1.2.3</a>`, nylas.LinkEligible, "", nil},

		"Nylas link":    {`<a href="https://tracking.us.nylas.com/l/1/0/2">x</a>`, nylas.LinkEligible, "", []string{"error foreign-tracking-present 1:1"}},
		"old link":      {`<a href="http://usw2.nyl.as/t1/1">x</a>`, nylas.LinkUnknown, nylas.CodeHTTPScheme, []string{"error foreign-tracking-present 1:1", "info http-scheme 1:1"}},
		"Safe Links":    {`<a href="https://eur01.safelinks.protection.outlook.com/?url=x">x</a>`, nylas.LinkEligible, "", []string{"error foreign-tracking-present 1:1"}},
		"Proofpoint":    {`<a href="https://urldefense.com/v3/x">x</a>`, nylas.LinkEligible, "", []string{"error foreign-tracking-present 1:1"}},
		"other at Nyla": {`<a href="https://developer.nylas.com/">x</a>`, nylas.LinkEligible, "", nil},

		"SendGrid's attribute": {`<a clicktracking="OFF" href="https://acme.dev/">x</a>`, nylas.LinkEligible, "", []string{"warning no-track-attribute 1:1"}},
		"Postmark's attribute": {`<a data-pm-no-track href="https://acme.dev/">x</a>`, nylas.LinkEligible, "", []string{"warning no-track-attribute 1:1"}},
		"SES's attribute":      {`<a ses:no-track href="https://acme.dev/">x</a>`, nylas.LinkEligible, "", []string{"warning no-track-attribute 1:1"}},
		"clicktracking on":     {`<a clicktracking="on" href="https://acme.dev/">x</a>`, nylas.LinkEligible, "", nil},

		"noscript": {`<noscript><p><a href="https://acme.dev/">x</a></p></noscript>`, nylas.LinkUnknown, nylas.CodeInNoscript,
			[]string{"info in-noscript 1:14"}},
		"noscript that is not closed": {`<NOSCRIPT><br><noscript></noscript><a href="https://acme.dev/">x</a>`, nylas.LinkUnknown, nylas.CodeInNoscript,
			[]string{"info in-noscript 1:36"}},
		"after noscript": {`</noscript><noscript><!-- </noscript> -->x</noscript><a href="https://acme.dev/">x</a>`, nylas.LinkEligible, "", nil},
		"tel in noscript": {`<noscript><a href="tel:1">x</a></noscript>`, nylas.LinkUnknown, nylas.CodeInNoscript,
			[]string{"info in-noscript 1:11"}},
		"example.com in noscript": {`<noscript><a href="https://example.com/">x</a></noscript>`, nylas.LinkUnknown, nylas.CodeInNoscript,
			[]string{"info in-noscript 1:11", "warning denylisted-placeholder 1:11"}},
		"relative in noscript": {`<noscript><a href="/x">x</a></noscript>`, nylas.LinkSkipped, nylas.CodeUnsupportedScheme,
			[]string{"warning unsupported-scheme 1:11"}},

		"not closed": {`<p><a href="https://acme.dev/">x</p>`, nylas.LinkEligible, "", []string{"warning nested-or-unclosed-anchor 1:4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := nylas.CheckTracking(tracked(tt.body))
			require.Len(t, report.Links, 1)
			assert.Equal(t, tt.status, report.Links[0].Status)
			assert.Equal(t, tt.reason, report.Links[0].Reason)
			assert.Equal(t, append([]string{}, tt.want...), found(report.Findings))
			assert.Equal(t, strings.Contains(strings.Join(tt.want, ""), "refused"), report.Refused())
			counts := map[nylas.LinkStatus]int{
				nylas.LinkEligible: report.Eligible, nylas.LinkSkipped: report.Skipped, nylas.LinkUnknown: report.Unknown,
			}
			assert.Equal(t, 1, counts[tt.status])
			assert.Equal(t, 1, report.Eligible+report.Skipped+report.Unknown)
			for _, f := range report.Findings {
				assert.Zero(t, f.Link)
				assert.NotEmpty(t, f.Message)
			}

			// Without tracking of links there is nothing to say about most of them.
			req := tracked(tt.body)
			req.TrackingOptions.Links = false
			assert.Equal(t, report.Links, nylas.CheckTracking(req).Links)
			for _, f := range nylas.CheckTracking(req).Findings {
				assert.Contains(t, []nylas.FindingCode{nylas.CodeTextHostMismatch, nylas.CodeForeignTrackingPresent}, f.Code)
			}
		})
	}
}

func TestCheckTrackingOfTheRest(t *testing.T) {
	t.Parallel()
	const good = `<a href="https://acme.dev/">x</a>`
	links := func(n int, scheme string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `<a href="%s://acme.dev/%d">x</a>`, scheme, i)
		}
		return b.String()
	}
	with := func(findings []string, code string) []string {
		var some []string
		for _, f := range findings {
			if strings.Contains(f, code) {
				some = append(some, f)
			}
		}
		return some
	}
	for name, tt := range map[string]struct {
		change func(*nylas.SendMessageRequest)
		code   string // only findings with it are looked at
		want   []string
	}{
		"100 links":   {func(r *nylas.SendMessageRequest) { r.Body = links(100, "https") }, "too-many", nil},
		"101 links":   {func(r *nylas.SendMessageRequest) { r.Body = links(101, "https") }, "too-many", []string{"error too-many-links 0:0 refused"}},
		"101, though": {func(r *nylas.SendMessageRequest) { r.Body, r.TrackingOptions.Links = links(101, "https"), false }, "", nil},
		"100 and one of http": {func(r *nylas.SendMessageRequest) { r.Body = links(100, "https") + links(1, "http") }, "too-many",
			[]string{"warning too-many-links 0:0"}},
		"100 and one in noscript": {func(r *nylas.SendMessageRequest) {
			r.Body = links(100, "https") + "<noscript>" + links(1, "https") + "</noscript>"
		}, "too-many", []string{"warning too-many-links 0:0"}},
		"99 and one of http":   {func(r *nylas.SendMessageRequest) { r.Body = links(99, "https") + links(1, "http") }, "too-many", nil},
		"100 and one relative": {func(r *nylas.SendMessageRequest) { r.Body = links(100, "https") + `<a href="/">x</a>` }, "too-many", nil},

		"plain text": {func(r *nylas.SendMessageRequest) { r.IsPlaintext = true }, "",
			[]string{"error plaintext-untrackable 0:0"}},
		"plain text, only replies": {func(r *nylas.SendMessageRequest) {
			r.IsPlaintext, r.TrackingOptions.Opens, r.TrackingOptions.Links = true, false, false
		}, "", nil},
		"no tags": {func(r *nylas.SendMessageRequest) { r.Body = "Hi" }, "", []string{"error plaintext-untrackable 0:0"}},
		"no body": {func(r *nylas.SendMessageRequest) { r.Body, r.TrackingOptions.Opens = "", false }, "",
			[]string{"error plaintext-untrackable 0:0"}},
		"template": {func(r *nylas.SendMessageRequest) { r.Body, r.Template = "", &nylas.Template{ID: "t"} }, "",
			[]string{"info body-incomplete 0:0"}},
		"template and body": {func(r *nylas.SendMessageRequest) { r.Template = &nylas.Template{ID: "t"} }, "", nil},
		"signature":         {func(r *nylas.SendMessageRequest) { r.SignatureID = "s" }, "", []string{"info body-incomplete 0:0"}},
		"no tracking": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions, r.SignatureID, r.CC, r.From, r.Body = nil, "s", toKim(), toKim(), links(101, "http")
		}, "", nil},

		"domain without effect": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions = &nylas.TrackingOptions{ThreadReplies: true, DomainName: "track.acme.dev"}
		}, "", []string{"error domain-name-without-effect 0:0 refused"}},
		"malformed domain": {func(r *nylas.SendMessageRequest) { r.TrackingOptions.DomainName = "https://track.acme.dev" }, "",
			[]string{"error domain-name-malformed 0:0 refused"}},
		"domain": {func(r *nylas.SendMessageRequest) { r.TrackingOptions.DomainName = "track.acme.dev" }, "", nil},
		"a link of the domain": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions.DomainName, r.Body = "Track.acme.dev.", `<a href="https://track.acme.dev/l/1">x</a>`
		}, "", []string{"error foreign-tracking-present 1:1"}},
		"label": {func(r *nylas.SendMessageRequest) { r.TrackingOptions.Label = strings.Repeat("ü", 2048) }, "", nil},
		"long label": {func(r *nylas.SendMessageRequest) { r.TrackingOptions.Label = strings.Repeat("ü", 2049) }, "",
			[]string{"error label-too-long 0:0 refused"}},

		"two recipients": {func(r *nylas.SendMessageRequest) { r.BCC = []nylas.Participant{{Email: "lee@acme.dev"}} }, "",
			[]string{"info group-mail 0:0"}},
		"the sender": {func(r *nylas.SendMessageRequest) { r.From = []nylas.Participant{{Email: " KIM@example.org"}} }, "",
			[]string{"warning self-recipient 0:0"}},

		"102 kB":           {func(r *nylas.SendMessageRequest) { r.Body += strings.Repeat("x", 102_000-len(r.Body)) }, "", nil},
		"more than 102 kB": {func(r *nylas.SendMessageRequest) { r.Body += strings.Repeat("x", 102_001-len(r.Body)) }, "", []string{"warning gmail-clip 0:0"}},
		"more without opens": {func(r *nylas.SendMessageRequest) {
			r.Body, r.TrackingOptions.Opens = r.Body+strings.Repeat("x", 102_001), false
		}, "", []string{"warning gmail-clip 0:0"}},
		"more with replies only": {func(r *nylas.SendMessageRequest) {
			r.Body, r.TrackingOptions = r.Body+strings.Repeat("x", 102_001), &nylas.TrackingOptions{ThreadReplies: true}
		}, "", nil},
		"more of plain text": {func(r *nylas.SendMessageRequest) {
			r.Body, r.IsPlaintext = strings.Repeat("x", 102_001), true
		}, "", []string{"error plaintext-untrackable 0:0"}},

		"same target": {func(r *nylas.SendMessageRequest) { r.Body = good + "\n" + good + good }, "",
			[]string{"info duplicate-url 2:1", "info duplicate-url 2:34"}},
		"nested": {func(r *nylas.SendMessageRequest) {
			r.Body = `<a href="https://acme.dev/1">x <a href="https://acme.dev/2">y</a></a>`
		}, "", []string{"warning nested-or-unclosed-anchor 1:1"}},
		"URLs in the text": {func(r *nylas.SendMessageRequest) {
			r.Body = "<p>ü (https://acme.dev/x) or\nHTTP://acme.dev, www.acme.dev but not xhttps://a or https://</p><style>www.acme.dev</style>"
		}, "", []string{"info not-an-anchor 1:7", "info not-an-anchor 2:1", "info not-an-anchor 2:18"}},
		"other elements": {func(r *nylas.SendMessageRequest) {
			r.Body = `<base href="x"><map><area href="x"><area></map><form action="x">` +
				`<!--[if mso]> <v:roundrect href="x"></v:roundrect><![endif]--><!-- <v:rect href="x"> -->` +
				"\n" + `<!--[if mso]> < <A href="x"></a><a><abbr href=x><a/href='x'>` + "\n" + `<V:shape href="x"><![endif]-->`
		}, "", []string{
			"info not-an-anchor 1:1", "info not-an-anchor 1:21", "info not-an-anchor 1:48", "info not-an-anchor 1:79",
			"info not-an-anchor 2:17", "info not-an-anchor 2:49", "info not-an-anchor 3:1",
		}},
		"other elements without links": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions.Links = false
			r.Body = `https://acme.dev/ <base href="x"><area href="x"><form action="x"><!--[if mso]><v:rect href="x"><![endif]-->` +
				`<a><a href="https://acme.dev/"><a href="https://acme.dev/">`
		}, "", nil},
		"pixel of another message": {func(r *nylas.SendMessageRequest) {
			r.Body = `<p><img src="https://tracking.eu.nylas.com/open/1.gif"><img src="https://acme.dev/1.gif">` +
				"\n" + `<image src="https://t.nylas.com/1"><img src="cid:x" srcset="https://acme.dev/1 1x, https://t.nylas.com/1 2x"><img srcset="https://acme.dev/1 1x">`
		}, "", []string{"error foreign-tracking-present 1:4", "error foreign-tracking-present 2:1", "error foreign-tracking-present 2:36"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := tracked(good)
			tt.change(req)
			report := nylas.CheckTracking(req)
			assert.Equal(t, tt.want, with(found(report.Findings), tt.code))
			for _, f := range report.Findings {
				assert.NotEmpty(t, f.Message)
				assert.Equal(t, f.Line == 0, f.Column == 0)
			}
		})
	}
}

func TestCheckTrackingPlaces(t *testing.T) {
	t.Parallel()
	report := nylas.CheckTracking(tracked("<p>日本\r\n  <a\n href='https://acme.dev/?a=1&amp;b=2'> the \n<b>d&eacute;mo</b> </a>ü<a href=#x><img alt=y></a></p>"))
	assert.Equal(t, []nylas.TrackingLink{
		{Line: 2, Column: 3, Text: "the démo", Target: "https://acme.dev/?a=1&b=2", Status: nylas.LinkEligible},
		{Line: 4, Column: 25, Target: "#x", Status: nylas.LinkSkipped, Reason: nylas.CodeUnsupportedScheme},
	}, report.Links)
	require.Len(t, report.Findings, 1)
	assert.Equal(t, 1, report.Findings[0].Link)
	assert.Equal(t, "4:25: warning: unsupported-scheme: use a whole https, mailto or tel URL: clicks on other targets are not seen",
		report.Findings[0].String())
	assert.Equal(t, "error: plaintext-untrackable: plain text holds no pixel and no tracked link: write the body as HTML, "+
		"or switch Opens and Links off", nylas.CheckTracking(tracked("x")).Findings[0].String())

	long := nylas.CheckTracking(tracked(`<a href="https://acme.dev/">` + strings.Repeat("日", 201) + "</a>"))
	assert.Equal(t, strings.Repeat("日", 200), long.Links[0].Text)
}

func TestCheckTrackingChangesNothing(t *testing.T) {
	t.Parallel()
	req, want := markedMessage(), markedMessage()
	req.TrackingOptions.Links, want.TrackingOptions.Links = true, true
	report := nylas.CheckTracking(req)
	assert.Equal(t, want, req)
	for _, f := range report.Findings {
		assertUnmarked(t, f.String())
	}
	assert.Equal(t, &nylas.TrackingReport{}, nylas.CheckTracking(nil))
	assert.Equal(t, &nylas.TrackingReport{}, nylas.CheckTracking(&nylas.SendMessageRequest{}))
}

// hostileBodies are made to cost more than others. Those that the check was asked
// about are of 10 MB, the others of 1 MB.
func hostileBodies() map[string]string {
	fill := func(part string) string { return strings.Repeat(part, 1_000_000/len(part)) }
	fill10 := func(part string) string { return strings.Repeat(part, 10_000_000/len(part)) }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%x", i)
		}
		return b.String()
	}
	return map[string]string{
		"deep nesting":             fill10("<div>"),
		"anchors that never end":   fill10("<a href=https://acme.dev>"),
		"anchors without a target": fill("<a>"),
		"text in one anchor":       "<a href=https://acme.dev>" + fill("x "),
		"tags that never end":      fill10("<a "),
		"a quote that never ends":  fill(`<a href="`),
		"a name of 10 MB":          "<" + fill10("a") + ">",
		"a target of 10 MB":        `<a href="https://acme.dev/` + fill10("x") + `">x</a>`,
		"a long query":             `<a href="https://acme.dev/?` + fill("a=b&") + `">x</a>`,
		"a long path":              `<a href="https://acme.dev` + fill("/a") + `">x</a>`,
		"references":               "<a href=https://acme.dev>" + fill("&amp;"),
		"open brackets":            fill("<"),
		"comments":                 fill("<!--"),
		"comments in comments":     "<!--[if mso]>" + fill("<!--[if mso]>") + "-->",
		"conditional comments":     fill("<!--[if]><v:a href=x>-->"),
		"URLs":                     fill("https://a "),
		"spaces":                   "<p>" + fill(" "),
		"lines":                    fill("\n<a href=x>"),
		"one line":                 fill("ü<a href=x>"),
		"scripts":                  fill("<script>"),
		"titles":                   fill("</title"),
		"many tags of many":        fill("<p" + strings.Repeat(" a", 65) + ">"),
		"VML":                      "<!--[if]>" + fill("<v:a href=x>") + "-->",
		"VML that never ends":      "<!--[if]>" + fill("<v:a ") + "-->",
		"attributes":               "<a" + fill10(" a") + ` href="https://acme.dev/">x</a>`,
		"different attributes":     "<a" + names(1_000_000) + ` href="https://acme.dev/">` + strings.Repeat("<p b>", 400_000),
		"images":                   fill("<img src=https://t.nylas.com/>"),
		"a srcset":                 `<img srcset="` + fill("x, ") + `">`,
		"a srcset of descriptors":  `<img srcset="` + fill("x (") + `">`,
		"misnested":                fill("<a><b><i></a></b>"),
		"nested formatting":        strings.Repeat("<b><a>", 80_000) + strings.Repeat("</i></b></a>", 40_000),
		"paragraphs":               fill("<p><a><div>"),
		"nested lists":             strings.Repeat("<ul><li><b>", 50_000) + fill("<li></p></td>"),
		"nested tables":            fill("<table><tr><td>"),
		"images in brackets":       fill("<<img src=//t.nylas.com>img src=//t.nylas.com>"),
		"images in many brackets":  strings.Repeat("<", 40_000) + "<img src=//t.nylas.com>" + strings.Repeat("img src=//t.nylas.com>", 40_000),
	}
}

// Whatever a body holds, the check allocates a few times its size and makes a
// bounded report. Going over the body is linear, so this bounds the time as well.
func TestHostileBodies(t *testing.T) { // alone, because it counts what is allocated
	// Most of it is passing: what is known of an anchor while it is open, and
	// the tokenizer's buffer.
	const most = 40
	for name, body := range hostileBodies() {
		t.Run(name, func(t *testing.T) {
			allocated := func(do func()) float64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				do()
				runtime.ReadMemStats(&after)
				return float64(after.TotalAlloc-before.TotalAlloc) / float64(len(body))
			}
			var report *nylas.TrackingReport
			check := allocated(func() { report = nylas.CheckTracking(tracked(body)) })
			assert.Less(t, check, float64(most), "allocated by CheckTracking, as a multiple of the body")
			assert.LessOrEqual(t, len(report.Links), 10_000)
			assert.LessOrEqual(t, len(report.Findings), 20_000)
			limit := 1.0
			if strings.Contains(name, "brackets") {
				limit = 6 // after each image the body is read anew, with a new buffer
			}
			strip := allocated(func() { nylas.StripPixel(body) })
			assert.Less(t, strip, most*limit, "allocated by StripPixel, as a multiple of the body")
		})
	}
}

// What is not listed is counted.
func TestReportOfManyLinks(t *testing.T) {
	t.Parallel()
	report := nylas.CheckTracking(tracked(strings.Repeat("<a href=http://acme.dev/>x</a>", 10_500) + `<a href="#">`))
	assert.Len(t, report.Links, 10_000)
	assert.Equal(t, 10_500, report.Unknown)
	assert.Equal(t, 1, report.Skipped)
	assert.Zero(t, report.Eligible)
	assert.Equal(t, 9_500+8_999, report.OmittedFindings, "http-scheme and duplicate-url")
	for _, f := range report.Findings {
		if f.Code == nylas.CodeUnsupportedScheme {
			assert.Equal(t, nylas.NoLink, f.Link)
		}
	}
}
