package nylas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

const (
	testEvent         = "1110f3b5fa7cc381421942082f1e8c8fe2b85f0072b6c67b123a2bf4d8286848"
	testTransactional = "<0100019a1b2c3d4e@mail.example.com>"
)

func clickedEvent() *nylas.TrackingEvent {
	return &nylas.TrackingEvent{
		ID: testEvent, EventType: nylas.TrackingLinkClicked, Timestamp: events.At(time.Unix(1792785235, 0)),
		ApplicationID: "26302083-12ae-4f38-91fe-6cba93da03ee", GrantID: "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6",
		MessageID: "5a8f7b2e-3c1d-4e9f-8a6b-2d4c6e8f0a1b", ThreadID: "9c3e1f7a-6b2d-4a8e-b5c4-1e7d3a9f2b6c",
		From: "news@mail.example.com", SendingDomain: "mail.example.com", Label: "october-newsletter",
	}
}

func TestListTrackingOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/activity.list.response.json"), answersFile(t, 200, "http/activity.list-last.response.json"))
	req := &nylas.ListTrackingRequest{
		EventType: nylas.TrackingLinkClicked, Label: "october-newsletter", SendingDomain: "mail.example.com", From: "news@mail.example.com",
		GrantID: "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6", MessageID: testTransactional, ThreadID: "9c3e1f7a-6b2d-4a8e-b5c4-1e7d3a9f2b6c",
		Start: time.Unix(1792785200, 999), End: time.Unix(1792785300, 0), PageSize: 2,
	}
	list := w.client(t).Activity.ListTracking(t.Context(), req)
	assert.Empty(t, w.requests(), "nothing is asked before it is needed")
	req.EventType, req.Label = "changed", "later"
	got := collect(t, list)
	require.Len(t, got, 2)
	assert.JSONEq(t, `{"url":"https://acme.dev/demo"}`, string(got[0].Other["a_member_nobody_read"]))
	assert.Len(t, got[0].Other, 1)
	got[0].Other = nil
	assert.Equal(t, clickedEvent(), got[0])
	assert.Equal(t, &nylas.TrackingEvent{
		ID: strings.Repeat("2", 64), EventType: nylas.TrackingOpened, Timestamp: events.At(time.Unix(1792785200, 0)),
		ApplicationID: "26302083-12ae-4f38-91fe-6cba93da03ee", MessageID: testTransactional,
		From: "news@mail.example.com", SendingDomain: "mail.example.com",
	}, got[1])
	require.Len(t, w.requests(), 2)
	assertRecorded(t, "http/activity.list-all.request.json", w.requests()[0])
	assertRecorded(t, "http/activity.list-next.request.json", w.requests()[1])
}

func TestListTrackingWithoutFilters(t *testing.T) {
	t.Parallel()
	for _, end := range []string{``, `,"next_cursor":""`, `,"next_cursor":null`} {
		for _, req := range []*nylas.ListTrackingRequest{nil, {}} {
			w := newWire(t, answers(200, `{"data":[{"id":"a"}]`+end+`}`))
			assert.Len(t, collect(t, w.client(t).Activity.ListTracking(t.Context(), req)), 1, end)
			require.Len(t, w.requests(), 1)
			assertRecorded(t, "http/activity.list.request.json", w.requests()[0])
		}
	}
}

func TestListTrackingPages(t *testing.T) {
	t.Parallel()
	empty := answers(200, `{"data":[],"next_cursor":"b"}`)
	first := answers(200, `{"data":[{"id":"1"},{"id":"2"}],"next_cursor":"a"}`)
	last := answers(200, `{"data":[{"id":"3"}]}`)
	t.Run("an empty page is not the last one", func(t *testing.T) {
		t.Parallel()
		assert.Len(t, collect(t, newWire(t, first, empty, last).client(t).Activity.ListTracking(t.Context(), nil)), 3)
	})
	t.Run("the second loop begins again", func(t *testing.T) {
		t.Parallel()
		list := newWire(t, first, last, first, last).client(t).Activity.ListTracking(t.Context(), nil)
		assert.Len(t, collect(t, list), 3)
		assert.Len(t, collect(t, list), 3)
	})
	t.Run("a loop that ends asks for no more", func(t *testing.T) {
		t.Parallel()
		for event, err := range newWire(t, first).client(t).Activity.ListTracking(t.Context(), nil) {
			require.NoError(t, err)
			if event.ID == "2" {
				break
			}
		}
	})
	t.Run("the second page fails", func(t *testing.T) {
		t.Parallel()
		var seen []string
		for event, err := range newWire(t, first, answersFile(t, 401, "constructed/error.unauthorized.401.json")).client(t).
			Activity.ListTracking(t.Context(), nil) {
			if err != nil {
				assert.Nil(t, event)
				seen = append(seen, "error")
				require.ErrorIs(t, err, nylas.ErrUnauthorized)
				continue
			}
			seen = append(seen, event.ID)
		}
		assert.Equal(t, []string{"1", "2", "error"}, seen)
	})
	t.Run("a cursor that does not move on", func(t *testing.T) {
		t.Parallel()
		err := onlyError(newWire(t, first, first).client(t).Activity.ListTracking(t.Context(), nil))
		require.EqualError(t, err, "nylas: list tracking events: 200: OK: the cursor of the next page is that of this page: the list would not end")
	})
}

