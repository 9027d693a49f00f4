package nylas_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	recordedURL   = "https://yourapp.com/webhooks/nylas"
	createdSecret = "41dD3-nXTUfebYuk81Gr" // of the recorded answer
	storedSecret  = "OLD-SECRET-MARKER"
	listRequest   = "GET /v3/webhooks"
	createRequest = "POST /v3/webhooks"
	getRequest    = "GET /v3/webhooks/" + testWebhook
	updateRequest = "PUT /v3/webhooks/" + testWebhook
	rotateRequest = "POST /v3/webhooks/rotate-secret/" + testWebhook
	rotatedAnswer = "http/webhooks.rotate-secret.response.json"
	updatedAnswer = "http/webhooks.update.response.json"
	refusedAnswer = "constructed/error.webhook-url.400.json"
	wantOverlap   = 30 * time.Minute
	wantLease     = time.Minute
)

// troubledStore is a store that fails on demand.
type troubledStore struct {
	memoryStore
	loadErr error
	// swap, if not nil, is asked before each Swap, by its number from 1.
	swap func(n int) error
	n    int
}

func (s *troubledStore) Load(ctx context.Context) (receive.SecretState, error) {
	state, err := s.memoryStore.Load(ctx)
	return state, errors.Join(err, s.loadErr)
}

func (s *troubledStore) Swap(ctx context.Context, old, next receive.SecretState) error {
	s.n++
	if s.swap != nil {
		if err := s.swap(s.n); err != nil {
			return err
		}
	}
	return s.memoryStore.Swap(ctx, old, next)
}

// storeOf returns a store that holds the recorded webhook.
func storeOf(change ...func(*receive.SecretState)) *troubledStore {
	state := receive.SecretState{
		WebhookID: testWebhook, URL: recordedURL, Secrets: []receive.StoredSecret{{Value: storedSecret}},
	}
	for _, c := range change {
		c(&state)
	}
	return &troubledStore{memoryStore: memoryStore{state: state}}
}

// busyWith is a lease that ends after a while. One that has ended did so before the
// clock of a bubble begins.
func busyWith(busy string, rest time.Duration) func(*receive.SecretState) {
	return func(s *receive.SecretState) {
		s.Busy, s.Owner, s.BusyUntil = busy, "somebody", time.Now().Add(rest)
		if rest < 0 {
			s.BusyUntil = time.Unix(1, 0)
		}
		if busy == receive.BusyCreate {
			s.WebhookID, s.Secrets = "", nil
		}
	}
}

// asRecorded asks for what the recorded answers have.
func asRecorded(store receive.SecretStore, change ...func(*nylas.SubscribeRequest)) *nylas.SubscribeRequest {
	req := &nylas.SubscribeRequest{URL: recordedURL, Types: trackingTriggers(), Secrets: store}
	for _, c := range change {
		c(req)
	}
	return req
}

func adopt(r *nylas.SubscribeRequest) { r.Adopt = true }

// listed answers a list with these members of one webhook.
func listed(members string) httpmock.Responder {
	return answers(200, `{"data":[{"id":"`+testWebhook+`","webhook_url":"`+recordedURL+`",`+
		`"trigger_types":["thread.replied","message.opened","message.link_clicked"]`+members+`}]}`)
}

func emptyList() httpmock.Responder { return answers(200, `{"data":[]}`) }

// sentAs returns the method and path of each request.
func sentAs(w *wire) []string {
	list := []string{}
	for _, r := range w.requests() {
		list = append(list, r.method+" "+r.target)
	}
	return list
}

func values(secrets []receive.StoredSecret) []string {
	var list []string
	for _, s := range secrets {
		list = append(list, s.Value)
	}
	return list
}

func TestSubscribeInPlace(t *testing.T) {
	t.Parallel()
	for asked, same := range map[string]bool{
		recordedURL:                              true,
		"HTTPS://YourApp.com:443/webhooks/nylas": true,
		"https://yourapp.com/webhooks/nylas/":    false,
		"https://yourapp.com/webhooks/Nylas":     false,
		"https://yourapp.com:444/webhooks/nylas": false,
		"http://yourapp.com/webhooks/nylas":      false,
		"https://yourapp.com/webhooks/nylas?a=b": false,
		"https://yourapp.com":                    false,
		"yourapp.com/webhooks/nylas":             false,
		"%":                                      false,
	} {
		t.Run(url.PathEscape(asked), func(t *testing.T) {
			t.Parallel()
			store := storeOf()
			w := newWireAlways(listed(`,"compressed_delivery":true,"description":"x","webhook_secret":"s"`))
			var resp nylas.Response
			webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(store, func(r *nylas.SubscribeRequest) {
				r.URL = asked
				r.Types = append(r.Types, events.TypeMessageOpened) // once or twice is the same
				r.CompressedDelivery = new(true)
			}), nylas.WithResponse(&resp))
			assert.Empty(t, store.swaps)
			if !same {
				require.EqualError(t, err, "nylas: subscribe: the store holds the secret of a webhook for another URL: use another store")
				assertSentinels(t, err, nylas.ErrInvalidRequest)
				assert.Empty(t, w.requests())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, []string{listRequest}, sentAs(w))
			assert.Equal(t, testWebhook, webhook.ID)
			assert.Equal(t, "x", webhook.Description)
			assert.Empty(t, webhook.WebhookSecret)
			assert.Equal(t, 200, resp.StatusCode)
		})
	}
	t.Run("an empty path", func(t *testing.T) {
		t.Parallel()
		store := storeOf(func(s *receive.SecretState) { s.URL = "https://acme.dev" })
		w := newWire(t, answers(200, `{"data":[{"id":"`+testWebhook+`","webhook_url":"http://acme.dev:80","trigger_types":["x"]}]}`),
			answersFile(t, 200, updatedAnswer))
		_, err := w.client(t).Subscribe(t.Context(), &nylas.SubscribeRequest{URL: "https://acme.dev/", Types: []events.Type{"x"}, Secrets: store})
		require.NoError(t, err)
		assert.JSONEq(t, `{"webhook_url":"https://acme.dev/"}`, string(w.requests()[1].body), "at Nylas it is http")
	})
	t.Run("not in the list yet", func(t *testing.T) {
		t.Parallel()
		w := newWire(t, emptyList(), answersFile(t, 200, "http/webhooks.get.response.json"))
		webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(storeOf()))
		require.NoError(t, err)
		assert.Equal(t, []string{listRequest, getRequest}, sentAs(w))
		assert.Equal(t, testWebhook, webhook.ID)
	})
}

