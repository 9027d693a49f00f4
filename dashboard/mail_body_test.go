package dashboard_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
)

const (
	hex32    = "0123456789abcdef0123456789abcdef"
	nylasAt  = "https://tracking.us.nylas.com/l/" + hex32 + "/"
	signed   = "/" + hex32 + hex32 + "?cache_buster=1764417600"
	tracked0 = nylasAt + "0" + signed
	tracked1 = nylasAt + "1" + signed
	pixel    = `<img src="https://tracking.us.nylas.com/o/1/2.gif" width="1" height="1">`
)

var badgeText = regexp.MustCompile(`<span style="all:initial[^"]*">([^<]*)</span>`)

// bare takes the badges out of a shown mail, and returns their texts.
func bare(shown string) (body string, badges []string) {
	for _, found := range badgeText.FindAllStringSubmatch(shown, -1) {
		badges = append(badges, found[1])
	}
	return badgeText.ReplaceAllString(shown, "•"), badges
}

func summaryOf(links []string, counts ...engagement.LinkCount) *engagement.Summary {
	s := &engagement.Summary{Sent: engagement.Sent{Links: links}}
	for i, link := range links {
		s.Links = append(s.Links, engagement.LinkCount{Index: i, URL: link})
	}
	for _, c := range counts {
		i := slices.IndexFunc(s.Links, func(l engagement.LinkCount) bool { return l.Index == c.Index })
		if i < 0 {
			s.Links = append(s.Links, c)
		} else {
			s.Links[i].Clicks = c.Clicks
		}
	}
	return s
}

func clicks(index, human, maybe, machine, self int) engagement.LinkCount {
	return engagement.LinkCount{Index: index, Clicks: engagement.Counts{Human: human, Indeterminate: maybe, Machine: machine, Self: self}}
}

