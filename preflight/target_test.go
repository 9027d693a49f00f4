package preflight_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/preflight"
)

// The path, the query and the fragment follow one rule.
func TestCheckOfCharacters(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"https://acme.dev/a%sb", "https://acme.dev/?a=%sb", "https://acme.dev/#a%sb", "mailto:kim@acme.dev?subject=a%sb"} {
		for _, bad := range []string{
			"&#9;", "&#10;", "&#x0d;", "&#12;", "&#1;", "&#31;", "&#127;", "&#x81;", "&#x9d;", "&#0;", "&Tab;", "&NewLine;",
			" ", "&#32;", "&nbsp;", "&#xa0;", "&ensp;", "&#x2003;", "&#x2028;", "&#x2029;", "&#x202f;", "&#x3000;", "\u0085",
			"&quot;", "&lt;x", "&#92;", "&#94;", "&#96;", "&#124;", "\xff",
		} {
			assertLink(t, fmt.Sprintf(part, bad), preflight.StatusSkipped, preflight.CodeBadURI, preflight.LevelWarning)
		}
		for _, loose := range []string{"%", "%4_", "%zz", "%4g%20", "a[]", "]", "ü", "&uuml;", "&#x65e5;", "&#128;"} {
			assertLink(t, fmt.Sprintf(part, loose), preflight.StatusUnknown, preflight.CodeBadURI, preflight.LevelInfo)
		}
		for _, good := range []string{"", "%20", "%C3%BC", "%5B%5D", "~!$'()*+,;:@-._/?=", "&amp;c=d"} {
			report := preflight.Check(tracked(`<a href="` + fmt.Sprintf(part, good) + `">x</a>`))
			assert.Equal(t, preflight.StatusEligible, report.Links[0].Status, good)
		}
	}
}

// assertLink checks the status of the only link of a body, and that there is one finding
// about its target.
func assertLink(t *testing.T, target string, status preflight.Status, code preflight.Code, level preflight.Level) {
	t.Helper()
	report := preflight.Check(tracked(`<a href="` + target + `">x</a>`))
	require.Len(t, report.Links, 1, target)
	assert.Equal(t, status, report.Links[0].Status, target)
	assert.Equal(t, code, report.Links[0].Reason, target)
	var levels []preflight.Level
	for _, finding := range report.Findings {
		if finding.Code != preflight.CodeInvalidUTF8 {
			assert.Equal(t, code, finding.Code, target)
			levels = append(levels, finding.Level)
		}
	}
	assert.Equal(t, []preflight.Level{level}, levels, target)
}

func TestCheckOfInvisibleCharacters(t *testing.T) {
	t.Parallel()
	for _, invisible := range []string{
		"&shy;", "&#x200b;", "&zwnj;", "&zwj;", "&lrm;", "&#x202e;", "&#x2060;", "&#x2066;", "&#xfeff;", "&#x3164;", "&#xe0041;", "&#x180e;", "\u200b",
	} {
		for _, part := range []string{"https://acme.dev/a%sb", "https://acme.dev/?a%sb", "https://acme.dev/#a%sb"} {
			target := fmt.Sprintf(part, invisible)
			report := preflight.Check(tracked(`<a href="` + target + `">x</a>`))
			assert.Equal(t, preflight.StatusUnknown, report.Links[0].Status, target)
			assert.Equal(t, []string{"warning invisible-character 1:1"}, found(report.Findings), target)
		}
	}
	for target, want := range map[string][]string{
		"https://acme.dev/%E2%80%8B":      {"warning invisible-character 1:1"},
		"https://acme.dev/?a=%c2%ad":      {"warning invisible-character 1:1"},
		"https://acme.dev/%E2%80%8B?100%": {"info bad-uri 1:1"},
		// The joiners are seen between letters of some languages and in emoji.
		"https://acme.dev/%D9%85%DB%8C%E2%80%8C%D8%AE":                {},
		"https://acme.dev/%F0%9F%91%A8%E2%80%8D%F0%9F%92%BB%EF%B8%8F": {},
		"https://acme.dev/%C3%BC":                                     {},
	} {
		assert.Equal(t, want, found(preflight.Check(tracked(`<a href="`+target+`">x</a>`)).Findings), target)
	}
}

