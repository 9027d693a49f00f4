package events_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

func TestPeekAgreesWithParse(t *testing.T) {
	t.Parallel()
	for _, name := range notificationFixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := fixture(t, name)
			id, typ, err := events.Peek(body)
			require.NoError(t, err)
			n := parse(t, body)
			assert.Equal(t, n.ID, id)
			assert.Equal(t, n.Type, typ)
			assert.Equal(t, expected[name].ID, id)
			assert.Equal(t, expected[name].Type, typ)
		})
	}
}

// Peek looks at nothing behind id and type; Parse refuses these all.
func TestPeekDoesNotLookBehind(t *testing.T) {
	t.Parallel()
	for name, test := range behind {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, typ, err := events.Peek([]byte(test.body))
			if name == "id twice in a row" || name == "type twice in a row" { // seen on the way
				require.ErrorIs(t, err, events.ErrEnvelope)
				return
			}
			require.NoError(t, err)
			assert.Contains(t, []string{"n-1", "n-2"}, id)
			assert.NotEmpty(t, typ)
		})
	}
	bodies := []string{
		`{"id":"n-1","type":"message.opened"`,
		`{"type":"message.opened","id":"n-1"`,
		`{"type":"message.opened","id":"n-1" garbage`,
		`{"type":"message.opened","id":"n-1",` + "\x00\xff",
		`{"id":"n-1","type":"message.opened","id":5`,
		`{"id":"n-1","type":"message.opened","data":` + strings.Repeat("[", 2*maxDepth),
		`{"data":{"object":5},"id":"n-1","type":"message.opened"`,
		`{"data":[{"id":"no","type":"no"},"}"],"new":{"id":"no"},"id":"n-1","type":"message.opened"`,
		`{"\u0069d":"n\u002d1","\u0074ype":"message.opened"`,
		`{"ID":"no","Type":"no","id":"n-1","type":"message.opened"`,
	}
	for _, body := range bodies {
		t.Run(body[:min(len(body), 60)], func(t *testing.T) {
			t.Parallel()
			id, typ, err := events.Peek([]byte(body))
			require.NoError(t, err)
			assert.Equal(t, "n-1", id)
			assert.Equal(t, events.TypeMessageOpened, typ)
		})
	}
}

// Id and type may be the last of a notification.
func TestPeekBehindData(t *testing.T) {
	t.Parallel()
	body := string(fixture(t, "published/message.opened.json"))
	data := body[strings.Index(body, `"data"`):strings.LastIndex(body, "}")]
	id, typ, err := events.Peek([]byte("{" + data + `,"type":"message.opened.truncated","id":"n-1"}`))
	require.NoError(t, err)
	assert.Equal(t, "n-1", id)
	assert.Equal(t, events.Type("message.opened.truncated"), typ)
}

// What can be used is returned with the error: duplicates of a delivery without
// a usable type are known by its id.
func TestPeekReturnsWhatCanBeUsed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][2]string{
		`{"id":"n-1"}`:                       {"n-1", ""},
		`{"type":5,"id":"n-1"}`:              {"n-1", ""},
		`{"type":"t","id":{"a":[1]}}`:        {"", "t"},
		`{"type":"","data":{},"id":"n-1"}`:   {"n-1", ""},
		`{"id":"n-1","data":{"cut":`:         {"n-1", ""},
		`{"id":"n-1","id":"n-2","type":"t"}`: {"", "t"},
		`{"id":"n-1","type":"t","type":"u"}`: {"n-1", "t"}, // not read that far
		`{"id":"a\u0000b","type":"t"}`:       {"", "t"},
		`{"type":"t","type":"u","id":"n-1"}`: {"n-1", ""},
		`["id","n-1"]`:                       {"", ""},
	} {
		id, typ, err := events.Peek([]byte(body))
		assert.Equal(t, want, [2]string{id, string(typ)}, body)
		assert.Equal(t, id != "" && typ != "", err == nil, body)
	}
}
