package markup

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Class is what is known about the tracking of a target.
type Class int

// The classes of targets.
const (
	// Eligible targets are tracked.
	Eligible Class = iota
	// BadURI has control characters, white space or delimiters in it, or nothing behind
	// its scheme.
	BadURI
	// LooseURI is no URI by RFC 3986, and browsers take it: a % without two hexadecimal
	// digits, brackets outside of a host, or letters that are not ASCII. Nothing is said
	// of those.
	LooseURI
	// UnsupportedScheme is another scheme, or none.
	UnsupportedScheme
	// Credentials are a name and a password in the URL.
	Credentials
	// HTTP is in none of Nylas' lists, neither of what is tracked nor of what is not.
	HTTP
	// UserInfo is user information without a password: whether that is a login
	// credential is not said.
	UserInfo
	// NoAddress is a mailto without an address, which is a valid URI, and of which
	// nothing is said.
	NoAddress
)

// Classify returns what is known about the tracking of a target, and the target as
// a URL if it is one. Nylas tracks valid https, mailto and tel URLs without login
// credentials.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func Classify(href string) (Class, *url.URL) {
	chars := charsOf(href)
	if chars.forbidden {
		return BadURI, nil
	}
	source := href
	if chars.barePercent {
		source = escapePercents(href)
	}
	u, err := url.Parse(source)
	if err != nil || chars.barePercent && strings.Contains(u.Hostname(), "%") {
		return BadURI, nil
	}
	class := classifyURL(u)
	if class == Eligible && (chars.barePercent || chars.nonASCII || chars.brackets > strings.Count(u.Host, "[")+strings.Count(u.Host, "]")) {
		class = LooseURI
	}
	return class, u
}

// HasTrackedScheme reports whether a target has a scheme of which Classify says more than
// that it is another one, or that the target is no URI.
func HasTrackedScheme(href string) bool {
	for _, scheme := range []string{"https:", "http:", "mailto:", "tel:"} {
		if len(href) >= len(scheme) && strings.EqualFold(href[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// chars is what is counted of the characters of a target.
type chars struct {
	forbidden   bool // what no URI has, and what nobody writes on purpose
	barePercent bool // a % without two hexadecimal digits
	nonASCII    bool
	brackets    int
}

// charsOf goes by one rule over the path, the query and the fragment.
func charsOf(href string) chars {
	var found chars
	for i := 0; i < len(href); i++ {
		switch c := href[i]; {
		case c <= ' ', c == 0x7f:
			found.forbidden = true
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(href[i:])
			// The tokenizer writes U+FFFD for a NUL and for what is not UTF-8.
			found.forbidden = found.forbidden || r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r)
			found.nonASCII = true
			i += size - 1
		case c == '%':
			found.barePercent = found.barePercent || !beginsWithHex(href[i+1:])
		case c == '[', c == ']':
			found.brackets++
		case c == '"', c == '<', c == '>', c == '\\', c == '^', c == '`', c == '{', c == '|', c == '}':
			found.forbidden = true
		}
	}
	return found
}

// beginsWithHex reports whether a text begins with two hexadecimal digits.
func beginsWithHex(text string) bool {
	return len(text) > 1 && isHex(text[0]) && isHex(text[1])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// escapePercents escapes each % that escapes nothing.
func escapePercents(href string) string {
	var b strings.Builder
	b.Grow(len(href) + 2*strings.Count(href, "%"))
	for i := range len(href) {
		b.WriteByte(href[i])
		if href[i] == '%' && !beginsWithHex(href[i+1:]) {
			b.WriteString("25")
		}
	}
	return b.String()
}

// HasInvisible reports whether a target holds a character that nobody sees, such as a
// space without width, written as it is or with escapes.
func HasInvisible(href string) bool {
	if decoded, err := url.PathUnescape(href); err == nil {
		href = decoded
	}
	before := rune(0)
	for _, r := range href {
		if r >= utf8.RuneSelf && isInvisible(r, before) {
			return true
		}
		before = r
	}
	return false
}

// isInvisible knows the characters that Unicode calls format characters or ignorable.
// The two joiners shape letters and emoji, and are seen there.
func isInvisible(r, before rune) bool {
	const nonJoiner, joiner = 0x200c, 0x200d
	if r == nonJoiner || r == joiner {
		return before < utf8.RuneSelf
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// classifyURL judges what the characters leave open.
func classifyURL(u *url.URL) Class {
	hasPassword := false
	if u.User != nil {
		password, set := u.User.Password()
		hasPassword = set && password != "" && u.User.Username() != ""
	}
	switch u.Scheme {
	case "https", "http":
		switch {
		case u.Hostname() == "":
			return BadURI
		case hasPassword:
			return Credentials
		case u.Scheme == "http":
			return HTTP
		case u.User != nil:
			return UserInfo
		}
		return Eligible
	case "mailto", "tel":
		switch {
		case u.Opaque != "":
			return Eligible
		case u.Scheme == "mailto" && u.Host == "" && u.Path == "" && u.RawQuery != "":
			return NoAddress
		}
		return BadURI
	default:
		return UnsupportedScheme
	}
}

// Trackable reports whether Nylas is documented to track a target, where tracked links
// may also have custom hosts.
func Trackable(href string, customHosts ...string) bool {
	class, u := Classify(href)
	return class == Eligible && !IsWrapped(u, customHosts...)
}
