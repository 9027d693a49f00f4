package preflight

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// maxPort is the highest port of TCP. https://www.rfc-editor.org/rfc/rfc9293#section-3.1
const maxPort = 65535

// hasPlaceholder reports whether a target was to be replaced before the mail is sent: it holds
// something of a template, a name such as __URL__, or a word such as TODO in place of the
// host or of all of it.
func hasPlaceholder(target string, u *url.URL) bool {
	host := strings.TrimSpace(target)
	if u != nil && u.Host != "" {
		host = u.Hostname()
	}
	return markup.HasPlaceholder(target) || isReminder(host) || holdsUnderlined(target)
}

// isReminder reports whether a text is a word by which writers remind themselves. No host on
// the Internet has such a name, because it has no dot.
func isReminder(text string) bool {
	switch strings.ToLower(text) {
	case "todo", "tbd", "fixme", "changeme", "xxx":
		return true
	default:
		return false
	}
}

// holdsUnderlined reports whether a whole part of a target is a name between two underscores on
// each side, in capitals: lower case is that of Python's documentation, such as __init__.
func holdsUnderlined(target string) bool {
	if !strings.Contains(target, "__") {
		return false
	}
	for part := range strings.FieldsFuncSeq(target, func(r rune) bool { return strings.ContainsRune("/?&=#:;,", r) }) {
		name, before := strings.CutPrefix(part, "__")
		name, behind := strings.CutSuffix(name, "__")
		if before && behind && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" && strings.Trim(name, "0123456789_-") != "" {
			return true
		}
	}
	return false
}

// isBadPort reports whether a URL has a port that no server can have. By the letter of RFC 3986
// it is a URI, and browsers do not follow it.
// https://url.spec.whatwg.org/#port-state
func isBadPort(u *url.URL) bool {
	if u == nil || u.Port() == "" {
		return false
	}
	port, err := strconv.Atoi(u.Port())
	return err != nil || port < 1 || port > maxPort
}
