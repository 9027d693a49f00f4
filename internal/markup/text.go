package markup

import (
	"iter"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/publicsuffix"

	"github.com/nylastrack/nylas-go/internal/rules"
)

// commonTLDs are the last parts of names that a text without a scheme is taken
// for a host by. Those that are also the ends of file names are left out.
var commonTLDs = []string{
	"ae", "ai", "app", "at", "au", "be", "bg", "biz", "br", "ca", "ch", "cl", "cloud", "cn", "co", "com", "cz", "de", "dev", "dk", "edu", "es",
	"eu", "fi", "fr", "gov", "gr", "hk", "hr", "hu", "ie", "il", "in", "info", "io", "it", "jp", "kr", "lt", "lu", "lv", "me", "mx", "net", "ng",
	"nl", "no", "nz", "online", "org", "pl", "pt", "ro", "ru", "se", "sg", "shop", "sk", "tr", "tw", "ua", "uk", "us", "vn", "za",
}

// fileTLDs are those of commonTLDs that files have too: drawings, programs and scripts.
var fileTLDs = []string{"ai", "app", "pl"}

// notHosts are products whose names read like hosts.
var notHosts = []string{"asp.net", "ado.net", "ml.net", "vb.net"}

// ShownHosts returns the hosts that the text of a link names. A text such as logo.ai
// names a file, not a host, if the target is a file of that name.
func ShownHosts(text string, target *url.URL) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !strings.Contains(text, ".") {
			return
		}
		text = invisible.Replace(text)
		whole := strings.TrimFunc(text, func(r rune) bool { return separatesHosts(r) || isEndOfSentence(r) || isDash(r) })
		for word := range strings.FieldsFuncSeq(text, separatesHosts) {
			word = strings.TrimFunc(word, isDash)
			name := strings.TrimRightFunc(word, isEndOfSentence)
			cutOff := strings.HasPrefix(word[len(name):], "..") || strings.HasPrefix(word[len(name):], "…")
			if host := shownHost(name, name == whole, cutOff, target); host != "" && !yield(host) {
				return
			}
		}
	}
}

// invisible takes out what is not shown within a word: soft hyphens, and spaces
// without width.
var invisible = strings.NewReplacer("\u00ad", "", "\u200b", "", "\u200c", "", "\u200d", "", "\u2060", "", "\ufeff", "")

// separatesHosts tells what stands around a host in a sentence: white space,
// brackets, quotes, symbols, and letters of writing that has no spaces.
func separatesHosts(r rune) bool {
	switch {
	case r < unicode.MaxASCII:
		return r <= ' ' || strings.ContainsRune(`"'<>()[]{}|*`, r)
	case r == '…':
		return false
	}
	return !unicode.In(r, unicode.Letter, unicode.Mark, unicode.Number) || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// isDash tells what stands before or behind a host for a dash or as a mark: --acme.dev.
func isDash(r rune) bool { return strings.ContainsRune("-_=+~", r) }

func isEndOfSentence(r rune) bool { return strings.ContainsRune(".,;:!?…", r) }

// shownHost returns the host that a word names, or "". A word that is the whole text
// is taken for one more easily, and one that is cut off only if the host is not.
func shownHost(word string, whole, cutOff bool, target *url.URL) string {
	host := HostOf(word)
	hasScheme := host != ""
	end := len(word)
	if hasScheme {
		_, rest, _ := strings.Cut(word, "//")
		cutOff = cutOff && !strings.ContainsAny(rest, "/?#")
	} else {
		if mark := strings.IndexAny(word, "/?#:"); mark >= 0 {
			end, cutOff = mark, false
		}
		host = NormalHost(word[:end])
	}
	if cutOff || !IsHostname(host) { // such as one with an @, which is an address
		return ""
	}
	if hasScheme || strings.HasPrefix(host, "www.") && strings.Count(host, ".") > 1 {
		return host
	}
	name := word[:end]
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch tld := strings.ToLower(last); {
	case !slices.Contains(commonTLDs, tld), slices.Contains(notHosts, host):
		return ""
	case slices.Contains(fileTLDs, tld) && target != nil && strings.EqualFold(name, path.Base(target.Path)):
		return ""
	case !whole && beginsSentence(last) && strings.ToUpper(name) != name:
		return ""
	}
	return host
}

// beginsSentence reports whether the last part of a name is rather the first word of a
// sentence, after a full stop without a space: "today.It".
func beginsSentence(last string) bool { return len(last) == 2 && unicode.IsUpper(rune(last[0])) }

// IsHostname reports whether a host has the form of a full name, with dots.
func IsHostname(host string) bool {
	return strings.Contains(host, ".") && !strings.HasPrefix(host, ".") && !strings.Contains(host, "..") &&
		!strings.Contains(host, "-.") && !strings.Contains(host, ".-") &&
		!strings.ContainsFunc(host, func(r rune) bool { return r < 0x80 && r != '.' && !rules.IsHostnameChar(r) })
}

// Related reports whether two hosts belong to the same owner: whether they have the
// same registrable domain, such as acme.co.uk. A name of other letters has two
// forms, which are not compared; but none of them is a name of ASCII letters.
func Related(a, b string) bool {
	if isInternational(a) && isInternational(b) {
		return true
	}
	return registrable(a) == registrable(b)
}

// registrable returns the part of a host that somebody registered, or the host if
// it has none.
func registrable(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	if domain, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return domain
	}
	return strings.TrimPrefix(host, "www.")
}

func isInternational(host string) bool {
	return strings.Contains(host, "xn--") || strings.ContainsFunc(host, func(r rune) bool { return r >= 0x80 })
}
