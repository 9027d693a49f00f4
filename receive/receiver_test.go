package receive_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nylastrack/nylas-go/receive"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	secret := receive.Secret(receiverSecret)
	var noStore *secretStore
	tests := map[string]struct {
		handler receive.Handler
		secrets receive.SecretSource
		option  receive.Option
		reason  string
	}{
		"no handler":       {nil, secret, nil, "handler is nil"},
		"nil function":     {receive.HandlerFunc(nil), secret, nil, "handler is nil"},
		"no source":        {outcome(nil), nil, nil, "secrets is nil: use Secret with the webhook_secret that Nylas showed, or a SecretStore"},
		"nil source":       {outcome(nil), noStore, nil, "secrets is nil"},
		"no secret":        {outcome(nil), receive.Secret(), nil, "secrets: no secret given"},
		"empty secret":     {outcome(nil), receive.Secret(""), nil, "empty or blank"},
		"blank secret":     {outcome(nil), receive.Secret(" \t\r\n\u00a0"), nil, "empty or blank"},
		"line end":         {outcome(nil), receive.Secret(receiverSecret + "\n"), nil, "white space around it"},
		"space before":     {outcome(nil), receive.Secret(receiverSecret, " "+receiverSecret), nil, "white space around it"},
		"one of two empty": {outcome(nil), receive.Secret(receiverSecret, ""), nil, "empty or blank"},
		"byte order mark":  {outcome(nil), receive.Secret("\ufeff" + receiverSecret), nil, "invisible character"},
		"zero-width space": {outcome(nil), receive.Secret("whsec\u200b" + receiverSecret), nil, "invisible character"},
		"NUL":              {outcome(nil), receive.Secret(receiverSecret + "\x00"), nil, "invisible character"},
		"line break":       {outcome(nil), receive.Secret("first\nsecond"), nil, "invisible character"},
		"quotes":           {outcome(nil), receive.Secret(`"` + receiverSecret + `"`), nil, "quotes around it"},
		"single quotes":    {outcome(nil), receive.Secret("'" + receiverSecret + "'"), nil, "quotes around it"},
		"nil logger":       {outcome(nil), secret, receive.WithLogger(nil), "logger is nil"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, err := receive.New(test.handler, test.secrets, test.option, nil)
			assert.Nil(t, receiver)
			require.ErrorContains(t, err, test.reason)
			assert.Regexp(t, "^receive: new receiver: ", err.Error())
			assert.NotContains(t, err.Error(), receiverSecret)
		})
	}
}

func TestReceiverKnowsSeveralSecrets(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	receiver, err := receive.New(outcome(nil), receive.Secret("newest", "older", "oldest"))
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

// The list that was given may change afterwards.
func TestSecretsAreCopied(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	list := []string{receiverSecret}
	receiver, err := receive.New(outcome(nil), receive.Secret(list...))
	require.NoError(t, err)
	list[0] = "changed"
	assert.Equal(t, http.StatusOK, recorded(receiver, signed(body)).status)
}

// For the race detector, mostly.
func TestReceiverServesWhileSecretsChange(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	var handled atomic.Int64
	store := &secretStore{state: stateOf(receiverSecret)}
	receiver, err := receive.New(counted(&handled, outcome(nil)), store)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				assert.Equal(t, http.StatusOK, recorded(receiver, signed(body)).status)
			}
		})
		all.Go(func() {
			for range 50 {
				store.set(stateOf(receiverSecret, "another"), nil)
				assert.NotEqual(t, http.StatusOK, signedBy(receiver, "forged"))
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
