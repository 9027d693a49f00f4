package markup_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// wholeAnchors returns for each anchor of a body whether it is whole: "+" or "-".
func wholeAnchors(body string) string {
	var (
		result  strings.Builder
		nesting = markup.NewNesting()
		inside  = false
		scan    = markup.New([]byte(body))
	)
	scan.ReadNoscript()
	end := func(properly bool) {
		if inside {
			inside = false
			if nesting.EndAnchor() && properly {
				result.WriteByte('+')
			} else {
				result.WriteByte('-')
			}
		}
	}
	for scan.Next() {
		tag := atom.Lookup(scan.Name())
		switch scan.Token() {
		case html.StartTagToken, html.SelfClosingTagToken:
			if tag == atom.A {
				end(false)
				inside = true
				nesting.StartAnchor()
			} else {
				nesting.Start(tag, scan.Token() == html.SelfClosingTagToken)
			}
		case html.EndTagToken:
			if tag == atom.A {
				end(true)
			} else {
				nesting.End(tag)
			}
		case html.TextToken:
			if inside {
				nesting.Content()
			}
		default:
		}
	}
	end(false)
	return result.String()
}

func TestNesting(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"<p><a>x</a></p>": "+", "<a><b><i>x</b></i></a>": "+", "<ul><li><a>x</a><li>y</ul>": "+", "<a><ul><li>x<li>y</ul></a>": "+",
		"<dl><dt><a>x</a><dd>y</dl>": "+", "<table><tr><td><a>x</a><td>y<tr><th><a></a></table>": "++", "<a><table><tbody><tr><td>x<tbody></table></a>": "+",
		"<a><p>x<p>y</p></a>": "+", "<a><h2>x</h3></a>": "+", "<h1><h2><a>x</a>": "+", "<a><svg><path/><g></g></svg></a>": "+", "<a>x</i></p></br></a>": "+",
		"<li><ul><a><li>x</li></a></ul>": "+", "<td><a>x</a>": "+", "<i><table><tr><td><a>x</i></a></table></i>": "+", "<a><o:p>x</o:p></a>": "+",
		"<a><template><p></template></a>": "+",

		"<a>x": "-", "<a><b>x</a></b>": "-", "<b><a>x</b></a>": "-", "<p><a>x</p></a>": "-", "<a><span/>x</a>": "-", "<p><a><div>x</div></a></p>": "-",
		"<p><a>x<hr></a>": "-", "<li><a>x<li>y</a>": "-", "<dt><a>x<dd>y</a>": "-", "<table><tr><a><td>x</td></a></table>": "-", "<table><a>x</a></table>": "-",
		"<table><tr><td><a>x<td>y</a></table>": "-", "<table><tr><td><a>x<tr></a></table>": "-", "<h1><a>x</h2></a>": "-", "<a>x<a>y</a>": "-+",
		"<p><a>x</p></a><p><a>x</a></p>": "-+",
	} {
		assert.Equal(t, want, wholeAnchors(body), body)
	}
	// What is nested deeper than parsers nest is not kept, and ends again.
	deep := strings.Repeat("<div>", 600)
	assert.Equal(t, "+", wholeAnchors(deep+strings.Repeat("</div>", 600)+"<a>x</a>"))
}

func TestReadTag(t *testing.T) {
	t.Parallel()
	const tag = `<v:rect a='>' HREF="x" href="y">`
	end, value, has := markup.ReadTag([]byte(tag+"z"), "href")
	assert.Equal(t, len(tag), end)
	assert.Equal(t, "x", tag[value.Start:value.End])
	assert.True(t, has)
	_, _, has = markup.ReadTag([]byte(`<v:rect x>`), "href")
	assert.False(t, has)
	for _, unfinished := range []string{`<v:rect href="x"`, `<v:rect href="x`, "<v"} {
		end, _, has = markup.ReadTag([]byte(unfinished), "href")
		assert.Equal(t, -1, end, unfinished)
		assert.False(t, has, unfinished)
	}
}