func TestShownMail(t *testing.T) {
	t.Parallel()
	const counted = "Looking does not count: the pixel is taken out, and no link leads through tracking."
	const otherSum = "The tracked links of this mail are not the ones that were stored when it was sent, so the clicks are not shown at their links."
	const tooFew = "Nylas told of clicks on more links than this mail has, so the clicks are not shown at their links."
	const noLinks = "Nylas returned this mail without tracked links, so the clicks are not shown at their links."
	const unknown = "Where some links lead is not known, so they cannot be followed here."
	const noPlace = "Of some clicks it is not known on which link they were. They are not shown at a link."
	const images = "Images that the mail only refers to are not loaded."
	const textOnly = "The layout of this mail could hide a tracked link or a pixel, so only its text is shown."
	two := []string{"https://acme.dev/a", "https://acme.dev/b?x=1&y=2"}
	for name, test := range map[string]struct {
		body    string
		summary *engagement.Summary
		want    string
		badges  []string
		notes   []string
	}{
		"plain text": {"1 < 2\nbye", summaryOf(nil), `<pre class="plain">1 &lt; 2` + "\nbye</pre>", nil, nil},
		"not tracked": {
			`<p>Hi <a href="https://acme.dev/a">a</a></p>`, summaryOf(nil),
			`<p>Hi <a href="https://acme.dev/a">a</a></p>`, nil, []string{counted},
		},
		"links and pixel": {
			`<P>Hi <a  class=x HREF='` + tracked0 + `' id=1>a</A>, <a href=` + tracked1 + `><b>b</b></a>` + pixel + `</P>`,
			summaryOf(two, clicks(0, 2, 1, 5, 0)),
			`<P>Hi <a  class=x HREF='https://acme.dev/a' id=1>a</A>•••, <a href=https://acme.dev/b?x=1&amp;y=2><b>b</b></a>•</P>`,
			[]string{"2 by people", "1 maybe", "5 by machines", "not clicked"},
			[]string{counted},
		},
		"other anchors are not counted": {
			`<a name=top></a><a href="#top">up</a><a href="` + tracked0 + `">a</a><a href="http://acme.dev/h">h</a>`,
			summaryOf(two[:1], clicks(0, 0, 0, 0, 1)),
			`<a name=top></a><a href="#top">up</a><a href="https://acme.dev/a">a</a>•<a href="http://acme.dev/h">h</a>`,
			[]string{"1 by the sender"}, []string{counted},
		},
		"one more than stored": {
			`<a href="` + tracked0 + `">a</a><a title="&quot;" href="` + tracked1 + `" href="` + tracked0 + `" ping=x>b</a>`,
			summaryOf(two[:1], clicks(0, 1, 0, 0, 0)),
			`<a>a</a><a title="&#34;">b</a>`, nil, []string{counted, otherSum, unknown},
		},
		"one less than stored": {
			`<a href="` + tracked0 + `">a</a>`, summaryOf(two), `<a>a</a>`, nil, []string{counted, otherSum, unknown},
		},
		"clicks on more than there is": {
			`<a href="` + tracked0 + `">a</a>`, summaryOf(nil, clicks(1, 1, 0, 0, 0)), `<a>a</a>`, nil, []string{counted, tooFew, unknown},
		},
		"clicks and no tracked link": {
			`<a href="https://acme.dev/a">a</a>`, summaryOf(two, clicks(1, 1, 0, 0, 0)),
			`<a href="https://acme.dev/a">a</a>`, nil, []string{counted, noLinks},
		},
		"nothing stored, target from the events": {
			`<a href="` + tracked0 + `">a</a><a href="` + tracked1 + `">b</a>`,
			&engagement.Summary{Links: []engagement.LinkCount{
				{Index: 0, URL: "https://acme.dev/a", Clicks: engagement.Counts{Human: 1}},
				{Index: 1, URL: "https://acme.dev/b", Inferred: true, Clicks: engagement.Counts{Machine: 1}},
				{Index: -1, URL: "https://acme.dev/c", Clicks: engagement.Counts{Machine: 7}},
			}},
			`<a href="https://acme.dev/a">a</a>•<a>b</a>•`, []string{"1 by people", "1 by machines"}, []string{counted, noPlace, unknown},
		},
		"targets that nobody may follow": {
			`<a href="` + tracked0 + `">a</a><a href="` + tracked1 + `">b</a>`, summaryOf([]string{"javascript:alert(1)", tracked0}),
			`<a>a</a>•<a>b</a>•`, []string{"not clicked", "not clicked"}, []string{counted, unknown},
		},
		"a custom host": {
			`<a href="https://go.acme.dev/l/` + hex32 + `/0` + signed + `">a</a><img src="https://go.acme.dev/o/1.gif"><img src="data:image/gif;base64,R0">`, summaryOf(two[:1]),
			`<a href="https://acme.dev/a">a</a>•<img src="data:image/gif;base64,R0">`, []string{"not clicked"}, []string{counted},
		},
		"an anchor without an end": {
			`<a href="` + tracked0 + `">a <a href="` + tracked1 + `">b`, summaryOf(two),
			`<a href="https://acme.dev/a">a •<a href="https://acme.dev/b?x=1&amp;y=2">b•`, []string{"not clicked", "not clicked"}, []string{counted},
		},
		"in noscript": {
			`<noscript><a href="` + tracked0 + `">a</a>` + pixel + `</noscript>`, summaryOf(two[:1]),
			`<noscript><a href="https://acme.dev/a">a</a>•</noscript>`, []string{"not clicked"}, []string{counted},
		},
		"images": {
			`<img src="cid:logo"><img src="https://acme.dev/logo.png">`, summaryOf(nil),
			`<img src="cid:logo"><img src="https://acme.dev/logo.png">`, nil, []string{counted, images},
		},
		"hidden by svg": {
			`<p>1 &lt; 2<svg><style><a href="` + tracked0 + `"></style></svg>`, summaryOf(nil),
			`<pre class="plain">1 &lt; 2</pre>`, nil, []string{textOnly},
		},
		"a pixel hidden by svg": {
			`<p>1<svg><style>` + pixel + `</style></svg>`, summaryOf(nil), `<pre class="plain">1</pre>`, nil, []string{textOnly},
		},
		"an area": {
			`<p>1<map><area href="` + tracked0 + `"></map>`, summaryOf(nil), `<pre class="plain">1</pre>`, nil, []string{textOnly},
		},
		"too large": {
			"<p>" + strings.Repeat("x", 4<<20), summaryOf(nil), "", nil, []string{"The body is larger than 4 MiB, so it is not shown."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shown, notes := dashboard.ShowMail(test.body, test.summary)
			body, badges := bare(shown)
			assert.Equal(t, test.want, body)
			assert.Equal(t, test.badges, badges)
			assert.Equal(t, test.notes, notes)
		})
	}
}

