package events_test

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

func TestParseRawIsTheInput(t *testing.T) {
	t.Parallel()
	body := fixture(t, "published/message.opened.json")
	n := parse(t, body)
	require.Len(t, n.Raw, len(body))
	assert.Same(t, unsafe.SliceData(body), unsafe.SliceData(n.Raw))
}

func TestParseUnknownDataIsAPartOfTheInput(t *testing.T) {
	t.Parallel()
	const data = `{"object": {"code": 25013}}`
	body := []byte(` {"id":"n-1", "type":"contact.updated", "data": ` + data + ` , "time":1}`)
	unknown := dataOf[*events.Unknown](t, body)
	start := bytes.Index(body, []byte(data))
	require.Equal(t, data, string(unknown.Data))
	assert.Same(t, &body[start], &unknown.Data[0])

	// Appending to it does not write into the rest of the notification.
	before := bytes.Clone(body)
	_ = append(unknown.Data, "overwritten"...)
	assert.Equal(t, before, body)
}

func TestParseLeavesTheInputAlone(t *testing.T) {
	t.Parallel()
	bodies := map[string][]byte{
		"escapes":       object(events.TypeMessageOpened, `{"message_id":"m-1","\u006cabel":"a\u0062\n","recents":[{"user_agent":"\ud800\\"}]}`),
		"invalid UTF-8": object(events.TypeMessageOpened, `{"message_id":"m-1","label":"a`+"\xff"+`","recents":[{"user_agent":"`+"\xc3"+`"}]}`),
		"unknown":       object(events.TypeContactUpdated, `{"\u0061":"\ud800`+"\xff"+`"}`),
		"outcome":       object(events.TypeMessageSendFailed, `{"\u0069d":"\ud800`+"\xff"+`"}`),
		"broken":        []byte(`{"id":"n-1","type":"contact.updated",`),
	}
	for _, name := range notificationFixtures(t) {
		bodies[name] = fixture(t, name)
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// What stands behind the input in the same array is not the parser's either.
			whole := append(bytes.Clone(body), "behind the input"...)
			before := bytes.Clone(whole)
			_, parseErr := events.Parse(whole[:len(body)])
			_, _, _ = events.Peek(whole[:len(body)])
			assert.Equal(t, before, whole)
			assert.Equal(t, name == "broken", parseErr != nil)
		})
	}
}

// Only Raw and Unknown.Data share memory with the input.
func TestParseCopiesEverythingElse(t *testing.T) {
	t.Parallel()
	for _, name := range notificationFixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := fixture(t, name)
			n := parse(t, body)
			for i := range body {
				body[i] = 'x'
			}
			n.Raw = nil
			want := expected[name]
			assert.Equal(t, &want, n)
		})
	}
}
