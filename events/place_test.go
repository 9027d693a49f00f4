package events_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// Fields that stand flat in the data, or in object_data, are read from there.
func TestFieldsElsewhere(t *testing.T) {
	t.Parallel()
	openedOnce := &events.MessageOpened{MessageID: "m-1", Label: "l", Recents: []events.Open{{OpenedID: 7}}}
	tests := map[string]struct {
		typ  events.Type
		data string
		want events.Data
	}{
		"flat": {events.TypeMessageOpened, `{"message_id":"m-1","label":"l","grant_id":"g-1","recents":[{"opened_id":7}]}`, openedOnce},
		"flat, object null": {
			events.TypeMessageOpened, `{"object":null,"message_id":"m-1","label":"l","grant_id":"g-1","recents":[{"opened_id":7}]}`, openedOnce,
		},
		"flat with its name": {
			events.TypeMessageOpened, `{"grant_id":"g-1","message_id":"m-1","object":"message"}`,
			&events.MessageOpened{Object: "message", GrantID: "g-1", MessageID: "m-1"},
		},
		"object_data": {
			events.TypeMessageOpened, `{"grant_id":"g-1","object_data":{"message_id":"m-1","label":"l","recents":[{"opened_id":7}]}}`, openedOnce,
		},
		"some beside the object": {
			events.TypeMessageOpened, `{"label":"l","grant_id":"g-1","object":{"message_id":"m-1"},"recents":[{"opened_id":7}]}`, openedOnce,
		},
		"the object wins": {
			events.TypeMessageOpened,
			`{"grant_id":"g-1","label":"no","object":{"message_id":"m-1","label":"l","recents":[{"opened_id":7}]},"recents":[{"ip":"no"}],"message_id":"no"}`,
			openedOnce,
		},
		"the last object wins": {
			events.TypeMessageOpened,
			`{"grant_id":"g-1","object":{"sender_app_id":"no"},"object":{"message_id":"m-1","label":"l","recents":[{"opened_id":7}]}}`,
			openedOnce,
		},
		"a flat reply": {
			events.TypeThreadReplied, `{"grant_id":"g-1","root_message_id":"m-1","from_self":true}`,
			&events.ThreadReplied{RootMessageID: "m-1", FromSelf: new(true)},
		},
		"flat deltas": {
			events.TypeLegacyMessageOpened, `{"grant_id":"g-1","deltas":[{"object_data":{"metadata":{"message_id":"m-1"}}}]}`,
			&events.LegacyMessageOpened{Deltas: []events.Delta[events.LegacyOpenedMetadata]{{
				ObjectData: events.ObjectData[events.LegacyOpenedMetadata]{Metadata: events.LegacyOpenedMetadata{MessageID: "m-1"}},
			}}},
		},
		"a flat outcome": {
			events.TypeMessageDelivered, `{"grant_id":"g-1","message":{"id":"m-1"}}`,
			&events.MessageDelivered{DeliveryOutcome: events.DeliveryOutcome{Message: events.OutcomeMessage{ID: "m-1"}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, envelope(test.typ, test.data))
			assert.Equal(t, test.want, n.Data)
			assert.Equal(t, "g-1", n.GrantID)
			assert.Empty(t, n.Odd)
		})
	}
}

