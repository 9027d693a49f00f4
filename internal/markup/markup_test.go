package markup_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/markup"
)

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=%d", i, i)
	}
	return b.String()
}

func TestHref(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`<a href="https://a.dev/">`:                "https://a.dev/",
		"<A\fHREF\r=\n'https://a.dev/'>":           "https://a.dev/",
		`<a href=https://a.dev/>`:                  "https://a.dev/",
		`<a/href=tel:1/>`:                          "tel:1/",
		`<a =href=x href=" b ">`:                   "b",
		`<a href=one href=two HREF=three>`:         "one",
		`<a href="?a=1&amp;b=2&copy=3">`:           "?a=1&b=2&copy=3",
		`<a title="href=no>" href='yes'>`:          "yes",
		`<a href>`:                                 "",
		`<a href= >`:                               "",
		`<svg><a href="x">`:                        "x",
		"<a" + attributes(200) + ` href="late">`:   "late",
		`<a href="first"` + attributes(200) + `>`:  "first",
		"<a" + attributes(200) + ` href=x HREF=y>`: "x",
	} {
		scan := markup.New([]byte(body))
		found := false
		for scan.Next() {
			href, span, ok := scan.Href()
			if !ok {
				continue
			}
			found = true
			assert.Equal(t, want, href, body)
			source := html.UnescapeString(body[span.Start:span.End])
			assert.Equal(t, want, strings.ReplaceAll(strings.Trim(source, " "), "©=3", "&copy=3"), body)
		}
		assert.True(t, found, body)
	}
	for _, body := range []string{
		"", "<a>", `<area href="x">`, `</a href="x">`, `<a href="x"`, `<a href="x>`, `<!-- <a href="x"> -->`, `<title><a href="x">`,
		`<style><a href="x">`, `<a-b href="x">`, `<noscript><a href="x"></noscript>`, "<a" + attributes(200), `<a data-href="x">`,
	} {
		for scan := markup.New([]byte(body)); scan.Next(); {
			_, _, ok := scan.Href()
			assert.False(t, ok, body)
		}
	}
}

func TestNoscript(t *testing.T) {
	t.Parallel()
	scan := markup.New([]byte(`<noscript` + attributes(200) + `><a href="x"></noscript><noscript><a href="y">`))
	scan.ReadNoscript()
	var seen []string
	for scan.Next() {
		if href, _, ok := scan.Href(); ok {
			seen = append(seen, href)
		}
	}
	assert.Equal(t, []string{"x", "y"}, seen)
}

func TestInside(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"<html><body>x</body></html>":     "</body></html>",
		"<html>x</html>":                  "</html>",
		"<body>x</body><body>y</body></":  "</body></",
		"x<p>y":                           "",
		`x<p>y<a href="z`:                 `<a href="z`,
		"</html></body>z":                 "</body>z",
		"x</html" + attributes(200) + ">": "</html" + attributes(200) + ">",
	} {
		scan := markup.New([]byte(body))
		for more := true; more; {
			more = scan.Next()
		}
		assert.Equal(t, want, body[scan.Inside():], body)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for href, want := range map[string]markup.Class{
		"https://acme.dev": markup.Eligible, "HTTPS://acme.dev/?a=b#c": markup.Eligible, "https://xn--bcher-kva.dev/%C3%BC": markup.Eligible,
		"https://acme.dev:8443/a@b": markup.Eligible, "mailto:kim@acme.dev": markup.Eligible, "tel:+4930123": markup.Eligible,
		"https://[::1]/": markup.Eligible,

		"https://": markup.BadURI, "https:acme.dev": markup.BadURI, "https://a b.dev": markup.BadURI, "https://acme.dev/{{x}}": markup.BadURI,
		"https://acme.dev:port/": markup.BadURI, "tel:": markup.BadURI, "mailto:": markup.BadURI,
		"https://acme.dev/\n": markup.BadURI, "https://acme.dev/#a\nb": markup.BadURI, "https://acme.dev/#\u0085": markup.BadURI, "https:///path": markup.BadURI, "http://": markup.BadURI, "tel:?x": markup.BadURI,
		"mailto://kim@acme.dev": markup.BadURI, "https://acme.dev/a|b": markup.BadURI, "://": markup.BadURI,

		"https://acme.dev/%zz": markup.LooseURI, "https://bücher.dev": markup.LooseURI, "https://[::1]/[x]": markup.LooseURI,
		"https://acme.dev/?%": markup.LooseURI, "https://acme.dev/#%a": markup.LooseURI, "tel:ü": markup.LooseURI, "https://%zz.dev/": markup.BadURI,

		"": markup.UnsupportedScheme, "#top": markup.UnsupportedScheme, "/demo": markup.UnsupportedScheme, "//acme.dev": markup.UnsupportedScheme,
		"acme.dev/demo": markup.UnsupportedScheme, "javascript:void(0)": markup.UnsupportedScheme, "zoommtg://zoom.us": markup.UnsupportedScheme,
		"data:text/html,x": markup.UnsupportedScheme, "ftp://acme.dev": markup.UnsupportedScheme,

		"http://acme.dev": markup.HTTP, "http://kim@acme.dev": markup.HTTP,
		"https://kim:pw@acme.dev": markup.Credentials, "http://kim:pw@acme.dev": markup.Credentials,
		"https://kim@acme.dev": markup.UserInfo, "https://kim:@acme.dev": markup.UserInfo, "https://:pw@acme.dev": markup.UserInfo,
		"https://@acme.dev":  markup.UserInfo,
		"mailto:?subject=hi": markup.NoAddress,
	} {
		class, u := markup.Classify(href)
		assert.Equal(t, want, class, href)
		assert.Equal(t, want == markup.Eligible, markup.Trackable(href), href)
		if want != markup.BadURI {
			assert.NotNil(t, u, href)
		}
	}
}

// A tag with very many names must not make the tags behind it slow, and must not
// be kept: what it costs is its source, a few times over.
func TestVeryManyAttributes(t *testing.T) { // alone, because it counts what is allocated
	body := []byte("<p" + attributes(70_000) + ` href="x">` + strings.Repeat("<p b>", 20_000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tags := 0
	for scan := markup.New(body); scan.Next(); tags++ {
		if tags == 0 {
			href, ok := scan.Attr("href")
			assert.True(t, ok)
			assert.Equal(t, "x", href)
		}
	}
	runtime.ReadMemStats(&after)
	assert.Equal(t, 20_001, tags)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(body)))
}
