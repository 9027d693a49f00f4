// Package label holds the format of the labels that the client writes and package
// engagement reads: several short values in one text.
package label

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/rules"
)

// The keys of the labels of SendMessageRequest.Each.
const (
	Campaign = "campaign"
	Person   = "person"
)

// prefix begins a label. The digit is the version of the format.
const prefix = "nt1:"

// ErrEmptyKey is the error for values one of whose keys is empty.
var ErrEmptyKey = errors.New("a key is empty")

// Encode returns the label of values, however long it is.
func Encode(values map[string]string) (string, error) {
	var b strings.Builder
	b.WriteString(prefix)
	for i, key := range slices.Sorted(maps.Keys(values)) {
		if key == "" {
			return "", ErrEmptyKey
		}
		if i > 0 {
			b.WriteByte('&')
		}
		escape(&b, key)
		b.WriteByte('=')
		escape(&b, values[key])
	}
	return b.String(), nil
}

// Decode returns the values of a label, or false for a text that Encode would not return
// or that is longer than a label may be.
func Decode(label string) (map[string]string, bool) {
	encoded, ours := strings.CutPrefix(label, prefix)
	if !ours || utf8.RuneCountInString(label) > rules.MaxLabelChars {
		return nil, false
	}
	values := make(map[string]string)
	for encoded != "" {
		var pair string
		pair, encoded, _ = strings.Cut(encoded, "&")
		key, value, _ := strings.Cut(pair, "=")
		key, keyErr := unescape(key)
		value, valueErr := unescape(value)
		if keyErr != nil || valueErr != nil {
			return nil, false
		}
		values[key] = value
	}
	// Whatever Encode would have written otherwise, it did not write.
	if again, err := Encode(values); err != nil || again != label {
		return nil, false
	}
	return values, true
}

const hexDigits = "0123456789ABCDEF"

// escape escapes the characters that separate keys and values, and those that
// another system might drop or change: unprintable characters, white space, and bytes
// that are not UTF-8.
func escape(b *strings.Builder, text string) {
	for i, r := range text {
		size := utf8.RuneLen(r)
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			size = 1 // a byte that is not UTF-8
		case r == ' ':
			b.WriteByte('+')
			continue
		case isPlain(r):
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(text[i : i+size]) {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&0xf])
		}
	}
}

// isPlain reports whether a character needs no escape. It must not change with
// the tables of package unicode, because labels outlive a Go version.
func isPlain(r rune) bool {
	switch {
	case r < 0x7f:
		return r > ' ' && r != '%' && r != '&' && r != '=' && r != '+'
	case r <= 0xa0, r == 0xad, // controls, no-break space, soft hyphen
		r == 0x1680, r >= 0x2000 && r <= 0x206f, r == 0x3000, // white space, marks that are not seen
		r >= 0xd800 && r <= 0xf8ff, // private use
		r >= 0xfe00 && r <= 0xfe0f, r == 0xfeff, r >= 0xfff0 && r <= 0xfffc, r == 0xfffe, r == 0xffff,
		r >= 0xe0000: // tags, more private use
		return false
	default:
		return true
	}
}

var errEscape = errors.New("a % without two hex digits")

func unescape(text string) (string, error) {
	if !strings.ContainsAny(text, "%+") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '+':
			b.WriteByte(' ')
		case '%':
			if i+2 >= len(text) {
				return "", errEscape
			}
			high, low := strings.IndexByte(hexDigits, text[i+1]), strings.IndexByte(hexDigits, text[i+2])
			if high < 0 || low < 0 {
				return "", errEscape
			}
			b.WriteByte(byte(high<<4 | low))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}
