// Package loose reads JSON objects of which nothing is certain: notifications
// whose shape differs from page to page, and answers with an odd field.
package loose

import (
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Object is an object whose members may be anything.
type Object map[string]jsontext.Value

// Options make a decoder lenient: what is odd in one place must not hide the rest.
var Options = jsonv2.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// Parse returns nil for what is not an object.
func Parse(value []byte) Object {
	var members Object
	if jsontext.Value(value).Kind() != '{' || jsonv2.Unmarshal(value, &members, Options) != nil {
		return nil
	}
	return members
}

// Text returns a member that is a string, otherwise "".
func (o Object) Text(name string) string {
	if value := o[name]; value.Kind() == '"' {
		return Unquote(value)
	}
	return ""
}

// Unquote returns the meaning of a JSON string, with U+FFFD in place of what is
// not UTF-8.
func Unquote(quoted []byte) string {
	text, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		// Invalid UTF-8: it is replaced in text, and that is the wanted result.
		return string(text)
	}
	return string(text)
}
