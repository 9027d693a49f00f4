package sqlstore_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

func minimizers() []sqlstore.Option {
	return []sqlstore.Option{
		sqlstore.WithoutAddresses(), sqlstore.WithTruncatedAddresses(), sqlstore.WithHashedAddresses([]byte("a key of more than 16 bytes")),
	}
}

func withdrawal(message string) sqlstore.Withdrawal {
	return sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{message}, DeleteEvents: true}
}

func TestAddressesAreMinimized(t *testing.T) {
	t.Parallel()
	key := []byte("a key of more than 16 bytes")
	eachEngine(t, func(t *testing.T, d database) {
		from := []string{"203.0.113.177", "203.0.113.178", "::ffff:203.0.113.177", "2001:db8:1:8002:3:4:5:6", "fe80::1%eth0", ""}
		stored := func(name string, opts ...sqlstore.Option) (all []string) {
			s := d.store(t, opts...)
			var events []engagement.Event
			for i, ip := range from {
				e := opened(name, fmt.Sprint(name, i), i)
				e.IP, _ = netip.ParseAddr(ip)
				e.Network = "apple-private-relay"
				events = append(events, e)
			}
			add(t, s, opens(name), events...)
			for _, e := range history(t, s, name) {
				assert.Equal(t, "apple-private-relay", e.Network)
				if !e.IP.IsValid() {
					all = append(all, "")
					continue
				}
				all = append(all, e.IP.String())
			}
			return all
		}
		assert.Equal(t, []string{"203.0.113.177", "203.0.113.178", "203.0.113.177", "2001:db8:1:8002:3:4:5:6", "fe80::1", ""}, stored("kept"))
		assert.Equal(t, []string{"", "", "", "", "", ""}, stored("dropped", sqlstore.WithoutAddresses()))
		assert.Equal(t, []string{"203.0.113.0", "203.0.113.0", "203.0.113.0", "2001:db8:1::", "fe80::", ""},
			stored("cut", sqlstore.WithTruncatedAddresses()))

		hashed := stored("hashed", sqlstore.WithHashedAddresses(key))
		for _, ip := range hashed[:5] {
			assert.True(t, netip.MustParsePrefix("100::/64").Contains(netip.MustParseAddr(ip)), "%s is nobody's address", ip)
		}
		assert.Equal(t, hashed[0], hashed[2], "the same address")
		assert.NotEqual(t, hashed[0], hashed[1], "another address")
		assert.Empty(t, hashed[5])
		assert.Equal(t, hashed, stored("again", sqlstore.WithHashedAddresses(key)), "the same key")
		assert.NotEqual(t, hashed, stored("other", sqlstore.WithHashedAddresses([]byte("another key of 16 bytes"))), "the key matters")
	})
}

func TestWithdrawnMessages(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		for _, m := range []string{"m-1", "m-2", "m-3"} {
			add(t, s, opens(m), opened(m, "E"+m, 1))
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: m, Subject: "Hi"}))
		}
		require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-1", "m-1", "m-unknown"}}))
		require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{
			GrantID: "g-1", MessageIDs: []string{"m-2"}, ThreadIDs: []string{"t-2"}, DeleteEvents: true,
		}))
		other := d.store(t)
		for _, kind := range []engagement.Kind{engagement.Open, engagement.Click, engagement.Reply} {
			for _, key := range []engagement.Key{
				{GrantID: "g-1", MessageID: "m-1", Kind: kind}, {GrantID: "g-1", MessageID: "m-unknown", Kind: kind},
				{GrantID: "g-1", MessageID: "m-2", Kind: kind}, {GrantID: "g-1", ThreadID: "t-2", Kind: kind},
			} {
				assert.True(t, load(t, other, key).Withdrawn, "%v", key)
				require.NoError(t, other.Update(t.Context(), key, func(r engagement.Record) (engagement.Addition, error) {
					assert.True(t, r.Withdrawn, "%v", key)
					return engagement.Addition{State: r.State}, nil
				}))
			}
			assert.False(t, load(t, other, engagement.Key{GrantID: "g-1", MessageID: "m-3", Kind: kind}).Withdrawn)
			assert.False(t, load(t, other, engagement.Key{GrantID: "g-2", MessageID: "m-1", Kind: kind}).Withdrawn)
		}
		assert.Equal(t, []string{"Em-1"}, ids(history(t, other, "m-1")), "they are kept unless it is said")
		assert.Empty(t, history(t, other, "m-2"))
		assert.NotEmpty(t, load(t, other, opens("m-1")).State)
		page, err := other.Messages(t.Context(), sqlstore.MessageQuery{GrantID: "g-1"})
		require.NoError(t, err)
		withdrawn := map[string]bool{}
		for _, m := range page.Messages {
			withdrawn[m.MessageID] = m.Withdrawn
			assert.Equal(t, m.MessageID == "m-2", m.LastEvent.IsZero(), "%s: its events were deleted", m.MessageID)
		}
		assert.Equal(t, map[string]bool{"m-1": true, "m-2": true, "m-3": false}, withdrawn)
	})
}