func TestSubscribeUpdates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		listed string
		change func(*nylas.SubscribeRequest)
		body   string
	}{
		"triggers": {``, func(r *nylas.SubscribeRequest) { r.Types = r.Types[:2] },
			`{"trigger_types":["message.opened","message.link_clicked"]}`},
		"description": {`,"description":"old"`, func(r *nylas.SubscribeRequest) { r.Description = "new" }, `{"description":"new"}`},
		"addresses": {`,"notification_email_addresses":["b@acme.dev"]`,
			func(r *nylas.SubscribeRequest) { r.NotificationEmailAddresses = []string{"a@acme.dev"} },
			`{"notification_email_addresses":["a@acme.dev"]}`},
		"compression": {`,"compressed_delivery":true`, func(r *nylas.SubscribeRequest) { r.CompressedDelivery = new(false) },
			`{"compressed_delivery":false}`},
		"URL":    {``, func(*nylas.SubscribeRequest) {}, `{"webhook_url":"` + recordedURL + `"}`},
		"failed": {`,"status":"failed"`, func(*nylas.SubscribeRequest) {}, `{"status":"active"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := storeOf()
			list := listed(tt.listed)
			if name == "URL" {
				list = answers(200, `{"data":[{"id":"`+testWebhook+`","webhook_url":"https://yourapp.com/elsewhere",`+
					`"trigger_types":["message.opened","message.link_clicked","thread.replied"]}]}`)
			}
			w := newWire(t, list, answersFile(t, 200, updatedAnswer))
			webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(store, tt.change))
			require.NoError(t, err)
			assert.Equal(t, []string{listRequest, updateRequest}, sentAs(w))
			assert.JSONEq(t, tt.body, string(w.requests()[1].body))
			assert.Equal(t, nylas.WebhookPause, webhook.Status, "the answer to the update counts")
			assert.Empty(t, webhook.WebhookSecret)
			assert.Empty(t, store.swaps)
		})
	}
	for _, status := range []nylas.WebhookStatus{nylas.WebhookPause, "paused", "inactive", nylas.WebhookFailing} {
		t.Run("stays "+string(status), func(t *testing.T) {
			t.Parallel()
			w := newWire(t, listed(`,"status":"`+string(status)+`"`))
			webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(storeOf()))
			require.NoError(t, err)
			assert.Equal(t, status, webhook.Status)
		})
	}
}

func TestSubscribeCreates(t *testing.T) {
	t.Parallel()
	deleted := answersFile(t, 400, unknownWebhookAnswer)
	for name, tt := range map[string]struct {
		store func() *troubledStore
		ask   []httpmock.Responder
		sent  []string
		wait  time.Duration
	}{
		"there is none": {func() *troubledStore { return &troubledStore{} }, inTurn(emptyList()), []string{listRequest}, 0},
		"it was deleted": {func() *troubledStore { return storeOf() }, inTurn(emptyList(), deleted),
			[]string{listRequest, getRequest}, 0},
		"it was deleted while its secret was rotated": {func() *troubledStore { return storeOf(busyWith(receive.BusyRotate, -1)) },
			inTurn(emptyList(), deleted), []string{listRequest, getRequest}, 0},
		"a creation left nothing": {func() *troubledStore { return storeOf(busyWith(receive.BusyCreate, 20*time.Second)) },
			inTurn(emptyList()), []string{listRequest}, 20 * time.Second},
	} {
		t.Run(name, bubble(func(t *testing.T) {
			store := tt.store()
			start := time.Now()
			w := newWire(t, append(tt.ask, answersFile(t, 200, createdAnswer))...)
			webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(store, func(r *nylas.SubscribeRequest) {
				r.Description, r.NotificationEmailAddresses, r.CompressedDelivery = "d", []string{"a@acme.dev"}, new(true)
			}))
			require.NoError(t, err)
			assert.Equal(t, append(tt.sent, createRequest), sentAs(w))
			assert.JSONEq(t, `{"webhook_url":"`+recordedURL+`","trigger_types":["message.opened","message.link_clicked","thread.replied"],`+
				`"description":"d","notification_email_addresses":["a@acme.dev"],"compressed_delivery":true}`, string(w.requests()[len(tt.sent)].body))
			assert.Equal(t, testWebhook, webhook.ID)
			assert.Empty(t, webhook.WebhookSecret)
			assert.InDelta(t, tt.wait, time.Since(start), float64(time.Second))

			require.Len(t, store.swaps, 2)
			busy, settled := store.swaps[0], store.swaps[1]
			assert.Equal(t, receive.BusyCreate, busy.Busy)
			assert.NotEqual(t, "somebody", busy.Owner)
			assert.Len(t, busy.Owner, 26)
			assert.InDelta(t, wantLease, time.Until(busy.BusyUntil), float64(time.Second))
			assert.Zero(t, busy.BusyUntil.Nanosecond(), "every store can keep it")
			assert.Equal(t, receive.SecretState{
				URL: recordedURL, Busy: receive.BusyCreate, Owner: busy.Owner, BusyUntil: busy.BusyUntil,
			}, busy, "all begins again")
			assert.Equal(t, receive.SecretState{
				WebhookID: testWebhook, URL: recordedURL, Secrets: []receive.StoredSecret{{Value: createdSecret}},
			}, settled)
		}))
	}
}

// TestSubscribeTakesOver has webhooks whose secret nobody has.
func TestSubscribeTakesOver(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		store  *troubledStore
		change []func(*nylas.SubscribeRequest)
		kept   []string
	}{
		"what a creation left":  {storeOf(busyWith(receive.BusyCreate, -time.Second)), nil, nil},
		"what a rotation left":  {storeOf(busyWith(receive.BusyRotate, -time.Second)), nil, []string{storedSecret}},
		"unknown, with Adopt":   {&troubledStore{}, []func(*nylas.SubscribeRequest){adopt}, nil},
		"left, and with Adopt":  {storeOf(busyWith(receive.BusyCreate, -time.Second)), []func(*nylas.SubscribeRequest){adopt}, nil},
		"instead of a lost one": {storeOf(func(s *receive.SecretState) { s.WebhookID = "lost" }), []func(*nylas.SubscribeRequest){adopt}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := tt.store
			script := inTurn(answers(200, `{"data":[{"id":""},{"id":"`+testWebhook+`","webhook_url":"`+recordedURL+`","trigger_types":["x"]}]}`))
			want := []string{listRequest}
			if store.state.WebhookID == "lost" {
				script = append(script, answersFile(t, 400, unknownWebhookAnswer))
				want = append(want, "GET /v3/webhooks/lost")
			}
			w := newWire(t, append(script, answersFile(t, 200, rotatedAnswer), answersFile(t, 200, updatedAnswer))...)
			webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(store, tt.change...))
			require.NoError(t, err)
			assert.Equal(t, append(want, rotateRequest, updateRequest), sentAs(w))
			assert.Empty(t, webhook.WebhookSecret)
			require.Len(t, store.swaps, 2)
			busy, settled := store.swaps[0], store.swaps[1]
			assert.Equal(t, receive.BusyRotate, busy.Busy)
			assert.Equal(t, testWebhook, busy.WebhookID)
			assert.Equal(t, tt.kept, values(busy.Secrets))
			assert.Equal(t, testWebhook, settled.WebhookID)
			assert.Equal(t, append([]string{rotatedSecret(t)}, tt.kept...), values(settled.Secrets))
			assert.Empty(t, settled.Busy)
			assert.InDelta(t, wantOverlap, time.Until(settled.UnsureUntil), float64(2*time.Second))
		})
	}
	t.Run("ErrWebhookExists", func(t *testing.T) {
		t.Parallel()
		for _, store := range []*troubledStore{{}, storeOf(func(s *receive.SecretState) { s.WebhookID = "lost" })} {
			before := store.state
			w := newWireAlways(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path != "/v3/webhooks" {
					return answersFile(t, 400, unknownWebhookAnswer)(r)
				}
				return listed(``)(r)
			})
			_, err := w.client(t).Subscribe(t.Context(), asRecorded(store))
			assertSentinels(t, err, nylas.ErrWebhookExists)
			require.EqualError(t, err, `nylas: subscribe: the webhook "`+testWebhook+
				`" for the URL exists, and the store does not know its secret: set Adopt, or delete it`)
			assert.Equal(t, before, store.state)
			assert.Empty(t, store.swaps)
		}
	})
}

