package outbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

func TestSendsNothingToSuppressedAddresses(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		require.NoError(t, w.Suppress(t.Context(), " Person-0@EXAMPLE.org", "asked by phone"))
		require.NoError(t, w.Suppress(t.Context(), "person-0@example.org", "another reason"))
		require.Error(t, w.Suppress(t.Context(), " ", "x"))
		w.reopen()
		w.add(2)
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 1, Suppressed: 1}, w.counts())
		assert.Equal(t, "asked by phone", w.mail().Reason)
		require.NoError(t, w.Unsuppress(t.Context(), "person-0@Example.org"))
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 1, Suppressed: 1}, w.counts(), "it stays so")
		require.NoError(t, w.Add(t.Context(), "mail-0-again", w.nylas.GrantID(), mailTo(0)))
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 2, Suppressed: 1}, w.counts())
	})
}

// A mail may have been sent before its address was suppressed: it is looked for, and not sent
// again.
func TestDoesNotRepeatToASuppressedAddress(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{Before: nylastest.Disconnect()}, nylastest.Fault{After: nylastest.Disconnect()})
		w.add(2)
		ended := make(chan error, 1)
		go func() { ended <- w.run() }()
		for w.counts().Unknown < 2 {
			<-w.changed
		}
		require.NoError(t, w.Suppress(t.Context(), "person-0@example.org", outbox.ReasonUnsubscribed))
		require.NoError(t, w.Suppress(t.Context(), "person-1@example.org", outbox.ReasonUnsubscribed))
		require.NoError(t, <-ended)
		assert.Equal(t, outbox.Counts{Sent: 1, Unknown: 1}, w.counts())
		assert.Contains(t, w.mail().Reason, "suppressed, unsubscribed")
		assert.Len(t, w.nylas.Messages(), 1)
	}, outbox.WithWorkers(1))
}

// The notifications of an emulator that really bounces fill the list.
func TestLearnsFromNotifications(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		agent := w.nylas.AddAgentAccount("Agent", "agent@example.org")
		to := []string{"gone@bounce.nylas.test", "angry@complaint.nylas.test", "full@example.org", "hard@example.org", "fine@example.org"}
		for i, address := range to {
			m := mailTo(i)
			m.To[0].Email = address
			grant := agent
			if address == "hard@example.org" {
				grant = w.nylas.GrantID() // of a connected mailbox
			}
			require.NoError(t, w.Add(t.Context(), fmt.Sprint("first-", i), grant, m))
		}
		virus := mailTo(9)
		virus.Body = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE"
		require.NoError(t, w.Add(t.Context(), "virus", agent, virus))
		require.NoError(t, w.run())
		for m, err := range w.Mails(t.Context(), outbox.Sent) {
			require.NoError(t, err)
			switch m.Key {
			case "first-2":
				w.bounce(m.MessageID, "MailboxFull")
			case "first-3":
				w.bounce(m.MessageID, "")
			}
		}
		for _, notice := range w.nylas.Notices() {
			n, err := events.Parse(notice.Body)
			require.NoError(t, err)
			require.NoError(t, w.Learn(t.Context(), n))
			require.NoError(t, w.Learn(t.Context(), n), "twice")
		}
		assert.Equal(t, outbox.Counts{Sent: 6}, w.counts(), "what has a virus too: Nylas accepted it")

		for i, address := range append(to, "person-9@example.org") {
			m := mailTo(i)
			m.To[0].Email = strings.ToUpper(address[:1]) + address[1:]
			require.NoError(t, w.Add(t.Context(), fmt.Sprint("second-", i), w.nylas.GrantID(), m))
		}
		require.NoError(t, w.run())
		var suppressed []string
		for m, err := range w.Mails(t.Context(), outbox.Suppressed) {
			require.NoError(t, err)
			suppressed = append(suppressed, m.Key+" "+m.Reason)
		}
		assert.Equal(t, []string{"second-0 bounced", "second-1 complained", "second-3 bounced"}, suppressed)
	})
}

func (w *world) bounce(messageID, kind string) {
	w.t.Helper()
	recipient, err := w.nylas.Recipient(messageID)
	require.NoError(w.t, err)
	require.NoError(w.t, recipient.Bounce(w.t.Context(), kind))
}

