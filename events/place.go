package events

import (
	"cmp"
	"reflect"
	"slices"
)

// place is where a member of the data stands, and what it starts with.
type place struct {
	at   int
	kind byte // 0 if there is no such member
}

// notObject is the kind of an array that does not stand for an object.
const notObject = ']'

// isObject reports whether the place may hold an object, perhaps as the only element of
// an array.
func (l place) isObject() bool { return l.kind == '{' || l.kind == '[' }

// fields reads the data into a struct. Nylas puts its fields into data.object. On some
// pages, and in what other programs send, they stand flat in the data, or in
// data.object_data: what the object does not have is read from there. fields reports
// whether there is an object.
func (p *parser) fields(root reflect.Value) bool {
	s := shapeOf(root.Type())
	start := p.at
	var object, objectData place
	var namedFrom, namedTo int // what reading the object added to p.odd
	again := false             // one walk is not enough
	p.open()
	for p.more('}') {
		switch name := p.name(); name {
		case "application_id":
			p.field(name, &p.n.ApplicationID)
		case "grant_id":
			p.field(name, &p.n.GrantID)
		case "object":
			again = again || object.kind != 0 // given twice: the last one counts
			object = p.here()
			if again || !object.isObject() {
				p.skip()
				break
			}
			namedFrom = len(p.odd)
			if !p.inside(name, object, root, s) {
				object.kind = notObject
				again = true
			}
			namedTo = len(p.odd)
		case "object_data":
			objectData = p.here()
			p.skip()
		default:
			again = again || s.field(name, 0) >= 0
			p.skip()
		}
	}
	if object.isObject() && !again {
		return true
	}
	end := p.at
	p.odd = slices.Delete(p.odd, namedFrom, namedTo)
	root.SetZero()
	p.at = start
	p.flat(root, s, object.kind == '"')
	ok := false
	switch {
	case object.isObject():
		ok = p.inside("object", object, root, s)
	case object.kind == 'n' || object.kind == 0 && objectData.kind == 0:
	case object.kind == 0:
		p.inside("object_data", objectData, root, s)
	case object.kind != '"' || isEmpty(root):
		p.oddMember("object")
	}
	p.at = end
	return ok
}

func (p *parser) here() place { return place{kind: p.kind(), at: p.at} }

// inside reads the value at a place into the fields that it has, and leaves the others.
func (p *parser) inside(name string, from place, root reflect.Value, s *shape) bool {
	p.at = from.at
	p.path = append(p.path, step{name: name})
	ok := p.value(root, s)
	p.path = p.path[:len(p.path)-1]
	if !ok {
		p.at = from.at
		p.skip()
		p.oddMember(name)
	}
	return ok
}

// flat reads the fields that stand in the data itself. If the data is the object, so do
// its name and its grant.
func (p *parser) flat(root reflect.Value, s *shape, isObject bool) {
	p.open()
	for p.more('}') {
		name := p.name()
		i := s.field(name, 0)
		if i < 0 || !isObject && (name == "object" || name == "grant_id") {
			p.skip()
			continue
		}
		p.member(name, root.FieldByIndex(s.fields[i].index), s.fields[i].shape)
	}
}

// isEmpty reports whether nothing but names and ids of others was read.
func isEmpty(root reflect.Value) bool {
	rest := reflect.New(root.Type()).Elem()
	rest.Set(root)
	for _, name := range []string{"Object", "GrantID", "Reason", "Error"} {
		if field := rest.FieldByName(name); field.IsValid() {
			field.SetZero()
		}
	}
	return rest.IsZero()
}

// unknown keeps the data and takes from it what the envelope has a place for. Nothing in
// it is odd.
func (p *parser) unknown() {
	var data struct {
		ApplicationID string `json:"application_id"`
		GrantID       string `json:"grant_id"`
		Object        struct {
			GrantID string `json:"grant_id"`
		} `json:"object"`
	}
	from := p.here()
	p.skip()
	to := p.at
	p.n.Data = &Unknown{Data: p.n.Raw[from.at:to:to]}
	if from.kind != '{' {
		return
	}
	p.at = from.at
	named := len(p.odd)
	p.path = append(p.path[:0], step{name: "data"})
	root := reflect.ValueOf(&data).Elem()
	p.value(root, shapeOf(root.Type()))
	p.path = p.path[:0]
	// Its object may be anything. The members that every notification has may not.
	p.odd = append(p.odd[:named], slices.DeleteFunc(p.odd[named:], func(path string) bool { return path == "data.object" })...)
	if len(p.odd) == 0 {
		p.odd = nil // as of a notification that was never odd
	}
	p.n.ApplicationID = data.ApplicationID
	p.n.GrantID = cmp.Or(data.GrantID, data.Object.GrantID)
}
