package mailbox_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// press sends the form of a button and follows the redirect.
func (w *world) press(m nylastest.Message, form url.Values) answer {
	w.t.Helper()
	a := w.do(http.MethodPost, "/mailbox/messages/"+m.ID+"/acts", form)
	if a.status != http.StatusSeeOther {
		return a
	}
	return w.get(a.header.Get("Location"))
}

var resultText = regexp.MustCompile(`<p id="result"[^>]*>([^<]*)</p>`)

func (a answer) result() string {
	if found := resultText.FindStringSubmatch(a.body); found != nil {
		return found[1]
	}
	return "(none)"
}

// types are those of all notifications so far.
func (w *world) types() []events.Type {
	var types []events.Type
	for _, n := range w.server.Notices() {
		types = append(types, n.Type)
	}
	return types
}

func TestActs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		form   url.Values
		result string
		want   []events.Type
	}{
		"open":       {url.Values{"do": {"open"}}, "Opened.", []events.Type{events.TypeMessageOpened}},
		"click":      {url.Values{"do": {"click"}, "link": {"0"}}, "Followed the link.", []events.Type{events.TypeMessageLinkClicked}},
		"reply":      {url.Values{"do": {"reply"}}, "Replied.", []events.Type{events.TypeThreadReplied}},
		"auto-reply": {url.Values{"do": {"auto-reply"}}, "Replied automatically.", []events.Type{events.TypeThreadReplied}},
		"bounce":     {url.Values{"do": {"bounce"}, "as": {"lee@acme.dev"}}, "Bounced.", []events.Type{events.TypeMessageBounceDetected}},
		"gmail":      {url.Values{"do": {"gmail"}}, "Gmail: 2 events.", []events.Type{events.TypeMessageOpened, events.TypeMessageLinkClicked}},
		"safe links": {url.Values{"do": {"safe-links"}}, "Safe Links: 1 event.", []events.Type{events.TypeMessageLinkClicked}},

		"complaint":    {url.Values{"do": {"complain"}, "as": {"lee@acme.dev"}}, "Not possible: Nylas learns of complaints about the mail of Agent Accounts and Transactional sends only.", nil},
		"no such link": {url.Values{"do": {"click"}, "link": {"7"}}, "", nil},
		"no link":      {url.Values{"do": {"click"}}, "Not possible: there is no such button.", nil},
		"unknown":      {url.Values{"do": {"delete"}}, "Not possible: there is no such button.", nil},
		"nothing":      {nil, "Not possible: there is no such button.", nil},
		"too much":     {url.Values{"do": {strings.Repeat("x", 5000)}}, "The form could not be read.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.send(tracked)
			a := w.press(m, test.form)
			assert.Equal(t, test.want, w.types())
			if test.result != "" {
				assert.Equal(t, test.result, a.result())
			} else {
				assert.Contains(t, a.result(), "no link with index 7, the body has 1 tracked link.")
			}
			if test.want == nil {
				assert.GreaterOrEqual(t, a.status, http.StatusBadRequest)
				assert.Contains(t, a.body, `class="result failed"`)
			}
			assert.Contains(t, a.body, "Looking does not count.")
			if test.form.Has("as") {
				assert.Contains(t, a.body, "Be lee@acme.dev")
			}
			if name == "bounce" {
				n, err := events.Parse(w.server.Notices()[0].Body)
				require.NoError(t, err)
				assert.Equal(t, "lee@acme.dev", n.Data.(*events.MessageBounceDetected).BouncedAddresses)
			}
		})
	}
}

// Each behaviour of package nylastest has a button, and each button is one.
func TestEveryBehaviourHasAButton(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page := w.get("/mailbox/messages/" + w.send(tracked).ID).body
	var names []string
	for _, b := range []nylastest.Behaviour{
		nylastest.Browser(), nylastest.Phone(), nylastest.Outlook(), nylastest.AppleMail(), nylastest.Gmail(), nylastest.GmailPrefetch(),
		nylastest.Yahoo(), nylastest.Forwarded(nylastest.Browser()), nylastest.Sender(), nylastest.SafeLinks(), nylastest.Gateway(),
		nylastest.PatientGateway(), nylastest.LinkPreview(), nylastest.OutOfOffice(),
	} {
		names = append(names, b.String())
	}
	var buttons []string
	for _, found := range regexp.MustCompile(`<button name="do" value="([^"]*)"><strong>`).FindAllStringSubmatch(page, -1) {
		buttons = append(buttons, found[1])
	}
	assert.Equal(t, names, buttons)
}

// What is not possible has no button that can be pressed.
func TestButtonsThatAreOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(`{"to": [{"email": "kim@acme.dev"}], "body": "<p>Hello</p>"}`)
	page := w.get("/mailbox/messages/" + m.ID).body
	assert.Contains(t, page, `value="open" disabled`)
	assert.NotContains(t, page, `value="click"`)
	assert.Contains(t, page, `value="reply">`)

	agent := w.server.AddAgentAccount("Agent", "agent@acme.dev")
	rejected := w.sendFrom(agent, `{"to": [{"email": "kim@acme.dev"}], "subject": "EICAR-STANDARD-ANTIVIRUS-TEST-FILE", "body": "x"}`)
	page = w.get("/mailbox/messages/" + rejected.ID).body
	assert.Contains(t, page, "The message was rejected, so nobody received it.")
	assert.NotContains(t, page, "<button name")
	assert.Equal(t, http.StatusUnprocessableEntity, w.press(rejected, url.Values{"do": {"bounce"}}).status)

	complained := w.sendFrom(agent, `{"to": [{"email": "kim@acme.dev"}], "body": "x"}`)
	assert.Equal(t, "Reported as spam.", w.press(complained, url.Values{"do": {"complain"}}).result())
}

// A page of another origin cannot press a button, even if it knows the address.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.send(tracked)
	path := "/mailbox/messages/" + m.ID + "/acts"
	form := url.Values{"do": {"open"}}
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.dev"}, {"Origin", "null"},
	} {
		assert.Equal(t, http.StatusForbidden, w.do(http.MethodPost, path, form, header...).status, header)
	}
	assert.Empty(t, w.server.Notices())
	assert.Equal(t, http.StatusSeeOther, w.do(http.MethodPost, path, form, "Sec-Fetch-Site", "same-origin").status)
	assert.Equal(t, http.StatusSeeOther, w.do(http.MethodPost, path, form, "Origin", "http://nylas.test").status)
	assert.Len(t, w.server.Notices(), 2)
}

// What takes hours is done at once.
func TestPresetsWaitForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.send(tracked)
		assert.Equal(t, "Apple Mail: 2 events.", w.press(m, url.Values{"do": {"apple-mail"}}).result())
		page := w.get(mailbox.Path).body
		assert.Contains(t, page, "bears the time 1 Jan ")
	})
}
