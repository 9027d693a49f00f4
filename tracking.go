package nylas

import (
	"github.com/nylastrack/nylas-go/internal/rules"
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

// check refuses what Nylas is documented to refuse.
func (o *TrackingOptions) check(op *operation) error {
	if o == nil {
		return nil
	}
	if err := checkChars(op, "TrackingOptions.Label", o.Label, rules.MaxLabelChars, ErrTrackingDataTooLarge); err != nil {
		return err
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
