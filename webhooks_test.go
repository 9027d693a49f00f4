package nylas_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nylastrack/nylas-go/receive"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

const (
	createdAnswer        = "published/webhooks.create.response.json"
	unknownWebhookAnswer = "constructed/error.webhook-id.400.json"
)

func trackingTriggers() []events.Type {
	return []events.Type{events.TypeMessageOpened, events.TypeMessageLinkClicked, events.TypeThreadReplied}
}

// webhook is the webhook of the recorded answers, without what only some of
// them have.
func webhook(change func(*nylas.Webhook)) *nylas.Webhook {
	w := &nylas.Webhook{
		ID: testWebhook, Description: "Email engagement tracking", TriggerTypes: trackingTriggers(),
		WebhookURL: "https://yourapp.com/webhooks/nylas", Status: nylas.WebhookActive,
		NotificationEmailAddresses: []string{"jane@example.com", "joe@example.com"},
	}
	change(w)
	return w
}

func withTimes(w *nylas.Webhook) {
	w.StatusUpdatedAt = events.At(time.Unix(1234567890, 0))
	w.CreatedAt = events.At(time.Unix(1234567891, 0))
	w.UpdatedAt = events.At(time.Unix(1234567892, 0))
}

// TestWebhooksOnTheWire runs each method against a recorded exchange.
func TestWebhooksOnTheWire(t *testing.T) {
	t.Parallel()
	update := func(req nylas.UpdateWebhookRequest) func(context.Context, *nylas.WebhookService) (any, error) {
		return func(ctx context.Context, s *nylas.WebhookService) (any, error) {
			return s.Update(ctx, testWebhook, &req)
		}
	}
	updated := webhook(func(w *nylas.Webhook) {
		w.Status, w.CompressedDelivery = nylas.WebhookPause, new(false)
		withTimes(w)
	})
	created := webhook(func(w *nylas.Webhook) {
		w.WebhookSecret, w.CompressedDelivery, w.NotificationEmailAddresses = "41dD3-nXTUfebYuk81Gr", new(false), []string{}
	})
	for _, tt := range []struct {
		request, answer string
		call            func(context.Context, *nylas.WebhookService) (any, error)
		want            any
	}{
		{
			"webhooks.create", createdAnswer,
			func(ctx context.Context, s *nylas.WebhookService) (any, error) {
				return s.Create(ctx, &nylas.CreateWebhookRequest{
					TriggerTypes: trackingTriggers(), WebhookURL: "https://yourapp.com/webhooks/nylas",
					Description: "Email engagement tracking",
				})
			}, created,
		},
		{
			"webhooks.create-all", createdAnswer,
			func(ctx context.Context, s *nylas.WebhookService) (any, error) {
				return s.Create(ctx, &nylas.CreateWebhookRequest{
					TriggerTypes: trackingTriggers(), WebhookURL: "https://yourapp.com/webhooks/nylas",
					Description: "Email engagement tracking", NotificationEmailAddresses: []string{"ops@acme.dev"},
					CompressedDelivery: true,
				})
			}, created,
		},
		{
			"webhooks.get", "http/webhooks.get.response.json",
			func(ctx context.Context, s *nylas.WebhookService) (any, error) { return s.Get(ctx, testWebhook) },
			webhook(withTimes), // no secret, and nothing about compression
		},
		{"webhooks.update-nothing", "http/webhooks.update.response.json", update(nylas.UpdateWebhookRequest{}), updated},
		{
			"webhooks.update-nothing", "http/webhooks.update.response.json",
			update(nylas.UpdateWebhookRequest{TriggerTypes: []events.Type{}, NotificationEmailAddresses: []string{}}), updated,
		},
		{
			"webhooks.update-compressed-off", "http/webhooks.update.response.json",
			update(nylas.UpdateWebhookRequest{CompressedDelivery: new(false)}), updated,
		},
		{
			"webhooks.update-status", "http/webhooks.update.response.json",
			update(nylas.UpdateWebhookRequest{Status: nylas.WebhookPause}), updated,
		},
		{
			"webhooks.update-all", "http/webhooks.update.response.json",
			update(nylas.UpdateWebhookRequest{
				Description: "New", TriggerTypes: []events.Type{events.TypeMessageOpened}, WebhookURL: "https://acme.dev/hooks",
				Status: nylas.WebhookActive, NotificationEmailAddresses: []string{"ops@acme.dev"}, CompressedDelivery: new(true),
			}), updated,
		},
		{
			"webhooks.delete", "http/webhooks.delete.response.json",
			func(ctx context.Context, s *nylas.WebhookService) (any, error) {
				return nil, s.Delete(ctx, testWebhook)
			},
			nil,
		},
		{
			"webhooks.rotate-secret", "http/webhooks.rotate-secret.response.json",
			func(ctx context.Context, s *nylas.WebhookService) (any, error) {
				return s.RotateSecret(ctx, testWebhook)
			},
			webhook(func(w *nylas.Webhook) {
				w.WebhookSecret, w.CompressedDelivery = "8xYq1-new-after-rotation", new(true)
				w.NotificationEmailAddresses = []string{"jane@example.com"}
				withTimes(w)
			}),
		},
		{
			"webhooks.mock-payload", "http/webhooks.mock-payload.response.json",
			func(ctx context.Context, s *nylas.WebhookService) (any, error) {
				payload, err := s.MockPayload(ctx, events.TypeMessageOpened)
				assert.JSONEq(t, `{"data":{"application_id":"<application_id>",`+
					`"object":{"message_id":"18df4a4a5cc7dea7","count":1}}}`, string(payload))
				return nil, err
			}, nil,
		},
		{
			"webhooks.send-test-event", "http/webhooks.send-test-event.response.json",
			func(ctx context.Context, s *nylas.WebhookService) (any, error) {
				return nil, s.SendTestEvent(ctx, &nylas.SendTestEventRequest{
					TriggerType: events.TypeMessageLinkClicked, WebhookURL: "https://acme.dev/hooks",
				})
			}, nil,
		},
	} {
		for _, status := range []int{200, 201, 202} {
			t.Run(tt.request, func(t *testing.T) {
				t.Parallel()
				w := newWire(t, answersFile(t, status, tt.answer))
				got, err := tt.call(t.Context(), w.client(t).Webhooks)
				require.NoError(t, err)
				assert.Equal(t, tt.want, got)
				require.Len(t, w.requests(), 1)
				assertRecorded(t, "http/"+tt.request+".request.json", w.requests()[0])
			})
		}
	}
}

