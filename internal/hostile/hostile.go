// Package hostile makes bodies of mail that cost more to read than others. Tests
// bound what reading them takes, and that it grows as the bodies do.
package hostile

import (
	"fmt"
	"strings"
)

// Times is how much larger the bodies of Larger are than those of Bodies.
const Times = 6

// Bodies returns the bodies by name. The largest are of 100 kB: the tests run with the
// race detector too, on machines that do other things.
func Bodies() map[string]string { return bodies(1) }

// Larger returns the same bodies, Times as large.
func Larger() map[string]string { return bodies(Times) }

// Megabytes returns the same bodies of about one megabyte each, for benchmarks.
func Megabytes() map[string]string { return bodies(20) }

func bodies(times int) map[string]string {
	fill := func(part string) string { return strings.Repeat(part, times*50_000/len(part)) }
	fillMore := func(part string) string { return strings.Repeat(part, times*100_000/len(part)) }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%x", i)
		}
		return b.String()
	}
	return map[string]string{
		"deep nesting":             fillMore("<div>"),
		"anchors that never end":   fillMore("<a href=https://acme.dev>"),
		"anchors without a target": fill("<a>"),
		"links in links":           fill(`<a href="https://a.dev/%E2%80%8B{{x}}?token=ab&x=ü">see www.a.dev</a>`),
		"hosts as texts":           fill("<a href=//a.dev>b.co d.co e.co</a>"),
		"almost unsubscribe":       fill(`<a href=https://ununun.dev/abmeldabmeld>ununun</a>`),
		"placeholders":             `<a href="` + fill("{a") + `">x</a>`,
		"buttons for Outlook":      fill("<!--[if]><v:a href=x>--><a href=y>"),
		"not UTF-8":                "<p>" + fill("\xff"),
		"a style that never ends":  "<style>" + fill("<a href=x><!--<style>"),
		"text in one anchor":       "<a href=https://acme.dev>" + fill("x "),
		"tags that never end":      fillMore("<a "),
		"a quote that never ends":  fill(`<a href="`),
		"quotes in quotes":         fill(`<a x=">" `) + "y='",
		"a long name":              "<" + fillMore("a") + ">",
		"a long target":            `<a href="https://acme.dev/` + fillMore("x") + `">x</a>`,
		"a long query":             `<a href="https://acme.dev/?` + fill("a=b&") + `">x</a>`,
		"a long path":              `<a href="https://acme.dev` + fill("/a") + `">x</a>`,
		"references":               "<a href=https://acme.dev>" + fill("&amp;"),
		"references in targets":    fill("<a href=&ab;>"),
		"many references":          `<a href="` + fill("&ab") + `">x</a>`,
		"many resolved references": `<a href="https://acme.dev/?` + fill("&lt") + `">x</a>`,
		"references and numbers":   fill("<a href=tel:&ab;>"),
		"a long target of letters": `<a href="https://acme.dev/?` + fill("é") + `">x</a>`,
		"percents":                 fill("<a href=https://%>"),
		"images of hosts":          fill("<img src=//a>"),
		"texts in paragraphs":      fill("<p>x"),
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
		"attributes":               "<a" + fillMore(" a") + ` href="https://acme.dev/">x</a>`,
		"attributes and no target": "<a" + fillMore(" a") + ">x</a>",
		"different attributes":     "<a" + names(times*10_000) + ` href="https://acme.dev/">` + strings.Repeat("<p b>", times*4_000),
		"images":                   fill("<img src=https://t.nylas.com/>"),
		"a srcset":                 `<img srcset="` + fill("x, ") + `">`,
		"a srcset of descriptors":  `<img srcset="` + fill("x (") + `">`,
		"misnested":                fill("<a><b><i></a></b>"),
		"nested formatting":        strings.Repeat("<b><a>", times*4_000) + strings.Repeat("</i></b></a>", times*2_000),
		"paragraphs":               fill("<p><a><div>"),
		"paragraphs alone":         fill("<p>"),
		"scripts in scripts":       fill("<script><!--<script></script></script>"),
		"telephone numbers":        fill("<a href=tel:1>"),
		"nested lists":             strings.Repeat("<ul><li><b>", times*2_500) + fill("<li></p></td>"),
		"nested tables":            fill("<table><tr><td>"),
		"images in brackets":       fill("<<img src=//t.nylas.com>img src=//t.nylas.com>"),
		"images in many brackets":  strings.Repeat("<", times*2_000) + "<img src=//t.nylas.com>" + strings.Repeat("img src=//t.nylas.com>", times*2_000),
	}
}