// Whatever a browser takes for a way through tracking is not shown.
func TestShownMailHidesEveryWayThroughTracking(t *testing.T) {
	t.Parallel()
	const path = "l/" + hex32 + "/0/" + hex32 + hex32
	for _, body := range []string{
		`<svg><a><animate attributeName="href" values="` + tracked0 + `" fill="freeze"/><text y="20">x</text></a></svg>`,
		`<svg><a><set attributeName="href" to="` + tracked0 + `"/><text y="20">x</text></a></svg>`,
		`<svg><a><animate attributeName="xlink:href" values="#;//t.acme.dev/` + path + `"/><text>x</text></a></svg>`,
		`<a href="//t.acme.dev/` + path + `">x</a>`,
		`<a href="https:\\t.acme.dev/` + path + `">x</a>`,
		`<a href="ht&#9;tps://t.acme.dev/` + path + `">x</a>`,
		`<a href="https:///t.acme.dev/` + path + `">x</a>`,
		`<a href="&#1;https://t.acme.dev/` + path + `">x</a>`,
		`<a href="https://t.acme.dev/x/../` + path + `">x</a>`,
		`<a href="https://t.acme.dev/l/x/%2e%2e/` + path[2:] + `">x</a>`,
		`<a href="https://t.acme.dev/%6c` + path[1:] + `">x</a>`,
		`<a href="https://t.acme.dev/` + strings.ToUpper(path) + `">x</a><a ping="/` + path + `">x</a>`,
		`<a href="//127.0.0.1:1/nylastest/link/1">x</a>`,
		`<a href="http://127.0.0.1:1/nylastest/./link/1">x</a>`,
		`<a href="https://acme.dev" ping="https://tracking.us.nylas.com/l/1">x</a>`,
		`<a href="https://acme.dev" ping="https://x.dev https://TRACKING.us.nylas.com./l/1">x</a>`,
		`<svg><a href="https://tracking。us.ny` + "\u00ad" + `las.com/l/1"><text>x</text></a></svg>`,
		`<map><area href="https://ｔracking.us.nylas.com/l/1"></map>x`,
		`<map><area href="https://𝐭racking.us.nylas.com/l/1"></map>x`,
		`<map><area href="https://tracking%252eus.nylas.com/l/1"></map>x`,
		`<template shadowrootmode="open"><area href="` + tracked0 + `"></template>x`,
		`<math href="` + tracked0 + `">x</math>`,
		`<p background="https://euw1.nyl.as/o/1">x`,
		`<noscript><area href="` + tracked0 + `"></noscript>x`,
		`<div title="` + strings.Repeat("%25", 9) + `">x`,
	} {
		if strings.Contains(body, "%25%25") {
			body = strings.Replace(body, strings.Repeat("%25", 9), "%"+strings.Repeat("25", 9), 1)
		}
		shown, notes := dashboard.ShowMail("<p>1</p>"+body, summaryOf(nil))
		assert.True(t, strings.HasPrefix(shown, `<pre class="plain">1`), "%s: %s", body, shown)
		assert.Equal(t, []string{"The layout of this mail could hide a tracked link or a pixel, so only its text is shown."}, notes, body)
	}
}

