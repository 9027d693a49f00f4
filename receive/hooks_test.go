package receive_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/receive"
)

// Each answer is counted by its status, whatever way it was made.
func TestHooksAnswered(t *testing.T) {
	t.Parallel()
	for name, row := range statusTable() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var answered []string
				var handled atomic.Int64
				var logged receiverLog
				receiver := row.receiver(t, &handled, &logged, receive.WithHooks(receive.Hooks{
					Answered: func(req *http.Request, status int, took time.Duration) {
						mu.Lock()
						defer mu.Unlock()
						answered = append(answered, fmt.Sprint(req.Method, status, took))
					},
				}))
				var want []string
				for range max(row.tried, 1) {
					recorded(receiver, row.in)
					want = append(want, fmt.Sprint(row.in.method, row.want, row.after))
				}
				assert.Equal(t, want, answered)
			})
		})
	}
	t.Run("408", func(t *testing.T) {
		t.Parallel()
		var statuses []int
		receiver := newReceiver(t, outcome(nil), receive.WithHooks(receive.Hooks{
			Answered: func(_ *http.Request, status int, _ time.Duration) { statuses = append(statuses, status) },
		}))
		recorded(receiver, signed(openedBody("n-1")).declaring(wireLimit))
		assert.Equal(t, []int{http.StatusRequestTimeout}, statuses)
	})
}

// Metrics do not take the answer from Nylas.
func TestHookPanics(t *testing.T) {
	t.Parallel()
	var logged receiverLog
	receiver := newReceiver(t, outcome(nil), logged.option(), receive.WithHooks(receive.Hooks{
		Answered: func(*http.Request, int, time.Duration) { panic(errors.New(bodyMarker)) },
	}))
	requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(openedBody("n-1"))))
	assert.Contains(t, logged.String(), "receive: Hooks.Answered panicked")
	requireNothingLeaked(t, openedBody("n-1"), logged.String())
}

// Hooks without functions are none.
func TestHooksWithoutFunctions(t *testing.T) {
	t.Parallel()
	var logged receiverLog
	receiver := newReceiver(t, outcome(nil), logged.option(), receive.WithHooks(receive.Hooks{}))
	requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(openedBody("n-1"))))
	assert.Empty(t, logged.String())
}
