package engagement_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
)

// opened is a notification of opens of message m-1, one for each string: the fields of an
// element of recents, without the braces.
func opened(recents ...string) string {
	return tracking("message.opened", `"message_id":"m-1","label":"spring"`, recents)
}

func clicked(recents ...string) string {
	return tracking("message.link_clicked", `"message_id":"m-1","label":"spring","link_data":[{"count":1,"url":"https://acme.dev/a"},{"count":1,"url":"https://acme.dev/b"}]`, recents)
}

func tracking(typ, fields string, recents []string) string {
	return fmt.Sprintf(`{"specversion":"1.0","type":%q,"source":"/com/nylas/tracking","id":"n-1","time":1700000000,"data":{"grant_id":"g-1","object":{%s,"recents":[{%s}]}}}`,
		typ, fields, strings.Join(recents, "},{"))
}

func replied(object string) string {
	return fmt.Sprintf(`{"specversion":"1.0","type":"thread.replied","source":"/com/nylas/tracking","id":"n-1","time":1700000000,"data":{"grant_id":"g-1","object":{%s}}}`, object)
}

func legacy(typ string, metadata ...string) string {
	deltas := make([]string, len(metadata))
	for i, m := range metadata {
		deltas[i] = fmt.Sprintf(`{"date":1700000000,"object":"metadata","type":%q,"object_data":{"id":"x","object":"metadata","metadata":{%s}}}`, typ, m)
	}
	return fmt.Sprintf(`{"specversion":"1.0","type":"%s.legacy","source":"/com/nylas/v2/webhooks","id":"n-1","time":1700000000,"data":{"grant_id":"g-1","object":{"grant_id":"g-1","object":"message","deltas":[%s]}}}`, typ, strings.Join(deltas, ","))
}

// span returns opens with the ids from first to last.
func span(first, last int) []string {
	var all []string
	for id := first; id <= last; id++ {
		all = append(all, fmt.Sprintf(`"opened_id":%d,"ip":"203.0.113.7","timestamp":%d,"user_agent":"UA"`, id, 1_700_000_000+id))
	}
	return all
}

func apply(t *testing.T, l *engagement.Ledger, body string) engagement.Change {
	t.Helper()
	change, err := l.Apply(t.Context(), parse(t, body))
	require.NoError(t, err)
	return change
}

func TestGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := engagement.NewLedger(engagement.NewMemoryStore())
		gap := func(first, last int64, lost bool) engagement.Gap {
			return engagement.Gap{MessageID: "m-1", Kind: engagement.Open, LinkIndex: -1, First: first, Last: last, Lost: lost}
		}
		assert.Empty(t, apply(t, l, opened(span(0, 9)...)).Missing)
		change := apply(t, l, opened(span(60, 109)...))
		assert.Len(t, change.New, 50)
		assert.Equal(t, []engagement.Gap{gap(10, 59, false)}, change.Missing)
		assert.EqualValues(t, 50, change.Missing[0].Count())

		<-time.After(time.Hour - time.Second)
		assert.Equal(t, []engagement.Gap{gap(10, 59, false)}, apply(t, l, opened(span(60, 109)...)).Missing, "told again after a duplicate")
		change = apply(t, l, opened(span(30, 79)...))
		assert.Len(t, change.New, 30)
		assert.Equal(t, []engagement.Gap{gap(10, 29, false)}, change.Missing)

		<-time.After(time.Second)
		assert.Equal(t, []engagement.Gap{gap(10, 29, true)}, apply(t, l, opened(span(60, 109)...)).Missing, "an hour from when it was noticed")
		change = apply(t, l, opened(span(15, 19)...))
		assert.Len(t, change.New, 5, "a late event heals it")
		assert.Equal(t, []engagement.Gap{gap(10, 14, true), gap(20, 29, true)}, change.Missing, "the parts keep its age")

		change = apply(t, l, opened(span(120, 121)...))
		assert.Equal(t, []engagement.Gap{gap(10, 14, true), gap(20, 29, true), gap(110, 119, false)}, change.Missing)
	})
	synctest.Test(t, func(t *testing.T) {
		l := engagement.NewLedger(engagement.NewMemoryStore(), engagement.WithHorizon(time.Minute))
		require.False(t, apply(t, l, opened(span(3, 4)...)).Missing[0].Lost)
		<-time.After(time.Minute)
		assert.True(t, apply(t, l, opened(span(3, 4)...)).Missing[0].Lost)
	})
}

