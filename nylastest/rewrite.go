package nylastest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// The paths of tracking URLs. Nylas does not document its own.
const (
	pixelPath = "/t/o/"
	linkPath  = "/t/l/"
)

// trackedHTML is a body with tracking in it.
type trackedHTML struct {
	body  string
	pixel string // empty without one
	links []Link
}

// rewrite puts tracked links and a pixel into an HTML body. Everything else stays
// byte for byte: only the values of href attributes are exchanged.
func rewrite(body string, links, pixel bool, base, token string) trackedHTML {
	var (
		result trackedHTML
		out    []byte
		scan   = newScanner(body)
	)
	copied := 0
	for scan.next() {
		if !links {
			continue
		}
		href, span, ok := scan.href()
		if !ok || !trackable(href) {
			continue
		}
		index := len(result.links)
		link := Link{Index: index, URL: href, TrackedURL: base + linkPath + token + "/" + strconv.Itoa(index)}
		result.links = append(result.links, link)
		out = append(out, body[copied:scan.start+span.start]...)
		out = append(out, link.TrackedURL...) // good inside quotes and without
		copied = scan.start + span.end
	}
	out = append(out, body[copied:]...)
	if pixel {
		result.pixel = base + pixelPath + token + ".gif"
		img := `<img src="` + result.pixel + `" alt="" width="1" height="1" style="display:block;border:0">`
		// Counted from the end, which rewriting did not move.
		at := len(out) - (len(body) - scan.inside)
		result.body = string(slices.Insert(slices.Clone(out), at, []byte(img)...))
		if images, _ := seen(result.body); !slices.Contains(images, result.pixel) {
			// Some element that is never closed swallows it there.
			result.body = img + string(out)
		}
		return result
	}
	result.body = string(out)
	return result
}

// trackable tells which links Nylas tracks: valid https, mailto and tel URLs
// without login credentials. http is in none of its lists, and what counts as
// credentials is not said: any user information does here.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func trackable(href string) bool {
	if strings.ContainsAny(href, " \"<>\\^`{|}") {
		return false
	}
	u, err := url.Parse(href)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != "" && u.User == nil
	case "mailto", "tel":
		return u.Opaque != ""
	default:
		return false
	}
}

// denied tells whether the host of a link is on the reputation list of Nylas.
// Only this name is known to be.
func denied(href string) bool {
	u, err := url.Parse(href)
	if err != nil || u.Scheme != "https" {
		return false
	}
	host := normalHostname(u.Hostname())
	return host == "example.com" || strings.HasSuffix(host, ".example.com")
}

// scanner walks over the tokens of a body and knows where each one stands in it.
type scanner struct {
	body      string
	tokenizer *html.Tokenizer
	token     html.TokenType
	start     int // of the token in the body
	end       int
	inside    int // where something can be put in at the end of the body element
	closed    bool
}

func newScanner(body string) *scanner {
	return &scanner{body: body, tokenizer: html.NewTokenizer(strings.NewReader(body))}
}

// next goes to the next whole token. After the last one, inside is known: before
// the last </body>, else before </html>, else where the whole tokens end.
func (s *scanner) next() bool {
	s.token = s.tokenizer.Next()
	if s.token == html.ErrorToken { // the end, or a tag that is not finished
		return false
	}
	s.start, s.end = s.end, s.end+len(s.tokenizer.Raw())
	if s.token == html.EndTagToken {
		name, _ := s.tokenizer.TagName()
		switch atom.Lookup(name) {
		case atom.Body:
			s.inside, s.closed = s.start, true
			return true
		case atom.Html:
			if !s.closed {
				s.inside, s.closed = s.start, true
			}
			return true
		default:
		}
	}
	if !s.closed {
		s.inside = s.end
	}
	return true
}

