package preflight_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/preflight"
)

// judged are bodies of mail, judged by hand from what Nylas documents: a letter for
// each anchor, in their order. The check and the emulator are each compared with it, so
// that a mistake in the code that they share is seen.
//
//   - e, eligible: a valid https, mailto or tel URL in an anchor with an href, without
//     login credentials
//   - s, skipped: no href, not a valid URI, another scheme or none, a name and a password,
//     already wrapped for tracking
//   - u, unknown: what the documents do not speak of: http, a user without a password,
//     mailto without an address, noscript, and targets that browsers take and RFC 3986
//     does not: bare %, brackets, letters that are not ASCII
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
var judged = []struct{ body, want string }{
	// The schemes that are documented.
	{`<a href="https://acme.dev/demo">x</a>`, "e"},
	{`<a href="https://acme.dev">x</a>`, "e"},
	{`<a href="https://acme.dev:8443/demo">x</a>`, "e"},
	{`<a href="https://acme.dev/?a=b&amp;c=d#e">x</a>`, "e"},
	{`<a href="https://acme.dev/?a=b&c=d">x</a>`, "e"},
	{`<a href="HTTPS://ACME.DEV/">x</a>`, "e"},
	{`<a href="https://xn--bcher-kva.de/">x</a>`, "e"},
	{`<a href="https://192.0.2.1/">x</a>`, "e"},
	{`<a href="https://[2001:db8::1]/">x</a>`, "e"},
	{`<a href="https://acme.dev/a%20b">x</a>`, "e"},
	{`<a href="https://acme.dev/a@b:c">x</a>`, "e"},
	{`<a href="mailto:kim@acme.dev">x</a>`, "e"},
	{`<a href="mailto:kim@acme.dev?subject=Hi%20there">x</a>`, "e"},
	{`<a href="MAILTO:kim@acme.dev">x</a>`, "e"},
	{`<a href="tel:+4930123456">x</a>`, "e"},
	{`<a href="tel:030-123">x</a>`, "e"},

	// Links that other systems exempt; Nylas tracks all eligible links or none.
	{`<a href="https://acme.dev/unsubscribe">x</a>`, "e"},
	{`<a clicktracking="off" href="https://acme.dev/">x</a>`, "e"},
	{`<a data-pm-no-track href="https://acme.dev/">x</a>`, "e"},
	{`<a ses:no-track href="https://acme.dev/">x</a>`, "e"},
	{`<a href="https://acme.dev/?token=abc">x</a>`, "e"},
	{`<a href="https://acme.dev/">https://acme.dev/</a>`, "e"},

	// Not documented.
	{`<a href="http://acme.dev/">x</a>`, "u"},
	{`<a href="HTTP://acme.dev/">x</a>`, "u"},
	{`<a href="http://kim@acme.dev/">x</a>`, "u"},
	{`<a href="https://kim@acme.dev/">x</a>`, "u"},
	{`<a href="https://kim:@acme.dev/">x</a>`, "u"},
	{`<a href="https://:pw@acme.dev/">x</a>`, "u"},
	{`<a href="mailto:?subject=x">x</a>`, "u"},
	{`<noscript><a href="https://acme.dev/">x</a></noscript>`, "u"},
	{`<p><noscript><b><a href="tel:1">x</a></b></noscript></p>`, "u"},
	{`<a href="https://acme.dev/%zz">x</a>`, "u"},
	{`<a href="https://acme.dev/?a=100%">x</a>`, "u"},
	{`<a href="https://acme.dev/#%4">x</a>`, "u"},
	{`<a href="https://acme.dev/[a]">x</a>`, "u"},
	{`<a href="https://acme.dev/?a[]=b">x</a>`, "u"},
	{`<a href="https://acme.dev/#a[]">x</a>`, "u"},
	{`<a href="https://[2001:db8::1]/?a[]=b">x</a>`, "u"},
	{`<a href="https://bücher.de/">x</a>`, "u"},
	{`<a href="https://acme.dev/ü">x</a>`, "u"},
	{`<a href="https://acme.dev/?a=&uuml;">x</a>`, "u"},
	{`<a href="https://acme.dev/#ü">x</a>`, "u"},
	{`<a href="mailto:kim@acme.dev?subject=Größe">x</a>`, "u"},
	{`<a href="mailto:kim@acme.dev?subject=100%">x</a>`, "u"},
	{`<a href="https://acme.dev/?u=[[ID]]">x</a>`, "u"},

	// Login credentials.
	{`<a href="https://kim:pw@acme.dev/">x</a>`, "s"},
	{`<a href="http://kim:pw@acme.dev/">x</a>`, "s"},
	{`<a href="https://kim:p%40w@acme.dev/x?y">x</a>`, "s"},

	// Links that are already wrapped, which Nylas leaves alone (changelog of 2026-11-12).
	{`<a href="https://tracking.us.nylas.com/l/1/0/2">x</a>`, "s"},
	{`<a href="https://tracking.eu.nylas.com/l/1">x</a>`, "s"},
	{`<a href="HTTPS://Tracking.US.Nylas.com.:443/l/1">x</a>`, "s"},
	{`<a href="http://tracking.us.nylas.com/l/1">x</a>`, "s"},
	{`<a href="https://kim@tracking.us.nylas.com/l/1">x</a>`, "s"},
	{`<a href="https://usw2.nyl.as/t1/1">x</a>`, "s"},
	{`<a href="https://t.nylas.com/1">x</a>`, "s"},
	{`<noscript><a href="https://tracking.us.nylas.com/l/1">x</a></noscript>`, "s"},
	{`<a href="http://127.0.0.1:8080/nylastest/link/abc/0">x</a>`, "s"},
	{`<a href="https://developer.nylas.com/">x</a>`, "e"},
	{`<a href="https://xtracking.us.nylas.com/l/1">x</a>`, "e"},
	{`<a href="https://acme.dev/?u=https://tracking.us.nylas.com/l/1">x</a>`, "e"},
	{`<a href="https://urldefense.com/v3/x">x</a>`, "e"},

	// The list of phishing and spam: example.com only is documented.
	{`<a href="https://www.example.com/">x</a>`, "e"},
	{`<a href="https://example.com.acme.dev/">x</a>`, "e"},
	{`<a href="https://example.org/">x</a>`, "e"},
	{`<a href="http://example.com/">x</a>`, "u"},

	// Other schemes, or none.
	{`<a href="zoommtg://zoom.us/join?confno=1">x</a>`, "s"},
	{`<a href="javascript:void(0)">x</a>`, "s"},
	{`<a href="data:text/html,x">x</a>`, "s"},
	{`<a href="ftp://acme.dev/">x</a>`, "s"},
	{`<a href="sms:+4930123">x</a>`, "s"},
	{`<a href="cid:logo">x</a>`, "s"},
	{`<a href="/demo">x</a>`, "s"},
	{`<a href="demo.html">x</a>`, "s"},
	{`<a href="acme.dev/demo">x</a>`, "s"},
	{`<a href="www.google.com">x</a>`, "s"},
	{`<a href="//acme.dev/demo">x</a>`, "s"},
	{`<a href="#top">x</a>`, "s"},
	{`<a href="?a=b">x</a>`, "s"},
	{`<a href="">x</a>`, "s"},
	{`<a href>x</a>`, "s"},

	// No valid URI.
	{`<a href="https://acme.dev/a b">x</a>`, "s"},
	{`<a href="https://acme.dev/{{id}}">x</a>`, "s"},
	{`<a href="https://acme.dev/a|b">x</a>`, "s"},
	{`<a href="https://acme.dev/&quot;x">x</a>`, "s"},
	{`<a href="https://acme.dev/&lt;x&gt;">x</a>`, "s"},
	{`<a href="https://acme.dev:port/">x</a>`, "s"},
	{"<a href=\"https://acme.dev/\nx\">x</a>", "s"},
	{`<a href="https://acme.dev/#a&#10;b">x</a>`, "s"},
	{`<a href="https://acme.dev/#a&#1;b">x</a>`, "s"},
	{`<a href="https://acme.dev/a&#127;b">x</a>`, "s"},
	{"<a href=\"https://acme.dev/#a\u0085b\">x</a>", "s"},
	{`<a href="https://acme.dev/?a&#9;b">x</a>`, "s"},
	{`<a href="https://acme.dev/a&#13;b">x</a>`, "s"},
	{`<a href="https://acme.dev/?a&nbsp;b">x</a>`, "s"},
	{`<a href="https://acme.dev/#a&#x2028;b">x</a>`, "s"},
	{`<a href="https://acme.dev/a&#x3000;b">x</a>`, "s"},
	{`<a href="https://acme.dev/?a&#0;b">x</a>`, "s"},
	{`<a href="https://acme.dev/&#x9d;b">x</a>`, "s"},
	{`<a href="tel:+49 30 123">x</a>`, "s"},
	{`<a href="{{url}}">x</a>`, "s"},
	{`<a href="*|UNSUB|*">x</a>`, "s"},
	{`<a href="%%url%%">x</a>`, "s"},
	{`<a href="<%= url %>">x</a>`, "s"},
	{`<a href="[unsubscribe]">x</a>`, "s"},
	{`<a href="https://">x</a>`, "s"},
	{`<a href="https:///path">x</a>`, "s"},
	{`<a href="https:acme.dev">x</a>`, "s"},
	{`<a href="mailto:">x</a>`, "s"},
	{`<a href="tel:">x</a>`, "s"},

	// No href.
	{`<a>www.google.com</a>`, "s"},
	{`<a name="top"></a>`, "s"},
	{`<a data-href="https://acme.dev/">x</a>`, "s"},

	// How the source is written.
	{`<A HREF='https://acme.dev/'>x</A>`, "e"},
	{`<a href=https://acme.dev/>x</a>`, "e"},
	{"<a\n\thref = \"https://acme.dev/\"\n>x</a>", "e"},
	{`<a href=" https://acme.dev/ ">x</a>`, "e"},
	{`<a class="b" title="a > b" href="https://acme.dev/">x</a>`, "e"},
	{`<a href="https&colon;//acme.dev/">x</a>`, "e"},
	{`<a href="&#104;ttps://acme.dev/">x</a>`, "e"},
	{`<a href="https://acme.dev/" href="http://acme.dev/">x</a>`, "e"},
	{`<a href="/x" HREF="https://acme.dev/">x</a>`, "s"},
	{`<a title="href='https://acme.dev/'" href="/x">x</a>`, "s"},
	{`<a href="https://acme.dev/"><img src="https://acme.dev/x.png"></a>`, "e"},
	{`<a` + strings.Repeat(" data-x", 100) + ` href="https://acme.dev/">x</a>`, "e"},

	// No anchors.
	{`<p>See https://acme.dev/ or www.acme.dev</p>`, ""},
	{`<p>x</p><!-- <a href="https://acme.dev/">x</a> -->`, ""},
	{`<!--[if mso]><a href="https://acme.dev/">x</a><![endif]--><p>x</p>`, ""},
	{`<style>a { content: "<a href='https://acme.dev/'>" }</style><p>x</p>`, ""},
	{`<textarea><a href="https://acme.dev/">x</a></textarea>`, ""},
	{`<!-- x --><style>a{}</style><p>x</p><!-->`, ""},
	{`<map><area href="https://acme.dev/"></map>`, ""},
	{`<form action="https://acme.dev/"><input></form>`, ""},
	{`<p>&lt;a href="https://acme.dev/"&gt;x&lt;/a&gt;</p>`, ""},
	{`<abbr href="https://acme.dev/">x</abbr>`, ""},
	{`<p>x</p><a href="https://acme.dev/"`, ""},

	// Several.
	{`<p><a href="https://acme.dev/1">1</a> <a href="http://acme.dev/2">2</a> <a href="/3">3</a> <a href="tel:4">4</a></p>`, "euse"},
	{`<a href="https://acme.dev/">1</a><a href="https://acme.dev/">2</a>`, "ee"},
	{`<a href="https://acme.dev/1">1<a href="https://acme.dev/2">2</a>`, "ee"},
	{`<a>1</a><a href="mailto:kim@acme.dev">2</a><a href="mailto:">3</a><a href="mailto:?body=x">4</a>`, "sesu"},
	{`<noscript><a href="https://acme.dev/1">1</a></noscript><a href="https://acme.dev/2">2</a>`, "ue"},
	{`<table><tr><td><a href="https://acme.dev/1">1</a></td><td><a href="https://u:p@acme.dev/2">2</a></td></tr></table>`, "es"},
	{`<a href="https://acme.dev/1">1</a><a href="https://tracking.us.nylas.com/l/2">2</a><a href="https://www.example.com/3">3</a>`, "ese"},
	{`<ul><li><a href="https://acme.dev/1">1</a><li><a href="#2">2</a></ul><a href="https://acme.dev/3">3</a>`, "ese"},
}

