package anchors_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/anchors"
)

// manyAttributes is more than the tokenizer is shown of one tag.
const manyAttributes = 65

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
		scan := anchors.New([]byte(body))
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
		for scan := anchors.New([]byte(body)); scan.Next(); {
			_, _, ok := scan.Href()
			assert.False(t, ok, body)
		}
	}
}

func TestNoscript(t *testing.T) {
	t.Parallel()
	scan := anchors.New([]byte(`<noscript` + attributes(manyAttributes) + `><a href="x"></noscript><noscript><a href="y">`))
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
		scan := anchors.New([]byte(body))
		for more := true; more; {
			more = scan.Next()
		}
		assert.Equal(t, want, body[scan.Inside():], body)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for href, want := range map[string]anchors.Class{
		"https://acme.dev": anchors.Eligible, "HTTPS://acme.dev/?a=b#c": anchors.Eligible, "https://bücher.dev/ü": anchors.Eligible,
		"https://acme.dev:8443/a@b": anchors.Eligible, "mailto:kim@acme.dev": anchors.Eligible, "tel:+4930123": anchors.Eligible,
		"https://[::1]/": anchors.Eligible,

		"https://": anchors.BadURI, "https:acme.dev": anchors.BadURI, "https://a b.dev": anchors.BadURI, "https://acme.dev/{{x}}": anchors.BadURI,
		"https://acme.dev/%zz": anchors.BadURI, "https://acme.dev:port/": anchors.BadURI, "tel:": anchors.BadURI, "mailto:": anchors.BadURI,
		"https://acme.dev/\n": anchors.BadURI, "https:///path": anchors.BadURI, "http://": anchors.BadURI, "tel:?x": anchors.BadURI,
		"mailto://kim@acme.dev": anchors.BadURI, "https://acme.dev/a|b": anchors.BadURI, "://": anchors.BadURI,

		"": anchors.UnsupportedScheme, "#top": anchors.UnsupportedScheme, "/demo": anchors.UnsupportedScheme, "//acme.dev": anchors.UnsupportedScheme,
		"acme.dev/demo": anchors.UnsupportedScheme, "javascript:void(0)": anchors.UnsupportedScheme, "zoommtg://zoom.us": anchors.UnsupportedScheme,
		"data:text/html,x": anchors.UnsupportedScheme, "ftp://acme.dev": anchors.UnsupportedScheme,

		"http://acme.dev": anchors.HTTP, "http://kim@acme.dev": anchors.HTTP,
		"https://kim:pw@acme.dev": anchors.Credentials, "http://kim:pw@acme.dev": anchors.Credentials,
		"https://kim@acme.dev": anchors.UserInfo, "https://kim:@acme.dev": anchors.UserInfo, "https://:pw@acme.dev": anchors.UserInfo,
		"https://@acme.dev":  anchors.UserInfo,
		"mailto:?subject=hi": anchors.NoAddress,
	} {
		class, u := anchors.Classify(href)
		assert.Equal(t, want, class, href)
		assert.Equal(t, want == anchors.Eligible, anchors.Trackable(href), href)
		if want != anchors.BadURI {
			assert.NotNil(t, u, href)
		}
	}
}

// A tag with a million names must not make the tags behind it slow, and must not
// be kept: what it costs is its source, a few times over.
func TestMillionsOfAttributes(t *testing.T) { // alone, because it counts what is allocated
	body := []byte("<p" + attributes(700_000) + ` href="x">` + strings.Repeat("<p b>", 200_000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tags := 0
	for scan := anchors.New(body); scan.Next(); tags++ {
		if tags == 0 {
			href, ok := scan.Attr("href")
			assert.True(t, ok)
			assert.Equal(t, "x", href)
		}
	}
	runtime.ReadMemStats(&after)
	assert.Equal(t, 200_001, tags)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(body)))
}

// FuzzScanner compares the Scanner with the tokenizer by itself, as long as no
// tag has so many attributes that the Scanner is to differ; and with that body
// blown up by attributes that nobody asks for.
func FuzzScanner(f *testing.F) {
	for _, body := range []string{
		"", `<a href="https://acme.dev/">x</a>`, `<a href=https://a.dev x='y>'><A/HREF='tel:1'/>`, `<a =href=x href="https://a.dev/`,
		`<textarea><a href="x"></textarea><a href=y>`, "<a\fhref\r=\n'x&amp;&copy'>\x00", `<style><p></style ><p a>`, `<script><!--<script></script>--></script><b>`,
		`<xmp><a></xmp><noembed><a></noembed><iframe><a></iframe><noframes><a></noframes><title><a></title><noscript><a>`, `<plaintext><a>`,
		`</><//a><?a><!a><!--a--><![CDATA[a]]><a/ =b=c==d/e / f>`, "<\x00a><a\x00 b\x00=c\x00>", `<p a a a A/a=">"=a'b'>`, `<p a="b"c='d'e>`,
	} {
		f.Add(body, uint8(0))
		f.Add(body, uint8(70))
	}
	f.Fuzz(func(t *testing.T, body string, more uint8) {
		plain := html.NewTokenizer(strings.NewReader(body))
		want := []html.Token{}
		wantRaw := []string{}
		for plain.Next() != html.ErrorToken {
			raw := string(plain.Raw())
			token := plain.Token()
			if len(token.Attr) > 60 {
				t.Skip("so many attributes of its own")
			}
			if more > 0 && (token.Type == html.StartTagToken || token.Type == html.SelfClosingTagToken) {
				raw = blowUp(raw, int(more))
			}
			want, wantRaw = append(want, token), append(wantRaw, raw)
		}
		rest := ""
		for _, raw := range wantRaw {
			rest += raw
		}
		scan := anchors.New([]byte(rest))
		end := 0
		for i, token := range want {
			require.True(t, scan.Next())
			require.Equal(t, end, scan.Start())
			end = scan.End()
			require.Equal(t, wantRaw[i], rest[scan.Start():end])
			switch token.Type {
			case html.StartTagToken, html.SelfClosingTagToken:
				require.Equal(t, token.Data, string(scan.Name()))
				for _, name := range []string{"href", "src", "srcset", "name", "id", "action"} {
					wantValue, wantOK := "", false
					for _, attr := range token.Attr {
						if attr.Key == name {
							wantValue, wantOK = attr.Val, true
							break
						}
					}
					value, ok := scan.Attr(name)
					require.Equal(t, wantOK, ok)
					require.Equal(t, wantValue, value)
				}
				if token.Data == "a" {
					_, span, ok := scan.Href()
					_, has := scan.Attr("href")
					require.Equal(t, has, ok)
					require.GreaterOrEqual(t, span.End, span.Start)
				}
			case html.EndTagToken:
				require.Equal(t, token.Type, scan.Token())
				require.Equal(t, token.Data, string(scan.Name()))
			case html.TextToken:
				require.Equal(t, token.Type, scan.Token())
				require.Equal(t, token.Data, string(scan.Text()))
			default:
				require.Equal(t, token.Type, scan.Token())
			}
		}
		require.False(t, scan.Next())
	})
}

// blowUp puts attributes behind the name of a tag.
func blowUp(tag string, n int) string {
	at := strings.IndexAny(tag, " \t\n\f\r/>")
	return tag[:at] + attributes(n) + " " + tag[at:]
}
