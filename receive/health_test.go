package receive_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// health asks a receiver how it is.
func health(t *testing.T, receiver *receive.Receiver) (status int, answer map[string]any) {
	t.Helper()
	got := recorded(receiver.Health(), asked(http.MethodGet, ""))
	assert.Equal(t, "application/json", got.header.Get("Content-Type"))
	assert.Equal(t, "no-store", got.header.Get("Cache-Control"))
	requireNothingLeaked(t, openedBody("n-1"), got.text)
	require.NoError(t, json.Unmarshal([]byte(got.text), &answer))
	return got.status, answer
}

// It tells what came last. Nylas' silence, challenges and strangers leave it ready.
func TestHealth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the clock begins with 2000-01-01 00:00:00 UTC
		receiver := newReceiver(t, outcome(nil))
		status, answer := health(t, receiver)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, map[string]any{"status": "ok", "secret": true}, answer)

		<-time.After(10*time.Second + time.Millisecond)
		require.Equal(t, http.StatusOK, recorded(receiver, signed(openedBody("n-1"))).status)
		<-time.After(10 * time.Second)
		require.Equal(t, http.StatusUnauthorized, recorded(receiver, posted(openedBody("n-1"))).status)
		<-time.After(1000 * time.Hour)
		require.Equal(t, http.StatusOK, recorded(receiver, asked(http.MethodGet, "challenge=abc")).status)
		require.Equal(t, http.StatusBadRequest, recorded(receiver, asked(http.MethodGet, "")).status)
		status, answer = health(t, receiver)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, map[string]any{
			"status": "ok", "secret": true, "last_delivery": "2000-01-01T00:00:10Z",
			"last_refusal": "2000-01-01T00:00:20Z", "last_refusal_status": 401.0,
		}, answer)
	})
}

// A receiver without a secret yet is ready, because Nylas asks it for a challenge before it makes
// one. It is not while nobody can tell whether there is one.
func TestHealthOfTheSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(secretStore)
		receiver := newSourced(t, store)
		status, answer := health(t, receiver)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, map[string]any{"status": "ok", "secret": false}, answer)

		store.set(receive.SecretState{}, errors.New("no table for "+receiverSecret+" of "+bodyMarker))
		<-time.After(5 * time.Second) // a source is asked no more often
		for range 3 {
			status, answer = health(t, receiver)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.Equal(t, map[string]any{"status": "unavailable", "problem": "the source of secrets fails", "secret": false}, answer)
		}
		assert.Equal(t, 2, store.asked())

		store.set(stateOf("first"), nil)
		<-time.After(5 * time.Second)
		status, answer = health(t, receiver)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, map[string]any{"status": "ok", "secret": true}, answer)

		// With a secret it goes on when the source fails, and a probe does not wait for that.
		store.set(receive.SecretState{}, errors.New("no table"))
		<-time.After(time.Hour)
		assert.Equal(t, http.StatusOK, signedBy(receiver, "first"))
		store.asked()
		<-time.After(time.Hour)
		status, _ = health(t, receiver)
		assert.Equal(t, http.StatusOK, status)
		assert.Zero(t, store.asked())
	})
}

// A probe does not wait longer than deliveries do.
func TestHealthOfASlowSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver := newSourced(t, sourceFunc(func(ctx context.Context) (receive.SecretState, error) {
			<-ctx.Done()
			return receive.SecretState{}, ctx.Err()
		}))
		before := time.Now()
		status, _ := health(t, receiver)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Equal(t, 2*time.Second, time.Since(before))
	})
}