// Once Withdraw has returned, an Update that began before it adds nothing any more: it is
// over, and what it stored is deleted.
func TestWithdrawWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s, other := d.store(t), d.store(t)
		var wait sync.WaitGroup
		inside, goOn := make(chan struct{}), make(chan struct{})
		wait.Go(func() {
			assert.NoError(t, s.Update(t.Context(), opens("m-1"), func(engagement.Record) (engagement.Addition, error) {
				close(inside)
				<-goOn
				return engagement.Addition{State: []byte("x"), Events: []engagement.Event{opened("m-1", "A", 1)}}, nil
			}))
		})
		<-inside
		withdrawn := make(chan error, 1)
		go func() {
			withdrawn <- other.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-1"}, DeleteEvents: true})
		}()
		select {
		case err := <-withdrawn:
			assert.Fail(t, "Withdraw returned while an Update was under way", "%v", err)
		case <-time.After(100 * time.Millisecond):
		}
		close(goOn)
		wait.Wait()
		require.NoError(t, <-withdrawn)
		assert.Empty(t, history(t, s, "m-1"))
		assert.True(t, load(t, s, opens("m-1")).Withdrawn)
	})
}

func TestOldEventsAreDeletedAndStayKnown(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		const messages = 450 // several steps
		for i := range messages {
			m := fmt.Sprint("m-", i)
			add(t, s, opens(m), opened(m, fmt.Sprint("old", i), 0), opened(m, fmt.Sprint("new", i), 60))
		}
		undated := engagement.Event{ID: "undated", Kind: engagement.Open, LinkIndex: -1}
		add(t, s, opens("m-0"), undated)
		state := load(t, s, opens("m-7")).State
		deleted, err := s.DeleteEvents(t.Context(), noon.Add(time.Minute))
		require.NoError(t, err)
		assert.Equal(t, int64(messages), deleted)
		assert.Equal(t, []string{"new7"}, ids(history(t, s, "m-7")))
		assert.Equal(t, []string{"new449"}, ids(history(t, s, "m-449")))
		assert.Equal(t, state, load(t, s, opens("m-7")).State)
		deleted, err = s.DeleteEvents(t.Context(), noon.Add(time.Minute))
		require.NoError(t, err)
		assert.Zero(t, deleted)
		deleted, err = s.DeleteEvents(t.Context(), time.Now().Add(time.Minute))
		require.NoError(t, err)
		assert.Equal(t, int64(messages+1), deleted, "what has no time is as old as its storing")
	})
}

// The time of an event is personal data, so it goes with the event.
func TestLastEventGoesWithTheEvents(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		add(t, s, opens("m-never-sent"), opened("m-never-sent", "A", 0))
		add(t, s, opens("m-sent"), opened("m-sent", "B", 0))
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-sent", At: noon.Add(-time.Hour)}))
		add(t, s, opens("m-undated"), opened("m-undated", "C", 0))
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-undated"}))
		add(t, s, opens("m-later"), opened("m-later", "D", 0), opened("m-later", "E", 60))
		_, err := s.DeleteEvents(t.Context(), noon.Add(time.Second))
		require.NoError(t, err)
		last := func() map[string]time.Time {
			page, err := s.Messages(t.Context(), sqlstore.MessageQuery{})
			require.NoError(t, err)
			all := map[string]time.Time{}
			for _, m := range page.Messages {
				all[m.MessageID] = m.LastEvent
			}
			return all
		}
		assert.Equal(t, map[string]time.Time{"m-sent": {}, "m-undated": {}, "m-later": noon.Add(time.Minute)}, last())
		add(t, s, opens("m-never-sent"), opened("m-never-sent", "F", 120))
		assert.Equal(t, noon.Add(2*time.Minute), last()["m-never-sent"], "a new one brings it back")
	})
}

// inBubble runs a test in the time of a bubble, on SQLite, which needs no goroutines.
func inBubble(t *testing.T, test func(t *testing.T, d database)) {
	t.Helper()
	d := migrated(t, sqlstore.SQLite)
	synctest.Test(t, func(t *testing.T) { test(t, d) })
}

