package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

func TestTheFirstBodyOfAnIDIsKept(t *testing.T) {
	t.Parallel()
	var duplicates, accepted atomic.Int64
	box := open(t, newPath(t), inbox.WithHooks(inbox.Hooks{
		Accepted:  func(*receive.Delivery, time.Duration) { accepted.Add(1) },
		Duplicate: func(*receive.Delivery) { duplicates.Add(1) },
	}))
	var storing sync.WaitGroup
	require.NoError(t, box.HandleDelivery(t.Context(), deliveryOf("n-1", "first")))
	for i := range 100 {
		storing.Go(func() {
			assert.NoError(t, box.HandleDelivery(context.Background(), deliveryOf("n-1", fmt.Sprint("later-", i))))
			assert.NoError(t, box.HandleDelivery(context.Background(), delivery(fmt.Sprint("other-", i%10))))
		})
	}
	storing.Wait()
	assert.EqualValues(t, 11, accepted.Load())
	assert.EqualValues(t, 190, duplicates.Load())
	var mu sync.Mutex
	bodies := map[string][]byte{}
	run(t, box, func(_ context.Context, d *receive.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		bodies[d.ID] = d.Body
		return nil
	})
	require.Eventually(t, func() bool { return stats(t, box).Done == 11 }, time.Minute, time.Millisecond)
	require.Len(t, bodies, 11)
	assert.Equal(t, deliveryOf("n-1", "first").Body, bodies["n-1"])
	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")), "a duplicate of what is done")
	assert.EqualValues(t, 0, stats(t, box).Pending)
}

func TestIDsOfAllKinds(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := open(t, path)
	ids := []string{
		"3f6c9c9a-0e7b-4a59-9c1b-0a1b2c3d4e5f", "3F6C9C9A-0E7B-4A59-9C1B-0A1B2C3D4E5F", "{3f6c9c9a-0e7b-4a59-9c1b-0a1b2c3d4e5f}",
		"urn:uuid:3f6c9c9a-0e7b-4a59-9c1b-0a1b2c3d4e5f", "3f6c9c9a0e7b4a599c1b0a1b2c3d4e5f", "x", "t", "u", "a\x00b", "a\x00c", "\xff\xfe", "sixteen-bytes-id",
	}
	for _, id := range ids {
		d := receive.NewDelivery([]byte("{}"), "")
		d.ID, d.Err = id, nil
		require.NoError(t, box.HandleDelivery(t.Context(), d))
		require.NoError(t, box.HandleDelivery(t.Context(), d))
	}
	require.NoError(t, box.Close())
	box = open(t, path)
	c := newCalls()
	run(t, box, func(_ context.Context, d *receive.Delivery) error { c.note(d); return nil })
	require.Eventually(t, func() bool { return stats(t, box).Pending == 0 }, time.Minute, time.Millisecond)
	assert.ElementsMatch(t, ids, c.ids())
}

func TestRefusesWhatIsNoDelivery(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t))
	require.ErrorContains(t, box.HandleDelivery(t.Context(), nil), "NewDelivery")
	require.ErrorContains(t, box.HandleDelivery(t.Context(), &receive.Delivery{}), "NewDelivery")
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	require.ErrorIs(t, box.HandleDelivery(ctx, delivery("n-1")), gone)
	assert.EqualValues(t, 0, stats(t, box).Pending)
}

// What a caller does with its delivery after the call must not reach the inbox.
func TestTheCallersDeliveryIsItsOwnAgain(t *testing.T) {
	t.Parallel()
	box := open(t, newPath(t))
	d := delivery("n-1")
	require.NoError(t, box.HandleDelivery(t.Context(), d))
	d.Body[0] = 'x'
	got := make(chan *receive.Delivery, 1)
	run(t, box, func(_ context.Context, d *receive.Delivery) error { got <- d; return nil })
	assert.Equal(t, string(delivery("n-1").Body), string((<-got).Body))
}

