package sqlstore_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

func TestUpdateStoresStateAndEvents(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		key := opens("m-1")
		assert.Equal(t, engagement.Record{}, load(t, s, key), "nothing is known")
		assert.Empty(t, history(t, s, "m-1"))

		require.NoError(t, s.Update(t.Context(), key, func(r engagement.Record) (engagement.Addition, error) {
			assert.Equal(t, engagement.Record{}, r)
			return engagement.Addition{State: []byte{0, 1, 0xff}, Events: []engagement.Event{opened("m-1", "A", 1), opened("m-1", "B", 2)}}, nil
		}))
		other := d.store(t) // what another process sees
		assert.Equal(t, engagement.Record{State: []byte{0, 1, 0xff}}, load(t, other, key))
		require.NoError(t, other.Update(t.Context(), key, func(r engagement.Record) (engagement.Addition, error) {
			assert.Equal(t, []byte{0, 1, 0xff}, r.State)
			return engagement.Addition{State: []byte("next"), Events: []engagement.Event{opened("m-1", "C", 0)}}, nil
		}))
		assert.Equal(t, []byte("next"), load(t, s, key).State)
		assert.Equal(t, []string{"C", "A", "B"}, ids(history(t, s, "m-1")), "in the order of their time")

		for name, other := range map[string]engagement.Key{
			"kind":    {GrantID: "g-1", MessageID: "m-1", Kind: engagement.Click},
			"message": opens("m-2"),
			"grant":   {GrantID: "g-2", MessageID: "m-1", Kind: engagement.Open},
			"thread":  {GrantID: "g-1", ThreadID: "m-1", Kind: engagement.Open},
		} {
			assert.Equal(t, engagement.Record{}, load(t, s, other), "another %s is another key", name)
		}
	})
}

func TestEachKindHasAState(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		kinds := []engagement.Kind{engagement.Open, engagement.Click, engagement.Reply}
		for _, kind := range kinds {
			require.NoError(t, s.Update(t.Context(), engagement.Key{MessageID: "m-1", Kind: kind}, func(engagement.Record) (engagement.Addition, error) {
				return engagement.Addition{State: []byte(kind)}, nil
			}))
		}
		for _, kind := range kinds {
			assert.Equal(t, string(kind), string(load(t, s, engagement.Key{MessageID: "m-1", Kind: kind}).State))
		}
	})
}

// What fn does not finish is not stored, and holds nobody up.
func TestUpdateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s, key := d.store(t), opens("m-1")
		add(t, s, key, opened("m-1", "A", 1))
		before := load(t, s, key)
		addition := engagement.Addition{State: []byte("other"), Events: []engagement.Event{opened("m-1", "B", 2)}}

		own := errors.New("an error of the caller's")
		assert.Equal(t, own, s.Update(t.Context(), key, func(engagement.Record) (engagement.Addition, error) { return addition, own }))
		assert.PanicsWithValue(t, "oh", func() {
			_ = s.Update(t.Context(), key, func(engagement.Record) (engagement.Addition, error) { panic("oh") })
		})
		var ended sync.WaitGroup
		ended.Go(func() {
			_ = s.Update(t.Context(), key, func(engagement.Record) (engagement.Addition, error) { runtime.Goexit(); return addition, nil })
		})
		ended.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Update(ctx, key, func(engagement.Record) (engagement.Addition, error) { cancel(); return addition, nil })
		require.ErrorIs(t, err, context.Canceled)

		assert.Equal(t, before, load(t, s, key))
		assert.Equal(t, []string{"A"}, ids(history(t, s, "m-1")))
		add(t, s, key, opened("m-1", "C", 3))
		assert.Equal(t, []string{"A", "C"}, ids(history(t, s, "m-1")), "the lock is free")
	})
}

