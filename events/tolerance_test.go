package events_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// What Nylas' pages write in several ways means the same in all of them.
func TestParseForgives(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ    events.Type
		object string // data.object
		want   events.Data
	}{
		"opened_id as a number":       {events.TypeMessageOpened, `{"recents":[{"opened_id":7}]}`, openedOnce(events.Open{OpenedID: 7})},
		"opened_id as a string":       {events.TypeMessageOpened, `{"recents":[{"opened_id":"7"}]}`, openedOnce(events.Open{OpenedID: 7})},
		"opened_id under its old key": {events.TypeMessageOpened, `{"recents":[{"id":"7"}]}`, openedOnce(events.Open{OpenedID: 7})},
		"opened_id as a float":        {events.TypeMessageOpened, `{"recents":[{"opened_id":7.0}]}`, openedOnce(events.Open{OpenedID: 7})},
		"opened_id null":              {events.TypeMessageOpened, `{"recents":[{"opened_id":null}]}`, openedOnce(events.Open{})},
		"opened_id of 64 bits": {
			events.TypeMessageOpened, `{"recents":[{"opened_id":9223372036854775807},{"opened_id":"-9223372036854775808"}]}`,
			&events.MessageOpened{Recents: []events.Open{{OpenedID: 1<<63 - 1}, {OpenedID: -1 << 63}}},
		},
		"click_id as a number":       {events.TypeMessageLinkClicked, `{"recents":[{"click_id":7}]}`, clickedOnce(events.Click{ClickID: 7})},
		"click_id as a string":       {events.TypeMessageLinkClicked, `{"recents":[{"click_id":"7"}]}`, clickedOnce(events.Click{ClickID: 7})},
		"click_id under its old key": {events.TypeMessageLinkClicked, `{"recents":[{"id":7}]}`, clickedOnce(events.Click{ClickID: 7})},
		"link_index as a number":     {events.TypeMessageLinkClicked, `{"recents":[{"link_index":7}]}`, clickedOnce(events.Click{LinkIndex: 7})},
		"link_index as a string":     {events.TypeMessageLinkClicked, `{"recents":[{"link_index":"7"}]}`, clickedOnce(events.Click{LinkIndex: 7})},
		"link_index of an open":      {events.TypeMessageOpened, `{"recents":[{"link_index":"seven","opened_id":7}]}`, openedOnce(events.Open{OpenedID: 7})},
		"legacy id and link_index as strings": {
			events.TypeLegacyMessageLinkClicked, `{"deltas":[{"object_data":{"metadata":{"recents":[{"id":"7","link_index":"8"}]}}}]}`,
			&events.LegacyMessageLinkClicked{Deltas: []events.Delta[events.LegacyLinkClickedMetadata]{{
				ObjectData: events.ObjectData[events.LegacyLinkClickedMetadata]{
					Metadata: events.LegacyLinkClickedMetadata{Recents: []events.LegacyClick{{ID: 7, LinkIndex: 8}}},
				},
			}}},
		},
		"counts as numbers": {
			events.TypeMessageLinkClicked, `{"link_data":[{"count":7,"url":"u"}]}`,
			&events.MessageLinkClicked{LinkData: []events.LinkData{{Count: 7, URL: "u"}}},
		},
		"counts as strings": {
			events.TypeMessageLinkClicked, `{"link_data":[{"count":"7","url":"u"}]}`,
			&events.MessageLinkClicked{LinkData: []events.LinkData{{Count: 7, URL: "u"}}},
		},
		"count of opens as a string":   {events.TypeMessageOpened, `{"message_data":{"count":"7"}}`, &events.MessageOpened{MessageData: events.MessageData{Count: 7}}},
		"count of replies as a string": {events.TypeThreadReplied, `{"reply_data":{"count":"7"}}`, &events.ThreadReplied{ReplyData: events.ReplyData{Count: 7}}},

		"sender_app_id as a number": {events.TypeMessageOpened, `{"sender_app_id":26302083}`, &events.MessageOpened{SenderAppID: "26302083"}},
		"sender_app_id as a string": {events.TypeMessageOpened, `{"sender_app_id":"26302083"}`, &events.MessageOpened{SenderAppID: "26302083"}},
		"legacy sender_app_id as a number": {
			events.TypeLegacyThreadReplied, `{"deltas":[{"object_data":{"metadata":{"sender_app_id":26302083}}}]}`,
			&events.LegacyThreadReplied{Deltas: []events.Delta[events.LegacyRepliedMetadata]{{
				ObjectData: events.ObjectData[events.LegacyRepliedMetadata]{Metadata: events.LegacyRepliedMetadata{SenderAppID: "26302083"}},
			}}},
		},

		"times as numbers":        {events.TypeMessageOpened, `{"timestamp":1695480567,"recents":[{"timestamp":1695480567}]}`, openedAt(1695480567)},
		"times as strings":        {events.TypeMessageOpened, `{"timestamp":"1695480567","recents":[{"timestamp":"1695480567"}]}`, openedAt(1695480567)},
		"times with a zero point": {events.TypeMessageOpened, `{"timestamp":1695480567.0,"recents":[{"timestamp":1695480567.0}]}`, openedAt(1695480567)},
		"times with a fraction":   {events.TypeMessageOpened, `{"timestamp":1695480567.999,"recents":[{"timestamp":"1695480567.999"}]}`, openedAt(1695480567)},
		"times with an exponent":  {events.TypeMessageOpened, `{"timestamp":1e9,"recents":[{"timestamp":"1E9"}]}`, openedAt(1000000000)},
		"times of 1970":           {events.TypeMessageOpened, `{"timestamp":0,"recents":[{"timestamp":"0"}]}`, openedAt(0)},
		"times before 1970":       {events.TypeMessageOpened, `{"timestamp":-5.5,"recents":[{"timestamp":"-5"}]}`, openedAt(-5)},
		"empty times":             {events.TypeMessageOpened, `{"timestamp":"","recents":[{"timestamp":""}]}`, openedOnce(events.Open{})},
		"null times":              {events.TypeMessageOpened, `{"timestamp":null,"recents":[{"timestamp":null}]}`, openedOnce(events.Open{})},

		"no label":            {events.TypeMessageOpened, `{"message_id":"m-1"}`, &events.MessageOpened{MessageID: "m-1"}},
		"null label":          {events.TypeMessageOpened, `{"message_id":"m-1","label":null}`, &events.MessageOpened{MessageID: "m-1"}},
		"null recents":        {events.TypeMessageOpened, `{"recents":null}`, &events.MessageOpened{}},
		"no recents":          {events.TypeMessageLinkClicked, `{"message_id":"m-1"}`, &events.MessageLinkClicked{MessageID: "m-1"}},
		"empty recents":       {events.TypeMessageOpened, `{"recents":[]}`, &events.MessageOpened{Recents: []events.Open{}}},
		"null event":          {events.TypeMessageOpened, `{"recents":[null,{"opened_id":7},null]}`, openedOnce(events.Open{OpenedID: 7})},
		"null ip":             {events.TypeMessageOpened, `{"recents":[{"ip":null,"user_agent":null}]}`, openedOnce(events.Open{})},
		"null link_data":      {events.TypeMessageLinkClicked, `{"link_data":null}`, &events.MessageLinkClicked{}},
		"null message_data":   {events.TypeMessageOpened, `{"message_data":null}`, &events.MessageOpened{}},
		"null reply_data":     {events.TypeThreadReplied, `{"reply_data":null}`, &events.ThreadReplied{}},
		"null legacy recents": {events.TypeLegacyMessageOpened, `{"deltas":[{"object_data":{"metadata":{"recents":null}}}]}`, legacyOpenedOnce(events.LegacyOpenedMetadata{})},
		"null attributes":     {events.TypeLegacyMessageOpened, `{"deltas":[{"object_data":{"attributes":null,"metadata":{"count":1}}}]}`, legacyOpenedOnce(events.LegacyOpenedMetadata{Count: 1})},
		"null outcome":        {events.TypeMessageDelivered, `{"message":{"to":null,"metadata":null},"delivered":null}`, &events.MessageDelivered{}},
		"null origin":         {events.TypeMessageBounceDetected, `{"origin":null}`, &events.MessageBounceDetected{}},

		"from_self absent": {events.TypeThreadReplied, `{}`, &events.ThreadReplied{}},
		"from_self null":   {events.TypeThreadReplied, `{"from_self":null}`, &events.ThreadReplied{}},
		"from_self true":   {events.TypeThreadReplied, `{"from_self":true}`, &events.ThreadReplied{FromSelf: new(true)}},
		"from_self false":  {events.TypeThreadReplied, `{"from_self":false}`, &events.ThreadReplied{FromSelf: new(false)}},

		"bounce code as a number": {events.TypeMessageBounceDetected, `{"code":550}`, &events.MessageBounceDetected{Code: "550"}},
		"bounce code as a string": {events.TypeMessageBounceDetected, `{"code":"550"}`, &events.MessageBounceDetected{Code: "550"}},
		"addresses as objects": {
			events.TypeMessageBounceDetected, `{"origin":{"from":{"name":"A","email":"a@example.org"},"to":[{"email":"b@example.org"},"c@example.org",null]}}`,
			&events.MessageBounceDetected{Origin: events.BounceOrigin{From: "a@example.org", To: []events.Address{"b@example.org", "c@example.org", ""}}},
		},
		"complained_recipients as objects": {
			events.TypeMessageTransactionalComplaint, `{"complaint":{"complained_recipients":[{"email":"a@example.org"},{"email":"b@example.org"}]}}`,
			&events.MessageTransactionalComplaint{ComplaintOutcome: events.ComplaintOutcome{
				Complaint: events.Complaint{ComplainedRecipients: []events.Address{"a@example.org", "b@example.org"}},
			}},
		},

		"invalid UTF-8 in a label":      {events.TypeMessageOpened, `{"label":"a` + "\xff" + `b"}`, &events.MessageOpened{Label: "a\uFFFDb"}},
		"invalid UTF-8 in a user agent": {events.TypeMessageOpened, `{"recents":[{"user_agent":"a` + "\xc3" + `b"}]}`, openedOnce(events.Open{UserAgent: "a\uFFFDb"})},
		"invalid UTF-8 and an escape":   {events.TypeMessageOpened, `{"recents":[{"user_agent":"\u0061` + "\xff" + `b\n"}]}`, openedOnce(events.Open{UserAgent: "a\uFFFDb\n"})},
		"lone surrogate in a label":     {events.TypeMessageOpened, `{"label":"a\ud800b"}`, &events.MessageOpened{Label: "a\uFFFDb"}},
		"lone surrogate in an agent":    {events.TypeMessageOpened, `{"recents":[{"user_agent":"a\udc00b"}]}`, openedOnce(events.Open{UserAgent: "a\uFFFDb"})},
		"a pair of surrogates":          {events.TypeMessageOpened, `{"recents":[{"user_agent":"\ud83d\ude00"}]}`, openedOnce(events.Open{UserAgent: "😀"})},
		"invalid UTF-8 in an address":   {events.TypeMessageBounceDetected, `{"origin":{"from":"a` + "\xff" + `b"}}`, &events.MessageBounceDetected{Origin: events.BounceOrigin{From: "a\uFFFDb"}}},
		"invalid UTF-8 in a text":       {events.TypeMessageBounceDetected, `{"code":"a` + "\xff" + `b"}`, &events.MessageBounceDetected{Code: "a\uFFFDb"}},
		"invalid UTF-8 in a name":       {events.TypeMessageOpened, `{"` + "\xff" + `":1,"recents":[{"` + "\xff" + `":1,"opened_id":7}]}`, openedOnce(events.Open{OpenedID: 7})},

		"escaped names": {
			events.TypeMessageOpened, `{"\u006cabel":"l","\u0072ecents":[{"\u006fpened_id":7,"user\u005fagent":"a"}]}`,
			&events.MessageOpened{Label: "l", Recents: []events.Open{{OpenedID: 7, UserAgent: "a"}}},
		},
		"an escaped text after what it is written like": {
			events.TypeMessageOpened, `{"recents":[{"user_agent":"\\u0041"},{"user_agent":"\u0041"}]}`,
			&events.MessageOpened{Recents: []events.Open{{UserAgent: `\u0041`}, {UserAgent: "A"}}},
		},
		"the same text again": {
			events.TypeMessageOpened, `{"recents":[{"ip":"i","user_agent":"a"},{"ip":"i","user_agent":"a"},{},{"ip":"j","user_agent":"i"}]}`,
			&events.MessageOpened{Recents: []events.Open{{IP: "i", UserAgent: "a"}, {IP: "i", UserAgent: "a"}, {}, {IP: "j", UserAgent: "i"}}},
		},
		"names in another case are others": {
			events.TypeMessageOpened, `{"Label":"no","MESSAGE_ID":"no","recents":[{"IP":"no","Opened_ID":8}]}`,
			openedOnce(events.Open{}),
		},
		"unknown fields": {
			events.TypeMessageLinkClicked,
			`{"new":{"deep":[{}]},"message_id":"m-1","link_data":[{"new":[],"count":1,"url":"u"}],"recents":[{"new":{"id":9},"click_id":7,"newer":[1]}],"newest":null}`,
			&events.MessageLinkClicked{
				MessageID: "m-1", LinkData: []events.LinkData{{Count: 1, URL: "u"}}, Recents: []events.Click{{ClickID: 7}},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, object(test.typ, withID(test.object)))
			assert.Equal(t, haveID(test.want), n.Data)
			assert.Equal(t, "g-1", n.GrantID)
			assert.Empty(t, n.Odd)
		})
	}
}

