package pubsubsink_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/pubsubsink"
)

func TestReceiveRefuses(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	subscriber := f.client.Subscriber(subscriptionName)
	nothing := receive.HandlerFunc(func(context.Context, *receive.Delivery) error { return nil })
	require.ErrorContains(t, pubsubsink.Receive(t.Context(), nil, nothing), "subscriber is nil")
	require.ErrorContains(t, pubsubsink.Receive(t.Context(), subscriber, nil), "handler is nil")
	require.ErrorContains(t, pubsubsink.Receive(t.Context(), subscriber, receive.HandlerFunc(nil)), "handler is nil")
	require.ErrorContains(t, pubsubsink.Receive(t.Context(), subscriber, nothing, pubsubsink.WithLogger(nil)), "logger is nil")
	for _, limit := range []time.Duration{0, -1} {
		err := pubsubsink.Receive(t.Context(), subscriber, nothing, nil, pubsubsink.WithHandlerTimeout(limit))
		require.ErrorContains(t, err, "must be above 0")
	}
	err := pubsubsink.Receive(t.Context(), f.client.Subscriber("unknown"), nothing)
	assert.Equal(t, codes.NotFound, status.Code(err))
}

// What a channel of Nylas brings becomes a delivery, and what cannot be decoded
// does as well.
func TestReceiveDeliveries(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	compressed := gzipped(t, body)
	for name, test := range map[string]struct {
		data     []byte
		encoding string
		body     []byte
		err      error
	}{
		"plain":            {data: body, body: body},
		"compressed":       {data: compressed, encoding: "gzip", body: body},
		"cut off":          {data: compressed[:60], encoding: "gzip", body: compressed[:60], err: receive.ErrDeliveryEncoding},
		"not said":         {data: compressed, body: body},
		"unknown encoding": {data: []byte("x"), encoding: "br", body: []byte("x"), err: receive.ErrDeliveryEncoding},
		"empty":            {body: []byte{}, err: events.ErrNotJSON},
		"no id":            {data: []byte(`{"type":"t"}`), body: []byte(`{"type":"t"}`), err: events.ErrEnvelope},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			attributes := map[string]string{"trigger_type": "message.opened"}
			if test.encoding != "" {
				attributes["content_encoding"] = test.encoding
			}
			id := f.publish(test.data, attributes)
			deliveries := make(chan *receive.Delivery, 1)
			running := f.receive(t, taken(deliveries))
			d := wait(t, deliveries)
			running.stop(t)
			assert.Equal(t, test.body, d.Body)
			require.ErrorIs(t, d.Err, test.err)
			assert.True(t, f.Message(id).PublishTime.Equal(d.ReceivedAt), "that is when Pub/Sub took it")
			if test.err == nil {
				assert.Equal(t, "n-1", d.ID)
				assert.Equal(t, events.TypeMessageOpened, d.Type)
			}
			assert.Equal(t, 1, f.Message(id).Acks)
		})
	}
}

// Custody comes before the acknowledgement: while one handler waits others are
// acknowledged, and its message is not.
func TestReceiveAcknowledgesAfterCustody(t *testing.T) {
	t.Parallel()
	acked := make(chan struct{}, 16)
	f := newFake(t, nil, pstest.ServerReactorOption{FuncName: "Acknowledge", Reactor: reactor(func(any) (bool, any, error) {
		acked <- struct{}{}
		return false, nil, nil
	})})
	slow := f.publish(openedBody("slow"), nil)
	entered, release := make(chan struct{}), make(chan struct{})
	running := f.receive(t, receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		if d.ID == "slow" {
			close(entered)
			<-release
		}
		return nil
	}))
	wait(t, entered)
	fast := f.publish(openedBody("fast"), nil)
	wait(t, acked) // under a lock, which Message waits for
	assert.Equal(t, 1, f.Message(fast).Acks)
	assert.Zero(t, f.Message(slow).Acks)
	close(release)
	wait(t, acked)
	running.stop(t)
	assert.Equal(t, 1, f.Message(slow).Acks)
	assert.Equal(t, 1, f.Message(slow).Deliveries)
}

// wrapperError is what a handler returns a nil pointer of that declares one and
// no error.
type wrapperError struct{ inner error }

