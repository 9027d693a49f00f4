package markup

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A value is a secret by its own looks, by its name, or by both:
//
//   - a JSON Web Token, or a key that begins as those of a known service do
//   - any value of a name that means nothing else, such as access_token
//   - a value that looks random, if its name can mean a secret (code, session), or if it
//     stands in or behind a path that names what is done once (reset-password)
//
// Random values alone are none: half of all links in mail have one, to count clicks.
//
// A name is taken apart into words, at case, punctuation and digits, and words that are
// known ones written together are taken apart too (resetpassword). So no word is found
// in another one (key in monkey, sig in design).

// wordClass is what a word in a name says.
type wordClass int

const (
	// wordKnown can come with the others and says nothing.
	wordKnown wordClass = 1 << iota
	// wordSecret makes each value of a parameter a secret, wherever it stands in the name.
	wordSecret
	// wordSignature makes a random value one, wherever it stands in the name.
	wordSignature
	// wordAlone makes a random value one, as the whole name.
	wordAlone
	// wordPurpose makes a random value one before "key", "code" or "hash": that of an
	// account_key, while those of a sort_key, a zip_code and a promo_code are none.
	wordPurpose
	// wordKeyPurpose makes each value one before "key".
	wordKeyPurpose
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
	case "token", "secret", "password", "passwd", "pwd", "passcode", "passphrase", "otp", "totp", "jwt", "hmac",
		"credential", "credentials", "bearer", "authorization":
		return wordKnown | wordSecret
	case "sig", "signature":
		return wordKnown | wordSignature
	case "key", "code", "ticket", "sid":
		return wordKnown | wordAlone
	case "session":
		return wordKnown | wordAlone | wordPurpose
	case "auth":
		return wordKnown | wordAlone | wordPurpose | wordKeyPurpose | wordPathAmongKnown
	case "invite", "invitation", "reset", "verify", "verification":
		return wordKnown | wordAlone | wordPurpose | wordPath
	case "resets", "verifications", "invites", "invitations":
		return wordKnown | wordPath
	case "confirm", "confirmation", "activate", "activation", "recovery", "login", "signin":
		return wordKnown | wordAlone | wordPurpose | wordPathAmongKnown
	case "magic", "recover", "sso", "unlock":
		return wordKnown | wordAlone | wordPathAmongKnown
	case "api", "access", "oauth", "private", "master", "shared", "signing", "encryption":
		return wordKnown | wordPurpose | wordKeyPurpose
	case "authentication", "backup", "security", "registration", "device", "pairing", "sms", "mfa", "license", "licence",
		"account", "time", "gift", "oob":
		return wordKnown | wordPurpose
	case "type", "hint", "name", "expires", "expiry", "expiration", "ttl", "version", "alg", "algorithm", "method", "policy",
		"length", "count", "format":
		return wordDescribes
	case "id", "hash", "email", "mail", "phone", "user", "signup", "sign", "in", "log", "link", "url", "accept", "new", "my", "your", "me",
		"change", "request", "complete", "register", "address", "identity", "pass", "csrf", "xsrf", "refresh", "one", "php", "asp", "j", "x",
		"sess", "client", "amz", "goog":
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
	path, query, fragment := firstBytes(u.EscapedPath()), firstBytes(u.RawQuery), firstBytes(u.EscapedFragment())
	redirects := isRedirect(path, query)
	secret, once := readPath(path)
	if secret || listHoldsSecret(query, once, redirects) {
		return true
	}
	path, isPath := strings.CutPrefix(strings.TrimPrefix(fragment, "!"), "/")
	if !isPath {
		return listHoldsSecret(fragment, once, redirects)
	}
	// So it is in programs that run in a browser.
	path, query, _ = strings.Cut(path, "?")
	secret, once = readPath(path)
	return secret || listHoldsSecret(query, once, redirects)
}

// maxPartBytes is how much of a path, a query or a fragment is looked at. Servers take no
// more: the limits of common ones are 8 kB for a request line (Apache, nginx).
const maxPartBytes = 8 << 10

