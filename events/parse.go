package events

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// MaxIDBytes is the longest id and the longest type that an envelope may have.
// Nylas documents no limit; its ids and triggers stay below 64 bytes.
const MaxIDBytes = 256

// Parse decodes a notification. The result keeps body as [Notification.Raw]
// and, for [*Unknown] data, points into it: body must not change afterwards.
//
// The error is [ErrNotJSON], [ErrEnvelope] or [ErrData].
func Parse(body []byte) (*Notification, error) {
	id, typ, err := Peek(body)
	if err != nil {
		return nil, err
	}
	p := parser{
		dec:  newDecoder(body),
		body: body,
		n:    &Notification{ID: id, Type: typ, Raw: body},
	}
	if err := members(p.dec, errNotObject, p.envelopeMember); err != nil {
		return nil, describe(err, ErrEnvelope)
	}
	if err := p.end(); err != nil {
		return nil, describe(err, ErrNotJSON)
	}
	if err := p.complete(); err != nil {
		return nil, describe(err, ErrEnvelope)
	}
	return p.n, nil
}

// Peek returns the id and the type of a notification without decoding it. It
// reads only as far as it must, so it takes no notice of what stands behind
// them: that can still be cut off, broken, or a second id. Where Parse accepts
// the same body, both agree. With an error too it returns the one of them that
// can be used.
//
// The error is [ErrNotJSON] or [ErrEnvelope].
func Peek(body []byte) (id string, typ Type, err error) {
	peeker := peekers.Get().(*peeker)
	peeker.source = *bytes.NewBuffer(body)
	peeker.dec.Reset(&peeker.source, decodeOptions)
	defer func() {
		peeker.source = bytes.Buffer{} // the body is the caller's
		peeker.dec.Reset(&peeker.source, decodeOptions)
		peekers.Put(peeker)
	}()
	p := parser{dec: peeker.dec}
	idRule, typeRule := ruleError("id is missing"), ruleError("type is missing")
	err = members(p.dec, errNotObject, func(name []byte) (err error) {
		switch string(name) {
		case "id":
			id, idRule, err = p.identity("id", &p.sawID)
		case "type":
			var text string
			text, typeRule, err = p.identity("type", &p.sawType)
			typ = Type(text)
		default:
			err = p.dec.SkipValue()
		}
		if err == nil && p.sawID && p.sawType {
			return errEnough
		}
		return err
	})
	switch {
	case err != nil && err != errEnough: //nolint:errorlint // ours, never wrapped
		return id, typ, describe(err, ErrEnvelope)
	case idRule != "":
		return id, typ, describe(idRule, ErrEnvelope)
	case typeRule != "":
		return id, typ, describe(typeRule, ErrEnvelope)
	default:
		return id, typ, nil
	}
}

// peeker is a decoder that is used again: making one is most of what looking at
// the first members of a body costs.
type peeker struct {
	dec    *jsontext.Decoder
	source bytes.Buffer
}

var peekers = sync.Pool{New: func() any { return &peeker{dec: newDecoder(nil)} }}

// errEnough ends the walk of Peek.
var errEnough = errors.New("enough")

// decodeOptions make the decoder lenient where a notification may be odd and
// still mean something. Duplicate names that would leave its identity open are
// refused by the parser.
var decodeOptions = jsonv2.JoinOptions(
	loose.Options,
	jsonv2.WithUnmarshalers(recentsUnmarshalers),
)

func newDecoder(body []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(body), decodeOptions)
}

// parser walks the envelope of one notification.
type parser struct {
	dec                     *jsontext.Decoder
	body                    []byte
	n                       *Notification
	sawID, sawType, sawData bool
}

// begin reads the start of an object or array; anything else breaks the rule.
func begin(dec *jsontext.Decoder, start jsontext.Kind, rule ruleError) error {
	switch dec.PeekKind() {
	case start, '}', ']', 0: // but for start a syntax error or the end, which ReadToken tells apart
	default:
		return rule
	}
	_, err := dec.ReadToken()
	return err
}