// Callers that give up while the writer is busy, and let go of the bodies, must not use
// up the room of what waits for the disk.
func TestCallersThatGiveUpLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	busy, free := make(chan struct{}), make(chan struct{})
	block := sync.OnceFunc(func() {
		close(busy)
		<-free
	})
	giveUp := func() {}
	box := open(t, newPath(t),
		inbox.WithHooks(inbox.Hooks{Handled: func(*receive.Delivery, int, time.Duration) { block() }}), // called by the writer
		inbox.WithOrder(func(*receive.Delivery) string { // called on the way to the writer
			giveUp()
			return ""
		}))
	take(t, box, "n-1")
	stop := run(t, box, func(context.Context, *receive.Delivery) error { return nil })
	<-busy
	gone := errors.New("gone")
	for i := range 64 { // MiB, for which there is room
		ctx, cancel := context.WithCancelCause(t.Context())
		giveUp = func() { cancel(gone) }
		d := delivery(fmt.Sprint("late-", i))
		d.Body = make([]byte, 1<<20)
		require.ErrorIs(t, box.HandleDelivery(ctx, d), gone)
		d.Body = nil
	}
	giveUp = func() {}
	close(free)
	stats(t, box) // the writer has done what was there
	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-2")))
	stop()
}

func TestUndecodableDeliveriesAreDeadLetters(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var died []error
	box := open(t, newPath(t), inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), inbox.WithHooks(inbox.Hooks{
		Died: func(_ *receive.Delivery, attempts int, err error) {
			assert.Zero(t, attempts)
			died = append(died, err)
		},
	}))
	bodies := [][]byte{[]byte("no JSON secret@example.org"), {}, {0x1f, 0x8b, 0, 1}}
	for _, body := range bodies {
		d := receive.NewDelivery(body, "gzip")
		require.Error(t, d.Err)
		require.NoError(t, box.HandleDelivery(t.Context(), d))
		require.NoError(t, box.HandleDelivery(t.Context(), d))
	}
	letters := dead(t, box)
	require.Len(t, letters, 3)
	for i, letter := range letters {
		assert.True(t, bytes.Equal(bodies[i], letter.Delivery.Body))
		assert.NotNil(t, letter.Delivery.Body)
		assert.Equal(t, died[i].Error(), letter.Err)
		assert.Zero(t, letter.Attempts)
		assert.WithinDuration(t, time.Now(), letter.DiedAt, time.Minute)
	}
	require.ErrorIs(t, letters[2].Delivery.Err, receive.ErrDeliveryEncoding)
	got := make(chan error, 1)
	run(t, box, func(_ context.Context, d *receive.Delivery) error { got <- d.Err; return nil })
	require.NoError(t, box.Requeue(t.Context(), letters[2].Delivery.ID))
	require.ErrorIs(t, <-got, receive.ErrDeliveryEncoding, "and a handler that gets it again knows why")
	assert.Len(t, died, 3)
	assert.NotContains(t, log.String(), "example.org")
	assert.Contains(t, log.String(), "given up")
}

func TestDeadAndRequeue(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box := open(t, path, inbox.WithOrder(receive.MessageOrder))
	const n = 600 // more than one step
	var mended atomic.Bool
	c := newCalls()
	handler := func(_ context.Context, d *receive.Delivery) error {
		c.note(d)
		if mended.Load() {
			return nil
		}
		return receive.Permanent(errors.New("broken"))
	}
	stop := run(t, box, handler)
	var storing sync.WaitGroup
	for i := range n {
		storing.Go(func() { take(t, box, fmt.Sprint("n-", i)) })
	}
	storing.Wait()
	require.Eventually(t, func() bool { return stats(t, box).Dead == n }, time.Minute, time.Millisecond)
	assert.Len(t, dead(t, box), n)
	mended.Store(true)
	require.ErrorIs(t, box.Requeue(t.Context(), "n-1", "unknown"), inbox.ErrNotDead)
	assert.EqualValues(t, n, stats(t, box).Dead, "all or none")
	for letter, err := range box.Dead(t.Context()) { // the inbox may be used in the loop
		require.NoError(t, err)
		if letter.Delivery.ID < "n-3" {
			require.NoError(t, box.Requeue(t.Context(), letter.Delivery.ID, letter.Delivery.ID))
		}
	}
	require.Eventually(t, func() bool { return stats(t, box).Pending == 0 }, time.Minute, time.Millisecond)
	left := dead(t, box)
	assert.NotEmpty(t, left)
	assert.EqualValues(t, n-len(left), stats(t, box).Done)
	require.ErrorIs(t, box.Requeue(t.Context(), "n-1"), inbox.ErrNotDead, "it is done")

	// What is revived while nobody handles it is handled by the next process.
	stop()
	require.NoError(t, box.Requeue(t.Context()))
	require.NoError(t, box.Requeue(t.Context(), left[0].Delivery.ID))
	require.NoError(t, box.Close())
	box = open(t, path)
	assert.EqualValues(t, 1, stats(t, box).Pending)
	run(t, box, handler)
	require.Eventually(t, func() bool { return stats(t, box).Pending == 0 }, time.Minute, time.Millisecond)
	assert.Len(t, c.at[left[0].Delivery.ID], 2)
}

