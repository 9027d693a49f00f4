package events_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/events"
)

const (
	agentChrome86  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_6) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0.4240.75 Safari/537.36"
	agentChrome117 = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36"
	agentChrome131 = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	agentGmail     = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
)

// expected holds what each fixture means, written down by hand, without Raw.
// The values that depend on the rendering of a page are in the functions below.
var expected = map[string]events.Notification{
	"published/message.opened.json": tracking(events.TypeMessageOpened, 1695480567, 1,
		opened("message", "<NYLAS_GRANT_ID>")),
	"published/message.opened.tracking-page.json": tracking(events.TypeMessageOpened, 1695480567, 0,
		opened("", "")),
	"published/message.link_clicked.json": tracking(events.TypeMessageLinkClicked, 1695480423, 1,
		clicked("message", "<NYLAS_GRANT_ID>")),
	"published/message.link_clicked.tracking-page.json": tracking(events.TypeMessageLinkClicked, 1695480423, 0,
		clicked("", "")),
	"published/thread.replied.json": tracking(events.TypeThreadReplied, 1696007157, 1,
		replied("thread", "<NYLAS_GRANT_ID>", "<message-id-of-original-tracked-message>", new(false))),
	"published/thread.replied.tracking-page.json": tracking(events.TypeThreadReplied, 1696007157, 0,
		replied("", "", "", nil)),

	"published/message.opened.legacy.json": legacy(events.TypeLegacyMessageOpened, 1733261181,
		&events.LegacyMessageOpened{
			GrantID: "<V3_NYLAS_GRANT_ID>",
			Object:  "message",
			Deltas: []events.Delta[events.LegacyOpenedMetadata]{{
				Date:   unix(1733261154),
				Object: "metadata",
				Type:   events.TypeMessageOpened,
				ObjectData: events.ObjectData[events.LegacyOpenedMetadata]{
					AccountID:   "<V2_NYLAS_ACCOUNT_ID>",
					ID:          "<V2_WEBHOOK_ID>",
					NamespaceID: "<V2_NAMESPACE_ID>",
					Object:      "metadata",
					Metadata: events.LegacyOpenedMetadata{
						Count:     1,
						MessageID: "<V2_MESSAGE_ID>",
						Payload:   "Hello world",
						Recents: []events.LegacyOpen{
							{ID: 0, IP: "ip_address", Timestamp: unix(1733163186), UserAgent: agentGmail},
						},
						Timestamp: unix(1733261154),
					},
				},
			}},
		}),
	"published/message.link_clicked.legacy.json": legacy(events.TypeLegacyMessageLinkClicked, 1733261173,
		&events.LegacyMessageLinkClicked{
			GrantID: "<V3_NYLAS_GRANT_ID>",
			Object:  "message",
			Deltas: []events.Delta[events.LegacyLinkClickedMetadata]{{
				Date:   unix(1733261158),
				Object: "metadata",
				Type:   events.TypeMessageLinkClicked,
				ObjectData: events.ObjectData[events.LegacyLinkClickedMetadata]{
					AccountID:   "<V2_NYLAS_ACCOUNT_ID>",
					ID:          "<V2_WEBHOOK_ID>",
					NamespaceID: "<V2_NAMESPACE_ID>",
					Object:      "metadata",
					Metadata: events.LegacyLinkClickedMetadata{
						LinkData:  []events.LinkData{{Count: 8, URL: "client_url"}},
						MessageID: "<V2_MESSAGE_ID>",
						Payload:   "Hello world",
						Recents: []events.LegacyClick{
							{ID: 0, IP: "ip_address", LinkIndex: 0, Timestamp: unix(1733163188), UserAgent: agentChrome131},
						},
						Timestamp: unix(1733163166),
					},
				},
			}},
		}),
	"published/thread.replied.legacy.json": legacy(events.TypeLegacyThreadReplied, 1733180746,
		&events.LegacyThreadReplied{
			GrantID: "<V3_NYLAS_GRANT_ID>",
			Object:  "thread",
			Deltas: []events.Delta[events.LegacyRepliedMetadata]{{
				Date:   unix(1733180719),
				Object: "message",
				Type:   events.TypeThreadReplied,
				ObjectData: events.ObjectData[events.LegacyRepliedMetadata]{
					AccountID:   "<V2_NYLAS_ACCOUNT_ID>",
					ID:          "<V2_WEBHOOK_ID>",
					NamespaceID: "<V2_NAMESPACE_ID>",
					Object:      "message",
					Metadata: events.LegacyRepliedMetadata{
						FromSelf:         new(true),
						MessageID:        "<V2_MESSAGE_ID>",
						Payload:          "Hello world",
						ReplyToMessageID: "<V2_REPLY_TO_MESSAGE_ID>",
						ThreadID:         "<V2_THREAD_ID>",
						Timestamp:        unix(1733180490),
					},
				},
			}},
		}),

	"published/message.bounce_detected.json": {
		SpecVersion:     "1.0",
		Type:            events.TypeMessageBounceDetected,
		Source:          "…",
		ID:              "<WEBHOOK_ID>",
		Time:            unix(1234567890),
		DeliveryAttempt: 1,
		ApplicationID:   "<NYLAS_APPLICATION_ID>",
		GrantID:         "<NYLAS_GRANT_ID>",
		Data: &events.MessageBounceDetected{
			BounceReason:     "An example message describing the reason for the bounce.",
			BounceDate:       "Wed, 25 Jan 2023 10:18:39 -0800",
			BouncedAddresses: "this.address.bounced@example.com",
			Type:             "mailbox_unavailable",
			Code:             "550",
			GrantID:          "<NYLAS_GRANT_ID>",
			Origin: events.BounceOrigin{
				To:             []events.Address{"jdoe@example.com"},
				From:           "sender@example.com",
				CC:             []events.Address{"sam.lee@example.com"},
				BCC:            []events.Address{"alex.johnson@example.com"},
				Subject:        "example-subject",
				MIMEID:         "SJ0PR16MB40611C92DE872E6FC5916859D4603@SJ0PR16MB4062.namprd16.prod.outlook.com",
				ID:             "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AVKoCBvx5pk2OWnx9GWNeIAABogwSJQAB",
				OriginalSendAt: "Mon, 16 Sep 2024 16:15:49 +0000",
			},
		},
	},

	"constructed/message.link_clicked.old-names.json": {
		SpecVersion:     "1.0",
		Type:            events.TypeMessageLinkClicked,
		Source:          "/com/nylas/tracking",
		ID:              "old-names-1",
		Time:            unix(1695480423),
		DeliveryAttempt: 1,
		ApplicationID:   "<NYLAS_APPLICATION_ID>",
		GrantID:         "<NYLAS_GRANT_ID>",
		Data: &events.MessageLinkClicked{
			Object:    "message",
			GrantID:   "<NYLAS_GRANT_ID>",
			LinkData:  []events.LinkData{{Count: 1, URL: "https://www.example.com"}},
			MessageID: "18ac281f237c934b",
			Label:     "Hey, just testing",
			Recents: []events.Click{
				{ClickID: 0, IP: "12.234.567.89", LinkIndex: 0, Timestamp: unix(1602623980), UserAgent: agentChrome86},
			},
			SenderAppID: "<app id>",
			Timestamp:   unix(1695480422),
		},
	},

	"constructed/message.send_success.json": sent(events.TypeMessageSendSuccess, exampleGrant,
		&events.MessageSendSuccess{Message: &events.SentMessage{
			Object:     "message",
			GrantID:    exampleGrant,
			ID:         "17d0281e",
			Subject:    "s",
			From:       []events.Participant{{Name: "A", Email: "a@example.com"}},
			To:         []events.Participant{{Name: "B", Email: "b@example.com"}},
			ScheduleID: "17d0281e-0000-4000-8000-000000000001",
			SendAt:     unix(1671234087),
		}}),
	"constructed/message.send_failed.json": sent(events.TypeMessageSendFailed, exampleGrant,
		&events.MessageSendFailed{
			Reason: "failed to send",
			Error: &events.SendError{
				Type:          "api.provider_error",
				Message:       "mailbox unavailable",
				StatusCode:    550,
				ProviderError: json.RawMessage("{\n        \"error\": {\n          \"code\": 550\n        }\n      }"),
			},
			Message: nil,
		}),
	"constructed/message.delivered.json": sent(events.TypeMessageDelivered, exampleGrant,
		&events.MessageDelivered{DeliveryOutcome: events.DeliveryOutcome{
			Message: shipped(),
			Delivered: events.Delivered{
				DeliveredAt: unix(1234567890),
				Recipients:  []events.Address{"jordan.taylor@example.com"},
			},
		}}),
	"constructed/message.transactional.bounced.json": sent(events.TypeMessageTransactionalBounced, "",
		&events.MessageTransactionalBounced{BounceOutcome: events.BounceOutcome{
			Message: shipped(),
			Bounce: events.Bounce{
				BouncedAt: unix(1234567890),
				Type:      "MailboxFull",
				Recipients: []events.BouncedRecipient{
					{Email: "john@example.com"},
					{Email: "jane@example.com", DiagnosticCode: "smtp; 550 user unknown"},
				},
			},
		}}),
	"constructed/message.transactional.complaint.json": sent(events.TypeMessageTransactionalComplaint, "",
		&events.MessageTransactionalComplaint{ComplaintOutcome: events.ComplaintOutcome{
			Message: shipped(),
			Complaint: events.Complaint{
				ReportedAt:           unix(1234567890),
				Type:                 "abuse",
				ComplainedRecipients: []events.Address{"john@example.com"},
			},
		}}),
	"constructed/message.transactional.rejected.json": sent(events.TypeMessageTransactionalRejected, "",
		&events.MessageTransactionalRejected{RejectionOutcome: events.RejectionOutcome{
			Message:    shipped(),
			RejectedAt: unix(1234567890),
		}}),
}