func rotatedSecret(tb testing.TB) string {
	tb.Helper()
	webhook, err := newWire(tb, answersFile(tb, 200, rotatedAnswer)).client(tb).Webhooks.RotateSecret(tb.Context(), testWebhook)
	require.NoError(tb, err)
	return webhook.WebhookSecret
}

// TestSubscribeWarns: what the store does not know is not deleted.
func TestSubscribeWarns(t *testing.T) {
	t.Parallel()
	var log logBuffer
	w := newWire(t, answers(200, `{"data":[{"id":"other-1","webhook_url":"`+recordedURL+`"},{"id":"elsewhere","webhook_url":"https://acme.dev"},`+
		`{"id":"`+testWebhook+`","webhook_url":"`+recordedURL+`","trigger_types":["message.opened","message.link_clicked","thread.replied"]},`+
		`{"id":"other-2","webhook_url":"https://YOURAPP.com/webhooks/nylas"}]}`))
	webhook, err := w.client(t, log.option()).Subscribe(t.Context(), asRecorded(storeOf()))
	require.NoError(t, err)
	assert.Equal(t, testWebhook, webhook.ID)
	assert.Equal(t, []string{listRequest}, sentAs(w))
	var others []any
	for _, record := range log.records(t) {
		if record["level"] == "WARN" {
			assert.Equal(t, testWebhook, record["nylas.webhook.id"])
			others = append(others, record["nylas.webhook.other_id"])
		}
	}
	assert.Equal(t, []any{"other-1", "other-2"}, others)
	assert.NotContains(t, log.String(), storedSecret)
}

