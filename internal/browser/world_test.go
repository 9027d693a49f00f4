package browser_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// world is an emulator with its page, and a webhook.
type world struct {
	t      *testing.T
	server *nylastest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := nylastest.NewServer(t)
	server.Handle(mailbox.Path, mailbox.New(server))
	return &world{t, server}
}

// subscribe lets a receiver take all notifications about tracking.
func (w *world) subscribe() {
	w.t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
	}))
	w.t.Cleanup(receiver.Close)
	w.post("/v3/webhooks", object{"trigger_types": events.TrackingTypes(), "webhook_url": receiver.URL + "/webhooks/nylas"})
}

// object is a JSON object.
type object = map[string]any

func (w *world) post(path string, body object) {
	w.t.Helper()
	encoded, err := json.Marshal(body)
	require.NoError(w.t, err)
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL()+path, strings.NewReader(string(encoded)))
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.server.APIKey())
	request.Header.Set("Content-Type", "application/json")
	answer, err := w.server.HTTPClient().Do(request)
	require.NoError(w.t, err)
	content, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	require.NoError(w.t, answer.Body.Close())
	require.Equal(w.t, http.StatusOK, answer.StatusCode, "%s", content)
}

// notified returns how many notifications of a type the server has made.
func (w *world) notified(typ events.Type) int {
	n := 0
	for _, notice := range w.server.Notices() {
		if notice.Type == typ {
			n++
		}
	}
	return n
}

// send sends a mail from the grant and returns it.
func (w *world) send(mail object) nylastest.Message {
	w.t.Helper()
	w.post("/v3/grants/"+w.server.GrantID()+"/messages/send", mail)
	all := w.server.Messages()
	return all[len(all)-1]
}

func (w *world) page(m nylastest.Message) string {
	return w.server.URL() + mailbox.Path + "messages/" + m.ID
}

// trial is a mail with everything tracked. Its first link fills the upper part of the frame.
func trial() object {
	return object{
		"to":      []object{{"name": "Kim Townsend", "email": "kim@acme.dev"}},
		"cc":      []object{{"name": "Lee Chen", "email": "lee@acme.dev"}},
		"subject": "Quick follow-up on your trial",
		"body": `<a href="https://demo.acme.dev/book" style="display:block;height:140px;font-size:20px">Book a demo</a>` +
			`<p>Hello Kim, your trial ends on Friday. Would you like to see what is new? The ` +
			`<a href="https://acme.dev/docs">documentation</a> has it all.</p><p>Leyah</p>`,
		"tracking_options": object{"opens": true, "links": true, "thread_replies": true, "label": "trial-followup-q2"},
	}
}
