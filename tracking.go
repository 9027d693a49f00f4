package nylas

import (
	"fmt"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/internal/rules"
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

// check refuses what Nylas is documented to refuse.
func (o *TrackingOptions) check(op string) error {
	if o == nil {
		return nil
	}
	if chars := utf8.RuneCountInString(o.Label); chars > rules.MaxLabelChars {
		reason := fmt.Sprintf("TrackingOptions.Label has %d characters, Nylas takes at most %d", chars, rules.MaxLabelChars)
		return refuse(op, reason, ErrTrackingDataTooLarge)
	}
	if o.DomainName == "" {
		return nil
	}
	if !o.Opens && !o.Links {
		return refuse(op, "TrackingOptions.DomainName needs Opens or Links; replies do not use it", ErrTrackingDomain)
	}
	if err := rules.CheckHostname(o.DomainName); err != nil {
		return refuse(op, "TrackingOptions.DomainName "+err.Error(), ErrTrackingDomain)
	}
	return nil
}
