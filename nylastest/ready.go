package nylastest

import (
	crand "crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// What the example notifications are about.
const (
	exampleMessage     = "18ac281f237c934b"
	exampleThread      = "18ac281f237c9000"
	exampleReply       = "18ac2900237c9111"
	exampleLabel       = "Testing Nylas tracking"
	exampleIP          = "192.0.2.10"
	exampleApplication = "26302083-12ae-4f38-91fe-6cba93da03ee"
	exampleGrant       = "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6"
)

// NewNotification returns an example notification of a trigger, as Nylas publishes it, with an
// id of its own and the current time. Change what the test is about, and deliver it:
//
//	body, err := json.Marshal(nylastest.NewNotification(events.TypeMessageOpened))
//	request, err := nylastest.NewWebhookRequest(ctx, url, secret, body)
//
// Of a trigger for which package events has no struct, such as calendar.created, the data is
// an [events.Unknown] with an object that has its kind, id and grant, and nothing else. So it is
// with suffixes such as ".truncated", whatever the trigger before them.
//
// https://developer.nylas.com/docs/reference/notifications/
func NewNotification(trigger events.Type) *events.Notification {
	now := time.Now()
	source, grant, data := example(trigger, exampleApplication, exampleGrant, now)
	n := newNotification(source, trigger, exampleApplication, grant, now, data)
	n.ID = textFrom(crand.Reader, notificationIDLength) + timeSuffix(now)
	return n
}

// sourceLegacy is the source of the legacy notifications.
const sourceLegacy = "/com/nylas/v2/webhooks"

// example returns the source, the grant and the data of an example.
func example(trigger events.Type, application, grant string, now time.Time) (source, grantID string, data events.Data) {
	at := events.At(now)
	switch trigger {
	case events.TypeMessageOpened, events.TypeMessageLinkClicked, events.TypeThreadReplied:
		return sourceTracking, grant, exampleTracking(trigger, application, grant, at)
	case events.TypeLegacyMessageOpened, events.TypeLegacyMessageLinkClicked, events.TypeLegacyThreadReplied:
		return sourceLegacy, grant, exampleLegacy(trigger, grant, at)
	case events.TypeMessageSendSuccess, events.TypeMessageSendFailed, events.TypeMessageBounceDetected:
		// The source of message.bounce_detected is not published; its object is.
		return sourceSend, grant, exampleSent(trigger, grant, now)
	case events.TypeGrantCreated, events.TypeGrantUpdated, events.TypeGrantDeleted, events.TypeGrantExpired:
		return sourceSystem, "", exampleGrantChange(trigger, grant, at)
	case events.TypeAlertTriggered:
		return sourceSend, "", &events.AlertTriggered{
			Object: "alert", ID: "7d1f7e1c-2c52-4f1c-8a5e-8f6f7c1b2a3d", Status: "firing", NotificationSeq: 1, StartedAt: at, TriggeredAt: at,
			SendingDomain: "example.com",
			Rule: events.AlertRule{
				ID: "b2f5a0c7-3a58-4c0b-9f0e-5d1c2e3f4a5b", Metric: "bounce_rate", Threshold: 5, WindowHours: 24, MinVolume: 100,
			},
		}
	}
	if data := exampleOutcome(trigger, at); data != nil {
		if strings.HasPrefix(string(trigger), "message.transactional.") {
			grant = ""
		}
		return sourceSend, grant, data
	}
	kind, _, _ := strings.Cut(string(trigger), ".")
	object, _ := json.Marshal(map[string]any{ // strings can be encoded
		"application_id": application, "grant_id": grant, "object": map[string]string{"object": kind, "id": exampleMessage, "grant_id": grant},
	})
	return "/nylas/" + kind, grant, &events.Unknown{Data: object}
}

func exampleTracking(trigger events.Type, application, grant string, at events.Timestamp) events.Data {
	app := events.Text(application)
	switch trigger {
	case events.TypeMessageOpened:
		return &events.MessageOpened{
			Object: "message", GrantID: grant, MessageID: exampleMessage, Label: exampleLabel,
			MessageData: events.MessageData{Count: 1, Timestamp: at},
			Recents:     []events.Open{{OpenedID: 0, IP: exampleIP, Timestamp: at, UserAgent: defaultUserAgent}},
			SenderAppID: app, Timestamp: at,
		}
	case events.TypeMessageLinkClicked:
		return &events.MessageLinkClicked{
			Object: "message", GrantID: grant, MessageID: exampleMessage, Label: exampleLabel,
			LinkData:    []events.LinkData{{Count: 1, URL: "https://www.example.com"}},
			Recents:     []events.Click{{ClickID: 0, IP: exampleIP, LinkIndex: 0, Timestamp: at, UserAgent: defaultUserAgent}},
			SenderAppID: app, Timestamp: at,
		}
	default:
		return &events.ThreadReplied{
			Object: "thread", GrantID: grant, MessageID: exampleReply, RootMessageID: exampleMessage, Label: exampleLabel,
			ReplyData: events.ReplyData{Count: 1}, ReplyToMessageID: exampleMessage, FromSelf: new(false),
			SenderAppID: app, ThreadID: exampleThread, Timestamp: at,
		}
	}
}

func exampleLegacy(trigger events.Type, grant string, at events.Timestamp) events.Data {
	switch trigger {
	case events.TypeLegacyMessageOpened:
		return &events.LegacyMessageOpened{GrantID: grant, Object: "message", Deltas: exampleDelta(trigger, "metadata", at, events.LegacyOpenedMetadata{
			Count: 1, MessageID: exampleMessage, Payload: exampleLabel, Timestamp: at,
			Recents: []events.LegacyOpen{{ID: 0, IP: exampleIP, Timestamp: at, UserAgent: defaultUserAgent}},
		})}
	case events.TypeLegacyMessageLinkClicked:
		return &events.LegacyMessageLinkClicked{GrantID: grant, Object: "message", Deltas: exampleDelta(trigger, "metadata", at, events.LegacyLinkClickedMetadata{
			LinkData: []events.LinkData{{Count: 1, URL: "https://www.example.com"}}, MessageID: exampleMessage, Payload: exampleLabel, Timestamp: at,
			Recents: []events.LegacyClick{{ID: 0, IP: exampleIP, LinkIndex: 0, Timestamp: at, UserAgent: defaultUserAgent}},
		})}
	default:
		return &events.LegacyThreadReplied{GrantID: grant, Object: "thread", Deltas: exampleDelta(trigger, "message", at, events.LegacyRepliedMetadata{
			FromSelf: new(false), MessageID: exampleReply, Payload: exampleLabel, ReplyToMessageID: exampleMessage, ThreadID: exampleThread, Timestamp: at,
		})}
	}
}

func exampleDelta[M any](trigger events.Type, object string, at events.Timestamp, metadata M) []events.Delta[M] {
	return []events.Delta[M]{{
		Date: at, Object: object, Type: trigger.Base(),
		ObjectData: events.ObjectData[M]{
			AccountID: "8rilmlwuo4zmpjedz8bcplclk", ID: "93mgpjynqqu5fohl2dvv6ray7", NamespaceID: "aaz875kwuvxik6ku7pwkqp3ah", Object: object, Metadata: metadata,
		},
	}}
}

func exampleSent(trigger events.Type, grant string, now time.Time) events.Data {
	sent := &events.SentMessage{
		Object: "message", GrantID: grant, ID: exampleMessage, Subject: "Testing Nylas",
		From:       []events.Participant{{Name: "Leyah", Email: "leyah@example.com"}},
		To:         []events.Participant{{Name: "Nyla", Email: "nyla@example.com"}},
		ScheduleID: "8cd56334-6d95-432c-86d1-c5dab0ce98be", SendAt: events.At(now),
	}
	switch trigger {
	case events.TypeMessageSendSuccess:
		return &events.MessageSendSuccess{Message: sent}
	case events.TypeMessageSendFailed:
		return &events.MessageSendFailed{
			Reason: "failed to send",
			Error: &events.SendError{
				Type: "api.provider_error", Message: "mailbox unavailable", StatusCode: 550, ProviderError: json.RawMessage(`{"error":{"code":550}}`),
			},
			Message: sent,
		}
	default:
		return &events.MessageBounceDetected{
			BounceReason: "An example message describing the reason for the bounce.",
			BounceDate:   now.Format(time.RFC1123Z), BouncedAddresses: "this.address.bounced@example.com",
			Type: "mailbox_unavailable", Code: "550", GrantID: grant,
			Origin: events.BounceOrigin{
				To: []events.Address{"jdoe@example.com"}, From: "sender@example.com", CC: []events.Address{"sam.lee@example.com"},
				BCC: []events.Address{"alex.johnson@example.com"}, Subject: "example-subject", MIMEID: exampleMessage + "@example.com",
				ID: exampleMessage, OriginalSendAt: now.Format(time.RFC1123Z),
			},
		}
	}
}

func exampleGrantChange(trigger events.Type, grant string, at events.Timestamp) events.Data {
	change := events.GrantChange{
		GrantID: grant, IntegrationID: "b7dd6e6e-af6a-463b-92fa-be35c2683f5c", Provider: "google", LoginID: "4f1b0f5e-6f2d-4d0b-8a6e-1c2d3e4f5a6b",
		Email: "jordan.taylor@example.com",
	}
	switch trigger {
	case events.TypeGrantCreated:
		change.Code, change.Name, change.Scope = codeGrantCreated, "Jordan Taylor", []string{"https://www.googleapis.com/auth/gmail.readonly"}
		return &events.GrantCreated{GrantChange: change}
	case events.TypeGrantUpdated:
		change.Code, change.ReauthenticationFlag = codeGrantUpdated, new(false)
		return &events.GrantUpdated{GrantChange: change}
	case events.TypeGrantDeleted:
		change.Code = codeGrantDeleted
		return &events.GrantDeleted{GrantChange: change}
	default:
		change.Code, change.GrantUpdatedAt = codeGrantExpired, at
		return &events.GrantExpired{GrantChange: change}
	}
}

// exampleOutcome returns what became of a message, or nil for another trigger.
func exampleOutcome(trigger events.Type, at events.Timestamp) events.Data {
	to := []events.Address{"jordan.taylor@example.com"}
	message := events.OutcomeMessage{
		ID: exampleMessage, Subject: "Your order has shipped", From: "notifications@example.com", To: to,
		SentAt: at, Metadata: map[string]string{"campaign": "welcome-email"},
	}
	bounced := events.BounceOutcome{Message: message, Bounce: events.Bounce{
		BouncedAt: at, Type: defaultBounceType, Recipients: []events.BouncedRecipient{{Email: string(to[0]), DiagnosticCode: unknownUser}},
	}}
	complaint := events.ComplaintOutcome{Message: message, Complaint: events.Complaint{
		ReportedAt: at, Type: defaultComplaintType, ComplainedRecipients: to,
	}}
	delivered := events.DeliveryOutcome{Message: message, Delivered: events.Delivered{DeliveredAt: at, Recipients: to}}
	rejected := events.RejectionOutcome{Message: message, RejectedAt: at}
	switch trigger {
	case events.TypeMessageBounced:
		return &events.MessageBounced{BounceOutcome: bounced}
	case events.TypeMessageComplaint:
		return &events.MessageComplaint{ComplaintOutcome: complaint}
	case events.TypeMessageDelivered:
		return &events.MessageDelivered{DeliveryOutcome: delivered}
	case events.TypeMessageRejected:
		return &events.MessageRejected{RejectionOutcome: rejected}
	case events.TypeMessageTransactionalBounced:
		return &events.MessageTransactionalBounced{BounceOutcome: bounced}
	case events.TypeMessageTransactionalComplaint:
		return &events.MessageTransactionalComplaint{ComplaintOutcome: complaint}
	case events.TypeMessageTransactionalDelivered:
		return &events.MessageTransactionalDelivered{DeliveryOutcome: delivered}
	case events.TypeMessageTransactionalRejected:
		return &events.MessageTransactionalRejected{RejectionOutcome: rejected}
	default:
		return nil
	}
}