// Who puts back what an outage left must not make the receiver answer 503.
func TestDeliveriesDoNotWaitForRequeue(t *testing.T) {
	t.Parallel()
	const n = 3000
	var requeuing atomic.Bool
	var keys atomic.Int64
	begun := make(chan struct{})
	box := open(t, newPath(t), inbox.WithOrder(func(d *receive.Delivery) string {
		if requeuing.Load() && d.ID != "new" && keys.Add(1) == n/10 {
			close(begun)
		}
		return ""
	}))
	ids := make([]string, n)
	var storing sync.WaitGroup
	for i := range ids {
		ids[i] = fmt.Sprint("n-", i)
		storing.Go(func() { take(t, box, ids[i]) })
	}
	storing.Wait()
	run(t, box, func(context.Context, *receive.Delivery) error {
		if requeuing.Load() {
			return nil
		}
		return receive.Permanent(errors.New("broken"))
	})
	require.Eventually(t, func() bool { return stats(t, box).Dead == n }, time.Minute, time.Millisecond)
	requeuing.Store(true)
	var seen int64
	storing.Go(func() {
		<-begun
		take(t, box, "new")
		seen = keys.Load()
	})
	require.NoError(t, box.Requeue(t.Context(), ids...))
	storing.Wait()
	assert.Less(t, seen, int64(n), "it was stored before all dead letters had been read")
	require.Eventually(t, func() bool { return stats(t, box).Pending == 0 }, time.Minute, time.Millisecond)
	assert.EqualValues(t, n+1, stats(t, box).Done)
}

// One row that the file does not take must not cost the others, and what the file
// takes later is stored then.
func TestOneBadRowDoesNotHarmOthers(t *testing.T) {
	t.Parallel()
	path := newFile(t)
	inFile(t, path, `CREATE TRIGGER poison BEFORE INSERT ON deliveries WHEN instr(NEW.body, 'poison') BEGIN SELECT RAISE(ABORT, 'poisoned'); END`,
		`CREATE TRIGGER unmarked BEFORE DELETE ON deliveries WHEN instr(OLD.body, 'sticky') BEGIN SELECT RAISE(ABORT, 'sticky'); END`)
	var failures atomic.Int64
	box, err := inbox.Open(path, inbox.WithHooks(inbox.Hooks{StoreFailed: func(error) { failures.Add(1) }}))
	require.NoError(t, err)
	t.Cleanup(func() { assert.ErrorContains(t, box.Close(), "sticky", "Close tells what it could not write") })
	c := newCalls()
	run(t, box, func(_ context.Context, d *receive.Delivery) error { c.note(d); return nil })
	var storing sync.WaitGroup
	for i := range 60 {
		storing.Go(func() {
			kind := "good"
			switch {
			case i%7 == 0:
				kind = "poison"
			case i == 50:
				kind = "sticky"
			}
			err := box.HandleDelivery(context.Background(), delivery(fmt.Sprint(kind, "-", i)))
			if kind == "poison" {
				assert.ErrorContains(t, err, "poisoned")
			} else {
				assert.NoError(t, err)
			}
		})
	}
	storing.Wait()
	const poisoned = 9
	require.Eventually(t, func() bool { return stats(t, box).Done == 60-poisoned }, time.Minute, time.Millisecond, "with the one in the file")
	s := stats(t, box)
	assert.EqualValues(t, 1, s.Pending, "what cannot be marked")
	assert.Positive(t, failures.Load())
	assert.Len(t, c.ids(), 61-poisoned, "and it was handled once")
}

