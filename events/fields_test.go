package events_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// The recents arrays are read by a loop that knows the names of their fields, and
// encoded by struct tags. Each field of each data type, under the name in its tag,
// must come through both.
func TestEveryFieldIsDecodedAndEncoded(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		if _, ok := s.data.(*events.Unknown); ok {
			continue
		}
		t.Run(string(s.typ), func(t *testing.T) {
			t.Parallel()
			var w tagWriter
			data := w.value(t, reflect.TypeOf(s.data).Elem())
			switch s.data.(type) {
			case *events.MessageSendSuccess, *events.MessageSendFailed: // these have data.object as a field
			default:
				data = map[string]any{"object": data}
			}
			want, err := json.Marshal(data)
			require.NoError(t, err)

			n := parse(t, envelope(s.typ, string(want)))
			requireFilled(t, fmt.Sprintf("%T", n.Data), reflect.ValueOf(n.Data))

			n.GrantID = "" // taken from the object, and then also written beside it
			encoded, err := json.Marshal(n)
			require.NoError(t, err)
			var got struct{ Data json.RawMessage }
			require.NoError(t, json.Unmarshal(encoded, &got))
			assert.JSONEq(t, string(want), string(got.Data))
		})
	}
}

// tagWriter makes JSON in which every field of a type has a value of its own, in
// the form in which the type is encoded.
type tagWriter struct{ last int }

func (w *tagWriter) value(tb testing.TB, typ reflect.Type) any {
	tb.Helper()
	w.last++
	switch typ {
	case reflect.TypeFor[events.Timestamp]():
		return w.last
	case reflect.TypeFor[events.Index]():
		return strconv.Itoa(w.last)
	case reflect.TypeFor[events.Metadata]():
		return map[string]any{"key": "value " + strconv.Itoa(w.last)}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{"raw": w.last}
	}
	switch typ.Kind() {
	case reflect.String:
		return "text " + strconv.Itoa(w.last)
	case reflect.Int64:
		return w.last
	case reflect.Bool:
		return true
	case reflect.Float64:
		return float64(w.last) + 0.25
	case reflect.Pointer:
		return w.value(tb, typ.Elem())
	case reflect.Slice: // two, because an element may be read with the help of the last
		return []any{w.value(tb, typ.Elem()), w.value(tb, typ.Elem())}
	case reflect.Struct:
		object := map[string]any{}
		for field := range typ.Fields() {
			if field.Anonymous {
				for name, value := range w.value(tb, field.Type).(map[string]any) {
					object[name] = value
				}
				continue
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			require.NotEmptyf(tb, name, "%s.%s has no name on the wire", typ, field.Name)
			object[name] = w.value(tb, field.Type)
		}
		return object
	default:
		require.Failf(tb, "add the kind to this test", "%s", typ)
		return nil
	}
}
