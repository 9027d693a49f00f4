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

	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// MaxIDBytes is the greatest length of the id and of the type of a notification. This
// package chose it: Nylas documents no limit, and its ids and triggers are shorter than
// 64 bytes.
const MaxIDBytes = 256

// validate makes sure that body is one JSON value.
func validate(body []byte) error {
	d := decoders.Get().(*decoder)
	defer d.release()
	dec := d.of(body)
	if _, err := dec.ReadValue(); err != nil {
		return err
	}
	switch _, err := dec.ReadToken(); {
	case err == io.EOF: //nolint:errorlint // the decoder promises io.EOF itself
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("%w: something follows the notification", ErrNotJSON)
	}
}

// Peek returns the id and the type of a notification without decoding it. It stops
// once it has both, so it does not notice when the rest of body is cut off, broken, or
// holds a second id. When Parse accepts body, it finds the same id and type.
//
// The error wraps [ErrNotJSON] or [ErrEnvelope]. If only one of id and type is usable,
// Peek returns it together with the error.
func Peek(body []byte) (id string, typ Type, err error) {
	d := decoders.Get().(*decoder)
	defer d.release()
	p := peeker{dec: d.of(body)}
	idRule, typeRule := ruleError("id is missing"), ruleError("type is missing")
	err = members(p.dec, func(name []byte) (err error) {
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
		return id, typ, describe(err)
	case idRule != "":
		return id, typ, describe(idRule)
	case typeRule != "":
		return id, typ, describe(typeRule)
	default:
		return id, typ, nil
	}
}

// errEnough ends the walk of Peek.
var errEnough = errors.New("enough")

// peeker looks for the identity of a notification.
type peeker struct {
	dec            *jsontext.Decoder
	sawID, sawType bool
}

// decoder is a decoder that is used again: making one is most of what looking at the
// first members of a body costs.
type decoder struct {
	dec    *jsontext.Decoder
	source bytes.Buffer
}

var decoders = sync.Pool{New: func() any {
	return &decoder{dec: jsontext.NewDecoder(new(bytes.Buffer), loose.Options)}
}}

// of returns a decoder of body. Duplicate names are allowed: the parser refuses those
// that would leave the identity of a notification open.
func (d *decoder) of(body []byte) *jsontext.Decoder {
	d.source = *bytes.NewBuffer(body)
	d.dec.Reset(&d.source, loose.Options)
	return d.dec
}

func (d *decoder) release() {
	d.of(nil) // the body is the caller's
	decoders.Put(d)
}

// members reads an object and calls member after each name; member reads the value. The
// name is valid until it does.
func members(dec *jsontext.Decoder, member func(name []byte) error) error {
	switch dec.PeekKind() {
	case '{', '}', ']', 0: // but for '{' a syntax error or the end, which ReadToken tells apart
	default:
		return errNotObject
	}
	if _, err := dec.ReadToken(); err != nil {
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

// identity reads the id or the type of the envelope. If it cannot be used, it
// returns the rule that it broke.
func (p *peeker) identity(name string, seen *bool) (text string, broken ruleError, err error) {
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
	if broken = checkIdentity(name, text); broken != "" {
		return "", broken, nil
	}
	return text, "", nil
}

// checkIdentity returns the rule that an id or a type breaks, "" if it can be used.
func checkIdentity(name, text string) ruleError {
	switch {
	case text == "":
		return ruleError(name + " is empty")
	case len(text) > MaxIDBytes:
		return ruleError(fmt.Sprintf("%s is longer than %d bytes", name, MaxIDBytes))
	case strings.ContainsFunc(text, unfitForID):
		return ruleError(name + " has characters that cannot be printed")
	}
	return ""
}

// unfitForID reports characters that would make two ids look or be equal that
// are not: what cannot be printed, and the stand-in for invalid UTF-8.
func unfitForID(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r)
}