const exampleGrant = "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6"

func tracking(typ events.Type, time int64, attempt int, data events.Data) events.Notification {
	return events.Notification{
		SpecVersion:     "1.0",
		Type:            typ,
		Source:          "/com/nylas/tracking",
		ID:              "<WEBHOOK_ID>",
		Time:            unix(time),
		DeliveryAttempt: attempt,
		ApplicationID:   "<NYLAS_APPLICATION_ID>",
		GrantID:         "<NYLAS_GRANT_ID>",
		Data:            data,
	}
}

func legacy(typ events.Type, time int64, data events.Data) events.Notification {
	n := tracking(typ, time, 1, data)
	n.Source = "/com/nylas/v2/webhooks"
	n.GrantID = "<V3_NYLAS_GRANT_ID>"
	return n
}

func sent(typ events.Type, grantID string, data events.Data) events.Notification {
	return events.Notification{
		SpecVersion:     "1.0",
		Type:            typ,
		Source:          "/nylas/send",
		ID:              "Kkx2QQB7TWjWM3KXRQQn562394",
		Time:            unix(1717162394),
		DeliveryAttempt: 1,
		ApplicationID:   "26302083-12ae-4f38-91fe-6cba93da03ee",
		GrantID:         grantID,
		Data:            data,
	}
}

