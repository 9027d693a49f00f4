package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// says types a command that is answered with one line.
func (s *session) says(line, want string) {
	s.t.Helper()
	_, err := io.WriteString(s.stdin, line+"\n")
	require.NoError(s.t, err)
	assert.Equal(s.t, want, s.next(), line)
}

// row returns the cells of a line of a table.
func row(line string) []string { return strings.Fields(line) }

func TestCommands(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	for _, command := range []string{"messages", "links", "open", "click 1 1", "reply", "receive as gmail", "bounce", "complain"} {
		s.says(command, "no message was sent yet")
	}
	s.says("forward", "there is no command forward: type help")
	s.says("webhooks", "there is no webhook yet")
	s.says("deliveries", "nothing was delivered yet: see webhooks")

	notified := make(chan *events.Notification, 10)
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		n, err := events.Parse(body)
		assert.NoError(t, err)
		notified <- n
	}))
	t.Cleanup(hooks.Close)
	wanted := append(events.TrackingTypes(), events.TypeMessageBounceDetected)
	hook, err := s.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{TriggerTypes: wanted, WebhookURL: hooks.URL})
	require.NoError(t, err)
	var triggers []string
	for _, trigger := range wanted {
		triggers = append(triggers, string(trigger))
	}
	var ids []string
	for _, to := range []string{"kim@example.org", "lee@example.org", "kim@example.org"} {
		sent, err := s.client.Messages.Send(t.Context(), s.grantID, tracked(to))
		require.NoError(t, err)
		ids = append(ids, sent.ID)
	}
	next := func() events.Data {
		t.Helper()
		return await(t, notified, "a notification").Data
	}
	about := func(want int) events.Data {
		t.Helper()
		n := await(t, notified, "a notification")
		require.Len(t, n.Tracked(), 1)
		assert.Equal(t, ids[want-1], n.Tracked()[0].MessageID)
		return n.Data
	}

	// Without a number the latest message is meant.
	s.says("\nopen", "open done")
	about(3)
	s.says("open 2 as gmail", "open done")
	open, _ := about(2).(*events.MessageOpened).Latest()
	assert.Contains(t, open.UserAgent, "GoogleImageProxy")
	s.says("open LEE@example.org", "open done")
	about(2)
	s.says("open kim@example.org", "open done")
	about(3)
	s.says("open 1 kim@example.org as forwarded browser", "open done")
	about(1)
	s.says("open 4", "there is no message 4: type a number from 1 to 3, see messages")
	s.says("open 0", "there is no message 0: type a number from 1 to 3, see messages")
	s.says("open 2 kim@example.org", "no such message was sent to kim@example.org: see messages")
	s.says("open now", "now: want as and a behaviour, such as gmail: type help")
	s.says("open as", "as: want as and a behaviour, such as gmail: type help")
	s.says("open as gmail,yahoo", "only one can do that: type receive for several behaviours")
	s.command("open as owl", `no behaviour "owl": want browser, phone, `)
	s.command("open as safe-links", "no open happens as safe-links")

	s.says("click", "click done: https://acme.dev/demo")
	about(3)
	s.says("click 2", "click done: https://acme.dev/demo")
	about(2)
	s.says("click 2 2", "click done: https://acme.dev/docs")
	click, _ := about(2).(*events.MessageLinkClicked).Latest()
	assert.Equal(t, events.Index(1), click.LinkIndex)
	s.says("click 1 as outlook", "click done: https://acme.dev/demo")
	about(1)
	s.says("click 2 0", "0 is not the number of a link, from 1: see links")
	s.says("click 2 here", "here is not the number of a link, from 1: see links")
	s.says("click 2 3", "there is no link 3, the message has 2: see links")
	assert.Equal(t, []string{"LINK  TARGET", "1     https://acme.dev/demo", "2     https://acme.dev/docs"}, s.command("links 2", "2     https://acme.dev/docs"))

	s.says("reply 2", "reply done")
	assert.Equal(t, ids[1], next().(*events.ThreadReplied).RootMessageID)
	s.says("reply 2 out-of-office", "reply done")
	automatic := next().(*events.ThreadReplied)
	message, err := s.client.Messages.Get(t.Context(), s.grantID, automatic.MessageID, nylas.WithFields(nylas.FieldsIncludeHeaders))
	require.NoError(t, err)
	assert.Equal(t, nylas.AutoSubmitted("auto-replied"), message.AutoSubmitted())
	s.says("reply as sender", "reply done")
	assert.True(t, *next().(*events.ThreadReplied).FromSelf)
	s.says("reply later", "reply cannot be made later: want out-of-office, as sender, or nothing")

	s.says("bounce lee@example.org MailboxFull", "bounce done")
	bounce := next().(*events.MessageBounceDetected)
	assert.Equal(t, "MailboxFull", bounce.Type)
	assert.Equal(t, "lee@example.org", bounce.BouncedAddresses)
	s.says("bounce 2 MailboxFull now", "now is one word too many: type help")
	s.says("complain 2", "Nylas hears of complaints about the mail of Agent Accounts and Transactional sends only")

	table := s.command("messages", "3       kim@example.org")
	assert.Equal(t, []string{"NUMBER", "TO", "SUBJECT", "LABEL", "OPENS", "CLICKS", "REPLIES"}, row(table[0]))
	assert.Equal(t, []string{"1", "kim@example.org", "Demo", "q2", "1", "1", "0"}, row(table[1]))
	assert.Equal(t, []string{"2", "lee@example.org", "Demo", "q2", "2", "2", "2"}, row(table[2]))
	assert.Equal(t, []string{"3", "kim@example.org", "Demo", "q2", "2", "1", "1"}, row(table[3]))
	s.says("messages now", "now is one word too many: type help")
	table = s.command("webhooks", hook.ID)
	assert.Equal(t, []string{"ID", "STATUS", "URL", "TRIGGERS"}, row(table[0]))
	assert.Equal(t, append([]string{hook.ID, "active", hooks.URL}, triggers...), row(table[1]))
	s.says("webhooks now", "now is one word too many: type help")

	// The recipient who is named is the one who acts.
	both := tracked("kim@example.org")
	both.CC = []nylas.Participant{{Email: "max@example.org"}}
	_, err = s.client.Messages.Send(t.Context(), s.grantID, both)
	require.NoError(t, err)
	s.says("bounce max@example.org", "bounce done")
	assert.Equal(t, "max@example.org", next().(*events.MessageBounceDetected).BouncedAddresses)
}

