package events

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// MaxOdd is the greatest number of paths in [Notification.Odd]. This package chose it:
// more would say nothing new.
const MaxOdd = 100

// reader reads values into the types of this package. A value that cannot be read
// costs only the member that it belongs to.
type reader struct {
	cursor
	path []step // to the member that is read
	odd  []string
}

// step is one part of a path: a name, or an index where the name is empty.
type step struct {
	name  string
	index int
}

// member reads a value into a member of the object that the path leads to.
func (r *reader) member(name string, target reflect.Value, s *shape) {
	r.path = append(r.path, step{name: name})
	r.into(target, s)
	r.path = r.path[:len(r.path)-1]
}

// into reads a value. Null leaves the target as it is. What cannot be read leaves it
// zero, and is named.
func (r *reader) into(target reflect.Value, s *shape) bool {
	if r.kind() == 'n' {
		r.at += len("null")
		return true
	}
	start, named := r.at, len(r.odd)
	if r.value(target, s) {
		return true
	}
	r.at, r.odd = start, r.odd[:named]
	r.skip()
	target.SetZero()
	r.isOdd()
	return false
}

// isOdd names the member that the path leads to.
func (r *reader) isOdd() {
	if len(r.odd) == MaxOdd {
		return
	}
	var path strings.Builder
	for i, step := range r.path {
		if i > 0 {
			path.WriteByte('.')
		}
		if step.name == "" {
			path.WriteString(strconv.Itoa(step.index))
		}
		path.WriteString(step.name)
	}
	r.odd = append(r.odd, path.String())
}

// oddMember names a member of the object that the path leads to.
func (r *reader) oddMember(name string) {
	r.path = append(r.path, step{name: name})
	r.isOdd()
	r.path = r.path[:len(r.path)-1]
}

// value reports whether it could read the value. If not, it may have left anything in
// the target, and have stopped anywhere.
func (r *reader) value(target reflect.Value, s *shape) bool {
	if r.kind() == '[' && !s.list {
		return r.only(target, s)
	}
	switch target := target.Addr().Interface().(type) {
	case *string:
		return r.words(target)
	case *Text:
		return r.words((*string)(target))
	case *Type:
		return r.words((*string)(target))
	case *Address:
		return r.address(target)
	case *Int:
		return r.integer(target)
	case *Index:
		return r.integer((*Int)(target))
	case *Timestamp:
		return r.timestamp(target)
	case *float64:
		text, ok := r.number()
		number, err := strconv.ParseFloat(text, 64)
		*target = number
		return ok && err == nil && isJSONNumber(text)
	case *bool:
		return r.boolean(target)
	case **bool:
		*target = new(bool)
		return r.boolean(*target)
	case *Metadata:
		return r.metadata(target)
	case *json.RawMessage:
		*target = json.RawMessage(r.skip())
		return true
	}
	switch target.Kind() {
	case reflect.Slice:
		return r.list(target, s)
	case reflect.Pointer:
		target.Set(reflect.New(target.Type().Elem()))
		return r.object(target.Elem(), s.elem)
	default:
		return r.object(target, s)
	}
}

// only reads an array of one element that stands for the element.
func (r *reader) only(target reflect.Value, s *shape) bool {
	r.open()
	return r.more(']') && r.kind() != '[' && r.value(target, s) && !r.more(']')
}

func (r *reader) words(target *string) (ok bool) {
	switch kind := r.kind(); {
	case kind == '"':
		*target = r.string()
	case startsNumber(kind):
		*target = r.scalar()
	default:
		return false
	}
	return true
}

// number reads a number, or a string that may hold one.
func (r *reader) number() (text string, ok bool) {
	return text, r.words(&text)
}

func startsNumber(kind byte) bool { return kind == '-' || '0' <= kind && kind <= '9' }

func (r *reader) integer(target *Int) bool {
	if n, ok := r.cursor.integer(); ok {
		*target = Int(n)
		return true
	}
	text, ok := r.number()
	if !ok {
		return false
	}
	n, err := parseInt(text, refuseFraction)
	*target = Int(n)
	return err == nil
}

func (r *reader) timestamp(target *Timestamp) bool {
	if n, ok := r.cursor.integer(); ok {
		return target.setNumber(n) == nil
	}
	text, ok := r.number()
	return ok && target.set(text) == nil
}

func (r *reader) boolean(target *bool) bool {
	var text string
	switch r.kind() {
	case '"':
		text = r.string()
	case 't', 'f':
		text = r.scalar()
	}
	*target = text == "true"
	return *target || text == "false"
}

func (r *reader) address(target *Address) bool {
	switch r.kind() {
	case '"':
		*target = Address(r.string())
		return true
	case '{':
		var person Participant
		named := len(r.odd)
		r.object(reflect.ValueOf(&person).Elem(), shapeOf(reflect.TypeFor[Participant]()))
		r.odd = r.odd[:named]
		*target = Address(person.Email)
		return person.Email != ""
	default:
		return false
	}
}