// withID adds the ids that an event cannot be without to a data.object.
func withID(object string) string {
	const ids = `{"message_id":"m-1","root_message_id":"m-1","reply_to_message_id":"m-1",`
	if before, metadata, ok := strings.Cut(object, `"metadata":{`); ok && strings.HasPrefix(object, `{"deltas"`) {
		return before + `"metadata":` + ids + metadata
	}
	return strings.Replace(ids+object[1:], ",}", "}", 1)
}

// haveID sets in data what withID wrote.
func haveID(data events.Data) events.Data {
	switch data := data.(type) {
	case *events.MessageOpened:
		data.MessageID = "m-1"
	case *events.MessageLinkClicked:
		data.MessageID = "m-1"
	case *events.ThreadReplied:
		data.MessageID, data.RootMessageID, data.ReplyToMessageID = "m-1", "m-1", "m-1"
	case *events.LegacyMessageOpened:
		data.Deltas[0].ObjectData.Metadata.MessageID = "m-1"
	case *events.LegacyMessageLinkClicked:
		data.Deltas[0].ObjectData.Metadata.MessageID = "m-1"
	case *events.LegacyThreadReplied:
		data.Deltas[0].ObjectData.Metadata.MessageID = "m-1"
		data.Deltas[0].ObjectData.Metadata.ReplyToMessageID = "m-1"
	case *events.MessageBounceDetected:
		data.MessageID = "m-1"
	}
	return data
}