func TestListWebhooks(t *testing.T) {
	t.Parallel()
	w := newWireAlways(answersFile(t, 200, "http/webhooks.list.response.json"))
	client := w.client(t)
	list := client.Webhooks.List(t.Context())
	assert.Empty(t, w.requests(), "nothing is asked before it is needed")

	var got []*nylas.Webhook
	for webhook, err := range list {
		require.NoError(t, err)
		got = append(got, webhook)
	}
	assert.Equal(t, []*nylas.Webhook{
		webhook(func(w *nylas.Webhook) { w.CompressedDelivery = new(true) }),
		webhook(func(w *nylas.Webhook) {
			w.ID, w.Status, w.CompressedDelivery = "second", "paused", new(false)
			w.TriggerTypes, w.NotificationEmailAddresses = []events.Type{"message.brand_new"}, nil
		}),
		webhook(func(w *nylas.Webhook) {
			w.ID, w.Status, w.NotificationEmailAddresses = "third", nylas.WebhookFailing, nil
		}),
	}, got)
	require.Len(t, w.requests(), 1)
	assertRecorded(t, "http/webhooks.list.request.json", w.requests()[0])

	for _, err := range list {
		require.NoError(t, err)
		break
	}
	assert.Len(t, w.requests(), 2, "each loop asks again")

	next, stop := iter.Pull2(list)
	first, err, ok := next()
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, testWebhook, first.ID)
	stop()
	_, _, ok = next()
	assert.False(t, ok)
}

