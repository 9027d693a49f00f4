package sqlstore_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
)

// windowSize is how many events Nylas repeats in a notification.
const windowSize = 50

// tale is what happened to one message, and the notifications that arrived of it.
type tale struct {
	message string
	kind    engagement.Kind
	bodies  []string // the notifications that arrived, in the order in which they do
	told    []bool   // by id: whether one of them tells of the event
}

// newTale makes up a message: bursts of up to 120 events, notifications with the last 50
// of them, in any order, some twice, one of eight never.
func newTale(r *rand.Rand, message string) *tale {
	t := &tale{message: message, kind: []engagement.Kind{engagement.Open, engagement.Click}[r.IntN(2)]}
	var loads []string
	second := 1_700_000_000
	for range 1 + r.IntN(4) {
		for range 1 + r.IntN(1+r.IntN(120)) {
			second += r.IntN(3) // several in a second
			loads = append(loads, t.element(len(loads), second, r))
			if r.IntN(14) == 0 {
				t.notify(r, loads)
			}
		}
		t.notify(r, loads)
	}
	t.told = slices.Grow(t.told, len(loads))[:len(loads)]
	r.Shuffle(len(t.bodies), func(i, j int) { t.bodies[i], t.bodies[j] = t.bodies[j], t.bodies[i] })
	return t
}

func (t *tale) element(id, second int, r *rand.Rand) string {
	if t.kind == engagement.Open {
		return fmt.Sprintf(`{"opened_id":%d,"ip":"203.0.113.%d","timestamp":%d,"user_agent":"Agent/%d"}`, id, r.IntN(3), second, r.IntN(2))
	}
	return fmt.Sprintf(`{"click_id":"%d","link_index":"1","ip":"203.0.113.%d","timestamp":%d,"user_agent":"Agent/%d"}`, id, r.IntN(3), second, r.IntN(2))
}

func (t *tale) notify(r *rand.Rand, loads []string) {
	if r.IntN(8) == 0 {
		return
	}
	from := max(0, len(loads)-windowSize)
	t.told = append(t.told, make([]bool, len(loads)-len(t.told))...)
	for id := from; id < len(loads); id++ {
		t.told[id] = true
	}
	recents := slices.Clone(loads[from:])
	r.Shuffle(len(recents), func(i, j int) { recents[i], recents[j] = recents[j], recents[i] })
	typ := map[engagement.Kind]string{engagement.Open: "message.opened", engagement.Click: "message.link_clicked"}[t.kind]
	body := fmt.Sprintf(`{"specversion":"1.0","type":%q,"source":"/com/nylas/tracking","id":"n-%d","time":1700000000,`+
		`"data":{"grant_id":"g-1","object":{"message_id":%q,"label":"q2","recents":[%s]}}}`, typ, len(loads), t.message, strings.Join(recents, ","))
	t.bodies = append(t.bodies, body)
	if r.IntN(6) == 0 {
		t.bodies = append(t.bodies, body)
	}
}

// missing are the ids, as ranges, that no notification told of although later ones are known.
func (t *tale) missing() (gaps [][2]int64) {
	last := -1
	for id, told := range t.told {
		if !told {
			continue
		}
		if id > last+1 {
			gaps = append(gaps, [2]int64{int64(last + 1), int64(id - 1)})
		}
		last = id
	}
	return gaps
}

func (t *tale) events() (n int) {
	for _, told := range t.told {
		if told {
			n++
		}
	}
	return n
}

func parse(tb testing.TB, body string) *events.Notification {
	tb.Helper()
	n, err := events.Parse([]byte(body))
	require.NoError(tb, err)
	return n
}

func ranges(gaps []engagement.Gap) (all [][2]int64) {
	for _, g := range gaps {
		all = append(all, [2]int64{g.First, g.Last})
	}
	return all
}

