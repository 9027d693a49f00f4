package events

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Parse decodes a notification. The result keeps body as [Notification.Raw], and
// [*Unknown] data points into it, so body must not change afterwards. Everything else
// but the id and the type is in one copy of body: to keep another small part for long,
// clone it with [strings.Clone].
//
// The error wraps [ErrNotJSON], [ErrEnvelope] or [ErrData].
func Parse(body []byte) (*Notification, error) {
	n, err := parse(body)
	if err == nil {
		return n, nil
	}
	// Where several rules are broken, Parse and Peek name the same.
	if _, _, peekErr := Peek(body); peekErr != nil {
		return nil, peekErr
	}
	return nil, err
}

func parse(body []byte) (*Notification, error) {
	if err := validate(body); err != nil {
		return nil, describe(err)
	}
	text := string(body)
	p := parser{
		reader: reader{cursor: cursor{text: text, utf8: utf8.ValidString(text)}, path: make([]step, 0, maxPath)},
		n:      &Notification{Raw: body},
	}
	if err := p.envelope(); err != nil {
		return nil, err
	}
	return p.n, nil
}

// maxPath is the length of the longest path to a member, that of a field of an event in
// a legacy notification.
const maxPath = 8

// parser reads one notification, which is valid JSON.
type parser struct {
	reader
	n                       *Notification
	sawID, sawType, sawData bool
}

func (p *parser) envelope() error {
	n := p.n
	var attempt Int
	var early place // of data that stands before the type
	if p.kind() != '{' {
		return describe(errNotObject)
	}
	p.open()
	for p.more('}') {
		var err error
		switch name := p.name(); name {
		case "id":
			n.ID, err = p.identity(name, &p.sawID)
		case "type":
			var typ string
			typ, err = p.identity(name, &p.sawType)
			n.Type = Type(typ)
		case "data":
			err = p.once(name, &p.sawData)
			switch {
			case err != nil:
			case p.sawType:
				err = p.data()
			default:
				early = p.here()
				p.skip()
			}
		case "specversion":
			p.field(name, &n.SpecVersion)
		case "source":
			p.field(name, &n.Source)
		case "time":
			p.field(name, &n.Time)
		case "webhook_delivery_attempt":
			p.field(name, &attempt)
		default:
			p.skip()
		}
		if err != nil {
			return err
		}
	}
	if !p.sawID || !p.sawType {
		return describe(ruleError("id or type is missing"))
	}
	if early.kind != 0 {
		p.at = early.at
		if err := p.data(); err != nil {
			return err
		}
	}
	n.DeliveryAttempt = int(attempt)
	n.Odd = p.odd
	if n.Data == nil {
		if newData(n.Type.Base()) != nil {
			return describe(ruleError("data is missing"))
		}
		n.Data = new(Unknown)
	}
	if missing := missingIdentity(n.Data); missing != "" {
		return fmt.Errorf("%w: %s", ErrData, missing)
	}
	if n.GrantID == "" {
		n.GrantID = grantOf(n.Data)
	}
	return nil
}

// identity reads the id or the type. It is a copy: programs keep ids for long.
func (p *parser) identity(name string, seen *bool) (string, error) {
	if err := p.once(name, seen); err != nil {
		return "", err
	}
	if p.kind() != '"' {
		return "", describe(ruleError(name + " is not a string"))
	}
	text := p.string()
	if rule := checkIdentity(name, text); rule != "" {
		return "", describe(rule)
	}
	return strings.Clone(text), nil
}

func (p *parser) once(name string, seen *bool) error {
	if *seen {
		return describe(ruleError(name + " is given twice"))
	}
	*seen = true
	return nil
}

// data reads the data of the notification.
func (p *parser) data() error {
	n := p.n
	n.Data = newData(n.Type.Base())
	if n.Data == nil {
		p.unknown()
		return nil
	}
	if p.kind() != '{' {
		return fmt.Errorf("%w: data: want an object", ErrData)
	}
	p.path = append(p.path[:0], step{name: "data"})
	switch data := n.Data.(type) {
	case *MessageSendSuccess:
		data.Message = p.sendOutcome().Message
	case *MessageSendFailed:
		*data = p.sendOutcome()
	default:
		p.fields(reflect.ValueOf(n.Data).Elem())
	}
	p.path = p.path[:0]
	return nil
}

// missingIdentity says what the data of a tracking trigger lacks to tell which message it
// is about. An event of no message is none.
func missingIdentity(data Data) string {
	switch data := data.(type) {
	case *MessageOpened:
		return messageIDMissing(data.MessageID)
	case *MessageLinkClicked:
		return messageIDMissing(data.MessageID)
	case *ThreadReplied:
		if data.RootMessageID == "" && data.ThreadID == "" {
			return "data.object: root_message_id and thread_id are missing or cannot be read, want one of them"
		}
	case *LegacyMessageOpened:
		return deltasMissing(len(data.Deltas), "message_id")
	case *LegacyMessageLinkClicked:
		return deltasMissing(len(data.Deltas), "message_id")
	case *LegacyThreadReplied:
		return deltasMissing(len(data.Deltas), "reply_to_message_id or thread_id")
	}
	return ""
}

func messageIDMissing(id string) string {
	if id != "" {
		return ""
	}
	return "data.object.message_id: missing or cannot be read"
}

func deltasMissing(identified int, name string) string {
	if identified > 0 {
		return ""
	}
	return "data.object.deltas: want one with " + name + " in its metadata"
}
func grantOf(data Data) string {
	switch data := data.(type) {
	case *MessageOpened:
		return data.GrantID
	case *MessageLinkClicked:
		return data.GrantID
	case *ThreadReplied:
		return data.GrantID
	case *LegacyMessageOpened:
		return data.GrantID
	case *LegacyMessageLinkClicked:
		return data.GrantID
	case *LegacyThreadReplied:
		return data.GrantID
	case *MessageBounceDetected:
		return data.GrantID
	case *GrantCreated:
		return data.GrantID
	case *GrantUpdated:
		return data.GrantID
	case *GrantDeleted:
		return data.GrantID
	case *GrantExpired:
		return data.GrantID
	case *AlertTriggered:
		return data.GrantID
	case *MessageSendSuccess:
		return data.Message.grantID()
	case *MessageSendFailed:
		return data.Message.grantID()
	default:
		return ""
	}
}

func (m *SentMessage) grantID() string {
	if m == nil {
		return ""
	}
	return m.GrantID
}
