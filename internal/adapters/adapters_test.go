package adapters_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdaurl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

const secret = "webhook secret"

// maxBytes is the documented limit of a body.
const maxBytes = 2 << 20

// answer is what an adapter brings back.
type answer struct {
	status int
	text   string
}

// An adapter brings a request to a handler. signature is empty if there is none.
type adapter func(t *testing.T, handler http.Handler, method, query, signature string, body []byte) answer

func adapters() map[string]adapter {
	return map[string]adapter{
		"lambdaurl":         throughLambdaURL(false),
		"lambdaurl, base64": throughLambdaURL(true),
		"fcgi":              throughFCGI,
		"a request of a program, a bare reader": throughRequest(func(body []byte) *http.Request {
			return httptest.NewRequest(http.MethodPost, "/", bareReader{bytes.NewReader(body)})
		}),
		"a request of a client, a bare reader": throughRequest(func(body []byte) *http.Request {
			req, err := http.NewRequest(http.MethodPost, "/", bareReader{bytes.NewReader(body)})
			if err != nil {
				panic(err)
			}
			return req
		}),
	}
}

// bareReader hides how long its reader is.
type bareReader struct{ io.Reader }

func notification(length int) []byte {
	body := []byte(`{"id":"n-1","type":"message.opened","data":{"object":{"message_id":"m-1"}}}`)
	return append(body, bytes.Repeat([]byte(" "), length-len(body))...)
}

func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// What Nylas sends arrives through each of them, though they do not say how long it is.
func TestReceiverBehindAdapters(t *testing.T) {
	t.Parallel()
	for name, through := range adapters() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var taken []*receive.Delivery
			receiver, err := receive.New(receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
				mu.Lock()
				defer mu.Unlock()
				taken = append(taken, d)
				return nil
			}), receive.Secret(secret))
			require.NoError(t, err)
			deliver := func(key string, body []byte) int {
				return through(t, receiver, http.MethodPost, "", sign(key, body), body).status
			}
			for _, length := range []int{500, 9_000, 200_000} {
				body := notification(length)
				require.Equal(t, http.StatusOK, deliver(secret, body), length)
				mu.Lock()
				require.Len(t, taken, 1)
				assert.Equal(t, "n-1", taken[0].ID)
				assert.Equal(t, body, taken[0].Body)
				require.NoError(t, taken[0].Err)
				taken = nil
				mu.Unlock()
			}
			assert.Equal(t, http.StatusUnauthorized, deliver("another secret", notification(500)))
			assert.Equal(t, http.StatusUnauthorized, through(t, receiver, http.MethodPost, "", "", notification(500)).status)
			assert.Equal(t, http.StatusRequestEntityTooLarge, deliver(secret, notification(maxBytes+1)))
			assert.Empty(t, taken)
		})
	}
}

// Nylas' challenge too, where a GET can be made.
func TestChallengeBehindAdapters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lambdaurl", "fcgi"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, err := receive.New(receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
				return errors.New("no delivery")
			}), receive.Secret(secret))
			require.NoError(t, err)
			got := adapters()[name](t, receiver, http.MethodGet, "challenge=bc609b38", "", nil)
			assert.Equal(t, answer{http.StatusOK, "bc609b38"}, got)
		})
	}
}

func throughRequest(request func(body []byte) *http.Request) adapter {
	return func(_ *testing.T, handler http.Handler, _, _, signature string, body []byte) answer {
		req := request(body)
		if signature != "" {
			req.Header.Set(receive.SignatureHeader, signature)
		}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, req)
		return answer{recorder.Code, recorder.Body.String()}
	}
}

// headers are in lower case, as AWS gives them.
func headers(signature string) map[string]string {
	header := map[string]string{"content-type": "application/json"}
	if signature != "" {
		header["x-nylas-signature"] = signature
	}
	return header
}

func text(body []byte, encode bool) string {
	if encode {
		return base64.StdEncoding.EncodeToString(body)
	}
	return string(body)
}

func throughLambdaURL(encode bool) adapter {
	return func(t *testing.T, handler http.Handler, method, query, signature string, body []byte) answer {
		t.Helper()
		request := &events.LambdaFunctionURLRequest{
			RawPath: "/", RawQueryString: query, Headers: headers(signature), Body: text(body, encode), IsBase64Encoded: encode,
		}
		request.RequestContext.DomainName = "receiver.test"
		request.RequestContext.HTTP.Method = method
		response, err := lambdaurl.Wrap(handler)(t.Context(), request)
		require.NoError(t, err)
		content, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return answer{response.StatusCode, string(content)}
	}
}
