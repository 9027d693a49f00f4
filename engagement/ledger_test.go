package engagement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

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
