package engagement_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// fixture returns a notification as Nylas sends it, with some of its text replaced.
func fixture(t *testing.T, name string, replace ...string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "testdata", name+".json"))
	require.NoError(t, err)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, string(body), replace[i])
	}
	return strings.NewReplacer(replace...).Replace(string(body))
}

const (
	detected             = "published/message.bounce_detected"
	transactionalBounced = "constructed/message.transactional.bounced"

	originID = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AVKoCBvx5pk2OWnx9GWNeIAABogwSJQAB"
	outcome  = "5a8f7b2e-3c1d-4e9f-8a6b-2d4c6e8f0a1b"
	agent    = "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6"
)

// alone makes the fixture of message.bounce_detected one of a message to one person.
var alone = []string{`"sam.lee@example.com"`, ``, `"alex.johnson@example.com"`, ``}

// delivered is what a notification says of the delivery of a message.
type delivered struct {
	grantID, messageID string
	delivery           engagement.Delivery
}

func TestDeliveryOf(t *testing.T) {
	t.Parallel()
	detectedAlone := func(replace ...string) string { return fixture(t, detected, append(replace, alone...)...) }
	hard := []string{`"MailboxFull"`, `"General"`}
	for name, test := range map[string]struct {
		body string
		want delivered // the zero value means that it says nothing
	}{
		"delivered": {fixture(t, "constructed/message.delivered"), delivered{agent, outcome, engagement.Delivered}},
		"delivered, transactional": {
			fixture(t, "constructed/message.delivered", "message.delivered", "message.transactional.delivered", `"grant_id": "`+agent+`",`, ""),
			delivered{"", outcome, engagement.Delivered},
		},
		"delivered to one of two":  {fixture(t, "constructed/message.delivered", `"to": [`, `"to": ["lee@acme.dev",`), delivered{agent, outcome, engagement.Delivered}},
		"delivered, without an id": {fixture(t, "constructed/message.delivered", outcome, ""), delivered{}},

		"bounced, transactional":      {fixture(t, transactionalBounced, hard...), delivered{"", outcome, engagement.Bounced}},
		"bounced, of an agent":        {fixture(t, transactionalBounced, append(hard, ".transactional", "", `"data": {`, `"data": {"grant_id":"g-1",`)...), delivered{"g-1", outcome, engagement.Bounced}},
		"mailbox full, transactional": {fixture(t, transactionalBounced), delivered{}},
		"mailbox full, of an agent":   {fixture(t, transactionalBounced, ".transactional", ""), delivered{}},
		"bounced, one of three":       {fixture(t, transactionalBounced, append(hard, `"to": [`, `"cc":["c@acme.dev"],"bcc":["b@acme.dev"],"to":[`)...), delivered{}},
		"bounced, one address twice":  {fixture(t, transactionalBounced, append(hard, `"to": [`, `"cc":["Jordan.Taylor@example.com"],"bcc":["b@acme.dev"],"to":[`)...), delivered{"", outcome, engagement.Bounced}},
		"bounced, addresses missing":  {fixture(t, transactionalBounced, append(hard, `"recipients": [`, `"others": [`)...), delivered{"", outcome, engagement.Bounced}},

		"detected":               {detectedAlone(), delivered{"<NYLAS_GRANT_ID>", originID, engagement.Bounced}},
		"detected, one of three": {fixture(t, detected), delivered{}},
		"detected, all three": {
			fixture(t, detected, `"this.address.bounced@example.com"`, `"a@x.example, b@x.example;c@x.example"`), delivered{"<NYLAS_GRANT_ID>", originID, engagement.Bounced},
		},
		"detected, both ids":       {detectedAlone(`"code"`, `"message_id":"m-1","code"`), delivered{"<NYLAS_GRANT_ID>", originID, engagement.Bounced}},
		"detected, the other id":   {detectedAlone(`"code"`, `"message_id":"m-1","code"`, originID, ""), delivered{"<NYLAS_GRANT_ID>", "m-1", engagement.Bounced}},
		"detected, no id":          {detectedAlone(originID, ""), delivered{}},
		"detected, grant within":   {detectedAlone(`"grant_id": "<NYLAS_GRANT_ID>",`+"\n    \"object\"", `"object"`), delivered{"<NYLAS_GRANT_ID>", originID, engagement.Bounced}},
		"detected, not for good":   {detectedAlone(`"550"`, `"452"`), delivered{}},
		"detected, a full mailbox": {detectedAlone("mailbox_unavailable", "MailboxFull"), delivered{}},
		"detected, without a code": {detectedAlone(`"550"`, `""`), delivered{"<NYLAS_GRANT_ID>", originID, engagement.Bounced}},

		"rejected, transactional": {fixture(t, "constructed/message.transactional.rejected"), delivered{"", outcome, engagement.Bounced}},
		"rejected, of an agent":   {fixture(t, "constructed/message.transactional.rejected", ".transactional", ""), delivered{"", outcome, engagement.Bounced}},

		"a complaint":  {fixture(t, "constructed/message.transactional.complaint"), delivered{}},
		"a success":    {fixture(t, "constructed/message.send_success"), delivered{}},
		"a failure":    {fixture(t, "constructed/message.send_failed"), delivered{}},
		"an open":      {opened(span(0, 0)...), delivered{}},
		"another type": {`{"specversion":"1.0","type":"calendar.created","id":"n-1","data":{"object":{"id":"c-1"}}}`, delivered{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := events.Parse([]byte(test.body))
			require.NoError(t, err)
			require.Empty(t, n.Odd)
			var got delivered
			var ok bool
			got.grantID, got.messageID, got.delivery, ok = engagement.DeliveryOf(n)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.want != delivered{}, ok)
		})
	}
}

func TestWithDelivery(t *testing.T) {
	t.Parallel()
	var got []delivered
	var events int
	broken := errors.New("the database is down")
	var fail error
	h, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil,
		func(context.Context, engagement.Event, engagement.Verdict) error { events++; return nil },
		engagement.WithDelivery(func(_ context.Context, grantID, messageID string, d engagement.Delivery) error {
			got = append(got, delivered{grantID, messageID, d})
			return fail
		}))
	require.NoError(t, err)
	bounce := fixture(t, detected, alone...)
	fail = broken
	err = deliver(t, h, bounce)
	require.ErrorIs(t, err, broken)
	assert.False(t, receive.IsPermanent(err), "it comes again")
	fail = nil
	require.NoError(t, deliver(t, h, bounce))
	want := delivered{"<NYLAS_GRANT_ID>", originID, engagement.Bounced}
	assert.Equal(t, []delivered{want, want}, got)

	require.NoError(t, deliver(t, h, fixture(t, transactionalBounced)))
	require.NoError(t, deliver(t, h, opened(span(0, 0)...)))
	assert.Len(t, got, 2, "a full mailbox and an open say nothing")
	assert.Equal(t, 1, events)

	without, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil,
		func(context.Context, engagement.Event, engagement.Verdict) error { return nil }, engagement.WithDelivery(nil))
	require.NoError(t, err)
	require.NoError(t, deliver(t, without, bounce), "it is ignored")
}
