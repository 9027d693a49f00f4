package events

import (
	"cmp"
	"reflect"
)

// sentData is the data of message.send_success and message.send_failed. Nylas' schemas
// and examples disagree: reason and error stand beside the message, within it, or
// nowhere, and the message may take the place of data.
type sentData struct {
	SentMessage
	Reason string     `json:"reason"`
	Error  *SendError `json:"error"`
}

func (p *parser) sendOutcome() MessageSendFailed {
	var data sentData
	root := reflect.ValueOf(&data).Elem()
	start := p.at
	hasObject := p.fields(root)
	end, named := p.at, len(p.odd)

	// What stands beside the message wins over what stands within it.
	var beside struct {
		Reason string     `json:"reason"`
		Error  *SendError `json:"error"`
	}
	p.at = start
	besideRoot := reflect.ValueOf(&beside).Elem()
	p.value(besideRoot, shapeOf(besideRoot.Type()))
	p.at, p.odd = end, p.odd[:named]

	outcome := MessageSendFailed{Reason: cmp.Or(beside.Reason, data.Reason), Error: cmp.Or(beside.Error, data.Error)}
	if hasObject || !isEmpty(root) {
		outcome.Message = &data.SentMessage
	}
	return outcome
}
