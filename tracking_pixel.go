package nylas

import (
	"iter"
	"net"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/internal/anchors"
)

// isNylasTrackingHost tells whether Nylas serves tracked links and pixels from a
// host, now or for mail sent in former years.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
// https://developer.nylas.com/docs/new/release-notes/2023-04-18-message-tracking-changes.md
func isNylasTrackingHost(host string) bool {
	switch host {
	case "tracking.us.nylas.com", "tracking.eu.nylas.com", // v3
		"usw2.nyl.as", "euw1.nyl.as", // v2, from April 2023
		"t.nylas.com", "euw1.t.nylas.com": // v2, before
		return true
	default:
		return false
	}
}

// StripPixel removes every <img> that loads something from a tracking host of Nylas,
// or from one of hosts, and leaves every other byte as it was. Show sent mail
// through it, and an application does not count its own views as opens.
//
// An image loads its src or one of the candidates of its srcset; one candidate of
// such a host is enough. An <image> is an <img>, as HTML parsers read it. What else
// can load something, such as styles and other elements, is left as it is: Nylas
// puts no pixel there.
//
// Give the hostname of TrackingOptions.DomainName as a host, also one that is used
// no more. A host stands for itself only, on all its ports; case and one trailing
// dot make no difference. The body is read as by a mail client that runs no
// scripts: what noscript elements hold counts, what comments hold does not.
//
// There is no function that restores links: a tracked link does not contain its
// original target, which is known to Nylas alone. Keep the body as it was before
// sending, if the links are to be shown too. A click on a tracked link counts,
// whoever makes it.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func StripPixel(html string, hosts ...string) string {
	own := make([]string, len(hosts))
	for i, host := range hosts {
		own[i] = normalHost(host)
	}
	var (
		body   = []byte(html)
		out    []byte
		base   = 0 // where the scanner began in body
		copied = 0
		scan   = anchors.New(body)
	)
	scan.ReadNoscript()
	for scan.Next() {
		if !loadsFrom(scan, func(host string) bool { return isNylasTrackingHost(host) || slices.Contains(own, host) }) {
			continue
		}
		out = append(out, body[copied:base+scan.Start()]...)
		copied = base + scan.End()
		if n := len(out); n > 0 && out[n-1] == '<' {
			// The text before the image and what comes behind it can now be one tag,
			// which can be such an image too: it is read again from there.
			out = out[:n-1]
			copied--
			body[copied] = '<'
			base = copied
			scan = anchors.New(body[base:])
			scan.ReadNoscript()
		}
	}
	if copied == 0 {
		return html
	}
	return string(append(out, body[copied:]...))
}

// loadsFrom tells whether the current token of a scan is an image that may load
// from a host of the wanted ones.
func loadsFrom(scan *anchors.Scanner, wanted func(host string) bool) bool {
	switch scan.StartTag() {
	case atom.Img, atom.Image: // the second is read as the first
	default:
		return false
	}
	src, _ := scan.Attr("src")
	if host := hostOf(src); host != "" && wanted(host) {
		return true
	}
	srcset, _ := scan.Attr("srcset")
	for candidate := range candidates(srcset) {
		if host := hostOf(candidate); host != "" && wanted(host) {
			return true
		}
	}
	return false
}

// candidates returns the URLs of a srcset.
// https://html.spec.whatwg.org/multipage/images.html#parsing-a-srcset-attribute
func candidates(srcset string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			srcset = strings.TrimLeft(srcset, anchors.Space+",")
			if srcset == "" {
				return
			}
			end := strings.IndexAny(srcset, anchors.Space)
			if end < 0 {
				end = len(srcset)
			}
			candidate := srcset[:end]
			srcset = srcset[end:]
			url := strings.TrimRight(candidate, ",")
			if !yield(url) {
				return
			}
			if url == candidate {
				srcset = srcset[descriptorsLength(srcset):]
			}
		}
	}
}

// descriptorsLength returns how long what stands behind the URL of a candidate is:
// up to a comma that is not in brackets.
func descriptorsLength(srcset string) int {
	inBrackets := false
	for i := range len(srcset) {
		switch c := srcset[i]; {
		case c == '(':
			inBrackets = true
		case c == ')':
			inBrackets = false
		case c == ',' && !inBrackets:
			return i
		}
	}
	return len(srcset)
}

// hostOf returns the host of an absolute http or https URL, or of one that leaves
// out only the scheme, as a browser reads it; otherwise "".
func hostOf(rawURL string) string {
	rawURL = strings.TrimLeftFunc(rawURL, func(r rune) bool { return r <= ' ' })
	if len(rawURL) > 5 && strings.EqualFold(rawURL[:5], "data:") {
		return "" // it can be as long as an image
	}
	rest, absolute := rawURL, false
	if strings.ContainsAny(rest, "\t\n\r\\") {
		rest = browserURL.Replace(rest)
	}
	for _, scheme := range []string{"https:", "http:"} {
		if len(rest) >= len(scheme) && strings.EqualFold(rest[:len(scheme)], scheme) {
			rest, absolute = rest[len(scheme):], true
			break
		}
	}
	if !absolute && !strings.HasPrefix(rest, "//") {
		return ""
	}
	rest = strings.TrimLeft(rest, "/")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if strings.Contains(rest, ":") {
		if host, _, err := net.SplitHostPort(rest); err == nil {
			rest = host
		}
	}
	if host, err := url.PathUnescape(rest); err == nil {
		rest = host
	}
	return normalHost(rest)
}

// browserURL does what browsers do to an http or https URL first: they drop line
// ends and tabs, and take \ for /.
var browserURL = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/")

// normalHost returns a host in the form in which hosts are compared.
func normalHost(host string) string {
	host = strings.Trim(strings.TrimSpace(host), "[]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
