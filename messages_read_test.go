package nylas_test

import (
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

func TestGetMessage(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/messages.get-headers.response.json"),
		answersFile(t, 200, "http/messages.get-tracking.response.json"), answersFile(t, 200, "http/messages.get-tracking.response.json"))
	messages := w.client(t).Messages
	reply, err := messages.Get(t.Context(), testGrant, testID)
	require.NoError(t, err)
	assert.Equal(t, &nylas.Message{
		ID: testID, Object: "message", GrantID: testGrant, ThreadID: "t-1", Subject: "Automatic reply: Quick follow-up",
		Body: "<p>I am out of the office.</p>", Date: events.At(time.Unix(1635355739, 0)),
		From: []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}}, To: []nylas.Participant{{Email: "sales@acme.dev"}},
		Folders: []string{"INBOX"}, Unread: true, Metadata: events.Metadata{"key1": "v1"},
		Headers: []nylas.Header{
			{Name: "Message-ID", Value: "<r@example.org>"}, {Name: "In-Reply-To", Value: "<m@acme.dev>"},
			{Name: "Auto-Submitted", Value: "auto-replied"},
		},
	}, reply)
	assert.Equal(t, nylas.AutoSubmittedReplied, reply.AutoSubmitted())

	sent, err := messages.Get(t.Context(), testGrant, testID, nil)
	require.NoError(t, err)
	assert.Equal(t, &nylas.Message{
		ID: testID, TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, Label: "q2"},
	}, sent)
	assert.Equal(t, nylas.AutoSubmittedUnknown, sent.AutoSubmitted())

	_, err = messages.Get(t.Context(), testGrant, "<CAF=x+y/z@mail.example.org>",
		nylas.WithFields(nylas.FieldsIncludeHeaders), nylas.WithSelect("id", "headers"), nylas.WithQueryIMAP(),
		nylas.WithSharedFrom("kim@example.org"))
	require.NoError(t, err)
	for i, recorded := range []string{"messages.get", "messages.get", "messages.get-all"} {
		assertRecorded(t, "http/"+recorded+".request.json", w.requests()[i])
	}
}

// An option that a call does not know is refused, and not ignored.
func TestOptionsOfGetElsewhere(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	client := w.client(t)
	for name, opt := range map[string]nylas.RequestOption{
		"WithFields": nylas.WithFields(nylas.FieldsStandard), "WithSelect": nylas.WithSelect("id"),
		"WithQueryIMAP": nylas.WithQueryIMAP(), "WithSharedFrom": nylas.WithSharedFrom("kim@example.org"),
	} {
		_, err := client.Messages.Send(t.Context(), testGrant, markedMessage(), opt)
		require.EqualError(t, err, "nylas: send message: "+name+": only Messages.Get takes this option")
		assertSentinels(t, err, nylas.ErrInvalidRequest)
		require.Error(t, onlyError(client.Messages.List(t.Context(), testGrant, nil, opt)))
	}
	assert.Empty(t, w.requests())
}

// TestListMessagesInPages goes over an empty page, and over null in a page.
func TestListMessagesInPages(t *testing.T) {
	t.Parallel()
	first, empty, last := answersFile(t, 200, "http/messages.list-1.response.json"),
		answersFile(t, 200, "http/messages.list-empty.response.json"), answersFile(t, 200, "http/messages.list-last.response.json")
	w := newWire(t, first, empty, last, first)
	req := &nylas.ListMessagesRequest{ThreadID: "t-1", PageToken: "c-0"}
	list := w.client(t).Messages.List(t.Context(), testGrant, req)
	assert.Empty(t, w.requests(), "nothing is asked before it is needed")
	var got []string
	for message, err := range list {
		require.NoError(t, err)
		got = append(got, message.ID)
	}
	assert.Equal(t, []string{"m-1", "m-2", "m-3"}, got)
	assert.Equal(t, &nylas.ListMessagesRequest{ThreadID: "t-1", PageToken: "c-0"}, req)
	next, stop := iter.Pull2(list)
	message, err, _ := next()
	require.NoError(t, err)
	assert.Equal(t, "m-1", message.ID)
	stop()
	const target = "/v3/grants/" + testGrant + "/messages?page_token="
	for i, token := range []string{"c-0", "c-1", "c%2F2+%2B", "c-0"} {
		assert.Equal(t, target+token+"&thread_id=t-1", w.requests()[i].target)
	}
}

