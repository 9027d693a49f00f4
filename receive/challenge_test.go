package receive_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// usableChallenges are queries, and the values that they ask back.
func usableChallenges() map[string]string {
	challenges := map[string]string{
		"challenge=a%20b+c":                        "a b c",
		"challenge=a%0D%0AX-Injected:%201%0D%0A":   "a\r\nX-Injected: 1\r\n",
		"challenge=%00":                            "\x00",
		"challenge=%FF":                            "\xff",
		"challenge=%2525":                          "%25",
		"challenge=a=b":                            "a=b",
		"%63hallenge=encoded+name":                 "encoded name",
		"challenge=0":                              "0",
		"x=1&challenge=abc&y=2&x=3":                "abc",
		"challenge=abc&Challenge=other":            "abc",
		"challenge=abc&challenge2=other":           "abc",
		"x=%zz&challenge=abc":                      "abc",
		"challenge=abc&x=%":                        "abc",
		"challenge=abc&a;b=c":                      "abc",
		"challenge=abc&%zz=1&&=&":                  "abc",
		"challenge=" + strings.Repeat("%41", 1024): strings.Repeat("A", 1024),
	}
	for _, value := range []string{
		"bc609b38-c81f-47fb-a275-f1d8b41b5cb1",
		`<script>alert("x")</script>`,
		`"it's"`,
		"Grüße, 世界 ✓",
		"https://example.com/?a=b&c=d#e",
		strings.Repeat("a", 1024),
		strings.Repeat("é", 512),
	} {
		challenges["challenge="+url.QueryEscape(value)] = value
	}
	return challenges
}

// unusableChallenges are queries without exactly one challenge of 1 to 1024
// bytes.
func unusableChallenges() []string {
	return []string{
		"",
		"challenge",
		"challenge=",
		"challenge=&x=1",
		"Challenge=abc",
		"challenge[]=abc",
		"x=challenge",
		"challenge=%zz",
		"challenge=%2",
		"a;challenge=abc",
		"challenge=a;b",
		"challenge=abc&challenge=abc",
		"challenge=abc&challenge=",
		"challenge=&challenge=abc",
		"challenge=abc&%63hallenge=abc",
		"challenge=" + strings.Repeat("a", 1025),
		"challenge=" + strings.Repeat("%C3%A9", 512) + "a",
		"challenge=" + strings.Repeat("a", 1<<16),
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, outcome(nil))
	synctest.Test(t, func(t *testing.T) {
		client := servePipes(t, receiver).dial(t)
		for query, value := range usableChallenges() {
			requireAnswer(t, http.StatusOK, value, recorded(receiver, asked(http.MethodGet, query)))
			// All on one connection: a wrong length would show in the next answer.
			requireAnswer(t, http.StatusOK, value, client.roundTrip(t, asked(http.MethodGet, query)))

			requireAnswerHeader(t, http.StatusOK, len(value), recorded(receiver, asked(http.MethodHead, query)))
			head := client.roundTrip(t, asked(http.MethodHead, query))
			requireAnswerHeader(t, http.StatusOK, len(value), head)
			assert.Empty(t, head.text)
		}
	})
}

func TestChallengeRefused(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, outcome(nil))
	synctest.Test(t, func(t *testing.T) {
		client := servePipes(t, receiver).dial(t)
		for _, query := range unusableChallenges() {
			text := statusLine(http.StatusBadRequest)
			requireAnswer(t, http.StatusBadRequest, text, recorded(receiver, asked(http.MethodGet, query)))
			requireAnswer(t, http.StatusBadRequest, text, client.roundTrip(t, asked(http.MethodGet, query)))

			requireAnswerHeader(t, http.StatusBadRequest, len(text), recorded(receiver, asked(http.MethodHead, query)))
			head := client.roundTrip(t, asked(http.MethodHead, query))
			requireAnswerHeader(t, http.StatusBadRequest, len(text), head)
			assert.Empty(t, head.text)
		}
	})
}

// A challenge in the form of another method is none.
func TestChallengeIsNoPost(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, outcome(nil))
	in := posted(nil)
	in.target += "?challenge=abc"
	requireAnswer(t, http.StatusUnauthorized, statusLine(401), recorded(receiver, in))
}

// Nylas makes the secret only after the challenge was answered.
func TestChallengeBeforeSecret(t *testing.T) {
	t.Parallel()
	receiver, err := receive.New(outcome(nil), sourceFunc(func(context.Context) (receive.SecretState, error) {
		assert.Fail(t, "a challenge needs no secret")
		return receive.SecretState{}, nil
	}))
	require.NoError(t, err)
	requireAnswer(t, http.StatusOK, "abc", recorded(receiver, asked(http.MethodGet, "challenge=abc")))
	requireAnswerHeader(t, http.StatusOK, 3, recorded(receiver, asked(http.MethodHead, "challenge=abc")))
}

func TestChallengesAtTheSameTime(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, outcome(nil))
	var all sync.WaitGroup
	for query, value := range usableChallenges() {
		all.Go(func() {
			got := recorded(receiver, asked(http.MethodGet, query))
			assert.Equal(t, value, got.text)
		})
	}
	all.Wait()
}
