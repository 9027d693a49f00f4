package page

import (
	"net/http"
	"strings"
)

// pagePolicy is the Content-Security-Policy of a page: everything comes from the server
// itself, nothing is inline, and nobody frames it.
var pagePolicy = strings.Join([]string{
	"default-src 'none'",
	"style-src 'self'",
	"script-src 'self'",
	"img-src 'self'",
	"connect-src 'self'",
	"frame-src 'self'",
	"form-action 'self'",
	"base-uri 'none'",
	"frame-ancestors 'none'",
}, "; ")

// setHeaders sets the headers of an HTML answer. Pages show what changes, and mail, so
// nobody keeps or guesses anything of them.
func setHeaders(h http.Header, policy string) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}