func TestListMessagesQueries(t *testing.T) {
	t.Parallel()
	last := answersFile(t, 200, "http/messages.list-last.response.json")
	w := newWire(t, last, last, last)
	messages := w.client(t).Messages
	require.NoError(t, onlyError(messages.List(t.Context(), testGrant, nil)))
	require.NoError(t, onlyError(messages.List(t.Context(), testGrant, &nylas.ListMessagesRequest{})))
	full := &nylas.ListMessagesRequest{
		PageSize: 20, PageToken: "p-1", Fields: nylas.FieldsIncludeTrackingOptions, Select: []string{"id", "from"}, ThreadID: "t-1",
		From: "kim@example.org", To: "sales@acme.dev", CC: "cc@example.org", BCC: "bcc@example.org",
		AnyEmail: []string{"a@example.org", "b@example.org"}, Subject: "follow up", In: "INBOX",
		HasAttachment: new(false), Starred: new(true), Unread: new(false),
		ReceivedAfter: time.Unix(1635355739, 999), ReceivedBefore: time.Unix(1635355800, 0).In(time.FixedZone("", 3600)),
		MetadataPair: "key1:trial", SearchQueryNative: "subject:foo OR subject:bar",
		QueryIMAP: true, SharedFrom: "lee@example.org", SharedFolderID: "f-1",
	}
	list := messages.List(t.Context(), testGrant, full)
	full.Select[0], full.AnyEmail[0], *full.HasAttachment, *full.Starred, *full.Unread = "x", "x", true, false, true
	full.PageSize = 1
	require.NoError(t, onlyError(list))
	for i, recorded := range []string{"messages.list", "messages.list", "messages.list-all"} {
		assertRecorded(t, "http/"+recorded+".request.json", w.requests()[i])
	}
}

// TestListMessagesFails has lists that do not come to their end: the error is
// yielded once, after what was there.
func TestListMessagesFails(t *testing.T) {
	t.Parallel()
	first := answersFile(t, 200, "http/messages.list-1.response.json")
	for name, tt := range map[string]struct {
		second string
		ids    []string
		want   string
	}{
		"the same cursor": {
			`{"data":[],"next_cursor":"c-1"}`, nil, "200: OK: the cursor of the next page is that of this page: the list would not end",
		},
		"a cursor that is odd": {`{"data":[],"next_cursor":{"a":1}}`, nil, "200: OK: the cursor of the next page is not a string"},
		"odd in an odd page": {
			`{"data":[{"id":"m-3","starred":"x"}],"next_cursor":{"a":1}}`, []string{"m-3"}, "200: OK: the cursor of the next page is not a string",
		},
		"a message that is odd and unknown": {
			`{"data":[{"starred":"x"},{"id":"m-3"}],"next_cursor":null}`, []string{"m-3"},
			"the list is not complete: 1 of the elements have another form than documented",
		},
		"null and odd messages": {
			`{"data":[null,{"starred":"x"},"` + markAddress + `"]}`, nil,
			"the list is not complete: 2 of the elements have another form than documented",
		},
		"not JSON":     {`<html>`, nil, "200: OK: the answer is not JSON"},
		"no list":      {`{}`, nil, "200: OK: the answer has no list"},
		"a bare array": {`[{"id":"m-3"}]`, nil, "200: OK: the answer has another form than documented"},
		"no array":     {`{"data":{"id":"m-3"}}`, nil, "200: OK: the answer has another form than documented"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, first, answers(200, tt.second))
			var got []string
			for message, err := range w.client(t).Messages.List(t.Context(), testGrant, nil) {
				if err != nil {
					assert.Nil(t, message)
					got = append(got, err.Error())
					continue
				}
				got = append(got, message.ID)
			}
			assert.Equal(t, slices.Concat([]string{"m-1", "m-2"}, tt.ids, []string{"nylas: list messages: " + tt.want}), got)
		})
	}
}

