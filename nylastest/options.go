package nylastest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Option changes what a [Server] does.
type Option interface {
	apply(*config) error
}

type optionFunc func(*config) error

func (f optionFunc) apply(c *config) error { return f(c) }

// config is what the options make; it never changes after [Start].
type config struct {
	trial           bool
	hardDelete      bool
	strict          bool
	readings        Readings
	trackingDomains map[string]bool // normalised
	sendingDomains  map[string]bool // normalised
	retryDelays     [maxAttempts - 1]time.Duration
	network         *Network // nil: loopback, or address
	address         string
	compressed      bool   // all deliveries are
	statePath       string // empty: nothing is kept
	stateFailed     func(error)
	rateLimits      bool
	seed            uint64
	agentSends      int // a second, of all Agent Accounts; 0 for any number
}

// WithTrial makes the application a trial one: every send with tracking_options
// is refused, even with an empty object, as Nylas refuses it.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
func WithTrial() Option {
	return optionFunc(func(c *config) error {
		c.trial = true
		return nil
	})
}

// WithHardDelete turns on what is called "Enable hard delete" in the Nylas Dashboard: a
// message can be deleted for good, with hard_delete=true. Without the option that is refused,
// with a text that Nylas does not document. What was sent is still tracked.
//
// https://developer.nylas.com/docs/reference/api/messages/delete-message/
func WithHardDelete() Option {
	return optionFunc(func(c *config) error {
		c.hardDelete = true
		return nil
	})
}

// WithStrictRequests makes the server refuse what Nylas does not document: a field of
// a request body, a query parameter, or a query parameter that is given twice. The
// answer is 400, and its message names what is refused, a field by its JSON pointer.
// Without the option such names are ignored, and the last value of a repeated
// parameter counts, as at Nylas. [NewServer] has the option always.
func WithStrictRequests() Option {
	return optionFunc(func(c *config) error {
		c.strict = true
		return nil
	})
}

// WithTrackingDomains registers custom tracking hostnames: those that
// tracking_options.domain_name may name. Without the option every domain_name is
// refused. A hostname is ASCII, has at least one dot and at most 253 characters,
// and neither scheme, port nor path; [Start] fails for another one.
//
// The rewritten URLs use the hostname and the port of the server. Only
// [Server.HTTPClient] and the recipients resolve it.
func WithTrackingDomains(hostnames ...string) Option {
	return optionFunc(func(c *config) error {
		for _, hostname := range hostnames {
			name := normalHostname(hostname)
			if !validHostname(name) {
				return fmt.Errorf("nylastest: tracking domain %q is not a hostname with a dot", hostname)
			}
			c.trackingDomains[name] = true
		}
		return nil
	})
}

// WithSendingDomains registers domains for transactional sends: those that the
// path may name, and to which the address in from must belong. Without the option
// every transactional send is refused. What is a tracking domain is another
// thing. [Start] fails for what is not a hostname with a dot.
//
// https://developer.nylas.com/docs/reference/api/transactional-send/send-transactional-email/
func WithSendingDomains(domains ...string) Option {
	return optionFunc(func(c *config) error {
		for _, domain := range domains {
			name := normalHostname(domain)
			if !validHostname(name) {
				return fmt.Errorf("nylastest: sending domain %q is not a hostname with a dot", domain)
			}
			c.sendingDomains[name] = true
		}
		return nil
	})
}

// WithRetryDelays sets how long the second attempt to deliver a notification
// waits after the first one failed, and the third after the second. The default
// is 5 and 10 minutes, because Nylas' last attempt comes 10 to 20 minutes after
// the first. The Retry-After of a 429 takes the place of either. Do not make them shorter
// than 5 seconds in a test that rotates a secret: a Receiver looks for a new one that seldom.
//
// https://developer.nylas.com/docs/v3/notifications/
func WithRetryDelays(second, third time.Duration) Option {
	return optionFunc(func(c *config) error {
		if second < 0 || third < 0 {
			return errors.New("nylastest: a retry delay is negative")
		}
		c.retryDelays = [...]time.Duration{second, third}
		return nil
	})
}

