package receive_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nylastrack/nylas-go/receive"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewReceiverRefuses(t *testing.T) {
	t.Parallel()
	secrets := receive.WithSecrets(receiverSecret)
	tests := map[string]struct {
		handler receive.Handler
		options []receive.Option
		reason  string
	}{
		"no handler":        {nil, []receive.Option{secrets}, "handler is nil"},
		"no secret":         {outcome(nil), nil, "no secret: use WithSecrets"},
		"empty list":        {outcome(nil), []receive.Option{receive.WithSecrets()}, "no secret given"},
		"empty secret":      {outcome(nil), []receive.Option{receive.WithSecrets("")}, "empty or blank"},
		"blank secret":      {outcome(nil), []receive.Option{receive.WithSecrets(" \t\r\n\u00a0")}, "empty or blank"},
		"line end":          {outcome(nil), []receive.Option{receive.WithSecrets(receiverSecret + "\n")}, "white space around it"},
		"space before":      {outcome(nil), []receive.Option{receive.WithSecrets(receiverSecret, " "+receiverSecret)}, "white space around it"},
		"one of two empty":  {outcome(nil), []receive.Option{receive.WithSecrets(receiverSecret, "")}, "empty or blank"},
		"secrets and later": {outcome(nil), []receive.Option{secrets, receive.WithSecretsLater()}, "exclude each other"},
		"later and secrets": {outcome(nil), []receive.Option{receive.WithSecretsLater(), secrets}, "exclude each other"},
		"nil logger":        {outcome(nil), []receive.Option{secrets, receive.WithLogger(nil)}, "logger is nil"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, err := receive.New(test.handler, test.options...)
			assert.Nil(t, receiver)
			require.ErrorContains(t, err, test.reason)
			assert.Regexp(t, "^nylas: new receiver: ", err.Error())
			assert.NotContains(t, err.Error(), receiverSecret)
		})
	}
}

func TestReceiverKnowsSeveralSecrets(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	receiver, err := receive.New(outcome(nil), receive.WithSecrets("newest", "older", "oldest"))
	require.NoError(t, err)
	for secret, want := range map[string]int{
		"newest":            http.StatusOK,
		"older":             http.StatusOK,
		"oldest":            http.StatusOK,
		"Newest":            http.StatusUnauthorized,
		"newest ":           http.StatusUnauthorized,
		"newestolderoldest": http.StatusUnauthorized,
		"newest,older":      http.StatusUnauthorized,
		"":                  http.StatusUnauthorized,
		"somebody else's":   http.StatusUnauthorized,
	} {
		got := recorded(receiver, posted(body).with(receive.SignatureHeader, hmacHex(secret, body)))
		assert.Equal(t, want, got.status, "%q", secret)
	}
}

func TestSetSecrets(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	receiver, err := receive.New(outcome(nil), receive.WithSecretsLater())
	require.NoError(t, err)
	statusWith := func(secret string) int {
		return recorded(receiver, posted(body).with(receive.SignatureHeader, hmacHex(secret, body))).status
	}
	require.Equal(t, http.StatusServiceUnavailable, statusWith("first"))

	// What is refused changes nothing.
	for _, bad := range [][]string{nil, {""}, {" "}, {"first", "\n"}} {
		require.ErrorContains(t, receiver.SetSecrets(bad...), "receive: set secrets: ")
		require.Equal(t, http.StatusServiceUnavailable, statusWith("first"))
	}

	require.NoError(t, receiver.SetSecrets("first"))
	assert.Equal(t, http.StatusOK, statusWith("first"))
	assert.Equal(t, http.StatusUnauthorized, statusWith("second"))

	require.NoError(t, receiver.SetSecrets("second", "first"))
	assert.Equal(t, http.StatusOK, statusWith("first"))
	assert.Equal(t, http.StatusOK, statusWith("second"))

	require.NoError(t, receiver.SetSecrets("second"))
	assert.Equal(t, http.StatusUnauthorized, statusWith("first"))
	assert.Equal(t, http.StatusOK, statusWith("second"))
	require.Error(t, receiver.SetSecrets(""))
	assert.Equal(t, http.StatusOK, statusWith("second"))
}

// The list that was given may change afterwards.
func TestSecretsAreCopied(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	list := []string{receiverSecret}
	receiver, err := receive.New(outcome(nil), receive.WithSecrets(list...))
	require.NoError(t, err)
	list[0] = "changed"
	assert.Equal(t, http.StatusOK, recorded(receiver, signed(body)).status)
}

// For the race detector, mostly.
func TestReceiverServesWhileSecretsChange(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	var handled atomic.Int64
	receiver := newReceiver(t, counted(&handled, outcome(nil)))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				assert.Equal(t, http.StatusOK, recorded(receiver, signed(body)).status)
			}
		})
		all.Go(func() {
			for range 50 {
				assert.NoError(t, receiver.SetSecrets(receiverSecret, "another"))
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 400, handled.Load())
}

// A Receiver without a logger says nothing and works.
func TestReceiverWithoutLogger(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, outcome(errors.New("disk full")))
	assert.Equal(t, http.StatusServiceUnavailable, recorded(receiver, signed(openedBody("n-1"))).status)
	assert.Equal(t, http.StatusUnauthorized, recorded(receiver, posted(openedBody("n-1"))).status)
}

func TestHandlerFunc(t *testing.T) {
	t.Parallel()
	type key struct{}
	want := errors.New("outcome")
	d := receive.NewDelivery(openedBody("n-1"), "")
	err := receive.HandlerFunc(func(ctx context.Context, got *receive.Delivery) error {
		assert.Equal(t, "value", ctx.Value(key{}))
		assert.Same(t, d, got)
		return want
	}).HandleDelivery(context.WithValue(t.Context(), key{}, "value"), d)
	assert.Same(t, want, err)
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	require.NoError(t, receive.Permanent(nil))

	cause := &applicationError{}
	err := receive.Permanent(cause)
	require.ErrorIs(t, err, receive.ErrPermanent)
	require.ErrorIs(t, err, cause)
	found, ok := errors.AsType[*applicationError](err)
	require.True(t, ok)
	assert.Same(t, cause, found)
	assert.Equal(t, cause.Error(), err.Error(), "the mark is for machines")

	require.NotErrorIs(t, cause, receive.ErrPermanent)
	assert.ErrorIs(t, receive.Permanent(err), receive.ErrPermanent)
}

// applicationError is an error of an application.
type applicationError struct{}

func (*applicationError) Error() string { return "no such message" }