// members reads an object and calls member after each name; member reads the
// value. The name is valid until it does. Anything but an object breaks the
// rule.
func members(dec *jsontext.Decoder, rule ruleError, member func(name []byte) error) error {
	if err := begin(dec, '{', rule); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		quoted, err := dec.ReadValue()
		if err != nil {
			return err
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(loose.Unquote(quoted))
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func (p *parser) envelopeMember(name []byte) error {
	n := p.n
	switch string(name) {
	case "id":
		return p.once(&p.sawID, "id", p.dec.SkipValue)
	case "type":
		return p.once(&p.sawType, "type", p.dec.SkipValue)
	case "data":
		return p.once(&p.sawData, "data", func() error {
			if err := p.data(); err != nil {
				return describe(err, ErrData)
			}
			return nil
		})
	case "specversion":
		return p.into((*Text)(&n.SpecVersion))
	case "source":
		return p.into((*Text)(&n.Source))
	case "time":
		return p.into(&n.Time)
	case "webhook_delivery_attempt":
		var attempt Int
		err := p.into(&attempt)
		n.DeliveryAttempt = int(attempt)
		return err
	default:
		return p.dec.SkipValue()
	}
}

func (p *parser) once(seen *bool, name string, read func() error) error {
	if *seen {
		return ruleError(name + " is given twice")
	}
	*seen = true
	return read()
}

// into decodes the next value of the input into a pointer.
func (p *parser) into(value any) error {
	return jsonv2.UnmarshalDecode(p.dec, value)
}

// raw returns the next value of the input, as a part of the input.
func (p *parser) raw() ([]byte, error) {
	value, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(p.dec.InputOffset())
	return p.body[end-len(value) : end : end], nil
}

// identity reads the id or the type of the envelope. If it cannot be used, it
// returns the rule that it broke.
func (p *parser) identity(name string, seen *bool) (text string, broken ruleError, err error) {
	value, err := p.dec.ReadValue()
	if err != nil {
		return "", "", err
	}
	if *seen {
		return "", ruleError(name + " is given twice"), nil
	}
	*seen = true
	if value.Kind() != '"' {
		return "", ruleError(name + " is not a string"), nil
	}
	text = loose.Unquote(value)
	switch {
	case text == "":
		return "", ruleError(name + " is empty"), nil
	case len(text) > MaxIDBytes:
		return "", ruleError(fmt.Sprintf("%s is longer than %d bytes", name, MaxIDBytes)), nil
	case strings.ContainsFunc(text, unfitForID):
		return "", ruleError(name + " has characters that cannot be printed"), nil
	}
	return text, "", nil
}

// unfitForID reports characters that would make two ids look or be equal that
// are not: what cannot be printed, and the stand-in for invalid UTF-8.
func unfitForID(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r)
}

// end makes sure that nothing follows the notification.
func (p *parser) end() error {
	switch _, err := p.dec.ReadToken(); {
	case err == io.EOF: //nolint:errorlint // the decoder promises io.EOF itself
		return nil
	case err != nil:
		return err
	default:
		return ruleError("something follows the notification")
	}
}

// complete checks what only the whole envelope can tell.
func (p *parser) complete() error {
	n := p.n
	if n.Data == nil {
		if newData(n.Type.Base()) != nil {
			return ruleError("data is missing")
		}
		n.Data = new(Unknown)
	}
	if n.GrantID == "" {
		n.GrantID = grantOf(n.Data)
	}
	return nil
}

// data reads the data of the notification.
func (p *parser) data() error {
	n := p.n
	n.Data = newData(n.Type.Base())
	switch data := n.Data.(type) {
	case nil:
		return p.unknown()
	case *MessageSendSuccess:
		var outcome MessageSendFailed
		err := p.sendOutcome(&outcome)
		data.Message = outcome.Message
		return err
	case *MessageSendFailed:
		return p.sendOutcome(data)
	}
	return members(p.dec, errDataNotObject, func(name []byte) error {
		switch string(name) {
		case "application_id":
			return p.into((*Text)(&n.ApplicationID))
		case "grant_id":
			return p.into((*Text)(&n.GrantID))
		case "object":
			return p.into(n.Data)
		case "message_id":
			return p.bounceMessageID()
		default:
			return p.dec.SkipValue()
		}
	})
}

// bounceMessageID reads the id of a bounced message where Nylas' schema, unlike
// its example, puts it: beside the object.
func (p *parser) bounceMessageID() error {
	id, err := textOrSkip(p.dec)
	if bounce, ok := p.n.Data.(*MessageBounceDetected); ok && bounce.MessageID == "" {
		bounce.MessageID = id
	}
	return err
}

// unknown keeps the data and takes from it what the envelope has a place for.
func (p *parser) unknown() error {
	raw, err := p.raw()
	if err != nil {
		return err
	}
	p.n.Data = &Unknown{Data: raw}
	if jsontext.Value(raw).Kind() != '{' {
		return nil
	}
	dec := newDecoder(raw)
	objectGrant := ""
	err = members(dec, errNotObject, func(name []byte) (err error) {
		switch string(name) {
		case "application_id":
			p.n.ApplicationID, err = textOrSkip(dec)
		case "grant_id":
			p.n.GrantID, err = textOrSkip(dec)
		case "object":
			objectGrant, err = grantOrSkip(dec)
		default:
			err = dec.SkipValue()
		}
		return err
	})
	if p.n.GrantID == "" {
		p.n.GrantID = objectGrant
	}
	return err
}

// textOrSkip reads a string, and skips any other value.
func textOrSkip(dec *jsontext.Decoder) (string, error) {
	if dec.PeekKind() != '"' {
		return "", dec.SkipValue()
	}
	token, err := dec.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

// grantOrSkip reads the grant_id of an object, and skips any other value.
func grantOrSkip(dec *jsontext.Decoder) (grant string, err error) {
	if dec.PeekKind() != '{' {
		return "", dec.SkipValue()
	}
	err = members(dec, errNotObject, func(name []byte) (err error) {
		if string(name) == "grant_id" {
			grant, err = textOrSkip(dec)
			return err
		}
		return dec.SkipValue()
	})
	return grant, err
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