// TestRefusedByNylas: a definite refusal leaves the store as it was.
func TestRefusedByNylas(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		store  *troubledStore
		script []httpmock.Responder
		text   string
		is     []error
		rotate bool
	}{
		"create": {store: &troubledStore{}, script: inTurn(emptyList(), answersFile(t, 400, refusedAnswer)),
			text: "nylas: create webhook: 400 70005", is: []error{nylas.ErrInvalidRequest}},
		"create, rate limited": {store: &troubledStore{}, script: inTurn(emptyList(), answers(429, ""), answers(429, ""), answers(429, ""), answers(429, "")),
			text: "nylas: create webhook: 429", is: []error{nylas.ErrRateLimited}},
		"create after another one": {store: storeOf(busyWith(receive.BusyCreate, -1)), script: inTurn(emptyList(), answers(401, "")),
			text: "nylas: create webhook: 401", is: []error{nylas.ErrUnauthorized}},
		"adopt": {store: storeOf(busyWith(receive.BusyCreate, -1)), script: inTurn(listed(``), answersFile(t, 403, "http/error.forbidden.403.json")),
			text: "nylas: rotate webhook secret: 403", is: []error{nylas.ErrForbidden}},
		"rotate": {store: storeOf(), script: inTurn(answersFile(t, 400, unknownWebhookAnswer)), rotate: true,
			text: "nylas: rotate webhook secret: 400 70000", is: []error{nylas.ErrNotFound}},
		"rotate after another one": {store: storeOf(busyWith(receive.BusyRotate, -1)), script: inTurn(answers(401, "")), rotate: true,
			text: "nylas: rotate webhook secret: 401", is: []error{nylas.ErrUnauthorized}},
	} {
		t.Run(name, bubble(func(t *testing.T) {
			before := tt.store.state
			w := newWire(t, tt.script...)
			err := subscribeOrRotate(t.Context(), w.client(t), tt.store, tt.rotate)
			require.ErrorContains(t, err, tt.text)
			assertSentinels(t, err, tt.is...)
			assert.Len(t, w.requests(), len(tt.script))
			assert.Len(t, tt.store.swaps, 2, "a lease, and none")
			assert.True(t, before.Equal(tt.store.state))

			// The same, and the store fails when the lease is to go.
			store := &troubledStore{memoryStore: memoryStore{state: before}, swap: failsAt(2)}
			err = subscribeOrRotate(t.Context(), newWire(t, tt.script...).client(t), store, tt.rotate)
			require.ErrorContains(t, err, tt.text)
			require.ErrorIs(t, err, errNoStore)
			assertSentinels(t, err, tt.is...)
			assert.NotEmpty(t, store.state.Busy)
		}))
	}
}

func subscribeOrRotate(ctx context.Context, client *nylas.Client, store receive.SecretStore, rotate bool) error {
	if rotate {
		return client.Rotate(ctx, store)
	}
	_, err := client.Subscribe(ctx, asRecorded(store))
	return err
}

func failsAt(at int) func(int) error {
	return func(n int) error {
		if n == at {
			return errNoStore
		}
		return nil
	}
}

// TestOutcomeOfASubscriptionUnknown: the lease stays, and the next call takes over.
func TestOutcomeOfASubscriptionUnknown(t *testing.T) {
	t.Parallel()
	created, rotated := answersFile(t, 200, createdAnswer), answersFile(t, 200, rotatedAnswer)
	for name, tt := range map[string]struct {
		store  func() *troubledStore
		script []httpmock.Responder
		opts   []nylas.RequestOption
		rotate bool
		took   time.Duration
		also   error
	}{
		"created, answer lost":       {script: inTurn(emptyList(), loses)},
		"created, without a secret":  {script: inTurn(emptyList(), answers(200, `{"data":{"id":"x"}}`))},
		"created, gateway":           {script: inTurn(emptyList(), answers(504, ``))},
		"created, unavailable":       {script: inTurn(emptyList(), answers(503, ``))},
		"created, not saved":         {store: storeThatFailsAt(2), script: inTurn(emptyList(), created), also: errNoStore},
		"created, takes too long":    {script: inTurn(emptyList(), hangs), opts: []nylas.RequestOption{nylas.WithTimeout(time.Hour)}, took: 30 * time.Second, also: context.DeadlineExceeded},
		"rotated, answer lost":       {store: recordedStore, script: inTurn(loses, answers(401, ``)), rotate: true, also: nylas.ErrUnauthorized},
		"rotated, gateways":          {store: recordedStore, script: inTurn(answers(503, ``), answers(502, ``), answers(503, ``), answers(503, ``)), rotate: true},
		"rotated, 503 and refused":   {store: recordedStore, script: inTurn(answers(503, ``), answers(429, ``), answers(401, ``)), rotate: true, also: nylas.ErrUnauthorized},
		"rotated, 503 at once":       {store: recordedStore, script: inTurn(answers(503, ``)), opts: []nylas.RequestOption{nylas.WithoutRetry()}, rotate: true},
		"rotated, always lost":       {store: recordedStore, script: inTurn(loses, loses, loses, loses), rotate: true},
		"rotated, not saved":         {store: recordedStoreThatFailsAt(2), script: inTurn(rotated), rotate: true, also: errNoStore},
		"rotated, takes too long":    {store: recordedStore, script: inTurn(hangs), opts: []nylas.RequestOption{nylas.WithTimeout(time.Hour)}, rotate: true, took: 30 * time.Second, also: context.DeadlineExceeded},
		"rotated, without a secret":  {store: recordedStore, script: inTurn(answers(200, `{"data":{"id":"x"}}`)), rotate: true},
		"adopted, answers are lost":  {store: func() *troubledStore { return storeOf(busyWith(receive.BusyCreate, -1)) }, script: inTurn(listed(``), loses, answers(400, ``)), also: nylas.ErrInvalidRequest},
		"rotated, cut and not again": {store: recordedStore, script: inTurn(answersCut(200, "{")), opts: []nylas.RequestOption{nylas.WithoutRetry()}, rotate: true},
	} {
		t.Run(name, bubble(func(t *testing.T) {
			store := &troubledStore{}
			if tt.store != nil {
				store = tt.store()
			}
			start := time.Now()
			w := newWire(t, tt.script...)
			var err error
			if tt.rotate {
				err = w.client(t).Rotate(t.Context(), store, tt.opts...)
			} else {
				_, err = w.client(t).Subscribe(t.Context(), asRecorded(store), tt.opts...)
			}
			require.ErrorIs(t, err, nylas.ErrOutcomeUnknown)
			if tt.also != nil {
				require.ErrorIs(t, err, tt.also)
			}
			for _, secret := range []string{storedSecret, createdSecret, rotatedSecret(t), recordedURL} {
				assert.NotContains(t, err.Error(), secret)
			}
			assert.Len(t, w.requests(), len(tt.script))
			if tt.took > 0 {
				assert.InDelta(t, tt.took, time.Since(start), float64(time.Second), "well before the lease ends")
			}
			assert.NotEmpty(t, store.state.Busy)
			if tt.rotate {
				assert.Equal(t, []string{storedSecret}, values(store.state.Secrets), "the old one is still valid")
			}

			// The next call waits for the end of the lease.
			store.swap = nil
			end := store.state.BusyUntil
			assert.InDelta(t, wantLease, end.Sub(start), float64(time.Second))
			if tt.rotate {
				w = newWire(t, rotated)
				require.NoError(t, w.client(t).Rotate(t.Context(), store))
			} else {
				w = newWire(t, listed(``), rotated)
				_, err = w.client(t).Subscribe(t.Context(), asRecorded(store))
				require.NoError(t, err)
			}
			assert.False(t, w.requests()[0].at.Before(end))
			assert.Less(t, w.requests()[0].at.Sub(end), time.Second)
			assert.Empty(t, store.state.Busy)
			assert.Equal(t, rotatedSecret(t), store.state.Secrets[0].Value)
		}))
	}
}

