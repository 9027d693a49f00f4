package events_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/events"
)

// Nylas' schema of message.send_failed and its examples disagree about where
// reason, error and message stand.
func TestParseSendFailed(t *testing.T) {
	t.Parallel()
	failure := &events.SendError{Type: "api.provider_error", Message: "no", StatusCode: 550, ProviderError: json.RawMessage(`{"c":1}`)}
	const failed = `"reason":"failed","error":{"type":"api.provider_error","message":"no","status_code":550,"provider_error":{"c":1}}`
	message := &events.SentMessage{Object: "message", ID: "m-1", GrantID: "g-2"}
	tests := map[string]struct {
		data  string
		want  events.MessageSendFailed
		grant string
	}{
		"beside the message": {
			`{"grant_id":"g-1",` + failed + `,"object":{"object":"message","id":"m-1","grant_id":"g-2"}}`,
			events.MessageSendFailed{Reason: "failed", Error: failure, Message: message}, "g-1",
		},
		"within the message": {
			`{"grant_id":"g-1","object":{"object":"message","id":"m-1","grant_id":"g-2",` + failed + `}}`,
			events.MessageSendFailed{Reason: "failed", Error: failure, Message: message}, "g-1",
		},
		"at both levels": {
			`{"object":{"object":"message","id":"m-1","grant_id":"g-2","reason":"inner","error":{"type":"inner"}},` + failed + `}`,
			events.MessageSendFailed{Reason: "failed", Error: failure, Message: message}, "g-2",
		},
		"one at each level": {
			`{"object":{"object":"message","id":"m-1","grant_id":"g-2","error":{"type":"inner"}},"reason":"failed"}`,
			events.MessageSendFailed{Reason: "failed", Error: &events.SendError{Type: "inner"}, Message: message}, "g-2",
		},
		"nowhere": {
			`{"object":{"object":"message","id":"m-1","grant_id":"g-2"}}`,
			events.MessageSendFailed{Message: message}, "g-2",
		},
		"object null":    {`{"grant_id":"g-1",` + failed + `,"object":null}`, events.MessageSendFailed{Reason: "failed", Error: failure}, "g-1"},
		"object missing": {`{"grant_id":"g-1",` + failed + `}`, events.MessageSendFailed{Reason: "failed", Error: failure}, "g-1"},
		"flat message": {
			`{"grant_id":"g-2","object":"message","id":"m-1"}`,
			events.MessageSendFailed{Message: message}, "g-2",
		},
		"flat message with its reason": {
			`{"grant_id":"g-2","object":"message","id":"m-1",` + failed + `}`,
			events.MessageSendFailed{Reason: "failed", Error: failure, Message: message}, "g-2",
		},
		"null reason and error": {
			`{"grant_id":"g-1","reason":null,"error":null,"object":null}`,
			events.MessageSendFailed{}, "g-1",
		},
		"reason and error of other kinds": {
			`{"grant_id":"g-1","reason":5,"error":"text","object":null}`,
			events.MessageSendFailed{Reason: "5", Error: &events.SendError{Message: "text"}}, "g-1",
		},
		"status_code as a string, provider_error as text": {
			`{"error":{"status_code":"550","provider_error":"busy"},"object":null}`,
			events.MessageSendFailed{Error: &events.SendError{StatusCode: 550, ProviderError: json.RawMessage(`"busy"`)}}, "",
		},
		"invalid UTF-8": {
			`{"reason":"a` + "\xff" + `b","error":{"message":"c` + "\xff" + `d"},"object":{"subject":"e\ud800f"}}`,
			events.MessageSendFailed{
				Reason: "a\uFFFDb", Error: &events.SendError{Message: "c\uFFFDd"}, Message: &events.SentMessage{Subject: "e\uFFFDf"},
			}, "",
		},
		"escaped names": {
			`{"\u0072eason":"failed","\u006fbject":{"\u0069d":"m-1"}}`,
			events.MessageSendFailed{Reason: "failed", Message: &events.SentMessage{ID: "m-1"}}, "",
		},
		"unknown fields and null lists": {
			`{"new":1,"object":{"new":{},"id":"m-1","from":null,"to":[null],"attachments":null,"body":null,"use_draft":null,"send_at":null}}`,
			events.MessageSendFailed{Message: &events.SentMessage{ID: "m-1", To: []events.Participant{{}}}}, "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, envelope(events.TypeMessageSendFailed, test.data))
			assert.Equal(t, &test.want, n.Data)
			assert.Equal(t, test.grant, n.GrantID)
		})
	}
}

func TestParseSendSuccess(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data string
		want events.MessageSendSuccess
	}{
		"message in its place":        {`{"object":{"object":"message","id":"m-1","send_at":"5","attachments":[{"size":"3"}]}}`, events.MessageSendSuccess{Message: &events.SentMessage{Object: "message", ID: "m-1", SendAt: unix(5), Attachments: []events.SentAttachment{{Size: 3}}}}},
		"flat message":                {`{"object":"message","id":"m-1","use_draft":true}`, events.MessageSendSuccess{Message: &events.SentMessage{Object: "message", ID: "m-1", UseDraft: true}}},
		"object null":                 {`{"object":null}`, events.MessageSendSuccess{}},
		"object missing":              {`{}`, events.MessageSendSuccess{}},
		"a reason that does not fit":  {`{"reason":"r","error":{"type":"t"},"object":null}`, events.MessageSendSuccess{}},
		"application_id and grant_id": {`{"application_id":"app-1","grant_id":"g-1","object":{"id":"m-1"}}`, events.MessageSendSuccess{Message: &events.SentMessage{ID: "m-1"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, &test.want, dataOf[*events.MessageSendSuccess](t, envelope(events.TypeMessageSendSuccess, test.data)))
		})
	}
	n := parse(t, envelope(events.TypeMessageSendSuccess, `{"application_id":"app-1","grant_id":"g-1","object":{"grant_id":"g-2"}}`))
	assert.Equal(t, "app-1", n.ApplicationID)
	assert.Equal(t, "g-1", n.GrantID)
}
