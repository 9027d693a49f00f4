package nylas_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

func people(n int) []nylas.Person {
	all := make([]nylas.Person, n)
	for i := range all {
		all[i] = nylas.Person{ID: fmt.Sprint(i + 1), Participant: nylas.Participant{Email: fmt.Sprintf("p%d@example.org", i+1)}}
	}
	return all
}

// offer is a request with everything that the requests of Each could share by mistake.
func offer() *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		Subject: "Offer", Body: "Hi", From: []nylas.Participant{{Email: "sales@acme.dev"}},
		ReplyTo: []nylas.Participant{{Email: "reply@acme.dev"}}, CustomHeaders: []nylas.Header{{Name: "X-A", Value: "1"}},
		Metadata: map[string]string{"a": "1"}, Attachments: []nylas.Attachment{{Filename: "a.txt", Content: nylas.BytesContent([]byte("a"))}},
		Template:        &nylas.Template{ID: "t", Variables: map[string]any{"a": "1"}},
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: "nt1:version=b"},
	}
}

func TestEach(t *testing.T) {
	t.Parallel()
	req := offer()
	before, err := json.Marshal(req)
	require.NoError(t, err)
	all, err := req.Each("trial q2", people(3))
	require.NoError(t, err)
	require.Len(t, all, 3)
	keys := map[string]bool{}
	for i, p := range all {
		assert.Equal(t, people(3)[i], p.Person)
		assert.Equal(t, []nylas.Participant{people(3)[i].Participant}, p.Request.To)
		assert.Equal(t, fmt.Sprintf("nt1:campaign=trial+q2&person=%d&version=b", i+1), p.Request.TrackingOptions.Label)
		values, ok := nylas.DecodeLabel(p.Request.TrackingOptions.Label)
		require.True(t, ok)
		assert.Equal(t, map[string]string{"campaign": "trial q2", "person": p.Person.ID, "version": "b"}, values)
		keys[p.IdempotencyKey] = true
		assert.NotContains(t, p.IdempotencyKey, "example")

		// A change of one request reaches neither the others nor the first one.
		own := p.Request
		own.From[0].Email, own.ReplyTo[0].Email, own.CustomHeaders[0].Value = "x", "x", "x"
		own.Metadata["a"], own.Template.Variables["a"], own.Template.ID = "x", "x", "x"
		own.Attachments[0].Filename, own.TrackingOptions.Opens, own.Body = "x", false, "x"
	}
	assert.Len(t, keys, 3)
	after, err := json.Marshal(req)
	require.NoError(t, err)
	assert.JSONEq(t, string(before), string(after))

	again, err := offer().Each("trial q2", people(3)[1:])
	require.NoError(t, err)
	assert.Equal(t, all[1].IdempotencyKey, again[0].IdempotencyKey, "the key is that of the campaign and the person")
	want := offer()
	want.To, want.TrackingOptions.Label = []nylas.Participant{{Email: "p2@example.org"}}, "nt1:campaign=trial+q2&person=2&version=b"
	assert.Equal(t, want, again[0].Request, "all else is as it was")
	other, err := offer().Each("trial q3", people(1))
	require.NoError(t, err)
	assert.False(t, keys[other[0].IdempotencyKey])

	none, err := offer().Each("q2", nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

// TestEachKeysDiffer: no campaign and person can be taken for others.
func TestEachKeysDiffer(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for _, campaign := range []string{"a", "a ", "a b", "1 a"} {
		for _, id := range []string{"b", " b", "b c", "a", "a b"} {
			all, err := offer().Each(campaign, []nylas.Person{{ID: id, Participant: nylas.Participant{Email: "kim@example.org"}}})
			require.NoError(t, err)
			key, name := all[0].IdempotencyKey, campaign+"|"+id
			assert.Empty(t, keys[key], name)
			keys[key] = name
		}
	}
}

func TestEachIsRefused(t *testing.T) {
	t.Parallel()
	const prefix = "nylas: address each person: "
	twice := people(2)
	twice[1].ID = "1"
	for want, tt := range map[string]struct {
		change   func(*nylas.SendMessageRequest)
		campaign string
		people   []nylas.Person
	}{
		"the campaign is empty: it is part of every label and key":                                                 {nil, "", people(1)},
		"the request has To, CC or BCC: each message goes to one person, so leave them empty":                      {func(r *nylas.SendMessageRequest) { r.BCC = toKim() }, "q", people(1)},
		"TrackingOptions is nil, so no label comes back":                                                           {func(r *nylas.SendMessageRequest) { r.TrackingOptions = nil }, "q", people(1)},
		"TrackingOptions.Label is not one of EncodeLabel, so nothing can be added to it":                           {func(r *nylas.SendMessageRequest) { r.TrackingOptions.Label = "x" }, "q", people(1)},
		`TrackingOptions.Label already has "person", which Each sets`:                                              {func(r *nylas.SendMessageRequest) { r.TrackingOptions.Label = "nt1:person=1" }, "q", people(1)},
		"the campaign has an email address in it, and labels are for everybody to read: use a name or an id":       {nil, "for kim@example.org", people(1)},
		"people[1].ID has an email address in it, and labels are for everybody to read: use the id of the contact": {nil, "q", append(people(1), nylas.Person{ID: "Kim@Example", Participant: nylas.Participant{Email: "x@example.org"}})},
		"people[0].ID has an email address in it, and labels are for everybody to read: use the id of the contact": {nil, "q", []nylas.Person{{ID: "@x <kim@example.org>"}}},
		"people[0] has no ID":    {nil, "q", []nylas.Person{{}}},
		"people[0] has no Email": {nil, "q", []nylas.Person{{ID: "1"}}},
		"people[1] has the ID of somebody before: both would have one key, and one mail":       {nil, "q", twice},
		"an attachment is a ReaderContent, which only one message can have: use StreamContent": {readOnce, "q", people(2)},
	} {
		req := offer()
		if tt.change != nil {
			tt.change(req)
		}
		all, err := req.Each(tt.campaign, tt.people)
		require.EqualError(t, err, prefix+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
		assert.Nil(t, all)
	}
	_, err := (*nylas.SendMessageRequest)(nil).Each("q", people(1))
	require.EqualError(t, err, prefix+"the request is nil")
	_, err = offer().Each(strings.Repeat("x", 2048), people(1))
	assertSentinels(t, err, nylas.ErrInvalidRequest, nylas.ErrTrackingDataTooLarge)

	once := offer()
	readOnce(once)
	all, err := once.Each("q", people(1))
	require.NoError(t, err, "one message can have it")
	assert.Len(t, all, 1)
}

// An @ alone is no address.
func TestEachTakesAnAt(t *testing.T) {
	t.Parallel()
	all, err := offer().Each("Sale @ Acme", []nylas.Person{{ID: "@kim", Participant: nylas.Participant{Email: "kim@example.org"}}})
	require.NoError(t, err)
	values, _ := nylas.DecodeLabel(all[0].Request.TrackingOptions.Label)
	assert.Equal(t, map[string]string{"campaign": "Sale @ Acme", "person": "@kim", "version": "b"}, values)
}

// A request for a person can wait in a queue as JSON.
func TestEachAsJSON(t *testing.T) {
	t.Parallel()
	all, err := offer().Each("q2", []nylas.Person{{ID: "7", Participant: nylas.Participant{Name: "Kim", Email: "kim@example.org"}}})
	require.NoError(t, err)
	encoded, err := json.Marshal(all[0])
	require.NoError(t, err)
	var names map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(encoded, &names))
	assert.JSONEq(t, `{"id":"7","name":"Kim","email":"kim@example.org"}`, string(names["person"]))
	assert.Contains(t, string(names["request"]), `"subject":"Offer"`)
	assert.Contains(t, names, "idempotency_key")
	assert.Len(t, names, 3)
	var again nylas.PersonalRequest
	require.NoError(t, json.Unmarshal(encoded, &again))
	assert.Equal(t, all[0].Person, again.Person)
	assert.Equal(t, all[0].IdempotencyKey, again.IdempotencyKey)
	assert.Equal(t, all[0].Request.TrackingOptions, again.Request.TrackingOptions)
	assert.Equal(t, all[0].Request.To, again.Request.To)
}

func readOnce(r *nylas.SendMessageRequest) {
	r.Attachments[0].Content = nylas.ReaderContent(1, strings.NewReader("a"))
}
