package nylas_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/preflight"
)

// trackedMessage is a message with a body and all tracking on.
func trackedMessage(body string) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: toKim(), Body: body,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
	}
}

func TestCheckTracking(t *testing.T) {
	t.Parallel()
	const good = `<a href="https://acme.dev/">x</a>`
	var kim = nylas.Participant{Email: "KIM@example.org"}
	// What a field does to the findings: each of those that matter has a case.
	cases := map[string]struct {
		change func(*nylas.SendMessageRequest)
		want   string
	}{
		"To":          {func(r *nylas.SendMessageRequest) { r.To = append(r.To, kim) }, "group-mail"},
		"CC":          {func(r *nylas.SendMessageRequest) { r.CC = toKim() }, "group-mail"},
		"BCC":         {func(r *nylas.SendMessageRequest) { r.BCC = toKim() }, "group-mail"},
		"From":        {func(r *nylas.SendMessageRequest) { r.From = []nylas.Participant{kim} }, "self-recipient"},
		"Body":        {func(r *nylas.SendMessageRequest) { r.Body = `<a href="/x">x</a>` }, "unsupported-scheme"},
		"IsPlaintext": {func(r *nylas.SendMessageRequest) { r.IsPlaintext = true }, "plaintext-untrackable"},
		"SignatureID": {func(r *nylas.SendMessageRequest) { r.SignatureID = "s" }, "body-incomplete"},
		"Template":    {func(r *nylas.SendMessageRequest) { r.Body, r.Template = "", &nylas.Template{ID: "t"} }, "body-incomplete"},

		"TrackingOptions": {func(r *nylas.SendMessageRequest) { r.TrackingOptions = nil; r.Body = "x" }, ""},
		"TrackingOptions.Opens": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions, r.IsPlaintext = &nylas.TrackingOptions{Opens: true}, true
		}, "plaintext-untrackable"},
		"TrackingOptions.Links": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions, r.Body = &nylas.TrackingOptions{Links: true}, `<a href="http://acme.dev/">x</a>`
		}, "http-scheme"},
		"TrackingOptions.ThreadReplies": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions, r.IsPlaintext = &nylas.TrackingOptions{ThreadReplies: true}, true
		}, ""},
		"TrackingOptions.Label": {func(r *nylas.SendMessageRequest) {
			r.TrackingOptions.Label = strings.Repeat("x", 2049)
		}, "label-too-long"},
		"TrackingOptions.DomainName": {func(r *nylas.SendMessageRequest) { r.TrackingOptions.DomainName = "x" }, "domain-name-malformed"},
	}
	for name, tt := range cases {
		req := trackedMessage(good)
		tt.change(req)
		var codes []string
		for _, f := range nylas.CheckTracking(req).Findings {
			codes = append(codes, string(f.Code))
		}
		assert.Equal(t, tt.want, strings.Join(codes, " "), name)
	}
	// A new field needs a case, or a place among those that a check does not look at.
	unread := map[string]bool{
		"ReplyTo": true, "Subject": true, "CustomHeaders": true, "Metadata": true, "ReplyToMessageID": true, "SendAt": true,
		"UseDraft": true, "Attachments": true, "Fields": true,
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[nylas.SendMessageRequest]()) {
		_, read := cases[field.Name]
		assert.NotEqual(t, read, unread[field.Name], field.Name)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[nylas.TrackingOptions]()) {
		assert.Contains(t, cases, "TrackingOptions."+field.Name)
	}
}

func TestCheckTrackingChangesNothing(t *testing.T) {
	t.Parallel()
	req, want := markedMessage(), markedMessage()
	req.TrackingOptions.Links, want.TrackingOptions.Links = true, true
	report := nylas.CheckTracking(req)
	assert.Equal(t, want, req)
	for _, f := range report.Findings {
		assertUnmarked(t, f.String())
	}
	assert.Equal(t, &preflight.Report{}, nylas.CheckTracking(nil))
	assert.Equal(t, &preflight.Report{}, nylas.CheckTracking(&nylas.SendMessageRequest{}))
}