// letters are how judged writes a status.
var letters = map[byte]preflight.Status{
	'e': preflight.StatusEligible, 's': preflight.StatusSkipped, 'u': preflight.StatusUnknown,
}

func TestCheckAndEmulatorAgreeWithTheTable(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
	require.GreaterOrEqual(t, len(judged), 60)
	for _, tt := range judged {
		targets := parsedTargets(t, tt.body)
		require.Len(t, targets, len(tt.want), "anchors of the tree of %s", tt.body)
		want, tracked := []preflight.Status{}, []string{}
		for i, target := range targets {
			want = append(want, letters[tt.want[i]])
			if tt.want[i] == 'e' {
				tracked = append(tracked, target)
			}
		}

		report := preflight.Check(preflight.Mail{Body: tt.body, Links: true})
		got, listed := []preflight.Status{}, []string{}
		for _, link := range report.Links {
			got, listed = append(got, link.Status), append(listed, link.Target)
		}
		assert.Equal(t, want, got, "the check of %s", tt.body)
		assert.Equal(t, targets, listed, "the check of %s", tt.body)

		sent, ok := send(t, server, preflight.Mail{Body: tt.body, Links: true})
		require.True(t, ok, tt.body)
		assert.Equal(t, tracked, originals(sent), "the emulator with %s", tt.body)
		// What recipients see has the tracked URLs in the places of these targets, and
		// nothing else is another target than before.
		next := 0
		for i, target := range parsedTargets(t, sent.Body) {
			if tt.want[i] == 'e' {
				assert.Equal(t, sent.Links[next].TrackedURL, target, "the emulator with %s", tt.body)
				next++
			} else {
				assert.Equal(t, targets[i], target, "the emulator with %s", tt.body)
			}
		}
	}
}