func recordedStore() *troubledStore { return storeOf() }

func storeThatFailsAt(n int) func() *troubledStore {
	return func() *troubledStore { return &troubledStore{swap: failsAt(n)} }
}

func recordedStoreThatFailsAt(n int) func() *troubledStore {
	return func() *troubledStore {
		store := storeOf()
		store.swap = failsAt(n)
		return store
	}
}

// TestSubscribeEndsWithItsContext has the moments in which it can end.
func TestSubscribeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	t.Run("waiting for a lease", bubble(func(t *testing.T) {
		for _, rotate := range []bool{false, true} {
			const limit = 10*time.Second + time.Millisecond // not at the time of a look at the store
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			store := storeOf(busyWith(receive.BusyRotate, time.Minute))
			start := time.Now()
			err := subscribeOrRotate(ctx, newWire(t).client(t), store, rotate)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, ": another call is busy with the webhook: ")
			assertSentinels(t, err)
			assert.Equal(t, limit, time.Since(start))
			assert.Empty(t, store.swaps)
		}
	}))
	t.Run("while it creates", bubble(func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		store := &troubledStore{}
		err := subscribeOrRotate(ctx, newWire(t, emptyList(), hangs).client(t), store, false)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assertSentinels(t, err, nylas.ErrOutcomeUnknown)
		assert.Equal(t, receive.BusyCreate, store.state.Busy)
	}))
	t.Run("before it creates", bubble(func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := &troubledStore{swap: func(int) error { cancel(); return nil }}
		w := newWire(t, emptyList())
		err := subscribeOrRotate(ctx, w.client(t), store, false)
		require.ErrorIs(t, err, context.Canceled)
		assertSentinels(t, err)
		assert.True(t, store.state.IsZero(), "nothing was made")
	}))
	t.Run("once it was created", bubble(func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := &troubledStore{swap: func(n int) error {
			if n == 2 {
				cancel()
			}
			return nil
		}}
		w := newWire(t, emptyList(), answersFile(t, 200, createdAnswer))
		require.NoError(t, subscribeOrRotate(ctx, w.client(t), store, false))
		assert.Equal(t, []string{createdSecret}, values(store.state.Secrets), "a secret that Nylas shows once is saved")
	}))
	t.Run("a store that says changed for ever", bubble(func(t *testing.T) {
		for _, rotate := range []bool{false, true} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			store := storeOf(busyWith(receive.BusyRotate, -1))
			store.swap = func(int) error { return receive.ErrChanged }
			w := newWireAlways(listed(``))
			require.ErrorIs(t, subscribeOrRotate(ctx, w.client(t), store, rotate), context.DeadlineExceeded)
			assert.LessOrEqual(t, len(w.requests()), 40, "with a pause between them")
		}
	}))
}

// TestStoreThatFails: without a lease nothing is done.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	for _, rotate := range []bool{false, true} {
		store := storeOf(busyWith(receive.BusyRotate, -1))
		store.loadErr = errNoStore
		err := subscribeOrRotate(t.Context(), newWire(t).client(t), store, rotate)
		require.ErrorIs(t, err, errNoStore)
		require.ErrorContains(t, err, ": the store of secrets cannot be read: ")
		assertSentinels(t, err)

		store.loadErr, store.swap = nil, failsAt(1)
		w := newWireAlways(func(r *http.Request) (*http.Response, error) {
			assert.Equal(t, "/v3/webhooks", r.URL.Path)
			assert.Equal(t, http.MethodGet, r.Method)
			return listed(``)(r)
		})
		err = subscribeOrRotate(t.Context(), w.client(t), store, rotate)
		require.ErrorIs(t, err, errNoStore)
		require.ErrorContains(t, err, ": nothing was done, because the store of secrets could not be written: ")
		assertSentinels(t, err)
	}
	store := &troubledStore{}
	w := newWireAlways(func(r *http.Request) (*http.Response, error) {
		store.loadErr = errNoStore
		return listed(``)(r)
	})
	_, err := w.client(t).Subscribe(t.Context(), asRecorded(store))
	require.ErrorIs(t, err, errNoStore, "whether it exists to the store cannot be told")
	require.NotErrorIs(t, err, nylas.ErrWebhookExists)
}

