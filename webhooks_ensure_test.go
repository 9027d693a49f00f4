package nylas_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// asRecorded asks for what the recorded answers have.
func asRecorded(change ...func(*nylas.EnsureWebhookRequest)) *nylas.EnsureWebhookRequest {
	req := &nylas.EnsureWebhookRequest{WebhookURL: "https://yourapp.com/webhooks/nylas", TriggerTypes: trackingTriggers()}
	for _, c := range change {
		c(req)
	}
	return req
}

// listed answers a list with these members of one destination.
func listed(members string) httpmock.Responder {
	return answers(200, `{"data":[{"id":"`+testWebhook+`","webhook_url":"https://yourapp.com/webhooks/nylas",`+
		`"trigger_types":["thread.replied","message.opened","message.link_clicked"]`+members+`}]}`)
}

func emptyList() httpmock.Responder { return answers(200, `{"data":[]}`) }

// gotLongAgo answers a Get with a time before the beginning of a bubble.
func gotLongAgo(more ...string) httpmock.Responder {
	return answers(200, `{"data":{"id":"`+testWebhook+`","created_at":900000000`+strings.Join(more, "")+`}}`)
}

// sentAs returns the method and path of each request.
func sentAs(w *wire) []string {
	var list []string
	for _, r := range w.requests() {
		list = append(list, r.method+" "+r.target)
	}
	return list
}

