package markup

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Scanner walks over the tokens of a body and knows where each one stands in it. It finds
// the same tokens as the tokenizer of golang.org/x/net/html, which copies each of them, its
// attributes too, and does not say where they stand.
type Scanner struct {
	body   []byte
	token  html.TokenType
	start  int // of the token in the body
	end    int
	inside int // where something can be put in at the end of the body element
	closed bool

	name     []byte // of a tag
	room     []byte // for the name
	tag      atom.Atom
	raw      atom.Atom // the element, such as style, of which the next token is the text
	within   atom.Atom // the same for this token
	noscript bool
	all      bool // no element holds text only
}

// Attribute is an attribute of a tag. Its name is in small letters.
type Attribute struct{ Name, Value string }

// New returns a Scanner over body, which must not change while it is used.
func New(body []byte) *Scanner {
	return &Scanner{body: body}
}

// NewInside returns a Scanner over the part of a body behind an offset. It reads tags
// everywhere, also where a browser takes them for text.
func NewInside(body []byte, offset int) *Scanner {
	return &Scanner{body: body, end: offset, all: true}
}

// ReadNoscript makes the Scanner read what noscript elements hold, as a mail
// client does that runs no scripts.
func (s *Scanner) ReadNoscript() { s.noscript = true }

// Next goes to the next whole token, and returns false after the last one.
func (s *Scanner) Next() bool {
	s.tag, s.name = 0, nil
	s.within, s.raw = s.raw, 0
	rest, length := s.body[s.end:], 0
	if s.within != 0 {
		s.token, length = html.TextToken, heldLength(rest, s.within)
	}
	if length == 0 {
		s.within = 0
		s.token, length = readToken(rest)
	}
	if s.token == html.ErrorToken { // the end, or a tag that is not finished
		return false
	}
	s.start, s.end = s.end, s.end+length
	switch s.token {
	case html.StartTagToken, html.SelfClosingTagToken:
		s.name = s.lowerName(len("<"))
		s.tag = atom.Lookup(s.name)
		if isRead := s.all || s.noscript && s.tag == atom.Noscript; !isRead && holdsText(s.tag) {
			s.raw = s.tag
		}
	case html.EndTagToken:
		s.name = s.lowerName(len("</"))
		switch atom.Lookup(s.name) {
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
	default:
	}
	if !s.closed {
		s.inside = s.end
	}
	return true
}

// lowerName returns the name of the current tag, which stands behind its first bytes.
func (s *Scanner) lowerName(behind int) []byte {
	source := s.body[s.start+behind : s.end]
	s.room = s.room[:0]
	for _, c := range source[:skip(source, isNameByte)] {
		if c == 0 {
			s.room = append(s.room, "\ufffd"...)
			continue
		}
		s.room = append(s.room, lower(c))
	}
	return s.room
}

// Token returns the kind of the current token.
func (s *Scanner) Token() html.TokenType { return s.token }

// Start returns where the current token begins in the body.
func (s *Scanner) Start() int { return s.start }

// End returns where the current token ends in the body.
func (s *Scanner) End() int { return s.end }

// Inside returns where something can be put in at the end of the body element,
// once Next returned false: before the last </body>, else before </html>, else
// where the whole tokens end.
func (s *Scanner) Inside() int { return s.inside }

// StartTag returns the element that the current token begins, or 0.
func (s *Scanner) StartTag() atom.Atom { return s.tag }

// HoldsText reports whether the current token is a start tag behind which all is text
// up to the end tag, as in style.
func (s *Scanner) HoldsText() bool { return s.raw != 0 }

// Name returns the lower-cased name of a start or end tag until the next call of
// Next, or nil.
func (s *Scanner) Name() []byte { return s.name }

// Text returns the text of a text token as a reader sees it, until the next call
// of Next. It must not be changed.
func (s *Scanner) Text() []byte {
	text := normalize(s.body[s.start:s.end], s.within != 0)
	if bytes.IndexByte(text, '&') >= 0 && (s.within == 0 || s.within == atom.Textarea || s.within == atom.Title) {
		text = []byte(html.UnescapeString(string(text)))
	}
	return text
}

// Attr returns an attribute of the current start tag. Of equal names the first
// one counts, as in browsers.
func (s *Scanner) Attr(name string) (string, bool) {
	value, _, ok := s.attr(name)
	return value, ok
}

// attr returns an attribute, and where its value stands in the tag.
func (s *Scanner) attr(name string) (value string, at Span, ok bool) {
	source := s.startTagSource()
	var found attribute
	walkTag(source, func(attr attribute) bool {
		if isName(attr.name, name) {
			found, ok = attr, true
		}
		return !ok
	})
	if !ok {
		return "", Span{}, false
	}
	return attributeValue(source[found.value.Start:found.value.End]), found.value, true
}

// Attrs returns those attributes of the current start tag that have one of some names,
// which are in small letters. Of equal names the first one counts.
func (s *Scanner) Attrs(names ...string) []Attribute {
	source := s.startTagSource()
	var attrs []Attribute
	walkTag(source, func(attr attribute) bool {
		i := slices.IndexFunc(names, func(name string) bool { return isName(attr.name, name) })
		if i >= 0 && !slices.ContainsFunc(attrs, func(seen Attribute) bool { return seen.Name == names[i] }) {
			attrs = append(attrs, Attribute{names[i], attributeValue(source[attr.value.Start:attr.value.End])})
		}
		return true
	})
	return attrs
}

// startTagSource returns the source of the current token if it is a start tag, or nil.
func (s *Scanner) startTagSource() []byte {
	if s.token == html.StartTagToken || s.token == html.SelfClosingTagToken {
		return s.body[s.start:s.end]
	}
	return nil
}

// Href returns the target of an anchor without the white space around it, and
// where its value stands in the body. It returns false for all other tokens and
// for anchors without a target.
func (s *Scanner) Href() (string, Span, bool) {
	if s.tag != atom.A {
		return "", Span{}, false
	}
	href, span, ok := s.attr("href")
	return Trim(href), Span{s.start + span.Start, s.start + span.End}, ok
}

// Space is the white space of HTML.
const Space = " \t\n\f\r"

// Trim takes off the white space around the value of an attribute.
func Trim(value string) string { return strings.Trim(value, Space) }

// Span is where the value of an attribute stands, without quotes.
type Span struct{ Start, End int }
