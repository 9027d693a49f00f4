package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// marshalers are the two libraries that people marshal notifications with.
var marshalers = map[string]func(any) ([]byte, error){
	"encoding/json":           json.Marshal,
	"go-json-experiment/json": func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
}

// looseFixtures write in another way what the reference writes in one: numbers
// as strings, or the old names. The others come back exactly.
var looseFixtures = []string{
	"published/message.link_clicked.tracking-page.json",
	"constructed/message.link_clicked.old-names.json",
}

func TestMarshalGivesTheFixtureBack(t *testing.T) {
	t.Parallel()
	for library, marshal := range marshalers {
		for _, name := range notificationFixtures(t) {
			t.Run(library+"/"+name, func(t *testing.T) {
				t.Parallel()
				body := fixture(t, name)
				n := parse(t, body)

				byPointer, err := marshal(n)
				require.NoError(t, err)
				byValue, err := marshal(*n)
				require.NoError(t, err)
				assert.JSONEq(t, string(byPointer), string(byValue))

				if slices.Contains(looseFixtures, name) {
					assert.Equal(t, normalised(t, body), normalised(t, byPointer))
					assert.NotEqual(t, decoded(t, body), decoded(t, byPointer), "this fixture needs no allowance")
				} else {
					assert.JSONEq(t, string(body), string(byPointer))
				}
			})
		}
	}
}

var integer = regexp.MustCompile(`^-?[0-9]+$`)

// normalised decodes a notification, with numbers in place of numeric strings
// and the name of today in place of the old one.
func normalised(tb testing.TB, body []byte) any {
	tb.Helper()
	return normalise(decoded(tb, body))
}

func decoded(tb testing.TB, body []byte) any {
	tb.Helper()
	var value any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	require.NoError(tb, dec.Decode(&value))
	return value
}

func normalise(value any) any {
	switch value := value.(type) {
	case string:
		if integer.MatchString(value) {
			return json.Number(value)
		}
	case []any:
		for i := range value {
			value[i] = normalise(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = normalise(value[name])
		}
		if _, isClick := value["link_index"]; isClick && value["id"] != nil {
			value["click_id"] = value["id"]
			delete(value, "id")
		}
	}
	return value
}

func TestMarshalAndParseGiveTheSameValue(t *testing.T) {
	t.Parallel()
	for library, marshal := range marshalers {
		for _, s := range samples() {
			t.Run(fmt.Sprintf("%s/%T", library, s.data), func(t *testing.T) {
				t.Parallel()
				want := s.notification()
				body, err := marshal(want)
				require.NoError(t, err)
				got := parse(t, body)
				got.Raw = nil
				assert.Equal(t, &want, got)
			})
		}
	}
}

// The data alone marshals to what stands in data.object.
func TestMarshalData(t *testing.T) {
	t.Parallel()
	for library, marshal := range marshalers {
		for _, s := range samples() {
			t.Run(fmt.Sprintf("%s/%T", library, s.data), func(t *testing.T) {
				t.Parallel()
				whole, err := marshal(s.notification())
				require.NoError(t, err)
				var envelope struct {
					Data struct{ Object json.RawMessage }
				}
				require.NoError(t, json.Unmarshal(whole, &envelope))
				switch data := s.data.(type) {
				case *events.Unknown:
				case *events.MessageSendSuccess:
					requireMarshalsTo(t, marshal, data.Message, envelope.Data.Object)
				case *events.MessageSendFailed:
					requireMarshalsTo(t, marshal, data.Message, envelope.Data.Object)
				default:
					requireMarshalsTo(t, marshal, data, envelope.Data.Object)
				}
			})
		}
	}
}

func requireMarshalsTo(t *testing.T, marshal func(any) ([]byte, error), value any, want json.RawMessage) {
	t.Helper()
	got, err := marshal(value)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got))
}

