package markup

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxAttributes is how many attributes of one tag the tokenizer is shown; the
// few that are ever asked for are found among any number. It keeps a map of the
// names it saw and clears it at each tag, so that one tag with a million names
// would make each later one slow. The number is chosen here: tags have a dozen.
const maxAttributes = 64

// readAttributes are those that somebody asks for: all that is kept of a tag
// with more than maxAttributes.
var readAttributes = []string{
	"href", "src", "srcset", "action", "name", "id", "class", "style", "target", "rel", "title", "onclick",
	// Those of other systems, by which a link is not tracked.
	"clicktracking", "data-pm-no-track", "ses:no-track", "disable-tracking", "data-disable-tracking", "data-msys-clicktrack",
	"mc:disable-tracking", "mautic:disable-tracking", "data-mautic-disable-tracking", "cm_dontconvertlink", "mb_dontconvertlink",
	"autotrack", "data-as-no-track",
}

// Scanner walks over the tokens of a body and knows where each one stands in
// it. Its memory is that of the longest token, whatever the body holds.
type Scanner struct {
	body      []byte
	tokenizer *html.Tokenizer
	token     html.TokenType
	start     int // of the token in the body
	end       int
	inside    int // where something can be put in at the end of the body element
	closed    bool

	name     []byte // of a tag
	room     []byte // for the name
	tag      atom.Atom
	more     bool // attributes of the tag that were not read yet
	attrs    []Attribute
	raw      bool // the next token is what an element such as style holds
	noscript bool
	all      bool // no element holds text only
}

// Attribute is an attribute of a tag. Its name is in small letters.
type Attribute struct{ Name, Value string }

// New returns a Scanner over body, which must not change while it is used.
func New(body []byte) *Scanner {
	return &Scanner{body: body, tokenizer: html.NewTokenizer(bytes.NewReader(body))}
}

// NewInside returns a Scanner over the part of a body behind an offset. It reads tags
// everywhere, also where a browser takes them for text.
func NewInside(body []byte, offset int) *Scanner {
	s := New(body[offset:])
	s.body, s.end, s.all = body, offset, true
	return s
}

// ReadNoscript makes the Scanner read what noscript elements hold, as a mail
// client does that runs no scripts.
func (s *Scanner) ReadNoscript() { s.noscript = true }

