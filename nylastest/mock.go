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
	switch trigger {
	case events.TypeMessageOpened, events.TypeMessageLinkClicked, events.TypeThreadReplied,
		events.TypeMessageSendSuccess, events.TypeMessageSendFailed, events.TypeMessageBounceDetected:
	default:
		return nil, badWebhook("invalid.input.format : no mock payload for this trigger_type")
	}
	now := time.Now()
	source, grant, data := example(trigger, s.applicationID, s.grantID, now)
	notification := newNotification(source, trigger, s.applicationID, grant, now, data)
	notification.ID = mockID
	return notification, nil
}
