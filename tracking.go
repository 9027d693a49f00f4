package nylas

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// TrackingOptions turns on the tracking of a message. The three flags are always part
// of the request. To send without tracking, leave the whole struct nil: Nylas refuses
// it from trial accounts even if all flags are off.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
type TrackingOptions struct {
	// Opens adds an invisible image to the body. It needs an HTML body.
	Opens bool `json:"opens"`
	// Links replaces all https, mailto and tel links of the body. It needs an HTML body
	// with at most 100 of them.
	Links bool `json:"links"`
	// ThreadReplies reports replies in the thread. It needs a scope to read mail.
	ThreadReplies bool `json:"thread_replies"`
	// Label is part of every tracking notification, and the only value of yours that
	// is. It has at most 2048 characters. Nylas stores it, so use an id and not a
	// secret; [EncodeLabel] puts several ids into one label.
	Label string `json:"label,omitzero"`
	// DomainName is a custom hostname of the organization for the links and the image.
	// It is ASCII, with at least one dot and at most 253 characters. It needs Opens or
	// Links. Empty means Nylas' own host.
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
func (o *TrackingOptions) check(op *operation) error {
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
func checkChars(op *operation, name, value string, limit int, matches ...error) error {
	if chars := utf8.RuneCountInString(value); chars > limit {
		return refuse(op, fmt.Sprintf("%s has %d characters, Nylas takes at most %d", name, chars, limit), matches...)
	}
	return nil
}

// checkDomainName checks a hostname as Nylas does, which first trims white space and one
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
