package page

import (
	"html"
	"net/http"
	"regexp"
	"strings"
)

// Sandbox is the sandbox attribute of a frame that shows mail: no script, no form, an
// origin of its own, and links that open in a tab of their own.
const Sandbox = "allow-popups allow-popups-to-escape-sandbox"

// mailPolicy is the Content-Security-Policy of mail in a frame. Styles are inline in mail.
// The sandbox is repeated, so that it also holds for whoever opens the frame's address.
var mailPolicy = strings.Join([]string{
	"default-src 'none'",
	"style-src 'unsafe-inline'",
	"form-action 'none'",
	"base-uri 'none'",
	"frame-ancestors 'self'",
	"sandbox " + Sandbox,
}, "; ")

// mailHead stands before the body of a mail: links open in a new tab, and the font is one
// that can be read.
const mailHead = `<!DOCTYPE html><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<base target="_blank"><style>:root{color-scheme:light;background:#fff}` +
	`body{margin:1rem;font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;overflow-wrap:anywhere}img{max-width:100%}` +
	`pre.plain{font:inherit;white-space:pre-wrap;margin:0}</style>`

// WriteMail answers with the HTML body of a mail, for a frame with [Sandbox]. The browser
// loads images that are in the mail itself, and those from images, which are sources of a
// Content-Security-Policy such as "127.0.0.1:8080/pixel/". It loads nothing else, and runs
// no script. It opens no connection either: see [WithoutConnections].
func WriteMail(w http.ResponseWriter, r *http.Request, body string, images ...string) {
	setHeaders(w.Header(), mailPolicy+"; img-src data: "+strings.Join(images, " "))
	// https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-DNS-Prefetch-Control
	w.Header().Set("X-DNS-Prefetch-Control", "off")
	// The window of a link must not keep the page's group of windows from opening it.
	w.Header().Del("Cross-Origin-Opener-Policy")
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(mailHead + WithoutConnections(body))) // who asked may be gone
	}
}

// PlainText returns plain text as HTML for [WriteMail].
func PlainText(text string) string {
	return `<pre class="plain">` + html.EscapeString(text) + `</pre>`
}

// What begins a tag of the elements that WithoutConnections renames. Without the name and one
// of these characters there is no such tag, wherever it stands.
// https://html.spec.whatwg.org/multipage/parsing.html#tag-name-state
var (
	linkTag   = regexp.MustCompile(`(?i)<link([\t\n\f\r />])`)
	iframeTag = regexp.MustCompile(`(?i)<(/?)iframe([\t\n\f\r />])`)
)

// WithoutConnections renames the elements of a mail that make a browser connect to a server
// although a Content-Security-Policy forbids to load anything. A link element does so with
// rel=preconnect, also in the srcdoc of an iframe. Their new names, bgsound and noembed, are
// obsolete and do nothing, and HTML parses them in the same way, so the rest of the mail stays
// what it is.
//
// https://html.spec.whatwg.org/multipage/links.html#link-type-preconnect
func WithoutConnections(body string) string {
	return iframeTag.ReplaceAllString(linkTag.ReplaceAllString(body, "<bgsound$1"), "<${1}noembed$2")
}