// opened is the example of message.opened, which the two pages give with and
// without the object's own name and grant.
func opened(object, grantID string) *events.MessageOpened {
	return &events.MessageOpened{
		Object:      object,
		GrantID:     grantID,
		MessageData: events.MessageData{Count: 1, Timestamp: unix(1695480410)},
		MessageID:   "18ac281f237c934b",
		Label:       "Testing Nylas Messaged Opened Tracking",
		Recents: []events.Open{
			{OpenedID: 0, IP: "<IP ADDR>", Timestamp: unix(1695480567), UserAgent: "Mozilla/5.0"},
			{OpenedID: 1, IP: "<IP ADDR>", Timestamp: unix(1695480567), UserAgent: "Mozilla/5.0"},
			{OpenedID: 2, IP: "<IP ADDR>", Timestamp: unix(1695480567), UserAgent: "Mozilla/5.0"},
		},
		SenderAppID: "<app id>",
		Timestamp:   unix(1695480410),
	}
}

func clicked(object, grantID string) *events.MessageLinkClicked {
	return &events.MessageLinkClicked{
		Object:    object,
		GrantID:   grantID,
		LinkData:  []events.LinkData{{Count: 1, URL: "https://www.example.com"}},
		MessageID: "18ac281f237c934b",
		Label:     "Hey, just testing",
		Recents: []events.Click{
			{ClickID: 0, IP: "<IP ADDR>", LinkIndex: 0, Timestamp: unix(1695480422), UserAgent: agentChrome117},
			{ClickID: 1, IP: "<IP ADDR>", LinkIndex: 0, Timestamp: unix(1695480422), UserAgent: agentChrome117},
			{ClickID: 2, IP: "<IP ADDR>", LinkIndex: 0, Timestamp: unix(1695480422), UserAgent: agentChrome117},
		},
		SenderAppID: "<app id>",
		Timestamp:   unix(1695480422),
	}
}

func replied(object, grantID, replyTo string, fromSelf *bool) *events.ThreadReplied {
	return &events.ThreadReplied{
		Object:           object,
		GrantID:          grantID,
		MessageID:        "<message-id-of-reply>",
		RootMessageID:    "<message-id-of-original-tracked-message>",
		Label:            "some-client-label",
		ReplyData:        events.ReplyData{Count: 1},
		ReplyToMessageID: replyTo,
		FromSelf:         fromSelf,
		SenderAppID:      "<app-id>",
		ThreadID:         "<thread-id-of-sent-message>",
		Timestamp:        unix(1696007157),
	}
}

func shipped() events.OutcomeMessage {
	return events.OutcomeMessage{
		ID:       "5a8f7b2e-3c1d-4e9f-8a6b-2d4c6e8f0a1b",
		Subject:  "Your order has shipped",
		From:     "notifications@example.com",
		To:       []events.Address{"jordan.taylor@example.com"},
		SentAt:   unix(1234567890),
		Metadata: map[string]string{"campaign": "welcome-email"},
	}
}

func TestParseFixtures(t *testing.T) {
	t.Parallel()
	for _, name := range notificationFixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, ok := expected[name]
			if !assert.True(t, ok, "no case says what this fixture means") {
				return
			}
			body := fixture(t, name)
			got := parse(t, body)
			assert.Equal(t, json.RawMessage(body), got.Raw)
			got.Raw = nil
			assert.Equal(t, &want, got)
		})
	}
}

// Every expected value belongs to a fixture that exists, so that none is
// skipped because a file was renamed.
func TestParseFixturesAreAllThere(t *testing.T) {
	t.Parallel()
	names := notificationFixtures(t)
	for name := range expected {
		assert.Contains(t, names, name)
	}
}