// TestListsThatRepeatACursor: a page whose next cursor is its own ends the list with an
// error.
func TestListsThatRepeatACursor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ last, pages int }{{1, 2}, {2, 3}, {10, 11}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			t.Parallel()
			pages := 0
			w := newWireAlways(func(r *http.Request) (*http.Response, error) {
				pages++
				return answers(200, fmt.Sprintf(`{"data":[{"id":"e"}],"next_cursor":"c-%d"}`, min(pages, tt.last)))(r)
			})
			err := onlyError(w.client(t).Activity.ListTracking(t.Context(), nil))
			require.ErrorContains(t, err, "the list would not end")
			assert.Equal(t, tt.pages, pages)
		})
	}
	for _, end := range []string{`"next_cursor":"page"`, `"next_cursor":null`} {
		w := newWire(t, answers(200, `{"data":[{"id":"e"}],`+end+`}`))
		found := 0
		for _, err := range w.client(t).Messages.List(t.Context(), testGrant, &nylas.ListMessagesRequest{PageToken: "page"}) {
			if err == nil {
				found++
			}
		}
		assert.Equal(t, 1, found, "the cursor of the request counts too, and the elements of the page are not lost")
	}
}

// TestListsWithFurtherPages: lists that are documented to have one page do not end
// early should they get more.
func TestListsWithFurtherPages(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(200, `{"data":[{"id":"a"}],"next_cursor":"n"}`), answers(200, `{"data":[{"id":"b"}]}`))
	assert.Len(t, collect(t, w.client(t).Webhooks.List(t.Context())), 2)
	assert.Equal(t, "/v3/webhooks", w.requests()[0].target)
	assert.Equal(t, "/v3/webhooks?page_token=n", w.requests()[1].target)
}

func TestTrackingOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/activity.get.response.json"))
	event, err := w.client(t).Activity.GetTracking(t.Context(), testEvent)
	require.NoError(t, err)
	event.Other = nil
	assert.Equal(t, clickedEvent(), event)
	assertRecorded(t, "http/activity.get.request.json", w.requests()[0])

	w = newWire(t, answersFile(t, 200, "http/activity.message.response.json"))
	message, err := w.client(t).Activity.MessageTracking(t.Context(), testTransactional)
	require.NoError(t, err)
	assert.Equal(t, &nylas.MessageTracking{
		MessageID: testTransactional, From: "news@mail.example.com", SendingDomain: "mail.example.com",
		Other: map[string]json.RawMessage{"opens_by_whatever_name": json.RawMessage("3")},
	}, message)
	assertRecorded(t, "http/activity.message.request.json", w.requests()[0])

	w = newWire(t, answersFile(t, 200, "http/webhooks.ip-addresses.response.json"))
	addresses, err := w.client(t).Webhooks.IPAddresses(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &nylas.WebhookIPAddresses{
		IPAddresses: []string{"192.0.2.1", "2001:db8::/48"}, UpdatedAt: events.At(time.Unix(1234567890, 0)),
	}, addresses)
	assertRecorded(t, "http/webhooks.ip-addresses.request.json", w.requests()[0])
}

// TestTrackingOfAnotherShape has members of types that no page shows.
func TestTrackingOfAnotherShape(t *testing.T) {
	t.Parallel()
	w := newWire(t, answers(200, `{"data":{"id":7,"timestamp":"1792785235","event_type":null,"label":["x"],"from":{"email":"a@b.c"},"grant_id":"g"}}`))
	event, err := w.client(t).Activity.GetTracking(t.Context(), testEvent)
	require.NoError(t, err)
	assert.Equal(t, &nylas.TrackingEvent{
		GrantID: "g", Timestamp: events.At(time.Unix(1792785235, 0)),
		Other: map[string]json.RawMessage{
			"id": json.RawMessage(`7`), "label": json.RawMessage(`["x"]`), "from": json.RawMessage(`{"email":"a@b.c"}`),
		},
	}, event)
}

