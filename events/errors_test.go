package events_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// maxDepth is how deep the JSON library follows arrays and objects.
const maxDepth = 10_000

type failure struct {
	body string
	is   error
	text string // the rule and the place
}

// notJSON are inputs that are not exactly one JSON value.
var notJSON = map[string]failure{
	"empty":                {"", events.ErrNotJSON, "empty"},
	"white space":          {" \n", events.ErrNotJSON, "empty"},
	"byte order mark":      {"\xef\xbb\xbf" + `{"id":"n-1","type":"t"}`, events.ErrNotJSON, "syntax error at byte 0"},
	"comment":              {`/* */{"id":"n-1","type":"t"}`, events.ErrNotJSON, "syntax error at byte 0"},
	"comment within":       {`{"id":"n-1",// here` + "\n" + `"type":"t"}`, events.ErrNotJSON, "syntax error at byte 12"},
	"single quotes":        {`{'id':'n-1'}`, events.ErrNotJSON, "syntax error at byte 1"},
	"lone end":             {`}`, events.ErrNotJSON, "syntax error at byte 0"},
	"lone end of an array": {`]`, events.ErrNotJSON, "syntax error at byte 0"},
	"leading comma":        {`{,"id":"n-1","type":"t"}`, events.ErrNotJSON, "syntax error at byte 1"},
	"no value":             {`{"id":}`, events.ErrNotJSON, "syntax error at byte 6"},
	"no value in an array": {`{"id":]}`, events.ErrNotJSON, "syntax error at byte 6"},
	"no comma":             {`{"id":"n-1" "type":"t"}`, events.ErrNotJSON, "syntax error at byte 12"},
	"no colon":             {`{"id" "n-1"}`, events.ErrNotJSON, "syntax error at byte 6"},
	"name not a string":    {`{1:"n-1"}`, events.ErrNotJSON, "syntax error at byte 1"},
	"bad escape":           {`{"id":"\x"}`, events.ErrNotJSON, "syntax error at byte 7"},
	"line feed in an id":   {"{\"id\":\"a\nb\"}", events.ErrNotJSON, "syntax error at byte 8"},
	"cut off in an id":     {`{"id":"n-`, events.ErrNotJSON, "cut off after 9 bytes"},
	"cut off in a name":    {`{"id":"n-1","ty`, events.ErrNotJSON, "cut off after 15 bytes"},
	"cut off in a literal": {`{"new":tr`, events.ErrNotJSON, "cut off after 9 bytes"},
	"too deep before the id": {
		`{"new":` + nested(maxDepth) + `,"id":"n-1","type":"t"}`, events.ErrNotJSON, "syntax error at byte",
	},
}

