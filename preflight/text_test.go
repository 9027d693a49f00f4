package preflight_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/preflight"
)

func TestCheckOfTexts(t *testing.T) {
	t.Parallel()
	const (
		none     = ""
		same     = preflight.CodeTextIsURL
		mismatch = preflight.CodeTextHostMismatch
	)
	long := strings.Repeat("word ", 1000)
	for _, tt := range []struct {
		text, target string
		want         preflight.Code
	}{
		{"Visit www.bank.com now", "https://acme.dev/", mismatch},
		{"Visit www.bank.com now", "https://bank.com/x", same},
		{"Visit <b>bank.com</b>!", "https://www.bank.com/", same},
		{"Visit bank.com.", "https://evil.io/bank.com", mismatch},
		{"our shop (https://shop.acme.co.uk/a?b#c)", "https://blog.acme.co.uk/", same},
		{"acme.co.uk", "https://evil.co.uk/", mismatch},
		{"kim.github.io", "https://evil.github.io/", mismatch},
		{"github.io", "https://evil.github.io/", mismatch},
		{"from shop.acme.dev", "https://blog.acme.dev/", same},
		{"from acme.dev", "https://go.acme.dev:8443/", same},
		{"acme.dev, a service of bank.com", "https://acme.dev/", mismatch},
		{"„bank.com“", "https://acme.dev/", mismatch},
		{"bank.com's terms", "https://acme.dev/", mismatch},
		{"bank.com’s terms", "https://bank.com/", same},
		{"see→bank.com", "https://acme.dev/", mismatch},
		{"请访问www.bank.com吧", "https://acme.dev/", mismatch},
		{"请访问www.bank.com吧", "https://bank.com/", same},
		{"ba&shy;nk.com", "https://bank.com/", same},
		{"BANK.COM NOW", "https://acme.dev/", mismatch},
		{"Bank.Com now", "https://acme.dev/", mismatch},
		{"pay at https://kim@bank.com/", "https://acme.dev/", mismatch},
		{"http://192.0.2.1/ and more", "https://192.0.2.1/", same},
		{"http://192.0.2.1/ and more", "https://198.51.2.1/", mismatch},
		{"www.bank.com/offer…", "https://acme.dev/", mismatch},
		{"https://bank.com/of...", "https://acme.dev/", mismatch},
		{"visit bücher.de now", "https://xn--bcher-kva.de/", same},
		{"visit bücher.de now", "https://acme.dev/", mismatch},
		{"logo.ai", "https://acme.dev/", mismatch},
		{"bank.pl", "https://acme.dev/", mismatch},
		{"log in at bank.ru now", "https://acme.dev/", mismatch},
		{"bank.com.tr", "https://acme.dev/", mismatch},
		{"bank.co.za/login", "https://acme.dev/", mismatch},
		{"--acme.dev", "https://acme.dev/", same},
		{"-- acme.dev --", "https://acme.dev/", same},
		{"_acme.dev_ or ~acme.dev~", "https://acme.dev/", same},
		{"=acme.dev--", "https://www.acme.dev/", same},
		{"--https://acme.dev/--", "https://acme.dev/", same},
		{"--bank.com", "https://acme.dev/", mismatch},
		{"write to acme.dev", "mailto:kim@acme.dev", same},
		{long[:800] + "bank.com", "https://acme.dev/", mismatch},
		{"https://bank.com/" + strings.Repeat("x", 5000), "https://acme.dev/", mismatch},

		{"a book of words", "https://acme.dev/", none},
		{"kim@bank.com", "https://acme.dev/", none},
		{"write to kim@bank.com now", "https://acme.dev/", none},
		{"mailto:kim@bank.com", "mailto:kim@bank.com", none},
		{"the report.pdf", "https://acme.dev/report.pdf", none},
		{"count.pl", "https://acme.dev/files/count.pl", none},
		{"-.com or --.dev", "https://acme.dev/", none},
		{"README.md and main.rs", "https://acme.dev/", none},
		{"Node.js and ASP.NET", "https://acme.dev/", none},
		{"ASP.NET", "https://acme.dev/", none},
		{"logo.ai", "https://acme.dev/files/Logo.ai", none},
		{"download Acme.app (3.1 MB)", "https://acme.dev/Acme.app", none},
		{"It is today.It costs 3.50", "https://acme.dev/", none},
		{"e.g. this, i.e. that", "https://acme.dev/", none},
		{"1.2.3 or v2.0", "https://acme.dev/", none},
		{"www.verylongname…", "https://acme.dev/", none},
		{"www.acme...", "https://acme.dev/", none},
		{"https://www.acme.de…", "https://acme.dev/", none},
		{"the www. prefix, https:// and .com", "https://acme.dev/", none},
		{"and/or a//b", "https://acme.dev/", none},
		{strings.Repeat("x", 1590) + " bank.com.au", "https://bank.com.au/", none}, // where it is cut off
	} {
		var got []preflight.Code
		for _, code := range codes(`<a href="` + tt.target + `">` + tt.text + `</a>`) {
			if code == same || code == mismatch {
				got = append(got, code)
			}
		}
		want := []preflight.Code{tt.want}
		if tt.want == none {
			want = nil
		}
		assert.Equal(t, want, got, "%s to %s", tt.text, tt.target)
	}
}
