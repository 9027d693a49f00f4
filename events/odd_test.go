package events_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// odd are notifications with members that cannot be read, and the paths of these.
var odd = map[string]struct {
	body string
	odd  []string
}{
	"time true":               {`{"id":"n-1","type":"t","time":true}`, []string{"time"}},
	"time a day":              {`{"id":"n-1","type":"t","time":"2026-01-08"}`, []string{"time"}},
	"time an object":          {`{"id":"n-1","type":"t","time":{}}`, []string{"time"}},
	"time 1e400":              {`{"id":"n-1","type":"t","time":1e400}`, []string{"time"}},
	"time in microseconds":    {`{"id":"n-1","type":"t","time":1695480567000000}`, []string{"time"}},
	"attempt 1.5":             {`{"id":"n-1","type":"t","webhook_delivery_attempt":1.5}`, []string{"webhook_delivery_attempt"}},
	"attempt abc":             {`{"id":"n-1","type":"t","webhook_delivery_attempt":"abc"}`, []string{"webhook_delivery_attempt"}},
	"source, specversion":     {`{"id":"n-1","source":{},"type":"t","specversion":[]}`, []string{"source", "specversion"}},
	"application_id":          {string(envelope("message.opened", `{"application_id":[],"object":{"message_id":"m-1"}}`)), []string{"data.application_id"}},
	"grant_id":                {string(envelope("message.opened", `{"grant_id":true,"object":{"message_id":"m-1"}}`)), []string{"data.grant_id"}},
	"outcome's object":        {string(object("message.send_failed", `[]`)), []string{"data.object"}},
	"outcome's object a text": {string(object("message.send_failed", `"x"`)), []string{"data.object"}},
	"bounce's object":         {string(object("message.bounced", `5`)), []string{"data.object"}},
	"two objects":             {string(object("message.bounced", `[{},{}]`)), []string{"data.object"}},
	"message_data":            {openBody(`"message_data":5`), []string{"data.object.message_data"}},
	"count":                   {openBody(`"message_data":{"count":true}`), []string{"data.object.message_data.count"}},
	"label":                   {openBody(`"label":{}`), []string{"data.object.label"}},
	"two for one, odd too":    {openBody(`"message_data":[{"count":true},{}]`), []string{"data.object.message_data"}},
	"label twice":             {openBody(`"label":{},"label":[]`), []string{"data.object.label", "data.object.label"}},
	"link_data":               {clickBody(`"link_data":[{},5]`), []string{"data.object.link_data.1"}},
	"from_self":               {string(object("thread.replied", `{"thread_id":"t-1","from_self":"yes"}`)), []string{"data.object.from_self"}},
	"recents an empty object": {openBody(`"recents":{}`), []string{"data.object.recents"}},
	"recents a number":        {openBody(`"recents":5`), []string{"data.object.recents"}},
	"an event a number":       {openBody(`"recents":[{},5,[],[{},{}],"x",true]`), []string{"data.object.recents.1", "data.object.recents.2", "data.object.recents.3", "data.object.recents.4", "data.object.recents.5"}},
	"opened_id abc":           {openBody(`"recents":[{"opened_id":"abc"}]`), []string{"data.object.recents.0.opened_id"}},
	"old id abc":              {openBody(`"recents":[{"id":"abc"}]`), []string{"data.object.recents.0.id"}},
	"opened_id 1.5":           {openBody(`"recents":[{},{"opened_id":1.5}]`), []string{"data.object.recents.1.opened_id"}},
	"opened_id empty":         {openBody(`"recents":[{"opened_id":""}]`), []string{"data.object.recents.0.opened_id"}},
	"opened_id of 20 digits":  {openBody(`"recents":[{"opened_id":12345678901234567890}]`), []string{"data.object.recents.0.opened_id"}},
	"opened_id a long string": {openBody(`"recents":[{"opened_id":"12345678901234567890"}]`), []string{"data.object.recents.0.opened_id"}},
	"opened_id a big float":   {openBody(`"recents":[{"opened_id":9007199254740993.0}]`), []string{"data.object.recents.0.opened_id"}},
	"opened_id true":          {openBody(`"recents":[{"opened_id":true}]`), []string{"data.object.recents.0.opened_id"}},
	"opened_id nested":        {openBody(`"recents":[{"opened_id":[[1]]}]`), []string{"data.object.recents.0.opened_id"}},
	"time of an event":        {openBody(`"recents":[{"timestamp":1e400}]`), []string{"data.object.recents.0.timestamp"}},
	"ip and agent":            {clickBody(`"recents":[{"user_agent":{},"ip":true}]`), []string{"data.object.recents.0.user_agent", "data.object.recents.0.ip"}},
	"link_index":              {clickBody(`"recents":[{"link_index":"first"}]`), []string{"data.object.recents.0.link_index"}},
	"legacy id": {
		string(object("message.opened.legacy", `{"deltas":[{},{"object_data":{"metadata":{"message_id":"m-1","recents":[{"id":"abc"}]}}}]}`)),
		[]string{"data.object.deltas.0", "data.object.deltas.1.object_data.metadata.recents.0.id"},
	},
	"outcome's from":                {string(object("message.send_success", `{"from":[5]}`)), []string{"data.object.from.0"}},
	"flat outcome's to":             {string(envelope("message.send_success", `{"object":"message","id":"m-1","to":5}`)), []string{"data.to"}},
	"outcome's error":               {string(envelope("message.send_failed", `{"error":{"status_code":"5.1.1"}}`)), []string{"data.error.status_code"}},
	"outcome's in message":          {string(object("message.send_failed", `{"error":{"message":{}}}`)), []string{"data.object.error.message"}},
	"address":                       {string(object("message.bounced", `{"message":{"to":[5]}}`)), []string{"data.object.message.to.0"}},
	"address's email":               {string(object("message.bounced", `{"message":{"from":{"email":{}}}}`)), []string{"data.object.message.from"}},
	"metadata":                      {string(object("message.bounced", `{"message":{"metadata":5}}`)), []string{"data.object.message.metadata"}},
	"metadata an array":             {string(object("message.bounced", `{"message":{"metadata":[]}}`)), []string{"data.object.message.metadata"}},
	"outcome's bounce":              {string(object("message.transactional.bounced", `{"bounce":[]}`)), []string{"data.object.bounce"}},
	"flat label":                    {string(envelope("message.opened", `{"label":{},"object":{"message_id":"m-1","message_data":5}}`)), []string{"data.label", "data.object.message_data"}},
	"unknown trigger's grant":       {string(envelope("calendar.created", `{"grant_id":{},"object":5}`)), []string{"data.grant_id"}},
	"unknown trigger's application": {string(envelope("calendar.created", `{"application_id":[1,2],"grant_id":"g-1","object":{"a":{}}}`)), []string{"data.application_id"}},
	"unknown object's grant":        {string(object("calendar.created", `{"grant_id":["a","b"]}`)), []string{"data.object.grant_id"}},
	"unknown trigger's list":        {string(envelope("calendar.created", `{"grant_id":"g-1","object":[5,{"grant_id":{}}]}`)), nil},
	"a delta of nothing":            {string(object("message.opened.legacy", `{"deltas":[{"object_data":{"metadata":{"message_id":"m-1"}}},{"date":1}]}`)), []string{"data.object.deltas.1"}},
}