func TestGrantCommands(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	_, err := s.client.Messages.Send(t.Context(), s.grantID, tracked("kim@example.org"))
	require.NoError(t, err)
	status := func() nylas.GrantStatus {
		t.Helper()
		grant, err := s.client.Grants.Get(t.Context(), s.grantID)
		require.NoError(t, err)
		return grant.GrantStatus
	}
	s.says("expire", "expire done")
	assert.Equal(t, nylas.GrantInvalid, status())
	_, err = s.client.Messages.Send(t.Context(), s.grantID, tracked("kim@example.org"))
	require.ErrorIs(t, err, nylas.ErrUnauthorized)
	s.says("open", "open done") // what was sent before is still tracked
	s.says("renew", "renew done")
	assert.Equal(t, nylas.GrantValid, status())
	s.says("expire "+s.grantID, "expire done")
	assert.Equal(t, nylas.GrantInvalid, status())
	s.says("renew "+s.grantID+" now", "now is one word too many: type help")
	s.command("renew kim@example.org", "there is no such grant")
	assert.NotEmpty(t, s.command("help", "link_index in notifications counts from 0. GRANT is an id or an address"))
}

func TestReceive(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	_, err := s.client.Messages.Send(t.Context(), s.grantID, tracked("kim@example.org"))
	require.NoError(t, err)
	happened := s.command("receive 1 as safe-links, forwarded gmail", "receive done")
	require.Len(t, happened, 5)
	for i, want := range []string{"click 1  by machine  security-scanner", "click 2  by machine  security-scanner", "open     by person   gmail-proxy", "click 1  by person   browser"} {
		assert.Contains(t, happened[i], want)
		cells := row(happened[i])
		_, err := time.Parse("Jan 2 15:04:05", strings.Join(cells[:3], " "))
		require.NoError(t, err)
		assert.NotNil(t, net.ParseIP(cells[len(cells)-1]), happened[i])
	}
	s.says("receive", ": want as and a behaviour, such as gmail: type help")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	const send = `{"to": [{"email": "kim@example.org"}], "body": "Demo", "tracking_options": {"opens": true}}`
	s.says("fault list", "no fault waits")
	s.says("fault send 503", "fault done")
	s.says("fault POST /v3/grants/{grant}/messages/send 429 2", "fault done")
	s.says("fault any 500 always", "fault done")
	s.says("fault delivery duplicate", "fault done")
	waiting := s.command("fault list", "duplicated")
	require.Len(t, waiting, 4)
	assert.Equal(t, []string{"POST", "/v3/grants/{grant}/messages/send", "503", "1"}, row(waiting[0]))
	assert.Equal(t, []string{"any", "500", "always"}, row(waiting[2]))
	for _, want := range []int{503, 429, 429, 500, 500} {
		assert.Equal(t, want, s.post("messages/send", send))
	}
	s.says("fault clear", "fault clear done")
	s.says("fault list", "no fault waits")
	assert.Equal(t, http.StatusOK, s.post("messages/send", send))
	for _, kind := range []string{"lose", "reorder", "wrong-signature 3"} {
		s.says("fault delivery "+kind, "fault done")
	}
	waiting = s.command("fault list", "wrong signature")
	require.Len(t, waiting, 3)
	assert.Equal(t, []string{"delivery", "lost", "1"}, row(waiting[0]))
	assert.Equal(t, []string{"delivery", "reordered", "1"}, row(waiting[1]))
	assert.Equal(t, []string{"delivery", "wrong", "signature", "3"}, row(waiting[2]))
	s.says("fault clear", "fault clear done")
	for line, want := range map[string]string{
		"fault sent 503":            "there is no endpoint sent",
		"fault POST /v3/sends 503":  `no endpoint "POST /v3/sends"`,
		"fault send":                "a status is missing, such as 503",
		"fault send soon":           "soon is not a status, such as 503",
		"fault send 100":            "status 100 is not one of an answer",
		"fault send 503 0":          "0 is neither a number of times, from 1, nor always",
		"fault send 503 1 2":        "2 is one word too many",
		"fault delivery":            "what goes wrong is missing, such as duplicate",
		"fault delivery eat":        "deliveries have no fault eat",
		"fault delivery lose never": "never is neither a number of times, from 1, nor always",
	} {
		s.command(line, want)
	}
	s.says("fault clear", "fault clear done")
	for status, typ := range map[string]string{"502": "", "503": "", "504": "", "500": "internal_error"} { // a gateway sends no JSON
		s.says("fault list-webhooks "+status, "fault done")
		var failure *nylas.Error
		for _, err := range s.client.Webhooks.List(t.Context(), nylas.WithoutRetry()) {
			require.ErrorAs(t, err, &failure)
		}
		require.NotNil(t, failure)
		assert.Equal(t, typ, failure.Type, status)
	}
	for name, endpoint := range map[string]string{
		"send":               "POST /v3/grants/{grant}/messages/send",
		"send-draft":         "POST /v3/grants/{grant}/drafts/{id}",
		"send-transactional": "POST /v3/domains/{domain}/messages/send",
		"create-webhook":     "POST /v3/webhooks",
		"list-webhooks":      "GET /v3/webhooks",
		"list-messages":      "GET /v3/grants/{grant}/messages",
		"get-message":        "GET /v3/grants/{grant}/messages/{id}",
		"pixel":              "GET /nylastest/pixel/{name}",
		"link":               "GET /nylastest/link/{token}/{index}",
	} {
		s.says("fault "+name+" 503", "fault done")
		assert.Equal(t, append(strings.Fields(endpoint), "503", "1"), row(s.command("fault list", "503")[0]))
		s.says("fault clear", "fault clear done")
	}
	assert.NotEmpty(t, s.command("fault help", "ENDPOINT is any, send, "))
	assert.NotEmpty(t, s.command("fault", "ENDPOINT is any, send, "))
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := newSession(t, "-retry", "1h")
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, r.URL.Query().Get("challenge"))
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(hooks.Close)
	hook, err := s.client.Webhooks.Create(t.Context(), &nylas.CreateWebhookRequest{
		TriggerTypes: []events.Type{events.TypeMessageOpened}, WebhookURL: hooks.URL,
	})
	require.NoError(t, err)
	_, err = s.client.Messages.Send(t.Context(), s.grantID, tracked("kim@example.org"))
	require.NoError(t, err)
	s.says("open", "open done")
	rows := func() []string {
		all := s.command("deliveries\nforward", "there is no command forward")
		return all[1 : len(all)-1]
	}
	require.Eventually(t, func() bool {
		got := rows()
		return len(got) == 1 && strings.Contains(got[0], "message.opened  1        503 Service Unavailable  "+hook.ID+"  -")
	}, patience, time.Millisecond)

	// The latest that make a screen are shown, the first is not.
	s.says("fault delivery lose always", "fault done")
	for range maxDeliveries {
		s.says("open", "open done")
	}
	require.Eventually(t, func() bool {
		return len(rows()) == maxDeliveries && !slices.ContainsFunc(rows(), func(line string) bool {
			return !strings.Contains(line, "message.opened  1        lost by a DeliveryFault  "+hook.ID+"  lost")
		})
	}, patience, time.Millisecond)
}

func TestHelpAndQuit(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	help := s.command("help", "BEHAVIOUR is browser, ")
	assert.Len(t, help, len(commands())+3)
	for i, c := range commands() {
		assert.True(t, strings.HasPrefix(help[i], c.usage+"  "), help[i])
		assert.Contains(t, help[i], c.does)
	}
	_, err := io.WriteString(s.stdin, "quit\n")
	require.NoError(t, err)
	select {
	case line, more := <-s.lines:
		assert.False(t, more, line)
	case <-time.After(patience):
		assert.Fail(t, "it goes on")
	}
}

// TestControlCharacters: a mail cannot write over the terminal.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	request := tracked("kim@example.org")
	request.Subject = "\x1b[2JDemo"
	_, err := s.client.Messages.Send(t.Context(), s.grantID, request)
	require.NoError(t, err)
	s.command("messages", "?[2JDemo")
}
