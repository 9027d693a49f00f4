package readme_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

func newReceiver(path string, handler receive.Handler) (*receive.Receiver, receive.SecretStore, error) {
	// readme:begin secrets
	store, err := receive.NewFileSecrets(path) // or that of the inbox, or of riversink
	if err != nil {
		return nil, nil, err // for example if any user of the machine can read the file
	}
	receiver, err := receive.New(handler, store)
	// readme:end
	return receiver, store, err
}

func rotate(ctx context.Context, client *nylas.Client, store receive.SecretStore, leaked bool) error {
	// readme:begin rotate
	if leaked {
		return client.Rotate(ctx, store, nylas.WithOverlap(0)) // the old secret ends at once
	}
	return client.Rotate(ctx, store) // the old secret is accepted for another 30 minutes
	// readme:end
}

func TestRotation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leaked bool
		want   int // the answer to what is signed with the old secret
	}{
		"planned":      {false, http.StatusOK},
		"after a leak": {true, http.StatusServiceUnavailable}, // Nylas may have signed it before
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, server := t.Context(), nylastest.NewServer(t)
			client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
			require.NoError(t, err)
			receiver, store, err := newReceiver(filepath.Join(t.TempDir(), "secrets.json"), &receive.Dispatcher{})
			require.NoError(t, err)
			public := httptest.NewServer(receiver)
			defer public.Close()
			_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{URL: public.URL, Types: events.TrackingTypes(), Secrets: store})
			require.NoError(t, err)
			old, err := store.Load(ctx)
			require.NoError(t, err)
			require.NoError(t, rotate(ctx, client, store, c.leaked))
			now, err := store.Load(ctx)
			require.NoError(t, err)

			body, err := json.Marshal(nylastest.NewNotification(events.TypeMessageOpened))
			require.NoError(t, err)
			answers := map[string]int{now.Secrets[0].Value: http.StatusOK, old.Secrets[0].Value: c.want, "another-one": http.StatusServiceUnavailable}
			require.Len(t, answers, 3)
			for secret, want := range answers {
				request, err := nylastest.NewWebhookRequest(ctx, public.URL, secret, body)
				require.NoError(t, err)
				response, err := public.Client().Do(request)
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				assert.Equal(t, want, response.StatusCode)
			}
		})
	}
}

func TestSecretsAreTheirOwners(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "secrets.json")
	_, store, err := newReceiver(path, &receive.Dispatcher{})
	require.NoError(t, err)
	require.NoError(t, store.Swap(t.Context(), receive.SecretState{}, receive.SecretState{WebhookID: "w-1"}))
	file, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), file.Mode())
	require.NoError(t, os.Chmod(path, 0o604))
	_, _, err = newReceiver(path, &receive.Dispatcher{})
	require.Error(t, err)
}

// consents is where a program keeps who agreed to what.
type consents map[string]nylas.Consent

func (c consents) Of(_ context.Context, address string, _ nylas.TrackingKind) (nylas.Consent, error) {
	return c[address], nil
}

func consenting(apiKey, url string, crm consents) (*nylas.Client, error) {
	// readme:begin consent
	policy := nylas.TrackingPolicy{
		Unknown: nylas.ConsentDenied, // nobody is tracked who was not asked
		Consent: func(ctx context.Context, to nylas.Participant, kind nylas.TrackingKind) (nylas.Consent, error) {
			return crm.Of(ctx, to.Email, kind)
		},
	}
	client, err := nylas.NewClient(apiKey, nylas.WithBaseURL(url), nylas.WithTrackingPolicy(policy))
	// readme:end
	return client, err
}

func TestConsent(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	client, err := consenting(server.APIKey(), server.URL(), consents{"kim@example.org": nylas.ConsentGranted})
	require.NoError(t, err)
	for address, tracked := range map[string]bool{"kim@example.org": true, "lee@example.org": false} {
		message, err := client.Messages.Send(t.Context(), server.GrantID(), &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: address}}, Body: "<p>Hi</p>",
			TrackingOptions: &nylas.TrackingOptions{Opens: true},
		})
		require.NoError(t, err)
		sent, ok := server.Message(message.ID)
		require.True(t, ok)
		assert.Equal(t, tracked, sent.Body != "<p>Hi</p>", address)
	}
}
