package nylastest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

// The endpoints of drafts.
const (
	EndpointCreateDraft Endpoint = "POST /v3/grants/{grant}/drafts"
	EndpointListDrafts  Endpoint = "GET /v3/grants/{grant}/drafts"
	EndpointGetDraft    Endpoint = "GET /v3/grants/{grant}/drafts/{id}"
	EndpointUpdateDraft Endpoint = "PUT /v3/grants/{grant}/drafts/{id}"
	EndpointDeleteDraft Endpoint = "DELETE /v3/grants/{grant}/drafts/{id}"
	EndpointSendDraft   Endpoint = "POST /v3/grants/{grant}/drafts/{id}"
)

// drafts holds the drafts of all grants, in the order of their creation.
type drafts struct {
	mu      sync.Mutex
	list    []*draft
	created int
}

// draft is a message that is not sent yet. Its Body has no tracking in it.
type draft struct {
	Message
	seq     int
	starred bool
}

// createDraftRequest is the body that creates a draft, with every field that Nylas
// documents.
//
// https://developer.nylas.com/docs/reference/api/drafts/post-draft/
type createDraftRequest struct {
	To               []participant       `json:"to"`
	CC               []participant       `json:"cc"`
	BCC              []participant       `json:"bcc"`
	ReplyTo          []participant       `json:"reply_to"`
	From             []participant       `json:"from"`
	Subject          *string             `json:"subject"`
	Body             *string             `json:"body"`
	IsPlaintext      bool                `json:"is_plaintext"`
	Attachments      []requestAttachment `json:"attachments"`
	CustomHeaders    []Header            `json:"custom_headers"`
	Metadata         map[string]string   `json:"metadata"`
	ReplyToMessageID string              `json:"reply_to_message_id"`
	Starred          bool                `json:"starred"`
	SignatureID      string              `json:"signature_id"`
	Template         *template           `json:"template"`
	TrackingOptions  jsontext.Value      `json:"tracking_options"`
}

// updateDraftRequest is the body that updates a draft. What is nil is not there.
//
// https://developer.nylas.com/docs/reference/api/drafts/put-drafts-id/
type updateDraftRequest struct {
	To              []participant       `json:"to"`
	CC              []participant       `json:"cc"`
	BCC             []participant       `json:"bcc"`
	ReplyTo         []participant       `json:"reply_to"`
	Subject         *string             `json:"subject"`
	Body            *string             `json:"body"`
	Attachments     []requestAttachment `json:"attachments"`
	Metadata        map[string]string   `json:"metadata"`
	Starred         *bool               `json:"starred"`
	Template        *template           `json:"template"`
	TrackingOptions jsontext.Value      `json:"tracking_options"`
}

// trackingUpdate is merged into the options of a draft.
type trackingUpdate struct {
	Opens         *bool   `json:"opens"`
	Links         *bool   `json:"links"`
	ThreadReplies *bool   `json:"thread_replies"`
	Label         *string `json:"label"`
	DomainName    *string `json:"domain_name"`
}

func (d *drafts) add(m Message, starred bool) *draft {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.created++
	added := &draft{Message: m, seq: d.created, starred: starred}
	d.list = append(d.list, added)
	return added.copy()
}

func (d *draft) copy() *draft {
	c := *d
	c.Message = d.clone()
	return &c
}

// of returns the drafts of a grant.
func (d *drafts) of(grantID string) []*draft {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*draft
	for _, known := range d.list {
		if known.GrantID == grantID {
			out = append(out, known.copy())
		}
	}
	return out
}

// index returns where a draft is, -1 if it is unknown.
func (d *drafts) index(grantID, id string) int {
	return slices.IndexFunc(d.list, func(known *draft) bool { return known.GrantID == grantID && known.ID == id })
}

// replace lets change make a new draft out of a copy, and keeps it unless change
// refuses.
func (d *drafts) replace(grantID, id string, change func(*draft) *response) (*draft, *response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(grantID, id)
	if i < 0 {
		return nil, notFound("draft")
	}
	changed := d.list[i].copy()
	if refusal := change(changed); refusal != nil {
		return nil, refusal
	}
	d.list[i] = changed
	return changed.copy(), nil
}