func TestListWebhooksFails(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]httpmock.Responder{
		"answer": answersFile(t, 401, "constructed/error.unauthorized.401.json"), "not JSON": answers(200, "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			yielded := 0
			for webhook, err := range newWire(t, respond).client(t).Webhooks.List(t.Context()) {
				yielded++
				assert.Nil(t, webhook)
				require.Error(t, err)
			}
			assert.Equal(t, 1, yielded)
		})
	}
	for _, body := range []string{`{"data":null}`, `{"data":[]}`, `{"data":[null]}`} {
		assertEmpty(t, newWire(t, answers(200, body)).client(t).Webhooks.List(t.Context()))
	}
}

func TestUnknownWebhook(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		if m.path != "/v3/webhooks/{webhook_id}" && m.op != "rotate webhook secret" {
			continue
		}
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			for respond, wantType := range map[string]string{
				string(recording(t, unknownWebhookAnswer)):                                               "70000",
				`{"error":{"type":70000,"message":"destination.id.not.found : record not found"}}`:       "70000",
				`{"error":{"type":"api.70000","message":"Destination.Id.Not.Found : record not found"}}`: "70000",
			} {
				err := m.call(t.Context(), newWire(t, answers(400, respond)).client(t))
				assertSentinels(t, err, nylas.ErrNotFound)
				assert.Equal(t, wantType, asError(t, err).Type)
				assert.Contains(t, err.Error(), "nylas: "+m.op+": 400 70000: ")
			}
			err := m.call(t.Context(), newWire(t, answers(400, `{"error":{"type":"70000","message":"invalid.input"}}`)).client(t))
			assertSentinels(t, err, nylas.ErrInvalidRequest)
		})
	}
}

func TestWebhookThatCannotBeVerified(t *testing.T) {
	t.Parallel()
	_, err := newWire(t, answersFile(t, 400, "constructed/error.webhook-url.400.json")).client(t).Webhooks.
		Create(t.Context(), &nylas.CreateWebhookRequest{TriggerTypes: trackingTriggers(), WebhookURL: "https://acme.dev"})
	require.EqualError(t, err, "nylas: create webhook: 400 70005: unable.verify.webhook_url : status is not ok, got 404"+textRequest)
	assertSentinels(t, err, nylas.ErrInvalidRequest)
}

// TestDeleteTwice has deletions whose answer was lost.
func TestDeleteTwice(t *testing.T) {
	t.Parallel()
	unknown := answersFile(t, 400, unknownWebhookAnswer)
	notFound := answersFile(t, 404, "http/error.not-found.404.json")
	for _, tt := range []struct {
		name   string
		script []httpmock.Responder
		is     []error
	}{
		{"lost, then unknown", inTurn(loses, unknown), nil},
		{"504, then unknown", inTurn(answers(504, ""), unknown), nil},
		{"lost, then 404", inTurn(loses, notFound), nil},
		{"lost twice, then done", inTurn(loses, loses, answersFile(t, 200, "http/webhooks.delete.response.json")), nil},
		{"unknown", inTurn(unknown), []error{nylas.ErrNotFound}},
		{"404", inTurn(notFound), []error{nylas.ErrNotFound}},
		{"lost, then 401", inTurn(loses, answersFile(t, 401, "constructed/error.unauthorized.401.json")), []error{nylas.ErrUnauthorized}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, tt.script...)
				err := w.client(t).Webhooks.Delete(t.Context(), testWebhook)
				assert.Len(t, w.requests(), len(tt.script))
				assertSentinels(t, err, tt.is...)
				assert.Equal(t, tt.is == nil, err == nil)
			})
		})
	}
}

