package nylastest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Cause says who was behind an event.
type Cause string

// The causes of events.
const (
	ByPerson  Cause = "person"  // somebody who got the message
	ByMachine Cause = "machine" // a program, without a person who looked or clicked
	BySender  Cause = "sender"  // the sender of the message
)

// Happened is one open, click or reply as it really was. Nylas notifies less of it: it has
// neither cause nor mechanism.
type Happened struct {
	Kind      string // "open", "click" or "reply"
	LinkIndex int    // of a click, else -1
	ReplyID   string // of a reply, the message that replied

	Cause Cause
	// Mechanism is what made the request, by the names of package engagement, such as
	// "browser", "apple-mpp" or "security-scanner".
	Mechanism string

	At        time.Time
	IP        string // empty for a reply, as UserAgent
	UserAgent string
}

// The kinds of what happens.
const (
	kindOpen  = "open"
	kindClick = "click"
	kindReply = "reply"
)

// Behaviour is how somebody, or something on the way to him, treats a message. [Browser],
// [AppleMail], [SafeLinks] and the other functions of this package return behaviours, and
// [Server.Receive] carries them out. The zero Behaviour does nothing.
//
// A behaviour does the same each time. Without a seed it does what is likely. With a seed it
// also varies what is done and when, the addresses and the user agents, so that many
// messages with a seed each are treated as differently as mail is.
//
// People and unknown programs have addresses of documentation (RFC 5737, RFC 3849), and
// companies have addresses of their own networks. The user agents are real ones.
type Behaviour struct {
	name string
	seed uint64
	play func(*story)
}

// WithSeed returns a behaviour that varies with the seed. 0 is no seed.
func (b Behaviour) WithSeed(seed uint64) Behaviour {
	b.seed = seed
	return b
}

// Behaviours returns all behaviours of this package but [Forwarded], those of people first.
func Behaviours() []Behaviour {
	return []Behaviour{
		Browser(), Phone(), Outlook(), AppleMail(), Gmail(), GmailPrefetch(), Yahoo(), Sender(),
		SafeLinks(), Gateway(), PatientGateway(), LinkPreview(), OutOfOffice(),
	}
}

// forwardedPrefix begins the names of [Forwarded].
const forwardedPrefix = "forwarded "

// ParseBehaviour returns the behaviour whose String is name, such as "apple-mail" or
// "forwarded gmail". The error lists the names.
func ParseBehaviour(name string) (Behaviour, error) {
	known, isForwarded := strings.CutPrefix(name, forwardedPrefix)
	var names []string
	for _, b := range Behaviours() {
		switch {
		case b.name != known:
			names = append(names, b.name)
		case isForwarded:
			return Forwarded(b), nil
		default:
			return b, nil
		}
	}
	return Behaviour{}, fmt.Errorf("nylastest: no behaviour %q: want %s, or forwarded and one of them", name, strings.Join(names, ", "))
}

// As returns a recipient who opens and clicks from the address and with the user agent of a
// behaviour. It is an error then to open or to click as one that never does. Replies are as before.
func (r *Recipient) As(b Behaviour) *Recipient {
	c := *r
	c.behaviour = b
	return &c
}

// acting returns the recipient as the behaviour does something of a kind.
func (r *Recipient) acting(kind string) (*Recipient, error) {
	if r.behaviour.play == nil {
		return r, nil
	}
	for _, a := range r.behaviour.acts(&r.message) {
		if a.Kind == kind {
			return r.WithIP(a.IP).WithUserAgent(a.UserAgent), nil
		}
	}
	return nil, fmt.Errorf("no %s happens as %s", kind, r.behaviour)
}

// String returns the name of the behaviour, such as "apple-mail".
func (b Behaviour) String() string { return b.name }

// acts returns what the behaviour does with a message.
func (b Behaviour) acts(m *Message) []act {
	if b.play == nil {
		return nil
	}
	s := newStory(b, m)
	b.play(s)
	return s.acts
}

// act is one open, click or reply to come.
type act struct {
	after time.Duration // since the message was received
	Happened
}

// Receive lets a message arrive, and the behaviours act on it. Several behaviours are those
// of one mailbox: a scanner in front of a person, say. What they do is done over HTTP, in the
// order of time, on the pixel and the links of the body as it was sent; what the message does
// not have is left out. Receive returns what happened, the truth that a classifier of events
// can be compared with. It does not wait for the webhooks: see [Server.Wait].
//
// Receive takes as long as the behaviours do, often hours. Inside a testing/synctest bubble
// that is no time; elsewhere, use [Server.ReceiveAtOnce].
//
// It is an error if no such message was sent or it was rejected. If ctx ends or the server is
// closed while Receive waits, the error is the cause or [ErrClosed]. What has happened so far
// is returned with every error.
func (s *Server) Receive(ctx context.Context, messageID string, behaviours ...Behaviour) ([]Happened, error) {
	return s.receive(ctx, messageID, behaviours, s.waitUntil)
}

// ReceiveAtOnce is [Server.Receive] that waits for nothing. What would have happened hours
// later happens now, and its notification bears the later time. Such a time lies in the
// future, which the tracking history shows only when it is asked for by its parameter end.
func (s *Server) ReceiveAtOnce(ctx context.Context, messageID string, behaviours ...Behaviour) ([]Happened, error) {
	return s.receive(ctx, messageID, behaviours, func(context.Context, time.Time) error { return nil })
}

func (s *Server) receive(
	ctx context.Context, messageID string, behaviours []Behaviour, wait func(context.Context, time.Time) error,
) ([]Happened, error) {
	recipient, err := s.Recipient(messageID)
	if err != nil {
		return nil, err
	}
	var acts []act
	for _, b := range behaviours {
		acts = append(acts, b.acts(&recipient.message)...)
	}
	slices.SortStableFunc(acts, func(a, b act) int { return cmp.Compare(a.after, b.after) })
	var happened []Happened
	received := time.Now()
	for _, a := range acts {
		a.At = received.Add(a.after)
		err := wait(ctx, a.At)
		if err == nil {
			err = recipient.perform(ctx, &a.Happened)
		}
		if err != nil {
			return happened, fmt.Errorf("nylastest: receive message %s: %w", messageID, err)
		}
		happened = append(happened, a.Happened)
	}
	return happened, nil
}

// perform makes something happen. Of a reply it sets the id.
func (r *Recipient) perform(ctx context.Context, h *Happened) (err error) {
	r = r.WithTime(h.At).WithIP(h.IP).WithUserAgent(h.UserAgent)
	switch h.Kind {
	case kindOpen:
		return r.Open(ctx)
	case kindClick:
		_, err = r.Click(ctx, h.LinkIndex)
		return err
	default:
		request := replyRequest{FromSelf: h.Cause == BySender, Automatic: h.Cause == ByMachine}
		h.ReplyID, err = r.reply(ctx, r.message.ID, request)
		return err
	}
}

// waitUntil returns when it is time.
func (s *Server) waitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.tasks.ctx.Done():
		return ErrClosed
	}
}
