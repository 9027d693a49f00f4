package nylas

import (
	"encoding/json"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"
)

// decodeMembers decodes the members of an object for which into has a pointer, and
// returns the others as they are, nil if there are none. It is for answers that Nylas
// does not document in full: a member of an unexpected type is returned with the
// others, so that it neither fails the call nor is lost.
func decodeMembers(data []byte, into map[string]any) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := jsonv2.Unmarshal(data, &members, answerOptions); err != nil {
		return nil, err
	}
	for name, target := range into {
		value, ok := members[name]
		switch {
		case !ok:
		case jsonv2.Unmarshal(value, target, answerOptions) == nil:
			delete(members, name)
		default: // what was read of it before it failed is no value
			reflect.ValueOf(target).Elem().SetZero()
		}
	}
	if len(members) == 0 {
		return nil, nil
	}
	return members, nil
}
