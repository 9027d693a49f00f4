package events_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// sample is a value of one data type with every field set, and the messages
// that it tells about.
type sample struct {
	typ     events.Type
	data    events.Data
	tracked []events.Tracked
}

// samples has one value for each type that Data can hold.
func samples() []sample {
	message := events.OutcomeMessage{
		ID: "m-1", Subject: "Hello", From: "a@example.org",
		To: []events.Address{"b@example.org", "c@example.org"}, CC: []events.Address{"d@example.org"}, BCC: []events.Address{"e@example.org"},
		SentAt: unix(1700000000), Metadata: map[string]string{"campaign": "spring", "step": "2"},
	}
	bounce := events.BounceOutcome{Message: message, Bounce: events.Bounce{
		BouncedAt: unix(1700000001), Type: "MailboxFull",
		Recipients: []events.BouncedRecipient{{Email: "b@example.org", DiagnosticCode: "smtp; 550 user unknown"}},
	}}
	complaint := events.ComplaintOutcome{Message: message, Complaint: events.Complaint{
		ReportedAt: unix(1700000002), Type: "abuse", ComplainedRecipients: []events.Address{"b@example.org"},
	}}
	delivered := events.DeliveryOutcome{Message: message, Delivered: events.Delivered{
		DeliveredAt: unix(1700000003), Recipients: []events.Address{"b@example.org"},
	}}
	rejected := events.RejectionOutcome{Message: message, RejectedAt: unix(1700000004)}
	sent := &events.SentMessage{
		Object: "message", GrantID: "g-1", ID: "m-1", Subject: "Hello", Body: "<p>Hello</p>", Snippet: "Hello",
		From: []events.Participant{{Name: "A", Email: "a@example.org"}}, To: []events.Participant{{Name: "B", Email: "b@example.org"}},
		CC: []events.Participant{{Name: "C", Email: "c@example.org"}}, BCC: []events.Participant{{Name: "D", Email: "d@example.org"}},
		ReplyTo: []events.Participant{{Name: "E", Email: "e@example.org"}},
		Attachments: []events.SentAttachment{{
			ID: "f-1", Filename: "a.txt", ContentType: "text/plain", Size: 3, Content: "YWJj",
		}},
		ScheduleID: "s-1", SendAt: unix(1700000005), UseDraft: true,
	}
	grant := events.GrantChange{
		Code: 25013, GrantID: "g-1", IntegrationID: "in-1", Provider: "google", LoginID: "login-1", ReauthenticationFlag: new(true),
		Email: "kim@example.org", Name: "Kim", Scope: []string{"Mail.Read", "Mail.Send"}, Metadata: events.Metadata{"user_id": "7"},
		GrantUpdatedAt: unix(1700000004),
	}
	links := []events.LinkData{{Count: 3, URL: "https://acme.dev/demo?a=1&b=2"}, {Count: 1, URL: "mailto:a@acme.dev"}}
	ofMessage := []events.Tracked{{MessageID: "m-1"}}

	return []sample{
		{
			events.TypeMessageOpened,
			&events.MessageOpened{
				Object: "message", GrantID: "g-1", MessageData: events.MessageData{Count: 7, Timestamp: unix(1700000006)},
				MessageID: "m-1", Label: "spring <2> & \"more\"",
				Recents:     []events.Open{{OpenedID: 1, IP: "203.0.113.7", Timestamp: unix(1700000007), UserAgent: "Mozilla/5.0 \\ \t é 你"}},
				SenderAppID: "26302083", Timestamp: unix(1700000008), RecipientEmail: "b@example.org",
			},
			[]events.Tracked{{MessageID: "m-1", Label: "spring <2> & \"more\""}},
		},
		{
			events.TypeMessageLinkClicked,
			&events.MessageLinkClicked{
				Object: "message", GrantID: "g-1", LinkData: links, MessageID: "m-1", Label: "spring",
				Recents:     []events.Click{{ClickID: 1, IP: "203.0.113.7", LinkIndex: 1, Timestamp: unix(1700000009), UserAgent: "Mozilla/5.0"}},
				SenderAppID: "26302083", Timestamp: unix(1700000010), RecipientEmail: "b@example.org",
			},
			[]events.Tracked{{MessageID: "m-1", Label: "spring"}},
		},
		{
			events.TypeThreadReplied,
			&events.ThreadReplied{
				Object: "thread", GrantID: "g-1", MessageID: "reply-1", RootMessageID: "m-1", Label: "spring",
				ReplyData: events.ReplyData{Count: 2}, ReplyToMessageID: "later-1", FromSelf: new(true),
				SenderAppID: "26302083", ThreadID: "t-1", Timestamp: unix(1700000011),
				From: []events.Participant{{Name: "B", Email: "b@example.org"}}, RecipientEmail: "b@example.org",
			},
			[]events.Tracked{{MessageID: "m-1", ThreadID: "t-1", Label: "spring"}},
		},
		{
			events.TypeLegacyMessageOpened,
			&events.LegacyMessageOpened{GrantID: "g-1", Object: "message", Deltas: deltas("metadata", events.TypeMessageOpened,
				func(i int) events.LegacyOpenedMetadata {
					return events.LegacyOpenedMetadata{
						Count: 4, MessageID: fmt.Sprint("m-", i), Payload: fmt.Sprint("label ", i),
						Recents:     []events.LegacyOpen{{ID: 1, IP: "203.0.113.7", Timestamp: unix(1700000012), UserAgent: "Mozilla/5.0"}},
						SenderAppID: "26302083", Timestamp: unix(1700000013),
					}
				})},
			[]events.Tracked{{MessageID: "m-1", Label: "label 1"}, {MessageID: "m-2", Label: "label 2"}},
		},
		{
			events.TypeLegacyMessageLinkClicked,
			&events.LegacyMessageLinkClicked{GrantID: "g-1", Object: "message", Deltas: deltas("metadata", events.TypeMessageLinkClicked,
				func(i int) events.LegacyLinkClickedMetadata {
					return events.LegacyLinkClickedMetadata{
						LinkData: links, MessageID: fmt.Sprint("m-", i), Payload: fmt.Sprint("label ", i),
						Recents:     []events.LegacyClick{{ID: 1, IP: "203.0.113.7", LinkIndex: 1, Timestamp: unix(1700000014), UserAgent: "Mozilla/5.0"}},
						SenderAppID: "26302083", Timestamp: unix(1700000015),
					}
				})},
			[]events.Tracked{{MessageID: "m-1", Label: "label 1"}, {MessageID: "m-2", Label: "label 2"}},
		},
		{
			events.TypeLegacyThreadReplied,
			&events.LegacyThreadReplied{GrantID: "g-1", Object: "thread", Deltas: deltas("message", events.TypeThreadReplied,
				func(i int) events.LegacyRepliedMetadata {
					return events.LegacyRepliedMetadata{
						FromSelf: new(true), MessageID: fmt.Sprint("reply-", i), Payload: fmt.Sprint("label ", i),
						ReplyToMessageID: fmt.Sprint("m-", i), SenderAppID: "26302083", ThreadID: fmt.Sprint("t-", i), Timestamp: unix(1700000016),
					}
				})},
			[]events.Tracked{
				{MessageID: "m-1", ThreadID: "t-1", Label: "label 1"},
				{MessageID: "m-2", ThreadID: "t-2", Label: "label 2"},
			},
		},
		{
			events.TypeMessageBounceDetected,
			&events.MessageBounceDetected{
				BounceReason: "no such user", BounceDate: "Wed, 25 Jan 2023 10:18:39 -0800", BouncedAddresses: "b@example.org",
				Type: "mailbox_unavailable", Code: "550", GrantID: "g-1", MessageID: "m-2",
				Origin: events.BounceOrigin{
					To: []events.Address{"b@example.org"}, From: "a@example.org", CC: []events.Address{"c@example.org"},
					BCC: []events.Address{"d@example.org"}, Subject: "Hello", MIMEID: "<1@example.org>", ID: "m-1",
					OriginalSendAt: "Mon, 16 Sep 2024 16:15:49 +0000",
				},
			},
			ofMessage,
		},
		{events.TypeMessageSendSuccess, &events.MessageSendSuccess{Message: sent}, ofMessage},
		{
			events.TypeMessageSendFailed,
			&events.MessageSendFailed{
				Reason: "failed to send", Message: sent,
				Error: &events.SendError{
					Type: "api.provider_error", Message: "mailbox unavailable", StatusCode: 550,
					ProviderError: json.RawMessage(`{"error":{"code":550}}`),
				},
			},
			ofMessage,
		},
		{events.TypeMessageTransactionalBounced, &events.MessageTransactionalBounced{BounceOutcome: bounce}, ofMessage},
		{events.TypeMessageTransactionalComplaint, &events.MessageTransactionalComplaint{ComplaintOutcome: complaint}, ofMessage},
		{events.TypeMessageTransactionalDelivered, &events.MessageTransactionalDelivered{DeliveryOutcome: delivered}, ofMessage},
		{events.TypeMessageTransactionalRejected, &events.MessageTransactionalRejected{RejectionOutcome: rejected}, ofMessage},
		{events.TypeMessageBounced, &events.MessageBounced{BounceOutcome: bounce}, ofMessage},
		{events.TypeMessageComplaint, &events.MessageComplaint{ComplaintOutcome: complaint}, ofMessage},
		{events.TypeMessageDelivered, &events.MessageDelivered{DeliveryOutcome: delivered}, ofMessage},
		{events.TypeMessageRejected, &events.MessageRejected{RejectionOutcome: rejected}, ofMessage},
		{events.TypeGrantCreated, &events.GrantCreated{GrantChange: grant}, nil},
		{events.TypeGrantUpdated, &events.GrantUpdated{GrantChange: grant}, nil},
		{events.TypeGrantDeleted, &events.GrantDeleted{GrantChange: grant}, nil},
		{events.TypeGrantExpired, &events.GrantExpired{GrantChange: grant}, nil},
		{
			events.TypeAlertTriggered,
			&events.AlertTriggered{
				Object: "alert", ID: "a-1", GrantID: "g-1", Status: "firing", NotificationSeq: 2,
				StartedAt: unix(1700000020), TriggeredAt: unix(1700000021), SendingDomain: "acme.dev",
				Rule: events.AlertRule{ID: "rule-1", Metric: "bounce_rate", Threshold: 2.25, WindowHours: 24, MinVolume: 100},
			},
			nil,
		},
		{
			events.TypeContactUpdated,
			&events.Unknown{Data: json.RawMessage(`{"application_id":"app-1","grant_id":"g-1","object":{"code":25013}}`)},
			nil,
		},
	}
}

