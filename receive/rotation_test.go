package receive_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// signedBy is the answer to a delivery that was signed with a secret.
func signedBy(receiver http.Handler, secret string) int {
	body := openedBody("n-1")
	return recorded(receiver, posted(body).with(receive.SignatureHeader, hmacHex(secret, body))).status
}

// requireKnown checks which secrets are accepted, and what unknown ones get.
func requireKnown(t *testing.T, receiver http.Handler, unknown int, known ...string) {
	t.Helper()
	for _, secret := range known {
		require.Equal(t, http.StatusOK, signedBy(receiver, secret), secret)
	}
	for _, secret := range []string{"somebody else's", ""} {
		require.Equal(t, unknown, signedBy(receiver, secret), "an unknown secret")
	}
}

func rotatingTo(secret string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return secret, err }
}

func TestRotateSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver := newReceiver(t, outcome(nil))
		requireKnown(t, receiver, 401, receiverSecret)
		type key struct{}
		err := receiver.RotateSecret(context.WithValue(t.Context(), key{}, "value"), func(ctx context.Context) (string, error) {
			assert.Equal(t, "value", ctx.Value(key{}))
			// Nylas signs with the new one from here on, and nobody knows it yet.
			requireKnown(t, receiver, 503, receiverSecret)
			assert.Equal(t, 401, recorded(receiver, posted(openedBody("n-1"))).status, "it has no signature at all")
			<-time.After(time.Hour) // it may take long
			requireKnown(t, receiver, 503, receiverSecret)
			return "new", nil
		})
		require.NoError(t, err)
		requireKnown(t, receiver, 401, "new", receiverSecret)
		<-time.After(30*time.Minute - time.Nanosecond)
		requireKnown(t, receiver, 401, "new", receiverSecret)
		<-time.After(time.Nanosecond)
		requireKnown(t, receiver, 401, "new")
		require.Equal(t, 401, signedBy(receiver, receiverSecret))
	})
}

func TestWithSecretOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver := newReceiver(t, outcome(nil), receive.WithSecretOverlap(time.Hour))
		require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("second", nil)))
		<-time.After(59 * time.Minute)
		requireKnown(t, receiver, 401, "second", receiverSecret)

		// That of a call comes before that of the receiver, and does not stay. Nothing
		// old outlives it, and nothing lives longer because of it.
		require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("third", nil), receive.WithSecretOverlap(2*time.Hour)))
		<-time.After(time.Minute)
		requireKnown(t, receiver, 401, "third", "second")
		require.Equal(t, 401, signedBy(receiver, receiverSecret))
		require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("fourth", nil)))
		requireKnown(t, receiver, 401, "fourth", "third", "second")
		require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("fifth", nil), nil, receive.WithSecretOverlap(0)))
		requireKnown(t, receiver, 401, "fifth")
		for _, old := range []string{"fourth", "third", "second", receiverSecret} {
			require.Equal(t, 401, signedBy(receiver, old), old)
		}
	})
	receiver := newReceiver(t, outcome(nil))
	err := receiver.RotateSecret(t.Context(), func(context.Context) (string, error) {
		assert.Fail(t, "it was rotated")
		return "", nil
	}, receive.WithSecretOverlap(-1))
	require.ErrorContains(t, err, "receive: rotate secret: WithSecretOverlap: want zero or a positive duration")
}

// Only the newest secret is replaced: another may be that of another destination.
func TestRotateSecretLeavesOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver, err := receive.New(outcome(nil), receive.WithSecrets("first", "other"))
		require.NoError(t, err)
		require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("second", nil)))
		<-time.After(time.Hour)
		requireKnown(t, receiver, 401, "second", "other")
		require.Equal(t, 401, signedBy(receiver, "first"))
		// The same again is no rotation, and ends nothing.
		require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("second", nil), receive.WithSecretOverlap(0)))
		requireKnown(t, receiver, 401, "second", "other")
		// One of the others becomes the newest.
		require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("other", nil), receive.WithSecretOverlap(0)))
		requireKnown(t, receiver, 401, "other")
		require.NoError(t, receiver.SetSecrets("set"))
		requireKnown(t, receiver, 401, "set")
		require.Equal(t, 401, signedBy(receiver, "other"))
	})
}

