package nylastest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
)

// What a state file begins with. The version grows when an older emulator could no longer read
// the file.
const (
	stateFormat  = "nylastest state"
	stateVersion = 1
)

// savedState is what a state file holds of a server. The members have the names of the fields:
// nobody but the emulator reads them.
type savedState struct {
	Format        string `json:"format"`
	Version       int    `json:"version"`
	APIKey        string `json:"api_key"`
	ApplicationID string `json:"application_id"`
	GrantID       string `json:"grant_id"`
	// Starts is how often a server began with this file. Each has ids of its own.
	Starts int `json:"starts"`
	// Hosts are those that the server had, with ports: tracking URLs have one of them.
	Hosts       []string       `json:"hosts"`
	Grants      []savedGrant   `json:"grants"`
	Mail        savedMail      `json:"mail"`
	Schedules   []savedPlan    `json:"schedules"`
	Webhooks    []savedWebhook `json:"webhooks"`
	PubSub      []savedChannel `json:"pubsub"`
	SNS         []savedChannel `json:"sns"`
	Activity    []savedEvent   `json:"activity"`
	Sends       []savedSend    `json:"sends"`
	Alerts      []alertRule    `json:"alerts"`
	Idempotency []savedOutcome `json:"idempotency"`
}

type savedGrant struct {
	ID, Name, Email string
	Agent           bool
	CreatedAt       time.Time
	UpdatedAt       time.Time
	ExpiredAt       time.Time
	Deleted         bool
	Missed          []*events.Notification // what Nylas could not see
}

// savedPlan is a schedule. Message and Token are those of one that is pending.
type savedPlan struct {
	ID, GrantID, Code string
	SendAt, Closed    time.Time
	Message           *savedMessage `json:",omitzero"`
	Token             string        `json:",omitzero"`
}

type savedWebhook struct {
	ID, Description                       string
	TriggerTypes                          []events.Type
	URL, Secret, Status                   string
	Emails                                []string
	Compressed                            bool
	StatusUpdatedAt, CreatedAt, UpdatedAt time.Time
}

type savedChannel struct {
	ID, Description                       string
	TriggerTypes                          []events.Type
	Topic, RoleARN, Status                string
	Emails                                []string
	Compressed                            bool
	StatusUpdatedAt, CreatedAt, UpdatedAt time.Time
}

type savedEvent struct {
	ID        string
	Kind      activityKind
	MessageID string
	Visit     savedVisit
}

type savedSend struct {
	ID, Kind, Recipient, MessageID string
	At                             time.Time
	BounceType, Code               string
}

type savedOutcome struct {
	Grant, Key string
	Payload    []byte
	Expires    time.Time
	Status     int
	Header     http.Header
	Body       []byte
}

// encodeState returns the content of a state file.
func encodeState(state *savedState) ([]byte, error) {
	return jsonv2.Marshal(state, jsonv2.Deterministic(true), jsontext.AllowInvalidUTF8(true),
		jsonv2.FormatNilSliceAsNull(true), jsonv2.FormatNilMapAsNull(true))
}

// decodeState reads the content of a state file. The errors of the decoder may quote the file,
// which has secrets in it, so only their place is told.
func decodeState(content []byte) (*savedState, error) {
	var begin struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	switch err := jsonv2.Unmarshal(content, &begin); {
	case err != nil:
		return nil, fmt.Errorf("it is damaged or of another program%s", placeOf(err))
	case begin.Format != stateFormat:
		return nil, errors.New("it is of another program")
	case begin.Version > stateVersion:
		return nil, fmt.Errorf("a later emulator wrote it: it has version %d, and this emulator knows %d", begin.Version, stateVersion)
	}
	state := new(savedState)
	if err := jsonv2.Unmarshal(content, state, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("it is damaged%s", placeOf(err))
	}
	return state, nil
}

func placeOf(err error) string {
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Sprintf(" at byte %d", e.ByteOffset)
	}
	if e, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		return fmt.Sprintf(" at byte %d", e.ByteOffset)
	}
	return ""
}

// save returns what the server has.
func (s *Server) save() *savedState {
	state := &savedState{
		Format: stateFormat, Version: stateVersion,
		APIKey: s.apiKey, ApplicationID: s.applicationID, GrantID: s.grantID, Starts: s.starts, Hosts: s.hosts(),
		Mail: s.mailbox.save(),
	}
	state.Mail.Drafts, state.Mail.DraftsCreated = s.drafts.save()
	state.Grants = s.grants.save()
	s.schedules.mu.Lock()
	for _, p := range s.schedules.list {
		saved := savedPlan{ID: p.id, GrantID: p.grantID, Code: p.code, SendAt: p.sendAt, Closed: p.closed}
		if p.code == schedulePending {
			saved.Message, saved.Token = new(saveMessage(&p.message)), p.token
		}
		state.Schedules = append(state.Schedules, saved)
	}
	s.schedules.mu.Unlock()
	for _, w := range s.destinations.all() {
		state.Webhooks = append(state.Webhooks, savedWebhook{
			w.id, w.description, w.triggerTypes, w.url, w.secret, w.status, w.emails, w.compressed,
			w.statusUpdatedAt, w.createdAt, w.updatedAt,
		})
	}
	state.PubSub, state.SNS = s.pubsub.save(), s.sns.save()
	s.activity.mu.Lock()
	for _, e := range s.activity.events {
		state.Activity = append(state.Activity, savedEvent{e.id, e.kind, e.message.ID, saveVisit(e.visit)})
	}
	s.activity.mu.Unlock()
	s.sends.mu.Lock()
	for _, e := range s.sends.events {
		state.Sends = append(state.Sends, savedSend{e.id, e.kind, e.recipient, e.message.ID, e.at, e.bounceType, e.code})
	}
	s.sends.mu.Unlock()
	s.alerts.mu.Lock()
	state.Alerts = slices.Clone(s.alerts.list)
	s.alerts.mu.Unlock()
	state.Idempotency = s.idempotency.save()
	return state
}

