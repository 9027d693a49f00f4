package readme_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

type saveFunc = func(ctx context.Context, messageID, label string) error

// readme:begin before
func before(secret string, save saveFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, r.URL.Query().Get("challenge"))
			return
		}
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if err != nil || r.Header.Get("X-Nylas-Signature") != hex.EncodeToString(mac.Sum(nil)) {
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		var n struct {
			Data struct {
				Object struct {
					MessageID string `json:"message_id"`
					Label     string `json:"label"`
				} `json:"object"`
			} `json:"data"`
		}
		if err := json.Unmarshal(body, &n); err != nil {
			http.Error(w, "bad JSON", http.StatusBadRequest)
			return
		}
		if err := save(r.Context(), n.Data.Object.MessageID, n.Data.Object.Label); err != nil {
			http.Error(w, "cannot save", http.StatusInternalServerError)
		}
	}
}

// readme:end

// readme:begin after
func after(secrets receive.SecretSource, save saveFunc) (*receive.Receiver, error) {
	return receive.New(receive.DropDuplicates(&receive.Dispatcher{
		Other: func(ctx context.Context, n *events.Notification) error {
			for _, message := range n.Tracked() { // the tracked messages, not their replies
				if err := save(ctx, message.MessageID, message.Label); err != nil {
					return err
				}
			}
			return nil
		},
		Undecodable: func(_ context.Context, d *receive.Delivery, err error) error {
			return keep(d.Body, err)
		},
	}, 10_000), secrets)
}

// readme:end

// What docs/migration.md says of the two handlers is what they do.
func TestMigration(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef"
	notification := func(trigger events.Type) []byte {
		body, err := json.Marshal(nylastest.NewNotification(trigger))
		require.NoError(t, err)
		return body
	}
	open, reply, legacy := notification(events.TypeMessageOpened), notification(events.TypeThreadReplied), notification(events.TypeLegacyMessageOpened)
	decoded, err := events.Parse(reply)
	require.NoError(t, err)
	replied := decoded.Data.(*events.ThreadReplied)
	require.NotEqual(t, replied.MessageID, replied.RootMessageID)
	decoded, err = events.Parse(open)
	require.NoError(t, err)
	opened := decoded.Data.(*events.MessageOpened).MessageID
	var short bytes.Buffer
	zip := gzip.NewWriter(&short)
	_, err = zip.Write(open)
	require.NoError(t, err)
	require.NoError(t, zip.Close())

	for name, c := range map[string]struct {
		body                      []byte
		fails                     bool
		times                     int // how often it comes
		statusBefore, statusAfter int // the last answer
		savedBefore, savedAfter   []string
	}{
		"an open":       {body: open, times: 1, statusBefore: 200, statusAfter: 200, savedBefore: []string{opened}, savedAfter: []string{opened}},
		"a duplicate":   {body: open, times: 2, statusBefore: 200, statusAfter: 200, savedBefore: []string{opened, opened}, savedAfter: []string{opened}},
		"compressed":    {body: short.Bytes(), times: 1, statusBefore: 400, statusAfter: 200, savedAfter: []string{opened}},
		"cannot save":   {body: open, fails: true, times: 1, statusBefore: 500, statusAfter: 503},
		"a reply":       {body: reply, times: 1, statusBefore: 200, statusAfter: 200, savedBefore: []string{replied.MessageID}, savedAfter: []string{replied.RootMessageID}},
		"of API v2":     {body: legacy, times: 1, statusBefore: 200, statusAfter: 200, savedBefore: []string{""}, savedAfter: []string{opened}},
		"cannot decode": {body: []byte("no JSON"), times: 1, statusBefore: 400, statusAfter: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := func(handler func(save saveFunc) http.Handler) (status int, saved []string) {
				server := httptest.NewServer(handler(func(_ context.Context, messageID, _ string) error {
					if c.fails {
						return errors.New("the database is away")
					}
					saved = append(saved, messageID)
					return nil
				}))
				defer server.Close()
				for range c.times {
					request, err := nylastest.NewWebhookRequest(t.Context(), server.URL, secret, c.body)
					require.NoError(t, err)
					response, err := server.Client().Do(request)
					require.NoError(t, err)
					require.NoError(t, response.Body.Close())
					status = response.StatusCode
				}
				return status, saved
			}
			status, saved := run(func(save saveFunc) http.Handler { return before(secret, save) })
			assert.Equal(t, c.statusBefore, status)
			assert.Equal(t, c.savedBefore, saved)
			status, saved = run(func(save saveFunc) http.Handler {
				receiver, err := after(receive.Secret(secret), save)
				require.NoError(t, err)
				return receiver
			})
			assert.Equal(t, c.statusAfter, status)
			assert.Equal(t, c.savedAfter, saved)
		})
	}
}

func TestTakesOverAWebhookWithLegacyTriggers(t *testing.T) {
	t.Parallel()
	ctx, server, store := t.Context(), nylastest.NewServer(t), new(receive.MemorySecrets)
	receiver, err := after(store, func(context.Context, string, string) error { return nil })
	require.NoError(t, err)
	public := httptest.NewServer(receiver)
	defer public.Close()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	old, err := client.Webhooks.Create(ctx, &nylas.CreateWebhookRequest{
		WebhookURL: public.URL, TriggerTypes: []events.Type{events.TypeMessageOpened},
	})
	require.NoError(t, err)
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{URL: public.URL, Types: events.TrackingTypes(), Secrets: store})
	require.ErrorIs(t, err, nylas.ErrWebhookExists)

	webhook, err := takeOver(ctx, client, public.URL, store)
	require.NoError(t, err)
	assert.Equal(t, old.ID, webhook.ID)
	assert.Len(t, webhook.TriggerTypes, 6)
}

func takeOver(ctx context.Context, client *nylas.Client, url string, store receive.SecretStore) (*nylas.Webhook, error) {
	// readme:begin takeover
	types := append(events.TrackingTypes(), // the rest only for mail that was sent through v2
		events.TypeLegacyMessageOpened, events.TypeLegacyMessageLinkClicked, events.TypeLegacyThreadReplied)
	webhook, err := client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: url, Types: types, Secrets: store,
		Adopt: true, // takes over the webhook that exists, and changes its secret
	})
	// readme:end
	return webhook, err
}