// Whatever keeps the new secret from the receiver, Nylas may use it: unknown
// signatures are not final for 30 minutes.
func TestRotateSecretFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("no answer")
	tests := map[string]struct {
		rotate func(context.Context) (string, error)
		text   string
		is     error
	}{
		"error":        {rotatingTo("", failed), "receive: rotate secret: no answer", failed},
		"empty":        {rotatingTo("", nil), "secret is empty or blank", nil},
		"blank":        {rotatingTo(" \n", nil), "secret is empty or blank", nil},
		"line end":     {rotatingTo("fresh\n", nil), "white space around it", nil},
		"blank, error": {rotatingTo(" ", failed), "no answer", failed},
		"its context": {func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}, "deadline", context.DeadlineExceeded},
		"panic": {func(context.Context) (string, error) { panic("lost") }, "", nil},
		"exit": {func(context.Context) (string, error) {
			runtime.Goexit()
			return "", nil
		}, "", nil},
	}
	for name, test := range tests {
		for _, end := range []string{"time", "rotation", "set"} {
			t.Run(name+"/"+end, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					receiver := newReceiver(t, outcome(nil))
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					returned := make(chan error, 1)
					go func() { // a panic and an exit are the caller's
						defer func() {
							_ = recover()
							close(returned)
						}()
						returned <- receiver.RotateSecret(ctx, test.rotate)
					}()
					err := <-returned
					if test.text != "" {
						require.ErrorContains(t, err, test.text)
					}
					if test.is != nil {
						require.ErrorIs(t, err, test.is)
					}
					requireKnown(t, receiver, 503, receiverSecret)
					<-time.After(30*time.Minute - time.Nanosecond)
					requireKnown(t, receiver, 503, receiverSecret)
					switch end {
					case "time":
						<-time.After(time.Nanosecond)
						requireKnown(t, receiver, 401, receiverSecret)
					case "rotation":
						require.NoError(t, receiver.RotateSecret(t.Context(), rotatingTo("new", nil)))
						requireKnown(t, receiver, 401, "new", receiverSecret)
					case "set":
						require.NoError(t, receiver.SetSecrets("new"))
						requireKnown(t, receiver, 401, "new")
					}
				})
			})
		}
	}
}

// A secret that could not be saved is the one that Nylas uses all the same.
func TestRotateSecretNotSaved(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk full")
	receiver := newReceiver(t, outcome(nil))
	err := receiver.RotateSecret(t.Context(), rotatingTo("new-3f9d", failed))
	require.ErrorIs(t, err, failed)
	assert.NotContains(t, err.Error(), "new-3f9d")
	requireKnown(t, receiver, 401, "new-3f9d", receiverSecret)

	// So it is when the context ended, and rotate was too far to stop.
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, receiver.RotateSecret(ctx, func(context.Context) (string, error) {
		cancel()
		return "newer", nil
	}))
	requireKnown(t, receiver, 401, "newer", "new-3f9d", receiverSecret)
}

// What is refused is refused before anything happens.
func TestRotateSecretRefuses(t *testing.T) {
	t.Parallel()
	var rotated atomic.Int64
	rotate := func(context.Context) (string, error) {
		rotated.Add(1)
		return "new", nil
	}
	receiver := newReceiver(t, outcome(nil))
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("shutting down"))
	require.ErrorContains(t, receiver.RotateSecret(ended, rotate), "receive: rotate secret: shutting down")
	require.ErrorContains(t, receiver.RotateSecret(t.Context(), nil), "receive: rotate secret: rotate is nil")
	requireKnown(t, receiver, 401, receiverSecret)

	require.NoError(t, receiver.RotateSecret(t.Context(), func(ctx context.Context) (string, error) {
		require.ErrorIs(t, receiver.RotateSecret(ctx, rotate), receive.ErrRotating)
		requireKnown(t, receiver, 503, receiverSecret)
		return "only", nil
	}))
	requireKnown(t, receiver, 401, "only", receiverSecret)

	sourced, err := receive.New(outcome(nil), receive.WithSecretSource(func(context.Context) ([]string, error) {
		return []string{receiverSecret}, nil
	}))
	require.NoError(t, err)
	require.ErrorContains(t, sourced.RotateSecret(t.Context(), rotate), "let the source return ErrRotating")
	require.ErrorContains(t, sourced.SetSecrets("new"), "receive: set secrets: the receiver takes its secrets from the source")
	require.Equal(t, http.StatusOK, signedBy(sourced, receiverSecret))
	assert.Zero(t, rotated.Load())
}

// The first secret can come from a rotation too.
func TestRotateSecretWithoutOne(t *testing.T) {
	t.Parallel()
	receiver, err := receive.New(outcome(nil), receive.WithSecretsLater())
	require.NoError(t, err)
	require.Error(t, receiver.RotateSecret(t.Context(), rotatingTo("", errors.New("no answer"))))
	requireKnown(t, receiver, 503)
	require.NoError(t, receiver.RotateSecret(t.Context(), func(context.Context) (string, error) {
		requireKnown(t, receiver, 503)
		// Setting them meanwhile does not end the doubt about the one that comes.
		require.NoError(t, receiver.SetSecrets("set"))
		requireKnown(t, receiver, 503, "set")
		return "new", nil
	}))
	requireKnown(t, receiver, 401, "new", "set")
}

// A delivery that is on its way while the secret changes is not lost.
func TestRotateSecretDuringDeliveries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver := newReceiver(t, outcome(nil))
		body := openedBody("n-1")
		come := make(chan struct{})
		arriving := func(secret string) <-chan int {
			status := make(chan int, 1)
			in := posted(body).with(receive.SignatureHeader, hmacHex(secret, body))
			go func() {
				req := in.request()
				req.Body = &stalledBody{strings.NewReader(""), come, strings.NewReader(string(body))}
				status <- recordedRequest(receiver, req).status
			}()
			synctest.Wait()
			return status
		}
		old, fresh := arriving(receiverSecret), arriving("new")
		require.NoError(t, receiver.RotateSecret(t.Context(), func(context.Context) (string, error) {
			close(come)
			assert.Equal(t, http.StatusOK, <-old)
			assert.Equal(t, http.StatusServiceUnavailable, <-fresh)
			return "new", nil
		}))
		requireKnown(t, receiver, 401, "new", receiverSecret)
	})
}
