package lanes_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/lanes"
)

// bubble runs a test in which waiting takes no time.
func bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// passes lets n requests pass, one after the other, and returns when each went.
func passes(t *testing.T, n int, owner string, all ...*lanes.Lanes) []time.Duration {
	t.Helper()
	start := time.Now()
	var times []time.Duration
	for range n {
		require.NoError(t, lanes.Pass(t.Context(), owner, all...))
		times = append(times, time.Since(start))
	}
	return times
}

func TestRequestsGoOutEvenly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const second = time.Second
		assert.Equal(t, []time.Duration{0, second / 4, second / 2, second * 3 / 4}, passes(t, 4, "a", lanes.New(4)))
		assert.Equal(t, []time.Duration{0, 2 * second, 4 * second}, passes(t, 3, "a", lanes.New(0.5)))
	})
}

// TestNothingIsSavedUp has a pause, after which requests are as far apart as before.
func TestNothingIsSavedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := lanes.New(1)
		passes(t, 1, "a", l)
		<-time.After(time.Hour)
		assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, passes(t, 3, "a", l))
	})
}

func TestOwnersDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := lanes.New(0.01)
		start := time.Now()
		for _, owner := range []string{"a", "b", "c"} {
			require.NoError(t, lanes.Pass(t.Context(), owner, l))
		}
		assert.Zero(t, time.Since(start))
		assert.Equal(t, []time.Duration{100 * time.Second}, passes(t, 1, "b", l))
	})
}

func TestOwnersShareALane(t *testing.T) {
	bubble(t, func(t *testing.T) {
		own, shared := lanes.New(0.5), lanes.NewShared(1)
		start := time.Now()
		var times []time.Duration
		for _, owner := range []string{"a", "b", "c", "a", "a"} {
			require.NoError(t, lanes.Pass(t.Context(), owner, own, shared))
			times = append(times, time.Since(start)/time.Second)
		}
		assert.Equal(t, []time.Duration{0, 1, 2, 3, 5}, times)
	})
}

// TestRequestsGoInTheirOrder has some give up before their turn.
func TestRequestsGoInTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := lanes.New(1)
		impatient, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var mu sync.Mutex
		var order []int
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				ctx := t.Context()
				if i%3 == 1 {
					ctx = impatient
				}
				if lanes.Pass(ctx, "a", l) != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait()
		}
		cancel()
		all.Wait()
		assert.Equal(t, []int{0, 2, 3, 5, 6, 8, 9}, order)
		assert.Equal(t, 6*time.Second, time.Since(start))
	})
}

// TestSeveralLanes: a request that passes two counts in both, and goes when both are
// free.
func TestSeveralLanes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow, all := lanes.New(0.5), lanes.New(4)
		assert.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, passes(t, 3, "a", slow, all))
		assert.Equal(t, []time.Duration{time.Second / 4}, passes(t, 1, "a", all), "it counted here too")

		slow, all = lanes.New(4), lanes.New(0.5)
		assert.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, passes(t, 3, "a", slow, all))
	})
}

// TestGivingUp: a request that is given up returns at once, and takes nothing from any
// lane, wherever it waits.
func TestGivingUp(t *testing.T) {
	for name, lanesOf := range map[string]func() (taken, all []*lanes.Lanes){
		"in the only lane": func() (taken, all []*lanes.Lanes) {
			l := lanes.New(0.1)
			return []*lanes.Lanes{l}, []*lanes.Lanes{l}
		},
		"in the first of two": func() (taken, all []*lanes.Lanes) {
			l := lanes.New(0.1)
			return []*lanes.Lanes{l}, []*lanes.Lanes{l, lanes.New(0.1)}
		},
		"in the second of two": func() (taken, all []*lanes.Lanes) {
			l := lanes.New(0.1)
			return []*lanes.Lanes{l}, []*lanes.Lanes{lanes.New(0.1), l}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				taken, all := lanesOf()
				passes(t, 1, "a", taken...)
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var calls sync.WaitGroup
				for range 20 {
					calls.Go(func() { assert.ErrorIs(t, lanes.Pass(ctx, "a", all...), context.DeadlineExceeded) })
				}
				calls.Wait()
				assert.Equal(t, time.Second, time.Since(start))
				assert.Equal(t, []time.Duration{9 * time.Second, 19 * time.Second}, passes(t, 2, "a", all...))
			})
		})
	}
}

// TestGivingUpBehindAnother does not wait for the patient one before it.
func TestGivingUpBehindAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := lanes.New(0.1)
		passes(t, 1, "a", l)
		start := time.Now()
		var patient sync.WaitGroup
		patient.Go(func() { assert.NoError(t, lanes.Pass(t.Context(), "a", l)) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, lanes.Pass(ctx, "a", l), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		patient.Wait()
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

// TestIdleLanesAreForgotten is about memory, so nothing may run beside it.
func TestIdleLanesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const owners, nameBytes, most = 5_000, 8 << 10, 24 << 20 // 40 MiB, were all kept
		l := lanes.New(1000)
		heap := func() int64 {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			return int64(stats.HeapAlloc)
		}
		padding := strings.Repeat("x", nameBytes)
		before := heap()
		for i := range owners {
			require.NoError(t, lanes.Pass(t.Context(), fmt.Sprint(i, padding), l))
			<-time.After(time.Millisecond)
		}
		assert.Less(t, heap(), before+most)
		runtime.KeepAlive(l)
	})
}

// TestLanesInUseAreNotForgotten has so many that idle ones are looked for, and none is.
func TestLanesInUseAreNotForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := lanes.New(0.1)
		start := time.Now()
		for i := range 3000 {
			require.NoError(t, lanes.Pass(t.Context(), fmt.Sprint(i), l))
		}
		require.Zero(t, time.Since(start))
		require.NoError(t, lanes.Pass(t.Context(), "0", l))
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}