func openedOnce(open events.Open) *events.MessageOpened {
	return &events.MessageOpened{Recents: []events.Open{open}}
}

func openedAt(seconds int64) *events.MessageOpened {
	return &events.MessageOpened{Timestamp: unix(seconds), Recents: []events.Open{{Timestamp: unix(seconds)}}}
}

func clickedOnce(click events.Click) *events.MessageLinkClicked {
	return &events.MessageLinkClicked{Recents: []events.Click{click}}
}

func legacyOpenedOnce(metadata events.LegacyOpenedMetadata) *events.LegacyMessageOpened {
	return &events.LegacyMessageOpened{Deltas: []events.Delta[events.LegacyOpenedMetadata]{{
		ObjectData: events.ObjectData[events.LegacyOpenedMetadata]{Metadata: metadata},
	}}}
}

func TestParseForgivesInTheEnvelope(t *testing.T) {
	t.Parallel()
	const data = `"data":{"grant_id":"g-1","object":{"message_id":"m-1"}}`
	base := events.Notification{ID: "n-1", Type: events.TypeMessageOpened, GrantID: "g-1", Data: &events.MessageOpened{MessageID: "m-1"}}
	with := func(change func(n *events.Notification)) events.Notification {
		n := base
		change(&n)
		return n
	}
	attempt3 := with(func(n *events.Notification) { n.DeliveryAttempt = 3 })
	at := with(func(n *events.Notification) { n.Time = unix(1695480567) })
	tests := map[string]struct {
		body string
		want events.Notification
	}{
		"attempt as a number": {`{"id":"n-1","type":"message.opened","webhook_delivery_attempt":3,` + data + `}`, attempt3},
		"attempt as a string": {`{"id":"n-1","type":"message.opened","webhook_delivery_attempt":"3",` + data + `}`, attempt3},
		"attempt null":        {`{"id":"n-1","type":"message.opened","webhook_delivery_attempt":null,` + data + `}`, base},
		"time as a number":    {`{"id":"n-1","type":"message.opened","time":1695480567,` + data + `}`, at},
		"time as a string":    {`{"id":"n-1","type":"message.opened","time":"1695480567",` + data + `}`, at},
		"time as a float":     {`{"id":"n-1","type":"message.opened","time":1695480567.5,` + data + `}`, at},
		"time with exponent":  {`{"id":"n-1","type":"message.opened","time":1.695480567e9,` + data + `}`, at},
		"time empty":          {`{"id":"n-1","type":"message.opened","time":"",` + data + `}`, base},
		"time null":           {`{"id":"n-1","type":"message.opened","time":null,` + data + `}`, base},
		"specversion as a number": {
			`{"id":"n-1","type":"message.opened","specversion":1.0,` + data + `}`,
			with(func(n *events.Notification) { n.SpecVersion = "1.0" }),
		},
		"source null":             {`{"id":"n-1","type":"message.opened","source":null,` + data + `}`, base},
		"data before id and type": {`{` + data + `,"type":"message.opened","id":"n-1"}`, base},
		"data between":            {`{"type":"message.opened",` + data + `,"id":"n-1"}`, base},
		"white space":             {" \n\t\r{ \"id\" :\n\"n-1\" , \"type\":\t\"message.opened\"," + data + "}\r\n ", base},
		"escaped names":           {`{"\u0069d":"n-1","t\u0079pe":"message.opened","\u0064ata":{"\u0067rant_id":"g-1","\u006fbject":{"message_id":"m-1"}}}`, base},
		"escaped values":          {`{"id":"n\u002d1","type":"message\u002eopened",` + data + `}`, base},
		"unknown fields":          {`{"new":[{"id":"no"}],"id":"n-1","type":"message.opened","newer":{"type":"no"},` + data + `,"newest":1}`, base},
		"unknown fields in data": {
			`{"id":"n-1","type":"message.opened","data":{"new":{"grant_id":"no"},"grant_id":"g-1","object":{"message_id":"m-1"},"newer":[]}}`, base,
		},
		"unknown fields twice":    {`{"new":1,"id":"n-1","type":"message.opened","new":2,` + data + `}`, base},
		"names in another case":   {`{"ID":"no","Type":"no","id":"n-1","type":"message.opened","DATA":1,` + data + `}`, base},
		"application_id a number": {`{"id":"n-1","type":"message.opened","data":{"application_id":5,"grant_id":"g-1","object":{"message_id":"m-1"}}}`, with(func(n *events.Notification) { n.ApplicationID = "5" })},
		"id that is only as long as it may be": {
			`{"id":"` + strings.Repeat("i", events.MaxIDBytes) + `","type":"message.opened",` + data + `}`,
			with(func(n *events.Notification) { n.ID = strings.Repeat("i", 256) }),
		},
		"id that is not ASCII": {`{"id":"né 你 😀","type":"message.opened",` + data + `}`, with(func(n *events.Notification) { n.ID = "né 你 😀" })},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parse(t, []byte(test.body))
			got.Raw = nil
			assert.Equal(t, &test.want, got)
		})
	}
}

