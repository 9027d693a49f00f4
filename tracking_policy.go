package nylas

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nylastrack/nylas-go/preflight"
)

// TrackingKind is one of the three kinds of tracking.
type TrackingKind string

// The kinds of tracking, by their names in tracking_options.
const (
	TrackOpens         TrackingKind = "opens"
	TrackLinks         TrackingKind = "links"
	TrackThreadReplies TrackingKind = "thread_replies"
)

// Consent is what is known about a recipient's consent to one kind of tracking.
type Consent int

// The answers of a [TrackingPolicy].
const (
	// ConsentUnknown means that nobody has asked, or that no answer is recorded.
	ConsentUnknown Consent = iota
	ConsentGranted
	ConsentDenied
)

// String returns "unknown", "granted" or "denied".
func (c Consent) String() string {
	switch c {
	case ConsentUnknown:
		return "unknown"
	case ConsentGranted:
		return "granted"
	case ConsentDenied:
		return "denied"
	default:
		return fmt.Sprintf("Consent(%d)", int(c))
	}
}

// TrackingPolicy decides before each send which kinds of tracking its recipients
// allow. Nylas tracks a message, not a recipient, so the strictest of To, CC and
// BCC decides for all: a kind stays on only if every one of them allows it.
//
// Whether and how consent is needed depends on where the recipients are and what
// the mail is for; the SDK does not know. Two authorities have published what they
// expect where individual opens are measured:
//   - CNIL (France), deliberation 2026-042 of 12 March 2026
//   - Garante (Italy), provision 284 of 17 April 2026
//
// A policy changes what is sent from now on. What was sent before keeps being
// tracked by Nylas; dropping such events is up to the receiving program.
type TrackingPolicy struct {
	// Consent is asked for each recipient and each kind that the request switches
	// on, once for each time the recipient stands in it, in the order To, CC, BCC.
	// It gets the context of the call, and is called from the goroutines that
	// send, several at once. An error stops the call before any I/O.
	Consent func(ctx context.Context, recipient Participant, kind TrackingKind) (Consent, error)
	// Unknown is what ConsentUnknown counts as: ConsentGranted or ConsentDenied. It
	// has no default.
	Unknown Consent
}

// TrackingDecision is what a [TrackingPolicy] decided on one kind of tracking of
// a message.
type TrackingDecision struct {
	Kind TrackingKind
	// Allowed tells that the kind stayed on. Otherwise it was switched off, and
	// Objections say why.
	Allowed    bool
	Objections []TrackingObjection
}

// TrackingObjection is a recipient because of whom a kind was switched off.
type TrackingObjection struct {
	Recipient Participant
	// Consent is ConsentDenied, or ConsentUnknown if the policy counts that as
	// denied.
	Consent Consent
}

// WithTrackingPolicy asks a policy before each call that sends or stores tracked
// mail, and switches off what it does not allow, in a copy of the request. If
// nothing is left, tracking_options is left out whole. [Response.Tracking] says
// what was decided.
//
// A call that is repeated with the same Idempotency-Key after somebody changed
// their mind has other bytes than the first one, which Nylas answers with
// [ErrIdempotencyConflict].
//
// The policy has the context of the call, but not its WithTimeout, which is for
// attempts. A draft is asked about again when it is sent, with the recipients that it
// has by then.
func WithTrackingPolicy(policy TrackingPolicy) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if err := policy.check(); err != nil {
			return fmt.Errorf("WithTrackingPolicy: %w", err)
		}
		c.policy = &policy
		return nil
	})
}

func (p *TrackingPolicy) check() error {
	switch {
	case p.Consent == nil:
		return errors.New("the function Consent is nil")
	case p.Unknown != ConsentGranted && p.Unknown != ConsentDenied:
		return errors.New("the field Unknown is neither ConsentGranted nor ConsentDenied")
	}
	return nil
}

