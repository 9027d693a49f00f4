package nylastest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func outcomeTriggers() []events.Type {
	return []events.Type{
		events.TypeMessageDelivered, events.TypeMessageBounced, events.TypeMessageComplaint, events.TypeMessageRejected,
		events.TypeMessageTransactionalDelivered, events.TypeMessageTransactionalBounced,
		events.TypeMessageTransactionalComplaint, events.TypeMessageTransactionalRejected, events.TypeMessageBounceDetected,
	}
}

// members returns the paths of all members of an object.
func members(value any, path string) []string {
	switch value := value.(type) {
	case map[string]any:
		var all []string
		for name, member := range value {
			all = append(all, members(member, path+"/"+name)...)
		}
		return all
	case []any:
		var all []string
		for _, element := range value {
			all = append(all, members(element, path+"[]")...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	default:
		return []string{path + fmt.Sprintf(" %T", value)}
	}
}

// assertShape compares a notification with a fixture, member by member.
func assertShape(t *testing.T, fixture string, body []byte) {
	t.Helper()
	published, err := os.ReadFile("../testdata/constructed/" + fixture + ".json")
	require.NoError(t, err)
	var want, got any
	require.NoError(t, json.Unmarshal(published, &want))
	require.NoError(t, json.Unmarshal(body, &got))
	assert.ElementsMatch(t, members(want, ""), members(got, ""), "%s", body)
}

// outcomes waits and returns what arrived, by type and recipients.
func (w *world) outcomes() (list []string, bodies map[events.Type][]byte) {
	w.t.Helper()
	w.wait()
	bodies = make(map[events.Type][]byte)
	for _, n := range w.receiver.take() {
		bodies[n.Type] = n.body
		var to []string
		bounced := func(o events.BounceOutcome) {
			for _, r := range o.Bounce.Recipients {
				to = append(to, r.Email, o.Bounce.Type, r.DiagnosticCode)
			}
		}
		switch d := n.Data.(type) {
		case *events.MessageDelivered:
			to = []string{fmt.Sprint(d.Delivered.Recipients)}
		case *events.MessageTransactionalDelivered:
			to = []string{fmt.Sprint(d.Delivered.Recipients)}
		case *events.MessageBounced:
			bounced(d.BounceOutcome)
		case *events.MessageTransactionalBounced:
			bounced(d.BounceOutcome)
		case *events.MessageComplaint:
			to = []string{fmt.Sprint(d.Complaint.ComplainedRecipients), d.Complaint.Type}
		case *events.MessageTransactionalComplaint:
			to = []string{fmt.Sprint(d.Complaint.ComplainedRecipients), d.Complaint.Type}
		case *events.MessageBounceDetected:
			to = []string{d.BouncedAddresses, d.Type, d.BounceReason, d.Origin.ID}
		}
		list = append(list, strings.TrimSpace(string(n.Type)+" "+strings.Join(to, " ")))
	}
	slices.Sort(list)
	return list, bodies
}

func TestOutcomesOfTransactionalMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithSendingDomains("acme.dev"))
	w.subscribe(appURL, outcomeTriggers()...)
	send := func(changes ...object) nylastest.Message {
		from := object{"from": object{"email": "hello@acme.dev"}, "tracking_options": nil, "metadata": object{"campaign": "welcome-email"}}
		a := w.call(http.MethodPost, "/v3/domains/acme.dev/messages/send", mail(append([]object{from}, changes...)...))
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		m, ok := w.server.Message(a.data()["id"].(string))
		require.True(t, ok)
		return m
	}
	ctx := t.Context()
	kim := w.recipient(send())
	got, bodies := w.outcomes()
	assert.Equal(t, []string{"message.transactional.delivered [kim@example.org]"}, got)
	assert.NotContains(t, string(bodies[events.TypeMessageTransactionalDelivered]), "grant_id")

	require.NoError(t, kim.Complain(ctx))
	got, bodies = w.outcomes()
	assert.Equal(t, []string{"message.transactional.complaint [kim@example.org] abuse"}, got)
	assertShape(t, "message.transactional.complaint", bodies[events.TypeMessageTransactionalComplaint])

	require.NoError(t, kim.Bounce(ctx, "MailboxFull"))
	got, bodies = w.outcomes()
	assert.Equal(t, []string{"message.transactional.bounced kim@example.org MailboxFull smtp; 550 user unknown"}, got)
	assertShape(t, "message.transactional.bounced", bodies[events.TypeMessageTransactionalBounced])

	send(object{"body": "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"})
	got, bodies = w.outcomes()
	assert.Equal(t, []string{"message.transactional.rejected"}, got)
	assertShape(t, "message.transactional.rejected", bodies[events.TypeMessageTransactionalRejected])
	rejected := w.server.Messages()[1].ID
	_, err := w.server.Recipient(rejected)
	require.ErrorContains(t, err, "nobody received it")
	w.call(http.MethodPost, "/nylastest/messages/"+rejected+"/outcomes", object{"outcome": "bounced"}).
		refused(400, "api.invalid_request_error", "the message was rejected: nobody received it")

	many := send(object{
		"to":  []object{{"email": "gone@bounce.nylas.test"}, {"email": "kim@example.org"}},
		"cc":  []object{{"email": "Cross@Complaint.nylas.test"}},
		"bcc": []object{{"email": "lee@example.org"}},
	})
	got, _ = w.outcomes()
	assert.Equal(t, []string{
		"message.transactional.bounced gone@bounce.nylas.test NoEmail smtp; 550 user unknown",
		"message.transactional.complaint [Cross@Complaint.nylas.test] abuse",
		"message.transactional.delivered [kim@example.org Cross@Complaint.nylas.test lee@example.org]",
	}, got)
	require.NoError(t, w.recipient(many).WithAddress("LEE@example.org").Complain(ctx))
	got, _ = w.outcomes()
	assert.Equal(t, []string{"message.transactional.complaint [LEE@example.org] abuse"}, got)
	require.ErrorContains(t, w.recipient(many).WithAddress("other@example.org").Complain(ctx), "status 400")

	const path, bad = "/nylastest/messages/", "api.invalid_request_error"
	w.call(http.MethodPost, path+"none/outcomes", object{"outcome": "bounced"}).refused(404, "api.not_found_error", "message not found")
	w.call(http.MethodPost, path+many.ID+"/outcomes", object{}).refused(400, bad, "outcome must be bounced or complaint")
	w.call(http.MethodPost, path+many.ID+"/outcomes", object{"outcome": "bounced"}, "Authorization", "").
		refused(401, "unauthorized", "Unauthorized")
}