// What other people's handlers and reports show.
func TestParseOddFixtures(t *testing.T) {
	t.Parallel()
	message := events.OutcomeMessage{ID: "pm-1", Subject: "S", To: []events.Address{"p@example.org"}, Metadata: events.Metadata{"op": "o-1"}}
	at := unix(1790980000)
	tests := map[string]struct {
		want events.Data
		odd  []string
	}{
		"agent_message.complaint": {&events.MessageComplaint{ComplaintOutcome: events.ComplaintOutcome{Message: message, Complaint: events.Complaint{
			ReportedAt: at, Type: "abuse", ComplainedRecipients: []events.Address{"p@example.org"},
		}}}, nil},
		"agent_message.rejected": {&events.MessageRejected{RejectionOutcome: events.RejectionOutcome{Message: message, RejectedAt: at}}, nil},
		"bounce_date_int": {&events.MessageBounceDetected{
			BounceDate: "1759300000", BouncedAddresses: "a@example.org", Origin: events.BounceOrigin{ID: "m-1", OriginalSendAt: "1759200000"},
		}, nil},
		"bounce_emul": {&events.MessageBounceDetected{
			BounceReason: "Delivery failure", BounceDate: "1759300000", BouncedAddresses: "a@example.org,b@example.org",
			Origin: events.BounceOrigin{ID: "m-1", Subject: "s", To: []events.Address{"a@example.org"}},
		}, nil},
		"bounced_object": {&events.MessageBounced{BounceOutcome: events.BounceOutcome{
			Message: events.OutcomeMessage{ID: "m-1"},
			Bounce: events.Bounce{
				BouncedAt: unix(1759300000), Recipients: []events.BouncedRecipient{{Email: "kim@example.org", DiagnosticCode: "550"}},
			},
		}}, nil},
		"cli_clicked_flat": {&events.MessageLinkClicked{
			MessageID: "abc123", LinkData: []events.LinkData{{Count: 3, URL: "https://acme.dev"}},
			Recents: []events.Click{{IP: "192.0.2.1", Timestamp: unix(1234567890)}},
		}, []string{"data.recents.0.click_id"}},
		"cli_opened_flat": {&events.MessageOpened{
			MessageID: "abc123", Recents: []events.Open{{IP: "192.0.2.1", Timestamp: unix(1234567890), UserAgent: "Mozilla/5.0"}},
		}, []string{"data.recents.0.opened_id"}},
		"connector": {&events.Unknown{Data: []byte("{}")}, nil},
		"empty_strings": {&events.MessageLinkClicked{MessageID: "m-1", LinkData: []events.LinkData{{}}, Recents: []events.Click{{}}}, []string{
			"data.object.link_data.0.count", "data.object.recents.0.click_id", "data.object.recents.0.link_index",
		}},
		"from_self_string":            {&events.ThreadReplied{MessageID: "r", RootMessageID: "m", FromSelf: new(false)}, nil},
		"grant_deleted":               {&events.GrantDeleted{GrantChange: events.GrantChange{Code: 25013, GrantID: "g", IntegrationID: "i", Provider: "google"}}, nil},
		"message.created.transformed": {&events.Unknown{Data: objectOf(t, "message.created.transformed")}, nil},
		"message.created.truncated":   {&events.Unknown{Data: objectOf(t, "message.created.truncated")}, nil},
		"mock_grant_created": {&events.GrantCreated{GrantChange: events.GrantChange{
			Code: 25012, GrantID: "gr-1", IntegrationID: "in-1", Provider: "google", LoginID: "mock-login",
		}}, nil},
		"metadata_string": {&events.MessageDelivered{DeliveryOutcome: events.DeliveryOutcome{
			Message:   events.OutcomeMessage{ID: "m-1"},
			Delivered: events.Delivered{DeliveredAt: unix(1759300000), Recipients: []events.Address{"p@example.org"}},
		}}, []string{"data.object.message.metadata"}},
		"no_time_no_data": {&events.Unknown{}, nil},
		"object_data":     {&events.MessageOpened{MessageID: "m-1"}, nil},
		"opened_ms": {&events.MessageOpened{
			MessageID: "AAkAL1", Timestamp: unix(1759299990), Recents: []events.Open{{Timestamp: unix(1759299990), UserAgent: "x"}},
		}, nil},
		"replied_from": {&events.ThreadReplied{
			FromSelf: new(true), ThreadID: "AAQkAD1", ReplyData: events.ReplyData{Count: 2},
			From: []events.Participant{{Name: "Mail System", Email: "mailer-daemon@yahoo.example"}},
		}, nil},
		"rfc3339_recents":          {&events.MessageOpened{MessageID: "m-1", Recents: []events.Open{{Timestamp: unix(1759312800)}}}, nil},
		"send_failed_error_string": {&events.MessageSendFailed{Reason: "r", Error: &events.SendError{Message: "provider says no"}, Message: &events.SentMessage{ID: "m-1"}}, nil},
		"send_failed_from_string": {&events.MessageSendFailed{Reason: "r", Message: &events.SentMessage{
			ID: "m-1", From: []events.Participant{{Email: "a@example.org"}}, To: []events.Participant{{Email: "b@example.org"}},
		}}, nil},
		"skills_replied": {&events.ThreadReplied{MessageID: "reply-1", ThreadID: "t-1", ReplyData: events.ReplyData{Count: 1}}, nil},
		"time_rfc3339":   {&events.Unknown{Data: []byte("{}")}, nil},
		"v2_attributes_only": {&events.LegacyThreadReplied{Object: "thread", GrantID: "g", Deltas: []events.Delta[events.LegacyRepliedMetadata]{{
			Date: unix(1675098465), Object: "message", Type: events.TypeThreadReplied, ObjectData: events.ObjectData[events.LegacyRepliedMetadata]{
				AccountID: "a", ID: "i", NamespaceID: "n", Object: "message",
				Attributes: events.LegacyAttributes{ThreadID: "t", ReceivedDate: unix(1675098465)},
			},
		}}}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, fixture(t, "odd/"+name+".json"))
			assert.Equal(t, test.want, n.Data)
			assert.Equal(t, test.odd, n.Odd)
		})
	}
	broken := map[string]string{
		"lone_surrogate_in_id": "id has characters that cannot be printed",
		"v2_deltas":            "id is missing",
	}
	files, err := os.ReadDir("../testdata/odd")
	require.NoError(t, err)
	assert.Len(t, files, len(tests)+len(broken), "each file has a case")
	for name, text := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := events.Parse(fixture(t, "odd/"+name+".json"))
			require.ErrorIs(t, err, events.ErrEnvelope)
			require.ErrorContains(t, err, text)
		})
	}
	assert.Equal(t, unix(1759312800), parse(t, fixture(t, "odd/time_rfc3339.json")).Time)
	assert.Equal(t, []events.Tracked{{ThreadID: "t"}}, parse(t, fixture(t, "odd/v2_attributes_only.json")).Tracked())
}

