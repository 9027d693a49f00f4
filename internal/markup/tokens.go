package markup

import (
	"bytes"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// readToken returns the kind and the length of the token with which source begins. It
// returns an ErrorToken if there is none, or a tag that is not finished.
// https://html.spec.whatwg.org/multipage/parsing.html#tokenization
func readToken(source []byte) (html.TokenType, int) {
	switch {
	case len(source) == 0:
		return html.ErrorToken, 0
	case StartsTag(source):
		return readStartTag(source)
	case !startsMarkup(source):
		return html.TextToken, textLength(source)
	case source[1] == '/' && isASCIILetter(source[2]):
		end := walkTag(source[1:], func(attribute) bool { return true })
		if end < 0 {
			return html.ErrorToken, 0
		}
		return html.EndTagToken, 1 + end
	case bytes.HasPrefix(source, []byte("<!--")):
		return html.CommentToken, commentLength(source)
	}
	length := len(source)
	if end := bytes.IndexByte(source[2:], '>'); end >= 0 {
		length = 2 + end + 1
	}
	const doctype = "<!doctype"
	if length >= len(doctype) && isName(source[:len(doctype)], doctype) {
		return html.DoctypeToken, length
	}
	return html.CommentToken, length // all else is a comment that is not well formed
}

// StartsTag reports whether a start tag comes next.
func StartsTag(source []byte) bool {
	return len(source) > 1 && source[0] == '<' && isASCIILetter(source[1])
}

// startsMarkup reports whether anything but a text comes next.
func startsMarkup(source []byte) bool {
	if len(source) < 2 || source[0] != '<' {
		return false
	}
	switch source[1] {
	case '!', '?':
		return true
	case '/':
		return len(source) > 2
	default:
		return isASCIILetter(source[1])
	}
}

// textLength returns where the text ends with which source begins.
func textLength(source []byte) int {
	for i := 1; i < len(source); i++ {
		next := bytes.IndexByte(source[i:], '<')
		if next < 0 {
			break
		}
		if i += next; startsMarkup(source[i:]) || i+2 == len(source) && source[i+1] == '/' {
			return i
		}
	}
	return len(source)
}

// commentLength returns where the comment ends with which source begins.
func commentLength(source []byte) int {
	const start = len("<!--")
	for _, end := range []string{">", "->"} {
		if bytes.HasPrefix(source[start:], []byte(end)) {
			return start + len(end)
		}
	}
	for i := start; ; {
		dashes := bytes.Index(source[i:], []byte("--"))
		if dashes < 0 {
			return len(source)
		}
		i += dashes
		i += skip(source[i:], func(c byte) bool { return c == '-' })
		for _, end := range []string{">", "!>"} {
			if bytes.HasPrefix(source[i:], []byte(end)) {
				return i + len(end)
			}
		}
	}
}

// holdsText reports whether what follows a start tag is text up to the end tag. In
// noscript that is so where scripts run.
func holdsText(tag atom.Atom) bool {
	switch tag {
	case atom.Iframe, atom.Noembed, atom.Noframes, atom.Noscript, atom.Plaintext,
		atom.Script, atom.Style, atom.Textarea, atom.Title, atom.Xmp:
		return true
	default:
		return false
	}
}

// heldLength returns where the text of an element ends that holds nothing else. The
// source begins behind its start tag.
func heldLength(source []byte, element atom.Atom) int {
	switch element {
	case atom.Plaintext:
		return len(source)
	case atom.Script:
		return scriptLength(source)
	}
	for i := 0; ; i++ {
		next := bytes.Index(source[i:], []byte("</"))
		if next < 0 {
			return len(source)
		}
		if i += next; namesElement(source[i+len("</"):], element.String()) {
			return i
		}
	}
}

// namesElement reports whether the whole name of a tag comes next.
func namesElement(source []byte, name string) bool {
	return len(source) > len(name) && isName(source[:len(name)], name) && !isNameByte(source[len(name)])
}

// scriptLength returns where the text of a script ends. In a comment, another script may
// begin and end.
// https://html.spec.whatwg.org/multipage/parsing.html#script-data-state
func scriptLength(source []byte) int {
	const script = "script"
	commented, nested := false, false
	for i, c := range source {
		switch c {
		case '>':
			if bytes.HasSuffix(source[:i], []byte("--")) {
				commented, nested = false, false
			}
		case '<':
			rest := source[i+1:]
			ends := len(rest) > 0 && rest[0] == '/' && namesElement(rest[1:], script)
			switch {
			case nested:
				nested = !ends
			case ends:
				return i
			case !commented:
				commented = bytes.HasPrefix(rest, []byte("!--"))
			case len(rest) > 0 && rest[0] != '/':
				nested = namesElement(rest, script)
				// The tokenizer of golang.org/x/net/html ends the comment here.
				commented = isASCIILetter(rest[0])
			}
		}
	}
	return len(source)
}

// readStartTag is readToken for a start tag.
func readStartTag(source []byte) (html.TokenType, int) {
	last := 0 // where the last attribute ends
	length := walkTag(source, func(attr attribute) bool {
		last = attr.whole.End
		return true
	})
	switch {
	case length < 0:
		return html.ErrorToken, 0
	case source[length-2] == '/' && last < length-1: // rather than <a href=/>
		return html.SelfClosingTagToken, length
	default:
		return html.StartTagToken, length
	}
}

// ReadTag reads the start tag with which source begins, such as one in a comment:
// where it ends, or -1 if it is not finished, and where the value of an attribute stands.
func ReadTag(source []byte, name string) (end int, value Span, has bool) {
	end = walkTag(source, func(attr attribute) bool {
		if !has && isName(attr.name, name) {
			value, has = attr.value, true
		}
		return true
	})
	return end, value, has && end >= 0
}

// attribute is an attribute in the source of a tag: its name as it is written, where all of
// it stands, and where its value does.
type attribute struct {
	name         []byte
	whole, value Span
}

// walkTag goes over the attributes of the start tag with which source begins, until visit
// returns false. It returns where the tag ends, or -1 if it was stopped or the tag is not
// finished.
func walkTag(source []byte, visit func(attribute) bool) int {
	if len(source) == 0 {
		return -1
	}
	i := 1 + skip(source[1:], isNameByte) // "<a"
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
		i += skip(source[i:], func(c byte) bool { return isNameByte(c) && c != '=' })
		attr := attribute{source[nameStart:i], Span{nameStart, i}, Span{i, i}}
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
				attr.value = Span{i, i + length}
				i += length + 1
			} else {
				attr.value.Start = i
				i += skip(source[i:], func(c byte) bool { return !isSpace(c) && c != '>' })
				attr.value.End = i
			}
			attr.whole.End = i
		}
		if !visit(attr) {
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
		if lower(c) != want[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
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
	const spaces uint64 = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\f' | 1<<'\r'
	return c <= ' ' && spaces>>c&1 != 0
}

// isNameByte reports whether a byte can be in the name of a tag.
func isNameByte(c byte) bool { return !isSpace(c) && c != '/' && c != '>' }

func isASCIILetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isASCIIAlphanumeric(c byte) bool { return isASCIILetter(c) || isDigit(c) }