// An event that is stored already is not stored twice, whatever the state says.
func TestAnEventIsStoredOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		again := opened("m-1", "A", 1)
		again.UserAgent = "another"
		add(t, s, opens("m-1"), opened("m-1", "A", 1))
		add(t, s, opens("m-1"), again, opened("m-1", "B", 2), opened("m-1", "B", 3))
		events := history(t, s, "m-1")
		assert.Equal(t, []string{"A", "B"}, ids(events))
		assert.Empty(t, events[0].UserAgent, "the first one stays")
	})
}

func TestEventsKeepTheirFields(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		click := engagement.Event{
			ID: "CLICK", Kind: engagement.Click, GrantID: "g-1", MessageID: "m-1", ThreadID: "t-1", Label: "q2 'é'", Time: noon,
			IP: netip.MustParseAddr("2001:db8::7"), UserAgent: "Mozilla/5.0 (\"x\"; 雪)", LinkIndex: 3, URL: "https://acme.dev/?a=1&b=<2>",
			URLInferred: true, Network: "apple-private-relay",
		}
		reply := engagement.Event{
			ID: "REPLY", Kind: engagement.Reply, GrantID: "g-1", MessageID: "m-1", Time: noon.Add(time.Second),
			IP: netip.MustParseAddr("203.0.113.7"), LinkIndex: -1, ReplyID: "r-1", FromSelf: true,
		}
		bare := engagement.Event{ID: "BARE", Kind: engagement.Open, GrantID: "g-1", MessageID: "m-1", LinkIndex: -1}
		add(t, s, opens("m-1"), bare)
		add(t, s, opens("m-1"), click, reply)
		assert.ElementsMatch(t, []engagement.Event{click, reply, bare}, history(t, s, "m-1"))
	})
}

// Both engines store what one of them would refuse, or a notification could never be handled.
func TestOddTextsAreStored(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		odd := opened("m\x00", "A", 1)
		odd.UserAgent, odd.URL, odd.ThreadID = "a\x00b\xff", "\xc3(", "\x00"
		odd.Label = strings.Repeat("\U0001F600", 2048) // as long as Nylas allows, in as many bytes as there can be
		add(t, s, opens("m\x00"), odd)
		events, err := s.Events(t.Context(), "g-1", "m\x00")
		require.NoError(t, err)
		require.Len(t, events, 1)
		assert.Equal(t, "a\uFFFDb\uFFFD", events[0].UserAgent)
		assert.Equal(t, "\uFFFD(", events[0].URL)
		assert.Equal(t, odd.Label, events[0].Label)
		assert.NotEmpty(t, load(t, s, opens("m\x00")).State)
		page, err := s.Messages(t.Context(), sqlstore.MessageQuery{Label: odd.Label})
		require.NoError(t, err)
		assert.Len(t, page.Messages, 1)
	})
}

// Many events are one statement, however many there are.
func TestManyEventsAtOnce(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		var events []engagement.Event
		for i := range 10_000 {
			events = append(events, opened("m-1", "E"+strings.Repeat("X", i%20)+netip.AddrFrom4([4]byte{byte(i >> 8), byte(i)}).String(), i))
		}
		add(t, s, opens("m-1"), events...)
		assert.Equal(t, ids(events), ids(history(t, s, "m-1")))
	})
}

// Events of one second stay in the order in which they came.
func TestEventsOfOneSecondKeepTheirOrder(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		add(t, s, opens("m-1"), opened("m-1", "Z", 1), opened("m-1", "M", 1), opened("m-1", "A", 1))
		add(t, s, opens("m-1"), opened("m-1", "Y", 1), opened("m-1", "B", 0))
		assert.Equal(t, []string{"B", "Z", "M", "A", "Y"}, ids(history(t, s, "m-1")))
	})
}

