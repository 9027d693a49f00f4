package engagement_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

var (
	_ engagement.Store   = (*engagement.MemoryStore)(nil)
	_ engagement.History = (*engagement.MemoryStore)(nil)
)

func TestMemoryStoreIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 100
	store := engagement.NewMemoryStore(engagement.WithMaxRecords(limit), engagement.WithEvents())
	l := engagement.NewLedger(store)
	message := func(i int) string {
		return tracking("message.opened", fmt.Sprintf(`"message_id":"m-%d"`, i), span(0, 0))
	}
	for i := range 10 * limit {
		require.Len(t, apply(t, l, message(i)).New, 1)
		require.Empty(t, apply(t, l, message(0)).New, "what is used is not evicted")
		require.LessOrEqual(t, store.Len(), limit)
	}
	assert.EqualValues(t, 10*limit, store.Evicted()+int64(store.Len()))
	assert.Len(t, apply(t, l, message(1)).New, 1, "evicted")
}

func TestMemoryStoreKeepsEvents(t *testing.T) {
	t.Parallel()
	store := engagement.NewMemoryStore(engagement.WithEvents())
	l := engagement.NewLedger(store)
	var told []engagement.Event
	told = append(told, apply(t, l, opened(span(0, 1)...)).New...)
	told = append(told, apply(t, l, opened(span(1, 2)...)).New...)
	told = append(told, apply(t, l, clicked(`"click_id":0,"link_index":"0","timestamp":1700000100`)).New...)
	told = append(told, apply(t, l, replied(`"message_id":"r-1","root_message_id":"m-1","timestamp":1700000200`)).New...)
	kept, err := store.Events(t.Context(), "g-1", "m-1")
	require.NoError(t, err)
	assert.Equal(t, told, kept)
	kept, err = store.Events(t.Context(), "g-2", "m-1")
	require.NoError(t, err)
	assert.Empty(t, kept)

	_, known, err := store.Sent(t.Context(), "g-1", "m-1")
	require.NoError(t, err)
	assert.False(t, known)
	sent := engagement.Sent{GrantID: "g-1", MessageID: "m-1", Subject: "Hello", Links: []string{"https://acme.dev"}}
	require.NoError(t, store.SetSent(t.Context(), sent))
	require.Error(t, store.SetSent(t.Context(), engagement.Sent{}))
	got, known, err := store.Sent(t.Context(), "g-1", "m-1")
	require.NoError(t, err)
	assert.True(t, known)
	assert.Equal(t, sent, got)
}

func TestWithdrawal(t *testing.T) {
	t.Parallel()
	store := engagement.NewMemoryStore(engagement.WithEvents())
	l := engagement.NewLedger(store)
	apply(t, l, opened(span(0, 1)...))
	require.NoError(t, store.Withdraw(t.Context(), "g-1", "m-1"))
	kept, err := store.Events(t.Context(), "g-1", "m-1")
	require.NoError(t, err)
	assert.Empty(t, kept)
	change := apply(t, l, opened(span(0, 5)...))
	assert.Empty(t, change.New)
	assert.True(t, change.Withdrawn)
	assert.True(t, apply(t, l, replied(`"message_id":"r-1","root_message_id":"m-1","timestamp":1700000200`)).Withdrawn)
	assert.Len(t, apply(t, l, replied(`"message_id":"r-1","root_message_id":"m-2","timestamp":1700000200`)).New, 1)
}

func TestWithdrawalIsNotEvicted(t *testing.T) {
	t.Parallel()
	store := engagement.NewMemoryStore(engagement.WithMaxRecords(4))
	l := engagement.NewLedger(store)
	require.NoError(t, store.Withdraw(t.Context(), "g-1", "m-1"))
	for i := range 20 {
		apply(t, l, tracking("message.opened", fmt.Sprintf(`"message_id":"other-%d"`, i), span(0, 0)))
	}
	assert.True(t, apply(t, l, opened(span(0, 0)...)).Withdrawn)
}

// A day later an event without an id is still told.
func TestSettledMessageWithoutIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := engagement.NewLedger(engagement.NewMemoryStore())
		at := func(time int) string { return fmt.Sprintf(`"timestamp":%d,"user_agent":"UA"`, 900_000_000+time) }
		apply(t, l, opened(at(100)))
		<-time.After(25 * time.Hour)
		apply(t, l, tracking("message.opened", `"message_id":"m-2"`, span(0, 0)))
		assert.Len(t, apply(t, l, opened(at(50), at(100))).New, 1)
	})
}

// A message that settled knows its events without keeping them.
func TestSettledMessages(t *testing.T) {
	t.Parallel()
	other := tracking("message.opened", `"message_id":"m-2"`, span(0, 0))
	synctest.Test(t, func(t *testing.T) {
		l := engagement.NewLedger(engagement.NewMemoryStore())
		apply(t, l, opened(span(0, 9)...))
		<-time.After(61 * 24 * time.Hour)
		apply(t, l, other)
		assert.Empty(t, apply(t, l, opened(span(0, 9)...)).New)
		assert.Len(t, apply(t, l, opened(span(0, 11)...)).New, 2)
		assert.Empty(t, apply(t, l, opened(span(0, 11)...)).New)
	})
	synctest.Test(t, func(t *testing.T) { // the ids prove to be positions only now
		l := engagement.NewLedger(engagement.NewMemoryStore())
		apply(t, l, opened(span(0, 9)...))
		<-time.After(61 * 24 * time.Hour)
		apply(t, l, other)
		shifted := span(0, 9)
		for i := range shifted {
			shifted[i] = fmt.Sprintf(`"opened_id":%d,"ip":"203.0.113.7","timestamp":%d,"user_agent":"UA"`, i, 1_700_000_001+i)
		}
		change := apply(t, l, opened(shifted...))
		assert.True(t, change.Positions)
		assert.Len(t, change.New, 1)
	})
}
