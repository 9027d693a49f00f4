package preflight_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/hostile"
	"github.com/nylastrack/nylas-go/preflight"
)

// tracked is a mail with a body, of which opens and links are tracked.
func tracked(body string) preflight.Mail {
	return preflight.Mail{Recipients: []string{"kim@example.org"}, Body: body, Opens: true, Links: true}
}

// found is a finding in short.
func found(findings []preflight.Finding) []string {
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

func TestCheckOfLinks(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2ln"
	for name, tt := range map[string]struct {
		body   string
		status preflight.Status
		reason preflight.Code
		want   []string
	}{
		"good":           {`<a href="https://acme.dev/demo">demo</a>`, preflight.StatusEligible, "", nil},
		"port and query": {`<a href="https://acme.dev:8443/demo?a=b&amp;c=d#e">demo</a>`, preflight.StatusEligible, "", nil},
		"mailto": {`<a href="mailto:kim@acme.dev">kim@acme.dev</a>`, preflight.StatusEligible, "",
			[]string{"info mailto-tel-rewritten 1:1"}},
		"tel": {`<a href="tel:+4930123">call</a>`, preflight.StatusEligible, "", []string{"info mailto-tel-rewritten 1:1"}},
		"mailto without an address": {`<a href="mailto:?subject=x">x</a>`, preflight.StatusUnknown, preflight.CodeMailtoNoAddress,
			[]string{"info mailto-no-address 1:1"}},
		"http": {`<a href="http://acme.dev/">x</a>`, preflight.StatusUnknown, preflight.CodeHTTPScheme, []string{"info http-scheme 1:1"}},
		"no href": {`<a>www.google.com</a>`, preflight.StatusSkipped, preflight.CodeAnchorNoHref,
			[]string{"warning anchor-no-href 1:1"}},
		"a place":      {`<a name="top"></a>`, preflight.StatusSkipped, preflight.CodeAnchorNoHref, nil},
		"empty":        {`<a href>x</a>`, preflight.StatusSkipped, preflight.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"zoom":         {`<a href="zoommtg://zoom.us">x</a>`, preflight.StatusSkipped, preflight.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"script":       {`<a href="javascript:x()">x</a>`, preflight.StatusSkipped, preflight.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"relative":     {`<a href="/x">x</a>`, preflight.StatusSkipped, preflight.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},
		"fragment":     {`<a href="#x">x</a>`, preflight.StatusSkipped, preflight.CodeUnsupportedScheme, nil},
		"space":        {`<a href="https://acme.dev/a b">x</a>`, preflight.StatusSkipped, preflight.CodeBadURI, []string{"warning bad-uri 1:1"}},
		"variable":     {`<a href="https://acme.dev/{{id}}">x</a>`, preflight.StatusSkipped, preflight.CodeUnfilledPlaceholder, []string{"warning unfilled-placeholder 1:1"}},
		"TODO":         {`<a href="https://TODO">x</a>`, preflight.StatusEligible, "", []string{"warning unfilled-placeholder 1:1"}},
		"tbd, a page":  {`<a href="https://tbd:443/page?a=b">x</a>`, preflight.StatusEligible, "", []string{"warning unfilled-placeholder 1:1"}},
		"only TODO":    {`<a href="TODO">x</a>`, preflight.StatusSkipped, preflight.CodeUnfilledPlaceholder, []string{"warning unfilled-placeholder 1:1"}},
		"todo.com":     {`<a href="https://todo.com/todo">x</a>`, preflight.StatusEligible, "", nil},
		"underlined":   {`<a href="__URL__">x</a>`, preflight.StatusSkipped, preflight.CodeUnfilledPlaceholder, []string{"warning unfilled-placeholder 1:1"}},
		"a part of it": {`<a href="https://acme.dev/a?u=__USER_ID2__&b">x</a>`, preflight.StatusEligible, "", []string{"warning unfilled-placeholder 1:1"}},
		"Python":       {`<a href="https://docs.python.org/object.html#object.__init__">x</a>`, preflight.StatusEligible, "", nil},
		"dunder page":  {`<a href="https://acme.dev/__init__/__a">x</a>`, preflight.StatusEligible, "", nil},
		"only lines":   {`<a href="https://acme.dev/____/__1__/a__B__c">x</a>`, preflight.StatusEligible, "", nil},
		"port 99999":   {`<a href="https://acme.dev:99999/">x</a>`, preflight.StatusUnknown, preflight.CodeBadURI, []string{"warning bad-uri 1:1"}},
		"port 0":       {`<a href="http://acme.dev:0/">x</a>`, preflight.StatusUnknown, preflight.CodeBadURI, []string{"warning bad-uri 1:1"}},
		"long port":    {`<a href="https://acme.dev:99999999999999999999/">x</a>`, preflight.StatusUnknown, preflight.CodeBadURI, []string{"warning bad-uri 1:1"}},
		"port 65535":   {`<a href="https://acme.dev:65535/">x</a>`, preflight.StatusEligible, "", nil},
		"empty port":   {`<a href="https://acme.dev:/">x</a>`, preflight.StatusEligible, "", nil},
		"password":     {`<a href="https://kim:pw@acme.dev/">x</a>`, preflight.StatusSkipped, preflight.CodeURLUserinfo, []string{"warning url-userinfo 1:1"}},
		"user":         {`<a href="https://kim@acme.dev/">x</a>`, preflight.StatusUnknown, preflight.CodeURLUserinfo, []string{"warning url-userinfo 1:1"}},

		"example.com": {`<a href="https://example.com/demo">x</a>`, preflight.StatusEligible, "",
			[]string{"error denylisted-placeholder 1:1 refused"}},
		"EXAMPLE.com.":      {`<a href="https://EXAMPLE.com./">x</a>`, preflight.StatusEligible, "", []string{"error denylisted-placeholder 1:1 refused"}},
		"www.example.com":   {`<a href="https://www.example.com/">x</a>`, preflight.StatusEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"example.org":       {`<a href="https://example.org/">x</a>`, preflight.StatusEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"acme.test":         {`<a href="https://acme.test/">x</a>`, preflight.StatusEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"localhost":         {`<a href="https://localhost/">x</a>`, preflight.StatusEligible, "", []string{"warning denylisted-placeholder 1:1"}},
		"notexample.com":    {`<a href="https://notexample.com/">x</a>`, preflight.StatusEligible, "", nil},
		"http placeholder":  {`<a href="http://example.com/">x</a>`, preflight.StatusUnknown, preflight.CodeHTTPScheme, []string{"info http-scheme 1:1", "warning denylisted-placeholder 1:1"}},
		"user at it":        {`<a href="https://kim@example.com/">x</a>`, preflight.StatusUnknown, preflight.CodeURLUserinfo, []string{"warning url-userinfo 1:1", "warning denylisted-placeholder 1:1"}},
		"mailto at example": {`<a href="mailto:kim@example.com?subject=x">x</a>`, preflight.StatusEligible, "", []string{"info mailto-tel-rewritten 1:1", "warning denylisted-placeholder 1:1"}},

		"token":             {`<a href="https://acme.dev/?x=1&amp;Token=abc">x</a>`, preflight.StatusEligible, "", []string{"warning url-secret 1:1"}},
		"empty token":       {`<a href="https://acme.dev/?token=">x</a>`, preflight.StatusEligible, "", nil},
		"token in fragment": {`<a href="https://acme.dev/#access_token=abc">x</a>`, preflight.StatusEligible, "", []string{"warning url-secret 1:1"}},
		"signature":         {`<a href="https://acme.dev/?X-Amz-Signature=abc">x</a>`, preflight.StatusEligible, "", []string{"warning url-secret 1:1"}},
		"JWT":               {`<a href="https://acme.dev/?x=` + jwt + `">x</a>`, preflight.StatusEligible, "", []string{"warning url-secret 1:1"}},
		"JWT in the path":   {`<a href="https://acme.dev/` + jwt + `">x</a>`, preflight.StatusEligible, "", []string{"warning url-secret 1:1"}},
		"reset":             {`<a href="https://acme.dev/Reset-Password/8f14e45fceea167a">x</a>`, preflight.StatusEligible, "", []string{"warning url-secret 1:1"}},
		"a page to reset":   {`<a href="https://acme.dev/Reset-Password/12">x</a>`, preflight.StatusEligible, "", nil},
		"a code of a shop":  {`<a href="https://acme.dev/?code=SUMMER25">x</a>`, preflight.StatusEligible, "", nil},
		"presets":           {`<a href="https://acme.dev/presets?monkey=1&amp;keys=2">x</a>`, preflight.StatusEligible, "", nil},

		"unsubscribe text":       {`<a href="https://acme.dev/x">Vom Newsletter <b>ABMELDEN</b></a>`, preflight.StatusEligible, "", []string{"warning unsubscribe-tracked 1:1"}},
		"unsubscribe target":     {`<a href="https://acme.dev/Unsubscribe?u=1">x</a>`, preflight.StatusEligible, "", []string{"warning unsubscribe-tracked 1:1"}},
		"unsubscribe by mail":    {`<a href="mailto:unsubscribe@acme.dev">x</a>`, preflight.StatusEligible, "", []string{"info mailto-tel-rewritten 1:1", "warning unsubscribe-tracked 1:1"}},
		"unsubscribe, untracked": {`<a href="/unsubscribe">x</a>`, preflight.StatusSkipped, preflight.CodeUnsupportedScheme, []string{"warning unsupported-scheme 1:1"}},

		"URL as text":       {`<a href="https://acme.dev/demo">https://acme.dev/demo</a>`, preflight.StatusEligible, "", []string{"warning text-is-url 1:1"}},
		"host as text":      {`<a href="https://www.acme.dev/demo">Acme.dev.</a>`, preflight.StatusEligible, "", []string{"warning text-is-url 1:1"}},
		"www as text":       {`<a href="https://acme.dev/demo">(www.acme.dev/x)</a>`, preflight.StatusEligible, "", []string{"warning text-is-url 1:1"}},
		"subdomain":         {`<a href="https://go.acme.dev/demo">acme.dev</a>`, preflight.StatusEligible, "", []string{"warning text-is-url 1:1"}},
		"URL in a sentence": {`<a href="https://acme.dev/demo">Visit https://evil.io now</a>`, preflight.StatusEligible, "", []string{"error text-host-mismatch 1:1"}},
		"a file name":       {`<a href="https://acme.dev/demo">README.md</a>`, preflight.StatusEligible, "", nil},
		"other URL":         {`<a href="https://acme.dev/demo">https://acme.io/demo</a>`, preflight.StatusEligible, "", []string{"error text-host-mismatch 1:1"}},
		"other host":        {`<a href="http://evil.io/">bank.com</a>`, preflight.StatusUnknown, preflight.CodeHTTPScheme, []string{"error text-host-mismatch 1:1", "info http-scheme 1:1"}},
		"suffix of a name":  {`<a href="https://notbank.com/">bank.com</a>`, preflight.StatusEligible, "", []string{"error text-host-mismatch 1:1"}},
		"two forms":         {`<a href="https://xn--bcher-kva.de/">bücher.de</a>`, preflight.StatusEligible, "", []string{"warning text-is-url 1:1"}},
		"version number":    {`<a href="https://acme.dev/">1.2.3</a>`, preflight.StatusEligible, "", nil},

		"Nylas link":          {`<a href="https://tracking.us.nylas.com/l/1/0/2">x</a>`, preflight.StatusSkipped, preflight.CodeForeignTrackingPresent, []string{"error foreign-tracking-present 1:1"}},
		"old link":            {`<a href="http://usw2.nyl.as/t1/1">x</a>`, preflight.StatusSkipped, preflight.CodeForeignTrackingPresent, []string{"error foreign-tracking-present 1:1"}},
		"the emulator's link": {`<a href="http://127.0.0.1:1/nylastest/link/a/0">x</a>`, preflight.StatusSkipped, preflight.CodeForeignTrackingPresent, []string{"error foreign-tracking-present 1:1"}},
		"a password for it":   {`<a href="https://kim:pw@t.nylas.com/1">x</a>`, preflight.StatusSkipped, preflight.CodeURLUserinfo, []string{"error foreign-tracking-present 1:1", "warning url-userinfo 1:1"}},
		"Safe Links":          {`<a href="https://eur01.safelinks.protection.outlook.com/?url=x">x</a>`, preflight.StatusEligible, "", []string{"error foreign-tracking-present 1:1"}},
		"Proofpoint":          {`<a href="https://urldefense.com/v3/x">x</a>`, preflight.StatusEligible, "", []string{"error foreign-tracking-present 1:1"}},
		"other at Nyla":       {`<a href="https://developer.nylas.com/">x</a>`, preflight.StatusEligible, "", nil},

		"SendGrid's attribute": {`<a clicktracking="OFF" href="https://acme.dev/">x</a>`, preflight.StatusEligible, "", []string{"warning no-track-attribute 1:1"}},
		"Postmark's attribute": {`<a data-pm-no-track href="https://acme.dev/">x</a>`, preflight.StatusEligible, "", []string{"warning no-track-attribute 1:1"}},
		"SES's attribute":      {`<a ses:no-track href="https://acme.dev/">x</a>`, preflight.StatusEligible, "", []string{"warning no-track-attribute 1:1"}},
		"clicktracking on":     {`<a clicktracking="on" href="https://acme.dev/">x</a>`, preflight.StatusEligible, "", nil},

		"noscript": {`<noscript><p><a href="https://acme.dev/">x</a></p></noscript>`, preflight.StatusUnknown, preflight.CodeInNoscript,
			[]string{"info in-noscript 1:14"}},
		"noscript that is not closed": {`<NOSCRIPT><br><noscript></noscript><a href="https://acme.dev/">x</a>`, preflight.StatusUnknown, preflight.CodeInNoscript,
			[]string{"info in-noscript 1:36"}},
		"after noscript": {`</noscript><noscript><!-- </noscript> -->x</noscript><a href="https://acme.dev/">x</a>`, preflight.StatusEligible, "", nil},
		"tel in noscript": {`<noscript><a href="tel:1">x</a></noscript>`, preflight.StatusUnknown, preflight.CodeInNoscript,
			[]string{"info in-noscript 1:11"}},
		"example.com in noscript": {`<noscript><a href="https://example.com/">x</a></noscript>`, preflight.StatusUnknown, preflight.CodeInNoscript,
			[]string{"info in-noscript 1:11", "warning denylisted-placeholder 1:11"}},
		"relative in noscript": {`<noscript><a href="/x">x</a></noscript>`, preflight.StatusSkipped, preflight.CodeUnsupportedScheme,
			[]string{"warning unsupported-scheme 1:11"}},

		"not closed": {`<p><a href="https://acme.dev/">x</p>`, preflight.StatusEligible, "", []string{"warning nested-or-unclosed-anchor 1:4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := preflight.Check(tracked(tt.body))
			require.Len(t, report.Links, 1)
			assert.Equal(t, tt.status, report.Links[0].Status)
			assert.Equal(t, tt.reason, report.Links[0].Reason)
			assert.Equal(t, append([]string{}, tt.want...), found(report.Findings))
			assert.Equal(t, strings.Contains(strings.Join(tt.want, ""), "refused"), report.Refused())
			counts := map[preflight.Status]int{
				preflight.StatusEligible: report.Eligible, preflight.StatusSkipped: report.Skipped, preflight.StatusUnknown: report.Unknown,
			}
			assert.Equal(t, 1, counts[tt.status])
			assert.Equal(t, 1, report.Eligible+report.Skipped+report.Unknown)
			for _, f := range report.Findings {
				assert.Zero(t, f.Link)
				assert.NotEmpty(t, f.Message)
			}

			// Without tracking of links there is nothing to say about most of them.
			mail := tracked(tt.body)
			mail.Links = false
			assert.Equal(t, report.Links, preflight.Check(mail).Links)
			for _, f := range preflight.Check(mail).Findings {
				assert.Contains(t, []preflight.Code{preflight.CodeTextHostMismatch, preflight.CodeForeignTrackingPresent}, f.Code)
			}
		})
	}
}

func TestCheckOfTheRest(t *testing.T) {
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
		change func(*preflight.Mail)
		code   string // only findings with it are looked at
		want   []string
	}{
		"100 links": {func(r *preflight.Mail) { r.Body = links(100, "https") }, "too-many", nil},
		"101 links": {func(r *preflight.Mail) { r.Body = links(101, "https") }, "too-many", []string{"error too-many-links 0:0 refused"}},
		"100 and one that is wrapped": {func(r *preflight.Mail) {
			r.Body = links(100, "https") + `<a href="https://tracking.eu.nylas.com/l/1">x</a>`
		}, "too-many", nil},
		"101, though": {func(r *preflight.Mail) { r.Body, r.Links = links(101, "https"), false }, "", nil},
		"100 and one of http": {func(r *preflight.Mail) { r.Body = links(100, "https") + links(1, "http") }, "too-many",
			[]string{"warning too-many-links 0:0"}},
		"100 and one in noscript": {func(r *preflight.Mail) {
			r.Body = links(100, "https") + "<noscript>" + links(1, "https") + "</noscript>"
		}, "too-many", []string{"warning too-many-links 0:0"}},
		"99 and one of http":   {func(r *preflight.Mail) { r.Body = links(99, "https") + links(1, "http") }, "too-many", nil},
		"100 and one relative": {func(r *preflight.Mail) { r.Body = links(100, "https") + `<a href="/">x</a>` }, "too-many", nil},

		"plain text": {func(r *preflight.Mail) { r.Plaintext = true }, "",
			[]string{"error plaintext-untrackable 0:0"}},
		"plain text, only replies": {func(r *preflight.Mail) {
			r.Plaintext, r.Opens, r.Links = true, false, false
		}, "", nil},
		"no tags": {func(r *preflight.Mail) { r.Body = "Hi" }, "", []string{"error plaintext-untrackable 0:0"}},
		"no body": {func(r *preflight.Mail) { r.Body, r.Opens = "", false }, "",
			[]string{"error plaintext-untrackable 0:0"}},
		"template": {func(r *preflight.Mail) { r.Body, r.Template = "", true }, "",
			[]string{"info body-incomplete 0:0"}},
		"template and body": {func(r *preflight.Mail) { r.Template = true }, "", nil},
		"signature":         {func(r *preflight.Mail) { r.Signature = true }, "", []string{"info body-incomplete 0:0"}},
		"no tracking": {func(r *preflight.Mail) {
			*r = preflight.Mail{Signature: true, Senders: r.Recipients, Recipients: append(r.Recipients, "lee@acme.dev"), Body: links(101, "http")}
		}, "", nil},

		"domain without effect": {func(r *preflight.Mail) {
			r.Opens, r.Links, r.DomainName = false, false, "track.acme.dev"
		}, "", []string{"error domain-name-without-effect 0:0 refused"}},
		"malformed domain": {func(r *preflight.Mail) { r.DomainName = "https://track.acme.dev" }, "",
			[]string{"error domain-name-malformed 0:0 refused"}},
		"domain": {func(r *preflight.Mail) { r.DomainName = "track.acme.dev" }, "", nil},
		"a link of the domain": {func(r *preflight.Mail) {
			r.DomainName, r.Body = "Track.acme.dev.", `<a href="https://track.acme.dev/l/1">x</a>`
		}, "", []string{"error foreign-tracking-present 1:1"}},
		"label": {func(r *preflight.Mail) { r.Label = strings.Repeat("ü", 2048) }, "", nil},
		"long label": {func(r *preflight.Mail) { r.Label = strings.Repeat("ü", 2049) }, "",
			[]string{"error label-too-long 0:0 refused"}},

		"two recipients": {func(r *preflight.Mail) { r.Recipients = append(r.Recipients, "lee@acme.dev") }, "",
			[]string{"info group-mail 0:0"}},
		"the sender": {func(r *preflight.Mail) { r.Senders = []string{" KIM@example.org"} }, "",
			[]string{"warning self-recipient 0:0"}},

		"102 kB":           {func(r *preflight.Mail) { r.Body += strings.Repeat("x", 102_000-len(r.Body)) }, "", nil},
		"more than 102 kB": {func(r *preflight.Mail) { r.Body += strings.Repeat("x", 102_001-len(r.Body)) }, "", []string{"warning gmail-clip 0:0"}},
		"more without opens": {func(r *preflight.Mail) {
			r.Body, r.Opens = r.Body+strings.Repeat("x", 102_001), false
		}, "", []string{"warning gmail-clip 0:0"}},
		"more with replies only": {func(r *preflight.Mail) {
			r.Body, r.Opens, r.Links = r.Body+strings.Repeat("x", 102_001), false, false
		}, "", nil},
		"more of plain text": {func(r *preflight.Mail) {
			r.Body, r.Plaintext = strings.Repeat("x", 102_001), true
		}, "", []string{"error plaintext-untrackable 0:0"}},

		"same target": {func(r *preflight.Mail) { r.Body = good + "\n" + good + good }, "",
			[]string{"info duplicate-url 2:1"}},
		"nested": {func(r *preflight.Mail) {
			r.Body = `<a href="https://acme.dev/1">x <a href="https://acme.dev/2">y</a></a>`
		}, "", []string{"warning nested-or-unclosed-anchor 1:1"}},
		"URLs in the text": {func(r *preflight.Mail) {
			r.Body = "<p>ü (https://acme.dev/x) or\nHTTP://acme.dev, www.acme.dev but not xhttps://a or https://</p><style>www.acme.dev</style>"
		}, "", []string{"info not-an-anchor 1:7", "info not-an-anchor 2:1", "info not-an-anchor 2:18"}},
		"other elements": {func(r *preflight.Mail) {
			r.Body = `<base href="x"><map><area href="x"><area></map><form action="x">` +
				`<!--[if mso]> <v:roundrect href="x"></v:roundrect><![endif]--><!-- <v:rect href="x"> -->` +
				"\n" + `<!--[if mso]> < <A href="x"></a><a><abbr href=x><a/href='x'>` + "\n" + `<V:shape href="x"><![endif]-->`
		}, "", []string{
			"info not-an-anchor 1:1", "info not-an-anchor 1:21", "info not-an-anchor 1:48", "info not-an-anchor 1:79",
			"info not-an-anchor 2:17", "info not-an-anchor 2:49", "info not-an-anchor 3:1",
		}},
		"other elements without links": {func(r *preflight.Mail) {
			r.Links = false
			r.Body = `https://acme.dev/ <base href="x"><area href="x"><form action="x"><!--[if mso]><v:rect href="x"><![endif]-->` +
				`<a><a href="https://acme.dev/"><a href="https://acme.dev/">`
		}, "", nil},
		"pixel of another message": {func(r *preflight.Mail) {
			r.Body = `<p><img src="https://tracking.eu.nylas.com/open/1.gif"><img src="https://acme.dev/1.gif">` +
				"\n" + `<image src="https://t.nylas.com/1"><img src="cid:x" srcset="https://acme.dev/1 1x, https://t.nylas.com/1 2x"><img srcset="https://acme.dev/1 1x">`
		}, "", []string{"error foreign-tracking-present 1:4", "error foreign-tracking-present 2:1", "error foreign-tracking-present 2:36"}},
		"pixel of the emulator": {func(r *preflight.Mail) {
			r.Body = `<p><img src="http://127.0.0.1:1/nylastest/pixel/a.gif">`
		}, "", []string{"error foreign-tracking-present 1:4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mail := tracked(good)
			tt.change(&mail)
			report := preflight.Check(mail)
			assert.Equal(t, tt.want, with(found(report.Findings), tt.code))
			for _, f := range report.Findings {
				assert.NotEmpty(t, f.Message)
				assert.Equal(t, f.Line == 0, f.Column == 0)
			}
		})
	}
}

func TestCheckPlaces(t *testing.T) {
	t.Parallel()
	report := preflight.Check(tracked("<p>日本\r\n  <a\n href='https://acme.dev/?a=1&amp;b=2'> the \n<b>d&eacute;mo</b> </a>ü<a href=/x><img alt=y></a></p>"))
	assert.Equal(t, []preflight.Link{
		{Line: 2, Column: 3, Text: "the démo", Target: "https://acme.dev/?a=1&b=2", Status: preflight.StatusEligible},
		{Line: 4, Column: 25, Target: "/x", Status: preflight.StatusSkipped, Reason: preflight.CodeUnsupportedScheme},
	}, report.Links)
	require.Len(t, report.Findings, 1)
	assert.Equal(t, 1, report.Findings[0].Link)
	assert.Equal(t, "4:25: warning: unsupported-scheme: use a whole https, mailto or tel URL: clicks on other targets are not seen",
		report.Findings[0].String())
	assert.Equal(t, "error: plaintext-untrackable: plain text holds no pixel and no tracked link: write the body as HTML, "+
		"or switch Opens and Links off", preflight.Check(tracked("x")).Findings[0].String())

	long := preflight.Check(tracked(`<a href="https://acme.dev/">` + strings.Repeat("日", 201) + "</a>"))
	assert.Equal(t, strings.Repeat("日", 200), long.Links[0].Text)
}

func TestCheckOfNothing(t *testing.T) {
	t.Parallel()
	assert.Equal(t, &preflight.Report{}, preflight.Check(preflight.Mail{}))
}

// A finding goes to logs, so it holds nothing of the mail.
func TestFindingsHoldNothingOfTheMail(t *testing.T) {
	t.Parallel()
	const mark = "geheim"
	mail := tracked(`<a href="https://` + mark + `.test/?token=` + mark + `">` + mark + `.de</a><a href="http://` + mark + `">x</a>` +
		`<a name>` + mark + `<a href="` + mark + `">https://` + mark + `</p>https://` + mark)
	mail.Label, mail.DomainName = strings.Repeat(mark, 400), mark
	mail.Senders = []string{mark + "@acme.dev"}
	mail.Recipients = append(mail.Recipients, mark+"@acme.dev")
	report := preflight.Check(mail)
	assert.Greater(t, len(report.Findings), 8)
	for _, f := range report.Findings {
		assert.NotContains(t, f.String(), mark)
	}
}

// Links that are not listed are counted as those that are.
func TestCheckCountsAllLinks(t *testing.T) {
	t.Parallel()
	const listed = 10_000
	for target, want := range map[string]preflight.Status{
		"HTTPS://acme.dev": preflight.StatusEligible, "mailto:kim@acme.dev": preflight.StatusEligible, "Tel:1": preflight.StatusEligible, "&#116;el:1": preflight.StatusEligible,
		"http://acme.dev": preflight.StatusUnknown, "https://acme.dev/%": preflight.StatusUnknown, "mailto:?a": preflight.StatusUnknown,
		"": preflight.StatusSkipped, "/tel:1": preflight.StatusSkipped, "tel": preflight.StatusSkipped, "ftp://acme.dev": preflight.StatusSkipped, "https:": preflight.StatusSkipped, "{{x}}": preflight.StatusSkipped,
	} {
		anchor := `<a href="` + target + `">x</a>`
		for _, n := range []int{1, listed + 1} {
			report := preflight.Check(tracked(strings.Repeat(anchor, n)))
			assert.Equal(t, want, report.Links[0].Status, target)
			counted := map[preflight.Status]int{preflight.StatusEligible: report.Eligible, preflight.StatusSkipped: report.Skipped, preflight.StatusUnknown: report.Unknown}
			assert.Equal(t, n, counted[want], target)
		}
	}
}

// Whatever a body holds, a check allocates a few times its size and makes a
// bounded report. Going over the body is linear, so this bounds the time as well.
func TestHostileBodies(t *testing.T) { // alone, because it counts what is allocated
	// Most of it is passing: what is known of an anchor while it is open. The report of a
	// small body can be larger than that.
	const most = 40
	larger := hostile.Larger()
	for name, body := range hostile.Bodies() {
		t.Run(name, func(t *testing.T) {
			check := func(body string) float64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				report := preflight.Check(tracked(body))
				runtime.ReadMemStats(&after)
				assert.LessOrEqual(t, len(report.Links), 10_000)
				assert.LessOrEqual(t, len(report.Findings), 20_000)
				return float64(after.TotalAlloc - before.TotalAlloc)
			}
			small, large := check(body), check(larger[name])
			assert.Less(t, large/float64(len(larger[name])), float64(most), "allocated by Check, as a multiple of the body")
			assert.Less(t, large/small, hostile.Times*1.5, "what is allocated grows faster than the body")
		})
	}
}

// What is not listed is counted.
func TestReportOfManyLinks(t *testing.T) {
	t.Parallel()
	report := preflight.Check(tracked(strings.Repeat("<a clicktracking=off href=http://acme.dev/>x</a>", 10_500) + `<a href="#">`))
	assert.Len(t, report.Links, 10_000)
	assert.Equal(t, 10_500, report.Unknown)
	assert.Equal(t, 1, report.Skipped)
	assert.Zero(t, report.Eligible)
	assert.Zero(t, report.OmittedFindings, "there are none behind the first 1000 links")
	for _, f := range report.Findings {
		switch f.Code {
		case preflight.CodeHTTPScheme:
			assert.Equal(t, 1_000, f.Count)
		case preflight.CodeDuplicateURL:
			assert.Equal(t, 999, f.Count)
		default:
			assert.Equal(t, 1, f.Count)
		}
	}
	assert.Equal(t, 1_000, count(codesOf(report), preflight.CodeNoTrackAttribute))
	assert.NotContains(t, codesOf(report), preflight.CodeUnsupportedScheme)

	report = preflight.Check(tracked(strings.Repeat("https://acme.dev/ ", 1_500) + "<p>"))
	assert.Equal(t, 500, report.OmittedFindings, "not-an-anchor")
}