// startTag returns the name and the attributes of the current token if it is a
// start tag. Of equal names the first attribute counts, as in browsers.
func (s *scanner) startTag() (atom.Atom, map[string]string) {
	if s.token != html.StartTagToken && s.token != html.SelfClosingTagToken {
		return 0, nil
	}
	name, more := s.tokenizer.TagName()
	tag := atom.Lookup(name)
	attributes := make(map[string]string)
	for more {
		var key, value []byte
		key, value, more = s.tokenizer.TagAttr()
		if _, again := attributes[string(key)]; !again {
			attributes[string(key)] = string(value)
		}
	}
	return tag, attributes
}

// href returns the target of an anchor without the white space around it, and
// where its value stands in the tag.
func (s *scanner) href() (string, valueSpan, bool) {
	tag, attributes := s.startTag()
	href, ok := attributes["href"]
	if tag != atom.A || !ok {
		return "", valueSpan{}, false
	}
	span, ok := findHref(s.body[s.start:s.end])
	return strings.Trim(href, htmlSpace), span, ok
}

const htmlSpace = " \t\n\f\r"

// valueSpan is where the value of an attribute stands in its tag, without quotes.
type valueSpan struct{ start, end int }

// findHref finds the first href attribute in the source of a start tag. The
// tokenizer knows the value but not its place.
func findHref(tag string) (valueSpan, bool) {
	i := 1 + skip(tag[1:], func(c byte) bool { return !endsName(c) }) // "<a"
	for i < len(tag) {
		i += skip(tag[i:], func(c byte) bool { return isSpace(c) || c == '/' })
		nameStart := i
		if i < len(tag) && tag[i] == '=' { // a name may begin with it
			i++
		}
		i += skip(tag[i:], func(c byte) bool { return !endsName(c) && c != '=' })
		name := tag[nameStart:i]
		if name == "" {
			break // ">"
		}
		i += skip(tag[i:], isSpace)
		if i == len(tag) || tag[i] != '=' {
			continue
		}
		i++
		i += skip(tag[i:], isSpace)
		var value valueSpan
		switch {
		case i < len(tag) && (tag[i] == '"' || tag[i] == '\''):
			quote := tag[i]
			i++
			value.start = i
			i += skip(tag[i:], func(c byte) bool { return c != quote })
			value.end = i
			i = min(i+1, len(tag))
		default:
			value.start = i
			i += skip(tag[i:], func(c byte) bool { return !isSpace(c) && c != '>' })
			value.end = i
		}
		if strings.EqualFold(name, "href") {
			return value, true
		}
	}
	return valueSpan{}, false
}

func skip(s string, while func(byte) bool) int {
	for i := range len(s) {
		if !while(s[i]) {
			return i
		}
	}
	return len(s)
}

func isSpace(c byte) bool  { return strings.IndexByte(htmlSpace, c) >= 0 }
func endsName(c byte) bool { return isSpace(c) || c == '/' || c == '>' }

// seen returns what a mail client would load and show of a body: the sources of
// its images and the targets of its anchors, in their order.
func seen(body string) (images, anchors []string) {
	for scan := newScanner(body); scan.next(); {
		switch tag, attributes := scan.startTag(); tag {
		case atom.Img:
			images = append(images, attributes["src"])
		case atom.A:
			anchors = append(anchors, attributes["href"])
		default:
		}
	}
	return images, anchors
}

// snippetLength is how many characters of a body a snippet has at most, a length
// chosen here.
const snippetLength = 100

// snippet returns the beginning of what a reader sees.
func snippet(body string, plain bool) string {
	text := body
	if !plain {
		var visible strings.Builder
		var around atom.Atom
		for scan := newScanner(body); scan.next(); {
			if scan.token == html.TextToken && around != atom.Style && around != atom.Script && around != atom.Title {
				visible.Write(scan.tokenizer.Text())
				visible.WriteByte(' ')
			}
			around, _ = scan.startTag()
		}
		text = visible.String()
	}
	runes := []rune(strings.Join(strings.Fields(text), " "))
	return string(runes[:min(len(runes), snippetLength)])
}