func TestEnsureOnTheWire(t *testing.T) {
	t.Parallel()
	got := answersFile(t, 200, "http/webhooks.get.response.json")
	const path = "/v3/webhooks/" + testWebhook
	t.Run("nothing to do", func(t *testing.T) {
		t.Parallel()
		w := newWire(t, listed(`,"compressed_delivery":true,"description":"x"`), got)
		var resp nylas.Response
		webhook, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded(func(r *nylas.EnsureWebhookRequest) {
			r.TriggerTypes = append(r.TriggerTypes, events.TypeMessageOpened) // once or twice is the same
			r.CompressedDelivery = new(true)
		}), nylas.WithResponse(&resp))
		require.NoError(t, err)
		assert.Equal(t, []string{"GET /v3/webhooks", "GET " + path}, sentAs(w))
		assert.Equal(t, testWebhook, webhook.ID)
		assert.Equal(t, "x", webhook.Description)
		assert.EqualValues(t, 1234567891, webhook.CreatedAt.Unix())
		assert.EqualValues(t, 1234567892, webhook.UpdatedAt.Unix())
		assert.EqualValues(t, 1234567890, webhook.StatusUpdatedAt.Unix())
		assert.Equal(t, 200, resp.StatusCode)
	})
	for name, tt := range map[string]struct {
		listed string
		change func(*nylas.EnsureWebhookRequest)
		body   string
	}{
		"triggers": {``, func(r *nylas.EnsureWebhookRequest) { r.TriggerTypes = r.TriggerTypes[:2] },
			`{"trigger_types":["message.opened","message.link_clicked"]}`},
		"description": {`,"description":"old"`, func(r *nylas.EnsureWebhookRequest) { r.Description = "new" }, `{"description":"new"}`},
		"addresses": {`,"notification_email_addresses":["b@acme.dev"]`,
			func(r *nylas.EnsureWebhookRequest) { r.NotificationEmailAddresses = []string{"a@acme.dev"} },
			`{"notification_email_addresses":["a@acme.dev"]}`},
		"compression": {`,"compressed_delivery":true`, func(r *nylas.EnsureWebhookRequest) { r.CompressedDelivery = new(false) },
			`{"compressed_delivery":false}`},
		"failed":           {`,"status":"failed"`, func(*nylas.EnsureWebhookRequest) {}, `{"status":"active"}`},
		"paused":           {`,"status":"pause"`, func(r *nylas.EnsureWebhookRequest) { r.Resume = true }, `{"status":"active"}`},
		"paused, in lists": {`,"status":"paused"`, func(r *nylas.EnsureWebhookRequest) { r.Resume = true }, `{"status":"active"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, listed(tt.listed), gotLongAgo(tt.listed), answersFile(t, 200, "http/webhooks.update.response.json"))
			webhook, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded(tt.change))
			require.NoError(t, err)
			assert.Equal(t, []string{"GET /v3/webhooks", "GET " + path, "PUT " + path}, sentAs(w))
			assert.JSONEq(t, tt.body, string(w.requests()[2].body))
			assert.Equal(t, nylas.WebhookPause, webhook.Status, "the answer to the update counts")
			assert.Empty(t, webhook.WebhookSecret)
		})
	}
	t.Run("paused stays paused", func(t *testing.T) {
		t.Parallel()
		for _, status := range [][2]string{{"pause", "pause"}, {"active", "pause"}, {"pause", ""}} {
			w := newWire(t, listed(`,"status":"`+status[0]+`"`), gotLongAgo(`,"status":"`+status[1]+`"`))
			webhook, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
			require.NoError(t, err)
			assert.Equal(t, nylas.WebhookPause, webhook.Status, "what Get says counts, if it says something")
		}
	})
}

// TestEnsureCreates has the whole exchange, the waiting included.
func TestEnsureCreates(t *testing.T) {
	t.Parallel()
	got := answersFile(t, 200, "http/webhooks.get.response.json")
	for name, tt := range map[string]struct {
		script []httpmock.Responder
		want   []string
	}{
		"listed at once": {
			inTurn(emptyList(), answersFile(t, 200, createdAnswer), listed(``), got),
			[]string{"GET /v3/webhooks", "POST /v3/webhooks", "GET /v3/webhooks", "GET /v3/webhooks/" + testWebhook},
		},
		"listed late": {
			inTurn(emptyList(), answersFile(t, 200, createdAnswer), emptyList(), got, listed(``), got, listed(``), got),
			[]string{
				"GET /v3/webhooks", "POST /v3/webhooks", "GET /v3/webhooks", "GET /v3/webhooks/" + testWebhook,
				"GET /v3/webhooks", "GET /v3/webhooks/" + testWebhook, // only now a list can have what was made before it
				"GET /v3/webhooks", "GET /v3/webhooks/" + testWebhook,
			},
		},
		"listed with another spelling": {
			inTurn(emptyList(), answersFile(t, 200, createdAnswer),
				answers(200, `{"data":[{"id":""},{"id":"`+testWebhook+`","webhook_url":"https://yourapp.com/webhooks/nylas/",`+
					`"trigger_types":["message.opened","message.link_clicked","thread.replied"]}]}`), got),
			[]string{"GET /v3/webhooks", "POST /v3/webhooks", "GET /v3/webhooks", "GET /v3/webhooks/" + testWebhook},
		},
		"gone before the update": {
			inTurn(listed(`,"status":"failed"`), gotLongAgo(`,"status":"failed"`), answersFile(t, 400, unknownWebhookAnswer),
				emptyList(), answersFile(t, 200, createdAnswer), listed(``), got),
			[]string{
				"GET /v3/webhooks", "GET /v3/webhooks/" + testWebhook, "PUT /v3/webhooks/" + testWebhook,
				"GET /v3/webhooks", "POST /v3/webhooks", "GET /v3/webhooks", "GET /v3/webhooks/" + testWebhook,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, tt.script...)
				start := time.Now()
				webhook, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
				require.NoError(t, err)
				assert.Equal(t, tt.want, sentAs(w))
				assert.Equal(t, "41dD3-nXTUfebYuk81Gr", webhook.WebhookSecret)
				assert.Equal(t, testWebhook, webhook.ID)
				assert.GreaterOrEqual(t, time.Since(start), nylas.EnsureLag)
			})
		})
	}
}

// TestEnsureWaitsAsLongAsCreating: others' creations can take as long as the own.
func TestEnsureWaitsAsLongAsCreating(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{9 * time.Second: 21 * time.Second, 25 * time.Second: 22 * time.Second} {
		t.Run(fmt.Sprint(took), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				slow := func(r *http.Request) (*http.Response, error) {
					<-time.After(took)
					return answersFile(t, 200, createdAnswer)(r)
				}
				w := newWire(t, emptyList(), slow, listed(``), answersFile(t, 200, "http/webhooks.get.response.json"))
				_, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
				require.NoError(t, err)
				wait := w.waits()[1] - took
				assert.GreaterOrEqual(t, wait, want)
				assert.LessOrEqual(t, wait, want+2*time.Second)
			})
		})
	}
}

// TestEnsureByTheClockOfNylas: a minute is counted by the Date header, whatever this
// machine thinks that the time is.
func TestEnsureByTheClockOfNylas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		created := time.Now().Add(40 * 24 * time.Hour).Truncate(time.Second) // the clock of the bubble is far behind
		get := func(id string, age time.Duration) httpmock.Responder {
			return answers(200, fmt.Sprintf(`{"data":{"id":%q,"created_at":%d}}`, id, created.Unix()),
				"Date", created.Add(age).UTC().Format(http.TimeFormat))
		}
		two := answers(200, `{"data":[{"id":"b","webhook_url":"https://yourapp.com/webhooks/nylas"},`+
			`{"id":"a","webhook_url":"https://yourapp.com/webhooks/nylas","trigger_types":["message.opened","message.link_clicked","thread.replied"]}]}`)
		one := answers(200, `{"data":[{"id":"a","webhook_url":"https://yourapp.com/webhooks/nylas",`+
			`"trigger_types":["message.opened","message.link_clicked","thread.replied"]}]}`)
		w := newWire(t, two, get("b", 62*time.Second), get("a", 62*time.Second), answers(200, `{"data":{}}`), one, get("a", 64*time.Second))
		webhook, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
		require.NoError(t, err)
		assert.Equal(t, "a", webhook.ID)
		assert.Equal(t, []string{
			"GET /v3/webhooks", "GET /v3/webhooks/b", "GET /v3/webhooks/a", "DELETE /v3/webhooks/b", "GET /v3/webhooks", "GET /v3/webhooks/a",
		}, sentAs(w), "of the same second the smaller id is the older one")
	})
}

// TestEnsureWithoutTimes: a Get without created_at does not make it wait for ever.
func TestEnsureWithoutTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deleted := false
		w := newWireAlways(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.Method == http.MethodDelete:
				deleted = true
				assert.Equal(t, "/v3/webhooks/b", r.URL.Path)
				return answers(200, `{}`)(r)
			case r.URL.Path != "/v3/webhooks":
				return answers(200, `{"data":{"id":"`+path.Base(r.URL.Path)+`"}}`)(r)
			case deleted:
				return answers(200, `{"data":[{"id":"a","webhook_url":"https://yourapp.com/webhooks/nylas","trigger_types":["message.opened"]}]}`)(r)
			default:
				return answers(200, `{"data":[{"id":"a","webhook_url":"https://yourapp.com/webhooks/nylas"},`+
					`{"id":"b","webhook_url":"https://yourapp.com/webhooks/nylas"}]}`)(r)
			}
		})
		start := time.Now()
		_, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded(func(r *nylas.EnsureWebhookRequest) {
			r.TriggerTypes = []events.Type{events.TypeMessageOpened}
		}))
		require.NoError(t, err)
		assert.Greater(t, time.Since(start), time.Minute)
		assert.Less(t, time.Since(start), 90*time.Second)
	})
}

func TestEnsureFails(t *testing.T) {
	t.Parallel()
	unauthorized := answersFile(t, 401, "constructed/error.unauthorized.401.json")
	badURL := answersFile(t, 400, "constructed/error.webhook-url.400.json")
	for name, tt := range map[string]struct {
		script []httpmock.Responder
		text   string
		is     []error
	}{
		"list":   {inTurn(unauthorized), "nylas: list webhooks: 401", []error{nylas.ErrUnauthorized}},
		"get":    {inTurn(listed(``), unauthorized), "nylas: get webhook: 401", []error{nylas.ErrUnauthorized}},
		"update": {inTurn(listed(`,"status":"failed"`), gotLongAgo(`,"status":"failed"`), unauthorized), "nylas: update webhook: 401", []error{nylas.ErrUnauthorized}},
		"create": {inTurn(emptyList(), badURL, emptyList()), "nylas: create webhook: 400 70005", []error{nylas.ErrInvalidRequest}},
		"create, then list": {
			inTurn(emptyList(), badURL, unauthorized), "nylas: create webhook: 400 70005", []error{nylas.ErrInvalidRequest},
		},
		"created without an id": {
			inTurn(emptyList(), answers(200, `{"data":{}}`), unauthorized), "nylas: list webhooks: 401", []error{nylas.ErrUnauthorized, nylas.ErrOutcomeUnknown},
		},
		"list after creating": {
			inTurn(emptyList(), answersFile(t, 200, createdAnswer), unauthorized), "nylas: list webhooks: 401",
			[]error{nylas.ErrUnauthorized, nylas.ErrOutcomeUnknown},
		},
		"get after creating": {
			inTurn(emptyList(), answersFile(t, 200, createdAnswer), emptyList(), unauthorized), "nylas: get webhook: 401",
			[]error{nylas.ErrUnauthorized, nylas.ErrOutcomeUnknown},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, tt.script...)
				webhook, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
				assert.Nil(t, webhook)
				require.ErrorContains(t, err, tt.text)
				assertSentinels(t, err, tt.is...)
				assert.Len(t, w.requests(), len(tt.script))
			})
		})
	}
}

// TestEnsureRemovesItsOwn: when nothing is left behind, an error does not say so.
func TestEnsureRemovesItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		both := answers(200, `{"data":[{"id":"`+testWebhook+`","webhook_url":"https://yourapp.com/webhooks/nylas"},`+
			`{"id":"older","webhook_url":"https://yourapp.com/webhooks/nylas"}]}`)
		own := answersFile(t, 200, "http/webhooks.get.response.json")
		older := answers(200, `{"data":{"id":"older","created_at":1234567890}}`)
		w := newWire(t, emptyList(), answersFile(t, 200, createdAnswer), both, own, older,
			answers(200, `{"data":{"id":"older"}}`), answersFile(t, 400, unknownWebhookAnswer), answersFile(t, 401, "constructed/error.unauthorized.401.json"))
		_, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
		assertSentinels(t, err, nylas.ErrUnauthorized)
		assert.Equal(t, "PUT /v3/webhooks/older", sentAs(w)[5], "what is left is as wanted before another one goes")
		assert.Equal(t, "DELETE /v3/webhooks/"+testWebhook, sentAs(w)[6], "somebody else may have removed it before")
	})
}

// TestEnsureOfWhatIsNotThere has a Nylas that forgets what it makes: a call does not
// make one after the other for ever.
func TestEnsureOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for refusedAt, want := range map[int]string{
		0: "nylas: ensure webhook: what it made was never there afterwards", 2: "nylas: create webhook: 401 unauthorized: ",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				made := 0
				w := newWireAlways(func(r *http.Request) (*http.Response, error) {
					switch {
					case r.URL.Path != "/v3/webhooks":
						return answersFile(t, 400, unknownWebhookAnswer)(r)
					case r.Method == http.MethodGet:
						return emptyList()(r)
					}
					if made++; made == refusedAt {
						return answersFile(t, 401, "constructed/error.unauthorized.401.json")(r)
					}
					return answers(200, fmt.Sprintf(`{"data":{"id":"w-%d","webhook_secret":"s"}}`, made))(r)
				})
				start := time.Now()
				_, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
				require.ErrorContains(t, err, want)
				require.NotErrorIs(t, err, nylas.ErrOutcomeUnknown)
				assert.LessOrEqual(t, made, 4)
				assert.Greater(t, time.Since(start), time.Minute, "Get may lag, too")
			})
		})
	}
}

// TestEnsureIsTooLate: Nylas refuses a second destination for the URL, which
// another process made in the meantime.
func TestEnsureIsTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, emptyList(), answersFile(t, 400, "constructed/error.webhook-url.400.json"),
			listed(``), listed(``), gotLongAgo())
		webhook, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded())
		require.NoError(t, err)
		assert.Equal(t, testWebhook, webhook.ID)
		assert.Empty(t, webhook.WebhookSecret)
	})
}

func TestEnsureRefuses(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	s := w.client(t).Webhooks
	for want, req := range map[string]*nylas.EnsureWebhookRequest{
		"the request is nil":    nil,
		"WebhookURL is empty":   {TriggerTypes: trackingTriggers()},
		"TriggerTypes is empty": {WebhookURL: "https://acme.dev"},
	} {
		_, err := s.Ensure(t.Context(), req)
		require.ErrorContains(t, err, "nylas: ensure webhook: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	_, err := s.Ensure(t.Context(), asRecorded(), nylas.WithResponse(nil))
	require.EqualError(t, err, "nylas: ensure webhook: WithResponse: the response is nil")
	_, err = s.Ensure(t.Context(), asRecorded(), nylas.WithIdempotencyKey("k"))
	require.EqualError(t, err, "nylas: list webhooks: this call takes no Idempotency-Key")
	assert.Empty(t, w.requests())
}

// TestEnsureKnowsTheURL has spellings of one URL, and others.
func TestEnsureKnowsTheURL(t *testing.T) {
	t.Parallel()
	for asked, same := range map[string]bool{
		"https://yourapp.com/webhooks/nylas":     true,
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
			w := newWire(t, listed(``), answersFile(t, 200, "http/webhooks.get.response.json"))
			if !same {
				w = newWire(t, listed(``), answers(401, ``), emptyList())
			}
			_, err := w.client(t).Webhooks.Ensure(t.Context(), asRecorded(func(r *nylas.EnsureWebhookRequest) { r.WebhookURL = asked }))
			assert.Equal(t, same, err == nil, "%v", err)
		})
	}
	w := newWire(t, answers(200, `{"data":[{"id":"a","webhook_url":"https://acme.dev","trigger_types":["x"]}]}`),
		answersFile(t, 200, "http/webhooks.get.response.json"))
	_, err := w.client(t).Webhooks.Ensure(t.Context(), &nylas.EnsureWebhookRequest{WebhookURL: "https://acme.dev/", TriggerTypes: []events.Type{"x"}})
	require.NoError(t, err, "an empty path is the root")
}