// remove takes a draft away. It stays if use refuses it or wants to keep it.
func (d *drafts) remove(grantID, id string, use func(*draft) (keep bool, refusal *response)) *response {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.index(grantID, id)
	if i < 0 {
		return notFound("draft")
	}
	keep, refusal := use(d.list[i].copy())
	if !keep && refusal == nil {
		d.list = slices.Delete(d.list, i, i+1)
	}
	return refusal
}

// use takes a draft away whatever it is.
func use(*draft) (keep bool, refusal *response) { return false, nil }

func (s *Server) serveCreateDraft(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	var request createDraftRequest
	attachments, refusal := c.decodeMessage(&request, &request.Attachments, messagePart, draftPart)
	if refusal != nil {
		return refusal
	}
	content := sendRequest{
		To: request.To, CC: request.CC, BCC: request.BCC, ReplyTo: request.ReplyTo, From: request.From,
		Subject: request.Subject, Body: request.Body, IsPlaintext: request.IsPlaintext, CustomHeaders: request.CustomHeaders,
		Metadata: request.Metadata, ReplyToMessageID: request.ReplyToMessageID, SignatureID: request.SignatureID,
		Template: request.Template,
	}
	if refusal := content.checkContent(); refusal != nil {
		return refusal
	}
	tracking, refusal := s.checkTracking(c, request.TrackingOptions)
	if refusal != nil {
		return refusal
	}
	message := content.message(grant, tracking)
	message.ID, message.SentAt = s.ids.messageID("draft", message.content()), time.Now()
	message.attach(attachments)
	created := s.drafts.add(message, request.Starred)
	return jsonResponse(http.StatusOK, map[string]any{"grant_id": grant.id, "data": created.answer()})
}

func (s *Server) serveGetDraft(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	for _, known := range s.drafts.of(grant.id) {
		if known.ID == c.PathValue("id") {
			return dataResponse(known.answer())
		}
	}
	return notFound("draft")
}

func (s *Server) serveListDrafts(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	filters := listFilters()
	query, refusal := c.query(append(slices.Collect(maps.Keys(filters)), "limit", "page_token", "select")...)
	if refusal != nil {
		return refusal
	}
	var items []listed
	for _, known := range s.drafts.of(grant.id) {
		items = append(items, listed{
			seq: known.seq, message: &known.Message, folders: []string{folderDrafts}, starred: known.starred, foldSubject: true,
			answer: func() any { return known.answer() },
		})
	}
	return c.listResponse(items, query, filters)
}

func (s *Server) serveUpdateDraft(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	var request updateDraftRequest
	attachments, refusal := c.decodeMessage(&request, &request.Attachments, messagePart, draftPart)
	if refusal != nil {
		return refusal
	}
	content := sendRequest{
		To: request.To, CC: request.CC, BCC: request.BCC, ReplyTo: request.ReplyTo,
		Subject: request.Subject, Body: request.Body, Metadata: request.Metadata, Template: request.Template,
	}
	if refusal := content.checkContent(); refusal != nil {
		return refusal
	}
	updated, refusal := s.drafts.replace(grant.id, c.PathValue("id"), func(d *draft) *response {
		request.apply(d, s.config.readings.DraftUpdateReplaces)
		if attachments != nil || request.Attachments != nil {
			d.attach(attachments)
		}
		return s.mergeTracking(c, &d.Tracking, request.TrackingOptions)
	})
	if refusal != nil {
		return refusal
	}
	return jsonResponse(http.StatusOK, map[string]any{"grant_id": grant.id, "data": updated.answer()})
}

// apply changes what the request has; with replace it empties the rest.
func (r *updateDraftRequest) apply(d *draft, replace bool) {
	for _, list := range []struct {
		to   *[]events.Participant
		from []participant
	}{{&d.To, r.To}, {&d.CC, r.CC}, {&d.BCC, r.BCC}, {&d.ReplyTo, r.ReplyTo}} {
		if list.from != nil || replace {
			*list.to = participants(list.from)
		}
	}
	if r.Subject != nil || replace {
		d.Subject = deref(r.Subject)
	}
	if r.Body != nil || replace {
		d.Body, d.OriginalBody = deref(r.Body), deref(r.Body)
	}
	if r.Metadata != nil || replace {
		d.Metadata = r.Metadata
	}
	if r.Starred != nil || replace {
		d.starred = r.Starred != nil && *r.Starred
	}
}