// restore fills a server that is not started yet. The error says where the state does not fit
// together.
func (s *Server) restore(state *savedState) error {
	s.apiKey, s.applicationID, s.grantID = state.APIKey, state.ApplicationID, state.GrantID
	s.earlier = state.Hosts
	s.starts = state.Starts + 1
	s.ids.restart(s.starts)
	s.grants.restore(state.Grants)
	first := slices.ContainsFunc(s.grants.list, func(g grant) bool { return g.id == s.grantID }) // deleted or not
	if !first || s.apiKey == "" || s.applicationID == "" {
		return errors.New("there is no key, application or grant")
	}
	s.mailbox = newMailbox(s.applicationID, s.config.readings, s.ids)
	if err := s.mailbox.restore(&state.Mail); err != nil {
		return err
	}
	s.drafts.restore(&state.Mail)
	for i, e := range state.Activity {
		m, ok := s.mailbox.get(e.MessageID)
		if !ok || e.Kind == activityClicked && (e.Visit.Link < 0 || e.Visit.Link >= len(m.Links)) {
			return fmt.Errorf("activity %d has no message or link", i)
		}
		s.activity.events = append(s.activity.events, activityEvent{e.ID, e.Kind, m, e.Visit.restore()})
	}
	for i, e := range state.Sends {
		m, ok := s.mailbox.get(e.MessageID)
		if !ok {
			return fmt.Errorf("send %d has no message", i)
		}
		s.sends.events = append(s.sends.events, sendEvent{e.ID, e.Kind, e.Recipient, m, e.At, e.BounceType, e.Code})
	}
	for _, w := range state.Webhooks {
		s.destinations.list = append(s.destinations.list, destination{
			id: w.ID, description: w.Description, triggerTypes: w.TriggerTypes, url: w.URL, secret: w.Secret, status: w.Status,
			emails: w.Emails, compressed: w.Compressed, statusUpdatedAt: w.StatusUpdatedAt, createdAt: w.CreatedAt, updatedAt: w.UpdatedAt,
		})
	}
	s.destinations.past = []version{{list: slices.Clone(s.destinations.list)}}
	s.pubsub.restore(state.PubSub)
	s.sns.restore(state.SNS)
	s.alerts.list = state.Alerts
	s.idempotency.restore(state.Idempotency)
	return nil
}

// restorePlans begins to wait for what was scheduled. What should have been sent while no server
// ran is sent now.
func (s *Server) restorePlans(plans []savedPlan) {
	sent := map[string]bool{}
	for _, m := range s.mailbox.all() {
		sent[m.ScheduleID] = true
	}
	for _, p := range plans {
		switch {
		case p.Code != schedulePending || p.Message == nil:
			s.schedules.add(&schedule{id: p.ID, grantID: p.GrantID, sendAt: p.SendAt, code: p.Code, closed: p.Closed})
		case sent[p.ID]: // it was saved between its send and its end
			s.schedules.add(&schedule{id: p.ID, grantID: p.GrantID, sendAt: p.SendAt, code: scheduleSuccess, closed: p.SendAt})
		default:
			s.startSchedule(p.Message.restore(), p.Token, p.SendAt)
		}
	}
}

func (g *grants) save() (saved []savedGrant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, known := range g.list {
		saved = append(saved, savedGrant{
			known.id, known.name, known.email, known.agent, known.createdAt, known.updatedAt, known.expiredAt, known.deleted, g.missed[known.id],
		})
	}
	return saved
}

func (g *grants) restore(saved []savedGrant) {
	for _, s := range saved {
		g.list = append(g.list, grant{s.ID, s.Name, s.Email, s.Agent, s.CreatedAt, s.UpdatedAt, s.ExpiredAt, s.Deleted})
		if len(s.Missed) > 0 {
			g.missed[s.ID] = s.Missed
		}
	}
}

func (c *channels) save() (saved []savedChannel) {
	for _, h := range c.all() {
		saved = append(saved, savedChannel{
			h.id, h.description, h.triggerTypes, h.topic, h.roleARN, h.status, h.emails, h.compressed,
			h.statusUpdatedAt, h.createdAt, h.updatedAt,
		})
	}
	return saved
}

func (c *channels) restore(saved []savedChannel) {
	for _, h := range saved {
		c.list = append(c.list, channel{
			h.ID, h.Description, h.TriggerTypes, h.Topic, h.RoleARN, h.Status, h.Emails, h.Compressed,
			h.StatusUpdatedAt, h.CreatedAt, h.UpdatedAt,
		})
	}
}

// save returns the outcomes that are known: a request that still runs has none.
func (i *idempotency) save() (saved []savedOutcome) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for key, e := range i.entries {
		if e.outcome != nil && time.Now().Before(e.expires) {
			saved = append(saved, savedOutcome{
				key.grant, key.key, e.payload[:], e.expires, e.outcome.status, e.outcome.header, e.outcome.body,
			})
		}
	}
	return saved
}

func (i *idempotency) restore(saved []savedOutcome) {
	for _, o := range saved {
		entry := &idempotencyEntry{expires: o.Expires, outcome: &response{status: o.Status, header: o.Header, body: o.Body}}
		copy(entry.payload[:], o.Payload[:min(len(o.Payload), sha256.Size)])
		i.entries[idempotencyKey{o.Grant, o.Key}] = entry
	}
}