// Ordinary mail keeps its layout.
func TestShownMailKeepsOrdinaryMail(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`<a href="https://support.nylas.com/l/1">help</a><a href="https://acme.dev/l/` + hex32 + `">x</a>`,
		`<img src="https://images.acme.dev/` + hex32 + "/1/" + hex32 + hex32 + `/l/1.png" alt="50% off, 100%25">`,
		`<a href="https://bücher.example/%C3%BC?next=https%3A%2F%2Facme.dev%2Fl%2F1">Bücher</a>`,
		`<a href="https://例え.テスト/">x</a><p title="10º 😀">x</p>`,
		`<a href="https://acme.dev/?next=https%253A%252F%252Facme.dev%252F" style="color:red">x</a>`,
		`<table background="https://acme.dev/a.png"><tr><td><svg><a href="#x"><text>x</text></a></svg></td></tr></table>`,
	} {
		shown, notes := dashboard.ShowMail(body, summaryOf(nil))
		assert.Equal(t, body, shown)
		assert.NotContains(t, notes, "The layout of this mail could hide a tracked link or a pixel, so only its text is shown.")
	}
}

var way = regexp.MustCompile(`(^|[^a-z0-9._-])tracking\.us\.nylas\.com($|[^a-z0-9._-])|/l/[0-9a-f]{32}/[0-9]+/[0-9a-f]{64}|/nylastest/(link|pixel)/`)

// leads reports whether a browser finds a way through tracking in a value.
func leads(value string) bool {
	value = strings.ToLower(strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(value))
	if way.MatchString(value) {
		return true
	}
	decoded, err := url.PathUnescape(value)
	return err == nil && way.MatchString(decoded)
}

// FuzzShownMail holds a body against the tree that HTML makes of it: nothing in it leads
// through tracking, and what is not an anchor or a pixel stays.
func FuzzShownMail(f *testing.F) {
	for _, body := range []string{
		"", "plain", `<p><a href="` + tracked0 + `">a</a>` + pixel, `<a href=` + tracked0 + ` href='` + tracked1 + `'>`,
		`<svg><style><a href="` + tracked0 + `">`, `<a href="` + tracked0 + `"><table><tr><td>x</a>`, `<noscript>` + pixel + `</noscript>`,
		`<textarea><a href="` + tracked0 + `"></textarea>`, `<!-- <a href="` + tracked0 + `"> -->`, `<a href="HTTPS:\\tracking.us.nylas.com/l/0">`,
		`<svg><a><set attributeName=href to="` + tracked0 + `"/>`, `<a ping="` + tracked1 + `">`, `<a href="//127.0.0.1/nylastest/link/1">`,
		`<iframe></noembed><a href="//t.dev/%6c/` + tracked0[len(nylasAt)-33:] + `"></iframe>`,
	} {
		f.Add(body, "https://acme.dev/a", 1)
		f.Add(body, tracked0, 0)
	}
	f.Fuzz(func(t *testing.T, body, target string, clicked int) {
		shown, notes := dashboard.ShowMail(body, summaryOf([]string{target}, clicks(clicked%3, 1, 0, 0, 0)))
		root, err := html.ParseWithOptions(strings.NewReader(shown), html.ParseOptionEnableScripting(false))
		if err != nil {
			t.Fatalf("what is shown cannot be read: %v", err)
		}
		for node := range root.Descendants() {
			for _, a := range node.Attr {
				if leads(a.Val) {
					t.Fatalf("<%s %s=%q> is left", node.Data, a.Key, a.Val)
				}
			}
		}
		if !strings.Contains(body, "<") || len(notes) > 0 && strings.Contains(notes[0], "text is shown") {
			return
		}
		// Without what begins an anchor, an end of one or an image, nothing changes.
		if !regexp.MustCompile(`(?i)</?(a|img|image|link|iframe)[\s/>]`).MatchString(body) && strings.Contains(shown, "<") && !strings.HasPrefix(shown, `<pre class="plain">`) && shown != body {
			t.Fatalf("%q became %q", body, shown)
		}
	})
}
