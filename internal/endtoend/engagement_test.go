package endtoend_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/receive"
)

// During three opens the program is down for longer than Nylas tries. The fourth brings
// all of them.
func TestLoopAnOutageHeals(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		var up atomic.Bool
		var refused atomic.Int32
		var mu sync.Mutex
		var told []engagement.Event
		handler, err := engagement.NewHandler(engagement.NewLedger(engagement.NewMemoryStore()), nil,
			func(_ context.Context, e engagement.Event, _ engagement.Verdict) error {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, e)
				return nil
			})
		require.NoError(t, err)
		l.receive(receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
			if !up.Load() {
				refused.Add(1)
				return errors.New("the program is down")
			}
			return handler.HandleDelivery(ctx, d)
		}))
		message, err := l.send()
		require.NoError(t, err)
		recipient := l.recipient(message)
		for range 3 {
			require.NoError(t, recipient.Open(t.Context()))
			<-time.After(time.Hour)
		}
		require.NoError(t, l.nylas.Wait(t.Context()))
		require.EqualValues(t, 3*3, refused.Load(), "Nylas tries each notification three times")
		mu.Lock()
		require.Empty(t, told)
		mu.Unlock()

		up.Store(true)
		require.NoError(t, recipient.Open(t.Context()))
		require.NoError(t, l.nylas.Wait(t.Context()))
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, told, 4)
		for i := 1; i < len(told); i++ {
			assert.Positive(t, told[i].Time.Sub(told[i-1].Time))
		}
	})
}
