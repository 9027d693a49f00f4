package dashboard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// tell applies all notifications of the emulator to the store.
func (d *desk) tell() {
	d.t.Helper()
	ledger := engagement.NewLedger(d.store)
	for _, notice := range d.nylas.Notices() {
		n, err := events.Parse(notice.Body)
		require.NoError(d.t, err)
		_, err = ledger.Apply(d.t.Context(), n)
		require.NoError(d.t, err)
	}
}

// frame is the frame of the mail that the form has sent last.
func (d *desk) frame() seen {
	d.t.Helper()
	all := d.nylas.Messages()
	m := all[len(all)-1]
	return d.do(http.MethodGet, "messages/"+m.GrantID+"/"+url.PathEscape(m.ID)+"/body", nil)
}

// A mail of the form, as its sender looks at it: nothing of that counts.
func TestMailBody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a := d.do(http.MethodPost, "compose", d.form("body", `<p><a href="https://acme.dev/1">one</a> <a href="https://acme.dev/2">two</a> <a href="#top">top</a></p>`))
	require.Equal(t, http.StatusSeeOther, a.status)
	m := d.nylas.Messages()[0]
	require.Len(t, m.Links, 2)
	require.NotEmpty(t, m.PixelURL)

	kim, err := d.nylas.Recipient(m.ID)
	require.NoError(t, err)
	_, err = kim.WithIP("203.0.113.9").WithUserAgent("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36").WithTime(time.Now().Add(time.Hour)).Click(t.Context(), 1)
	require.NoError(t, err)
	d.tell()

	a = d.frame()
	assert.Equal(t, http.StatusOK, a.status)
	_, after, found := strings.Cut(a.body, "</div>")
	require.True(t, found, a.body)
	body, badges := bare(after)
	assert.Equal(t, `<p><a href="https://acme.dev/1">one</a>• <a href="https://acme.dev/2">two</a>• <a href="#top">top</a></p>`, body)
	assert.Equal(t, []string{"not clicked", "1 by people"}, badges)
	assert.Contains(t, a.body, "Looking does not count")
	for _, tracked := range []string{m.PixelURL, m.Links[0].TrackedURL, m.Links[1].TrackedURL} {
		assert.NotContains(t, a.body, tracked)
	}
	inert(t, a)
}

// A hostile body keeps its layout, and can do nothing.
func TestHostileMailBody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const body = `<base href="https://evil.dev/"><meta http-equiv="refresh" content="0;url=https://evil.dev/"><script>alert(1)</script>` +
		`<style>@import url(https://evil.dev/x.css);</style><form action="https://evil.dev/"><button>x</button></form><p onclick="alert(1)">x</p>` +
		`<iframe src="https://evil.dev/"></iframe><object data="https://evil.dev/"></object><img src="https://evil.dev/x.gif">`
	require.Equal(t, http.StatusSeeOther, d.do(http.MethodPost, "compose", d.form("opens", "", "links", "", "body", body)).status)
	a := d.frame()
	assert.Contains(t, a.body, strings.ReplaceAll(body, "iframe", "noembed")) // page.WithoutConnections
	assert.Contains(t, a.body, "Images that the mail only refers to are not loaded.")
	assert.Less(t, strings.Index(a.body, `<base target="_blank">`), strings.Index(a.body, "<base href"))
	inert(t, a)
}

func TestNoMailBody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.Equal(t, http.StatusSeeOther, d.do(http.MethodPost, "compose", d.form()).status)
	m := d.nylas.Messages()[0]
	path := "messages/" + m.GrantID + "/" + url.PathEscape(m.ID) + "/body"

	assert.Contains(t, d.do(http.MethodGet, d.serve()+path, nil).body, "Give dashboard.New the option WithClient.")

	require.NoError(t, d.nylas.Inject(nylastest.Fault{Times: 9, Before: nylastest.GatewayAnswer(http.StatusBadGateway)}))
	a := d.do(http.MethodGet, path, nil)
	assert.Contains(t, a.body, "Nylas did not return the body: nylas: get message: 502")
	assert.Contains(t, d.log.String(), "level=WARN")
	inert(t, a)
	d.nylas.ClearFaults()
	d.quiet()

	// The client could read it, but the dashboard is not for all mail of the mailbox.
	foreign, err := d.client.Messages.Send(t.Context(), m.GrantID, &nylas.SendMessageRequest{To: []nylas.Participant{{Email: "kim@acme.dev"}}, Body: "<p>secret"})
	require.NoError(t, err)
	a = d.do(http.MethodGet, "messages/"+m.GrantID+"/"+foreign.ID+"/body", nil)
	assert.Contains(t, a.body, "The dashboard knows no such message.")
	assert.NotContains(t, a.body, "secret")
	assert.Contains(t, d.do(http.MethodGet, "messages/"+m.GrantID+"/%00/body", nil).body, "The dashboard knows no such message.")

	require.NoError(t, d.store.SetSent(t.Context(), engagement.Sent{GrantID: m.GrantID, MessageID: "deleted"}))
	a = d.do(http.MethodGet, "messages/"+m.GrantID+"/deleted/body", nil)
	assert.Contains(t, a.body, "Nylas has no such message. It was deleted")

	_, err = d.db.ExecContext(t.Context(), "ALTER TABLE nylas_messages RENAME TO away")
	require.NoError(t, err)
	assert.Contains(t, d.do(http.MethodGet, path, nil).body, "The store does not answer")
	assert.Contains(t, d.log.String(), "level=ERROR")
}

// What Nylas returns of a message is shown as text if it has no tags, and said if it is empty.
func TestPlainMailBody(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{"1 < 2\nbye": `<pre class="plain">1 &lt; 2` + "\nbye</pre>", "": "The message has no body."} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"id": "m-1", "body": body}})
		}))
		t.Cleanup(server.Close)
		client, err := nylas.NewClient("key", nylas.WithBaseURL(server.URL))
		require.NoError(t, err)
		d := newDesk(t)
		require.NoError(t, d.store.SetSent(t.Context(), engagement.Sent{GrantID: "g/1", MessageID: "<m@1/2>"}))
		a := d.do(http.MethodGet, d.serve(dashboard.WithClient(client))+"messages/g%2F1/%3Cm@1%2F2%3E/body", nil)
		assert.Contains(t, a.body, want)
		inert(t, a)
	}
}
