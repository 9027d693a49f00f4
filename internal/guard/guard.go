// Package guard is for those who call code of the user: whether there is
// something to call, and what may be said of its panic.
package guard

import (
	"fmt"
	"reflect"
	"runtime"
)

// IsNil reports whether an interface is nil or holds a nil pointer or function,
// which would panic at the first call.
func IsNil(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return v.IsNil()
	default:
		return false
	}
}

// PanicText names the value of a panic for a log or an error. It may hold anything,
// a secret too, so only its type is named, unless it comes from the runtime.
func PanicText(value any) string {
	if err, ok := value.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", value)
}