// objectOf returns the data of a notification as it is written.
func objectOf(tb testing.TB, name string) json.RawMessage {
	tb.Helper()
	var n struct{ Data json.RawMessage }
	require.NoError(tb, json.Unmarshal(fixture(tb, "odd/"+name+".json"), &n))
	return n.Data
}

// The life of a grant and the alerts of a sending domain.
func TestParseAccountEvents(t *testing.T) {
	t.Parallel()
	vector := dataOf[*events.GrantDeleted](t, []byte(`{"specversion":"1.0","type":"grant.deleted","source":"/nylas/system","id":"n-1","time":1717162394,`+
		`"data":{"application_id":"app-1","object":{"code":25013,"grant_id":"g-1","integration_id":"in-1","metric":1934,"provider":"google"}}}`))
	assert.Equal(t, events.GrantChange{Code: 25013, GrantID: "g-1", IntegrationID: "in-1", Provider: "google"}, vector.GrantChange)
	assert.Equal(t, "g-1", parse(t, envelope(events.TypeGrantExpired, `{"object":{"grant_id":"g-1","reauthentication_flag":"true"}}`)).GrantID)

	alert := envelope(events.TypeAlertTriggered, `{"object":{"object":"alert","id":"a-1","grant_id":"","status":"firing","notification_seq":"2",`+
		`"started_at":"2025-10-01T10:00:00Z","sending_domain":"acme.dev","rule":{"metric":"bounce_rate","threshold":"2.25","window_hours":24}}}`)
	assert.Equal(t, &events.AlertTriggered{
		Object: "alert", ID: "a-1", Status: "firing", NotificationSeq: 2, StartedAt: unix(1759312800), SendingDomain: "acme.dev",
		Rule: events.AlertRule{Metric: "bounce_rate", Threshold: 2.25, WindowHours: 24},
	}, parse(t, alert).Data)
	byID := dataOf[*events.AlertTriggered](t, object(events.TypeAlertTriggered, `{"rule":"rule-1"}`))
	assert.Equal(t, events.AlertRule{ID: "rule-1"}, byID.Rule)
	assert.Equal(t, []string{"data.object.rule.threshold"}, parse(t, object(events.TypeAlertTriggered, `{"rule":{"threshold":"1e400"}}`)).Odd)
}

func TestLegacyLabel(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "Hello world", dataOf[*events.LegacyMessageOpened](t, fixture(t, "published/message.opened.legacy.json")).Label())
	assert.Equal(t, "Hello world", dataOf[*events.LegacyMessageLinkClicked](t, fixture(t, "published/message.link_clicked.legacy.json")).Label())
	assert.Equal(t, "Hello world", dataOf[*events.LegacyThreadReplied](t, fixture(t, "published/thread.replied.legacy.json")).Label())
	assert.Empty(t, (&events.LegacyThreadReplied{}).Label())
}

func TestWhoOpenedAndReplied(t *testing.T) {
	t.Parallel()
	const kim = `"recipient_email":"kim@example.org"`
	assert.Equal(t, events.Address("kim@example.org"), dataOf[*events.MessageOpened](t, []byte(openBody(kim))).RecipientEmail)
	assert.Equal(t, events.Address("kim@example.org"), dataOf[*events.MessageLinkClicked](t, []byte(clickBody(kim))).RecipientEmail)
	reply := dataOf[*events.ThreadReplied](t, object(events.TypeThreadReplied, `{"thread_id":"t-1",`+kim+`,"from":{"email":"kim@example.org","name":"Kim"}}`))
	assert.Equal(t, events.Address("kim@example.org"), reply.RecipientEmail)
	assert.Equal(t, []events.Participant{{Name: "Kim", Email: "kim@example.org"}}, reply.From)
}