// TestStoreThatTells has a store whose errors show what it was given.
func TestStoreThatTells(t *testing.T) {
	t.Parallel()
	told := errors.New("cannot connect to admin@db.example: " + storedSecret + " " + rotatedSecret(t))
	for name, tt := range map[string]struct {
		failing int // the Swap that fails; 0 is Load
		script  []httpmock.Responder
		known   string
	}{
		"load":              {0, nil, storedSecret},
		"lease":             {1, []httpmock.Responder{listed(``)}, storedSecret},
		"after a refusal":   {2, []httpmock.Responder{listed(``), answersFile(t, 400, refusedAnswer)}, storedSecret},
		"the new secret":    {2, []httpmock.Responder{listed(``), answersFile(t, 200, rotatedAnswer)}, rotatedSecret(t)},
		"beside the former": {2, []httpmock.Responder{listed(``), answersFile(t, 200, rotatedAnswer)}, storedSecret},
	} {
		store := storeOf(busyWith(receive.BusyRotate, -1))
		if tt.failing == 0 {
			store.loadErr = told
		}
		store.swap = func(n int) error {
			if n == tt.failing {
				return told
			}
			return nil
		}
		_, err := newWire(t, tt.script...).client(t).Subscribe(t.Context(), asRecorded(store))
		require.ErrorIs(t, err, told, name)
		assert.Contains(t, err.Error(), "cannot connect to [address]", name)
		assert.NotContains(t, err.Error(), tt.known, name)
	}
}

// TestSubscribeWithoutTheSecret: somebody emptied or wrote the store by hand.
func TestSubscribeWithoutTheSecret(t *testing.T) {
	t.Parallel()
	store := storeOf(func(s *receive.SecretState) { s.Secrets = nil })
	w := newWire(t, listed(``), answersFile(t, 200, rotatedAnswer))
	_, err := w.client(t).Subscribe(t.Context(), asRecorded(store))
	require.NoError(t, err)
	assert.Equal(t, []string{rotatedSecret(t)}, values(store.state.Secrets))
}

// TestLeaseOfAClockThatIsAhead: no lease lasts longer than a minute by the clock of the
// one that waits.
func TestLeaseOfAClockThatIsAhead(t *testing.T) {
	t.Parallel()
	for _, rotate := range []bool{false, true} {
		t.Run(fmt.Sprint(rotate), bubble(func(t *testing.T) {
			start := time.Now()
			store := storeOf(busyWith(receive.BusyRotate, 24*time.Hour))
			go func() { // its owner crashed, and so does the next one
				<-time.After(30 * time.Second)
				store.mu.Lock()
				defer store.mu.Unlock()
				store.state.Owner = "somebody else"
			}()
			script := []httpmock.Responder{listed(``), answersFile(t, 200, rotatedAnswer)}
			if rotate {
				script = script[1:]
			}
			require.NoError(t, subscribeOrRotate(t.Context(), newWire(t, script...).client(t), store, rotate))
			assert.InDelta(t, 90*time.Second, time.Since(start), float64(2*time.Second))
			assert.Equal(t, []string{rotatedSecret(t), storedSecret}, values(store.state.Secrets))
		}))
	}
}

// TestSubscribeAnotherWasFaster: the store changes between two steps of a call.
func TestSubscribeAnotherWasFaster(t *testing.T) {
	t.Parallel()
	faster := storeOf().state
	t.Run("before the lease", bubble(func(t *testing.T) {
		store := &troubledStore{}
		store.swap = func(int) error { store.state = faster; return nil }
		w := newWire(t, emptyList(), listed(``))
		webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(store))
		require.NoError(t, err)
		assert.Equal(t, testWebhook, webhook.ID)
		assert.Equal(t, faster, store.state)
	}))
	t.Run("before ErrWebhookExists", bubble(func(t *testing.T) {
		store := &troubledStore{}
		w := newWire(t, func(r *http.Request) (*http.Response, error) {
			store.state = faster
			return listed(``)(r)
		}, listed(``))
		_, err := w.client(t).Subscribe(t.Context(), asRecorded(store))
		require.NoError(t, err)
	}))
	t.Run("while it created", bubble(func(t *testing.T) {
		var log logBuffer
		store := &troubledStore{}
		created := answers(200, `{"data":{"id":"second","webhook_secret":"s"}}`)
		w := newWire(t, emptyList(), func(r *http.Request) (*http.Response, error) {
			store.state = faster
			return created(r)
		}, answers(200, `{"data":[{"id":"second","webhook_url":"`+recordedURL+`"},{"id":"`+testWebhook+`","webhook_url":"`+recordedURL+
			`","trigger_types":["message.opened","message.link_clicked","thread.replied"]}]}`))
		webhook, err := w.client(t, log.option()).Subscribe(t.Context(), asRecorded(store))
		require.NoError(t, err)
		assert.Equal(t, testWebhook, webhook.ID)
		assert.Contains(t, log.String(), `"nylas.webhook.other_id":"second"`)
		assert.Equal(t, faster, store.state)
	}))
	t.Run("while it rotated", bubble(func(t *testing.T) {
		store := storeOf()
		w := newWire(t, func(r *http.Request) (*http.Response, error) {
			store.state = faster
			return answersFile(t, 200, rotatedAnswer)(r)
		}, answersFile(t, 200, rotatedAnswer))
		require.NoError(t, w.client(t).Rotate(t.Context(), store))
		assert.Len(t, w.requests(), 2, "whose secret is valid now is not known")

		store = storeOf(busyWith(receive.BusyRotate, -1))
		w = newWire(t, listed(``), func(r *http.Request) (*http.Response, error) {
			store.state = faster
			return answersFile(t, 200, rotatedAnswer)(r)
		}, listed(``), answersFile(t, 200, rotatedAnswer))
		_, err := w.client(t).Subscribe(t.Context(), asRecorded(store))
		require.NoError(t, err)
		assert.Len(t, w.requests(), 4, "nor is it by Subscribe")
		assert.Equal(t, []string{rotatedSecret(t), storedSecret}, values(store.state.Secrets))
	}))
}

