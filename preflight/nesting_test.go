package preflight_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/preflight"
)

func TestCheckOfNesting(t *testing.T) {
	t.Parallel()
	const a = `<a href="https://acme.dev/">`
	for _, body := range []string{
		"<p>" + a + "x</a></p>", a + "<b>x</b></a>", a + "<B>x</b ></A>", a + "<b><i>x</b></i></a>", a + "x<br>y<img src=x><hr><wbr></a>", a + "x</br></a>",
		"<ul><li>" + a + "x</a><li>y</ul>", a + "<ul><li>x<li>y</ul></a>", "<dl><dt>" + a + "x</a><dd>y</dl>", "<p>" + a + "x</a><p>y",
		"<table><tr><td>" + a + "x</a><td>y<tr><th>" + a + "</a></table>", a + "<table><tr><td>x<td>y<tr><th>z</table></a>",
		a + "<p>x<p>y</p></a>", a + "<p>x</p><div>y</div></a>", a + "<h2>x</h3></a>", "<div>" + a + "<div>x</div></a></div>",
		a + "<select><option>x<option>y</select></a>", a + "<svg><path d=x/><circle/><g></g></svg></a>", a + "<svg/>x</a>", a + "<o:p>x</o:p></a>",
		a + "x</i></a>", a + "x</p></a>", "<b>" + a + "x</a></b>", "</a><b>", a + "x</a></a></b>", "<p>x<div></p>" + a + "x</a></div>",
		a + "<!--[if mso]><b><![endif]-->x</a>", a + "<textarea><b></textarea></a>", "<i><table><tr><td>" + a + "x</i></a></table></i>",
		"<html><head><title>x</title></head><body>" + a + "x</a></body></html>", "<noscript>" + a + "x</a></noscript>",
		"<div>" + a + "<table><tr><td></div></table></a></div>", "<li><ul>" + a + "<li>x</li></a></ul>",
	} {
		assert.NotContains(t, codes(body), preflight.CodeNestedOrUnclosedAnchor, body)
		assertSameAnchors(t, body)
	}
	for _, body := range []string{
		a + "<b>x</a></b>", a + "<b>x</a>", "<b>" + a + "x</b></a>", "<p>" + a + "x</p></a>", a + "<p>x</a>", a + "<span/>x</a>",
		"<p>" + a + "<div>x</div></a></p>", "<p>" + a + "<p>x</a>", "<p>" + a + "x<hr></a>", "<li>" + a + "x<li>y</a>", "<dt>" + a + "x<dd>y</a>",
		"<table><tr>" + a + "<td>x</td></a></table>", "<table><tr><td>" + a + "x<td>y</a></table>", "<table><tr><td>" + a + "x<tr></a></table>",
		"<table>" + a + "x</a></table>", "<table><tr><td>" + a + "x</table></a>", "<table><tr><td>" + a + "x</td></a></table>",
		a + "<table><tr><td>x</a></table>", "<h1>" + a + "x</h2></a>", "<div><span>" + a + "x</div></a>", "<p>" + a + "<hr>x</a>",
		a + "x" + a + "y</a>", a, a + "<b>x</b>", "<td>" + a, "<noscript>" + a + "x</noscript></a>",
	} {
		assert.Equal(t, 1, count(codes(body), preflight.CodeNestedOrUnclosedAnchor), body)
		mail := tracked(body)
		mail.Links = false
		assert.Empty(t, preflight.Check(mail).Findings, body)
	}
	// A broken anchor says nothing about the next one.
	report := preflight.Check(tracked("<p>" + a + "x</p></a><p>" + a + "x</a></p>"))
	assert.Equal(t, []string{"warning nested-or-unclosed-anchor 1:4", "info duplicate-url 1:44"}, found(report.Findings))
}

func codes(body string) []preflight.Code {
	var all []preflight.Code
	for _, f := range preflight.Check(tracked(body)).Findings {
		all = append(all, f.Code)
	}
	return all
}

func count[T comparable](all []T, one T) int {
	n := 0
	for _, each := range all {
		if each == one {
			n++
		}
	}
	return n
}

// assertSameAnchors checks that a parser finds the links of the report in a body,
// with the same texts.
func assertSameAnchors(t *testing.T, body string) {
	t.Helper()
	var listed []string
	for _, link := range preflight.Check(tracked(body)).Links {
		listed = append(listed, link.Text)
	}
	var parsed []string
	for _, node := range parsedAnchors(t, body) {
		var text strings.Builder
		for inner := range node.Descendants() {
			if inner.Type == html.TextNode {
				text.WriteString(inner.Data)
			}
		}
		parsed = append(parsed, strings.Join(strings.Fields(text.String()), " "))
	}
	require.Equal(t, parsed, listed, body)
}

// TestNestingLikeAParser makes bodies at random: where the check finds no fault in
// the nesting, a parser has the same anchors. Elements such as b are left out: parsers
// begin those that have no end anew in the next element, which the check does not
// follow.
func TestNestingLikeAParser(t *testing.T) {
	t.Parallel()
	tags := strings.Fields("a a a span p div ul li dl dt dd h1 h2 table tr td th tbody br hr img blockquote center label")
	random := rand.New(rand.NewPCG(1, 2))
	clean := 0
	for range 10_000 {
		var b strings.Builder
		var open []string
		for range random.IntN(20) {
			switch tag := tags[random.IntN(len(tags))]; random.IntN(5) {
			case 0:
				b.WriteString("</" + tag + ">")
			case 1, 2:
				if n := len(open); n > 0 {
					b.WriteString("</" + open[n-1] + ">")
					open = open[:n-1]
				}
			default:
				b.WriteString("<" + tag + ">x")
				open = append(open, tag)
			}
		}
		body := b.String()
		if !slices.Contains(codes(body), preflight.CodeNestedOrUnclosedAnchor) && strings.Contains(body, "<a>") {
			clean++
			assertSameAnchors(t, body)
		}
	}
	assert.Greater(t, clean, 300)
}
