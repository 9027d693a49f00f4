package nylas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/events"
)

// WebhookService manages webhooks. It is [Client.Webhooks]. Nylas accepts 50 such
// requests per second from an application.
type WebhookService struct{ client *Client }

// WebhookStatus is the state of a webhook. Other values than these constants are
// possible: some pages of Nylas have "paused" and "inactive".
type WebhookStatus string

// The states of a webhook.
const (
	WebhookActive WebhookStatus = "active"
	WebhookPause  WebhookStatus = "pause"
	// WebhookFailing means that 95 % of the deliveries within 15 minutes failed. Nylas
	// goes on delivering for 72 h.
	WebhookFailing WebhookStatus = "failing"
	// WebhookFailed means that Nylas stopped delivering. To start again, update the
	// status to WebhookActive. Nylas does not deliver what was missed.
	WebhookFailed WebhookStatus = "failed"
)

// Webhook is a URL to which Nylas posts the notifications of some triggers.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
type Webhook struct {
	ID           string        `json:"id,omitzero"`
	Description  string        `json:"description,omitzero"`
	TriggerTypes []events.Type `json:"trigger_types,omitzero"`
	WebhookURL   string        `json:"webhook_url,omitzero"`
	// WebhookSecret is set only by Create and RotateSecret. Nylas does not return it
	// again.
	WebhookSecret              string        `json:"webhook_secret,omitzero"`
	Status                     WebhookStatus `json:"status,omitzero"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses,omitzero"`
	// CompressedDelivery reports whether Nylas compresses notifications with gzip. It is
	// nil after Get, because that answer does not contain it.
	CompressedDelivery *bool `json:"compressed_delivery,omitzero"`
	// The times are set only by Get, Update and RotateSecret.
	StatusUpdatedAt events.Timestamp `json:"status_updated_at,omitzero"`
	CreatedAt       events.Timestamp `json:"created_at,omitzero"`
	UpdatedAt       events.Timestamp `json:"updated_at,omitzero"`
}

// shownWebhook is a Webhook that prints its fields.
type shownWebhook Webhook

// withoutSecret returns what may be shown of the webhook.
func (w Webhook) withoutSecret() shownWebhook {
	if w.WebhookSecret != "" {
		w.WebhookSecret = "[secret]"
	}
	return shownWebhook(w)
}

// Format writes the webhook without its secret, whatever the verb. A Webhook in a field that
// is not exported has no such protection.
func (w Webhook) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), w.withoutSecret())
}

// LogValue is the webhook without its secret. A JSON handler does not ask for it inside a
// slice, a map or a struct: log the ID of the webhook there.
func (w Webhook) LogValue() slog.Value { return slog.AnyValue(w.withoutSecret()) }

// CreateWebhookRequest is a webhook to create. TriggerTypes and WebhookURL are required.
type CreateWebhookRequest struct {
	TriggerTypes []events.Type `json:"trigger_types"` // see events.TrackingTypes
	// WebhookURL is a public https URL. Each webhook needs its own.
	WebhookURL  string `json:"webhook_url"`
	Description string `json:"description,omitzero"`
	// NotificationEmailAddresses get a mail when the webhook starts failing.
	NotificationEmailAddresses []string `json:"notification_email_addresses,omitzero"`
	// CompressedDelivery asks Nylas to compress notifications with gzip.
	CompressedDelivery bool `json:"compressed_delivery,omitzero"`
}

// UpdateWebhookRequest changes a webhook. An empty field leaves the webhook's value as it
// is.
type UpdateWebhookRequest struct {
	Description  string        `json:"description,omitempty"`
	TriggerTypes []events.Type `json:"trigger_types,omitempty"`
	WebhookURL   string        `json:"webhook_url,omitempty"`
	// Status can be WebhookActive or WebhookPause. With WebhookActive Nylas sends a
	// challenge to the URL again.
	Status                     WebhookStatus `json:"status,omitempty"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses,omitempty"`
	CompressedDelivery         *bool         `json:"compressed_delivery,omitzero"`
}

