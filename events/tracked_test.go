package events_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

func TestTracked(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(fmt.Sprintf("%T", s.data), func(t *testing.T) {
			t.Parallel()
			n := s.notification()
			assert.Equal(t, s.tracked, n.Tracked())
			body, err := json.Marshal(n)
			require.NoError(t, err)
			assert.Equal(t, s.tracked, parse(t, body).Tracked())
		})
	}
}

func TestTrackedOfFixtures(t *testing.T) {
	t.Parallel()
	tests := map[string][]events.Tracked{
		"published/message.opened.json":       {{MessageID: "18ac281f237c934b", Label: "Testing Nylas Messaged Opened Tracking"}},
		"published/message.link_clicked.json": {{MessageID: "18ac281f237c934b", Label: "Hey, just testing"}},
		"published/thread.replied.json": {{
			MessageID: "<message-id-of-original-tracked-message>", ThreadID: "<thread-id-of-sent-message>", Label: "some-client-label",
		}},
		"published/message.opened.legacy.json":       {{MessageID: "<V2_MESSAGE_ID>", Label: "Hello world"}},
		"published/message.link_clicked.legacy.json": {{MessageID: "<V2_MESSAGE_ID>", Label: "Hello world"}},
		"published/thread.replied.legacy.json": {{
			MessageID: "<V2_REPLY_TO_MESSAGE_ID>", ThreadID: "<V2_THREAD_ID>", Label: "Hello world",
		}},
		"published/message.bounce_detected.json":           {{MessageID: "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AVKoCBvx5pk2OWnx9GWNeIAABogwSJQAB"}},
		"constructed/message.send_success.json":            {{MessageID: "17d0281e"}},
		"constructed/message.send_failed.json":             nil, // it has no message
		"constructed/message.transactional.complaint.json": {{MessageID: "5a8f7b2e-3c1d-4e9f-8a6b-2d4c6e8f0a1b"}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want, parse(t, fixture(t, name)).Tracked())
		})
	}
}

func TestTrackedWithGaps(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data events.Data
		want []events.Tracked
	}{
		"no data":                {nil, nil},
		"opened with nothing":    {&events.MessageOpened{}, nil},
		"opened without a label": {&events.MessageOpened{MessageID: "m-1"}, []events.Tracked{{MessageID: "m-1"}}},
		"a label alone":          {&events.MessageOpened{Label: "l"}, []events.Tracked{{Label: "l"}}},
		"a reply whose message alone is known": {
			&events.ThreadReplied{MessageID: "reply-1", ReplyToMessageID: "reply-0"}, nil,
		},
		"a bounce that only names the message": {&events.MessageBounceDetected{MessageID: "m-1"}, []events.Tracked{{MessageID: "m-1"}}},
		"success without a message":            {&events.MessageSendSuccess{}, nil},
		"no deltas":                            {&events.LegacyMessageOpened{}, nil},
		"a delta with nothing among others": {
			&events.LegacyThreadReplied{Deltas: []events.Delta[events.LegacyRepliedMetadata]{
				{},
				{ObjectData: events.ObjectData[events.LegacyRepliedMetadata]{Metadata: events.LegacyRepliedMetadata{MessageID: "reply-1", ReplyToMessageID: "m-1"}}},
			}},
			[]events.Tracked{{MessageID: "m-1"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := events.Notification{Data: test.data}
			got := n.Tracked()
			assert.Equal(t, test.want, got)
			if test.want == nil {
				assert.Nil(t, got)
			}
		})
	}
}