func TestTheFileIsGone(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{"", "-wal"} {
		path := newPath(t)
		var log bytes.Buffer
		box := open(t, path, inbox.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		take(t, box, "n-1")
		aside := filepath.Join(t.TempDir(), "aside")
		require.NoError(t, os.Rename(path+ending, aside))
		require.ErrorContains(t, box.HandleDelivery(t.Context(), delivery("n-2")), "put it back", ending)
		require.NoError(t, os.WriteFile(path+ending, nil, 0o600))
		require.ErrorContains(t, box.HandleDelivery(t.Context(), delivery("n-2")), "replaced", ending)
		require.NoError(t, os.Rename(aside, path+ending))
		take(t, box, "n-2")
		s := stats(t, box)
		assert.EqualValues(t, 2, s.Pending)
		assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("cannot write")), "once")
		assert.Contains(t, log.String(), "can be written again")
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		box := open(t, path, inbox.WithBackoff(time.Hour, time.Hour))
		first := time.Now()
		s := stats(t, box)
		assert.True(t, s.Oldest.IsZero())
		assert.Zero(t, s.Pending)
		for i := range 60 {
			take(t, box, fmt.Sprint("n-", i))
			<-time.After(100 * time.Millisecond)
		}
		s = stats(t, box)
		assert.EqualValues(t, 60, s.Pending)
		assert.True(t, first.Equal(s.Oldest))
		assert.InDelta(t, 1, s.AcceptedPerSecond, 0.001)
		assert.Zero(t, s.HandledPerSecond)
		assert.Positive(t, s.Bytes)
		run(t, box, func(_ context.Context, d *receive.Delivery) error {
			if d.ID == "n-30" {
				return errors.New("no luck")
			}
			return nil
		})
		synctest.Wait()
		s = stats(t, box)
		assert.Equal(t, [4]int64{1, 0, 1, 59}, [4]int64{s.Pending, s.Running, s.Retrying, s.Done})
		assert.Equal(t, 3*time.Second, s.Oldest.Sub(first))
		assert.InDelta(t, 59./60, s.HandledPerSecond, 0.001)
		<-time.After(2 * time.Minute)
		s = stats(t, box)
		assert.Zero(t, s.AcceptedPerSecond+s.HandledPerSecond)
	})
}

func TestRetention(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		var expired, handled int
		box := open(t, path, inbox.WithHooks(inbox.Hooks{
			Expired: func(n int) { expired += n },
			Handled: func(*receive.Delivery, int, time.Duration) { handled++ },
		}))
		handler := func(_ context.Context, d *receive.Delivery) error {
			switch d.ID {
			case "dead":
				return receive.Permanent(errors.New("never"))
			case "waits":
				return errors.New("no luck")
			}
			return nil
		}
		stop := run(t, box, handler)
		take(t, box, "done", "dead", "waits")
		<-time.After(7*24*time.Hour - 2*time.Hour)
		take(t, box, "done", "dead", "waits")
		synctest.Wait()
		assert.Equal(t, 1, handled, "it is known for 7 days")
		assert.Zero(t, expired)
		take(t, box, "later")
		synctest.Wait()
		stop()
		<-time.After(4 * time.Hour)
		synctest.Wait()
		assert.Equal(t, 1, expired, "the dead letter")
		s := stats(t, box)
		assert.EqualValues(t, 1, s.Done, "later")
		take(t, box, "done", "dead", "later")
		assert.Equal(t, s.Pending+2, stats(t, box).Pending, "done and dead are forgotten, later is not")
	})
}