// A field of another type than documented must not end a list, nor its cursor.
func TestListMessagesWithOddFields(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(200, `{"next_cursor":7,"data":[{"id":"m-1","starred":"x","subject":"s"},{"id":"m-2"}]}`),
		answers(200, `{"data":[{"id":"m-3","from":"x"}],"next_cursor":""}`))
	var got []string
	for message, err := range w.client(t).Messages.List(t.Context(), testGrant, nil) {
		require.NoError(t, err)
		got = append(got, message.ID+message.Subject)
	}
	assert.Equal(t, []string{"m-1s", "m-2", "m-3"}, got)
	assert.Contains(t, w.requests()[1].target, "page_token=7")
}

func TestListsRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	client := w.client(t)
	for _, size := range []int{-1, 201} {
		require.EqualError(t, onlyError(client.Messages.List(t.Context(), testGrant, &nylas.ListMessagesRequest{PageSize: size})),
			"nylas: list messages: PageSize is not between 1 and 200")
		require.EqualError(t, onlyError(client.Drafts.List(t.Context(), testGrant, &nylas.ListDraftsRequest{PageSize: size})),
			"nylas: list drafts: PageSize is not between 1 and 200")
	}
	many := make([]string, 26)
	err := onlyError(client.Messages.List(t.Context(), testGrant, &nylas.ListMessagesRequest{AnyEmail: many}))
	require.EqualError(t, err, "nylas: list messages: AnyEmail has more than 25 addresses")
	assertSentinels(t, err, nylas.ErrInvalidRequest)
	for name, req := range map[string]*nylas.ListMessagesRequest{
		"ReceivedAfter": {ReceivedAfter: time.Unix(-1, 0)}, "ReceivedBefore": {ReceivedBefore: time.Unix(0, -1)},
	} {
		err := onlyError(client.Messages.List(t.Context(), testGrant, req))
		require.EqualError(t, err, "nylas: list messages: "+name+" is before 1970")
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())

	last := answersFile(t, 200, "http/messages.list-last.response.json")
	require.NoError(t, onlyError(newWire(t, last).client(t).Messages.
		List(t.Context(), testGrant, &nylas.ListMessagesRequest{AnyEmail: many[:25], PageSize: 200})))
}

func TestAutoSubmitted(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		headers []nylas.Header
		want    nylas.AutoSubmitted
	}{
		{nil, nylas.AutoSubmittedUnknown},
		{[]nylas.Header{}, nylas.AutoSubmittedUnknown},
		{[]nylas.Header{{Name: "Message-ID"}, {Name: "in-reply-to"}, {Name: "REFERENCES"}}, nylas.AutoSubmittedUnknown},
		{[]nylas.Header{{Name: "Message-ID"}, {Name: "From"}, {Name: "MIME-Version"}}, nylas.AutoSubmittedUnknown}, // as for EWS and IMAP
		{[]nylas.Header{{Name: "Message-ID"}, {Name: "received"}}, nylas.AutoSubmittedNo},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: "no"}}, nylas.AutoSubmittedNo},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: ""}}, nylas.AutoSubmittedNo},
		{[]nylas.Header{{Name: "From"}, {Name: "Auto-Submitted", Value: "auto-generated"}}, nylas.AutoSubmittedGenerated},
		{[]nylas.Header{{Name: " auto-SUBMITTED ", Value: " Auto-Replied\r\n"}}, nylas.AutoSubmittedReplied},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: `auto-replied; owner="no"`}}, nylas.AutoSubmittedReplied},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: "auto-replied;x=y"}}, nylas.AutoSubmittedReplied},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: "(no (nested \\) ) yet)auto-replied(vacation)"}}, nylas.AutoSubmittedReplied},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: "no (auto-replied)"}}, nylas.AutoSubmittedNo},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: "auto-notified; owner-email=x"}}, "auto-notified"},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: "no"}, {Name: "Auto-Submitted", Value: "auto-replied"}}, nylas.AutoSubmittedReplied},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: "(open"}, {Name: "X-Auto-Submitted", Value: "auto-replied"}}, nylas.AutoSubmittedNo},
		{[]nylas.Header{{Name: "Auto-Submitted", Value: ") \\"}}, `)`},
	} {
		assert.Equal(t, tt.want, (&nylas.Message{Headers: tt.headers}).AutoSubmitted(), fmt.Sprint(i, tt.headers))
	}
}

