package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// recentsUnmarshalers read the recents arrays. They hold nearly all bytes of a
// notification and nearly all fields that Nylas writes in several ways, and one
// loop over them is both quicker and more lenient than decoding by struct tags:
// see BenchmarkParse.
var recentsUnmarshalers = jsonv2.JoinUnmarshalers(
	readsRecents(func(o *Open) recent {
		return recent{id: &o.OpenedID, ip: &o.IP, timestamp: &o.Timestamp, userAgent: &o.UserAgent}
	}),
	readsRecents(func(c *Click) recent {
		return recent{&c.ClickID, &c.IP, (*Int)(&c.LinkIndex), &c.Timestamp, &c.UserAgent}
	}),
	readsRecents(func(o *LegacyOpen) recent {
		return recent{id: &o.ID, ip: &o.IP, timestamp: &o.Timestamp, userAgent: &o.UserAgent}
	}),
	readsRecents(func(c *LegacyClick) recent {
		return recent{&c.ID, &c.IP, &c.LinkIndex, &c.Timestamp, &c.UserAgent}
	}),
)

// maxRecents is how many events Nylas repeats in a notification; more are read
// all the same. https://developer.nylas.com/docs/v3/email/message-tracking/
const maxRecents = 50

// bytesPerRecent is about what one element takes on the wire; it only sizes the
// list beforehand.
const bytesPerRecent = 160

// recent points to the fields of one element of a recents array.
type recent struct {
	id        *Int
	ip        *string
	linkIndex *Int // nil for opens
	timestamp *Timestamp
	userAgent *string
}

func readsRecents[E any](fields func(*E) recent) *jsonv2.Unmarshalers {
	return jsonv2.UnmarshalFromFunc(func(dec *jsontext.Decoder, recents *[]E) error {
		if dec.PeekKind() == 'n' {
			*recents = nil
			return dec.SkipValue()
		}
		if err := begin(dec, '[', "want an array"); err != nil {
			return err
		}
		list := make([]E, 0, min(maxRecents, 1+len(dec.UnreadBuffer())/bytesPerRecent))
		var last recent
		for kind := dec.PeekKind(); kind != ']'; kind = dec.PeekKind() {
			if kind == 'n' { // no event
				if err := dec.SkipValue(); err != nil {
					return err
				}
				continue
			}
			list = append(list, *new(E))
			element := fields(&list[len(list)-1])
			if err := element.read(dec, last); err != nil {
				return err
			}
			last = element
		}
		*recents = list
		_, err := dec.ReadToken()
		return err
	})
}

// read reads one element. The strings of the last one are used again where
// they are the same, as is often so.
func (r recent) read(dec *jsontext.Decoder, last recent) error {
	return members(dec, errNotObject, func(name []byte) error {
		switch string(name) {
		case "opened_id", "click_id", "id": // "id" is the old name, and that of legacy notifications
			return of("id", readScalar(dec, r.id))
		case "ip":
			return of("ip", readText(dec, r.ip, last.ip))
		case "link_index":
			if r.linkIndex == nil {
				return dec.SkipValue()
			}
			return of("link_index", readScalar(dec, r.linkIndex))
		case "timestamp":
			return of("timestamp", readScalar(dec, r.timestamp))
		case "user_agent":
			return of("user_agent", readText(dec, r.userAgent, last.userAgent))
		default:
			return dec.SkipValue()
		}
	})
}

// of tells which field an error is about: the library knows only the element.
func of(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}

func readScalar(dec *jsontext.Decoder, scalar json.Unmarshaler) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	return scalar.UnmarshalJSON(value)
}

func readText(dec *jsontext.Decoder, text, last *string) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch value.Kind() {
	case 'n':
		return nil
	case '"':
	default:
		return ruleError("want a string")
	}
	inner := value[1 : len(value)-1]
	switch {
	case bytes.IndexByte(inner, '\\') >= 0: // what it means is not how it is written
		*text = loose.Unquote(value)
	case last != nil && string(inner) == *last:
		*text = *last
	case utf8.Valid(inner):
		*text = string(inner)
	default:
		*text = loose.Unquote(value)
	}
	return nil
}
