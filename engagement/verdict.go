package engagement

import (
	"fmt"
	"strings"
	"time"
)

// Verdict is what can be said of one event: which machinery made the request, whether a
// person was behind it, how sure that is, and why. Those are different questions. The
// machinery is often known, the person often not.
//
// The zero Verdict says nothing.
type Verdict struct {
	// Mechanism is the machinery that made the request.
	Mechanism Mechanism
	// Vendor is who runs that machinery, such as "Google". It is empty if nobody can
	// tell, and for ordinary browsers.
	Vendor string
	// Network is the network that the request came from, as [Classifier.Network]
	// names it.
	Network string
	// Actor is who was behind the event.
	Actor Actor
	// Confidence says how sure Actor is. Of an Indeterminate actor it says how sure
	// Mechanism is. It is never Certain if Actor is Human.
	Confidence Confidence
	// Proxied says whether a proxy hides the address and the device of the reader.
	Proxied Answer
	// Prefetched says whether the content was loaded before somebody displayed it.
	Prefetched Answer
	// Hides is how long after the event a real open may be invisible. Nylas counts only
	// the first of several loads within a minute, so a load by a machine may hide that
	// of a person. It is 0 if the event hides nothing.
	//
	// https://developer.nylas.com/docs/reference/notifications/message-tracking/message-opened/
	Hides time.Duration
	// ProvisionalUntil is when the verdict is final. Before that, events which are
	// still on their way can change it: the other clicks of a burst, for instance. It
	// is the zero Time if no other event can change the verdict, or if the event has no
	// time.
	ProvisionalUntil time.Time
	// Rules is the date of the rules that judged, such as "2026-11-29".
	Rules string
	// Reasons says why. There is at least one, and the most important comes first.
	Reasons []Reason
}

// String returns the verdict as one line, such as "gmail-proxy: human (medium)".
func (v Verdict) String() string {
	return fmt.Sprintf("%s: %s (%s)", v.Mechanism, v.Actor, v.Confidence)
}

// Provisional reports whether events that are still on their way can change the verdict
// at the given time.
func (v Verdict) Provisional(now time.Time) bool { return now.Before(v.ProvisionalUntil) }

// Has reports whether the verdict has a reason with the given code.
func (v Verdict) Has(code string) bool { return hasReason(v.Reasons, code) }

// Reason is one reason for a verdict or a summary.
type Reason struct {
	// Code is stable, for programs. The Code constants are those that the package gives
	// by itself; the others are the codes of [Rules].
	Code string
	// Text is a sentence for people.
	Text string
}

// String returns the sentence.
func (r Reason) String() string { return r.Text }

func hasReason(reasons []Reason, code string) bool {
	for _, reason := range reasons {
		if reason.Code == code {
			return true
		}
	}
	return false
}

// Sentences joins the sentences of reasons with spaces.
func Sentences(reasons []Reason) string {
	texts := make([]string, len(reasons))
	for i, reason := range reasons {
		texts[i] = reason.Text
	}
	return strings.Join(texts, " ")
}

// Mechanism names the machinery that made a request. Rules may add names of their own.
type Mechanism string

// The mechanisms of the built-in rules.
const (
	AppleMPP        Mechanism = "apple-mpp"        // Apple Mail Privacy Protection, which loads images unseen
	GmailProxy      Mechanism = "gmail-proxy"      // Gmail's image proxy, when a message is displayed
	GmailPrefetch   Mechanism = "gmail-prefetch"   // Gmail loading images before a message is displayed
	YahooProxy      Mechanism = "yahoo-proxy"      // the image proxy of Yahoo and AOL
	MailProxy       Mechanism = "mail-proxy"       // the image proxy of another mail service
	Outlook         Mechanism = "outlook"          // Outlook on a desktop or a phone
	MailClient      Mechanism = "mail-client"      // another mail client
	Browser         Mechanism = "browser"          // a browser, or a program that poses as one
	SecurityScanner Mechanism = "security-scanner" // a filter that looks for malicious mail
	LinkPreview     Mechanism = "link-preview"     // a chat or a social network that shows a link
	Program         Mechanism = "program"          // a script or a library
	Robot           Mechanism = "robot"            // a crawler, or an agent that calls itself a robot
	AppRuntime      Mechanism = "app-runtime"      // the network code of an operating system
	NoAgent         Mechanism = "no-agent"         // the request named no user agent
	UnknownAgent    Mechanism = "unknown-agent"    // the user agent is in no list
	ReplyMail       Mechanism = "reply"            // a reply to the message
	AutoReply       Mechanism = "auto-reply"       // a reply that a program wrote
)

