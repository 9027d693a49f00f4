package nylas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// The values of Consent.
const (
	// ConsentUnknown means that no answer of the recipient is recorded.
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

// TrackingPolicy decides before each send which kinds of tracking the recipients
// allow. Nylas tracks a message and not a recipient, so a kind stays on only if every
// recipient in To, CC and BCC allows it.
//
// Whether consent is needed depends on where the recipients are and what the mail is
// for; the SDK does not know. Two authorities have published what they expect from
// those who measure individual opens:
//   - CNIL (France), deliberation 2026-042 of 12 March 2026
//   - Garante (Italy), provision 284 of 17 April 2026
//
// A policy has no effect on mail that was sent before. Nylas goes on tracking it, and
// your program must drop those events itself.
type TrackingPolicy struct {
	// Consent returns what is known about a recipient and a kind of tracking. It is
	// called for each kind that the request turns on and each entry in To, CC and BCC,
	// in this order, with the context of the call. It must be safe for concurrent use.
	// If it returns an error, nothing is sent.
	Consent func(ctx context.Context, recipient Participant, kind TrackingKind) (Consent, error)
	// Unknown says how ConsentUnknown counts: as ConsentGranted or as ConsentDenied. It
	// is required.
	Unknown Consent
}

// TrackingDecision is the decision of a [TrackingPolicy] on one kind of tracking of a
// message.
type TrackingDecision struct {
	Kind TrackingKind
	// Allowed reports whether the kind stayed on. If it was turned off, Objections says
	// why.
	Allowed    bool
	Objections []TrackingObjection
}

// TrackingObjection is a recipient who does not allow a kind of tracking.
type TrackingObjection struct {
	Recipient Participant
	// Consent is ConsentDenied, or ConsentUnknown if the policy counts it as denied.
	Consent Consent
}

// WithTrackingPolicy asks a policy before each call that sends or stores tracked mail,
// and turns off what it does not allow. The request itself does not change. If no kind
// is left, tracking_options is left out. [Response.Tracking] has the decisions. The
// policy is asked about a draft again when it is sent, with its current recipients.
//
// If a recipient's consent changes between two calls with the same Idempotency-Key, the
// second request differs from the first, and Nylas refuses it with
// [ErrIdempotencyConflict]. The first call may have sent the message.
//
// The policy runs under the context of the call. [WithTimeout] does not limit it.
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
				Code: preflight.CodeConsentMissing, Level: preflight.LevelWarning, Link: preflight.NoLink, Count: 1,
				Message: fmt.Sprintf("%d of the recipients have not agreed to tracking of %s: the policy switches it off; "+
					"send to those who agreed in a message of their own to keep it on for them", len(decision.Objections), decision.Kind),
			})
		}
	}
	report.Findings = append(findings, report.Findings...)
	return report, nil
}

func (r *SendMessageRequest) files() []Attachment { return r.Attachments }
func (r *SendMessageRequest) recipients() []*[]Participant {
	return []*[]Participant{&r.To, &r.CC, &r.BCC}
}

func (r *SendMessageRequest) track(ctx context.Context, op *operation) ([]TrackingDecision, error) {
	options, decided, err := op.client.trackingAllowed(ctx, op, r.TrackingOptions, r.To, r.CC, r.BCC)
	r.TrackingOptions = options
	return decided, err
}

func (r *CreateDraftRequest) files() []Attachment { return r.Attachments }
func (r *CreateDraftRequest) recipients() []*[]Participant {
	return []*[]Participant{&r.To, &r.CC, &r.BCC}
}

func (r *CreateDraftRequest) track(ctx context.Context, op *operation) ([]TrackingDecision, error) {
	options, decided, err := op.client.trackingAllowed(ctx, op, r.TrackingOptions, r.To, r.CC, r.BCC)
	r.TrackingOptions = options
	return decided, err
}

func (r *SendTransactionalRequest) files() []Attachment { return r.Attachments }
func (r *SendTransactionalRequest) recipients() []*[]Participant {
	return []*[]Participant{&r.To, &r.CC, &r.BCC}
}

func (r *SendTransactionalRequest) track(ctx context.Context, op *operation) ([]TrackingDecision, error) {
	options, decided, err := op.client.trackingAllowed(ctx, op, r.TrackingOptions.all(), r.To, r.CC, r.BCC)
	r.TrackingOptions = options.transactional()
	return decided, err
}

func (r *UpdateDraftRequest) files() []Attachment { return r.Attachments }
func (r *UpdateDraftRequest) recipients() []*[]Participant {
	return []*[]Participant{&r.To, &r.CC, &r.BCC}
}

func (r *UpdateDraftRequest) track(ctx context.Context, op *operation) ([]TrackingDecision, error) {
	r.TrackingOptions = r.TrackingOptions.clone()
	options, decided, err := op.client.updateAllowed(ctx, op, r)
	r.TrackingOptions = options
	return decided, err
}