// A link of the custom hostname of the mail is wrapped too.
func TestCheckAndEmulatorAgreeAboutTheDomain(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()), nylastest.WithTrackingDomains("track.acme.dev"))
	const body = `<a href="https://Track.acme.dev/1">1</a><a href="https://acme.dev/2">2</a><a href="https://x.track.acme.dev/3">3</a>`
	for domain, want := range map[string][]string{
		"":                {"https://Track.acme.dev/1", "https://acme.dev/2", "https://x.track.acme.dev/3"},
		"track.ACME.dev.": {"https://acme.dev/2", "https://x.track.acme.dev/3"},
	} {
		mail := preflight.Mail{Body: body, Links: true, DomainName: domain}
		report := preflight.Check(mail)
		eligible := []string{}
		for _, link := range report.Links {
			if link.Status == preflight.StatusEligible {
				eligible = append(eligible, link.Target)
			}
		}
		assert.Equal(t, want, eligible)
		assert.Equal(t, len(want), report.Eligible)
		assert.Equal(t, 3-len(want), report.Skipped)
		sent, ok := send(t, server, mail)
		require.True(t, ok)
		assert.Equal(t, want, originals(sent))
	}
}

// parsedTargets returns the targets of the anchors in the tree that an HTML parser makes
// of a body, without the white space around them. An anchor without one has "".
func parsedTargets(t *testing.T, body string) []string {
	t.Helper()
	targets := []string{}
	for _, node := range parsedAnchors(t, body) {
		target := ""
		for _, attr := range node.Attr {
			if attr.Key == "href" {
				target = strings.TrimSpace(attr.Val)
			}
		}
		targets = append(targets, target)
	}
	return targets
}

