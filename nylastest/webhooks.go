package nylastest

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// createWebhookRequest is the body of a creation.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/post-webhook-destinations/
type createWebhookRequest struct {
	TriggerTypes               []events.Type `json:"trigger_types"`
	WebhookURL                 string        `json:"webhook_url"`
	Description                string        `json:"description"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	CompressedDelivery         bool          `json:"compressed_delivery"`
}

// updateWebhookRequest is the body of an update. What is empty stays as it was.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/put-webhook-by-id/
type updateWebhookRequest struct {
	TriggerTypes               []events.Type `json:"trigger_types"`
	WebhookURL                 string        `json:"webhook_url"`
	Description                string        `json:"description"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	Status                     string        `json:"status"`
	CompressedDelivery         *bool         `json:"compressed_delivery"`
}

// webhookAnswer is a destination as the endpoints describe it, each with other
// members.
type webhookAnswer struct {
	ID                         string        `json:"id"`
	Description                string        `json:"description"`
	TriggerTypes               []events.Type `json:"trigger_types"`
	WebhookURL                 string        `json:"webhook_url"`
	WebhookSecret              string        `json:"webhook_secret,omitzero"`
	Status                     string        `json:"status"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	CompressedDelivery         *bool         `json:"compressed_delivery,omitzero"`
	StatusUpdatedAt            int64         `json:"status_updated_at,omitzero"`
	CreatedAt                  int64         `json:"created_at,omitzero"`
	UpdatedAt                  int64         `json:"updated_at,omitzero"`
}

func (d destination) answer() webhookAnswer {
	emails := d.emails
	if emails == nil {
		emails = []string{}
	}
	return webhookAnswer{
		ID: d.id, Description: d.description, TriggerTypes: d.triggerTypes, WebhookURL: d.url,
		Status: d.status, NotificationEmailAddresses: emails, CompressedDelivery: &d.compressed,
	}
}

func (a webhookAnswer) withTimes(d destination) webhookAnswer {
	a.StatusUpdatedAt, a.CreatedAt, a.UpdatedAt = d.statusUpdatedAt.Unix(), d.createdAt.Unix(), d.updatedAt.Unix()
	return a
}

func (a webhookAnswer) withSecret(d destination) webhookAnswer {
	a.WebhookSecret = d.secret
	return a
}

// Webhook is a webhook destination, without its secret.
type Webhook struct {
	ID          string
	URL         string
	Description string
	Triggers    []events.Type
	Status      string // as in the API
	Compressed  bool   // compressed_delivery
}

// Webhooks returns the webhooks as they are, in the order of their creation.
func (s *Server) Webhooks() []Webhook {
	var list []Webhook
	for _, d := range s.destinations.all() {
		list = append(list, Webhook{d.id, d.url, d.description, slices.Clone(d.triggerTypes), d.status, d.compressed})
	}
	return list
}

// webhookNotFound is 400, not 404.
func webhookNotFound() *response {
	return errorResponse(http.StatusBadRequest, typeWebhookNotFound, "destination.id.not.found : record not found")
}

func (s *Server) serveCreateWebhook(c *call) *response {
	var request createWebhookRequest
	if refusal := c.decodeWebhook(&request); refusal != nil {
		return refusal
	}
	if len(request.TriggerTypes) == 0 {
		return badWebhook("invalid.input.format : trigger_types is required")
	}
	if refusal := checkTriggers(request.TriggerTypes); refusal != nil {
		return refusal
	}
	if refusal := s.verifyWebhook(request.WebhookURL); refusal != nil {
		return refusal
	}
	now := time.Now()
	id := s.ids.webhookID("webhook")
	// The secret is made after the challenge: a receiver cannot know it before.
	hook := destination{
		id: id, description: request.Description, triggerTypes: request.TriggerTypes, url: request.WebhookURL,
		secret: s.ids.secret(id), status: statusActive, emails: request.NotificationEmailAddresses, compressed: request.CompressedDelivery,
		statusUpdatedAt: now, createdAt: now, updatedAt: now,
	}
	if !s.destinations.add(hook, s.config.readings.UniqueWebhookURLs) {
		return badWebhook("webhook_url is that of another destination")
	}
	return dataResponse(hook.answer().withSecret(hook))
}

func (s *Server) serveListWebhooks(*call) *response {
	list := []webhookAnswer{}
	for _, hook := range s.destinations.listed() {
		list = append(list, hook.answer())
	}
	return dataResponse(list)
}

func (s *Server) serveGetWebhook(c *call) *response {
	hook, ok := s.destinations.get(c.PathValue("id"))
	if !ok {
		return webhookNotFound()
	}
	answer := hook.answer().withTimes(hook)
	answer.CompressedDelivery = nil
	return dataResponse(answer)
}

func (s *Server) serveUpdateWebhook(c *call) *response {
	var request updateWebhookRequest
	if refusal := c.decodeWebhook(&request); refusal != nil {
		return refusal
	}
	hook, ok := s.destinations.get(c.PathValue("id"))
	if !ok {
		return webhookNotFound()
	}
	if refusal := checkTriggers(request.TriggerTypes); refusal != nil {
		return refusal
	}
	switch request.Status {
	case "", statusActive, statusPause:
	default:
		return badWebhook("invalid.input.format : status must be active or pause")
	}
	target := hook.url
	if request.WebhookURL != "" {
		target = request.WebhookURL
	}
	// Activating challenges again. Whether a new URL does is not said; an URL that
	// nobody verified would be a strange thing to deliver to.
	if request.Status == statusActive || target != hook.url {
		if refusal := s.verifyWebhook(target); refusal != nil {
			return refusal
		}
	}
	hook, ok = s.destinations.update(hook.id, func(d *destination) { request.applyTo(d, time.Now()) })
	if !ok {
		return webhookNotFound()
	}
	return dataResponse(hook.answer().withTimes(hook))
}

func (r *updateWebhookRequest) applyTo(d *destination, now time.Time) {
	d.updatedAt = now
	if len(r.TriggerTypes) > 0 {
		d.triggerTypes = r.TriggerTypes
	}
	if r.WebhookURL != "" {
		d.url = r.WebhookURL
	}
	if r.Description != "" {
		d.description = r.Description
	}
	if len(r.NotificationEmailAddresses) > 0 {
		d.emails = r.NotificationEmailAddresses
	}
	if r.CompressedDelivery != nil {
		d.compressed = *r.CompressedDelivery
	}
	if r.Status != "" && r.Status != d.status {
		d.status, d.statusUpdatedAt, d.health = r.Status, now, health{}
	}
}

func (s *Server) serveDeleteWebhook(c *call) *response {
	if !s.destinations.remove(c.PathValue("id")) {
		return webhookNotFound()
	}
	return dataResponse(map[string]string{"status": "success"})
}

// serveRotateSecret makes a new secret. There is no overlap: notifications are
// signed with it from now on, later attempts of earlier ones included.
func (s *Server) serveRotateSecret(c *call) *response {
	hook, ok := s.destinations.update(c.PathValue("id"), func(d *destination) {
		d.secret = s.ids.secret(d.id)
		d.updatedAt = time.Now()
	})
	if !ok {
		return webhookNotFound()
	}
	return dataResponse(hook.answer().withSecret(hook))
}

// mockID is the id of all mock notifications.
const mockID = "mock-id"

func (s *Server) serveMockPayload(c *call) *response {
	var request struct {
		TriggerType events.Type `json:"trigger_type"`
	}
	if refusal := c.decodeWebhook(&request); refusal != nil {
		return refusal
	}
	notification, refusal := s.mockNotification(request.TriggerType)
	if refusal != nil {
		return refusal
	}
	return dataResponse(notification)
}

func (s *Server) serveSendTestEvent(c *call) *response {
	var request struct {
		TriggerType events.Type `json:"trigger_type"`
		WebhookURL  string      `json:"webhook_url"`
	}
	if refusal := c.decodeWebhook(&request); refusal != nil {
		return refusal
	}
	notification, refusal := s.mockNotification(request.TriggerType)
	if refusal != nil {
		return refusal
	}
	if refusal := s.checkWebhookURL(request.WebhookURL); refusal != nil {
		return refusal
	}
	delivery := s.courier.attempt(s.tasks.ctx, notification, destination{url: request.WebhookURL, secret: testEventSecret})
	if delivery.Err != nil {
		return badWebhook("unable.verify.webhook_url : no answer")
	}
	if delivery.Status != http.StatusOK {
		return badWebhook(fmt.Sprintf("unable.verify.webhook_url : status is not ok, got %d", delivery.Status))
	}
	return dataResponse("success")
}

func (c *call) decodeWebhook(request any) *response {
	if mediaType, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return badWebhook("invalid.input.format : request must be of content-type application/json")
	}
	return c.decode(c.body, request)
}

func checkTriggers(triggers []events.Type) *response {
	if i := slices.IndexFunc(triggers, func(t events.Type) bool { return !subscribable(t) }); i >= 0 {
		return badWebhook(fmt.Sprintf("invalid.input.format : trigger_types[%d] is not a trigger", i))
	}
	return nil
}

// checkWebhookURL refuses what the server would not deliver to. Nylas wants
// https and a public host; the emulator must never reach a stranger's.
func (s *Server) checkWebhookURL(raw string) *response {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return badWebhook("invalid.input.format : webhook_url must be an absolute http or https URL")
	}
	if s.config.network == nil && !s.private && !isLoopbackHost(u.Hostname()) {
		return badWebhook("unable.verify.webhook_url : the emulator delivers to loopback hosts only")
	}
	return nil
}

// challengeTimeout is how long a receiver may take for the challenge.
// https://developer.nylas.com/docs/v3/notifications/
const challengeTimeout = 10 * time.Second

// verifyWebhook challenges a receiver: it must answer GET with exactly the value
// of the parameter challenge, in one piece.
func (s *Server) verifyWebhook(raw string) *response {
	if refusal := s.checkWebhookURL(raw); refusal != nil {
		return refusal
	}
	u, err := url.Parse(raw)
	if err != nil {
		return badWebhook("invalid.input.format : webhook_url")
	}
	challenge := newUUID()
	query := u.Query()
	query.Set("challenge", challenge)
	u.RawQuery = query.Encode()

	ctx, cancel := context.WithTimeout(s.tasks.ctx, challengeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return badWebhook("invalid.input.format : webhook_url")
	}
	answer, err := s.courier.client.Do(request)
	if err != nil {
		return badWebhook("unable.verify.webhook_url : no answer")
	}
	defer func() { _ = answer.Body.Close() }() // nothing more is read from it
	if answer.StatusCode != http.StatusOK {
		return badWebhook(fmt.Sprintf("unable.verify.webhook_url : status is not ok, got %d", answer.StatusCode))
	}
	if slices.Contains(answer.TransferEncoding, "chunked") {
		return badWebhook("unable.verify.webhook_url : the answer is chunked")
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(len(challenge))+1))
	if err != nil {
		return badWebhook("unable.verify.webhook_url : the answer was cut off")
	}
	if string(body) != challenge {
		return badWebhook("unable.verify.webhook_url : the answer is not the challenge")
	}
	return nil
}
