package nylas

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/rules"
)

// labelPrefix begins a label of [EncodeLabel]. The digit is the version of the format.
const labelPrefix = "nt1:"

// EncodeLabel encodes short values, such as the ids of a campaign and a contact, as one
// string for TrackingOptions.Label, which is part of every tracking notification.
// [DecodeLabel] decodes it.
//
//	nt1:campaign=trial+q2&contact=42
//
// Keys are sorted, so equal values give equal labels. Keys and values can be any text;
// a key must not be empty. Most characters, including the space, take one character in
// the label. Everybody who sees the label can read it, so use ids and no secrets or
// addresses.
//
// A label of more than 2048 characters is an error that matches
// [ErrTrackingDataTooLarge]. Nylas does not say whether it counts characters or bytes,
// which makes no difference for ASCII.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func EncodeLabel(values map[string]string) (string, error) {
	op := &operation{name: "encode label"}
	var b strings.Builder
	b.WriteString(labelPrefix)
	for i, key := range slices.Sorted(maps.Keys(values)) {
		if key == "" {
			return "", refuse(op, "a key is empty")
		}
		if i > 0 {
			b.WriteByte('&')
		}
		escapeLabel(&b, key)
		b.WriteByte('=')
		escapeLabel(&b, values[key])
	}
	label := b.String()
	if err := checkChars(op, "the label", label, rules.MaxLabelChars, ErrTrackingDataTooLarge); err != nil {
		return "", err
	}
	return label, nil
}

// DecodeLabel decodes a label of [EncodeLabel]. It reports false for any other text,
// such as an empty label, a label of another program, or one of a later version of this
// format. If it reports true, EncodeLabel returns exactly this label for the values.
func DecodeLabel(label string) (map[string]string, bool) {
	encoded, ours := strings.CutPrefix(label, labelPrefix)
	if !ours || len(label) > rules.MaxLabelChars*utf8.UTFMax {
		return nil, false
	}
	values := make(map[string]string)
	for encoded != "" {
		var pair string
		pair, encoded, _ = strings.Cut(encoded, "&")
		key, value, _ := strings.Cut(pair, "=")
		key, keyErr := unescapeLabel(key)
		value, valueErr := unescapeLabel(value)
		if keyErr != nil || valueErr != nil {
			return nil, false
		}
		values[key] = value
	}
	// Whatever EncodeLabel would have written otherwise, it did not write.
	if again, err := EncodeLabel(values); err != nil || again != label {
		return nil, false
	}
	return values, true
}

const hexDigits = "0123456789ABCDEF"

// escapeLabel escapes the characters that separate keys and values, and those that
// another system might drop or change: unprintable characters, white space, and bytes
// that are not UTF-8.
func escapeLabel(b *strings.Builder, text string) {
	for i, r := range text {
		size := utf8.RuneLen(r)
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			size = 1 // a byte that is not UTF-8
		case r == ' ':
			b.WriteByte('+')
			continue
		case isPlainInLabel(r):
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

// isPlainInLabel reports whether a character needs no escape. It must not change with
// the tables of package unicode, because labels outlive a Go version.
func isPlainInLabel(r rune) bool {
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

func unescapeLabel(text string) (string, error) {
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
