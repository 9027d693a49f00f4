package preflight_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/preflight"
)

// What is refused by the check is refused by the emulator.
func TestRefusedMail(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
	const good = `<a href="https://acme.dev/">x</a>`
	for body, want := range map[string]bool{
		good: false, strings.Repeat(good, 100): false, strings.Repeat(good, 101): true, `<a href="https://example.com/">x</a>`: true,
		`<a href="http://example.com/">x</a>`: false, strings.Repeat(`<a href="/">x</a>`, 101): false,
		strings.Repeat(good, 100) + `<a href="https://tracking.us.nylas.com/l/1">x</a>`: false,
		`<a href="https://www.example.com/">x</a>`:                                      false, `<a href="https://EXAMPLE.com.:443/">x</a>`: true,
	} {
		mail := tracked(body)
		_, sent := send(t, server, mail)
		assert.Equal(t, want, preflight.Check(mail).Refused(), "the check of %.40s...", body)
		assert.Equal(t, want, !sent, "the emulator with %.40s...", body)
	}
}

// FuzzCheck checks that places are in order and in the body, that the mail the check
// refuses is refused, and, by the tree of an HTML parser, that the emulator replaces the
// targets of exactly the links that the check calls eligible.
func FuzzCheck(f *testing.F) {
	for _, body := range []string{
		"", "x", `<p>Größe <a href="https://acme.dev/?a=1&amp;b=2">demo</a>`, `<a href=https://a.dev x='y>'><A/HREF='tel:1'/>`,
		`<a =href=x href="https://a.dev/`, "<a\fhref\r=\n'https://a.dev/&amp;&copy'>\x00", `<a href="https://example.com">x</a>`,
		`<textarea><a href="https://a.dev/">`, `<a href="https://b.io">https://a.dev</a>`, "https://a.dev\n\xff<!--[if]><v:a href=x>-->",
		`<a href="https://kim:pw@a.dev">`, `<img src="//t.nylas.com"><area href><base href><form action=x>`, `<a href="mailto:?a=b">x<a>`,
		`<p><a href="https://acme.dev/?reset%5Ftoken=a&x=%ff">Visit www.bank.com…</a>`, "<noscript>\n<a href=x>é</a></noscript><img srcset='a (,'>",
		"<table><tr><a><td></b></a></p><li><li></table></i>", "<a href='https://a.dev/;A=Ü'>„ba\u00adnk.com“</a>",
		`<style>a{}<a href="https://a.dev/">x</a><!-- <a href=x>`, `<!--[if mso]><v:rect href="https://a.dev/?a&amp;b"><![endif]--><a href="https://a.dev/?a&b">x</a>`,
		`<!-- <a href="https://a.dev/%zz">`, "<a href='https://a.dev/\u200b{{x}}'>\xff</a>", `<a href="https://a.dev/?x=[[ID]]"><a href="tel:+1 2">`,
		`<svg><title><a href="https://a.dev/">`, `<a href="https://a.dev/"><p><b></a></b>`,
	} {
		f.Add(body)
	}
	for _, tt := range judged {
		f.Add(tt.body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		report := preflight.Check(tracked(body))
		requireSound(t, body, report)

		if strings.ToValidUTF8(body, "") != body {
			return // JSON changes it
		}
		server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
		sent, ok := send(t, server, preflight.Mail{Body: body, Links: true}) // without a pixel, which could change the tree
		if !ok {
			return
		}
		require.False(t, report.Refused())
		if strings.Contains(strings.ToLower(body), "<noscript") {
			return // to the emulator it holds text, and where it ends can differ
		}
		eligible := []string{}
		for _, link := range report.Links {
			if link.Status == preflight.StatusEligible {
				eligible = append(eligible, link.Target)
			}
		}
		require.Equal(t, eligible, originals(sent))

		// The tree says it without the code that both share. It can have other anchors than
		// the source: parsers copy some that are misnested, leave some out, and read some
		// that stand in svg, math or select.
		before, after := parsedTargets(t, body), parsedTargets(t, sent.Body)
		require.Len(t, after, len(before))
		statuses, listed := make(map[string]preflight.Status), []string{}
		for _, link := range report.Links {
			statuses[link.Target] = link.Status
			listed = append(listed, link.Target)
		}
		slices.Sort(listed)
		if !slices.Equal(listed, slices.Sorted(slices.Values(before))) {
			return
		}
		replaced := make(map[string]bool)
		for _, link := range sent.Links {
			replaced[link.TrackedURL] = true
		}
		for i, target := range before {
			require.Equal(t, statuses[target] == preflight.StatusEligible, replaced[after[i]], "%q became %q", target, after[i])
			require.True(t, replaced[after[i]] || after[i] == target)
		}
	})
}

// requireSound checks what is true of the report of any body.
func requireSound(t *testing.T, body string, report *preflight.Report) {
	t.Helper()
	require.Len(t, report.Links, min(10_000, report.Eligible+report.Skipped+report.Unknown))
	line, column := 1, 0
	for _, link := range report.Links {
		require.True(t, link.Line > line || link.Line == line && link.Column > column)
		line, column = link.Line, link.Column
		text := strings.Split(body, "\n")[line-1]
		require.LessOrEqual(t, column, len([]rune(text)))
		require.Equal(t, "<", string([]rune(text)[column-1]))
		require.Equal(t, link.Status == preflight.StatusEligible, link.Reason == "")
	}
	require.True(t, slices.IsSortedFunc(report.Findings, func(a, b preflight.Finding) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	}))
	for _, finding := range report.Findings {
		require.Less(t, finding.Link, len(report.Links))
		require.False(t, finding.Refused && finding.Level != preflight.LevelError)
	}
}
