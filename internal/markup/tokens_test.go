package markup_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// References in attributes are not those of texts.
func TestAttributeValue(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"": "", "a": "a", "a&amp;b&lt;": "a&b<", "&amp": "&", "&amp,": "&,", "&AMP&GT": "&>",
		"?a&amp=1": "?a&amp=1", "?a&amp;=1": "?a&=1", "&ampx": "&ampx", "&ampx;": "&ampx;", "&notit;": "&notit;", "&notin;": "∉", "&notin": "&notin",
		"&semi;": ";", "&fjlig;": "fj", "&bne;": "=\u20e5", "&nope;&lt;": "&nope;<", "&lt;&nope;": "<&nope;", "&lt;&a&b;&c": "<&a&b;&c",
		"&#65": "A", "&#65=": "A=", "&#x41;b": "Ab", "&#X41": "A", "&#0;": "\ufffd", "&#128;": "€", "&#10;&lt": "\n<", "&#": "&#", "&#x": "&#x", "&#;": "&#;", "&#x;": "&#x;", "&#xg": "&#xg",
		"&": "&", "&&": "&&", "&;": "&;", "& a": "& a", "a\r\nb\rc\r": "a\nb\nc\n", "\x00&lt": "\ufffd<", "&l\x00t": "&l\ufffdt",
		strings.Repeat("&amp;&nope;", 100): strings.Repeat("&&nope;", 100),
	} {
		scan := markup.New([]byte(`<p title="` + source + `">`))
		require.True(t, scan.Next())
		value, ok := scan.Attr("title")
		assert.True(t, ok)
		assert.Equal(t, want, value, source)
		assert.Equal(t, []markup.Attribute{{Name: "title", Value: want}}, scan.Attrs("class", "title"), source)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"a&ampb\r\nc\rd\x00": "a&b\nc\nd\x00", "<p>a < b": "a < b", "<title>&lt;\x00</title>": "<\ufffd", "<textarea><p>&amp</textarea>": "<p>&",
		"<style>&lt;\r</style>": "&lt;\n", "<script><!--<script>&lt;</script>--></script>": "<!--<script>&lt;</script>-->", "<plaintext>&lt;</plaintext>": "&lt;</plaintext>",
		"<script><!--<script></script></script>-->": "<!--<script></script>-->", "<script><!--< <script></script>-->": "<!--< <script>-->",
		"<style></STYLE\n>x": "x", "<xmp></xmpx></xmp>": "</xmpx>",
	} {
		source, text := []byte(body), ""
		for scan := markup.New(source); scan.Next(); {
			if scan.Token() == html.TextToken {
				text += string(scan.Text())
			}
		}
		assert.Equal(t, want, text, body)
		assert.Equal(t, body, string(source), "the body stays as it is")
	}
}

// tokenParts make bodies that are hard to take apart. The | stands for a space.
var tokenParts = strings.Split(`< > / ! - -- ? = " ' a A b x 6 # ; é <a <p|a= <svg /> </ <script <script> </script </script> <!-- --> --!> `+
	`style <style> </style> <title> </title> <textarea> </textarea xmp <xmp> </xmp> <plaintext> <noscript> </noscript> <!doctype <!DOCTYPE|x `+
	`& &amp &not it &notin; &#x41 &bne; &ab g lt &semi; &fjlig; &frac12 &sup1; &sup &times b; &timesbar;`, " ")

// TestTokens compares the Scanner with the tokenizer of golang.org/x/net/html.
func TestTokens(t *testing.T) {
	t.Parallel()
	const bodies = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	space := strings.NewReplacer("|", " ")
	for range bodies {
		var b strings.Builder
		if random.IntN(2) == 0 {
			b.WriteString(`<p a="`)
		}
		for range 1 + random.IntN(14) {
			if random.IntN(8) == 0 {
				b.WriteByte("\x00\t\n\f\r \xff"[random.IntN(7)])
				continue
			}
			b.WriteString(space.Replace(tokenParts[random.IntN(len(tokenParts))]))
		}
		body := b.String()
		tokens, sources := tokenize(body)
		requireTokens(t, body, tokens, sources, func(string) bool { return false })
	}
}

// tokenize returns the tokens of a body, each with its source.
func tokenize(body string) (tokens []html.Token, sources []string) {
	for tokenizer := html.NewTokenizer(strings.NewReader(body)); tokenizer.Next() != html.ErrorToken; {
		sources = append(sources, string(tokenizer.Raw()))
		tokens = append(tokens, tokenizer.Token())
	}
	return tokens, sources
}

