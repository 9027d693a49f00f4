package markup

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// IsNylasTrackingHost reports whether Nylas serves tracked links and pixels from a
// host, now or for mail sent in former years.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
// https://developer.nylas.com/docs/new/release-notes/2023-04-18-message-tracking-changes.md
func IsNylasTrackingHost(host string) bool {
	switch host {
	case "tracking.us.nylas.com", "tracking.eu.nylas.com", // v3
		"usw2.nyl.as", "euw1.nyl.as", // v2, from April 2023
		"t.nylas.com", "euw1.t.nylas.com": // v2, before
		return true
	default:
		return false
	}
}

// The paths of the pixels and links of package nylastest, on whatever host it runs.
// Nylas does not document its own.
const (
	EmulatorPixelPath = "/nylastest/pixel/"
	EmulatorLinkPath  = "/nylastest/link/"
)

// IsWrapped reports whether a target already leads through tracking: that of Nylas, on
// its own hosts or on custom ones, or that of package nylastest. Nylas does not wrap such
// a link again (its changelog of 2026-11-12). It does not say which hosts it knows; these
// are all that serve its tracking.
func IsWrapped(target *url.URL, customHosts ...string) bool {
	if target.Scheme != "https" && target.Scheme != "http" {
		return false
	}
	host := NormalHost(target.Hostname())
	return IsNylasTrackingHost(host) || strings.HasPrefix(target.Path, EmulatorLinkPath) ||
		slices.ContainsFunc(customHosts, func(custom string) bool { return host != "" && host == NormalHost(custom) })
}

// IsDenylisted reports whether Nylas is documented to reject tracked links to a host. It
// names no other host, and does not say whether names under this one are on its list.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func IsDenylisted(host string) bool { return host == "example.com" }

// HostOf returns the host of an absolute http or https URL, or of one that leaves
// out only the scheme, as a browser reads it; otherwise "".
func HostOf(rawURL string) string {
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
	return NormalHost(rest)
}

// browserURL does what browsers do to an http or https URL first: they drop line
// ends and tabs, and take \ for /.
var browserURL = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/")

// NormalHost returns a host in the form in which hosts are compared.
func NormalHost(host string) string {
	host = strings.Trim(strings.TrimSpace(host), "[]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// IsWithin reports whether a host is a domain or a name under it.
func IsWithin(host, domain string) bool {
	rest, ok := strings.CutSuffix(host, domain)
	return ok && (rest == "" || strings.HasSuffix(rest, "."))
}