// Notifications that the emulator does not make, and those with gaps.
func TestLearnsFromOtherNotifications(t *testing.T) {
	t.Parallel()
	recipients := events.BounceOutcome{Bounce: events.Bounce{Recipients: []events.BouncedRecipient{{Email: "person-0@example.org"}, {}}}}
	complained := events.ComplaintOutcome{Complaint: events.Complaint{ComplainedRecipients: []events.Address{"person-0@example.org"}}}
	for name, tt := range map[string]struct {
		data       events.Data
		suppressed int
	}{
		"transactional bounce":    {&events.MessageTransactionalBounced{BounceOutcome: recipients}, 1},
		"transactional complaint": {&events.MessageTransactionalComplaint{ComplaintOutcome: complained}, 1},
		"several in one string": {
			&events.MessageBounceDetected{BouncedAddresses: `"Zero" <Person-0@example.org>, person-1@example.org`}, 2,
		},
		"an empty string": {&events.MessageBounceDetected{}, 0},
		"an open":         {&events.MessageOpened{MessageID: "m"}, 0},
		"no data":         {nil, 0},
		"a failed send":   {&events.MessageSendFailed{Message: &events.SentMessage{ID: "another's"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				require.NoError(t, w.Learn(t.Context(), &events.Notification{Data: tt.data}))
				w.add(2)
				require.NoError(t, w.run())
				assert.Equal(t, outbox.Counts{Sent: 2 - tt.suppressed, Suppressed: tt.suppressed}, w.counts())
			})
		})
	}
}

// 402 says that a recipient was refused.
func TestARefusedRecipientIsSuppressed(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.inject(nylastest.Fault{Inside: nylastest.ErrorAnswer(http.StatusPaymentRequired, "sending_error", "at least one recipient failed")})
		w.add(1)
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Failed: 1}, w.counts())
		require.NoError(t, w.Add(t.Context(), "again", w.nylas.GrantID(), mailTo(0)))
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Failed: 1, Suppressed: 1}, w.counts())
		assert.Empty(t, w.nylas.Messages())
	})
}

func TestUnsubscribesWithOneClick(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.add(1)
		w.add(1) // with the same content, although the URL could be another one each time
		own := mailTo(1)
		own.CustomHeaders = []nylas.Header{{Name: "list-unsubscribe", Value: "<mailto:leave@example.org>"}}
		require.NoError(t, w.Add(t.Context(), "own", w.nylas.GrantID(), own))
		require.NoError(t, w.Add(t.Context(), "none", w.nylas.GrantID(), mailTo(2)))
		require.NoError(t, w.run())
		headers := make(map[string][]nylastest.Header)
		for _, m := range w.nylas.Messages() {
			headers[m.IdempotencyKey] = m.CustomHeaders
		}
		assert.Equal(t, map[string][]nylastest.Header{
			"mail-0": {
				{Name: "List-Unsubscribe", Value: "<https://acme.dev/u?k=mail-0>"},
				{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"},
			},
			"own": {{Name: "list-unsubscribe", Value: "<mailto:leave@example.org>"}}, "none": nil,
		}, headers)

		require.NoError(t, w.Unsubscribe(t.Context(), "mail-0"))
		require.ErrorIs(t, w.Unsubscribe(t.Context(), "nobody's"), outbox.ErrNoMail)
		require.NoError(t, w.Add(t.Context(), "none-2", w.nylas.GrantID(), mailTo(0)))
		require.NoError(t, w.run())
		assert.Equal(t, outbox.Counts{Sent: 3, Suppressed: 1}, w.counts())
		for _, bad := range []string{"http", "spaces", "mailto", "comma"} {
			require.ErrorContains(t, w.Add(t.Context(), bad, w.nylas.GrantID(), mailTo(5)), "must return an https URL")
		}
	}, outbox.WithUnsubscribe(func(key string) string {
		switch {
		case strings.HasPrefix(key, "none"):
			return ""
		case key == "http":
			return "http://acme.dev/u"
		case key == "spaces":
			return "https://acme.dev/u u"
		case key == "mailto":
			return "mailto:leave@acme.dev"
		case key == "comma":
			return "https://acme.dev/u,https://acme.dev/v"
		}
		return "https://acme.dev/u?k=" + key
	}))
}
