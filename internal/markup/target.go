package markup

import (
	"net/url"
	"strings"
	"unicode"
)

// Class is what is known about the tracking of a target.
type Class int

// The classes of targets.
const (
	// Eligible targets are tracked.
	Eligible Class = iota
	// BadURI is not a valid URI, or has nothing behind its scheme.
	BadURI
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
	// url.Parse lets control characters pass in fragments.
	if strings.ContainsAny(href, " \"<>\\^`{|}") || strings.ContainsFunc(href, unicode.IsControl) {
		return BadURI, nil
	}
	u, err := url.Parse(href)
	if err != nil {
		return BadURI, nil
	}
	hasPassword := false
	if u.User != nil {
		password, set := u.User.Password()
		hasPassword = set && password != "" && u.User.Username() != ""
	}
	switch u.Scheme {
	case "https", "http":
		switch {
		case u.Hostname() == "":
			return BadURI, u
		case hasPassword:
			return Credentials, u
		case u.Scheme == "http":
			return HTTP, u
		case u.User != nil:
			return UserInfo, u
		}
		return Eligible, u
	case "mailto", "tel":
		switch {
		case u.Opaque != "":
			return Eligible, u
		case u.Scheme == "mailto" && u.Host == "" && u.Path == "" && u.RawQuery != "":
			return NoAddress, u
		}
		return BadURI, u
	default:
		return UnsupportedScheme, u
	}
}

// Trackable reports whether Nylas is documented to track a target, where tracked links
// may also have custom hosts.
func Trackable(href string, customHosts ...string) bool {
	class, u := Classify(href)
	return class == Eligible && !IsWrapped(u, customHosts...)
}