func (e *wrapperError) Error() string { return e.inner.Error() }
func (e *wrapperError) Unwrap() error { return e.inner }

// Whatever way a handler fails, the delivery comes again.
func TestReceiveBringsAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fail func(ctx context.Context) error
		log  string
	}{
		"error":       {func(context.Context) error { return errors.New("disk is full") }, "disk is full"},
		"nil pointer": {func(context.Context) error { return (*wrapperError)(nil) }, "exception.message=<nil>"},
		"panic":       {func(context.Context) error { panic("kim@marker.test") }, "exception.message=string"},
		"runtime":     {func(context.Context) error { return map[string]error(nil)["a"].(interface{ Unwrap() error }).Unwrap() }, "interface conversion"},
		"exit":        {func(context.Context) error { runtime.Goexit(); return nil }, "handler ended its goroutine"},
		"late":        {func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, "did not return in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			id := f.publish(openedBody("n-1"), nil)
			var calls atomic.Int32
			var log logged
			again := make(chan *receive.Delivery, 1)
			limit := soon
			if name == "late" {
				limit = 10 * time.Millisecond
			}
			running := f.receive(t, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
				if calls.Add(1) == 1 {
					return test.fail(ctx)
				}
				again <- d
				return nil
			}), log.option(), pubsubsink.WithHandlerTimeout(limit))
			assert.Equal(t, openedBody("n-1"), wait(t, again).Body)
			running.stop(t)
			assert.Equal(t, 1, f.Message(id).Acks)
			assert.Equal(t, 2, f.Message(id).Deliveries)
			assert.Contains(t, log.String(), test.log)
			assert.Contains(t, log.String(), "id=n-1")
			assert.NotContains(t, log.String(), "marker.test")
			assert.NotContains(t, log.String(), "level=ERROR msg=\"nylas: delivery given up\"")
		})
	}
}

// A handler that ignores the end of its context cannot keep its
// message from others, and its place is not given away.
func TestReceiveLateHandlerKeepsItsPlace(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.publish(openedBody("stuck"), nil)
	release, calls := make(chan struct{}), make(chan string, 8)
	subscriber := f.client.Subscriber(subscriptionName)
	subscriber.ReceiveSettings.MaxOutstandingMessages = 2
	var first, finished atomic.Bool
	running := receiveFrom(t, subscriber, receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		calls <- d.ID
		if first.CompareAndSwap(false, true) {
			<-release
			finished.Store(true)
		}
		return nil
	}), pubsubsink.WithHandlerTimeout(10*time.Millisecond))
	wait(t, calls)
	assert.Equal(t, "stuck", wait(t, calls), "it came again while the first handler runs")
	time.AfterFunc(time.Second, func() { close(release) }) // a Receive that does not wait ends sooner
	running.stop(t)
	assert.True(t, finished.Load(), "Receive returned before its handler")
}

// A permanent error is custody: there is nothing to repeat.
func TestReceivePermanent(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	undecodable := f.publish([]byte("[]"), nil)
	var log logged
	var calls atomic.Int32
	refused := make(chan struct{}, 1)
	dispatcher := &receive.Dispatcher{}
	running := f.receive(t, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		calls.Add(1)
		defer func() { refused <- struct{}{} }()
		return dispatcher.HandleDelivery(ctx, d)
	}), log.option())
	wait(t, refused)
	running.stop(t)
	assert.Equal(t, 1, f.Message(undecodable).Acks)
	assert.EqualValues(t, 1, calls.Load())
	assert.Contains(t, log.String(), `level=ERROR msg="nylas: delivery given up"`)
	assert.Contains(t, log.String(), "bad envelope")
}

// When the context ends, handlers that run end as they would have.
func TestReceiveShutdown(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	ids := []string{f.publish(openedBody("n-1"), nil), f.publish(openedBody("n-2"), nil)}
	entered, release := make(chan struct{}, 2), make(chan struct{})
	running := f.receive(t, receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
		entered <- struct{}{}
		<-release
		return ctx.Err()
	}))
	wait(t, entered)
	wait(t, entered)
	running.cancel()
	later := f.publish(openedBody("n-3"), nil)
	select {
	case <-running.ended:
		assert.Fail(t, "Receive returned before its handlers")
	case <-entered:
		// One more may have been on its way: it ends with the others.
	default:
	}
	close(release)
	running.stop(t)
	for _, id := range ids {
		assert.Equal(t, 1, f.Message(id).Acks, "its context went on")
	}
	// What came later is there for the next one.
	if f.Message(later).Acks == 0 {
		deliveries := make(chan *receive.Delivery, 1)
		f.receive(t, taken(deliveries))
		assert.Equal(t, "n-3", wait(t, deliveries).ID)
	}
}

