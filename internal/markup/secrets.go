package markup

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What holds a secret is told by names alone: those of parameters, and the parts of
// paths. A name is taken apart into words, at case, punctuation and digits, and words
// that are known ones written together are taken apart too (resetpassword). So no word
// is found in another one (key in monkey, sig in design).

// wordClass is what a word in a name says.
type wordClass int

const (
	// wordKnown can stand beside the others and says nothing.
	wordKnown wordClass = 1 << iota
	// wordSecret makes a parameter a secret wherever it stands in its name.
	wordSecret
	// wordAlone does so as the whole name.
	wordAlone
	// wordPurpose does so before "key", "code" or "hash": an api_key is a secret, while
	// a sort_key, a zip_code and a promo_code are none.
	wordPurpose
	// wordDescribes says at the end of a name that it is about a secret: token_type.
	wordDescribes
	// wordPath is in the paths of links that work for one person, or once.
	wordPath
	// wordPathAmongKnown is as well, but not beside words that are not known: magic-link
	// is such a path, magic-kingdom is not.
	wordPathAmongKnown
)

func classOf(word string) wordClass {
	switch word {
	case "token", "secret", "password", "passwd", "pwd", "passcode", "passphrase", "otp", "totp", "jwt", "sig", "signature", "hmac",
		"credential", "credentials", "bearer", "authorization":
		return wordKnown | wordSecret
	case "key", "code":
		return wordKnown | wordAlone
	case "auth", "session":
		return wordKnown | wordAlone | wordPurpose
	case "invite", "invitation":
		return wordKnown | wordAlone | wordPurpose | wordPath
	case "reset", "verify", "verification":
		return wordKnown | wordPurpose | wordPath
	case "resets", "verifications", "invites", "invitations":
		return wordKnown | wordPath
	case "confirm", "confirmation", "activate", "activation", "recovery":
		return wordKnown | wordPurpose | wordPathAmongKnown
	case "magic", "recover":
		return wordKnown | wordPathAmongKnown
	case "api", "access", "authentication", "oauth", "private", "master", "shared", "signing", "encryption", "login", "signin",
		"backup", "security", "registration", "device", "pairing", "sms", "mfa", "license", "licence", "account", "time", "gift":
		return wordKnown | wordPurpose
	case "type", "hint", "name", "expires", "expiry", "expiration", "ttl", "version", "alg", "algorithm", "method", "policy",
		"length", "count", "format":
		return wordDescribes
	case "id", "hash", "email", "mail", "phone", "user", "signup", "sign", "in", "log", "link", "url", "accept", "new", "my", "your", "me",
		"change", "request", "complete", "register", "address", "identity", "pass", "csrf", "xsrf", "refresh", "one", "php", "asp", "j", "x",
		"sess", "client":
		return wordKnown
	default:
		return 0
	}
}

func (c wordClass) is(class wordClass) bool { return c&class != 0 }

const (
	// maxNameBytes is the longest name that is taken apart. Longer ones are no names.
	maxNameBytes = 128
	// minJoinedBytes and maxJoinedBytes are of the words that are looked at as known ones
	// written together.
	minJoinedBytes = len("apikey")
	maxJoinedBytes = 32
	// maxKnownBytes is the longest known word.
	maxKnownBytes = len("authentication")
	// maxPathPhrase is of how many words a part of a path is at most that is not the
	// title of a page: reset-your-password, but not how-to-reset-your-router.
	maxPathPhrase = 3
)

// HoldsSecret reports whether a URL looks as if whoever has it could act for
// somebody.
func HoldsSecret(u *url.URL) bool {
	fragment := u.EscapedFragment()
	if listHoldsSecret(u.RawQuery) || listHoldsSecret(fragment) || pathHoldsSecret(u.EscapedPath()) {
		return true
	}
	// In programs that run in a browser the fragment is a path.
	path, isPath := strings.CutPrefix(strings.TrimPrefix(fragment, "!"), "/")
	path, _, _ = strings.Cut(path, "?")
	return isPath && pathHoldsSecret(path)
}

// listHoldsSecret looks at a list of parameters.
func listHoldsSecret(list string) bool {
	for pair := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if isJWT(value) || !isSwitch(value) && namesSecret(name) {
			return true
		}
	}
	return false
}

