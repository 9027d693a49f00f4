package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// open opens an inbox that is closed with the test.
func open(tb testing.TB, path string, opts ...inbox.Option) *inbox.Inbox {
	tb.Helper()
	box, err := inbox.Open(path, opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, box.Close()) })
	return box
}

func newPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "nylas.db")
}

// delivery is a notification of an opened message with this id.
func delivery(id string) *receive.Delivery { return deliveryOf(id, "message-"+id) }

func deliveryOf(id, message string) *receive.Delivery {
	return receive.NewDelivery(fmt.Appendf(nil,
		`{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":%q,"time":1695480423,`+
			`"data":{"application_id":"a","grant_id":"g","object":{"message_id":%q,"label":"l","message_data":{"count":1,"timestamp":1695480410},"recents":[]}}}`,
		id, message), "")
}

// run runs the inbox until the test ends.
func run(tb testing.TB, box *inbox.Inbox, handler receive.HandlerFunc) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx, handler) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		err := <-done
		assert.True(tb, err == nil || errors.Is(err, inbox.ErrClosed), "%v", err)
	}
	tb.Cleanup(stop)
	return stop
}

func TestHandlesWhatWasStored(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	box, err := inbox.Open(path)
	require.NoError(t, err)
	for i := range 5 {
		require.NoError(t, box.HandleDelivery(t.Context(), delivery(fmt.Sprint("n-", i))))
	}
	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-1")))
	require.NoError(t, box.Close())

	box = open(t, path)
	got := make(chan *receive.Delivery, 10)
	run(t, box, func(_ context.Context, d *receive.Delivery) error { got <- d; return nil })
	require.NoError(t, box.HandleDelivery(t.Context(), delivery("n-9")))
	seen := map[string]bool{}
	for range 6 {
		d := <-got
		seen[d.ID] = true
		assert.Equal(t, delivery(d.ID).Body, d.Body)
		assert.WithinDuration(t, time.Now(), d.ReceivedAt, time.Minute)
	}
	assert.Len(t, seen, 6)
}