// trackingAllowed is for every call that sends or stores tracked mail. It returns what
// the client's policy leaves of the options, nil if it leaves nothing, and the
// decisions for the field tracking of the call. It does not change options.
func (c *Client) trackingAllowed(
	ctx context.Context, op *operation, options *TrackingOptions, recipients ...[]Participant,
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

// decideTracking asks the client's policy, if it has one, about the given kinds. It is
// for requests whose options are not TrackingOptions; the others use trackingAllowed.
func (c *Client) decideTracking(
	ctx context.Context, op *operation, kinds []TrackingKind, recipients ...[]Participant,
) ([]TrackingDecision, error) {
	if c.policy == nil {
		return nil, nil
	}
	decisions, err := c.policy.decide(ctx, kinds, recipients...)
	if err != nil {
		return nil, &Error{Op: op.name, Message: "nothing was sent", cause: err}
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

// kinds returns the kinds that the options turn on.
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

// allowed returns what the client's policy leaves of the options of an update. A kind
// that is not allowed becomes false: leaving it out would keep the draft's value.
func (c *Client) updateAllowed(ctx context.Context, op *operation, req *UpdateDraftRequest) (*UpdateTrackingOptions, []TrackingDecision, error) {
	kinds := req.TrackingOptions.kinds()
	if c.policy == nil || len(kinds) == 0 {
		return req.TrackingOptions, nil, nil
	}
	if len(req.To)+len(req.CC)+len(req.BCC) == 0 {
		return nil, nil, refuse(op, "TrackingOptions without To, CC or BCC: "+
			"the tracking policy cannot be asked; give the recipients of the draft too")
	}
	decisions, err := c.decideTracking(ctx, op, kinds, req.To, req.CC, req.BCC)
	if err != nil {
		return nil, nil, err
	}
	allowed := req.TrackingOptions.without(decisions)
	if isFalse(allowed.Opens) && isFalse(allowed.Links) {
		allowed.DomainName = "" // Nylas refuses one that has no use
	}
	return allowed, decisions, nil
}

// clone returns options that the policy cannot change through the request.
func (o *UpdateTrackingOptions) clone() *UpdateTrackingOptions {
	if o == nil {
		return nil
	}
	own := *o
	own.Opens, own.Links, own.ThreadReplies, own.Label = copied(o.Opens), copied(o.Links), copied(o.ThreadReplies), copied(o.Label)
	return &own
}

func isFalse(flag *bool) bool { return flag != nil && !*flag }

// kinds returns the kinds that the update turns on.
func (o *UpdateTrackingOptions) kinds() []TrackingKind {
	if o == nil {
		return nil
	}
	on := func(flag *bool) bool { return flag != nil && *flag }
	return (&TrackingOptions{Opens: on(o.Opens), Links: on(o.Links), ThreadReplies: on(o.ThreadReplies)}).kinds()
}

// settleTracking asks the client's policy, if it has one, about the current recipients
// and tracking of a draft, and turns off in the draft what is not allowed. If Nylas
// does not return the tracking options, it takes every kind as on. The options of the
// call apply to these requests too, so one that the send does not accept is refused
// before the draft changes.
func (s *DraftService) settleTracking(
	ctx context.Context, op *operation, grantID, draftID string, opts []RequestOption,
) ([]TrackingDecision, error) {
	if s.client.policy == nil {
		return nil, nil
	}
	draft, err := s.Get(ctx, grantID, draftID, opts...)
	if err != nil {
		return nil, err
	}
	kinds := draft.TrackingOptions.kinds()
	if draft.TrackingOptions == nil {
		kinds = []TrackingKind{TrackOpens, TrackLinks, TrackThreadReplies}
	}
	decisions, err := s.client.decideTracking(ctx, op, kinds, draft.To, draft.CC, draft.BCC)
	if err != nil {
		return nil, err
	}
	if off := (&UpdateTrackingOptions{}).without(decisions); *off != (UpdateTrackingOptions{}) {
		var answer draftAnswer
		err = s.client.begin("update draft", opts).do(ctx, call{
			method: http.MethodPut, path: draftPath, ids: []string{grantID, draftID},
			body: (&UpdateDraftRequest{TrackingOptions: off}).wire(), limit: mailboxTimeout, multipart: true, tracking: decisions,
		}, &answer)
	}
	return decisions, err
}

// without returns the options with false for every kind that was not allowed.
func (o *UpdateTrackingOptions) without(decisions []TrackingDecision) *UpdateTrackingOptions {
	allowed := *o
	for _, decision := range decisions {
		if decision.Allowed {
			continue
		}
		switch decision.Kind {
		case TrackOpens:
			allowed.Opens = new(false)
		case TrackLinks:
			allowed.Links = new(false)
		case TrackThreadReplies:
			allowed.ThreadReplies = new(false)
		}
	}
	return &allowed
}