func TestRotate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts []nylas.RequestOption
		left map[string]time.Duration
	}{
		"":            {nil, map[string]time.Duration{"newest": wantOverlap, "older": 10 * time.Minute, "far": wantOverlap}},
		"nil":         {[]nylas.RequestOption{nil}, map[string]time.Duration{"newest": wantOverlap, "older": 10 * time.Minute, "far": wantOverlap}},
		"at once":     {[]nylas.RequestOption{nylas.WithOverlap(0)}, nil},
		"five":        {[]nylas.RequestOption{nylas.WithOverlap(5 * time.Minute)}, map[string]time.Duration{"newest": 5 * time.Minute, "older": 5 * time.Minute, "far": 5 * time.Minute}},
		"the last":    {[]nylas.RequestOption{nylas.WithOverlap(0), nylas.WithOverlap(time.Hour)}, map[string]time.Duration{"newest": time.Hour, "older": 10 * time.Minute, "far": time.Hour}},
		"two options": {[]nylas.RequestOption{nylas.WithHeader("X-Trace", "1"), nylas.WithOverlap(0)}, nil},
	} {
		t.Run(name, bubble(func(t *testing.T) {
			start := time.Now()
			store := storeOf(func(s *receive.SecretState) {
				s.UnsureUntil = start.Add(time.Second)
				s.Secrets = []receive.StoredSecret{
					{Value: "newest"}, {Value: "older", Until: start.Add(10 * time.Minute)},
					{Value: "far", Until: start.Add(5 * time.Hour)}, {Value: "ended", Until: start.Add(-time.Second)},
				}
			})
			before := store.state
			w := newWire(t, answersFile(t, 200, rotatedAnswer))
			require.NoError(t, w.client(t).Rotate(t.Context(), store, tt.opts...))
			assert.Equal(t, []string{rotateRequest}, sentAs(w))
			require.Len(t, store.swaps, 2)
			busy, settled := store.swaps[0], store.swaps[1]
			assert.InDelta(t, wantLease, busy.BusyUntil.Sub(start), float64(time.Second))
			busy.Owner, busy.BusyUntil = "", time.Time{}
			before.Busy = receive.BusyRotate
			assert.Equal(t, before, busy)

			require.NotEmpty(t, settled.Secrets)
			assert.Equal(t, receive.StoredSecret{Value: rotatedSecret(t)}, settled.Secrets[0])
			left := map[string]time.Duration{}
			for _, s := range settled.Secrets[1:] {
				left[s.Value] = s.Until.Sub(start)
			}
			require.Len(t, left, len(tt.left))
			for value, want := range tt.left {
				assert.InDelta(t, want, left[value], float64(time.Second), value)
			}
			assert.InDelta(t, wantOverlap, settled.UnsureUntil.Sub(start), float64(time.Second))
			assert.Empty(t, settled.Busy)
			assert.Empty(t, settled.Owner)
			assert.Zero(t, settled.BusyUntil)
			assert.Equal(t, testWebhook, settled.WebhookID)
			assert.Equal(t, recordedURL, settled.URL)
		}))
	}
	t.Run("waits for a lease", bubble(func(t *testing.T) {
		start := time.Now()
		store := storeOf(busyWith(receive.BusyRotate, 42*time.Second))
		require.NoError(t, newWire(t, answersFile(t, 200, rotatedAnswer)).client(t).Rotate(t.Context(), store))
		assert.InDelta(t, 42*time.Second, time.Since(start), float64(time.Second))
		assert.Equal(t, []string{rotatedSecret(t), storedSecret}, values(store.state.Secrets))
	}))
}