// Nylas promises 50, and nothing is lost if it sends more.
func TestParseManyRecents(t *testing.T) {
	t.Parallel()
	const many = 10_000
	data := dataOf[*events.MessageOpened](t, openedWith(many))
	require.Len(t, data.Recents, many)
	for i, open := range data.Recents {
		require.Equal(t, events.Int(i), open.OpenedID)
		require.Equal(t, fmt.Sprintf("203.0.113.%d", i), open.IP)
		require.Equal(t, unix(int64(1695480567+61*i)), open.Timestamp)
		require.NotEmpty(t, open.UserAgent)
	}
}

func TestParseUnknown(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ         events.Type
		data        string
		application string
		grant       string
	}{
		"an object": {
			typ: "calendar.updated", data: `{"application_id":"app-1","grant_id":"g-1","object":{"code":25013}}`,
			application: "app-1", grant: "g-1",
		},
		"the grant in the object":       {typ: "calendar.updated", data: `{"object":{"new":[],"grant_id":"g-2"}}`, grant: "g-2"},
		"the grant in both":             {typ: "calendar.updated", data: `{"object":{"grant_id":"g-2"},"grant_id":"g-1"}`, grant: "g-1"},
		"ids of a wrong kind":           {typ: "calendar.updated", data: `{"application_id":5,"grant_id":{},"object":[]}`, application: "5"},
		"a grant of a wrong kind":       {typ: "calendar.updated", data: `{"object":{"grant_id":5}}`, grant: "5"},
		"an array":                      {typ: "calendar.updated", data: `[{"grant_id":"no"}]`},
		"a string":                      {typ: "calendar.updated", data: `"text"`},
		"a number":                      {typ: "calendar.updated", data: `-1.5e3`},
		"null":                          {typ: "calendar.updated", data: `null`},
		"a trigger of tomorrow":         {typ: "message.teleported", data: `{"grant_id":"g-1"}`, grant: "g-1"},
		"not even a trigger":            {typ: "?", data: `{}`},
		"a known trigger's other case":  {typ: "Message.Opened", data: `{"object":5}`},
		"a suffix of tomorrow":          {typ: "message.opened.shrunk", data: `{"object":5}`},
		"a metadata trigger":            {typ: "message.opened.metadata", data: `{"object":5}`},
		"legacy of a trigger without":   {typ: "message.send_failed.legacy", data: `{"object":5}`},
		"a known suffix on an unknown":  {typ: "message.created.truncated", data: `{"grant_id":"g-1"}`, grant: "g-1"},
		"duplicates and invalid UTF-8":  {typ: "calendar.updated", data: `{"a":1,"a":2,"b":"` + "\xff" + `","grant_id":"g-1","grant_id":"g-2"}`, grant: "g-2"},
		"invalid UTF-8 in the grant id": {typ: "calendar.updated", data: `{"grant_id":"g` + "\xff" + `"}`, grant: "g\uFFFD"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, envelope(test.typ, test.data))
			assert.Equal(t, &events.Unknown{Data: json.RawMessage(test.data)}, n.Data)
			assert.Equal(t, test.typ, n.Type)
			assert.Equal(t, test.application, n.ApplicationID)
			assert.Equal(t, test.grant, n.GrantID)
			assert.Nil(t, n.Tracked())
		})
	}
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		n := parse(t, []byte(`{"id":"n-1","type":"calendar.updated"}`))
		assert.Equal(t, &events.Unknown{}, n.Data)
	})
	for _, typ := range unknownTypes {
		t.Run(string(typ), func(t *testing.T) {
			t.Parallel()
			dataOf[*events.Unknown](t, envelope(typ, `{}`))
		})
	}
}