func firstBytes(part string) string { return part[:min(len(part), maxPartBytes)] }

// listHoldsSecret looks at a list of parameters, which may stand behind the path of a
// link that works once.
// A redirect has signatures and keys of its own.
func listHoldsSecret(list string, once, redirects bool) bool {
	for pair := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		value, _, _ = strings.Cut(value, "?") // no part of it, but of what was put behind
		if isSwitch(value) || strings.Contains(value, "@") {
			continue
		}
		if isJWT(value) || isServiceKey(value) {
			return true
		}
		kind := kindOf(name)
		switch {
		case kind == nameOfSecret,
			kind == nameOfRandom && !redirects && isRandom(value),
			(kind == nameOfCode || once && kind != nameOfNothing) && (isShortRandom(value) || isNumericCode(value)),
			once && !isCampaign(name) && isShortRandom(value):
			return true
		}
	}
	return false
}

// isRedirect reports whether a path or a query has another URL in it, a parameter that is
// named for one, or encoded JSON, as links have that count clicks.
func isRedirect(path, query string) bool {
	if strings.Contains(path, "/eyJ") {
		return true
	}
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if name = strings.ToLower(name); strings.HasPrefix(name, "redirect") || name == "adurl" {
			return true
		}
		if strings.Contains(value, "%") {
			value, _ = url.QueryUnescape(value)
		}
		if strings.HasPrefix(value, "http:") || strings.HasPrefix(value, "https:") {
			return true
		}
	}
	return false
}

// readPath reports whether a path holds a secret, and whether it is that of a link that
// works once.
func readPath(segments string) (secret, once bool) {
	for segment := range strings.SplitSeq(segments, "/") {
		segment, parameters, _ := strings.Cut(segment, ";")
		switch {
		case isJWT(segment), isServiceKey(segment), listHoldsSecret(parameters, once, false),
			once && isShortRandom(segment):
			return true, once
		}
		// /confirm/terms.html is a page.
		once = isOneTimePath(segment) || once && path.Ext(segment) == ""
	}
	return false, once
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

// nameKind is what the name of a parameter says of its value.
type nameKind int

const (
	nameOfNothing nameKind = iota
	nameOfRandom           // it is a secret if it looks random
	nameOfCode             // the same, or if it looks like a code that somebody types
	nameOfSecret           // it is a secret
)

func kindOf(name string) nameKind {
	var room [maxNameWords]string
	parts := nameWords(room[:0], name)
	if len(parts) == 0 || classOf(parts[len(parts)-1]).is(wordDescribes) {
		return nameOfNothing
	}
	kind := nameOfNothing
	if class := classOf(parts[0]); len(parts) == 1 && class.is(wordAlone) {
		kind = nameOfRandom
		if class.is(wordPath | wordPathAmongKnown) {
			kind = nameOfCode
		}
	}
	before := ""
	for _, part := range parts {
		switch class := classOf(part); {
		case class.is(wordSecret), part == "key" && classOf(before).is(wordKeyPurpose):
			return nameOfSecret
		case class.is(wordSignature):
			if before == "amz" || before == "goog" { // X-Amz-Signature
				return nameOfSecret
			}
			kind = max(kind, nameOfRandom)
		case (part == "code" || part == "hash" || part == "key") && classOf(before).is(wordPurpose):
			kind = nameOfCode
		case part == "id" && (before == "session" || before == "sess"):
			kind = max(kind, nameOfRandom)
		}
		before = part
	}
	return kind
}

// isCampaign reports whether a parameter names a campaign, a click or a program. Its
// value can be random wherever a link leads.
func isCampaign(name string) bool {
	switch strings.ToLower(name) {
	case "gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "mc_cid", "mc_eid", "_hsenc", "_hsmi", "mkt_tok", "ref", "campaign", "client_id":
		return true
	default:
		return len(name) > 4 && strings.EqualFold(name[:4], "utm_")
	}
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