func TestGapsOfClicks(t *testing.T) {
	t.Parallel()
	click := func(link, id int) string {
		return fmt.Sprintf(`"click_id":"%d","link_index":"%d","ip":"203.0.113.7","timestamp":%d,"user_agent":"UA"`, id, link, 1_700_000_000+id)
	}
	gap := func(link int, first, last int64) engagement.Gap {
		return engagement.Gap{MessageID: "m-1", Kind: engagement.Click, LinkIndex: link, First: first, Last: last}
	}
	l := engagement.NewLedger(engagement.NewMemoryStore())
	assert.Equal(t, []engagement.Gap{gap(1, 0, 2)}, apply(t, l, clicked(click(1, 3))).Missing, "one link")
	assert.Equal(t, []engagement.Gap{gap(-1, 0, 2)}, apply(t, l, clicked(click(0, 5), click(1, 4))).Missing, "what no link has")
	l = engagement.NewLedger(engagement.NewMemoryStore())
	change := apply(t, l, clicked(click(0, 0), click(0, 1), click(1, 0), click(1, 2)))
	assert.Equal(t, []engagement.Gap{gap(1, 1, 1)}, change.Missing, "two have the id 0, so each link counts its own")
}

func TestURLOfAClick(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	change := apply(t, l, clicked(
		`"click_id":0,"link_index":"1","timestamp":1`, `"click_id":1,"link_index":"7","timestamp":2`, `"click_id":2,"link_index":"-3","timestamp":3`))
	require.Len(t, change.New, 3)
	assert.Equal(t, "https://acme.dev/b", change.New[0].URL)
	assert.True(t, change.New[0].URLInferred)
	assert.Equal(t, 7, change.New[1].LinkIndex)
	assert.Empty(t, change.New[1].URL, "no link has this index")
	assert.Equal(t, -1, change.New[2].LinkIndex)
}

func TestEventHasAllFields(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	body := opened(`"opened_id":"0","ip":"::ffff:203.0.113.7","timestamp":1700000000,"user_agent":"Mozilla/5.0"`)
	change := apply(t, l, body)
	require.Len(t, change.New, 1)
	e := change.New[0]
	assert.Len(t, e.ID, 26)
	assert.Equal(t, engagement.Open, e.Kind)
	assert.Equal(t, []string{"g-1", "m-1", "spring", "Mozilla/5.0", "203.0.113.7"}, []string{e.GrantID, e.MessageID, e.Label, e.UserAgent, e.IP.String()})
	assert.Equal(t, -1, e.LinkIndex)
	assert.Equal(t, time.Unix(1_700_000_000, 0).UTC(), e.Time)
	assert.Equal(t, change.New, engagement.Events(parse(t, body)))
	assert.Empty(t, engagement.Events(nil))
	assert.Empty(t, engagement.Events(&events.Notification{}))

	without := apply(t, l, opened(`"opened_id":1,"ip":"<IP ADDR>"`)).New
	require.Len(t, without, 1)
	assert.False(t, without[0].IP.IsValid())
	assert.True(t, without[0].Time.IsZero())
}

// An event must not keep the body alive that it was read from.
func TestEventsOwnTheirStrings(t *testing.T) {
	t.Parallel()
	body := []byte(opened(`"opened_id":0,"ip":"203.0.113.7","timestamp":1700000000,"user_agent":"Mozilla/5.0"`))
	n, err := events.Parse(body)
	require.NoError(t, err)
	d := n.Data.(*events.MessageOpened)
	change, err := engagement.NewLedger(engagement.NewMemoryStore()).Apply(t.Context(), n)
	require.NoError(t, err)
	e := change.New[0]
	for name, pair := range map[string][2]string{
		"agent": {e.UserAgent, d.Recents[0].UserAgent}, "label": {e.Label, d.Label}, "message": {e.MessageID, d.MessageID}, "grant": {e.GrantID, n.GrantID},
	} {
		assert.Equal(t, pair[1], pair[0])
		assert.NotSame(t, unsafeData(pair[1]), unsafeData(pair[0]), name)
	}
}