func TestOldMessagesAreDeletedAfter60Days(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	inBubble(t, func(t *testing.T, d database) {
		s := d.store(t)
		start := time.Now()
		addAt := func(message, id string) {
			e := opened(message, id, 0)
			e.Time = time.Now().Add(-90 * day) // an event that is told late
			add(t, s, opens(message), e)
		}
		addAt("m-old", "A")
		addAt("m-old-withdrawn", "B")
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-old-withdrawn", Subject: "Hi", Label: "q2", Links: []string{"https://acme.dev"}}))
		require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: "m-old-sent", Subject: "Hi", At: start.Add(-30 * day)}))
		addAt("m-busy", "C")
		<-time.After(30 * day)
		addAt("m-busy", "D")
		addAt("m-new", "E")
		require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-old-withdrawn", "m-never"}}))

		_, err := s.DeleteMessages(t.Context(), start)
		require.ErrorContains(t, err, "60 days")
		<-time.After(sqlstore.MinKnown - 30*day)
		_, err = s.DeleteMessages(t.Context(), start.Add(time.Second))
		require.ErrorContains(t, err, "60 days")
		<-time.After(time.Second)
		deleted, err := s.DeleteMessages(t.Context(), start.Add(time.Second))
		require.NoError(t, err)
		assert.Equal(t, int64(3), deleted)

		assert.Equal(t, engagement.Record{}, load(t, s, opens("m-old")))
		assert.Empty(t, history(t, s, "m-old"))
		_, known, err := s.Sent(t.Context(), "g-1", "m-old-sent")
		require.NoError(t, err)
		assert.False(t, known)
		assert.NotEmpty(t, load(t, s, opens("m-busy")).State)
		assert.Equal(t, []string{"C", "D"}, ids(history(t, s, "m-busy")))
		assert.NotEmpty(t, load(t, s, opens("m-new")).State)

		assert.Equal(t, engagement.Record{Withdrawn: true}, load(t, s, opens("m-old-withdrawn")), "a withdrawal is for ever")
		assert.Empty(t, history(t, s, "m-old-withdrawn"))
		_, known, err = s.Sent(t.Context(), "g-1", "m-old-withdrawn")
		require.NoError(t, err)
		assert.False(t, known, "nothing but its ids stays")
		assert.Equal(t, 2, count(t, d.open(t), "nylas_messages WHERE withdrawn"))
		assert.Equal(t, []string{"m-new", "m-busy"}, messageIDs(messages(t, s, sqlstore.MessageQuery{})))

		deleted, err = s.DeleteMessages(t.Context(), start.Add(time.Second))
		require.NoError(t, err)
		assert.Zero(t, deleted)
		<-time.After(365 * day)
		deleted, err = s.DeleteMessages(t.Context(), time.Now().Add(-sqlstore.MinKnown))
		require.NoError(t, err)
		assert.Equal(t, int64(3), deleted, "m-busy, m-new and m-never")
		assert.True(t, load(t, s, opens("m-never")).Withdrawn)
		assert.Equal(t, 2, count(t, d.open(t), "nylas_messages"))
	})
}

// Deleting runs while events come, and loses none of the new ones.
func TestDeletingWhileEventsCome(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		const messages, rounds = 30, 4
		db := d.open(t)
		s := d.store(t)
		ctx, stop := context.WithCancel(t.Context())
		var wait, writers sync.WaitGroup
		wait.Go(func() {
			for ctx.Err() == nil {
				_, err := s.DeleteMessages(t.Context(), time.Now().Add(-sqlstore.MinKnown))
				assert.NoError(t, err)
			}
		})
		for i := range messages {
			m := fmt.Sprint("m-", i)
			writers.Go(func() {
				for round := range rounds {
					add(t, s, opens(m), opened(m, fmt.Sprint(m, ":", round), round))
					assert.Contains(t, ids(history(t, s, m)), fmt.Sprint(m, ":", round))
					_, err := db.ExecContext(t.Context(), "UPDATE nylas_messages SET changed_at = 1 WHERE message_id = '"+m+"'")
					assert.True(t, err == nil || d.engine == sqlstore.SQLite, "%v", err) // which does not wait
				}
				add(t, s, opens(m), opened(m, m+":last", rounds))
			})
		}
		writers.Wait()
		stop()
		wait.Wait()
		for i := range messages {
			m := fmt.Sprint("m-", i)
			assert.Contains(t, ids(history(t, s, m)), m+":last")
			assert.NotEmpty(t, load(t, s, opens(m)).State)
		}
		assert.Zero(t, count(t, db, "nylas_events WHERE message NOT IN (SELECT id FROM nylas_messages)"), "no event is left behind")
	})
}