// Check is [CheckTracking] with the policy asked. The report also has a finding with
// [preflight.CodeConsentMissing] for each kind of tracking that the policy would switch
// off. Check sends nothing. It returns the policy's error.
func (p TrackingPolicy) Check(ctx context.Context, req *SendMessageRequest) (*preflight.Report, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("nylas: check tracking: %w", err)
	}
	report := CheckTracking(req)
	if req == nil {
		return report, nil
	}
	decisions, err := p.decide(ctx, req.TrackingOptions.kinds(), req.To, req.CC, req.BCC)
	if err != nil {
		return nil, fmt.Errorf("nylas: check tracking: %w", err)
	}
	var findings []preflight.Finding
	for _, decision := range decisions {
		if !decision.Allowed {
			findings = append(findings, preflight.Finding{
				Code: preflight.CodeConsentMissing, Level: preflight.LevelWarning, Link: preflight.NoLink,
				Message: fmt.Sprintf("%d of the recipients have not agreed to tracking of %s: the policy switches it off; "+
					"send to those who agreed in a message of their own to keep it on for them", len(decision.Objections), decision.Kind),
			})
		}
	}
	report.Findings = append(findings, report.Findings...)
	return report, nil
}

// trackingAllowed is for every call that sends or stores tracked mail: it returns
// the options as far as the client's policy allows them, nil if nothing is left,
// and what was decided, for the field tracking of the call. The given options stay
// as they are.
func (c *Client) trackingAllowed(
	ctx context.Context, op string, options *TrackingOptions, recipients ...[]Participant,
) (*TrackingOptions, []TrackingDecision, error) {
	if options != nil {
		own := *options // the policy must not be able to change what it was asked about
		options = &own
	}
	decisions, err := c.decideTracking(ctx, op, options.kinds(), recipients...)
	if err != nil {
		return nil, nil, err
	}
	off := make(map[TrackingKind]bool)
	for _, decision := range decisions {
		off[decision.Kind] = !decision.Allowed
	}
	if !off[TrackOpens] && !off[TrackLinks] && !off[TrackThreadReplies] {
		return options, decisions, nil
	}
	allowed := *options
	allowed.Opens = allowed.Opens && !off[TrackOpens]
	allowed.Links = allowed.Links && !off[TrackLinks]
	allowed.ThreadReplies = allowed.ThreadReplies && !off[TrackThreadReplies]
	if !allowed.Opens && !allowed.Links {
		allowed.DomainName = "" // Nylas refuses one that has no use
	}
	if len(allowed.kinds()) == 0 {
		return nil, decisions, nil
	}
	return &allowed, decisions, nil
}

// decideTracking asks the client's policy, if it has one, about the given kinds.
// It is for requests whose options have another type than TrackingOptions; the
// others use trackingAllowed.
func (c *Client) decideTracking(
	ctx context.Context, op string, kinds []TrackingKind, recipients ...[]Participant,
) ([]TrackingDecision, error) {
	if c.policy == nil {
		return nil, nil
	}
	decisions, err := c.policy.decide(ctx, kinds, recipients...)
	if err != nil {
		return nil, &Error{Op: op, Message: "nothing was sent", cause: err}
	}
	return decisions, nil
}

func (p *TrackingPolicy) decide(
	ctx context.Context, kinds []TrackingKind, recipients ...[]Participant,
) ([]TrackingDecision, error) {
	var decisions []TrackingDecision
	for _, kind := range kinds {
		decision := TrackingDecision{Kind: kind}
		for _, recipient := range slices.Concat(recipients...) {
			if ctx.Err() != nil {
				return nil, ended(ctx)
			}
			consent, err := p.Consent(ctx, recipient, kind)
			if err != nil {
				return nil, fmt.Errorf("the tracking policy failed: %w", err)
			}
			allowed := consent
			if consent == ConsentUnknown {
				allowed = p.Unknown
			}
			switch allowed {
			case ConsentGranted:
			case ConsentDenied:
				decision.Objections = append(decision.Objections, TrackingObjection{recipient, consent})
			default:
				return nil, fmt.Errorf("the tracking policy failed: %v is no answer", consent)
			}
		}
		decision.Allowed = len(decision.Objections) == 0
		decisions = append(decisions, decision)
	}
	return decisions, nil
}

// kinds returns what the options switch on.
func (o *TrackingOptions) kinds() []TrackingKind {
	if o == nil {
		return nil
	}
	var kinds []TrackingKind
	for _, kind := range []struct {
		kind TrackingKind
		on   bool
	}{{TrackOpens, o.Opens}, {TrackLinks, o.Links}, {TrackThreadReplies, o.ThreadReplies}} {
		if kind.on {
			kinds = append(kinds, kind.kind)
		}
	}
	return kinds
}