func TestParseWithSuffixes(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{".truncated", ".transformed", ".cleaned", ".cleaned.truncated", ".transformed.cleaned.truncated"} {
		for _, s := range samples() {
			t.Run(string(s.typ)+suffix, func(t *testing.T) {
				t.Parallel()
				want := s.notification()
				want.Type += events.Type(suffix)
				body, err := json.Marshal(want)
				require.NoError(t, err)
				got := parse(t, body)
				got.Raw = nil
				assert.Equal(t, &want, got)
			})
		}
	}
}

func TestParseGrantID(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(string(s.typ), func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, "outer", parse(t, envelope(s.typ, `{"grant_id":"outer","object":`+withIDs(`{"grant_id":"inner"}`)+`}`)).GrantID)
			assert.Equal(t, "outer", parse(t, envelope(s.typ, `{"object":`+withIDs(`{"grant_id":"inner"}`)+`,"grant_id":"outer"}`)).GrantID)
			inner := "inner"
			switch s.data.(type) {
			case *events.MessageTransactionalBounced, *events.MessageTransactionalComplaint, *events.MessageTransactionalDelivered,
				*events.MessageTransactionalRejected, *events.MessageBounced, *events.MessageComplaint, *events.MessageDelivered, *events.MessageRejected:
				inner = "" // the object of a delivery outcome has no grant
			}
			assert.Equal(t, inner, parse(t, envelope(s.typ, `{"object":`+withIDs(`{"grant_id":"inner"}`)+`}`)).GrantID)
			assert.Empty(t, parse(t, envelope(s.typ, `{"object":`+withIDs(`{}`)+`}`)).GrantID)
			assert.Empty(t, parse(t, envelope(s.typ, withIDs(`{}`))).GrantID)
		})
	}
}