func TestCheckOfPlaceholders(t *testing.T) {
	t.Parallel()
	for target, status := range map[string]preflight.Status{
		"{{url}}": preflight.StatusSkipped, "{{ url }}": preflight.StatusSkipped, "{{{url}}}": preflight.StatusSkipped, "{{${url}}}": preflight.StatusSkipped,
		"{{ url ": preflight.StatusSkipped, "*|UNSUB|*": preflight.StatusSkipped, "%%url%%": preflight.StatusSkipped, "%%=v(@url)=%%": preflight.StatusSkipped,
		"<%= url %>": preflight.StatusSkipped, "<?= $url ?>": preflight.StatusSkipped, "<unsubscribe_url>": preflight.StatusSkipped,
		"{% url 'x' %}": preflight.StatusSkipped, "[unsubscribe]": preflight.StatusSkipped, "[[UNSUB_LINK]]": preflight.StatusSkipped,
		"%unsubscribe_url%": preflight.StatusSkipped, "%recipient.url%": preflight.StatusSkipped, "%s": preflight.StatusSkipped, "%1$s": preflight.StatusSkipped,
		"${url}": preflight.StatusSkipped, "#{url}": preflight.StatusSkipped, "@{url}": preflight.StatusSkipped, "@Model.Url": preflight.StatusSkipped,
		"$url": preflight.StatusSkipped, "$url$": preflight.StatusSkipped, "{url}": preflight.StatusSkipped, "{!Contact.Url}": preflight.StatusSkipped,
		"##url##": preflight.StatusSkipped, "#url#": preflight.StatusSkipped, "@@url@@": preflight.StatusSkipped, "{0}": preflight.StatusSkipped,
		"[%url%]": preflight.StatusSkipped, "mailto:{{email}}": preflight.StatusSkipped, "https://{{host}}/x": preflight.StatusSkipped,
		"https://acme.dev/{id}": preflight.StatusSkipped, "https://acme.dev/?u={{ id }}&amp;x=1": preflight.StatusSkipped, "mailto:[email]": preflight.StatusUnknown,
		"https://acme.dev/?u=[[ID]]": preflight.StatusUnknown, "https://acme.dev/?u=[ID]&amp;x=1": preflight.StatusUnknown,
		"https://acme.dev/?u=%id_x%": preflight.StatusUnknown, "https://acme.dev/?u=%date%": preflight.StatusUnknown, "https://acme.dev/%s/x": preflight.StatusUnknown,
		"https://acme.dev/?u=%%id%%": preflight.StatusUnknown, "https://acme.dev/%7B%7Bid%7D%7D": preflight.StatusEligible,
		"https://acme.dev/?u=%7b%7bid%7d%7d": preflight.StatusEligible, "https://acme.dev/?u=*%7CID%7C*": preflight.StatusEligible,
		"https://acme.dev/?u=%5B%5BID%5D%5D": preflight.StatusEligible, "https://acme.dev/?u=$id$": preflight.StatusEligible,
		"https://acme.dev/?u=%3C%25=id%25%3E": preflight.StatusEligible,
	} {
		report := preflight.Check(tracked(`<a href="` + target + `">x</a>`))
		require.Len(t, report.Links, 1, target)
		assert.Equal(t, status, report.Links[0].Status, target)
		assert.Equal(t, status != preflight.StatusEligible, report.Links[0].Reason == preflight.CodeUnfilledPlaceholder, target)
		assert.Equal(t, []string{"warning unfilled-placeholder 1:1"}, found(report.Findings), target)
		assert.Contains(t, report.Findings[0].Message, "a placeholder was not filled", target)
	}
	// Beside it, there is what else is said of the link.
	for target, want := range map[string][]string{
		"http://acme.dev/{{id}}": {"warning unfilled-placeholder 1:1"},
		"http://acme.dev/?$id$":  {"info http-scheme 1:1"},
		"http://acme.dev/$id$/x": {"warning unfilled-placeholder 1:1", "info http-scheme 1:1"},
	} {
		assert.Equal(t, want, found(preflight.Check(tracked(`<a href="`+target+`">x</a>`)).Findings), target)
	}
	for _, target := range []string{
		"https://acme.dev/?a[]=1", "https://acme.dev/?filter[name]=x", "https://acme.dev/?filter[name]", "https://acme.dev/a[b]/c", "https://acme.dev/a[b][c]=d", "https://acme.dev/?a=[1,2]", "https://[2001:db8::1]/",
		"https://acme.dev/%20foo%20", "https://acme.dev/?q=%C3%A4%C3%B6", "https://acme.dev/?q=100%25", "https://acme.dev/?a=100%", "https://acme.dev/?a=5%&amp;b=3%",
		"https://acme.dev/{3F2504E0-4F89-11D3-9A0C-0305E82C3301}", "https://acme.dev/{F3F504E0-4F89-11D3-9A0C-0305E82C3301}", "https://acme.dev/?q={%22a%22:1}",
		"https://acme.dev/?q=%7B%22a%22%3A1%7D", "https://acme.dev/?q=%5B%5B1%2C2%5D%5D", "https://acme.dev/@kim", "https://acme.dev/a$b$c", "https://acme.dev/#a",
		"https://acme.dev/*", "mailto:kim@acme.dev", "/x", "https://acme.dev/" + strings.Repeat("[", 100), "https://acme.dev/{" + strings.Repeat("x", 100) + "}",
	} {
		assert.NotContains(t, codes(`<a href="`+target+`">x</a>`), preflight.CodeUnfilledPlaceholder, target)
	}
	assert.NotContains(t, codes(`<a href="https://{{host}}/">acme.dev</a>`), preflight.CodeTextHostMismatch)
}