// SendTestEventRequest asks for a test event. Both fields are required.
type SendTestEventRequest struct {
	TriggerType events.Type `json:"trigger_type"`
	WebhookURL  string      `json:"webhook_url"`
}

func (w *Webhook) isNamed() bool { return w.ID != "" }

// secretAnswer is an answer that must contain the secret.
type secretAnswer struct{ dataAnswer[Webhook] }

func (a *secretAnswer) isNamed() bool { return a.Data.isNamed() && a.Data.WebhookSecret != "" }

// Create creates a webhook. Before it answers, Nylas sends a challenge to the URL and
// refuses the request if the answer is wrong. A receive.Receiver answers it, so start
// the server first. Only this result contains the secret, so store it. Most programs
// call [Client.Subscribe] instead: it creates one webhook however many processes call
// it, and stores the secret.
//
// If Nylas does not answer, the error matches [ErrOutcomeUnknown]: the webhook may
// exist, and List shows whether it does.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/post-webhook-destinations/
func (s *WebhookService) Create(ctx context.Context, req *CreateWebhookRequest, opts ...RequestOption) (*Webhook, error) {
	op := s.client.begin("create webhook", opts)
	switch {
	case req == nil:
		return nil, refuse(op, "the request is nil")
	case len(req.TriggerTypes) == 0:
		return nil, refuse(op, "TriggerTypes is empty: events.TrackingTypes has those of tracking")
	case req.WebhookURL == "":
		return nil, refuse(op, "WebhookURL is empty")
	}
	var answer secretAnswer
	err := op.do(ctx, call{
		method: http.MethodPost, path: "/v3/webhooks",
		body: req, limit: callTimeout, repeat: repeatUnsent, noProvider: true,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// List returns all webhooks of the application, without secrets and times. The sequence
// yields an error at most once, as its last element; a [ListError] means that some
// elements could not be read.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/get-webhook-destinations-application/
func (s *WebhookService) List(ctx context.Context, opts ...RequestOption) iter.Seq2[*Webhook, error] {
	return pages[Webhook]{
		client: s.client,
		name:   "list webhooks",
		call:   call{method: http.MethodGet, path: "/v3/webhooks", limit: callTimeout},
		opts:   opts,
	}.all(ctx)
}

// Get returns a webhook. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
func (s *WebhookService) Get(ctx context.Context, webhookID string, opts ...RequestOption) (*Webhook, error) {
	var answer dataAnswer[Webhook]
	err := s.client.begin("get webhook", opts).do(ctx, call{
		method: http.MethodGet, path: "/v3/webhooks/{webhook_id}", ids: []string{webhookID},
		limit: callTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// Update changes a webhook; see [UpdateWebhookRequest]. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/put-webhook-by-id/
func (s *WebhookService) Update(
	ctx context.Context, webhookID string, req *UpdateWebhookRequest, opts ...RequestOption,
) (*Webhook, error) {
	op := s.client.begin("update webhook", opts)
	if req == nil {
		return nil, refuse(op, "the request is nil")
	}
	var answer dataAnswer[Webhook]
	err := op.do(ctx, call{
		method: http.MethodPut, path: "/v3/webhooks/{webhook_id}", ids: []string{webhookID},
		body: req, limit: callTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// Delete deletes a webhook. An unknown id is [ErrNotFound]. If a retry does not find the
// webhook, Delete returns nil, because an earlier attempt may have deleted it.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
func (s *WebhookService) Delete(ctx context.Context, webhookID string, opts ...RequestOption) error {
	err := s.client.begin("delete webhook", opts).do(ctx, call{
		method: http.MethodDelete, path: "/v3/webhooks/{webhook_id}", ids: []string{webhookID},
		limit: callTimeout,
	}, nil)
	return deletionError(err)
}

// RotateSecret replaces the secret of a webhook and returns the webhook with the new
// secret. Only this result contains it. Nylas stops using the old secret at once. Until
// the receiver has the new one it answers 401 to genuine notifications, and Nylas never
// retries after 401. Use [Client.Rotate], which avoids that. An unknown id is
// [ErrNotFound]. If the error matches [ErrOutcomeUnknown], Nylas may sign with a secret
// that nobody knows: call RotateSecret again.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/post-new-secret/
func (s *WebhookService) RotateSecret(ctx context.Context, webhookID string, opts ...RequestOption) (*Webhook, error) {
	var answer secretAnswer
	err := s.client.begin("rotate webhook secret", opts).do(ctx, call{
		method: http.MethodPost, path: "/v3/webhooks/rotate-secret/{webhook_id}",
		ids: []string{webhookID}, limit: callTimeout, repeat: repeatTold, noProvider: true,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

// MockPayload returns an example of a trigger's notification as Nylas writes it. It can
// be only a part of a notification.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
func (s *WebhookService) MockPayload(ctx context.Context, trigger events.Type, opts ...RequestOption) (json.RawMessage, error) {
	op := s.client.begin("mock webhook payload", opts)
	if trigger == "" {
		return nil, refuse(op, "the trigger is empty")
	}
	var answer mockAnswer
	err := op.do(ctx, call{
		method: http.MethodPost, path: "/v3/webhooks/mock-payload",
		body: struct {
			TriggerType events.Type `json:"trigger_type"`
		}{trigger},
		limit: callTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

type mockAnswer struct {
	Data json.RawMessage `json:"data"`
}

func (a *mockAnswer) isNamed() bool { return len(a.Data) > 0 && string(a.Data) != "null" }

// SendTestEvent makes Nylas post an example of a notification to a URL. Nylas signs it
// with receive.TestEventSecret.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/send_test_event/
func (s *WebhookService) SendTestEvent(ctx context.Context, req *SendTestEventRequest, opts ...RequestOption) error {
	op := s.client.begin("send test event", opts)
	switch {
	case req == nil:
		return refuse(op, "the request is nil")
	case req.TriggerType == "":
		return refuse(op, "TriggerType is empty")
	case req.WebhookURL == "":
		return refuse(op, "WebhookURL is empty")
	}
	// The data of the answer is a string, of which nothing more is known.
	return op.do(ctx, call{
		method: http.MethodPost, path: "/v3/webhooks/send-test-event",
		body: req, limit: callTimeout, repeat: repeatUnsent,
	}, nil)
}

// WebhookIPAddresses are the addresses from which Nylas posts notifications.
type WebhookIPAddresses struct {
	IPAddresses []string         `json:"ip_addresses,omitzero"`
	UpdatedAt   events.Timestamp `json:"updated_at,omitzero"`
}

func (a *WebhookIPAddresses) isNamed() bool { return a.IPAddresses != nil }

// IPAddresses returns the addresses from which Nylas posts notifications, for a
// firewall. They are fixed only for enterprise contracts and change for all others. The
// signature, not the address, shows that a notification is genuine.
//
// https://developer.nylas.com/docs/v3/notifications/
func (s *WebhookService) IPAddresses(ctx context.Context, opts ...RequestOption) (*WebhookIPAddresses, error) {
	var answer dataAnswer[WebhookIPAddresses]
	err := s.client.begin("list webhook IP addresses", opts).do(ctx, call{
		method: http.MethodGet, path: "/v3/webhooks/ip-addresses", limit: callTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

func sameSet[S ~string](a, b []S) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// sameURL reports whether two URLs are the same after the normalisation that
// every server may do: RFC 3986, sections 6.2.2.1 and 6.2.3.
func sameURL(a, b string) bool { return a == b || normalURL(a) == normalURL(b) }

func normalURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Host = strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		u.Host = strings.TrimSuffix(u.Host, ":443")
	case "http":
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
