package engagement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// What arrives is told exactly once, whatever the ids are, in whatever order it comes.
func TestEachEventExactlyOnce(t *testing.T) {
	t.Parallel()
	const histories = 10_000
	for w := range worlds {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			for seed := range histories / int(worlds) {
				checkHistory(t, uint64(seed), w)
			}
		})
	}
}

func FuzzEachEventExactlyOnce(f *testing.F) {
	f.Add(uint64(1), 0)
	f.Add(uint64(2), 3)
	f.Fuzz(func(t *testing.T, seed uint64, w int) {
		checkHistory(t, seed, world(uint(w)%uint(worlds)))
	})
}

func checkHistory(t *testing.T, seed uint64, w world) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(w)))
	h := newHistory(t, r, w)
	arrived := h.deliver(r)
	store := engagement.NewMemoryStore()
	ledgers := []*engagement.Ledger{engagement.NewLedger(store), engagement.NewLedger(store)}
	var got []string
	ids := make(map[string]bool)
	var last engagement.Change
	for i, n := range arrived {
		change, err := ledgers[i%2].Apply(t.Context(), n.parsed)
		require.NoError(t, err)
		for _, e := range change.New {
			got = append(got, contentsOf(e))
			require.False(t, ids[e.ID], "seed %d: id %s twice", seed, e.ID)
			ids[e.ID] = true
		}
		last = change
		for _, g := range change.Missing {
			require.False(t, g.Lost, "nothing is lost within the hour")
		}
		checkMissing(t, h, h.told(arrived[:i+1]), last, seed)
		if i%8 > 0 { // which takes as long as to apply one
			continue
		}
		gaps, known, err := ledgers[i%2].Missing(t.Context(), "grant-1", "m-1")
		require.NoError(t, err)
		require.Equal(t, w != noIDs && !change.Positions, known, "seed %d, %s: whether anybody can say", seed, w)
		last.Missing = gaps
		checkMissing(t, h, h.told(arrived[:i+1]), last, seed)
	}
	want := h.want(arrived)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(want, got) {
		t.Fatalf("seed %d, %s, %s: %d events, want %d", seed, w, h.kind, len(got), len(want))
	}
	for _, n := range arrived { // again: nothing is new
		change, err := ledgers[0].Apply(t.Context(), n.parsed)
		require.NoError(t, err)
		require.Empty(t, change.New, "seed %d: told again", seed)
	}
}

func checkMissing(t *testing.T, h *history, told []bool, change engagement.Change, seed uint64) {
	t.Helper()
	if h.world > idsByLink {
		return
	}
	require.False(t, change.Positions, "seed %d: the ids are real", seed)
	require.False(t, change.Ambiguous, "seed %d", seed)
	var got []int
	count := 0
	for _, g := range change.Missing {
		for id := g.First; id <= g.Last; id++ {
			got = append(got, int(id))
		}
		count += int(g.Count())
	}
	byLink, all := h.missing(told)
	clicked := make(map[int]bool)
	truth := 0
	for i, l := range h.loads {
		if told[i] {
			clicked[l.link] = true
		}
	}
	for _, ids := range byLink {
		truth += len(ids)
	}
	if h.kind == engagement.Open || h.world == idsByMessage || len(clicked) == 1 {
		if h.world == idsByLink && h.kind == engagement.Click {
			for link := range clicked {
				all = byLink[link]
			}
		}
		require.Equal(t, all, slices.Clip(got), "seed %d, %s, %s", seed, h.world, h.kind)
		return
	}
	require.LessOrEqual(t, count, truth, "seed %d: more than is missing: %s", seed, strings.Join(strings.Fields(fmt.Sprint(change.Missing)), " "))
}

// What is missing can be asked at any time, and is lost when the horizon is over.
func TestMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := engagement.NewMemoryStore()
		l := engagement.NewLedger(store, engagement.WithHorizon(time.Minute))
		gaps, known, err := l.Missing(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		assert.True(t, known, "nothing is missing of a message without events")
		assert.Empty(t, gaps)

		apply(t, l, opened(span(2, 3)...))
		apply(t, l, clicked(`"click_id":1,"link_index":0,"timestamp":1700000100`))
		want := []engagement.Gap{
			{MessageID: "m-1", Kind: engagement.Open, LinkIndex: -1, First: 0, Last: 1},
			{MessageID: "m-1", Kind: engagement.Click, LinkIndex: 0, First: 0, Last: 0},
		}
		gaps, known, err = l.Missing(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		assert.True(t, known)
		assert.Equal(t, want, gaps)
		<-time.After(time.Minute)
		gaps, _, err = l.Missing(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		for i := range want {
			want[i].Lost = true
		}
		assert.Equal(t, want, gaps)
		gaps, _, err = l.Missing(t.Context(), "g-2", "m-1")
		require.NoError(t, err)
		assert.Empty(t, gaps, "of another mailbox")

		require.NoError(t, store.Withdraw(t.Context(), "g-1", "m-1"))
		gaps, known, err = l.Missing(t.Context(), "g-1", "m-1")
		require.NoError(t, err)
		assert.False(t, known, "events are dropped, so nobody can say")
		assert.Empty(t, gaps)
	})
	_, _, err := engagement.NewLedger(engagement.NewMemoryStore()).Missing(t.Context(), "g-1", "")
	require.ErrorContains(t, err, "id of a message")
	_, _, err = engagement.NewLedger(nil).Missing(t.Context(), "g-1", "m-1")
	require.ErrorContains(t, err, "needs a store")
}