// TestRepeatedWebhookCalls has the calls that can be made twice.
func TestRepeatedWebhookCalls(t *testing.T) {
	t.Parallel()
	noDial := fails(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	for _, m := range methods() {
		if m.repeats != repeatsAlways && m.repeats != repeatsTold || m.streams() { // TestDownloadIsRepeated
			continue
		}
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for _, first := range inTurn(loses, noDial, answersCut(200, `{"data"`), answers(429, ""), answers(500, ""), answers(503, "")) {
					w := newWire(t, first, answers(200, anyAnswer(m.op)))
					require.NoError(t, m.call(t.Context(), w.client(t)))
					requests := w.requests()
					require.Len(t, requests, 2)
					assert.Equal(t, requests[0].body, requests[1].body)
					assert.Equal(t, requests[0].header, requests[1].header)
				}
				err := m.call(t.Context(), newWireAlways(loses).client(t))
				if m.repeats == repeatsTold {
					assertSentinels(t, err, nylas.ErrOutcomeUnknown)
				} else {
					assertSentinels(t, err)
				}
			})
		})
	}
}

func TestWebhooksRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	s, ctx := w.client(t).Webhooks, t.Context()
	triggers := trackingTriggers()
	for want, call := range map[string]func() error{
		"create webhook: the request is nil": func() error {
			_, err := s.Create(ctx, nil)
			return err
		},
		"create webhook: TriggerTypes is empty: events.TrackingTypes has those of tracking": func() error {
			_, err := s.Create(ctx, &nylas.CreateWebhookRequest{WebhookURL: "https://acme.dev"})
			return err
		},
		"create webhook: WebhookURL is empty": func() error {
			_, err := s.Create(ctx, &nylas.CreateWebhookRequest{TriggerTypes: triggers})
			return err
		},
		"update webhook: the request is nil": func() error {
			_, err := s.Update(ctx, testWebhook, nil)
			return err
		},
		"mock webhook payload: the trigger is empty": func() error {
			_, err := s.MockPayload(ctx, "")
			return err
		},
		"send test event: the request is nil":   func() error { return s.SendTestEvent(ctx, nil) },
		"send test event: TriggerType is empty": func() error { return s.SendTestEvent(ctx, &nylas.SendTestEventRequest{WebhookURL: "x"}) },
		"send test event: WebhookURL is empty":  func() error { return s.SendTestEvent(ctx, &nylas.SendTestEventRequest{TriggerType: "x"}) },
	} {
		err := call()
		require.EqualError(t, err, "nylas: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())
}

func TestTestEventSecret(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "mock-webhook-secret", receive.TestEventSecret)
}

// A webhook whose secret was not seen must not look like one that can be
// used.
func TestSecretsMustBeThere(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"data":{"id":"w-1"}}`, `{"data":{"webhook_secret":"s-1"}}`, `{"data":{"id":"w-1","webhook_secret":""}}`} {
		w := newWireAlways(answers(200, body))
		_, err := w.client(t).Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
			TriggerTypes: events.TrackingTypes(), WebhookURL: "https://acme.dev/hooks",
		})
		assertSentinels(t, err, nylas.ErrOutcomeUnknown)
		_, err = w.client(t).Webhooks.RotateSecret(t.Context(), "w-1")
		assertSentinels(t, err, nylas.ErrOutcomeUnknown) // Nylas may sign with a secret that nobody knows
		assert.ErrorContains(t, err, "does not name what was made")
	}
}

// A webhook that is printed or logged shows no secret.
func TestWebhookHidesItsSecret(t *testing.T) {
	t.Parallel()
	const marker = "SECRET-MARKER"
	webhook := nylas.Webhook{ID: "w-1", WebhookURL: "https://acme.dev/hooks", WebhookSecret: marker}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{webhook, &webhook, []nylas.Webhook{webhook}, struct{ W nylas.Webhook }{webhook}} {
			text := fmt.Sprintf(verb, value)
			assert.NotContains(t, text, marker, verb)
			assert.NotContains(t, strings.ToLower(text), fmt.Sprintf("%x", marker), verb)
		}
	}
	assert.Contains(t, fmt.Sprintf("%+v", webhook), "https://acme.dev/hooks")
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", slog.Any("webhook", webhook))
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("made", slog.Any("webhook", &webhook))
	assert.NotContains(t, logged.String(), marker)
	assert.Equal(t, 2, strings.Count(logged.String(), "w-1"))

	encoded, err := json.Marshal(webhook)
	require.NoError(t, err)
	assert.Contains(t, string(encoded), marker, "it can be stored")
}
