package nylas

import (
	"context"
	"net/http"
)

// allowed returns what the client's policy leaves of the options of an update. A kind
// that is not allowed becomes false: leaving it out would keep the draft's value.
func (s *DraftService) allowed(ctx context.Context, op string, req *UpdateDraftRequest) (*UpdateTrackingOptions, []TrackingDecision, error) {
	kinds := req.TrackingOptions.kinds()
	if s.client.policy == nil || len(kinds) == 0 {
		return req.TrackingOptions, nil, nil
	}
	if len(req.To)+len(req.CC)+len(req.BCC) == 0 {
		return nil, nil, refuse(op, "TrackingOptions without To, CC or BCC: "+
			"the tracking policy cannot be asked; give the recipients of the draft too")
	}
	decisions, err := s.client.decideTracking(ctx, op, kinds, req.To, req.CC, req.BCC)
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
	ctx context.Context, op, grantID, draftID string, opts []RequestOption,
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
		err = s.client.do(ctx, call{
			op: "update draft", method: http.MethodPut, path: draftPath, ids: []string{grantID, draftID},
			body: (&UpdateDraftRequest{TrackingOptions: off}).wire(), limit: mailboxTimeout, multipart: true, tracking: decisions,
		}, &answer, opts)
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
