package engagement_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// What cannot be read is absent, and never the event or the link with the number 0.
func TestUnreadableNumbers(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	known := span(20, 59)
	apply(t, l, opened(known...))
	for i, id := range []string{`"opened_id":60.5,`, `"opened_id":"abc",`, `"opened_id":null,`, `"opened_id":"",`, `"opened_id":true,`, ``} {
		change := apply(t, l, opened(append(known, fmt.Sprintf(`%s"ip":"203.0.113.9","timestamp":%d,"user_agent":"odd"`, id, 1_800_000_000+i))...))
		assert.Len(t, change.New, 1, id)
		require.Len(t, change.Missing, 1)
		assert.EqualValues(t, 0, change.Missing[0].First, id)
	}
	assert.Len(t, apply(t, l, opened(span(0, 1)...)).New, 2)

	for _, index := range []string{``, `"link_index":null,`, `"link_index":"x",`, `"link_index":"",`, `"link_index":1.5,`} {
		change := apply(t, engagement.NewLedger(engagement.NewMemoryStore()), clicked(
			index+`"click_id":0,"timestamp":1,"user_agent":"a"`, `"link_index":"0","click_id":1,"timestamp":1,"user_agent":"a"`))
		require.Len(t, change.New, 2)
		assert.Equal(t, -1, change.New[0].LinkIndex, index)
		assert.Equal(t, 0, change.New[1].LinkIndex, index)
	}
}

// An event of the future does not make later ones old.
func TestAClockThatIsWrong(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	now := time.Now().Unix()
	at := func(time int64) string {
		return fmt.Sprintf(`"ip":"203.0.113.7","timestamp":%d,"user_agent":"UA"`, time)
	}
	apply(t, l, opened(at(now), at(4_000_000_000)))
	for i := range int64(5) {
		assert.Len(t, apply(t, l, opened(at(now+100*i+100))).New, 1)
	}
}

// The address may be written in several ways.
func TestWaysToWriteAnAddress(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	for i, ip := range []string{"203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7:80"} {
		change := apply(t, l, opened(fmt.Sprintf(`"ip":%q,"timestamp":1700000000,"user_agent":"UA"`, ip)))
		assert.Equal(t, i == 0, len(change.New) == 1, ip)
	}
	for i, ip := range []string{"2001:db8::1", "2001:DB8:0::1"} {
		change := apply(t, l, opened(fmt.Sprintf(`"ip":%q,"timestamp":1700000001,"user_agent":"UA"`, ip)))
		assert.Equal(t, i == 0, len(change.New) == 1, ip)
	}
}

// A double click, one of whose agents is left out and comes back.
func TestAnAgentOfADoubleClickIsLeftOut(t *testing.T) {
	t.Parallel()
	l := engagement.NewLedger(engagement.NewMemoryStore())
	click := func(id, time int, agent string) string {
		return fmt.Sprintf(`"click_id":%d,"link_index":"0","ip":"203.0.113.7","timestamp":%d,"user_agent":%q`, id, 1_700_000_000+time, agent)
	}
	w := []string{click(0, 0, "UA"), click(1, 1, "UA"), click(2, 2, "UA"), click(3, 3, "UA"), click(4, 3, "UA")}
	assert.Len(t, apply(t, l, clicked(w[:4]...)).New, 4)
	w[3] = click(3, 3, "")
	assert.Len(t, apply(t, l, clicked(w...)).New, 1)
	w[3] = click(3, 3, "Safari")
	change := apply(t, l, clicked(w...))
	assert.Empty(t, change.New)
	assert.False(t, change.Positions)
}

func TestElementsWithoutIDs(t *testing.T) {
	t.Parallel()
	a, b, c := `"timestamp":1700000001,"user_agent":"a"`, `"timestamp":1700000002,"user_agent":"b"`, `"timestamp":1700000002,"user_agent":"b"`
	l := engagement.NewLedger(engagement.NewMemoryStore())
	first := apply(t, l, opened(a)).New
	require.Len(t, first, 1)
	all := engagement.Events(parse(t, opened(a, b)))
	require.Len(t, all, 2)
	assert.Equal(t, first[0].ID, all[0].ID, "the id is the same in each notification")
	assert.Len(t, apply(t, l, opened(a, b)).New, 1)
	assert.Len(t, apply(t, l, opened(b, a, c)).New, 1, "two equal ones are two")
	assert.Empty(t, apply(t, l, opened(b, c)).New)

	// One that had an id lost it.
	l = engagement.NewLedger(engagement.NewMemoryStore())
	apply(t, l, opened(`"opened_id":3,`+a, `"opened_id":4,`+b))
	last := apply(t, l, opened(a, `"opened_id":4,`+b, `"opened_id":5,"timestamp":1700000003,"user_agent":"c"`)).New
	require.Len(t, last, 1)
	assert.Equal(t, "c", last[0].UserAgent)

	// A text that is no number is no id, and nor is a negative number.
	l = engagement.NewLedger(engagement.NewMemoryStore())
	assert.Len(t, apply(t, l, clicked(`"click_id":"click_xyz",`+a, `"click_id":-1,`+b)).New, 2)
	assert.Empty(t, apply(t, l, clicked(`"click_id":"click_xyz",`+a, `"click_id":-1,`+b)).New)
}

// A store whose records are damaged, or come from a later version.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	good := &fixedStore{}
	_, err := engagement.NewLedger(good).Apply(t.Context(), parse(t, clicked(
		`"click_id":0,"link_index":"1","timestamp":1`, `"click_id":5,"link_index":"0","timestamp":2`, `"link_index":"0","timestamp":2`, `"link_index":"0","timestamp":3`)))
	require.NoError(t, err)
	require.NotEmpty(t, good.state)
	for n := range len(good.state) {
		for _, state := range [][]byte{good.state[:n:n], append([]byte{9}, good.state[1:]...)} {
			if len(state) == 0 {
				continue
			}
			_, err := engagement.NewLedger(&fixedStore{state: state}).Apply(t.Context(), parse(t, opened(span(0, 0)...)))
			require.ErrorContains(t, err, "the state of a record is damaged", "cut at %d", n)
		}
	}
	_, err = engagement.NewLedger(&fixedStore{state: append(good.state[:len(good.state):len(good.state)], 0)}).Apply(t.Context(), parse(t, opened(span(0, 0)...)))
	require.ErrorContains(t, err, "the state of a record is damaged")
}