// withIDs is withID for the data.object of any trigger.
func withIDs(object string) string {
	legacy := `,"deltas":[{"object_data":{"metadata":{"message_id":"m-1","reply_to_message_id":"m-1"}}}]}`
	return strings.Replace(strings.TrimSuffix(withID(object), "}")+legacy, "{,", "{", 1)
}

func TestMetadataTakesWhatIsNotAString(t *testing.T) {
	t.Parallel()
	n := parse(t, []byte(`{"id":"n-1","type":"message.delivered","data":{"object":{"message":{"id":"m-1",`+
		`"metadata":{"campaign":"welcome","try":2,"nested":{"a":[true]}}}}}}`))
	data, ok := n.Data.(*events.MessageDelivered)
	require.True(t, ok)
	assert.Equal(t, events.Metadata{"campaign": "welcome", "try": "2", "nested": `{"a":[true]}`}, data.Message.Metadata)
}

func TestBouncedMessageIDBesideTheObject(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"before": `{"message_id":"m-1","object":{"code":"550"}}`,
		"after":  `{"object":{"code":"550"},"message_id":"m-1"}`,
		"both":   `{"object":{"code":"550","message_id":"m-1"},"message_id":"m-2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := parse(t, []byte(`{"id":"n-1","type":"message.bounce_detected","data":`+data+`}`))
			assert.Equal(t, []events.Tracked{{MessageID: "m-1"}}, n.Tracked())
		})
	}
	other := parse(t, []byte(`{"id":"n-1","type":"message.opened","data":{"message_id":"m-1","object":{"message_id":"m-2"}}}`))
	assert.Equal(t, []events.Tracked{{MessageID: "m-2"}}, other.Tracked())
}