// Actor says who was behind an event. The zero value is [Indeterminate].
type Actor uint8

// The actors.
const (
	// Indeterminate means that nobody can tell. It is a normal answer.
	Indeterminate Actor = iota
	Human
	Machine
	// Self is the sender of the message.
	Self
)

var actorNames = []string{"indeterminate", "human", "machine", "self"}

// String returns "indeterminate", "human", "machine" or "self".
func (a Actor) String() string { return nameOf(actorNames, "Actor", uint8(a)) }

// MarshalText returns what String returns, or an error if a is none of the constants.
func (a Actor) MarshalText() ([]byte, error) { return textOf(actorNames, "actor", uint8(a)) }

// UnmarshalText accepts what MarshalText returns.
func (a *Actor) UnmarshalText(text []byte) error {
	i, err := indexOf(actorNames, "actor", text)
	*a = Actor(i)
	return err
}

// Confidence says how sure a verdict is. Greater is surer.
type Confidence uint8

// The levels of confidence.
const (
	Low     Confidence = iota // a weak sign, or signs that disagree
	Medium                    // one good sign
	High                      // several signs, or one that is hardly ever wrong
	Certain                   // the vendor's own document, or an agent that names itself
)

var confidenceNames = []string{"low", "medium", "high", "certain"}

// String returns "low", "medium", "high" or "certain".
func (c Confidence) String() string { return nameOf(confidenceNames, "Confidence", uint8(c)) }

// MarshalText returns what String returns, or an error if c is none of the constants.
func (c Confidence) MarshalText() ([]byte, error) {
	return textOf(confidenceNames, "confidence", uint8(c))
}

// UnmarshalText accepts what MarshalText returns.
func (c *Confidence) UnmarshalText(text []byte) error {
	i, err := indexOf(confidenceNames, "confidence", text)
	*c = Confidence(i)
	return err
}

// Answer is the answer to a question that often has none. The zero value is [Unknown].
type Answer uint8

// The answers.
const (
	Unknown Answer = iota
	Yes
	No
)

var answerNames = []string{"unknown", "yes", "no"}

// String returns "unknown", "yes" or "no".
func (a Answer) String() string { return nameOf(answerNames, "Answer", uint8(a)) }

// MarshalText returns what String returns, or an error if a is none of the constants.
func (a Answer) MarshalText() ([]byte, error) { return textOf(answerNames, "answer", uint8(a)) }

// UnmarshalText accepts what MarshalText returns.
func (a *Answer) UnmarshalText(text []byte) error {
	i, err := indexOf(answerNames, "answer", text)
	*a = Answer(i)
	return err
}

func nameOf(names []string, kind string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}

func textOf(names []string, kind string, i uint8) ([]byte, error) {
	if int(i) < len(names) {
		return []byte(names[i]), nil
	}
	return nil, fmt.Errorf("engagement: %d is no %s", i, kind)
}

func indexOf(names []string, kind string, text []byte) (uint8, error) {
	for i, name := range names {
		if name == string(text) {
			return uint8(i), nil //nolint:gosec // the lists of names are short
		}
	}
	return 0, fmt.Errorf("engagement: %.40q is no %s: use one of %s", text, kind, strings.Join(names, ", "))
}
