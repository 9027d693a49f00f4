package page

import (
	"html"
	"net/http"
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
// no script.
func WriteMail(w http.ResponseWriter, r *http.Request, body string, images ...string) {
	setHeaders(w.Header(), mailPolicy+"; img-src data: "+strings.Join(images, " "))
	// The window of a link must not keep the page's group of windows from opening it.
	w.Header().Del("Cross-Origin-Opener-Policy")
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(mailHead + body)) // who asked may be gone
	}
}

// PlainText returns plain text as HTML for [WriteMail].
func PlainText(text string) string {
	return `<pre class="plain">` + html.EscapeString(text) + `</pre>`
}
