package pubsubsink_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/pubsubsink"
)

func TestNewSinkRefuses(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	_, err := pubsubsink.NewSink(nil)
	require.ErrorContains(t, err, "publisher is nil")
	_, err = pubsubsink.NewSink(f.publisher(t), nil, pubsubsink.WithOrderingKey(nil))
	require.ErrorContains(t, err, "is nil")
	_, err = pubsubsink.NewSink(f.publisher(t), pubsubsink.WithOrderingKey(receive.MessageOrder))
	require.ErrorContains(t, err, "EnableMessageOrdering")
}

// What goes into the sink comes out of Receive.
func TestSinkRoundTrip(t *testing.T) {
	t.Parallel()
	megabyte := append(openedBody("n-1"), bytes.Repeat([]byte(" "), 1<<20)...)
	arbitrary := make([]byte, 256)
	for i := range arbitrary {
		arbitrary[i] = byte(i)
	}
	for name, made := range map[string]*receive.Delivery{
		"plain":            receive.NewDelivery(openedBody("n-1"), ""),
		"compressed":       receive.NewDelivery(gzipped(t, openedBody("n-1")), "gzip"),
		"1 MB":             receive.NewDelivery(megabyte, ""),
		"empty":            receive.NewDelivery(nil, ""),
		"text":             receive.NewDelivery([]byte("no JSON"), ""),
		"arbitrary":        receive.NewDelivery(arbitrary, ""),
		"cut off":          receive.NewDelivery(gzipped(t, openedBody("n-1"))[:60], "gzip"),
		"unknown encoding": receive.NewDelivery([]byte("text"), "br"),
		"bomb":             receive.NewDelivery(gzipped(t, make([]byte, 9<<20)), "gzip"),
		"no id":            receive.NewDelivery([]byte(`{"type":"t"}`), ""),
		"odd id":           receive.NewDelivery(fmt.Appendf(nil, `{"id":%q,"type":"t"}`, strings.Repeat("é", 128)), ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			made.ReceivedAt = time.Date(2026, 11, 20, 8, 15, 30, 123456789, time.FixedZone("", 3600))
			want := *made
			require.NoError(t, f.sink(t).HandleDelivery(t.Context(), made))
			require.Len(t, f.Messages(), 1, "nil means that it is there")
			stored := f.Messages()[0]
			assert.Equal(t, want.ID, stored.Attributes["id"])
			assert.Equal(t, string(want.Type), stored.Attributes["trigger_type"])
			assert.NotContains(t, stored.Attributes, "content_encoding")

			deliveries := make(chan *receive.Delivery, 1)
			f.receive(t, taken(deliveries))
			d := wait(t, deliveries)
			assert.Equal(t, want.ID, d.ID)
			assert.Equal(t, want.Type, d.Type)
			assert.True(t, bytes.Equal(want.Body, d.Body))
			assert.True(t, want.ReceivedAt.Equal(d.ReceivedAt))
		})
	}
}

// A delivery that no Receiver made gets through as well, without the attributes
// that Pub/Sub does not take: one of them would fail its whole batch.
func TestSinkOddDeliveries(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	sink := f.sink(t)
	for _, d := range []*receive.Delivery{
		{},
		{ID: "\xff", Type: "\xff"},
		{ID: strings.Repeat("i", 1025), Body: []byte("x")},
	} {
		require.NoError(t, sink.HandleDelivery(t.Context(), d))
	}
	for _, m := range f.Messages() {
		assert.Empty(t, m.Attributes)
	}
}

func TestSinkTooLarge(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	err := f.sink(t).HandleDelivery(t.Context(), &receive.Delivery{ID: "n-1", Body: make([]byte, 1e7)})
	require.ErrorIs(t, err, receive.ErrPermanent)
	require.ErrorIs(t, err, pubsub.ErrOversizedMessage)
	require.ErrorContains(t, err, "Pub/Sub takes 10000000")
	assert.Empty(t, f.Messages())
}