// openBody and clickBody return a notification with more fields than the message's id.
func openBody(fields string) string {
	return string(object("message.opened", `{"message_id":"m-1",`+fields+`}`))
}

func clickBody(fields string) string {
	return string(object("message.link_clicked", `{"message_id":"m-1",`+fields+`}`))
}

func TestOddMembersAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range odd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.odd, parse(t, []byte(test.body)).Odd)
		})
	}
}

// A path is made of names that this package knows, however many there are.
func TestOddIsBounded(t *testing.T) {
	t.Parallel()
	n := parse(t, []byte(openBody(`"recents":[`+strings.Repeat("5,", 1000)+`{"opened_id":7}]`)))
	assert.Len(t, n.Odd, events.MaxOdd)
	assert.Equal(t, []events.Open{{OpenedID: 7}}, n.Data.(*events.MessageOpened).Recents, "what was not an event is left out")
}

// What is odd but plain means what it says.
func TestPlainMeaningIsRead(t *testing.T) {
	t.Parallel()
	at := unix(1759312800)
	tests := map[string]struct {
		typ    events.Type
		object string
		want   events.Data
	}{
		"times": {
			events.TypeMessageOpened,
			`{"message_id":"m-1","timestamp":"2025-10-01T12:00:00.5+02:00","message_data":{"timestamp":1759312800999},"recents":[{"timestamp":"1759312800000"}]}`,
			&events.MessageOpened{
				MessageID: "m-1", Timestamp: unix(1759312800), MessageData: events.MessageData{Timestamp: at}, Recents: []events.Open{{Timestamp: at}},
			},
		},
		"no time in Go": {events.TypeMessageOpened, `{"message_id":"m-1","timestamp":"0001-01-01T00:00:00Z"}`, &events.MessageOpened{MessageID: "m-1"}},
		"numbers for texts": {
			events.TypeMessageOpened, `{"message_id":4711,"label":-1.50,"recents":[{"ip":7,"user_agent":1e3}]}`,
			&events.MessageOpened{MessageID: "4711", Label: "-1.50", Recents: []events.Open{{IP: "7", UserAgent: "1e3"}}},
		},
		"booleans as text": {events.TypeThreadReplied, `{"thread_id":"t-1","from_self":"false"}`, &events.ThreadReplied{ThreadID: "t-1", FromSelf: new(false)}},
		"arrays of one": {
			events.TypeMessageOpened,
			`[{"message_id":["m-1"],"label":["l"],"message_data":[{"count":["7"]}],"timestamp":[1759312800],"recents":[[{"opened_id":[3],"ip":["i"]}]]}]`,
			&events.MessageOpened{
				MessageID: "m-1", Label: "l", MessageData: events.MessageData{Count: 7}, Timestamp: at, Recents: []events.Open{{OpenedID: 3, IP: "i"}},
			},
		},
		"one for an array": {
			events.TypeMessageLinkClicked, `{"message_id":"m-1","link_data":{"count":1,"url":"u"},"recents":{"click_id":3}}`,
			&events.MessageLinkClicked{MessageID: "m-1", LinkData: []events.LinkData{{Count: 1, URL: "u"}}, Recents: []events.Click{{ClickID: 3}}},
		},
		"one delta": {
			events.TypeLegacyMessageOpened, `{"deltas":{"object_data":{"metadata":{"message_id":"m-1"}}}}`,
			&events.LegacyMessageOpened{Deltas: []events.Delta[events.LegacyOpenedMetadata]{{
				ObjectData: events.ObjectData[events.LegacyOpenedMetadata]{Metadata: events.LegacyOpenedMetadata{MessageID: "m-1"}},
			}}},
		},
		"texts for persons": {
			events.TypeMessageSendFailed, `{"id":"m-1","from":"a@example.org","to":["b@example.org",{"email":"c@example.org"}],"error":"no"}`,
			&events.MessageSendFailed{Error: &events.SendError{Message: "no"}, Message: &events.SentMessage{
				ID: "m-1", From: []events.Participant{{Email: "a@example.org"}}, To: []events.Participant{{Email: "b@example.org"}, {Email: "c@example.org"}},
			}},
		},
		"a text for a bounced recipient": {
			events.TypeMessageBounced, `{"message":{"id":"m-1","to":"b@example.org"},"bounce":{"recipients":"b@example.org"}}`,
			&events.MessageBounced{BounceOutcome: events.BounceOutcome{
				Message: events.OutcomeMessage{ID: "m-1", To: []events.Address{"b@example.org"}},
				Bounce:  events.Bounce{Recipients: []events.BouncedRecipient{{Email: "b@example.org"}}},
			}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, object(test.typ, test.object))
			assert.Empty(t, n.Odd)
			if want, ok := test.want.(*events.MessageOpened); ok && name == "times" {
				want.Timestamp = unix(time.Date(2025, 10, 1, 10, 0, 0, 0, time.UTC).Unix())
			}
			assert.Equal(t, test.want, n.Data)
		})
	}
}