// Next goes to the next whole token, and returns false after the last one.
func (s *Scanner) Next() bool {
	s.tag, s.name, s.more, s.attrs = 0, nil, false, s.attrs[:0]
	reduced := 0
	if !s.raw && StartsTag(s.body[s.end:]) {
		tag, ok := readTag(s.body[s.end:])
		if !ok {
			return false // a tag that is not finished
		}
		if tag.attributes > maxAttributes {
			rest := s.body[s.end+tag.end:]
			s.tokenizer = html.NewTokenizer(io.MultiReader(bytes.NewReader(tag.reduced), bytes.NewReader(rest)))
			reduced = tag.end
		}
	}
	s.raw = false
	s.token = s.tokenizer.Next()
	if s.token == html.ErrorToken { // the end, or a tag that is not finished
		return false
	}
	length := reduced
	if reduced == 0 {
		length = len(s.tokenizer.Raw())
	}
	s.start, s.end = s.end, s.end+length
	switch s.token {
	case html.StartTagToken, html.SelfClosingTagToken:
		s.name, s.more = s.lowerName(len("<")), true
		s.tag = atom.Lookup(s.name)
		if s.all || s.tag == atom.Noscript && s.noscript {
			s.tokenizer.NextIsNotRawText()
		} else {
			s.raw = holdsRawText(s.tag)
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

// lowerName returns the name of the current tag, which stands behind its first bytes. The
// tokenizer would copy it each time.
func (s *Scanner) lowerName(behind int) []byte {
	source := s.body[s.start+behind : s.end]
	name := s.room[:0]
	for _, c := range source[:skip(source, func(c byte) bool { return !endsName(c) })] {
		switch {
		case 'A' <= c && c <= 'Z':
			name = append(name, c+'a'-'A')
		case c == 0:
			name = append(name, "\ufffd"...)
		default:
			name = append(name, c)
		}
	}
	s.room = name
	return name
}

// holdsRawText reports whether the tokenizer takes what follows a start tag for
// text up to the end tag.
func holdsRawText(tag atom.Atom) bool {
	switch tag {
	case atom.Iframe, atom.Noembed, atom.Noframes, atom.Noscript, atom.Plaintext,
		atom.Script, atom.Style, atom.Textarea, atom.Title, atom.Xmp:
		return true
	default:
		return false
	}
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
func (s *Scanner) HoldsText() bool { return s.raw }

// Name returns the lower-cased name of a start or end tag until the next call of
// Next, or nil.
func (s *Scanner) Name() []byte { return s.name }

// Text returns the text of a text token as a reader sees it, until the next call
// of Next. It can be called once for a token.
func (s *Scanner) Text() []byte { return s.tokenizer.Text() }

// Attr returns an attribute of the current start tag. Of equal names the first
// one counts, as in browsers. Of a tag with many attributes only those of
// readAttributes are known.
func (s *Scanner) Attr(name string) (string, bool) {
	for _, attr := range s.Attrs() {
		if attr.Name == name {
			return attr.Value, true
		}
	}
	return "", false
}

// Attrs returns the attributes of the current start tag until the next call of Next, as
// Attr knows them.
func (s *Scanner) Attrs() []Attribute {
	for s.more {
		var key, value []byte
		if key, value, s.more = s.tokenizer.TagAttr(); key == nil {
			break // there is none
		}
		s.attrs = append(s.attrs, Attribute{atom.String(key), string(value)})
	}
	return s.attrs
}

// Href returns the target of an anchor without the white space around it, and
// where its value stands in the body. It returns false for all other tokens and
// for anchors without a target.
func (s *Scanner) Href() (string, Span, bool) {
	if s.tag != atom.A {
		return "", Span{}, false
	}
	href, ok := s.Attr("href")
	if !ok {
		return "", Span{}, false
	}
	span, ok := findHref(s.body[s.start:s.end])
	return Trim(href), Span{s.start + span.Start, s.start + span.End}, ok
}

// Space is the white space of HTML.
const Space = " \t\n\f\r"

// Trim takes off the white space around the value of an attribute.
func Trim(value string) string { return strings.Trim(value, Space) }

// Span is where the value of an attribute stands, without quotes.
type Span struct{ Start, End int }

// findHref finds the first href attribute in the source of a start tag. The
// tokenizer knows the value but not its place.
func findHref(tag []byte) (Span, bool) {
	var found Span
	ok := false
	walkTag(tag, func(name []byte, _, value Span) bool {
		if !isName(name, "href") {
			return true
		}
		found, ok = value, true
		return false
	})
	return found, ok
}

// ReadTag reads the start tag with which source begins, such as one in a comment:
// where it ends, or -1 if it is not finished, and where the value of an attribute stands.
func ReadTag(source []byte, attribute string) (end int, value Span, has bool) {
	end = walkTag(source, func(name []byte, _, at Span) bool {
		if !has && isName(name, attribute) {
			value, has = at, true
		}
		return true
	})
	return end, value, has && end >= 0
}

// StartsTag reports whether a start tag comes next.
func StartsTag(source []byte) bool {
	return len(source) > 1 && source[0] == '<' && 'a' <= source[1]|0x20 && source[1]|0x20 <= 'z'
}

// tagSource is what is known of a start tag from its source alone.
type tagSource struct {
	end        int
	attributes int
	// reduced is the tag with only those of readAttributes, made if there are more
	// than maxAttributes.
	reduced []byte
}

// readTag finds the end of the start tag with which source begins. It returns
// false for a tag that is not finished.
func readTag(source []byte) (tagSource, bool) {
	var tag tagSource
	tag.end = walkTag(source, func([]byte, Span, Span) bool {
		tag.attributes++
		return true
	})
	if tag.end < 0 {
		return tag, false
	}
	if tag.attributes <= maxAttributes {
		return tag, true
	}
	name := 1 + skip(source[1:], func(c byte) bool { return !endsName(c) })
	tag.reduced = slices.Clone(source[:name])
	seen := make([]bool, len(readAttributes))
	walkTag(source[:tag.end], func(name []byte, whole, _ Span) bool {
		i := slices.IndexFunc(readAttributes, func(read string) bool { return isName(name, read) })
		if i >= 0 && !seen[i] {
			seen[i] = true
			tag.reduced = append(append(tag.reduced, ' '), source[whole.Start:whole.End]...)
		}
		return true
	})
	tag.reduced = append(tag.reduced, '>')
	return tag, true
}

// walkTag goes over the attributes of the start tag with which source begins,
// each with its name, its place and that of its value, until attribute returns
// false. It returns where the tag ends, or -1 if it was stopped or the tag is not
// finished.
func walkTag(source []byte, attribute func(name []byte, whole, value Span) bool) int {
	i := 1 + skip(source[1:], func(c byte) bool { return !endsName(c) }) // "<a"
	for {
		i += skip(source[i:], func(c byte) bool { return isSpace(c) || c == '/' })
		if i == len(source) {
			return -1
		}
		if source[i] == '>' {
			return i + 1
		}
		nameStart := i
		if source[i] == '=' { // a name may begin with it
			i++
		}
		i += skip(source[i:], func(c byte) bool { return !endsName(c) && c != '=' })
		name, whole, value := source[nameStart:i], Span{nameStart, i}, Span{i, i}
		i += skip(source[i:], isSpace)
		if i < len(source) && source[i] == '=' {
			i++
			i += skip(source[i:], isSpace)
			if i < len(source) && (source[i] == '"' || source[i] == '\'') {
				quote := source[i]
				i++
				length := bytes.IndexByte(source[i:], quote)
				if length < 0 {
					return -1
				}
				value = Span{i, i + length}
				i += length + 1
			} else {
				value.Start = i
				i += skip(source[i:], func(c byte) bool { return !isSpace(c) && c != '>' })
				value.End = i
			}
			whole.End = i
		}
		if !attribute(name, whole, value) {
			return -1
		}
	}
}

// isName compares a name in the source with a lower-case one. Only ASCII letters
// have a case in names.
func isName(name []byte, want string) bool {
	if len(name) != len(want) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

func skip(s []byte, while func(byte) bool) int {
	for i := range s {
		if !while(s[i]) {
			return i
		}
	}
	return len(s)
}

func isSpace(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\f', '\r':
		return true
	}
	return false
}

func endsName(c byte) bool { return isSpace(c) || c == '/' || c == '>' }