func TestCheckOfJumpsAndNumbers(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"#top":             "",
		"#":                "1:1: warning: unsupported-scheme: give the link a target: this one leads nowhere",
		"":                 "1:1: warning: unsupported-scheme: give the link a target: this one leads nowhere",
		"tel:+49 30 123":   "1:1: warning: bad-uri: leave the spaces out of the number: with them it is not a valid URI, so clicks on it are not seen",
		"TEL:+49&nbsp;3":   "1:1: warning: bad-uri: leave the spaces out of the number: with them it is not a valid URI, so clicks on it are not seen",
		"http://":          "1:1: warning: bad-uri: complete the target: it names no host, address or number, so the link leads nowhere",
		"mailto:":          "1:1: warning: bad-uri: complete the target: it names no host, address or number, so the link leads nowhere",
		"https://a.dev/ x": "1:1: warning: bad-uri: escape the target: it is not a valid URI, so clicks on it are not seen",
	} {
		report := preflight.Check(tracked(`<a href="` + target + `">x</a>`))
		assert.Equal(t, preflight.StatusSkipped, report.Links[0].Status, target)
		said := ""
		for _, finding := range report.Findings {
			said += finding.String()
		}
		assert.Equal(t, want, said, target)
	}
}

func TestCheckOfAnchorsWithoutATarget(t *testing.T) {
	t.Parallel()
	for anchor, want := range map[string]int{
		"<a>x</a>": 1, `<a class="x">x</a>`: 1, `<a target="_blank">x</a>`: 1, `<a style="color:red" target="_blank">x</a>`: 1, `<a style="text-decoration:none" rel="noopener">x</a>`: 1,
		`<a style="Text-Decoration: none; color: red">24 May</a>`: 0, `<a name="x"></a>`: 0, `<a id="x" target="_blank"></a>`: 0,
	} {
		assert.Equal(t, want, count(codes(anchor), preflight.CodeAnchorNoHref), anchor)
	}
}

func TestCheckOfButtonsForOutlook(t *testing.T) {
	t.Parallel()
	const (
		vml    = `<!--[if mso]><v:roundrect href="https://acme.dev/?a=1&amp;b=2"><w:anchorlock/>x</v:roundrect><![endif]-->`
		anchor = `<a href=" https://acme.dev/?a=1&b=2">x</a>`
		other  = `<a href="https://acme.dev/other">x</a>`
	)
	for body, want := range map[string]int{
		vml + anchor: 0, anchor + vml: 0, vml + "<p>" + anchor + vml: 0, vml + vml + anchor: 0, vml + "<![if !mso]>" + anchor + "<![endif]>": 0,
		vml + `<a href="https://acme.dev/?a=1&amp;b=2">x</a>`: 0,
		`<p>x</p>` + vml: 1, vml + "<div> " + other: 0, other + "</div>" + vml: 0, vml + "x" + other: 1, other + "x" + vml: 1, vml + "<img>" + other: 1, other + "<p><img>" + vml: 1,
		vml + vml + "x" + other: 2, vml + "x" + anchor: 0, anchor + "x" + vml: 0, vml + "x" + other + anchor: 1, other + "x" + vml + other: 0,
		`<!--[if mso]><v:rect href="">x</v:rect><v:rect href="#">x</v:rect><![endif]--><a href="">x</a>`: 0,
	} {
		assert.Equal(t, want, count(codes(body), preflight.CodeNotAnAnchor), body)
	}
	report := preflight.Check(tracked(strings.Repeat("<!--[if]><v:a href=x>-->", 1500) + "x" + anchor))
	assert.Equal(t, 1500, count(codesOf(report), preflight.CodeNotAnAnchor)+report.OmittedFindings)
}

func codesOf(report *preflight.Report) []preflight.Code {
	var all []preflight.Code
	for _, finding := range report.Findings {
		all = append(all, finding.Code)
	}
	return all
}

// A missing quote makes the next tags a part of the target.
func TestCheckOfTargetsThatHoldTags(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"https://acme.dev/>Click</a><p>more <a href=": "close the quote",
		"https://acme.dev/{{id}}>Click</a><p>":        "close the quote",
		"/demo>Click</a> <img src=":                   "close the quote",
		"https://acme.dev/?a=<ID>&b=<NAME>":           "placeholder",
		"https://acme.dev/?a>b":                       "escape",
	} {
		report := preflight.Check(tracked(`<a href="` + target + `">x</a>`))
		require.Len(t, report.Findings, 1, target)
		assert.Contains(t, report.Findings[0].Message, want, target)
	}
}
