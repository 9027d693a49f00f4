package markup

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// normalize replaces what browsers replace before they resolve references: line ends by
// \n, and NUL, where it counts, by U+FFFD. It does not change the source.
func normalize(source []byte, replaceNUL bool) []byte {
	if replaceNUL && bytes.IndexByte(source, 0) >= 0 {
		source = bytes.ReplaceAll(source, []byte{0}, []byte("\ufffd"))
	}
	if bytes.IndexByte(source, '\r') >= 0 {
		source = bytes.ReplaceAll(bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	}
	return source
}

// attributeValue returns the value of an attribute from its source. Only package html has
// the table of names, and resolves them as in a text, where the beginning of a name counts
// too. So each is resolved by itself, and left as it is if only its beginning was one.
func attributeValue(source []byte) string {
	value := normalize(source, true)
	if bytes.IndexByte(value, '&') < 0 {
		return string(value)
	}
	var room [64]byte
	asked := slices.Grow(room[:0], len(value)+bytes.Count(value, []byte("&")))
	for _, reference := range references(value) {
		asked = append(append(asked, reference...), 0) // no reference means a NUL
	}
	resolved := html.UnescapeString(string(asked)) // all at once, because it takes memory
	if resolved == string(asked) {
		return string(value)
	}
	result, copied := make([]byte, 0, len(value)), 0
	for at, reference := range references(value) {
		var meaning string
		meaning, resolved, _ = strings.Cut(resolved, "\x00")
		if isMeaning(meaning, reference) {
			result = append(append(result, value[copied:at]...), meaning...)
			copied = at + len(reference)
		}
	}
	return string(append(result, value[copied:]...))
}

// isMeaning reports whether all of a reference was resolved. If not, its last byte is still
// there. No name ends like what it means but &semi;, which means a semicolon.
func isMeaning(meaning string, reference []byte) bool {
	return reference[1] == '#' || meaning == ";" || meaning[len(meaning)-1] != reference[len(reference)-1]
}

// references returns what may be a character reference in the value of an attribute, and
// where it stands. A name without a semicolon before = is that of a parameter.
// https://html.spec.whatwg.org/multipage/parsing.html#named-character-reference-state
func references(value []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for at := 0; ; {
			next := bytes.IndexByte(value[at:], '&')
			if next < 0 {
				return
			}
			start := at + next
			at = start + referenceLength(value[start:])
			reference := value[start:at]
			if len(reference) < len("&lt") {
				continue
			}
			isParameter := reference[1] != '#' && value[at-1] != ';' && bytes.HasPrefix(value[at:], []byte("="))
			if !isParameter && !yield(start, reference) {
				return
			}
		}
	}
}

// referenceLength returns where the reference ends with which a text begins. It returns 1
// if the & begins none.
func referenceLength(text []byte) int {
	start := len("&")
	var end int
	switch {
	case len(text) == start || text[start] != '#':
		end = start + skip(text[start:], isASCIIAlphanumeric)
	case len(text) > start+1 && text[start+1]|0x20 == 'x':
		start += len("#x")
		end = start + skip(text[start:], isHex)
	default:
		start += len("#")
		end = start + skip(text[start:], isDigit)
	}
	switch {
	case end == start:
		return len("&")
	case end < len(text) && text[end] == ';':
		return end + 1
	default:
		return end
	}
}
