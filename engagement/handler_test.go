package engagement_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/receive"
)

type told struct {
	engagement.Event
	engagement.Verdict
}

func handler(t *testing.T, store engagement.Store, fn func(told) error) receive.Handler {
	t.Helper()
	h, err := engagement.NewHandler(engagement.NewLedger(store), nil, func(_ context.Context, e engagement.Event, v engagement.Verdict) error {
		return fn(told{e, v})
	})
	require.NoError(t, err)
	return h
}

func deliver(t *testing.T, h receive.Handler, body string) error {
	t.Helper()
	return h.HandleDelivery(t.Context(), receive.NewDelivery([]byte(body), ""))
}

// After three attempts Nylas gives up. The next notification of the message brings what
// was lost.
func TestAnOutageHealsWithTheNextNotification(t *testing.T) {
	t.Parallel()
	var got []told
	h := handler(t, engagement.NewMemoryStore(), func(e told) error { got = append(got, e); return nil })
	require.NoError(t, deliver(t, h, opened(span(0, 3)...))) // of 0, 1 and 2 no notification arrived
	require.Len(t, got, 4)
	for _, e := range got {
		assert.NotEmpty(t, e.Reasons)
	}
}

// An event whose function failed comes again, and one whose function did not fail too, if
// it came with it.
func TestHandlerStoresWhatWasHandled(t *testing.T) {
	t.Parallel()
	var got []string
	broken := errors.New("the CRM is down")
	fail := true
	h := handler(t, engagement.NewMemoryStore(), func(e told) error {
		got = append(got, e.ID)
		if fail && len(got) == 2 {
			return broken
		}
		return nil
	})
	err := deliver(t, h, opened(span(0, 2)...))
	require.ErrorIs(t, err, broken)
	assert.False(t, receive.IsPermanent(err))
	fail = false
	got = nil
	require.NoError(t, deliver(t, h, opened(span(0, 2)...)))
	assert.Len(t, got, 3)
	require.NoError(t, deliver(t, h, opened(span(0, 2)...)))
	assert.Len(t, got, 3)
}

func TestHandlerJudgesWithTheOtherEvents(t *testing.T) {
	t.Parallel()
	store := engagement.NewMemoryStore(engagement.WithEvents())
	require.NoError(t, store.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-1", At: time.Unix(1_699_999_996, 0), Links: []string{"https://acme.dev/1", "https://acme.dev/2", "https://acme.dev/3"}}))
	var got []told
	h := handler(t, store, func(e told) error { got = append(got, e); return nil })
	const browser = `"user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36","ip":"198.51.100.9"`
	require.NoError(t, deliver(t, h, clicked(`"click_id":0,"link_index":"0","timestamp":1700000000,`+browser)))
	require.NoError(t, deliver(t, h, clicked(`"click_id":1,"link_index":"1","timestamp":1700000000,`+browser)))
	require.NoError(t, deliver(t, h, clicked(`"click_id":2,"link_index":"2","timestamp":1700000001,`+browser)))
	require.Len(t, got, 3)
	assert.Equal(t, engagement.Machine, got[2].Actor, "the third link within three seconds, and soon after the send")
	assert.Equal(t, "https://acme.dev/3", got[2].URL)
	assert.False(t, got[2].URLInferred)
	assert.Equal(t, engagement.OtherNetwork, got[2].Event.Network)
}

func TestHandlerAndOtherDeliveries(t *testing.T) {
	t.Parallel()
	h := handler(t, engagement.NewMemoryStore(), func(told) error { return errors.New("not called") })
	require.NoError(t, deliver(t, h, `{"specversion":"1.0","type":"grant.expired","id":"n-1","data":{"object":{"grant_id":"g-1"}}}`))
	for _, body := range []string{`{`, tracking("message.opened", `"message_id":""`, nil)} {
		err := deliver(t, h, body)
		require.Error(t, err)
		assert.True(t, receive.IsPermanent(err), "%v", err)
	}
}

func TestReplyHeaders(t *testing.T) {
	t.Parallel()
	reply := func(id string) string {
		return replied(`"message_id":"` + id + `","root_message_id":"m-1","timestamp":1700000000`)
	}
	broken := errors.New("Nylas is down")
	var got []told
	h, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil,
		func(_ context.Context, e engagement.Event, v engagement.Verdict) error {
			got = append(got, told{e, v})
			return nil
		},
		nil, engagement.WithReplyHeaders(func(_ context.Context, e engagement.Event) (map[string][]string, error) {
			switch e.ReplyID {
			case "absent":
				return map[string][]string{"Auto-Submitted": {"auto-replied"}, "Received": {"by mx"}}, nil
			case "broken":
				return nil, broken
			}
			return nil, nil
		}))
	require.NoError(t, err)
	require.NoError(t, deliver(t, h, reply("absent")))
	require.NoError(t, deliver(t, h, reply("unknown")))
	require.ErrorIs(t, deliver(t, h, reply("broken")), broken)
	require.NoError(t, deliver(t, h, opened(span(0, 0)...)))
	require.Len(t, got, 3)
	assert.Equal(t, engagement.Machine, got[0].Actor)
	assert.Equal(t, engagement.Yes, got[0].Automatic)
	assert.Equal(t, engagement.Human, got[1].Actor)
	assert.Equal(t, engagement.Unknown, got[1].Automatic)
}

func TestNewHandlerRefuses(t *testing.T) {
	t.Parallel()
	fn := func(context.Context, engagement.Event, engagement.Verdict) error { return nil }
	_, err := engagement.NewHandler(nil, nil, fn)
	require.Error(t, err)
	_, err = engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil, nil)
	require.Error(t, err)
	_, err = engagement.NewHandler(engagement.NewLedger(nil), nil, fn)
	require.EqualError(t, err, "engagement: NewLedger needs a store")
}