// mergeTracking changes the options of a draft: what an update does not have
// stays, and without opens and links the hostname is dropped.
//
// https://developer.nylas.com/docs/reference/api/drafts/put-drafts-id/
func (s *Server) mergeTracking(c *call, t *Tracking, raw jsontext.Value) *response {
	if raw == nil {
		return nil
	}
	if s.config.trial {
		return badRequest(textTrial)
	}
	var request struct {
		TrackingOptions trackingUpdate `json:"tracking_options"`
	}
	if refusal := c.decode([]byte(`{"tracking_options":`+string(raw)+`}`), &request); refusal != nil {
		return refusal
	}
	o := request.TrackingOptions
	t.Opens = *cmp.Or(o.Opens, &t.Opens)
	t.Links = *cmp.Or(o.Links, &t.Links)
	t.ThreadReplies = *cmp.Or(o.ThreadReplies, &t.ThreadReplies)
	t.Label = *cmp.Or(o.Label, &t.Label)
	if refusal := t.checkLabel(); refusal != nil {
		return refusal
	}
	used := t.Opens || t.Links
	if o.DomainName != nil {
		t.DomainName = normalHostname(*o.DomainName)
		if !used || !s.config.trackingDomains[t.DomainName] {
			return badRequest(textDomain)
		}
	}
	if !used {
		t.DomainName = ""
	}
	return nil
}

func (s *Server) serveDeleteDraft(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	if refusal := s.drafts.remove(grant.id, c.PathValue("id"), use); refusal != nil {
		return refusal
	}
	return jsonResponse(http.StatusOK, map[string]any{})
}

// serveSendDraft sends a draft with the tracking that is kept with it. What is
// wrong with its links is said only now.
func (s *Server) serveSendDraft(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	var request struct {
		SignatureID string `json:"signature_id"`
	}
	if len(strings.TrimSpace(string(c.body))) > 0 {
		if refusal := c.decode(c.body, &request); refusal != nil {
			return refusal
		}
	}
	token := s.ids.token("draft token", c.PathValue("id"))
	var message Message
	var t *turn
	refusal = s.drafts.remove(grant.id, c.PathValue("id"), func(d *draft) (keep bool, refusal *response) {
		if len(d.To) == 0 {
			return true, badRequest("to must have at least one recipient")
		}
		message = d.Message
		if refusal := s.insertTracking(&message, token); refusal != nil {
			return true, refusal
		}
		t, refusal = s.queue.enter(grant)
		return t != nil, refusal
	})
	if refusal != nil {
		return refusal
	}
	message.SignatureID = cmp.Or(request.SignatureID, message.SignatureID)
	return s.dispatch(t, message, token, fieldsStandard, func() {
		_ = s.drafts.remove(grant.id, c.PathValue("id"), use) // a queued one is still there
	})
}

type draftAnswer struct {
	ID               string               `json:"id"`
	Object           string               `json:"object"`
	GrantID          string               `json:"grant_id"`
	ThreadID         string               `json:"thread_id"`
	Subject          string               `json:"subject"`
	Body             string               `json:"body"`
	Snippet          string               `json:"snippet"`
	Date             int64                `json:"date"`
	From             []events.Participant `json:"from"`
	To               []events.Participant `json:"to"`
	CC               []events.Participant `json:"cc"`
	BCC              []events.Participant `json:"bcc"`
	ReplyTo          []events.Participant `json:"reply_to"`
	ReplyToMessageID string               `json:"reply_to_message_id,omitzero"`
	Attachments      []attachmentAnswer   `json:"attachments"`
	Folders          []string             `json:"folders"`
	Metadata         map[string]string    `json:"metadata,omitzero"`
	Starred          bool                 `json:"starred"`
}

// answer describes a draft. It leaves tracking_options out, as Nylas' schema does.
func (d *draft) answer() draftAnswer {
	a := d.Message.answer(fieldsStandard)
	return draftAnswer{
		ID: a.ID, Object: "draft", GrantID: a.GrantID, ThreadID: a.ThreadID, Subject: a.Subject, Body: a.Body,
		Snippet: a.Snippet, Date: a.Date, From: a.From, To: a.To, CC: a.CC, BCC: a.BCC, ReplyTo: a.ReplyTo,
		ReplyToMessageID: a.ReplyToMessageID, Attachments: a.Attachments, Folders: []string{folderDrafts}, Metadata: d.Metadata, Starred: d.starred,
	}
}