// deltas returns two of them, about the messages 1 and 2.
func deltas[M any](object string, typ events.Type, metadata func(i int) M) []events.Delta[M] {
	var all []events.Delta[M]
	for i := 1; i <= 2; i++ {
		all = append(all, events.Delta[M]{
			Date: unix(1700000017), Object: object, Type: typ,
			ObjectData: events.ObjectData[M]{
				AccountID: "v2-a", ID: "v2-w", NamespaceID: "v2-n", Object: object, Metadata: metadata(i),
				Attributes: events.LegacyAttributes{ThreadID: fmt.Sprint("t-", i), ReceivedDate: unix(1700000019)},
			},
		})
	}
	return all
}

// notification puts the sample into an envelope with every field set.
func (s sample) notification() events.Notification {
	return events.Notification{
		SpecVersion: "1.0", Type: s.typ, Source: "/com/nylas/tracking", ID: "n-1", Time: unix(1700000018),
		DeliveryAttempt: 2, ApplicationID: "app-1", GrantID: "g-1", Data: s.data,
	}
}

// What the samples prove holds for every type and every field only while the
// samples have them all.
func TestSamplesAreComplete(t *testing.T) {
	t.Parallel()
	const dataTypes = 23 // 22 triggers with a type of their own, and Unknown
	seen := map[reflect.Type]bool{}
	for _, s := range samples() {
		seen[reflect.TypeOf(s.data)] = true
		requireFilled(t, fmt.Sprintf("%T", s.data), reflect.ValueOf(s.data))
	}
	assert.Len(t, seen, dataTypes)
}

func requireFilled(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	require.Falsef(t, v.IsZero(), "%s is not set", path)
	switch v.Kind() {
	case reflect.Pointer:
		requireFilled(t, path, v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			requireFilled(t, path+"[0]", v.Index(0))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for field, value := range v.Fields() {
			requireFilled(t, path+"."+field.Name, value)
		}
	}
}