// badEnvelope are inputs that are no notification, as Peek can tell as well.
var badEnvelope = map[string]failure{
	"null":    {`null`, events.ErrEnvelope, "want an object"},
	"array":   {`[]`, events.ErrEnvelope, "want an object"},
	"string":  {`"x"`, events.ErrEnvelope, "want an object"},
	"number":  {`5`, events.ErrEnvelope, "want an object"},
	"boolean": {`true`, events.ErrEnvelope, "want an object"},

	"nothing":              {`{}`, events.ErrEnvelope, "id is missing"},
	"id missing":           {`{"type":"message.opened","data":{}}`, events.ErrEnvelope, "id is missing"},
	"id elsewhere":         {`{"type":"message.opened","data":{"id":"n-1"}}`, events.ErrEnvelope, "id is missing"},
	"ID":                   {`{"ID":"n-1","type":"message.opened","data":{}}`, events.ErrEnvelope, "id is missing"},
	"id empty":             {`{"id":"","type":"message.opened","data":{}}`, events.ErrEnvelope, "id is empty"},
	"id empty, then not":   {`{"id":"","id":"n-1","type":"message.opened","data":{}}`, events.ErrEnvelope, "id is given twice"},
	"id null":              {`{"id":null,"type":"message.opened","data":{}}`, events.ErrEnvelope, "id is not a string"},
	"id a number":          {`{"id":1,"type":"message.opened","data":{}}`, events.ErrEnvelope, "id is not a string"},
	"id an object":         {`{"id":{},"type":"message.opened","data":{}}`, events.ErrEnvelope, "id is not a string"},
	"id too long":          {`{"id":"` + strings.Repeat("i", 257) + `","type":"message.opened","data":{}}`, events.ErrEnvelope, "id is longer than 256 bytes"},
	"id too long in bytes": {`{"id":"` + strings.Repeat("é", 129) + `","type":"message.opened","data":{}}`, events.ErrEnvelope, "id is longer than 256 bytes"},
	"id with a line feed":  {`{"id":"a\nb","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},
	"id with DEL":          {`{"id":"a` + "\x7f" + `b","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},
	"id with NUL":          {`{"id":"a\u0000b","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},
	"id with U+FFFD":       {`{"id":"a\ufffdb","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},
	"id not UTF-8":         {`{"id":"a` + "\xff" + `b","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},
	"id a lone surrogate":  {`{"id":"a\ud800b","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},
	"id with zero width":   {`{"id":"a\u200bb","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},
	"id with other space":  {`{"id":"a\u00a0b","type":"message.opened","data":{}}`, events.ErrEnvelope, "id has characters that cannot be printed"},

	"type missing":           {`{"id":"n-1","data":{}}`, events.ErrEnvelope, "type is missing"},
	"Type":                   {`{"id":"n-1","Type":"message.opened","data":{}}`, events.ErrEnvelope, "type is missing"},
	"type empty":             {`{"id":"n-1","type":"","data":{}}`, events.ErrEnvelope, "type is empty"},
	"type null":              {`{"id":"n-1","type":null,"data":{}}`, events.ErrEnvelope, "type is not a string"},
	"type a number":          {`{"id":"n-1","type":1,"data":{}}`, events.ErrEnvelope, "type is not a string"},
	"type an array":          {`{"id":"n-1","type":["message.opened"],"data":{}}`, events.ErrEnvelope, "type is not a string"},
	"type too long":          {`{"id":"n-1","type":"` + strings.Repeat("t", 257) + `","data":{}}`, events.ErrEnvelope, "type is longer than 256 bytes"},
	"type with a tab":        {`{"id":"n-1","type":"message\topened","data":{}}`, events.ErrEnvelope, "type has characters that cannot be printed"},
	"type with NUL":          {`{"id":"n-1","type":"message.opened\u0000","data":{}}`, events.ErrEnvelope, "type has characters that cannot be printed"},
	"type with U+FFFD":       {`{"id":"n-1","type":"message.opened\ufffd","data":{}}`, events.ErrEnvelope, "type has characters that cannot be printed"},
	"type not UTF-8":         {`{"id":"n-1","type":"message.opened` + "\xff" + `","data":{}}`, events.ErrEnvelope, "type has characters that cannot be printed"},
	"type before a bad id":   {`{"type":"message.opened","id":false}`, events.ErrEnvelope, "id is not a string"},
	"type bad before an id":  {`{"type":false,"id":"n-1"}`, events.ErrEnvelope, "type is not a string"},
	"id after broken data":   {`{"data":{"object":5},"type":"message.opened"}`, events.ErrEnvelope, "id is missing"},
	"type after broken data": {`{"data":{"object":5},"id":"n-1"}`, events.ErrEnvelope, "type is missing"},
}

// behind are inputs whose fault stands behind id and type, where Peek does not
// look.
var behind = map[string]failure{
	"two documents":           {`{"id":"n-1","type":"t"}{"id":"n-2","type":"t"}`, events.ErrNotJSON, "something follows the notification"},
	"a value behind":          {`{"id":"n-1","type":"t"} null`, events.ErrNotJSON, "something follows the notification"},
	"garbage behind":          {`{"id":"n-1","type":"t"} x`, events.ErrNotJSON, "syntax error at byte 24"},
	"an end too many":         {`{"id":"n-1","type":"t"}}`, events.ErrNotJSON, "syntax error at byte 23"},
	"a comma behind":          {`{"id":"n-1","type":"t"},`, events.ErrNotJSON, "syntax error at byte 23"},
	"NUL behind":              {`{"id":"n-1","type":"t"}` + "\x00", events.ErrNotJSON, "syntax error at byte 23"},
	"trailing comma":          {`{"id":"n-1","type":"t",}`, events.ErrNotJSON, "syntax error at byte 23"},
	"the wrong end":           {`{"id":"n-1","type":"t"]`, events.ErrNotJSON, "syntax error at byte 22"},
	"cut off":                 {`{"id":"n-1","type":"t"`, events.ErrNotJSON, "cut off after 22 bytes"},
	"no data":                 {`{"id":"n-1","type":"message.opened","data":}`, events.ErrNotJSON, "syntax error at byte 43"},
	"no time":                 {`{"id":"n-1","type":"message.opened","time":}`, events.ErrNotJSON, "syntax error at byte 43"},
	"no recents":              {string(object("message.opened", `{"recents":}`)), events.ErrNotJSON, "syntax error at byte"},
	"wrong end in recents":    {string(object("message.opened", `{"recents":[}}`)), events.ErrNotJSON, "syntax error at byte"},
	"wrong end in an event":   {string(object("message.opened", `{"recents":[{]}`)), events.ErrNotJSON, "syntax error at byte"},
	"no value in an event":    {string(object("message.opened", `{"recents":[{"ip":}]}`)), events.ErrNotJSON, "syntax error at byte"},
	"no scalar in an event":   {string(object("message.opened", `{"recents":[{"opened_id":}]}`)), events.ErrNotJSON, "syntax error at byte"},
	"broken event":            {string(object("message.opened", `{"recents":[{"opened_id":01}]}`)), events.ErrNotJSON, "syntax error at byte"},
	"broken null event":       {string(object("message.opened", `{"recents":[nul]}`)), events.ErrNotJSON, "syntax error at byte"},
	"broken null recents":     {string(object("message.opened", `{"recents":nul}`)), events.ErrNotJSON, "syntax error at byte"},
	"broken send outcome":     {string(object("message.send_failed", `{"id":}`)), events.ErrNotJSON, "syntax error at byte"},
	"broken unknown":          {string(object("contact.updated", `{"id":}`)), events.ErrNotJSON, "syntax error at byte"},
	"too deep in a field":     {string(object("message.opened", `{"new":`+nested(maxDepth)+`}`)), events.ErrNotJSON, "syntax error at byte"},
	"too deep in an event":    {string(object("message.opened", `{"recents":[{"new":`+nested(maxDepth)+`}]}`)), events.ErrNotJSON, "syntax error at byte"},
	"too deep in an unknown":  {string(object("contact.updated", nested(maxDepth))), events.ErrNotJSON, "syntax error at byte"},
	"too deep in an outcome":  {string(object("message.send_failed", nested(maxDepth))), events.ErrNotJSON, "syntax error at byte"},
	"id twice":                {`{"id":"n-1","type":"contact.updated","id":"n-1"}`, events.ErrEnvelope, "id is given twice"},
	"id twice in a row":       {`{"id":"n-1","id":"n-2","type":"contact.updated"}`, events.ErrEnvelope, "id is given twice"},
	"id twice after data":     {`{"id":"n-1","type":"message.opened","data":{"object":{}},"id":"n-2"}`, events.ErrEnvelope, "id is given twice"},
	"id twice, escaped":       {`{"id":"n-1","type":"message.opened","data":{"object":{}},"\u0069d":"n-2"}`, events.ErrEnvelope, "id is given twice"},
	"id twice, not a string":  {`{"id":"n-1","type":"message.opened","data":{"object":{}},"id":null}`, events.ErrEnvelope, "id is given twice"},
	"type twice":              {`{"id":"n-1","type":"contact.updated","type":"contact.updated"}`, events.ErrEnvelope, "type is given twice"},
	"type twice after data":   {`{"id":"n-1","type":"message.opened","data":{"object":{}},"type":"thread.replied"}`, events.ErrEnvelope, "type is given twice"},
	"data missing":            {`{"id":"n-1","type":"message.opened"}`, events.ErrEnvelope, "data is missing"},
	"data missing, suffix":    {`{"id":"n-1","type":"message.send_failed.truncated"}`, events.ErrEnvelope, "data is missing"},
	"Data":                    {`{"id":"n-1","type":"message.opened","Data":{"object":{}}}`, events.ErrEnvelope, "data is missing"},
	"data twice":              {`{"id":"n-1","type":"message.opened","data":{"object":{}},"data":{"object":{}}}`, events.ErrEnvelope, "data is given twice"},
	"data twice, unknown":     {`{"id":"n-1","type":"contact.updated","data":1,"data":2}`, events.ErrEnvelope, "data is given twice"},
	"data null":               {string(envelope("message.opened", `null`)), events.ErrData, "data: want an object"},
	"data an array":           {string(envelope("message.opened", `[]`)), events.ErrData, "data: want an object"},
	"data text":               {string(envelope("thread.replied.legacy", `"x"`)), events.ErrData, "data: want an object"},
	"data too deep an array":  {string(envelope("message.opened", nested(maxDepth))), events.ErrNotJSON, "syntax error at byte"},
	"outcome's data null":     {string(envelope("message.send_failed", `null`)), events.ErrData, "data: want an object"},
	"outcome's data an array": {string(envelope("message.send_success", `[]`)), events.ErrData, "data: want an object"},
	"object an array":         {string(object("message.opened", `[]`)), events.ErrData, "data.object.message_id: missing or cannot be read"},
	"object text":             {string(object("message.opened", `"message"`)), events.ErrData, "data.object.message_id: missing or cannot be read"},
	"object null":             {string(object("message.opened", `null`)), events.ErrData, "data.object.message_id: missing or cannot be read"},
	"no object":               {string(envelope("message.link_clicked", `{}`)), events.ErrData, "data.object.message_id: missing or cannot be read"},
	"message_id empty":        {string(object("message.opened", `{"message_id":""}`)), events.ErrData, "data.object.message_id: missing or cannot be read"},
	"message_id null":         {string(object("message.link_clicked", `{"message_id":null}`)), events.ErrData, "data.object.message_id: missing or cannot be read"},
	"message_id an object":    {string(object("message.opened", `{"message_id":{}}`)), events.ErrData, "data.object.message_id: missing or cannot be read"},
	"a reply to nothing":      {string(object("thread.replied", `{"message_id":"r-1"}`)), events.ErrData, "data.object: root_message_id and thread_id are missing"},
	"deltas null":             {string(object("message.opened.legacy", `{"deltas":null}`)), events.ErrData, "data.object.deltas: want one with message_id in its metadata"},
	"deltas empty":            {string(object("message.link_clicked.legacy", `{"deltas":[]}`)), events.ErrData, "data.object.deltas: want one with message_id in its metadata"},
	"deltas of nothing":       {string(object("message.opened.legacy", `{"deltas":[null,{},5,{"object_data":null},{"object_data":{"metadata":null}}]}`)), events.ErrData, "data.object.deltas: want one with message_id in its metadata"},
	"delta an empty object":   {string(object("message.opened.legacy", `{"deltas":{}}`)), events.ErrData, "data.object.deltas: want one with message_id in its metadata"},
	"a legacy reply to nothing": {
		string(object("thread.replied.legacy", `{"deltas":[{"object_data":{"metadata":{"message_id":"r-1"}}}]}`)),
		events.ErrData, "data.object.deltas: want one with reply_to_message_id or thread_id in its metadata",
	},
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, group := range []map[string]failure{notJSON, badEnvelope, behind} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				n, err := events.Parse([]byte(test.body))
				assert.Nil(t, n)
				requireFailure(t, test, err)
			})
		}
	}
}

func TestPeekErrors(t *testing.T) {
	t.Parallel()
	for _, group := range []map[string]failure{notJSON, badEnvelope} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				id, typ, err := events.Peek([]byte(test.body))
				assert.False(t, id != "" && typ != "", "both can be used: %q, %q", id, typ)
				requireFailure(t, test, err)
			})
		}
	}
}

// requireFailure checks that an error is one of the three, exactly, and what it
// says.
func requireFailure(t *testing.T, want failure, err error) {
	t.Helper()
	require.ErrorIs(t, err, want.is)
	for _, sentinel := range []error{events.ErrNotJSON, events.ErrEnvelope, events.ErrData} {
		if !errors.Is(want.is, sentinel) {
			require.NotErrorIs(t, err, sentinel)
		}
	}
	require.ErrorContains(t, err, want.is.Error()+": "+want.text)
}

// A notification that was cut off is never taken for a whole one.
func TestParseCutOff(t *testing.T) {
	t.Parallel()
	for _, name := range notificationFixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := []byte(strings.TrimSpace(string(fixture(t, name))))
			for length := range whole {
				n, err := events.Parse(whole[:length:length])
				require.Nil(t, n)
				require.ErrorIsf(t, err, events.ErrNotJSON, "cut off after %d bytes", length)
			}
			parse(t, whole)
		})
	}
}

// An error text goes into logs; nothing that a stranger wrote may be in it.
func TestErrorsHoldNothingOfTheNotification(t *testing.T) {
	t.Parallel()
	const marker = "s3cr3t_marker"
	const escaped = `\u00733cr3t_marker`
	bodies := []string{
		marker, `"` + marker, `{"` + marker, `{"` + marker + `":` + marker, `{"id":"` + marker + `"`, `{"id":"` + marker + `"}`,
		`{"id":"` + marker + `\n","type":"t"}`, `{"id":"` + marker + `","type":"` + marker + `\n"}`,
		`{"id":"` + strings.Repeat(marker, 30) + `","type":"t"}`,
		`{"id":"` + marker + `","type":"` + marker + `"}` + marker, `{"id":"` + marker + `","type":"` + marker + `"}"` + marker + `"`,
		`{"id":"` + marker + `","type":"` + marker + `","id":"` + marker + `"}`,
		`{"id":"` + marker + `","type":"message.opened"}`,
		`{"id":"n-1","type":"t","time":"` + marker + `"}`,
		`{"id":"n-1","type":"t","webhook_delivery_attempt":"` + marker + `"}`,
		`{"id":"n-1","type":"t","source":{"` + marker + `":"` + marker + `"}}`,
	}
	for _, s := range samples() {
		for _, data := range []string{`"` + marker + `"`, `["` + marker + `"]`, `{"` + marker + `":` + marker + `}`} {
			bodies = append(bodies, string(envelope(s.typ, data)), string(object(s.typ, data)))
		}
	}
	fields := map[events.Type][]string{
		events.TypeMessageOpened:            {`{"message_id":%}`, `{"recents":[{"opened_id":%}]}`, `{"recents":[{"ip":%}]}`, `{"recents":%}`, `{"timestamp":%}`, `{"message_data":{"count":%}}`},
		events.TypeMessageLinkClicked:       {`{"link_data":[{"url":%}]}`, `{"recents":[{"link_index":%,"user_agent":%}]}`},
		events.TypeThreadReplied:            {`{"from_self":%}`, `{"reply_data":%}`, `{"sender_app_id":%}`},
		events.TypeLegacyMessageLinkClicked: {`{"deltas":[{"object_data":{"metadata":{"recents":[{"id":%}]}}}]}`, `{"deltas":[{"object_data":{"metadata":%}}]}`},
		events.TypeMessageSendFailed:        {`{"error":{"status_code":%}}`, `{"from":%}`, `{"to":[{"email":%}]}`, `{"use_draft":%}`},
		events.TypeMessageBounceDetected:    {`{"origin":{"from":{"email":%}}}`, `{"origin":{"to":%}}`, `{"origin":%}`},
		events.TypeMessageDelivered: {
			`{"message":{"metadata":%}}`, `{"message":{"metadata":{"` + marker + `":5}}}`, `{"message":{"metadata":{"` + escaped + `":[%]}}}`,
			`{"message":{"metadata":{"a/` + marker + `~":{"` + marker + `":%}}}}`, `{"message":%}`, `{"delivered":{"recipients":[%]}}`,
		},
	}
	for typ, objects := range fields {
		for _, template := range objects {
			for _, value := range []string{
				`"` + marker + `"`, `"` + escaped + `"`, `["` + marker + `"]`, `{"` + marker + `":"` + marker + `"}`, `{"email":["` + marker + `"]}`, marker, `"` + marker,
			} {
				bodies = append(bodies, string(object(typ, strings.ReplaceAll(template, "%", value))))
			}
		}
	}
	failed := 0
	for _, body := range bodies {
		_, parseErr := events.Parse([]byte(body))
		_, _, peekErr := events.Peek([]byte(body))
		for _, err := range []error{parseErr, peekErr} {
			if err != nil {
				failed++
				require.NotContainsf(t, err.Error(), "s3cr", "the error repeats what is in %s", body)
			}
		}
	}
	assert.Greater(t, failed, len(bodies)/2, "the bodies no longer fail")
}
