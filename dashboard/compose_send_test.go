package dashboard_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func TestSend(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := d.form("campaign", "spring", "to", `"Kim, Jr." <kim@acme.dev>, lee@acme.dev`,
		"body", "<p>Hi,\r\n<a href=\"https://acme.dev/demo\">demo</a> <a href=\"mailto:lee@acme.dev\">mail</a> <a href=\"#top\">top</a></p>")
	a := d.do(http.MethodPost, "compose", form)
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	m := d.nylas.Messages()[0]
	assert.Equal(t, "/mail/messages/"+m.GrantID+"/"+m.ID, a.header.Get("Location"))
	assert.Equal(t, []events.Participant{{Name: "Kim, Jr.", Email: "kim@acme.dev"}, {Email: "lee@acme.dev"}}, m.To)
	assert.Equal(t, "Your trial", m.Subject)
	assert.Equal(t, "<p>Hi,\n<a href=\"https://acme.dev/demo\">demo</a> <a href=\"mailto:lee@acme.dev\">mail</a> <a href=\"#top\">top</a></p>", m.OriginalBody)
	assert.Equal(t, nylastest.Tracking{Opens: true, Links: true, ThreadReplies: true, Label: "spring"}, m.Tracking)
	assert.Equal(t, form.Get("key"), m.IdempotencyKey)

	sent, known, err := d.store.Sent(t.Context(), m.GrantID, m.ID)
	require.NoError(t, err)
	require.True(t, known)
	assert.WithinDuration(t, m.SentAt, sent.At, time.Second)
	sent.At = time.Time{}
	assert.Equal(t, engagement.Sent{
		GrantID: m.GrantID, MessageID: m.ID, Label: "spring", Subject: "Your trial",
		Links: []string{"https://acme.dev/demo", "mailto:lee@acme.dev"}, Recipients: 2,
	}, sent)
	d.quiet()
}

// Without any tracking Nylas gets no options, which trial accounts would be refused for.
func TestSendWithoutTracking(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.do(http.MethodPost, "compose", d.form("opens", "", "links", "", "replies", "", "campaign", "spring"))
	require.Equal(t, http.StatusSeeOther, a.status)
	m := d.nylas.Messages()[0]
	assert.Equal(t, m.OriginalBody, m.Body)
	assert.Zero(t, m.Tracking)
	sent, _, err := d.store.Sent(t.Context(), m.GrantID, m.ID)
	require.NoError(t, err)
	assert.Empty(t, sent.Links)
	assert.Equal(t, "spring", sent.Label)
}

// Which links Nylas tracks is not known if one of them is http, so the positions of the
// others are not known either.
func TestSendWithUnknownLinks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.do(http.MethodPost, "compose", d.form("body", `<a href="http://acme.dev">a</a> <a href="https://acme.dev">b</a>`))
	require.Equal(t, http.StatusSeeOther, a.status)
	m := d.nylas.Messages()[0]
	sent, _, err := d.store.Sent(t.Context(), m.GrantID, m.ID)
	require.NoError(t, err)
	assert.Empty(t, sent.Links)
}

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The second click of a double click ends the request of the first one.
func TestDoubleClickSendsOnce(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{}, 10)
	d := newDesk(t, nylas.WithRoundTripper(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if err == nil {
				answered <- struct{}{}
			}
			return response, err
		})
	}))
	begun, release := make(chan struct{}), make(chan struct{})
	require.NoError(t, d.nylas.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Hold: func(ctx context.Context) {
		close(begun)
		select {
		case <-release:
		case <-ctx.Done():
		}
	}}))
	form := d.form()
	first, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(first, http.MethodPost, d.url+"compose", strings.NewReader(form.Encode()))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			_, err = http.DefaultTransport.RoundTrip(r)
		}
		gone <- err
	}()
	<-begun
	cancel()
	require.Error(t, <-gone)
	second := make(chan seen, 1)
	go func() { second <- d.do(http.MethodPost, "compose", form) }()
	<-answered // the second one was told to wait, and the first one is not over
	close(release)
	assert.Equal(t, http.StatusSeeOther, (<-second).status)
	assert.Len(t, d.nylas.Messages(), 1)
	assert.Equal(t, http.StatusSeeOther, d.do(http.MethodPost, "compose", form).status, "a reload")
	assert.Len(t, d.nylas.Messages(), 1)
}

func TestFieldsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for name, test := range map[string]struct {
		changes []string
		want    string
	}{
		"nobody":            {[]string{"to", " , "}, `<p id="to-problem" class="problem">Give at least one address.</p>`},
		"no address":        {[]string{"to", "kim@acme.dev, <b>lee"}, `<p id="to-problem" class="problem">“&lt;b&gt;lee” is not an address.`},
		"a group":           {[]string{"to", "kim@acme.dev lee@acme.dev"}, `“kim@acme.dev lee@acme.dev” is not an address.`},
		"no sender":         {[]string{"sender", "somebody-else"}, `<p id="sender-problem" class="problem">Choose one of the senders.</p>`},
		"no key":            {[]string{"key", "x\r\ny"}, `The form was not complete.`},
		"refused":           {[]string{"body", `<a href="https://example.com/">x</a>`}, `Not sent: Nylas would refuse this message. See what was found.`},
		"too long a label":  {[]string{"campaign", strings.Repeat("x", 2049)}, `<code>label-too-long</code>`},
		"subject, two rows": {[]string{"subject", "a\nb"}, `Subject has a line break or NUL`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := d.form(test.changes...)
			a := d.do(http.MethodPost, "compose", form)
			assert.GreaterOrEqual(t, a.status, http.StatusUnprocessableEntity)
			assert.Contains(t, a.body, test.want)
			assert.Contains(t, a.body, html.EscapeString(form.Get("body")), "the input is kept")
			assert.Regexp(t, `^[A-Z2-7]{26}$`, a.key())
			if name != "no key" {
				assert.Equal(t, form.Get("key"), a.key())
			}
		})
	}
	t.Cleanup(func() { assert.Empty(t, d.nylas.Messages()) })
}

func TestTooLargeForm(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.do(http.MethodPost, "compose", d.form("body", strings.Repeat("x", 4<<20)))
	assert.Equal(t, http.StatusRequestEntityTooLarge, a.status)
	assert.Contains(t, a.body, "Go back: your text is still there.")
	a = d.do(http.MethodPost, "compose", d.form(), "Content-Type", "multipart/form-data; boundary")
	assert.Equal(t, http.StatusBadRequest, a.status)
	assert.Empty(t, d.nylas.Messages())
}

// What Nylas refuses comes back with the form, and a new key if Nylas remembers the refusal.
func TestNylasRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault  nylastest.Fault
		want   string
		newKey bool
		status int
	}{
		"trial account": {nylastest.Fault{Inside: nylastest.ErrorAnswer(http.StatusBadRequest, "api.invalid_request_error", "Tracking options are not allowed for trial accounts")}, "use a production application", true, http.StatusUnprocessableEntity},
		"too fast":      {nylastest.Fault{Times: 2, Before: nylastest.TooManyRequests(0)}, "429", false, http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			test.fault.Endpoint = nylastest.EndpointSend
			require.NoError(t, d.nylas.Inject(test.fault))
			form := d.form("campaign", `"spring"`)
			a := d.do(http.MethodPost, "compose", form)
			assert.Equal(t, test.status, a.status)
			assert.Contains(t, a.body, "Not sent. Send message: ")
			assert.Contains(t, a.body, test.want)
			assert.Contains(t, a.body, html.EscapeString(form.Get("body")))
			assert.Contains(t, a.body, `value="&#34;spring&#34;"`)
			assert.Equal(t, test.newKey, a.key() != form.Get("key"))
			assert.Empty(t, d.nylas.Messages())
			assert.Contains(t, d.log.String(), "level=WARN")
			d.quiet()

			form.Set("key", a.key())
			assert.Equal(t, http.StatusSeeOther, d.do(http.MethodPost, "compose", form).status)
			assert.Len(t, d.nylas.Messages(), 1)
		})
	}
}

// lose makes the answers of a send get lost, after it was carried out or before.
func (d *desk) lose(sent bool) {
	d.t.Helper()
	fault := nylastest.Fault{Endpoint: nylastest.EndpointSend, Times: 2, Before: nylastest.GatewayAnswer(http.StatusGatewayTimeout)}
	if sent {
		fault.Before, fault.After = nil, nylastest.GatewayAnswer(http.StatusGatewayTimeout)
	}
	require.NoError(d.t, d.nylas.Inject(fault))
}

func TestPerhapsSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.lose(true)
	form := d.form("campaign", "<spring>")
	a := d.do(http.MethodPost, "compose", form)
	require.Equal(t, http.StatusBadGateway, a.status)
	assert.Contains(t, a.body, "<h1>Perhaps sent</h1>")
	assert.Contains(t, a.body, "Do not write it again")
	d.quiet()
	form.Set("again", "on")
	assert.Equal(t, form, a.hidden(), "the form is kept")

	a = d.do(http.MethodPost, "compose/find", a.hidden())
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	m := d.nylas.Messages()[0]
	assert.Equal(t, "/mail/messages/"+m.GrantID+"/"+m.ID, a.header.Get("Location"))
	sent, known, err := d.store.Sent(t.Context(), m.GrantID, m.ID)
	require.NoError(t, err)
	assert.True(t, known)
	assert.Equal(t, "<spring>", sent.Label)
	assert.Equal(t, []string{"https://acme.dev/demo"}, sent.Links)
	assert.Len(t, d.nylas.Messages(), 1)
}

func TestPerhapsNotSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.lose(false)
	a := d.do(http.MethodPost, "compose", d.form())
	require.Equal(t, http.StatusBadGateway, a.status)
	hidden := a.hidden()
	a = d.do(http.MethodPost, "compose/find", hidden)
	assert.Equal(t, http.StatusOK, a.status)
	assert.Regexp(t, `role="status">Not found at \d\d:\d\d:\d\d\.</p>`, a.body)
	assert.Equal(t, hidden, a.hidden())

	require.NoError(t, d.nylas.Inject(nylastest.Fault{Times: 2, Before: nylastest.ErrorAnswer(http.StatusForbidden, "api.forbidden", "no scope")}))
	a = d.do(http.MethodPost, "compose/find", hidden)
	assert.Contains(t, a.body, "The search failed.")
	assert.Contains(t, a.body, "no scope")
	assert.Equal(t, hidden, a.hidden())

	// Again an error: that the first attempt sent nothing is still not known.
	d.nylas.ClearFaults()
	require.NoError(t, d.nylas.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Before: nylastest.ErrorAnswer(http.StatusUnauthorized, "api.unauthorized", "key")}))
	a = d.do(http.MethodPost, "compose", hidden)
	assert.Contains(t, a.body, "<h1>Perhaps sent</h1>")
	assert.Equal(t, hidden, a.hidden())

	a = d.do(http.MethodPost, "compose", hidden)
	assert.Equal(t, http.StatusSeeOther, a.status, a.body)
	assert.Len(t, d.nylas.Messages(), 1)
	assert.Equal(t, hidden.Get("key"), d.nylas.Messages()[0].IdempotencyKey)

	assert.Equal(t, http.StatusUnprocessableEntity, d.do(http.MethodPost, "compose/find", url.Values{}).status)
}

// Somebody goes back to a form that was sent, and writes another mail in it.
func TestFormOfAnotherMail(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := d.form()
	require.Equal(t, http.StatusSeeOther, d.do(http.MethodPost, "compose", form).status)
	form.Set("subject", "Another")
	a := d.do(http.MethodPost, "compose", form)
	assert.Equal(t, http.StatusConflict, a.status)
	assert.Contains(t, a.body, "This form has been used before, for a message with another text.")
	assert.NotContains(t, a.body, "Send it again")
	assert.Len(t, d.nylas.Messages(), 1)
}

func TestSentTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := d.form()
	_, value, _ := strings.Cut(nylas.MarkOf("key5", form.Get("key")), ":")
	for range 2 {
		_, err := d.client.Messages.Send(t.Context(), d.nylas.GrantID(), &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: "kim@acme.dev"}}, Metadata: map[string]string{"key5": value},
		})
		require.NoError(t, err)
	}
	a := d.do(http.MethodPost, "compose/find", form)
	assert.Equal(t, http.StatusOK, a.status)
	assert.Contains(t, a.body, "<h1>Sent 2 times</h1>")
	for _, m := range d.nylas.Messages() {
		assert.Contains(t, a.body, `href="/mail/messages/`+m.GrantID+"/"+m.ID+`"`)
		_, known, err := d.store.Sent(t.Context(), m.GrantID, m.ID)
		require.NoError(t, err)
		assert.True(t, known)
	}
}

// An attempt without an answer and then one that succeeds may be two mails.
func TestPerhapsSentTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.NoError(t, d.nylas.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Before: nylastest.GatewayAnswer(http.StatusGatewayTimeout)}))
	a := d.do(http.MethodPost, "compose", d.form())
	assert.Equal(t, http.StatusOK, a.status)
	assert.Contains(t, a.body, "<h1>Sent, perhaps twice</h1>")
	m := d.nylas.Messages()[0]
	assert.Contains(t, a.body, `href="/mail/messages/`+m.GrantID+"/"+m.ID+`">Your trial</a>`)
	_, known, err := d.store.Sent(t.Context(), m.GrantID, m.ID)
	require.NoError(t, err)
	assert.True(t, known)
}

func TestSentAndNotStored(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := d.form()
	_, err := d.db.ExecContext(t.Context(), "ALTER TABLE nylas_messages RENAME TO away")
	require.NoError(t, err)
	a := d.do(http.MethodPost, "compose", form)
	assert.Equal(t, http.StatusInternalServerError, a.status)
	assert.Contains(t, a.body, "The message was sent. Do not send it again.")
	assert.Contains(t, a.body, `href="/mail/messages/`+d.nylas.GrantID()+"/"+d.nylas.Messages()[0].ID+`">Your trial</a>`)
	assert.NotContains(t, a.body, "<button")
	assert.Contains(t, d.log.String(), "level=ERROR")
	assert.Len(t, d.nylas.Messages(), 1)
	d.quiet()
}

// A page of another origin can send nothing.
func TestForeignFormsSendNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := d.form()
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.dev"}} {
		for _, path := range []string{"compose", "compose/check", "compose/preview", "compose/find"} {
			assert.Equal(t, http.StatusForbidden, d.do(http.MethodPost, path, form, header...).status, path, header)
		}
	}
	assert.Empty(t, d.nylas.Messages())
	assert.Equal(t, http.StatusSeeOther, d.do(http.MethodPost, "compose", form, "Sec-Fetch-Site", "same-origin").status)
}