func pathHoldsSecret(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		segment, parameters, _ := strings.Cut(segment, ";")
		if isJWT(segment) || listHoldsSecret(parameters) || isOneTimePath(segment) {
			return true
		}
	}
	return false
}

// isSwitch reports whether a value switches something on or off, or is nothing: no
// secret is that short.
func isSwitch(value string) bool {
	switch strings.ToLower(value) {
	case "", "0", "1", "true", "false", "yes", "no", "on", "off":
		return true
	default:
		return false
	}
}

// namesSecret reports whether a parameter of the name holds a secret.
func namesSecret(name string) bool {
	var room [maxNameWords]string
	parts := nameWords(room[:0], name)
	if len(parts) == 0 || classOf(parts[len(parts)-1]).is(wordDescribes) {
		return false
	}
	if len(parts) == 1 && classOf(parts[0]).is(wordAlone) {
		return true
	}
	before := ""
	for _, part := range parts {
		switch part {
		case "key", "code", "hash":
			if classOf(before).is(wordPurpose) {
				return true
			}
		case "id":
			if before == "session" || before == "sess" {
				return true
			}
		default:
			if classOf(part).is(wordSecret) {
				return true
			}
		}
		before = part
	}
	return false
}

// isOneTimePath reports whether a part of a path names what is done once.
func isOneTimePath(segment string) bool {
	var room [maxNameWords]string
	parts := nameWords(room[:0], segment)
	some, all := wordClass(0), wordKnown
	for _, part := range parts {
		class := classOf(part)
		some |= class
		all &= class
	}
	return some.is(wordPath) && len(parts) <= maxPathPhrase || some.is(wordPath|wordPathAmongKnown) && all.is(wordKnown)
}

// maxNameWords is how many words of a name are kept without memory of their own.
const maxNameWords = 8

// nameWords takes a name apart, and appends its words. Numbers are left out.
func nameWords(words []string, name string) []string {
	if len(name) > maxNameBytes {
		return words
	}
	if strings.Contains(name, "%") {
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
	}
	start, before := 0, rune(0)
	for i, r := range name {
		isLetter := unicode.IsLetter(r)
		if !isLetter || beginsWord(before, r, name[i:]) {
			words = splitKnown(words, name[start:i])
			if start = i; !isLetter {
				_, size := utf8.DecodeRuneInString(name[i:])
				start += size
			}
		}
		before = r
	}
	return splitKnown(words, name[start:])
}

// beginsWord reports whether a letter begins a word by its case: the T in accessToken
// and the K in APIKey. The rest begins with the letter.
func beginsWord(before, letter rune, rest string) bool {
	if !unicode.IsUpper(letter) {
		return false
	}
	after, _ := utf8.DecodeRuneInString(rest[utf8.RuneLen(letter):])
	return unicode.IsLower(before) || unicode.IsUpper(before) && unicode.IsLower(after)
}

// splitKnown appends a word, if it is not empty. One that is made of known ones alone
// is taken apart, into as few as possible.
func splitKnown(words []string, word string) []string {
	word = strings.ToLower(word)
	switch {
	case word == "":
		return words
	case len(word) < minJoinedBytes || len(word) > maxJoinedBytes || classOf(word) != 0:
		return append(words, word)
	}
	// The words up to each place: how many at least, one more, and where the last begins.
	var count, begin [maxJoinedBytes + 1]int8
	count[0] = 1
	for start := range len(word) {
		if count[start] == 0 {
			continue
		}
		for end := start + 1; end <= min(len(word), start+maxKnownBytes); end++ {
			if more := count[start] + 1; (count[end] == 0 || more < count[end]) && classOf(word[start:end]).is(wordKnown) {
				count[end], begin[end] = more, int8(start)
			}
		}
	}
	if count[len(word)] == 0 {
		return append(words, word)
	}
	first := len(words)
	for end := len(word); end > 0; end = int(begin[end]) {
		words = append(words, word[begin[end]:end])
	}
	slices.Reverse(words[first:])
	return words
}

// isJWT reports whether a value has the shape of a JSON Web Token, three parts, or of
// an encrypted one, five. The first is the base64 of something that begins with {"
// (RFC 7519).
func isJWT(value string) bool {
	dots := strings.Count(value, ".")
	return strings.HasPrefix(value, "eyJ") && (dots == 2 || dots == 4)
}