// identity are the members, besides data.object, without which a tracking event is one of
// nothing.
var identity = []string{"message_id", "deltas", "object_data", "metadata", "root_message_id", "reply_to_message_id"}

// Each member of each published payload, one at a time, gets each of these values. The
// notification is decoded all the same: the member is named in Odd, or has the meaning of
// the value. All other members stay what they are.
func TestEveryOddMember(t *testing.T) {
	t.Parallel()
	values := []string{
		`""`, `"abc"`, `"true"`, `true`, `false`, `"4711"`, `4711`, `-1.5`, `"5.1.1"`, `1e400`, `12345678901234567890`,
		`[]`, `["x"]`, `[4711]`, `[1,2]`, `[[]]`, `[{}]`, `{}`, `{"a":1}`, `{"email":"a@example.org"}`, `[{"email":"a@example.org"}]`,
		`"2025-10-01T10:00:00Z"`, `1759299990123`, `"1759299990123"`,
	}
	for _, name := range notificationFixtures(t) {
		if name == "constructed/message.link_clicked.old-names.json" {
			continue // its names are not those that are written
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := fixture(t, name)
			written, err := json.Marshal(parse(t, body))
			require.NoError(t, err)
			typ := string(expected[name].Type)
			tracking := strings.HasPrefix(typ, "message.opened") || strings.HasPrefix(typ, "message.link_clicked") || strings.HasPrefix(typ, "thread.")
			for _, path := range members("", decoded(t, body)) {
				last := path[strings.LastIndexByte(path, '.')+1:]
				if slices.Contains([]string{"id", "type", "data"}, path) || tracking && (path == "data.object" || slices.Contains(identity, last)) {
					continue
				}
				for _, value := range values {
					requireCostsOnlyItself(t, body, written, path, value)
				}
			}
		})
	}
}

