package nylas

import (
	"slices"

	"github.com/nylastrack/nylas-go/internal/markup"
	"github.com/nylastrack/nylas-go/internal/rules"
	"github.com/nylastrack/nylas-go/preflight"
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

// CheckTracking is [preflight.Check] for a request: it reports what Nylas will make of
// each link, and what the sender should know. It sends nothing and does not change the
// request. A nil request has an empty report.
//
// [MessageService.Send] does not make these checks: call CheckTracking before it.
func CheckTracking(req *SendMessageRequest) *preflight.Report { return preflight.Check(mailOf(req)) }

// mailOf returns what a check needs to know of a request.
func mailOf(req *SendMessageRequest) preflight.Mail {
	if req == nil {
		return preflight.Mail{}
	}
	mail := preflight.Mail{
		Body:       req.Body,
		Plaintext:  req.IsPlaintext,
		Template:   req.Template != nil,
		Signature:  req.SignatureID != "",
		Senders:    addresses(req.From),
		Recipients: addresses(req.To, req.CC, req.BCC),
	}
	if o := req.TrackingOptions; o != nil {
		mail.Opens, mail.Links, mail.Label, mail.DomainName = o.Opens, o.Links, o.Label, o.DomainName
	}
	return mail
}

func addresses(lists ...[]Participant) []string {
	var all []string
	for _, list := range lists {
		for _, participant := range list {
			all = append(all, participant.Email)
		}
	}
	return all
}

// StripPixel removes every <img> that loads something from a tracking host of Nylas or
// from one of hosts, and every pixel of package nylastest. It leaves every other byte as
// it was. Pass sent mail through it before you show it, so that your application does not
// count its own views as opens.
//
// Pass the hostname of TrackingOptions.DomainName in hosts, and any that you used
// before. A host matches on all its ports. It does not match its subdomains. Case and one
// trailing dot make no difference.
//
// StripPixel looks at src and srcset of each <img> and <image>; one URL on a tracking
// host is enough. It ignores everything else that can load an image, such as styles,
// because Nylas puts no pixel there. It reads the body like a mail client without
// scripts: images in noscript elements count, images in comments do not.
//
// StripPixel does not restore links, because only Nylas knows the target of a tracked
// link. To show the links too, keep the body from before the send. A click on a tracked
// link counts, whoever makes it.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func StripPixel(html string, hosts ...string) string {
	own := make([]string, len(hosts))
	for i, host := range hosts {
		own[i] = markup.NormalHost(host)
	}
	var (
		body   = []byte(html)
		out    []byte
		base   = 0 // where the scanner began in body
		copied = 0
		scan   = markup.New(body)
	)
	scan.ReadNoscript()
	for scan.Next() {
		if !markup.IsEmulatorPixel(scan) &&
			!markup.LoadsFrom(scan, func(host string) bool { return markup.IsNylasTrackingHost(host) || slices.Contains(own, host) }) {
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
			scan = markup.New(body[base:])
			scan.ReadNoscript()
		}
	}
	if copied == 0 {
		return html
	}
	return string(append(out, body[copied:]...))
}
