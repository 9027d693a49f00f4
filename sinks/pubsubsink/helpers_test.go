package pubsubsink_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/pubsubsink"
)

const (
	topicName        = "projects/p/topics/nylas"
	subscriptionName = "projects/p/subscriptions/nylas"
	// soon is long enough for what must come, on a busy machine.
	soon = 30 * time.Second
)

// fake is a Pub/Sub with one topic and one subscription.
type fake struct {
	*pstest.Server
	client *pubsub.Client
	close  func() error // once, however often it is called
}

// newFake starts one on a free port; change, if not nil, changes its subscription.
func newFake(tb testing.TB, change func(*pubsubpb.Subscription), opts ...pstest.ServerReactorOption) *fake {
	tb.Helper()
	server := pstest.NewServer(opts...)
	f := &fake{Server: server, close: sync.OnceValue(server.Close)}
	tb.Cleanup(func() { assert.NoError(tb, f.close()) })
	f.client, _ = connect(tb, server.Addr)
	f.addTopic(tb, topicName)
	subscription := &pubsubpb.Subscription{Name: subscriptionName, Topic: topicName, AckDeadlineSeconds: 10}
	if change != nil {
		change(subscription)
	}
	_, err := f.client.SubscriptionAdminClient.CreateSubscription(context.Background(), subscription)
	require.NoError(tb, err)
	return f
}

// connect makes a client, and what takes its connection away before the test ends.
func connect(tb testing.TB, address string) (*pubsub.Client, func() error) {
	tb.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(tb, err)
	hangUp := sync.OnceValue(conn.Close)
	tb.Cleanup(func() { assert.NoError(tb, hangUp()) })
	client, err := pubsub.NewClient(context.Background(), "p", option.WithGRPCConn(conn))
	require.NoError(tb, err)
	return client, hangUp
}

func (f *fake) addTopic(tb testing.TB, name string) {
	tb.Helper()
	_, err := f.client.TopicAdminClient.CreateTopic(context.Background(), &pubsubpb.Topic{Name: name})
	require.NoError(tb, err)
}

// publish is what Nylas does.
func (f *fake) publish(body []byte, attributes map[string]string) string {
	return f.Publish(topicName, body, attributes)
}

func (f *fake) publisher(tb testing.TB) *pubsub.Publisher {
	tb.Helper()
	publisher := f.client.Publisher(topicName)
	tb.Cleanup(publisher.Stop)
	return publisher
}

func (f *fake) sink(tb testing.TB) *pubsubsink.Sink {
	tb.Helper()
	sink, err := pubsubsink.NewSink(f.publisher(tb))
	require.NoError(tb, err)
	return sink
}

// running is a Receive that goes on until stop.
type running struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // after ended
}

func (f *fake) receive(tb testing.TB, handler receive.Handler, opts ...pubsubsink.ReceiveOption) *running {
	tb.Helper()
	return receiveFrom(tb, f.client.Subscriber(subscriptionName), handler, opts...)
}

func receiveFrom(tb testing.TB, subscriber *pubsub.Subscriber, handler receive.Handler, opts ...pubsubsink.ReceiveOption) *running {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = pubsubsink.Receive(ctx, subscriber, handler, opts...)
	}()
	tb.Cleanup(func() { r.stop(tb) })
	return r
}

// stop ends it. What was acknowledged is known to the server then.
func (r *running) stop(tb testing.TB) {
	tb.Helper()
	r.cancel()
	wait(tb, r.ended)
	assert.NoError(tb, r.err)
}

// wait takes a value that must come.
func wait[T any](tb testing.TB, from <-chan T) T {
	tb.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(soon):
		require.FailNow(tb, "it did not come")
		panic("unreachable")
	}
}

// taken is a handler that hands its deliveries to the test and takes them.
func taken(into chan<- *receive.Delivery) receive.Handler {
	return receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		into <- d
		return nil
	})
}

func openedBody(id string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":%q,"time":1785312000,`+
		`"data":{"application_id":"app-1","grant_id":"grant-1","object":{"message_id":"message-1","label":"kim@marker.test"}}}`, id)
}

func gzipped(tb testing.TB, content []byte) []byte {
	tb.Helper()
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, err := w.Write(content)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return compressed.Bytes()
}

// logged keeps a log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) option() pubsubsink.ReceiveOption {
	return pubsubsink.WithLogger(slog.New(slog.NewTextHandler(l, nil)))
}

// reactor is a function that sees the requests of one method.
type reactor func(request any) (handled bool, answer any, err error)

func (r reactor) React(request any) (handled bool, answer any, err error) { return r(request) }