// requireTokens checks that the Scanner finds the tokens of a body, their sources and all
// their attributes but the unknown ones.
func requireTokens(t *testing.T, body string, want []html.Token, wantRaw []string, unknown func(name string) bool) {
	t.Helper()
	scan := markup.New([]byte(body))
	end := 0
	for i, token := range want {
		require.True(t, scan.Next(), "%q", body)
		require.Equal(t, end, scan.Start())
		end = scan.End()
		require.Equal(t, wantRaw[i], body[scan.Start():end], "%q", body)
		if token.Type != scan.Token() { // the tokenizer forgets the value of a name that it had
			require.Equal(t, html.SelfClosingTagToken, token.Type)
			require.Equal(t, html.StartTagToken, scan.Token())
			require.Regexp(t, `=[^>]*/>$`, wantRaw[i])
		}
		switch token.Type {
		case html.StartTagToken, html.SelfClosingTagToken:
			require.Equal(t, token.Data, string(scan.Name()))
			names, attrs := []string{}, []markup.Attribute(nil)
			for _, attr := range token.Attr {
				if strings.Contains(attr.Key, "\ufffd") || unknown(attr.Key) {
					continue // it was a NUL
				}
				names, attrs = append(names, attr.Key), append(attrs, markup.Attribute{Name: attr.Key, Value: attr.Val})
				value, ok := scan.Attr(attr.Key)
				require.True(t, ok)
				require.Equal(t, attr.Val, value)
			}
			require.Equal(t, attrs, scan.Attrs(names...))
			for _, name := range []string{"href", "src"} {
				_, ok := scan.Attr(name)
				require.Equal(t, slices.Contains(names, name), ok)
			}
			if token.Data == "a" {
				_, span, ok := scan.Href()
				_, has := scan.Attr("href")
				require.Equal(t, has, ok)
				require.GreaterOrEqual(t, span.End, span.Start)
			}
		case html.EndTagToken:
			require.Equal(t, token.Data, string(scan.Name()))
		case html.TextToken:
			require.Equal(t, token.Data, string(scan.Text()))
		default:
		}
	}
	require.False(t, scan.Next(), "%q", body)
}

// FuzzScanner compares the Scanner with the tokenizer of golang.org/x/net/html, and with
// that of a body blown up by attributes that nobody asks for.
func FuzzScanner(f *testing.F) {
	for _, body := range []string{
		"", `<a href="https://acme.dev/">x</a>`, `<a href=https://a.dev x='y>'><A/HREF='tel:1'/>`, `<a =href=x href="https://a.dev/`,
		`<textarea><a href="x"></textarea><a href=y>`, "<a\fhref\r=\n'x&amp;&copy'>\x00", `<style><p></style ><p a>`, `<script><!--<script></script>--></script><b>`,
		`<xmp><a></xmp><noembed><a></noembed><iframe><a></iframe><noframes><a></noframes><title><a></title><noscript><a>`, `<plaintext><a>`,
		`</><//a><?a><!a><!--a--><![CDATA[a]]><a/ =b=c==d/e / f>`, "<\x00a><a\x00 b\x00=c\x00>", `<p a a a A/a=">"=a'b'>`, `<p a="b"c='d'e>`,
		`<p a="&notit;&amp=&lt&semi;&#x41&#;&bne;&nope;">&notit;&amp=`, `<!DOCTYPE html><!doctyp><!--><!---><!-- --!> --!><!-`, `<!------>a</b c="</b>">d</`, `<`, `<!`, `a<`, `</a`, `<?`,
		`<script>a<!--b</script><script><!--<script>--></script>c<script><!-- < <script></script>-->`, `<script><!--></script>a<script><!--<scripts></script >`, `<style></styles></style/`, `<svg a=/><svg a="/"/><svg a/><svg/>`, `<svg a=1 a=/>`,
	} {
		f.Add(body, uint8(0))
		f.Add(body, uint8(70))
	}
	f.Fuzz(func(t *testing.T, body string, more uint8) {
		want, wantRaw := tokenize(body)
		for i, token := range want {
			if more > 0 && (token.Type == html.StartTagToken || token.Type == html.SelfClosingTagToken) {
				wantRaw[i] = blowUp(wantRaw[i], int(more))
			}
		}
		requireTokens(t, strings.Join(wantRaw, ""), want, wantRaw, func(name string) bool {
			return more > 0 && strings.HasPrefix(name, "a") // as those that blow up
		})
	})
}

// blowUp puts attributes behind the name of a tag.
func blowUp(tag string, n int) string {
	at := strings.IndexAny(tag, " \t\n\f\r/>")
	return tag[:at] + attributes(n) + " " + tag[at:]
}