// requireCostsOnlyItself gives a member of a notification another value. The rest must
// become what it would have become without that.
func requireCostsOnlyItself(t *testing.T, body, written []byte, path, value string) {
	t.Helper()
	where := path + " = " + value
	changed := decoded(t, body)
	set(t, changed, path, json.RawMessage(value))
	odd, err := json.Marshal(changed)
	require.NoError(t, err)
	n, err := events.Parse(odd)
	require.NoError(t, err, where)
	again, err := json.Marshal(n)
	require.NoError(t, err)

	before, after := decoded(t, written), decoded(t, again)
	got, want := get(after, path), meaning(decoded(t, []byte(value)))
	isGrant := strings.HasSuffix(path, "grant_id") // a notification has two, and each is also read from the other's place
	switch {
	case slices.ContainsFunc(n.Odd, func(odd string) bool { return strings.HasPrefix(odd, path) }):
	case meaning(got) == want:
	case got == value: // in metadata any value is its own text
	case meaning(got) == "" && strings.Contains(value, "{"): // an object with no member that is known
	case isGrant && value == `""`:
	default:
		t.Errorf("%s was read as %v, and Odd is %v", where, got, n.Odd)
	}
	set(t, before, path, nil)
	set(t, after, path, nil)
	if !isGrant {
		require.Equal(t, before, after, where)
	}
}

// members returns the paths of all members of a value, in Odd's form.
func members(path string, value any) []string {
	var all []string
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			inner := strings.TrimPrefix(path+"."+name, ".")
			all = append(append(all, inner), members(inner, value[name])...)
		}
	case []any:
		for i := range value {
			all = append(all, members(path+"."+strconv.Itoa(i), value[i])...)
		}
	}
	return all
}

// set writes a member if what holds it is there; nil takes it away.
func set(tb testing.TB, root any, path string, value any) {
	tb.Helper()
	cut := strings.LastIndexByte(path, '.')
	holder, ok := get(root, path[:max(cut, 0)]).(map[string]any)
	if !ok {
		return
	}
	if value == nil {
		delete(holder, path[cut+1:])
		if len(holder) == 0 && cut > 0 { // an empty object is as good as none
			set(tb, root, path[:cut], nil)
		}
		return
	}
	holder[path[cut+1:]] = value
}

func get(value any, path string) any {
	if path == "" {
		return value
	}
	for name := range strings.SplitSeq(path, ".") {
		switch holder := value.(type) {
		case map[string]any:
			value = holder[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(holder) {
				return nil
			}
			value = holder[i]
		default:
			return nil
		}
	}
	return value
}

// meaning is equal for values that plainly mean the same.
func meaning(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case []any:
		if len(value) == 1 {
			return meaning(value[0])
		}
		return fmt.Sprint(len(value), value)
	case map[string]any:
		for _, name := range []string{"email", "message"} {
			if text, ok := value[name].(string); ok && text != "" {
				return meaning(text)
			}
		}
		return "" // no member that would be known
	}
	text := fmt.Sprint(value)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return fmt.Sprint(at.Unix())
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		if number > 1e12 && number < 1e15 {
			number /= 1000
		}
		return fmt.Sprintf("%.0f", math.Trunc(number))
	}
	return text
}