// MachineReply looks at the headers, and at the message as it was received where there are none.
func TestMachineReply(t *testing.T) {
	t.Parallel()
	encoded := func(mime string) string { return base64.URLEncoding.EncodeToString([]byte(mime)) }
	const report = "Received: from a by b\r\nSubject: =?utf-8?q?Unzustellbar?=\r\n" +
		"Content-Type: multipart/report;\r\n report-type=delivery-status; boundary=x\r\n\r\nReturn-Path: <>\r\n"
	for name, test := range map[string]struct {
		message nylas.Message
		machine events.Machine
		reason  string
	}{
		"nothing": {nylas.Message{}, events.MachineUnknown, "no Received header: these are not the headers as received"},
		"headers of Nylas only": {
			nylas.Message{Headers: []nylas.Header{{Name: "Message-ID", Value: "<a@b>"}, {Name: "From", Value: "kim@example.org"}}},
			events.MachineUnknown, "no Received header: these are not the headers as received",
		},
		"a person": {
			nylas.Message{Headers: []nylas.Header{{Name: "Received", Value: "from a by b"}}},
			events.MachineNo, "no header says that a program wrote it",
		},
		"a header given twice": {
			nylas.Message{Headers: []nylas.Header{{Name: "Precedence", Value: "bulk"}, {Name: "Precedence", Value: "list"}}},
			events.MachineYes, "Precedence: bulk",
		},
		"a report, as MIME": {nylas.Message{RawMIME: encoded(report)}, events.MachineYes, "Content-Type: multipart/report"},
		"a report without padding": {
			nylas.Message{RawMIME: strings.TrimRight(encoded(report), "=")}, events.MachineYes, "Content-Type: multipart/report",
		},
		"a person, as MIME": {
			nylas.Message{RawMIME: encoded("Received: from a by b\r\n\r\nAuto-Submitted: auto-replied\r\n")},
			events.MachineNo, "no header says that a program wrote it",
		},
		"only headers": {nylas.Message{RawMIME: encoded("Received: a\r\nX-Autoreply: yes\r\n")}, events.MachineYes, "X-Autoreply"},
		"no MIME":      {nylas.Message{RawMIME: "!"}, events.MachineUnknown, "no Received header: these are not the headers as received"},
		"an odd line in front of a sign": {
			nylas.Message{RawMIME: encoded("Received: a\r\n>From kim@example.org\r\nAuto-Submitted: auto-replied\r\n\r\n")},
			events.MachineUnknown, "the headers cannot be read to their end",
		},
		"the other alphabet of base64": {
			nylas.Message{RawMIME: base64.StdEncoding.EncodeToString([]byte("Subject: \xff\xfe\xfb\xef\r\n" + report))},
			events.MachineYes, "Content-Type: multipart/report",
		},
		"an odd line": {
			nylas.Message{RawMIME: encoded("Received: a\r\nX-Failed-Recipients: kim@example.org\r\nodd\r\n\r\n")},
			events.MachineYes, "X-Failed-Recipients",
		},
	} {
		machine, reason := test.message.MachineReply()
		assert.Equal(t, test.machine, machine, name)
		assert.Equal(t, test.reason, reason, name)
	}
}

// The message as it was received comes alone.
func TestGetMessageRawMIME(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(200, `{"data":{"grant_id":"g-1","object":"message","id":"m-1","raw_mime":"UmVjZWl2ZWQ6IGENCg0K"}}`))
	message, err := w.client(t).Messages.Get(t.Context(), testGrant, "m-1", nylas.WithFields(nylas.FieldsRawMIME))
	require.NoError(t, err)
	assert.Equal(t, "UmVjZWl2ZWQ6IGENCg0K", message.RawMIME)
	machine, _ := message.MachineReply()
	assert.Equal(t, events.MachineNo, machine)
	assert.True(t, strings.HasSuffix(w.requests()[0].target, "?fields=raw_mime"))
}

// Who selects fields may have left the id out.
func TestGetMessageWithoutItsID(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(200, `{"data":{"subject":"s"}}`))
	message, err := w.client(t).Messages.Get(t.Context(), testGrant, "m-1", nylas.WithSelect("subject"))
	require.NoError(t, err)
	assert.Equal(t, "s", message.Subject)
}
