package markup

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// isJWT reports whether a value has the shape of a JSON Web Token, three parts, or of
// an encrypted one, five. The first is the base64 of something that begins with {"
// (RFC 7519).
func isJWT(value string) bool {
	dots := strings.Count(value, ".")
	return strings.HasPrefix(value, "eyJ") && (dots == 2 || dots == 4) &&
		bytes.Contains(partOfJWT(value, 0), []byte(`"alg"`)) && !bytes.Contains(partOfJWT(value, 1), []byte(`"http`))
}

// partOfJWT returns the header or the claims of a JSON Web Token. Links that count clicks
// keep where they lead in the claims.
func partOfJWT(value string, part int) []byte {
	parts := strings.SplitN(value[:min(len(value), maxValueBytes)], ".", 3)
	if len(parts) <= part {
		return nil
	}
	decoded, _ := base64.RawURLEncoding.DecodeString(parts[part]) // what comes before a bad character is enough
	return decoded
}

// servicePrefixes begin the keys of services: of Nylas, Stripe, GitHub, GitLab, Slack,
// Google, SendGrid, Hugging Face, npm and PyPI, as each documents them.
var servicePrefixes = []string{
	"nyk_", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "github_pat_", "glpat-",
	"xoxb-", "xoxp-", "AIza", "ya29.", "SG.", "hf_", "npm_", "pypi-",
}

func isServiceKey(value string) bool {
	return len(value) >= minRandomChars && slices.ContainsFunc(servicePrefixes, func(prefix string) bool { return strings.HasPrefix(value, prefix) }) &&
		isRandom(value)
}

// Limits for values that look random. Chosen by what programs make: 64 bits in the base64
// of URLs are 11 characters, and the codes that RFC 4226 lets people type have 6 digits
// or more.
const (
	minRandomChars      = 16
	minShortRandomChars = 8
	minCodeDigits       = 6
	maxCodeDigits       = 10
	// minChanges is how often letters and digits alternate in a random value at least.
	minChanges = 3
	// minChangeShare is how many changes a hundred characters have at least. Random ones
	// have 30 (base32) to 50 (hexadecimal), words with a year behind them 5.
	minChangeShare      = 20
	minShortChangeShare = 30
	// maxValueBytes is how much of a value is looked at.
	maxValueBytes = 1024
)

// isRandom reports whether a value looks as if a program had drawn it.
func isRandom(value string) bool {
	r := look(value)
	return r.chars >= minRandomChars && r.alternates(minChangeShare)
}

// isShortRandom is isRandom, and takes shorter values too if they alternate more: where a
// secret is expected.
func isShortRandom(value string) bool {
	r := look(value)
	return r.chars >= minShortRandomChars && r.alternates(minShortChangeShare) || isRandom(value)
}

// isNumericCode reports whether a value can be a code that somebody gets to type it in.
func isNumericCode(value string) bool {
	return minCodeDigits <= len(value) && len(value) <= maxCodeDigits && strings.Trim(value, "0123456789") == ""
}

// looks is what is counted of a value.
type looks struct {
	chars   int // letters and digits
	changes int // between letters and digits, and from small letters to capital ones
}

// look counts. It returns nothing for texts, addresses and paths.
func look(value string) looks {
	value = value[:min(len(value), maxValueBytes)]
	if strings.Contains(value, "%") {
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
	}
	if strings.HasPrefix(value, "/") || strings.ContainsAny(value, "@ ") || strings.Contains(value, "://") {
		return looks{}
	}
	const digit, lower, upper = 1, 2, 3
	var r looks
	before := 0
	for _, c := range []byte(value) {
		kind := 0
		switch {
		case '0' <= c && c <= '9':
			kind = digit
		case 'a' <= c && c <= 'z':
			kind = lower
		case 'A' <= c && c <= 'Z':
			kind = upper
		case c >= utf8.RuneSelf:
			return looks{}
		}
		if kind != 0 {
			r.chars++
			if before != 0 && before != kind && (before != upper || kind != lower) { // that is how a word begins
				r.changes++
			}
		}
		before = kind
	}
	return r
}

func (r looks) alternates(share int) bool {
	return r.changes >= minChanges && r.changes*100 >= r.chars*share
}