// Nylas may cut the agent later or leave it out: the events are the same.
func TestChangesOfAnEvent(t *testing.T) {
	t.Parallel()
	element := func(id int, ip, agent string) string {
		return fmt.Sprintf(`"opened_id":%d,"ip":%q,"timestamp":%d,"user_agent":%q`, id, ip, 1_700_000_000+id, agent)
	}
	first := []string{element(0, "203.0.113.7", "Mozilla/5.0 (X11)"), element(1, "203.0.113.8", "Mozilla/5.0 (Y)"), element(2, "203.0.113.9", "Mozilla/5.0 (Z)")}
	for name, changed := range map[string]string{
		"agent cut":        element(1, "203.0.113.8", "Mozilla/5.0"),
		"agent left out":   element(1, "203.0.113.8", ""),
		"address left out": element(1, "", "Mozilla/5.0 (Y)"),
		"address cut":      element(1, "203.0.113.0", "Mozilla/5.0 (Y)"),
		"no time":          `"opened_id":1,"ip":"203.0.113.8","user_agent":"Mozilla/5.0 (Y)"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := engagement.NewLedger(engagement.NewMemoryStore())
			apply(t, l, opened(first...))
			change := apply(t, l, opened(first[0], changed, first[2], element(3, "203.0.113.9", "new")))
			require.Len(t, change.New, 1)
			assert.Equal(t, "new", change.New[0].UserAgent)
			assert.False(t, change.Positions)
		})
	}
	t.Run("all agents left out", func(t *testing.T) {
		t.Parallel()
		l := engagement.NewLedger(engagement.NewMemoryStore())
		apply(t, l, opened(first...))
		change := apply(t, l, opened(element(0, "203.0.113.7", ""), element(1, "203.0.113.8", ""), element(2, "203.0.113.9", "")))
		assert.Empty(t, change.New)
		assert.False(t, change.Positions)
	})
}

func TestPositionsAreSaid(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	at := func(position, time int) string {
		return fmt.Sprintf(`"opened_id":%d,"ip":"203.0.113.7","timestamp":%d,"user_agent":"UA"`, position, 1_700_000_000+time)
	}
	assert.False(t, apply(t, l, opened(at(0, 0), at(1, 1))).Positions)
	change := apply(t, l, opened(at(0, 1), at(1, 2)))
	assert.True(t, change.Positions)
	assert.Empty(t, change.Missing)
	require.Len(t, change.New, 1)
	assert.EqualValues(t, 1_700_000_002, change.New[0].Time.Unix())

	// Nothing of what was known is left in the window.
	l = engagement.NewLedger(engagement.NewMemoryStore())
	apply(t, l, opened(at(0, 0)))
	many := make([]string, 50)
	for i := range many {
		many[i] = at(i, 100+i)
	}
	change = apply(t, l, opened(many...))
	assert.True(t, change.Positions)
	assert.Len(t, change.New, 50)

	// All known ones changed, in one second.
	l = engagement.NewLedger(engagement.NewMemoryStore())
	by := func(position int, agent string) string {
		return fmt.Sprintf(`"opened_id":%d,"ip":"203.0.113.7","timestamp":1700000000,"user_agent":%q`, position, agent)
	}
	apply(t, l, opened(by(0, "a"), by(1, "b"), by(2, "c")))
	change = apply(t, l, opened(by(0, "d"), by(1, "e"), by(2, "f")))
	assert.True(t, change.Positions)
	assert.Len(t, change.New, 3)

	l = engagement.NewLedger(engagement.NewMemoryStore())
	apply(t, l, opened(at(0, 0), at(1, 1)))
	apply(t, l, opened(at(0, 1), at(1, 2)))
	equal := make([]string, 50)
	for i := range equal {
		equal[i] = at(i, 9)
	}
	change = apply(t, l, opened(equal...))
	assert.Len(t, change.New, 50)
	assert.True(t, change.Ambiguous, "there may be more than a notification can have")
}

func TestReplies(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	named := replied(`"message_id":"r-1","root_message_id":"m-1","thread_id":"t-1","label":"l","timestamp":1700000000,"from_self":true`)
	change := apply(t, l, named)
	require.Len(t, change.New, 1)
	e := change.New[0]
	assert.Equal(t, []string{"m-1", "t-1", "r-1", "l"}, []string{e.MessageID, e.ThreadID, e.ReplyID, e.Label})
	assert.True(t, e.FromSelf)
	assert.False(t, change.Positions)
	later := replied(`"message_id":"r-1","root_message_id":"m-1","thread_id":"t-1","timestamp":1700000009`)
	assert.Empty(t, apply(t, l, later).New, "the reply is known by its id")
	assert.Equal(t, e.ID, engagement.Events(parse(t, later))[0].ID)
	assert.Len(t, apply(t, l, replied(`"message_id":"r-2","root_message_id":"m-1","timestamp":1700000000`)).New, 1)

	thread := apply(t, l, replied(`"message_id":"r-1","thread_id":"t-1","timestamp":1700000000`)).New
	require.Len(t, thread, 1)
	assert.Empty(t, thread[0].MessageID)
	assert.Equal(t, "t-1", thread[0].ThreadID)
}

func TestLegacyNotificationsTellOfTheSameEvents(t *testing.T) {
	t.Parallel()
	for name, pair := range map[string][2]string{
		"open":  {opened(`"opened_id":4,"ip":"203.0.113.7","timestamp":5,"user_agent":"UA"`), legacy("message.opened", `"message_id":"m-1","payload":"spring","recents":[{"id":4,"ip":"203.0.113.7","timestamp":5,"user_agent":"UA"}]`)},
		"click": {clicked(`"click_id":"4","link_index":"1","ip":"203.0.113.7","timestamp":5,"user_agent":"UA"`), legacy("message.link_clicked", `"message_id":"m-1","payload":"spring","link_data":[{"url":"https://acme.dev/a"},{"url":"https://acme.dev/b"}],"recents":[{"id":4,"link_index":1,"ip":"203.0.113.7","timestamp":5,"user_agent":"UA"}]`)},
		"reply": {replied(`"message_id":"r-1","root_message_id":"m-1","thread_id":"t-1","label":"spring","timestamp":5`), legacy("thread.replied", `"message_id":"r-1","reply_to_message_id":"m-1","thread_id":"t-1","payload":"spring","timestamp":5`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := engagement.NewLedger(engagement.NewMemoryStore())
			modern := apply(t, l, pair[0]).New
			require.Len(t, modern, 1)
			assert.Equal(t, modern, engagement.Events(parse(t, pair[1])))
			assert.Empty(t, apply(t, l, pair[1]).New)
		})
	}
	several := legacy("message.opened",
		`"message_id":"m-1","recents":[{"id":0,"timestamp":5},{"id":1,"timestamp":6}]`, `"message_id":"m-2","recents":[{"id":0,"timestamp":5}]`)
	change := apply(t, engagement.NewLedger(engagement.NewMemoryStore()), several)
	require.Len(t, change.New, 3)
	assert.Equal(t, "m-2", change.New[2].MessageID)
}

func TestConcurrentLedgersShareAStore(t *testing.T) {
	t.Parallel()
	store := engagement.NewMemoryStore()
	var mu sync.Mutex
	told := make(map[string]int)
	var group sync.WaitGroup
	for range 4 {
		l := engagement.NewLedger(store)
		group.Go(func() {
			for first := range 200 {
				change := apply(t, l, opened(span(first, first+49)...))
				mu.Lock()
				for _, e := range change.New {
					told[e.ID]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	assert.Len(t, told, 249)
	for id, n := range told {
		assert.Equal(t, 1, n, id)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	_, err := l.Apply(t.Context(), nil)
	require.EqualError(t, err, "engagement: Apply needs a notification")
	_, err = l.Apply(t.Context(), &events.Notification{Data: &events.MessageOpened{}})
	require.ErrorIs(t, err, engagement.ErrNoMessage)
	_, err = engagement.NewLedger(nil).Apply(t.Context(), parse(t, opened(span(0, 0)...)))
	require.EqualError(t, err, "engagement: NewLedger needs a store")
	_, err = engagement.NewLedger(engagement.NewMemoryStore(), engagement.WithHorizon(0)).Apply(t.Context(), parse(t, opened(span(0, 0)...)))
	require.ErrorContains(t, err, "the horizon must be positive")
	change, err := l.Apply(t.Context(), &events.Notification{Data: &events.Unknown{}})
	require.NoError(t, err)
	assert.Zero(t, change)

	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	_, err = l.Apply(ctx, parse(t, opened(span(0, 0)...)))
	require.ErrorIs(t, err, context.Canceled)
}

// fixedStore has one record for all keys.
type fixedStore struct {
	state []byte
	err   error
}

func (s *fixedStore) Load(context.Context, engagement.Key) (engagement.Record, error) {
	return engagement.Record{State: s.state}, s.err
}

func (s *fixedStore) Update(_ context.Context, _ engagement.Key, fn func(engagement.Record) (engagement.Addition, error)) error {
	a, err := fn(engagement.Record{State: s.state})
	if err == nil {
		s.state = a.State
	}
	return err
}

func unsafeData(s string) *byte { return unsafe.StringData(s) }
