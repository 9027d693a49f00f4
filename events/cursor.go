package events

import (
	"strings"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// cursor reads text that is known to be one JSON value, so nothing in it can fail.
// Strings without escapes are parts of text, not copies.
type cursor struct {
	text string
	at   int
	utf8 bool // text is valid UTF-8
}

// kind returns the first byte of what comes next: the start of a value, a comma, a
// colon, or the end of an array or object.
func (c *cursor) kind() byte {
	for c.text[c.at] <= ' ' {
		c.at++
	}
	return c.text[c.at]
}

// open moves into the array or object that starts here.
func (c *cursor) open() {
	c.kind()
	c.at++
}

// more moves to the next element or member, or behind the end of the array or object.
func (c *cursor) more(end byte) bool {
	switch c.kind() {
	case end:
		c.at++
		return false
	case ',':
		c.at++
	}
	return true
}

// name reads the name of a member, with the colon behind it. Names are short and have no
// escapes, so looking at each byte is quicker than anything that looks at many.
func (c *cursor) name() (name string) {
	c.kind()
	start := c.at
	for c.at++; c.text[c.at] != '"' && c.text[c.at] != '\\'; c.at++ {
	}
	if c.text[c.at] == '"' && c.utf8 {
		name = c.text[start+1 : c.at]
		c.at++
	} else {
		c.at = start
		name = c.string()
	}
	c.kind()
	c.at++
	return name
}

// string reads a string.
func (c *cursor) string() string {
	c.kind()
	start := c.at
	inner, plain := c.quoted()
	if plain && (c.utf8 || utf8.ValidString(inner)) {
		return inner
	}
	return loose.Unquote([]byte(c.text[start:c.at]))
}

// quoted moves behind the string that starts exactly here. It returns what stands
// between the quotes, and whether that is what it means.
func (c *cursor) quoted() (inner string, plain bool) {
	start := c.at + 1
	end := start + strings.IndexByte(c.text[start:], '"')
	if strings.IndexByte(c.text[start:end], '\\') < 0 {
		c.at = end + 1
		return c.text[start:end], true
	}
	for c.at = start; c.text[c.at] != '"'; c.at++ {
		if c.text[c.at] == '\\' {
			c.at++
		}
	}
	c.at++
	return c.text[start : c.at-1], false
}

// scalar reads a number or a literal.
func (c *cursor) scalar() string {
	c.kind()
	start := c.at
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ',', '}', ']', ' ', '\t', '\r', '\n':
			return c.text[start:c.at]
		}
		c.at++
	}
	return c.text[start:]
}

// integer reads a number or a string of a few digits, which nearly every number of a
// notification is. If anything else stands here, it does not move.
func (c *cursor) integer() (n int64, ok bool) {
	const maxDigits = 18 // 10^18 - 1 is the longest row of nines in an int64
	quoted := c.kind() == '"'
	at := c.at
	if quoted {
		at++
	}
	first := at
	for ; c.text[at] >= '0' && c.text[at] <= '9'; at++ {
		n = n*10 + int64(c.text[at]-'0')
	}
	if at == first || at-first > maxDigits {
		return 0, false
	}
	switch c.text[at] {
	case '"':
		if !quoted {
			return 0, false
		}
		at++
	case ',', '}', ']', ' ', '\t', '\r', '\n':
		if quoted {
			return 0, false
		}
	default:
		return 0, false
	}
	c.at = at
	return n, true
}

// skip moves behind a value and returns it as it is written.
func (c *cursor) skip() string {
	kind := c.kind()
	start := c.at
	switch kind {
	case '"':
		c.quoted()
		return c.text[start:c.at]
	case '{', '[':
	default:
		return c.scalar()
	}
	for depth := 0; ; {
		switch c.text[c.at] {
		case '"':
			c.quoted()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.at++
		if depth == 0 {
			return c.text[start:c.at]
		}
	}
}