func (r *reader) metadata(target *Metadata) bool {
	if r.kind() != '{' {
		return false
	}
	*target = Metadata{}
	r.open()
	for r.more('}') {
		name := r.name()
		if r.kind() == '"' {
			(*target)[name] = r.string()
		} else {
			(*target)[name] = r.skip()
		}
	}
	return true
}

// list reads an array, or a value that stands for an array of one element.
//
// An element that cannot be read is zero, so that the others keep their positions. But
// a zero event would look like an event: it is left out.
func (r *reader) list(target reflect.Value, s *shape) bool {
	if r.kind() != '[' {
		one := reflect.New(target.Type().Elem()).Elem()
		if !r.value(one, s.elem) || one.IsZero() || !identified(one) {
			return false
		}
		target.Set(reflect.Append(reflect.Zero(target.Type()), one))
		return true
	}
	r.open()
	room := 0
	if s.events {
		room = min(maxRecents, 1+(len(r.text)-r.at)/bytesPerRecent)
	}
	target.Set(reflect.MakeSlice(target.Type(), 0, room))
	length := 0
	r.path = append(r.path, step{})
	for index := 0; r.more(']'); index++ {
		r.path[len(r.path)-1].index = index
		if s.events && r.kind() == 'n' {
			r.skip()
			continue
		}
		if length == target.Cap() {
			target.Grow(1)
		}
		target.SetLen(length + 1)
		element := target.Index(length)
		if s.elem.recent && r.kind() == '{' {
			r.recent(element.Addr().Interface().(recenter).recent())
			length++
			continue
		}
		ok := r.into(element, s.elem)
		if ok && !identified(element) {
			r.isOdd()
			element.SetZero()
			ok = false
		}
		if ok || !s.events {
			length++
		}
	}
	target.SetLen(length)
	r.path = r.path[:len(r.path)-1]
	return true
}

// identified reports whether an element of a list says which message it is about. Only
// changes in a legacy notification have to.
func identified(element reflect.Value) bool {
	delta, ok := element.Addr().Interface().(interface{ identified() bool })
	return !ok || delta.identified()
}

// object reads an object, or the string that stands for one.
func (r *reader) object(target reflect.Value, s *shape) bool {
	switch r.kind() {
	case '{':
	case '"':
		named, ok := target.Addr().Interface().(interface{ setText(text string) })
		if !ok {
			return false
		}
		named.setText(r.string())
		return !target.IsZero()
	default:
		return false
	}
	if s.recent {
		r.recent(target.Addr().Interface().(recenter).recent())
		return true
	}
	r.open()
	next := 0
	for r.more('}') {
		name := r.name()
		if field := s.field(name, next); field < 0 {
			r.skip()
		} else {
			next = field + 1
			r.member(name, target.FieldByIndex(s.fields[field].index), s.fields[field].shape)
		}
	}
	return true
}

// shape is what reader has to know about a type, besides the type itself.
type shape struct {
	list   bool    // an array on the wire, of elem
	events bool    // of a list: an element is an event, or holds some
	recent bool    // one event of a list
	elem   *shape  // of a list or pointer
	fields []field // of a struct
}

type field struct {
	name  string // on the wire
	index []int
	shape *shape
}

// field returns the position of a member among the fields, or -1. Members mostly come
// in the same order as fields, so it first looks at the position next.
func (s *shape) field(name string, next int) int {
	if next < len(s.fields) && s.fields[next].name == name {
		return next
	}
	for i := range s.fields {
		if s.fields[i].name == name {
			return i
		}
	}
	return -1
}

var shapes sync.Map // of reflect.Type to *shape

func shapeOf(typ reflect.Type) *shape {
	if s, ok := shapes.Load(typ); ok {
		return s.(*shape)
	}
	s := newShape(typ)
	shapes.Store(typ, s)
	return s
}

func newShape(typ reflect.Type) *shape {
	s := new(shape)
	switch typ.Kind() {
	case reflect.Slice:
		if typ == reflect.TypeFor[json.RawMessage]() {
			s.list = true // an array is a value of it like any other
			return s
		}
		s.list = true
		s.elem = newShape(typ.Elem())
		_, isDelta := reflect.New(typ.Elem()).Interface().(interface{ identified() bool })
		s.events = isDelta || s.elem.recent
	case reflect.Pointer:
		s.elem = newShape(typ.Elem())
	case reflect.Struct:
		if typ == reflect.TypeFor[Timestamp]() {
			return s
		}
		_, s.recent = reflect.New(typ).Interface().(recenter)
		for _, f := range reflect.VisibleFields(typ) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" {
				s.fields = append(s.fields, field{name, f.Index, newShape(f.Type)})
			}
		}
	}
	return s
}
