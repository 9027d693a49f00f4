package nylas

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// TrackingOptions switches the tracking of a message on. On a message, the
// three flags are always written; leave the whole struct nil to send without
// tracking, because trial accounts are refused even with all flags off.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
type TrackingOptions struct {
	// Opens puts an invisible image into the body. It needs an HTML body.
	Opens bool `json:"opens"`
	// Links replaces the https, mailto and tel links of the body, all of them or
	// none. It needs an HTML body with at most 100 such links.
	Links bool `json:"links"`
	// ThreadReplies reports replies in the thread. It needs a scope to read mail.
	ThreadReplies bool `json:"thread_replies"`
	// Label comes back in every tracking notification, at most 2048 characters. It
	// is the only value of yours that does, and is stored at Nylas: put an id into
	// it, not a secret.
	Label string `json:"label,omitzero"`
	// DomainName is a custom hostname of the organization for the links and the
	// image, in place of Nylas' own: ASCII, at most 253 characters, at least one
	// dot. It needs Opens or Links.
	DomainName string `json:"domain_name,omitzero"`
}

// The limits of TrackingOptions.
// https://developer.nylas.com/docs/v3/email/message-tracking/
const (
	maxLabelChars      = 2048
	maxDomainNameBytes = 253
	maxDomainPartBytes = 63 // RFC 1035, section 2.3.4
)

// check refuses what Nylas is documented to refuse.
func (o *TrackingOptions) check(op string) error {
	if o == nil {
		return nil
	}
	if err := checkChars(op, "TrackingOptions.Label", o.Label, maxLabelChars, ErrTrackingDataTooLarge); err != nil {
		return err
	}
	if o.DomainName == "" {
		return nil
	}
	if !o.Opens && !o.Links {
		return refuse(op, "TrackingOptions.DomainName needs Opens or Links; replies do not use it", ErrTrackingDomain)
	}
	if err := checkDomainName(o.DomainName); err != nil {
		return refuse(op, "TrackingOptions.DomainName "+err.Error(), ErrTrackingDomain)
	}
	return nil
}

// checkChars refuses a value with more characters than Nylas takes.
func checkChars(op, name, value string, limit int, matches ...error) error {
	if chars := utf8.RuneCountInString(value); chars > limit {
		return refuse(op, fmt.Sprintf("%s has %d characters, Nylas takes at most %d", name, chars, limit), matches...)
	}
	return nil
}

// checkDomainName takes what Nylas takes after trimming white space and one
// trailing dot.
func checkDomainName(name string) error {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".")
	if len(name) > maxDomainNameBytes {
		return fmt.Errorf("is longer than %d characters", maxDomainNameBytes)
	}
	parts := strings.Split(name, ".")
	if len(parts) < 2 {
		return errors.New("is not a full hostname: it has no dot")
	}
	for _, part := range parts {
		switch {
		case part == "" || len(part) > maxDomainPartBytes:
			return fmt.Errorf("has a part between dots that is empty or longer than %d characters", maxDomainPartBytes)
		case strings.HasPrefix(part, "-") || strings.HasSuffix(part, "-"):
			return errors.New("has a part that begins or ends with a hyphen")
		case strings.ContainsFunc(part, unfitForHost):
			return errors.New("has other characters than ASCII letters, digits, hyphens and dots: " +
				"want a hostname without scheme, port, path or wildcard")
		}
	}
	return nil
}

func unfitForHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
}
