package pubsubsink_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
	"github.com/nylastrack/nylas-go/sinks/pubsubsink"
)

// topicEngine is a Sink in one process and Receive in another, with a topic
// between them that outlives both. Its users remove duplicates.
type topicEngine struct {
	receive.Handler // the sink
	storage         *topicStorage
	client          *pubsub.Client
	close           func() error
}

type topicStorage struct {
	*fake
	acked chan struct{} // something was acknowledged since the last look
}

func TestConformance(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	storages := make(map[string]*topicStorage)
	open := func(name string) *topicStorage {
		mu.Lock()
		defer mu.Unlock()
		if s := storages[name]; s != nil {
			return s
		}
		s := &topicStorage{acked: make(chan struct{}, 1)}
		// Of the test, not of an engine: it is Google's.
		s.fake = newFake(t, nil, pstest.ServerReactorOption{FuncName: "Acknowledge", Reactor: reactor(func(any) (bool, any, error) {
			select {
			case s.acked <- struct{}{}:
			default:
			}
			return false, nil, nil
		})})
		storages[name] = s
		return s
	}
	nylastest.TestHandler(t, nylastest.Engine{
		Open: func(tb testing.TB, storage string) receive.Handler {
			tb.Helper()
			s := open(storage)
			e := &topicEngine{storage: s}
			e.client, e.close = connect(tb, s.Addr)
			publisher := e.client.Publisher(topicName)
			tb.Cleanup(publisher.Stop)
			sink, err := pubsubsink.NewSink(publisher)
			require.NoError(tb, err)
			e.Handler = sink
			return e
		},
		Crash: func(tb testing.TB, _ string, engine receive.Handler) {
			tb.Helper()
			assert.NoError(tb, engine.(*topicEngine).close())
		},
		Drain: func(tb testing.TB, engine, handler receive.Handler) {
			tb.Helper()
			engine.(*topicEngine).drain(tb, handler)
		},
		AtLeastOnce: true,
	})
}

// drain receives until all is acknowledged.
func (e *topicEngine) drain(tb testing.TB, handler receive.Handler) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- pubsubsink.Receive(ctx, e.client.Subscriber(subscriptionName), receive.DropDuplicates(handler, 10_000))
	}()
	for !e.storage.allAcked() {
		select {
		case <-e.storage.acked: // under a lock, which allAcked waits for
		case err := <-ended:
			require.NoError(tb, errors.Join(errors.New("receive ended"), err))
		}
	}
	cancel()
	require.NoError(tb, wait(tb, ended))
}

func (s *topicStorage) allAcked() bool {
	for _, m := range s.Messages() {
		if m.Acks == 0 {
			return false
		}
	}
	return true
}