func TestMarshalByHand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		notification events.Notification
		want         string
	}{
		"nothing but what must be there": {
			events.Notification{Type: events.TypeMessageOpened, ID: "n-1", Data: &events.MessageOpened{MessageID: "m-1"}},
			`{"specversion":"","type":"message.opened","source":"","id":"n-1","time":null,"data":{"object":{"message_id":"m-1"}}}`,
		},
		"no data": {
			events.Notification{Type: "contact.deleted", ID: "n-1", ApplicationID: "app-1", GrantID: "g-1"},
			`{"specversion":"","type":"contact.deleted","source":"","id":"n-1","time":null,"data":{"application_id":"app-1","grant_id":"g-1"}}`,
		},
		"unknown without data": {
			events.Notification{Type: "contact.deleted", ID: "n-1", Data: &events.Unknown{}},
			`{"specversion":"","type":"contact.deleted","source":"","id":"n-1","time":null}`,
		},
		"the grants of envelope and data are two": {
			events.Notification{Type: events.TypeThreadReplied, ID: "n-1", GrantID: "outer", Data: &events.ThreadReplied{GrantID: "inner", RootMessageID: "m-1"}},
			`{"specversion":"","type":"thread.replied","source":"","id":"n-1","time":null,"data":{"grant_id":"outer",` +
				`"object":{"grant_id":"inner","message_id":"","root_message_id":"m-1"}}}`,
		},
		"link_index is a string, click_id a number": {
			events.Notification{
				Type: events.TypeMessageLinkClicked, ID: "n-1", Time: unix(0),
				Data: &events.MessageLinkClicked{MessageID: "m-1", Recents: []events.Click{{ClickID: 3, LinkIndex: 2, Timestamp: unix(5)}}},
			},
			`{"specversion":"","type":"message.link_clicked","source":"","id":"n-1","time":0,"data":{"object":{"message_id":"m-1",` +
				`"recents":[{"click_id":3,"ip":"","link_index":"2","timestamp":5,"user_agent":""}]}}}`,
		},
		"legacy link_index is a number": {
			events.Notification{
				Type: events.TypeLegacyMessageLinkClicked, ID: "n-1",
				Data: &events.LegacyMessageLinkClicked{Deltas: []events.Delta[events.LegacyLinkClickedMetadata]{{
					ObjectData: events.ObjectData[events.LegacyLinkClickedMetadata]{
						Metadata: events.LegacyLinkClickedMetadata{MessageID: "m-1", Recents: []events.LegacyClick{{ID: 3, LinkIndex: 2}}},
					},
				}}},
			},
			`{"specversion":"","type":"message.link_clicked.legacy","source":"","id":"n-1","time":null,"data":{"object":{"deltas":[{` +
				`"object_data":{"metadata":{"message_id":"m-1","recents":[{"id":3,"ip":"","link_index":2,"timestamp":null,"user_agent":""}]}}}]}}}`,
		},
		"send_failed without a message": {
			events.Notification{Type: events.TypeMessageSendFailed, ID: "n-1", Data: &events.MessageSendFailed{Reason: "r"}},
			`{"specversion":"","type":"message.send_failed","source":"","id":"n-1","time":null,"data":{"reason":"r","object":null}}`,
		},
	}
	for library, marshal := range marshalers {
		for name, test := range tests {
			t.Run(library+"/"+name, func(t *testing.T) {
				t.Parallel()
				body, err := marshal(test.notification)
				require.NoError(t, err)
				assert.JSONEq(t, test.want, string(body))
				_, err = events.Parse(body)
				assert.NoError(t, err)
			})
		}
	}
}

// A string built by hand may hold anything; what is not UTF-8 is replaced, as
// in decoding.
func TestMarshalReplacesInvalidUTF8(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(events.Notification{
		Type: events.TypeMessageOpened, ID: "n-1", Data: &events.MessageOpened{MessageID: "m-1", Label: "a\xffb"},
	})
	require.NoError(t, err)
	assert.Equal(t, "a\uFFFDb", dataOf[*events.MessageOpened](t, body).Label)
}

// What the decoder forgives does not keep a raw value from being written again.
func TestMarshalRawValues(t *testing.T) {
	t.Parallel()
	const odd, written = `{"a":1,"a":2,"b":"` + "\xff" + `"}`, `{"a":1,"a":2,"b":"` + "\uFFFD" + `"}`

	body, err := json.Marshal(parse(t, envelope("contact.deleted", odd)))
	require.NoError(t, err)
	assert.Contains(t, string(body), written)

	body, err = json.Marshal(parse(t, envelope(events.TypeMessageSendFailed, `{"error":{"provider_error":`+odd+`},"object":null}`)))
	require.NoError(t, err)
	assert.Contains(t, string(body), written)

	_, err = json.Marshal(events.Notification{Type: "contact.deleted", ID: "n-1", Data: &events.Unknown{Data: json.RawMessage("{")}})
	require.Error(t, err)
}

func TestUnmarshalIsParse(t *testing.T) {
	t.Parallel()
	unmarshalers := map[string]func([]byte, any) error{
		"encoding/json":           json.Unmarshal,
		"go-json-experiment/json": func(b []byte, v any) error { return jsonv2.Unmarshal(b, v) },
	}
	for library, unmarshal := range unmarshalers {
		for _, name := range notificationFixtures(t) {
			t.Run(library+"/"+name, func(t *testing.T) {
				t.Parallel()
				body := fixture(t, name)
				got := events.Notification{GrantID: "left over", Source: "left over"}
				require.NoError(t, unmarshal(body, &got))
				for i := range body {
					body[i] = 'x' // a copy does not notice
				}
				want := parse(t, fixture(t, name))
				assert.JSONEq(t, string(want.Raw), string(got.Raw))
				want.Raw, got.Raw = nil, nil
				assert.Equal(t, *want, got)
			})
		}
	}
}

func TestUnmarshalCopiesUnknownData(t *testing.T) {
	t.Parallel()
	body := envelope("contact.deleted", `{"object":{"code":25013}}`)
	var n events.Notification
	require.NoError(t, json.Unmarshal(body, &n))
	clear(body)
	assert.Equal(t, &events.Unknown{Data: json.RawMessage(`{"object":{"code":25013}}`)}, n.Data)
}

func TestUnmarshalLeavesTheValueOnError(t *testing.T) {
	t.Parallel()
	n := events.Notification{ID: "before"}
	err := json.Unmarshal([]byte(`{"id":"","type":"message.opened"}`), &n)
	require.ErrorIs(t, err, events.ErrEnvelope)
	assert.Equal(t, events.Notification{ID: "before"}, n)
}

func TestUnmarshalList(t *testing.T) {
	t.Parallel()
	list := "[" + string(fixture(t, "published/message.opened.json")) + "," + string(fixture(t, "published/thread.replied.json")) + "]"
	var notifications []events.Notification
	require.NoError(t, json.Unmarshal([]byte(list), &notifications))
	require.Len(t, notifications, 2)
	assert.IsType(t, &events.MessageOpened{}, notifications[0].Data)
	assert.IsType(t, &events.ThreadReplied{}, notifications[1].Data)
}