// parsedAnchors returns the anchors of the tree that an HTML parser makes of a body.
func parsedAnchors(t *testing.T, body string) []*html.Node {
	t.Helper()
	around := &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := html.ParseFragmentWithOptions(strings.NewReader(body), around, html.ParseOptionEnableScripting(false))
	require.NoError(t, err)
	var anchors []*html.Node
	for _, root := range nodes {
		for _, node := range append([]*html.Node{root}, slices.Collect(root.Descendants())...) {
			if node.DataAtom == atom.A {
				anchors = append(anchors, node)
			}
		}
	}
	return anchors
}

// send sends a mail to the emulator and returns what it became, or false if the emulator
// refused it.
func send(t *testing.T, server *nylastest.Server, mail preflight.Mail) (nylastest.Message, bool) {
	t.Helper()
	tracking := map[string]any{"opens": mail.Opens, "links": mail.Links, "thread_replies": false}
	if mail.DomainName != "" {
		tracking["domain_name"] = mail.DomainName
	}
	content, err := json.Marshal(map[string]any{
		"to":               []map[string]string{{"email": "kim@example.org"}},
		"body":             mail.Body,
		"tracking_options": tracking,
	})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		server.URL()+"/v3/grants/"+server.GrantID()+"/messages/send", bytes.NewReader(content))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+server.APIKey())
	req.Header.Set("Content-Type", "application/json")
	resp, err := server.HTTPClient().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		return nylastest.Message{}, false
	}
	sent := server.Messages()
	return sent[len(sent)-1], true
}

// originals returns the targets that the emulator replaced.
func originals(sent nylastest.Message) []string {
	targets := []string{}
	for _, link := range sent.Links {
		targets = append(targets, link.URL)
	}
	return targets
}