// TestOutcomesOfAnAgentAccount: all its ways to send have outcomes.
func TestOutcomesOfAnAgentAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		agent := w.server.AddAgentAccount("News", "news@mail.acme.dev")
		w.subscribe(appURL, outcomeTriggers()...)
		path := "/v3/grants/" + agent
		require.Equal(t, 200, w.call(http.MethodPost, path+"/messages/send", mail(object{"metadata": object{"campaign": "c"}})).status)
		got, bodies := w.outcomes()
		assert.Equal(t, []string{"message.delivered [kim@example.org]"}, got)
		assertShape(t, "message.delivered", bodies[events.TypeMessageDelivered])

		draft := w.call(http.MethodPost, path+"/drafts", mail()).data()["id"].(string)
		w.call(http.MethodPost, path+"/messages/send", mail(object{"send_at": time.Now().Add(time.Hour).Unix()}))
		got, _ = w.outcomes()
		assert.Empty(t, got, "nothing was sent yet")
		require.Equal(t, 200, w.call(http.MethodPost, path+"/drafts/"+draft, nil).status)
		got, _ = w.outcomes()
		assert.Len(t, got, 1)
		pass(time.Hour)
		got, _ = w.outcomes()
		assert.Len(t, got, 1)

		m := w.server.Messages()[0]
		require.NoError(t, w.recipient(m).Bounce(t.Context(), ""))
		require.NoError(t, w.recipient(m).Complain(t.Context()))
		w.call(http.MethodPost, path+"/messages/send", mail(object{"subject": "EICAR-STANDARD-ANTIVIRUS-TEST-FILE"}))
		got, _ = w.outcomes()
		assert.Equal(t, []string{
			"message.bounced kim@example.org NoEmail smtp; 550 user unknown", "message.complaint [kim@example.org] abuse", "message.rejected",
		}, got)
	})
}

// TestOutcomesOfAConnectedGrant: Nylas only sees what comes back to the mailbox.
func TestOutcomesOfAConnectedGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL, outcomeTriggers()...)
	m := w.send(object{"to": []object{{"email": "kim@bounce.nylas.test"}}})
	got, _ := w.outcomes()
	assert.Empty(t, got)
	require.ErrorContains(t, w.recipient(m).Complain(t.Context()), "status 400")
	require.NoError(t, w.recipient(m).Bounce(t.Context(), "mailbox_unavailable"))
	got, _ = w.outcomes()
	assert.Equal(t, []string{"message.bounce_detected kim@bounce.nylas.test mailbox_unavailable smtp; 550 user unknown " + m.ID}, got)
}