func TestReceiveDropsDuplicates(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	var handled atomic.Int32
	var all sync.WaitGroup
	const copies = 20
	all.Add(copies)
	handler := receive.DropDuplicates(receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
		handled.Add(1)
		return nil
	}), 100)
	for range copies {
		f.publish(openedBody("n-1"), nil)
	}
	running := f.receive(t, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		defer all.Done()
		return handler.HandleDelivery(ctx, d)
	}))
	all.Wait()
	running.stop(t)
	assert.EqualValues(t, 1, handled.Load())
	for _, m := range f.Messages() {
		assert.Equal(t, 1, m.Acks)
	}
}

// With exactly-once delivery an acknowledgement can fail, and that is no secret.
func TestReceiveExactlyOnce(t *testing.T) {
	t.Parallel()
	var fail atomic.Bool
	acks := reactor(func(request any) (bool, any, error) {
		if !fail.Load() {
			return false, nil, nil
		}
		metadata := make(map[string]string)
		for _, id := range request.(*pubsubpb.AcknowledgeRequest).AckIds {
			metadata[id] = "PERMANENT_FAILURE_INVALID_ACK_ID"
		}
		refused, err := status.New(codes.InvalidArgument, "too late").WithDetails(&errdetails.ErrorInfo{Metadata: metadata})
		if err != nil {
			return true, &emptypb.Empty{}, err
		}
		return true, &emptypb.Empty{}, refused.Err()
	})
	for _, failing := range []bool{false, true} {
		f := newFake(t, func(s *pubsubpb.Subscription) { s.EnableExactlyOnceDelivery = true },
			pstest.ServerReactorOption{FuncName: "Acknowledge", Reactor: acks})
		fail.Store(failing)
		id := f.publish(openedBody("n-1"), nil)
		deliveries := make(chan *receive.Delivery, 8)
		var log logged
		running := f.receive(t, taken(deliveries), log.option())
		wait(t, deliveries)
		running.stop(t)
		if failing {
			assert.Zero(t, f.Message(id).Acks)
			assert.Contains(t, log.String(), `level=WARN msg="nylas: delivery taken, but not acknowledged"`)
		} else {
			assert.Equal(t, 1, f.Message(id).Acks)
			assert.Empty(t, log.String())
		}
	}
}

// While there is no server, Receive waits for one until its context ends. The
// library would try to acknowledge for a minute then, if it were not told otherwise.
func TestReceiveWithoutServer(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	subscriber := f.client.Subscriber(subscriptionName)
	subscriber.ReceiveSettings.ShutdownOptions = &pubsub.ShutdownOptions{Timeout: 10 * time.Millisecond}
	deliveries := make(chan *receive.Delivery, 1)
	running := receiveFrom(t, subscriber, taken(deliveries))
	f.publish(openedBody("n-1"), nil)
	wait(t, deliveries)
	require.NoError(t, f.close())
	running.stop(t)
}

// Messages are handled at the same time, as many as the settings say.
func TestReceiveFlowControl(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	const messages, limit = 12, 3
	subscriber := f.client.Subscriber(subscriptionName)
	subscriber.ReceiveSettings.MaxOutstandingMessages = limit
	for range messages {
		f.publish(openedBody("n-1"), nil)
	}
	var now, most, done atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	together := make(chan struct{}, limit)
	err := pubsubsink.Receive(ctx, subscriber, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
		most.Store(max(most.Load(), now.Add(1)))
		together <- struct{}{}
		if len(together) == limit {
			for range limit {
				<-together
			}
		}
		now.Add(-1)
		if done.Add(1) == messages {
			cancel()
		}
		return nil
	}), pubsubsink.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	assert.LessOrEqual(t, most.Load(), int32(limit))
}
