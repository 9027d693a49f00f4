package markup

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxPlaceholderName is how long the name in a placeholder can be, a number chosen here.
const maxPlaceholderName = 64

// HasPlaceholder reports whether a target holds a placeholder that was to be filled
// before the mail is sent, such as {{url}}, *|UNSUB|*, %%url%%, <%= url %>,
// [unsubscribe] or %recipient.id%. Editors escape some of them: %7B%7Burl%7D%7D.
func HasPlaceholder(target string) bool {
	if beginsTemplateName(target, '$') || beginsTemplateName(target, '@') {
		return true
	}
	for i := range len(target) {
		if isPlaceholderMark(target[i]) && beginsPlaceholder(target, i) {
			return true
		}
	}
	if !hasEscapedBrace(target) {
		return false
	}
	decoded, err := url.PathUnescape(target)
	if err != nil {
		return false
	}
	for i := range len(decoded) {
		if isPlaceholderMark(decoded[i]) && opensTemplate(decoded[i:]) {
			return true
		}
	}
	return false
}

func isPlaceholderMark(c byte) bool {
	switch c {
	case '{', '[', '<', '%', '*', '$', '#', '@':
		return true
	default:
		return false
	}
}

// hasEscapedBrace reports whether a target has escapes in it by which a placeholder may
// begin: those of {, |, [, < and *
func hasEscapedBrace(target string) bool {
	for i := 0; i+2 < len(target); i++ {
		if target[i] != '%' {
			continue
		}
		switch target[i+1 : i+3] {
		case "7B", "7b", "7C", "7c", "5B", "5b", "3C", "3c", "2A", "2a":
			return true
		}
	}
	return false
}

// beginsPlaceholder reports whether a placeholder begins at a place in a target.
func beginsPlaceholder(target string, at int) bool {
	rest := target[at:]
	if opensTemplate(rest) {
		return true
	}
	switch rest[0] {
	case '{':
		return isBraced(rest[1:])
	case '<':
		return nameLength(rest[1:], '>') > 0
	case '[': // rather than a[b]=c
		end := nameLength(rest[1:], ']')
		return end > 0 && (at == 0 || strings.IndexByte("=/:", target[at-1]) >= 0) && endsValue(rest[1+end+1:])
	case '%':
		return isPercented(rest[1:])
	case '$':
		end := nameLength(rest[1:], '$')
		return end > 0 && (at == 0 || strings.IndexByte("=/", target[at-1]) >= 0) && endsValue(rest[1+end+1:])
	case '#':
		return nameLength(rest[1:], '#') > 0
	default:
		return false
	}
}

// opensTemplate reports whether a text begins with what opens a placeholder and nothing
// else. Its end can be missing: quotes within end the attribute.
func opensTemplate(text string) bool {
	if len(text) < 3 {
		return false
	}
	next := text[2]
	switch text[:2] {
	case "{{", "<%", "<?", "*|", "${", "#{", "@{":
		return true
	case "{%", "[%": // not {%22a%22:1}
		return !beginsWithHex(text[2:])
	case "%%", "[[", "##", "@@":
		return isLetter(next) || next == ' ' || next == '=' || next == '_'
	default:
		return false
	}
}

// beginsTemplateName reports whether a target is a name with a mark before it, as in
// $url and @Model.Url.
func beginsTemplateName(target string, mark byte) bool {
	return len(target) > 1 && target[0] == mark && isLetter(target[1])
}

// isBraced reports whether {name}, {!name} or {0} goes on like this.
func isBraced(rest string) bool {
	if len(rest) > 1 && strings.IndexByte("!$@#", rest[0]) >= 0 {
		rest = rest[1:]
	}
	if digits := skip([]byte(rest[:min(len(rest), 3)]), func(c byte) bool { return '0' <= c && c <= '9' }); digits == 1 || digits == 2 {
		if len(rest) > digits && rest[digits] == '}' {
			return true
		}
	}
	end := nameLength(rest, '}')
	return end > 0 && !isGUID(rest[:end])
}

// isGUID reports whether a name is a number of Microsoft's form, which stands in braces.
func isGUID(name string) bool { return len(name) == 36 && strings.Count(name, "-") == 4 }

// isPercented reports whether %name%, %s or %1$s goes on like this, and is no escape.
func isPercented(rest string) bool {
	escapes := beginsWithHex(rest)
	if end := nameLength(rest, '%'); end > 1 && (!escapes || !beginsWithHex(rest[end+1:])) {
		return true
	}
	if escapes {
		return false
	}
	if len(rest) > 1 && '0' < rest[0] && rest[0] <= '9' && rest[1] == '$' {
		rest = rest[2:]
	}
	return rest != "" && (rest[0] == 's' || rest[0] == 'd') && endsValue(rest[1:])
}

// nameLength returns how long the name is that a mark ends, or 0 if it is no name.
func nameLength(text string, mark byte) int {
	if text == "" || !isLetter(text[0]) && text[0] != '_' {
		return 0
	}
	for i := 1; i < min(len(text), maxPlaceholderName+1); i++ {
		switch c := text[i]; {
		case c == mark:
			return i
		case isLetter(c), '0' <= c && c <= '9', strings.IndexByte("_-.:| ", c) >= 0:
		default:
			return 0
		}
	}
	return 0
}

// endsValue reports whether a segment of a path or a value of a query ends before a text.
func endsValue(text string) bool {
	return text == "" || strings.IndexByte("&/?#", text[0]) >= 0
}

func isLetter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c >= utf8.RuneSelf
}