// Ledgers of several handles share a store, and the notifications of each message come to
// them at the same time. What comes is told exactly once, what is missing is exact, and
// neither the order nor a repetition matters.
func TestHistories(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		const histories, processes = 300, 3
		other := migrated(t, d.engine) // gets the same in another order
		var ledgers, others []*engagement.Ledger
		for range processes {
			ledgers = append(ledgers, engagement.NewLedger(d.store(t)))
			others = append(others, engagement.NewLedger(other.store(t)))
		}
		reader, otherReader := d.store(t), other.store(t)
		for seed := range histories {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			tale := newTale(r, fmt.Sprint("m-", seed))
			if len(tale.bodies) == 0 {
				continue // none arrived
			}
			told := applyAtOnce(t, ledgers, tale.bodies)
			stored := ids(history(t, reader, tale.message))
			require.Len(t, told, tale.events(), "seed %d: the union, each event once", seed)
			require.ElementsMatch(t, told, stored, "seed %d: what is told is stored", seed)

			for _, body := range tale.bodies { // again: it is all known
				change, err := ledgers[0].Apply(t.Context(), parse(t, body))
				require.NoError(t, err)
				require.Empty(t, change.New, "seed %d: told twice", seed)
				require.Equal(t, tale.missing(), ranges(change.Missing), "seed %d: what is missing", seed)
			}

			r.Shuffle(len(tale.bodies), func(i, j int) { tale.bodies[i], tale.bodies[j] = tale.bodies[j], tale.bodies[i] })
			require.ElementsMatch(t, told, applyAtOnce(t, others, tale.bodies), "seed %d: another order", seed)
			require.ElementsMatch(t, stored, ids(history(t, otherReader, tale.message)), "seed %d: another order", seed)
		}
		assert.Equal(t, 0, count(t, d.open(t), "(SELECT id FROM nylas_events GROUP BY id HAVING count(*) > 1) AS twice"))
	})
}

// applyAtOnce shares notifications among ledgers that run at the same time, each of them to
// two, and returns the ids of the events that are told.
func applyAtOnce(t *testing.T, ledgers []*engagement.Ledger, bodies []string) (told []string) {
	t.Helper()
	var wait sync.WaitGroup
	changes := make(chan engagement.Change, len(ledgers)*len(bodies))
	for i, ledger := range ledgers {
		wait.Go(func() {
			for j, body := range bodies {
				if (j+1)%len(ledgers) == i {
					continue // the other two get it
				}
				change, err := ledger.Apply(t.Context(), parse(t, body))
				assert.NoError(t, err)
				changes <- change
			}
		})
	}
	wait.Wait()
	close(changes)
	for change := range changes {
		told = append(told, ids(change.New)...)
	}
	return told
}

// An address that is not stored is still known: the same event is not new again.
func TestMinimizedEventsStayKnown(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		for i, option := range minimizers() {
			tale := newTale(rand.New(rand.NewPCG(uint64(i), 9)), fmt.Sprint("m-", i))
			s := d.store(t, option)
			told := applyAtOnce(t, []*engagement.Ledger{engagement.NewLedger(s), engagement.NewLedger(s)}, tale.bodies)
			assert.Len(t, told, tale.events())
			for _, e := range history(t, s, tale.message) {
				assert.NotContains(t, []string{"203.0.113.1", "203.0.113.2"}, e.IP.String())
			}
			assert.Empty(t, applyAtOnce(t, []*engagement.Ledger{engagement.NewLedger(d.store(t, option))}, tale.bodies))
		}
	})
}

// After a withdrawal a ledger tells of nothing and stores nothing; after a retention it knows
// what it has deleted.
func TestALedgerOnAStoreThatForgets(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		ledger := engagement.NewLedger(s)
		body := func(message string, ids ...int) string {
			tale := &tale{message: message, kind: engagement.Open}
			var recents []string
			for _, id := range ids {
				recents = append(recents, tale.element(id, 1_700_000_000+id, rand.New(rand.NewPCG(1, 1))))
			}
			tale.notify(rand.New(rand.NewPCG(3, 3)), recents)
			return tale.bodies[0]
		}
		for _, message := range []string{"m-1", "m-2"} {
			change, err := ledger.Apply(t.Context(), parse(t, body(message, 0, 1)))
			require.NoError(t, err)
			require.Len(t, change.New, 2)
		}
		_, err := s.DeleteEvents(t.Context(), noon)
		require.NoError(t, err)
		require.NoError(t, s.Withdraw(t.Context(), withdrawal("m-2")))

		change, err := ledger.Apply(t.Context(), parse(t, body("m-1", 0, 1, 2)))
		require.NoError(t, err)
		assert.Len(t, change.New, 1, "the others are deleted, and known")
		assert.Len(t, history(t, s, "m-1"), 1)
		change, err = ledger.Apply(t.Context(), parse(t, body("m-2", 0, 1, 2)))
		require.NoError(t, err)
		assert.True(t, change.Withdrawn)
		assert.Empty(t, change.New)
		assert.Empty(t, history(t, s, "m-2"))
	})
}