// Of many Updates of one key, also through several handles, one runs at a time.
func TestUpdatesOfAKeyTakeTurns(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		const handles, rounds = 4, 25
		var wait sync.WaitGroup
		var inside sync.Mutex
		for range handles {
			s := d.store(t)
			for range 2 {
				wait.Go(func() {
					for range rounds {
						assert.NoError(t, s.Update(t.Context(), opens("m-1"), func(r engagement.Record) (engagement.Addition, error) {
							if assert.True(t, inside.TryLock(), "another Update of the key runs") {
								defer inside.Unlock()
							}
							runtime.Gosched()
							return engagement.Addition{State: append(r.State[:len(r.State):len(r.State)], 'x')}, nil
						}))
					}
				})
			}
		}
		wait.Wait()
		assert.Len(t, load(t, d.store(t), opens("m-1")).State, handles*2*rounds)
	})
}

func TestWrongUseIsAClearError(t *testing.T) {
	t.Parallel()
	_, err := sqlstore.New(nil, sqlstore.SQLite)
	require.ErrorContains(t, err, "db is nil")
	d := migrated(t, sqlstore.SQLite)
	_, err = sqlstore.New(d.open(t), 0)
	require.ErrorContains(t, err, "use SQLite or PostgreSQL")
	_, err = sqlstore.New(d.open(t), sqlstore.SQLite, nil, sqlstore.WithHashedAddresses([]byte("short")))
	require.ErrorContains(t, err, "16 bytes")
	_, err = sqlstore.New(d.open(t), sqlstore.SQLite, sqlstore.WithoutAddresses(), sqlstore.WithTruncatedAddresses())
	require.ErrorContains(t, err, "give one")

	s := d.store(t)
	never := func(engagement.Record) (engagement.Addition, error) {
		t.Error("fn is called for a key that cannot be")
		return engagement.Addition{}, nil
	}
	for want, key := range map[string]engagement.Key{
		"not named": {GrantID: "g-1", Kind: engagement.Open},
		"none of":   {GrantID: "g-1", MessageID: "m-1", Kind: "opened"},
		"too long":  {GrantID: "g-1", MessageID: strings.Repeat("m", 513), Kind: engagement.Open},
	} {
		_, err := s.Load(t.Context(), key)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, s.Update(t.Context(), key, never), want)
	}
	require.ErrorContains(t, s.SetSent(t.Context(), engagement.Sent{Subject: "hi"}), "not named")
	require.ErrorContains(t, s.SetSent(t.Context(), engagement.Sent{MessageID: "m-1", Recipients: -1}), "Recipients")
	_, err = s.Events(t.Context(), "g-1", "")
	require.ErrorContains(t, err, "not named")
	_, _, err = s.Sent(t.Context(), "g-1", "")
	require.ErrorContains(t, err, "not named")
	_, err = s.EventPage(t.Context(), sqlstore.EventQuery{})
	require.ErrorContains(t, err, "not named")
	require.ErrorContains(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{MessageIDs: []string{""}}), "not named")

	var zero sqlstore.Store
	_, err = zero.Load(t.Context(), opens("m-1"))
	require.ErrorContains(t, err, "New")
	require.ErrorContains(t, zero.Update(t.Context(), opens("m-1"), never), "New")
	require.ErrorContains(t, zero.SetSent(t.Context(), engagement.Sent{MessageID: "m-1"}), "New")
	assert.Equal(t, "Engine(7)", sqlstore.Engine(7).String())
}

// The longest ids that are allowed fit into an index of PostgreSQL.
func TestTheLongestIDsAreStored(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		random := func(seed byte) string { // which cannot be compressed
			var b strings.Builder
			x := uint32(seed) + 1
			for b.Len() < 512 {
				x = x*1664525 + 1013904223
				b.WriteByte('!' + byte(x>>24)%90)
			}
			return b.String()
		}
		key := engagement.Key{GrantID: random(1), MessageID: random(2), ThreadID: random(3), Kind: engagement.Reply}
		add(t, s, key, engagement.Event{ID: "A", Kind: engagement.Reply, Time: noon})
		assert.NotEmpty(t, load(t, s, key).State)
	})
}
