// This file has every method of the client, for tests that go through all of them.

package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// repeats says when a method repeats, as design has it.
type repeats int

const (
	repeatsAlways repeats = iota
	repeatsWithKey
	repeatsUnsent
	repeatsTold // always, and its error says whether it may have been carried out
)

// method is one method of the Client, for tests that go through all of them.
type method struct {
	op      string
	verb    string
	path    string // the template
	repeats repeats
	call    func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error
}

// methods returns all of them, each with a request that Nylas would take.
func methods() []method {
	return slices.Concat(mailboxMethods(), messageMethods(), historyMethods(), channelMethods(), []method{
		{
			"send message", http.MethodPost, "/v3/grants/{grant_id}/messages/send", repeatsWithKey,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Messages.Send(ctx, testGrant, markedMessage(), append(opts, nylas.WithIdempotencyKey(testKey))...)
				return err
			},
		},
		{
			"create webhook", http.MethodPost, "/v3/webhooks", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
					TriggerTypes: events.TrackingTypes(), WebhookURL: markLink, Description: markBody,
					NotificationEmailAddresses: []string{markAddress},
				}, opts...)
				return err
			},
		},
		{
			"list webhooks", http.MethodGet, "/v3/webhooks", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				var failed []error
				for _, err := range c.Webhooks.List(ctx, opts...) {
					if err != nil {
						failed = append(failed, err)
					}
				}
				if len(failed) > 1 {
					return fmt.Errorf("the list has %d errors", len(failed))
				}
				return errors.Join(failed...)
			},
		},
		{
			"get webhook", http.MethodGet, "/v3/webhooks/{webhook_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Webhooks.Get(ctx, testWebhook, opts...)
				return err
			},
		},
		{
			"update webhook", http.MethodPut, "/v3/webhooks/{webhook_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Webhooks.Update(ctx, testWebhook, &nylas.UpdateWebhookRequest{Description: markBody}, opts...)
				return err
			},
		},
		{
			"delete webhook", http.MethodDelete, "/v3/webhooks/{webhook_id}", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Webhooks.Delete(ctx, testWebhook, opts...)
			},
		},
		{
			"rotate webhook secret", http.MethodPost, "/v3/webhooks/rotate-secret/{webhook_id}", repeatsTold,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Webhooks.RotateSecret(ctx, testWebhook, opts...)
				return err
			},
		},
		{
			"mock webhook payload", http.MethodPost, "/v3/webhooks/mock-payload", repeatsAlways,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				_, err := c.Webhooks.MockPayload(ctx, events.TypeMessageOpened, opts...)
				return err
			},
		},
		{
			"send test event", http.MethodPost, "/v3/webhooks/send-test-event", repeatsUnsent,
			func(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) error {
				return c.Webhooks.SendTestEvent(ctx, &nylas.SendTestEventRequest{
					TriggerType: events.TypeMessageOpened, WebhookURL: markLink,
				}, opts...)
			},
		},
	})
}

// streams reports whether a good answer is not JSON, and the caller reads it.
func (m method) streams() bool { return m.op == "download attachment" }

// isList reports whether Nylas answers an operation with a list.
func isList(op string) bool {
	return strings.HasPrefix(op, "list ") && op != "list webhook IP addresses" || op == "find sent message"
}

// anyAnswer is an answer of 2xx that a call can take.
func anyAnswer(op string) string {
	if isList(op) {
		return `{"data":null}`
	}
	return `{"data":{"id":"x-1","schedule_id":"x-1","message_id":"x-1","webhook_secret":"s-1","ip_addresses":[]}}`
}

// mailboxLimit is the time of an attempt that waits for the mail provider.
const mailboxLimit = 100 * time.Second

// limitOf returns the time of an attempt.
func limitOf(m method) time.Duration {
	switch {
	case m.repeats == repeatsWithKey, m.op == "send draft":
		return sendLimit
	case m.op == "get grant":
		return callLimit
	case strings.HasPrefix(m.path, "/v3/grants/") && !strings.Contains(m.path, "/schedules"):
		return mailboxLimit
	default:
		return callLimit
	}
}

// messagePaths are the placeholders of the methods below with their values.
func messagePaths() []string {
	return []string{"{draft_id}", testID, "{message_id}", testID, "{schedule_id}", testID, "{domain}", testDomain, "{thread_id}", testThread, "{folder_id}", testFolder, "{attachment_id}", testAttachment}
}

