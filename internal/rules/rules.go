// Package rules holds what Nylas is documented to demand of tracking options and
// tracked bodies. The client and package preflight share it.
package rules

import (
	"errors"
	"fmt"
	"strings"
)

// The limits of tracking.
// https://developer.nylas.com/docs/v3/email/message-tracking/
const (
	MaxLabelChars   = 2048
	MaxTrackedLinks = 100

	maxHostnameBytes     = 253
	maxHostnamePartBytes = 63 // RFC 1035, section 2.3.4
)

// CheckHostname returns what is wrong with a custom tracking hostname, as the end of
// a sentence that begins with its name. Like Nylas, it ignores white space around
// the name and one trailing dot.
func CheckHostname(name string) error {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".")
	if len(name) > maxHostnameBytes {
		return fmt.Errorf("is longer than %d characters", maxHostnameBytes)
	}
	parts := strings.Split(name, ".")
	if len(parts) < 2 {
		return errors.New("is not a full hostname: it has no dot")
	}
	for _, part := range parts {
		switch {
		case part == "" || len(part) > maxHostnamePartBytes:
			return fmt.Errorf("has a part between dots that is empty or longer than %d characters", maxHostnamePartBytes)
		case strings.HasPrefix(part, "-") || strings.HasSuffix(part, "-"):
			return errors.New("has a part that begins or ends with a hyphen")
		case strings.ContainsFunc(part, func(r rune) bool { return !IsHostnameChar(r) }):
			return errors.New("has other characters than ASCII letters, digits, hyphens and dots: " +
				"want a hostname without scheme, port, path or wildcard")
		}
	}
	return nil
}

// IsHostnameChar reports whether a part between the dots of a hostname may have a
// character.
func IsHostnameChar(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-'
}
