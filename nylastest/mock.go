package nylastest

import (
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// mockNotification returns the example notification of a trigger, as the endpoints
// for mock payloads and test events have them. Only the triggers about sent mail
// have one here.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/get_mock_webhook_payload/
func (s *Server) mockNotification(trigger events.Type) (*events.Notification, *response) {
	now := time.Now()
	at := events.At(now)
	const messageID, threadID, replyID, label = "18ac281f237c934b", "18ac281f237c9000", "18ac2900237c9111", "Testing Nylas tracking"
	const userAgent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36"
	const ip = "192.0.2.10"
	app := events.Text(s.applicationID)
	sent := &events.SentMessage{
		Object: "message", GrantID: s.grantID, ID: messageID, Subject: "Testing Nylas",
		From:       []events.Participant{{Name: "Leyah", Email: "leyah@example.com"}},
		To:         []events.Participant{{Name: "Nyla", Email: "nyla@example.com"}},
		ScheduleID: "8cd56334-6d95-432c-86d1-c5dab0ce98be", SendAt: at,
	}
	source := sourceTracking
	var data events.Data
	switch trigger {
	case events.TypeMessageOpened:
		data = &events.MessageOpened{
			Object: "message", GrantID: s.grantID, MessageID: messageID, Label: label,
			MessageData: events.MessageData{Count: 1, Timestamp: at},
			Recents:     []events.Open{{OpenedID: 0, IP: ip, Timestamp: at, UserAgent: userAgent}},
			SenderAppID: app, Timestamp: at,
		}
	case events.TypeMessageLinkClicked:
		data = &events.MessageLinkClicked{
			Object: "message", GrantID: s.grantID, MessageID: messageID, Label: label,
			LinkData:    []events.LinkData{{Count: 1, URL: "https://www.example.com"}},
			Recents:     []events.Click{{ClickID: 0, IP: ip, LinkIndex: 0, Timestamp: at, UserAgent: userAgent}},
			SenderAppID: app, Timestamp: at,
		}
	case events.TypeThreadReplied:
		data = &events.ThreadReplied{
			Object: "thread", GrantID: s.grantID, MessageID: replyID, RootMessageID: messageID, Label: label,
			ReplyData: events.ReplyData{Count: 1}, ReplyToMessageID: messageID, FromSelf: new(false),
			SenderAppID: app, ThreadID: threadID, Timestamp: at,
		}
	case events.TypeMessageSendSuccess:
		source, data = sourceSend, &events.MessageSendSuccess{Message: sent}
	case events.TypeMessageSendFailed:
		source, data = sourceSend, &events.MessageSendFailed{
			Reason:  "failed to send",
			Error:   &events.SendError{Type: "api.provider_error", Message: "mailbox unavailable", StatusCode: 550},
			Message: sent,
		}
	case events.TypeMessageBounceDetected:
		// The source of this trigger is not published; the object is.
		source, data = sourceSend, &events.MessageBounceDetected{
			BounceReason: "An example message describing the reason for the bounce.",
			BounceDate:   now.Format(time.RFC1123Z), BouncedAddresses: "this.address.bounced@example.com",
			Type: "mailbox_unavailable", Code: "550", GrantID: s.grantID,
			Origin: events.BounceOrigin{
				To: []events.Address{"jdoe@example.com"}, From: "sender@example.com", Subject: "example-subject", ID: messageID,
				OriginalSendAt: now.Format(time.RFC1123Z),
			},
		}
	default:
		return nil, badWebhook("invalid.input.format : no mock payload for this trigger_type")
	}
	notification := newNotification(source, trigger, s.applicationID, s.grantID, now, data)
	notification.ID = mockID
	return notification, nil
}