// A bubble of synctest begins in the year 2000, so each of these processes has the clock
// that it sleeps to.
func TestAClockThatWasWrongRemovesNothing(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	expired := 0
	process := func(name string, wrongBy time.Duration, life func(t *testing.T, box *inbox.Inbox)) {
		synctest.Test(t, func(t *testing.T) {
			<-time.After(wrongBy)
			box := open(t, path, inbox.WithHooks(inbox.Hooks{Expired: func(n int) { expired += n }}))
			stop := run(t, box, func(_ context.Context, d *receive.Delivery) error {
				if d.ID == "dead" {
					return receive.Permanent(errors.New("never"))
				}
				return nil
			})
			synctest.Wait()
			life(t, box)
			stop()
			require.NoError(t, box.Close(), name)
		})
	}
	process("right", time.Hour, func(t *testing.T, box *inbox.Inbox) {
		t.Helper()
		take(t, box, "dead", "done")
		synctest.Wait()
	})
	const ahead = 8 * 24 * time.Hour
	process("8 days ahead", ahead, func(t *testing.T, _ *inbox.Inbox) {
		t.Helper()
		<-time.After(5 * time.Minute)
	})
	assert.Zero(t, expired, "a clock that jumped")
	process("right again", 2*time.Hour, func(t *testing.T, box *inbox.Inbox) {
		t.Helper()
		<-time.After(24 * time.Hour)
		take(t, box, "dead", "done")
		synctest.Wait()
		s := stats(t, box)
		assert.Equal(t, [3]int64{0, 1, 1}, [3]int64{s.Pending, s.Dead, s.Done}, "both are known")
	})
	assert.Zero(t, expired)
	process("8 days ahead once more", ahead, func(t *testing.T, _ *inbox.Inbox) {
		t.Helper()
		<-time.After(5 * time.Minute)
	})
	assert.Zero(t, expired)
	process("8 days later", ahead, func(t *testing.T, box *inbox.Inbox) {
		t.Helper()
		<-time.After(11 * time.Minute)
		s := stats(t, box)
		assert.Equal(t, [2]int64{0, 0}, [2]int64{s.Dead, s.Done}, "a second sweep agrees")
	})
	assert.Equal(t, 1, expired)
}

// The file does not grow with what was handled.
func TestTheFileDoesNotGrow(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		box := open(t, path, inbox.WithRetention(time.Hour))
		body := func(id string) *receive.Delivery {
			return receive.NewDelivery(fmt.Appendf(nil, `{"id":%q,"type":"message.opened","data":%q}`, id, bytes.Repeat([]byte("x"), 20_000)), "")
		}
		round := func(name string) {
			var storing sync.WaitGroup
			for i := range 1500 {
				storing.Go(func() { assert.NoError(t, box.HandleDelivery(context.Background(), body(fmt.Sprint(name, i)))) })
			}
			storing.Wait()
		}
		round("a")
		full := stats(t, box).Bytes
		assert.Greater(t, full, int64(25<<20))
		run(t, box, func(context.Context, *receive.Delivery) error { return nil })
		synctest.Wait()
		<-time.After(2 * time.Hour)
		synctest.Wait()
		require.NoError(t, box.Close())
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Less(t, info.Size(), int64(5<<20), "pages that are free go back to the file system")
	})
}

// So many that ids move from where they gather into the table of all.
func TestManyIDs(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		c := newCalls()
		box := open(t, path)
		deliver := func(from, to int) {
			var storing sync.WaitGroup
			for worker := range 64 {
				storing.Go(func() {
					for i := from + worker; i < to; i += 64 {
						d := receive.NewDelivery(fmt.Appendf(nil, `{"id":"n-%d","type":"message.opened"}`, i), "")
						if err := box.HandleDelivery(context.Background(), d); err != nil {
							t.Error(err)
						}
					}
				})
			}
			storing.Wait()
		}
		handler := func(_ context.Context, d *receive.Delivery) error { c.note(d); return nil }
		run(t, box, handler)
		deliver(0, n)
		deliver(0, n)
		synctest.Wait()
		require.NoError(t, box.Close())
		box = open(t, path)
		run(t, box, handler)
		deliver(0, n+100)
		synctest.Wait()
		assert.Len(t, c.ids(), n+100, "each of them once")
		s := stats(t, box)
		assert.Equal(t, [2]int64{0, n + 100}, [2]int64{s.Pending, s.Done})
		<-time.After(8 * 24 * time.Hour)
		synctest.Wait()
		assert.Zero(t, stats(t, box).Done, "all of them forgotten, where they ever were")
		deliver(0, 100)
		synctest.Wait()
		assert.Len(t, c.ids(), n+200)
	})
}