// TestAnswersThatSayNothing: an answer of 2xx that has nothing of what was asked
// for is an error.
func TestAnswersThatSayNothing(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		if m.streams() || m.verb != http.MethodGet && m.op != "update webhook" && m.op != "update thread" && m.op != "update alert rule" && m.op != "update message" && m.op != "mock webhook payload" {
			continue
		}
		t.Run(m.op, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{`{}`, `{"data":{}}`, `{"data":null}`, `{"data":"success"}`, `{"request_id":"r"}`} {
				if isList(m.op) && body == `{"data":null}` ||
					m.op == "mock webhook payload" && (body == `{"data":{}}` || body == `{"data":"success"}`) { // of which nothing is known
					continue
				}
				err := m.call(t.Context(), newWire(t, answers(200, body)).client(t))
				require.Error(t, err, body)
				assertSentinels(t, err)
			}
		})
	}
	// What to return was left to the caller.
	w := newWire(t, answers(200, `{"data":{"subject":"s"}}`))
	message, err := w.client(t).Messages.Get(t.Context(), testGrant, testID, nylas.WithSelect("subject"))
	require.NoError(t, err)
	assert.Equal(t, "s", message.Subject)
}

// TestResponseOfACallThatIsRefused: it is not that of the call before.
func TestResponseOfACallThatIsRefused(t *testing.T) {
	t.Parallel()
	client := newWire(t).client(t)
	for _, call := range []func(nylas.RequestOption) error{
		func(o nylas.RequestOption) error {
			_, err := client.Messages.Send(t.Context(), testGrant, nil, o)
			return err
		},
		func(o nylas.RequestOption) error {
			_, err := client.Messages.Get(t.Context(), "", testID, o)
			return err
		},
		func(o nylas.RequestOption) error {
			return onlyError(client.Messages.List(t.Context(), testGrant, &nylas.ListMessagesRequest{PageSize: -1}, o))
		},
		func(o nylas.RequestOption) error {
			_, err := client.Subscribe(t.Context(), nil, o)
			return err
		},
		func(o nylas.RequestOption) error {
			_, err := client.SNSChannels.Create(t.Context(), nil, o)
			return err
		},
	} {
		resp := nylas.Response{StatusCode: 200, Tracking: []nylas.TrackingDecision{{Kind: nylas.TrackOpens}}}
		require.ErrorIs(t, call(nylas.WithResponse(&resp)), nylas.ErrInvalidRequest)
		assert.Equal(t, nylas.Response{}, resp)
	}
}

func TestTrackingRefuses(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	s := w.client(t).Activity
	list := func(r nylas.ListTrackingRequest) func(context.Context) error {
		return func(ctx context.Context) error { return onlyError(s.ListTracking(ctx, &r)) }
	}
	get := func(id string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.GetTracking(ctx, id)
			return err
		}
	}
	message := func(id string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.MessageTracking(ctx, id)
			return err
		}
	}
	long := func(n int) string { return strings.Repeat("ä", n) }
	for _, tt := range []struct {
		want string
		call func(context.Context) error
	}{
		{"list tracking events: Label has 2049 characters, Nylas takes at most 2048", list(nylas.ListTrackingRequest{Label: long(2049)})},
		{"list tracking events: SendingDomain has 256 characters, Nylas takes at most 255", list(nylas.ListTrackingRequest{SendingDomain: long(256)})},
		{"list tracking events: From has 321 characters, Nylas takes at most 320", list(nylas.ListTrackingRequest{From: long(321)})},
		{"list tracking events: GrantID has 37 characters, Nylas takes at most 36", list(nylas.ListTrackingRequest{GrantID: long(37)})},
		{"list tracking events: PageSize is negative", list(nylas.ListTrackingRequest{PageSize: -1})},
		{"list tracking events: End is before Start", list(nylas.ListTrackingRequest{Start: time.Unix(9, 0), End: time.Unix(8, 0)})},
		{"list tracking events: Start is before 1970", list(nylas.ListTrackingRequest{Start: time.Unix(-1, 0)})},
		{"list tracking events: End is before 1970", list(nylas.ListTrackingRequest{End: time.Unix(0, -1)})},
		{"get tracking event: event_id is not 64 hex digits in lower case", get("")},
		{"get tracking event: event_id is not 64 hex digits in lower case", get(testEvent[1:])},
		{"get tracking event: event_id is not 64 hex digits in lower case", get(strings.ToUpper(testEvent))},
		{"get message tracking: message_id is empty", message("")},
		{"get message tracking: message_id is a dot segment", message("..")},
		{"get message tracking: message_id has 513 characters, Nylas takes at most 512", message(long(513))},
	} {
		err := tt.call(t.Context())
		require.EqualError(t, err, "nylas: "+tt.want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())
}