// WithCompression compresses every delivery, whatever the compressed_delivery of its webhook says,
// for programs that cannot ask for it.
//
// https://developer.nylas.com/docs/v3/notifications/
func WithCompression() Option {
	return optionFunc(func(c *config) error {
		c.compressed = true
		return nil
	})
}

// WithNetwork puts the server on a network in memory: it listens there, delivers
// webhooks through it, and its recipients act through it. Only this makes it work
// inside a testing/synctest bubble.
func WithNetwork(network *Network) Option {
	return optionFunc(func(c *config) error {
		if network == nil {
			return errors.New("nylastest: the network is nil")
		}
		c.network = network
		return nil
	})
}

// WithReadings chooses how the server reads what Nylas' pages leave open.
func WithReadings(readings Readings) Option {
	return optionFunc(func(c *config) error {
		c.readings = readings
		return nil
	})
}

// Readings are the choices that Nylas' pages leave open, because they are silent
// or contradict each other. The zero value is the default; a consumer of
// notifications should be right under all of them.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
type Readings struct {
	// PositionalIDs makes opened_id and click_id the position in recents, 0 to
	// 49, so that an event's id changes once there were more than 50. By default
	// ids keep growing.
	PositionalIDs bool
	// OmitUncountedOpens neither lists nor notifies an open that comes within a
	// minute of the last counted one. By default it is listed and notified, and
	// only the count stays.
	OmitUncountedOpens bool
	// ClickedLinkOnly makes link_data hold the clicked link alone. By default it
	// holds all tracked links of the message, in the order of their index.
	ClickedLinkOnly bool
	// ClickRecentsPerMessage gives all links of a message one list of recents and
	// one sequence of click ids. By default each link has its own.
	ClickRecentsPerMessage bool
	// WebhookListLag is how far the list of webhooks is behind: it shows what there
	// was so long ago, while every other request sees what there is. By default it
	// is up to date.
	WebhookListLag time.Duration
	// UniqueWebhookURLs refuses a second webhook for a URL, with a text of the
	// emulator's own. By default there can be several: Nylas says that each should
	// have a URL of its own, and not what happens otherwise.
	UniqueWebhookURLs bool
	// ScheduleOnTop answers a scheduled send with 202 and the schedule id at the
	// top level. By default it is 200 and the id is in data.
	ScheduleOnTop bool
	// SchedulesBare answers requests for schedules with the bare array, or the bare
	// schedule, as the reference shows them. By default they are in data, which is all
	// that Nylas' command-line program and most of its SDKs read.
	SchedulesBare bool
	// DraftUpdateReplaces empties what the update of a draft leaves out, other than
	// its tracking options. By default it stays as it was.
	DraftUpdateReplaces bool
	// KeepDisconnectedKey keeps the Idempotency-Key of a send whose client disconnects
	// while the send runs: the key is in progress until the send has ended, and then its
	// answer is repeated. By default the key is cleared at the disconnect, so that the
	// next request with it is carried out by itself. A send that has ended keeps its key
	// in any case.
	//
	// https://developer.nylas.com/docs/changelogs/2026-09-28-send-imap-and-scheduler-fixes/
	KeepDisconnectedKey bool
	// StopDisconnectedSend sends nothing if the client has disconnected before the mail
	// goes to the provider. By default the mail is sent. Together with
	// KeepDisconnectedKey the key stays in progress for good, as it did at Nylas before
	// September 2026.
	StopDisconnectedSend bool
}

// maxHostname is the longest domain_name, by Nylas' OpenAPI description.
const maxHostname = 253

// normalHostname does to a domain_name what Nylas does before it looks it up.
func normalHostname(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

func validHostname(s string) bool {
	if len(s) > maxHostname || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}