func TestSinkFailures(t *testing.T) {
	t.Parallel()
	d := receive.NewDelivery(openedBody("n-1"), "")
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, nil, pstest.WithErrorInjection("Publish", codes.PermissionDenied, "no publisher"))
		err := f.sink(t).HandleDelivery(t.Context(), d)
		assert.Equal(t, codes.PermissionDenied, status.Code(err))
		require.NotErrorIs(t, err, receive.ErrPermanent)
		assert.NotContains(t, err.Error(), "marker.test")
	})
	t.Run("context has ended", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, f.sink(t).HandleDelivery(ctx, d), context.Canceled)
		assert.Empty(t, f.Messages())
	})
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, nil)
		f.SetAutoPublishResponse(false) // until the test answers
		published := f.sink(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, published.HandleDelivery(ctx, d), context.DeadlineExceeded)
		f.AddPublishResponse(&pubsubpb.PublishResponse{MessageIds: []string{"1"}}, nil)
	})
	t.Run("server is gone", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, nil)
		require.NoError(t, f.close())
		publisher := f.client.Publisher(topicName)
		publisher.PublishSettings.Timeout = 50 * time.Millisecond
		t.Cleanup(publisher.Stop)
		sink, err := pubsubsink.NewSink(publisher)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		require.Error(t, sink.HandleDelivery(ctx, d))
		assert.NoError(t, ctx.Err(), "the publisher's own time-out ended it")
	})
	t.Run("publisher was stopped", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, nil)
		publisher := f.client.Publisher(topicName)
		sink, err := pubsubsink.NewSink(publisher)
		require.NoError(t, err)
		publisher.Stop()
		require.ErrorIs(t, sink.HandleDelivery(t.Context(), d), pubsub.ErrPublisherStopped)
	})
}

// Many at a time share requests, and each gets an answer of its own.
func TestSinkBatches(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	publisher := f.publisher(t)
	publisher.PublishSettings.DelayThreshold = time.Hour
	publisher.PublishSettings.CountThreshold = 32
	sink, err := pubsubsink.NewSink(publisher)
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			d := receive.NewDelivery(openedBody(fmt.Sprint("n-", i)), "")
			assert.NoError(t, sink.HandleDelivery(context.Background(), d))
		})
	}
	all.Wait()
	ids := make(map[string]bool)
	for _, m := range f.Messages() {
		ids[m.Attributes["id"]] = true
	}
	assert.Len(t, ids, 64)
}

// ordered is a sink that orders by key.
func (f *fake) ordered(t *testing.T, key func(*receive.Delivery) string) *pubsubsink.Sink {
	t.Helper()
	publisher := f.publisher(t)
	publisher.EnableMessageOrdering = true
	sink, err := pubsubsink.NewSink(publisher, pubsubsink.WithOrderingKey(key))
	require.NoError(t, err)
	return sink
}

// With a key, deliveries of a message are handled one after the other.
func TestSinkOrder(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(s *pubsubpb.Subscription) { s.EnableMessageOrdering = true })
	sink := f.ordered(t, receive.MessageOrder)
	const count = 10
	var want []string
	for i := range count {
		want = append(want, fmt.Sprint("n-", i))
		require.NoError(t, sink.HandleDelivery(t.Context(), receive.NewDelivery(openedBody(want[i]), "")))
	}
	deliveries := make(chan *receive.Delivery, count)
	f.receive(t, taken(deliveries))
	var got []string
	for range count {
		got = append(got, wait(t, deliveries).ID)
	}
	assert.Equal(t, want, got)
	assert.Equal(t, "message-1", f.Messages()[0].OrderingKey)
}

// Pub/Sub takes 1 kB of UTF-8 as a key.
func TestSinkOddKeys(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	keys := []string{"", "k", strings.Repeat("k", 1024), strings.Repeat("k", 1025), "\xff"}
	for _, key := range keys {
		sink := f.ordered(t, func(*receive.Delivery) string { return key })
		require.NoError(t, sink.HandleDelivery(t.Context(), receive.NewDelivery(openedBody("n-1"), "")))
	}
	var got []string
	for _, m := range f.Messages() {
		got = append(got, m.OrderingKey)
	}
	require.Len(t, got, len(keys))
	assert.ElementsMatch(t, keys[:3], got[:3])
	for _, hashed := range got[3:] {
		assert.Len(t, hashed, 64)
	}
}

// The library stops a key after a failure; whoever brings the delivery again
// must not meet that.
func TestSinkOrderGoesOnAfterFailure(t *testing.T) {
	t.Parallel()
	var failed bool // under the server's lock
	f := newFake(t, nil, pstest.ServerReactorOption{FuncName: "Publish", Reactor: reactor(func(any) (bool, any, error) {
		if failed {
			return false, nil, nil
		}
		failed = true
		return true, &pubsubpb.PublishResponse{}, status.Error(codes.PermissionDenied, "not yet")
	})})
	sink := f.ordered(t, receive.MessageOrder)
	d := receive.NewDelivery(openedBody("n-1"), "")
	require.Error(t, sink.HandleDelivery(t.Context(), d))
	require.NoError(t, sink.HandleDelivery(t.Context(), d))
	assert.Len(t, f.Messages(), 1)
}
