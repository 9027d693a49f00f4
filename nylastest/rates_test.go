package nylastest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// TestRateLimits makes as many requests as Nylas takes within a second, and one
// more.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	const boundary = "b0"
	multipart := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n" +
		`{"to":[{"email":"kim@example.org"}],"subject":"s","body":"b"}` + "\r\n--" + boundary + "--\r\n"
	for name, tt := range map[string]struct {
		limit int
		call  func(w *world) answer
		other func(w *world) answer // has a limit of its own
	}{
		"JSON": {200,
			func(w *world) answer { return w.call(http.MethodPost, w.sendPath(), mail()) },
			func(w *world) answer { return w.call(http.MethodGet, w.messagesPath(), nil) },
		},
		"multipart": {10,
			func(w *world) answer {
				return w.call(http.MethodPost, w.sendPath(), multipart, "Content-Type", "multipart/form-data; boundary="+boundary)
			},
			func(w *world) answer { return w.call(http.MethodPost, w.sendPath(), mail()) },
		},
		"other calls of a grant": {200,
			func(w *world) answer { return w.call(http.MethodGet, w.messagesPath(), nil) },
			func(w *world) answer {
				return w.call(http.MethodGet, "/v3/grants/"+w.server.AddGrant("", "lee@acme.dev")+"/messages", nil)
			},
		},
		"application": {50,
			func(w *world) answer { return w.call(http.MethodGet, "/v3/webhooks", nil) },
			func(w *world) answer { return w.call(http.MethodGet, "/v3/activity/tracking", nil) },
		},
		"domain": {200,
			func(w *world) answer {
				return w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send",
					mail(object{"from": object{"email": "a@acme.dev"}, "tracking_options": nil}))
			},
			func(w *world) answer { return w.call(http.MethodPost, w.sendPath(), mail()) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nylastest.WithRateLimits(), nylastest.WithSendingDomains("acme.dev"))
				for i := range tt.limit {
					if i == tt.limit/2 {
						<-time.After(time.Second / 2)
					}
					require.Equal(t, http.StatusOK, tt.call(w).status, i)
				}
				sent := len(w.server.Messages())
				refused := tt.call(w)
				refused.refused(429, "nylas_rate_limit_exceeded", "Too many requests, please try again shortly.")
				assert.NotContains(t, string(refused.body), "provider_error")
				assert.Empty(t, refused.header.Get("Retry-After"))
				assert.Len(t, w.server.Messages(), sent)
				assert.Equal(t, http.StatusOK, tt.other(w).status)

				<-time.After(time.Second / 2) // the first half is over a second old
				for range tt.limit / 2 {
					require.Equal(t, http.StatusOK, tt.call(w).status)
				}
				assert.Equal(t, http.StatusTooManyRequests, tt.call(w).status)
			})
		})
	}
}

// TestRateLimitsAndKeys: what was too fast is not remembered under its key.
func TestRateLimitsAndKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nylastest.WithRateLimits())
		for range 200 {
			w.call(http.MethodPost, w.sendPath(), mail())
		}
		assert.Equal(t, 429, w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k").status)
		assert.Equal(t, 429, w.call(http.MethodPost, "/v3/grants/"+strings.ToUpper("sender@nylas.test")+"/messages/send", mail()).status,
			"a grant is the same by its address")
		pass(time.Second)
		a := w.call(http.MethodPost, w.sendPath(), mail(), "Idempotency-Key", "k")
		assert.Equal(t, 200, a.status)
		assert.Empty(t, a.header.Get("Idempotent-Response"))
	})
}

func TestNoRateLimitsByDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 201 {
			require.Equal(t, 200, w.call(http.MethodGet, "/v3/webhooks", nil).status, fmt.Sprint(i))
		}
	})
}
