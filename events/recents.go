package events

import "reflect"

// maxRecents is how many events Nylas repeats in a notification; more are read all the
// same. https://developer.nylas.com/docs/v3/email/message-tracking/
const maxRecents = 50

// bytesPerRecent is about the least that one event takes on the wire; it only sizes a
// list beforehand.
const bytesPerRecent = 96

// recent points to the fields of one element of a recents array. These hold nearly all
// bytes of a notification: one loop over them is quicker than one that has to look up
// where each field is. See BenchmarkParse.
type recent struct {
	id        *Int
	ip        *string
	linkIndex *Int // nil for opens
	timestamp *Timestamp
	userAgent *string
}

type recenter interface{ recent() recent }

func (o *Open) recent() recent {
	return recent{id: &o.OpenedID, ip: &o.IP, timestamp: &o.Timestamp, userAgent: &o.UserAgent}
}

func (c *Click) recent() recent {
	return recent{&c.ClickID, &c.IP, (*Int)(&c.LinkIndex), &c.Timestamp, &c.UserAgent}
}

func (o *LegacyOpen) recent() recent {
	return recent{id: &o.ID, ip: &o.IP, timestamp: &o.Timestamp, userAgent: &o.UserAgent}
}

func (c *LegacyClick) recent() recent {
	return recent{&c.ID, &c.IP, &c.LinkIndex, &c.Timestamp, &c.UserAgent}
}

// recent reads an object into the fields of an event.
func (r *reader) recent(event recent) {
	r.open()
	for r.more('}') {
		name := r.name()
		var number *Int
		var text *string
		switch name {
		case "opened_id", "click_id", "id": // "id" is the old name, and that of legacy notifications
			number = event.id
		case "link_index":
			number = event.linkIndex
		case "ip":
			text = event.ip
		case "user_agent":
			text = event.userAgent
		case "timestamp":
			if start := r.at; !r.timestamp(event.timestamp) {
				r.at = start
				r.field(name, event.timestamp)
			}
			continue
		}
		switch start := r.at; {
		case number != nil:
			if !r.integer(number) {
				r.at = start
				r.field(name, number)
			}
		case text != nil:
			if !r.words(text) {
				r.at = start
				r.field(name, text)
			}
		default:
			r.skip()
		}
	}
}

// field reads a value that is no object into a pointer.
func (r *reader) field(name string, target any) {
	r.member(name, reflect.ValueOf(target).Elem(), new(shape))
}
