package inbox_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		opts := []inbox.Option{inbox.WithHistory(24 * time.Hour), inbox.WithRetention(24 * time.Hour), inbox.WithOrder(receive.MessageOrder)}
		box := open(t, path, opts...)
		c := newCalls()
		handler := func(_ context.Context, d *receive.Delivery) error {
			c.note(d)
			return nil
		}
		stop := run(t, box, handler)
		replay := func(which inbox.Selection, want ...string) {
			t.Helper()
			<-time.After(time.Second)
			before := len(c.ids())
			count, err := box.Replay(t.Context(), which)
			require.NoError(t, err)
			assert.Equal(t, len(want), count)
			synctest.Wait()
			assert.ElementsMatch(t, want, c.ids()[before:])
		}
		start := time.Now()
		for hour := range 4 {
			take(t, box, fmt.Sprint("n-", hour))
			synctest.Wait()
			<-time.After(time.Hour)
		}
		clicked := receive.NewDelivery([]byte(`{"specversion":"1.0","type":"message.link_clicked","source":"s","id":"click","time":1,"data":{"object":{"message_id":"message-n-1"}}}`), "")
		require.NoError(t, clicked.Err)
		require.NoError(t, box.HandleDelivery(t.Context(), clicked))
		synctest.Wait()
		assert.Len(t, c.ids(), 5)

		replay(inbox.Selection{To: start}, []string{}...)
		replay(inbox.Selection{From: start.Add(time.Hour), To: start.Add(3 * time.Hour)}, "n-1", "n-2")
		replay(inbox.Selection{Types: []events.Type{events.TypeMessageLinkClicked}}, "click")
		replay(inbox.Selection{MessageID: "message-n-1"}, "click", "n-1")
		replay(inbox.Selection{MessageID: "message-n-1", Types: []events.Type{events.TypeMessageOpened}}, "n-1")
		s := stats(t, box)
		assert.Equal(t, [2]int64{0, 5}, [2]int64{s.Pending, s.Done})
		take(t, box, "n-0", "n-1")
		assert.Zero(t, stats(t, box).Pending, "their ids are known")

		// What was replayed and not handled is not lost.
		stop()
		<-time.After(time.Second)
		count, err := box.Replay(t.Context(), inbox.Selection{})
		require.NoError(t, err)
		assert.Equal(t, 5, count)
		require.NoError(t, box.Close())
		box = open(t, path, opts...)
		assert.EqualValues(t, 5, stats(t, box).Pending)
		run(t, box, handler)
		synctest.Wait()
		assert.Zero(t, stats(t, box).Pending)

		// The id is remembered for as long as the body, and both go.
		<-time.After(23 * time.Hour)
		calls := len(c.ids())
		take(t, box, "n-0", "n-3")
		synctest.Wait()
		assert.Len(t, c.ids(), calls)
		<-time.After(2 * time.Hour)
		replay(inbox.Selection{})
		assert.Zero(t, stats(t, box).Done)
	})
}

// More than one step, while others are handled.
func TestReplayOfMany(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t), inbox.WithHistory(time.Hour))
	var handled atomic.Int64
	run(t, box, func(context.Context, *receive.Delivery) error { handled.Add(1); return nil })
	const n = 600
	for i := range n {
		take(t, box, fmt.Sprint("n-", i))
	}
	require.Eventually(t, func() bool { return stats(t, box).Pending == 0 }, time.Minute, time.Millisecond)
	count, err := box.Replay(t.Context(), inbox.Selection{})
	require.NoError(t, err)
	assert.Equal(t, n, count)
	require.Eventually(t, func() bool { return stats(t, box).Pending == 0 }, time.Minute, time.Millisecond)
	assert.EqualValues(t, 2*n, handled.Load(), "each once more")
}

func TestReplayNeedsAHistory(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t))
	_, err := box.Replay(t.Context(), inbox.Selection{})
	require.ErrorContains(t, err, "WithHistory")
}
