package events

import (
	"errors"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// sendOutcome reads the data of message.send_success and message.send_failed,
// where Nylas' schemas and examples disagree: reason and error stand beside the
// message, within it, or nowhere, and the message may take the place of data.
func (p *parser) sendOutcome(outcome *MessageSendFailed) error {
	raw, err := p.raw()
	if err != nil {
		return err
	}
	data := loose.Parse(raw)
	if data == nil {
		return errDataNotObject
	}
	p.n.ApplicationID = data.Text("application_id")
	p.n.GrantID = data.Text("grant_id")
	message, place := []byte(data["object"]), jsontext.Pointer("/data/object")
	switch data["object"].Kind() {
	case '"':
		message, place = raw, "/data" // "object": "message", with the message around it
	case '{', 'n', 0:
	default:
		return ruleError("data.object: want an object")
	}
	inner := loose.Parse(message)
	for _, level := range []struct {
		members loose.Object
		place   jsontext.Pointer
	}{{data, "/data"}, {inner, place}} {
		if outcome.Reason == "" {
			outcome.Reason = level.members.Text("reason")
		}
		if value := level.members["error"]; outcome.Error == nil && value.Kind() == '{' {
			outcome.Error = new(SendError)
			if err := unmarshalAt(level.place+"/error", value, outcome.Error); err != nil {
				return err
			}
		}
	}
	if inner == nil {
		return nil
	}
	outcome.Message = new(SentMessage)
	return unmarshalAt(place, message, outcome.Message)
}

// unmarshalAt decodes a value that stands at a place of the notification, and
// tells that place in its error.
func unmarshalAt(place jsontext.Pointer, value []byte, target any) error {
	err := jsonv2.Unmarshal(value, target, decodeOptions)
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		semantic.JSONPointer = place + semantic.JSONPointer
	}
	return err
}