// historyPaths are the ids in the paths of historyMethods and channelMethods, for a
// strings.Replacer.
func historyPaths() []string {
	return []string{
		"{event_id}", testEvent, "{channel_id}", testWebhook, "{rule_id}", testWebhook,
		"send/messages/{message_id}", "send/messages/" + url.PathEscape(testTransactional),
		"tracking/messages/{message_id}", "tracking/messages/" + url.PathEscape(testTransactional),
	}
}

// onlyError goes through a list and returns its error, and another one if it does
// not yield it once, at the end and alone.
func onlyError[T any](list iter.Seq2[*T, error]) error {
	var failed error
	for element, err := range list {
		switch {
		case failed != nil:
			return errors.New("the list goes on after its error")
		case err != nil && element != nil:
			return fmt.Errorf("the list has an element with the error: %w", err)
		}
		failed = err
	}
	return failed
}

// What methods has not, no test takes through the failures.
func TestMethodsHasEachMethodOfTheServices(t *testing.T) {
	t.Parallel()
	var ops []string
	for _, m := range methods() {
		ops = append(ops, m.op)
	}
	var names []string
	for _, service := range reflect.VisibleFields(reflect.TypeFor[nylas.Client]()) {
		if !service.IsExported() {
			continue
		}
		for method := range service.Type.Methods() {
			f := method.Type
			if f.IsVariadic() && f.In(f.NumIn()-1) == reflect.TypeFor[[]nylas.RequestOption]() {
				names = append(names, service.Name+"."+method.Name)
			}
		}
	}
	slices.Sort(ops)
	assert.Len(t, slices.Compact(ops), len(names), "methods() has %q, the services have %q", ops, names)
}

// TestNilOptionIsIgnored has nil among the options of everything that takes some.
func TestNilOptionIsIgnored(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			var resp nylas.Response
			w := newWireAlways(answers(200, anyAnswer(m.op)))
			client := w.client(t, nil, nylas.WithUserAgent("crm"), nil)
			require.NoError(t, m.call(t.Context(), client, nil, nylas.WithHeader("X-Trace", "1"), nil, nylas.WithResponse(&resp), nil))
			require.Len(t, w.requests(), 1)
			assert.Equal(t, "1", w.requests()[0].header.Get("X-Trace"))
			assert.Contains(t, w.requests()[0].header.Get("User-Agent"), "crm ")
			assert.Equal(t, 1, resp.Attempts)
		})
	}
	t.Run("options of one method", func(t *testing.T) {
		t.Parallel()
		w := newWire(t, answers(200, anyAnswer("get message")))
		_, err := w.client(t).Messages.Get(t.Context(), testGrant, testID, nil, nylas.WithSelect("id"), nil)
		require.NoError(t, err)
		assert.Contains(t, w.requests()[0].target, "?select=id")
	})
	t.Run("send draft under a policy", func(t *testing.T) {
		t.Parallel()
		answer := answers(200, `{"data":{"id":"x-1","to":[{"email":"kim@example.org"}]}}`)
		w := newWire(t, answer, answer, answer)
		_, err := w.client(t, onlyReplies()).Drafts.Send(t.Context(), testGrant, testID, nil, nil, nylas.WithHeader("X-Trace", "1"), nil)
		require.NoError(t, err)
		require.Len(t, w.requests(), 3)
		for _, request := range w.requests() {
			assert.Equal(t, "1", request.header.Get("X-Trace"))
		}
	})
	t.Run("subscribe and rotate", func(t *testing.T) {
		t.Parallel()
		store := storeOf()
		w := newWire(t, answersFile(t, 200, "http/webhooks.list.response.json"), answersFile(t, 200, rotatedAnswer))
		_, err := w.client(t).Subscribe(t.Context(), asRecorded(store), nil, nylas.WithHeader("X-Trace", "1"), nil)
		require.NoError(t, err)
		require.NoError(t, w.client(t).Rotate(t.Context(), store, nil, nylas.WithOverlap(0), nil, nylas.WithHeader("X-Trace", "1")))
		require.Len(t, w.requests(), 2)
		for _, request := range w.requests() {
			assert.Equal(t, "1", request.header.Get("X-Trace"))
		}
		state, err := store.Load(t.Context())
		require.NoError(t, err)
		assert.Len(t, state.Secrets, 1, "WithOverlap beside nil counts")
	})
}