func TestSubscribeRefuses(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	client := w.client(t)
	store := &troubledStore{}
	for want, req := range map[string]*nylas.SubscribeRequest{
		"the request is nil": nil,
		"URL is empty":       {Types: trackingTriggers(), Secrets: store},
		"Types is empty":     {URL: "https://acme.dev", Secrets: store},
		"Secrets is nil":     {URL: "https://acme.dev", Types: trackingTriggers()},
		"Secrets is nil: ":   {URL: "https://acme.dev", Types: trackingTriggers(), Secrets: (*receive.FileSecrets)(nil)},
	} {
		_, err := client.Subscribe(t.Context(), req)
		require.ErrorContains(t, err, "nylas: subscribe: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	_, err := client.Subscribe(t.Context(), asRecorded(store), nylas.WithResponse(nil))
	require.EqualError(t, err, "nylas: list webhooks: WithResponse: the response is nil")
	_, err = client.Subscribe(t.Context(), asRecorded(store), nylas.WithIdempotencyKey("k"))
	require.EqualError(t, err, "nylas: list webhooks: this call takes no Idempotency-Key")
	_, err = client.Subscribe(t.Context(), asRecorded(store), nylas.WithOverlap(0))
	require.EqualError(t, err, "nylas: list webhooks: WithOverlap: only Rotate takes it")

	var resp nylas.Response
	resp.StatusCode = 200
	for want, err := range map[string]error{
		"the store is nil":                         client.Rotate(t.Context(), nil, nylas.WithResponse(&resp)),
		"the store is ni":                          client.Rotate(t.Context(), (*receive.FileSecrets)(nil)),
		"the store has no webhook yet: call Subsc": client.Rotate(t.Context(), store),
		"WithOverlap: the duration is negative":    client.Rotate(t.Context(), storeOf(), nylas.WithOverlap(-1)),
		"the store has no webhook yet":             client.Rotate(t.Context(), storeOf(busyWith(receive.BusyCreate, -1))),
	} {
		require.ErrorContains(t, err, "nylas: rotate: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Zero(t, resp.StatusCode)
	settled := storeOf()
	require.EqualError(t, client.Rotate(t.Context(), settled, nylas.WithResponse(nil)), "nylas: rotate webhook secret: WithResponse: the response is nil")
	assert.Empty(t, settled.state.Busy)
	assert.Empty(t, w.requests())
	assert.Empty(t, store.swaps)
}

// TestSubscribeOptions: they hold for each request.
func TestSubscribeOptions(t *testing.T) {
	t.Parallel()
	var resp nylas.Response
	w := newWire(t, answers(200, `{"data":[{"id":"`+testWebhook+`","webhook_url":"`+recordedURL+`"}]}`, "X-Request-Id", "r-1"),
		answersFile(t, 200, rotatedAnswer), answers(200, `{"data":{"id":"`+testWebhook+`"},"request_id":"r-3"}`))
	_, err := w.client(t).Subscribe(t.Context(), asRecorded(&troubledStore{}, adopt), nylas.WithHeader("X-Trace", "1"), nylas.WithResponse(&resp), nil)
	require.NoError(t, err)
	require.Len(t, w.requests(), 3)
	for _, r := range w.requests() {
		assert.Equal(t, "1", r.header.Get("X-Trace"))
	}
	assert.Equal(t, 200, resp.StatusCode)
}

func TestSubscribeFails(t *testing.T) {
	t.Parallel()
	unauthorized := answersFile(t, 401, "constructed/error.unauthorized.401.json")
	for name, tt := range map[string]struct {
		script []httpmock.Responder
		text   string
		is     []error
	}{
		"list":    {inTurn(unauthorized), "nylas: list webhooks: 401", []error{nylas.ErrUnauthorized}},
		"element": {inTurn(answers(200, `{"data":[3]}`)), "nylas: list webhooks: the list is not complete", nil},
		"get":     {inTurn(emptyList(), unauthorized), "nylas: get webhook: 401", []error{nylas.ErrUnauthorized}},
		"update":  {inTurn(listed(`,"status":"failed"`), unauthorized), "nylas: update webhook: 401", []error{nylas.ErrUnauthorized}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := storeOf()
			w := newWire(t, tt.script...)
			webhook, err := w.client(t).Subscribe(t.Context(), asRecorded(store))
			assert.Nil(t, webhook)
			require.ErrorContains(t, err, tt.text)
			assertSentinels(t, err, tt.is...)
			assert.Empty(t, store.swaps)
		})
	}
}

// Subscribe is called each time a service starts, once its server listens. The store
// can be a file, an inbox, or a table of your own.
func ExampleClient_Subscribe() {
	ctx := context.Background()
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	store := new(receive.MemorySecrets) // in a program: a file, the inbox or a table
	receiver, err := receive.New(new(receive.Dispatcher), store)
	if err != nil {
		log.Fatal(err)
	}
	endpoint := httptest.NewServer(receiver)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 { // this start, and the next one
		webhook, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
			URL:     endpoint.URL + "/webhooks/nylas",
			Types:   events.TrackingTypes(),
			Secrets: store,
		})
		if errors.Is(err, nylas.ErrWebhookExists) {
			log.Fatal("set Adopt, if no other store has its secret: ", err)
		}
		if err != nil {
			log.Fatal(err)
		}
		state, err := store.Load(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(webhook.Status, len(webhook.TriggerTypes), "triggers,", len(state.Secrets), "secret, the same webhook:", state.WebhookID == webhook.ID)
	}
	endpoint.Close()
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// active 3 triggers, 1 secret, the same webhook: true
	// active 3 triggers, 1 secret, the same webhook: true
}

// Rotate replaces the secret while deliveries come in.
func ExampleClient_Rotate() {
	ctx := context.Background()
	server, err := nylastest.Start()
	if err != nil {
		log.Fatal(err)
	}
	store := new(receive.MemorySecrets) // in a program: a file, the inbox or a table
	receiver, err := receive.New(new(receive.Dispatcher), store)
	if err != nil {
		log.Fatal(err)
	}
	endpoint := httptest.NewServer(receiver)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{URL: endpoint.URL, Types: events.TrackingTypes(), Secrets: store})
	if err != nil {
		log.Fatal(err)
	}

	if err := client.Rotate(ctx, store); err != nil {
		log.Fatal(err) // call it again: it begins where this one stopped
	}
	state, err := store.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(state.Secrets), "secrets, the old one for", time.Until(state.Secrets[1].Until).Round(time.Minute))

	if err := client.Rotate(ctx, store, nylas.WithOverlap(0)); err != nil { // after a leak
		log.Fatal(err)
	}
	if state, err = store.Load(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(state.Secrets), "secret")
	endpoint.Close()
	if err := server.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2 secrets, the old one for 30m0s
	// 1 secret
}
