// Package hostile makes bodies of mail that cost more to read than others. Tests
// bound what reading them takes.
package hostile

import (
	"fmt"
	"strings"
)

// Bodies returns the bodies by name. The largest are of 10 MB.
func Bodies() map[string]string {
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
