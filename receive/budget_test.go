package receive_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// stalledBody is a body of which the rest comes when it is let.
type stalledBody struct {
	first io.Reader
	come  <-chan struct{}
	rest  io.Reader
}

func (b *stalledBody) Read(p []byte) (int, error) {
	if n, err := b.first.Read(p); n > 0 {
		return n, err
	}
	<-b.come
	return b.rest.Read(p)
}

func (*stalledBody) Close() error { return nil }

// requireOverloaded checks that deliveries are refused and challenges are not.
func requireOverloaded(t *testing.T, receiver *receive.Receiver) {
	t.Helper()
	in := signed(openedBody("refused"))
	req := in.request()
	req.Body = unreadable{t}
	requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), recordedRequest(receiver, req))
	requireAnswer(t, http.StatusOK, "abc", recorded(receiver, asked(http.MethodGet, "challenge=abc")))
	// What is refused in any case does not become a matter of load.
	assert.Equal(t, http.StatusUnauthorized, recorded(receiver, posted(in.body)).status)
	assert.Equal(t, http.StatusRequestEntityTooLarge, recorded(receiver, in.declaring(wireLimit+1)).status)
	assert.Equal(t, http.StatusMethodNotAllowed, recorded(receiver, asked("PUT", "")).status)
}

// requireFullOfArriving checks that bodies which are still arriving keep out large ones only.
func requireFullOfArriving(t *testing.T, receiver *receive.Receiver) {
	t.Helper()
	large := signed(padded("refused", wireLimit))
	requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), recorded(receiver, large))
	for _, length := range []int{500, 2 << 10, 8 << 10, 64 << 10} {
		requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(padded("fits", length))))
	}
	requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(openedBody("fits")).declaring(-1)))
}

// manyWireLimits is how many of the largest bodies are allowed at a time: 64 MiB.
const manyWireLimits = 64 << 20 / wireLimit

// Bodies that are on their way count as large as they have become: connections
// that send nothing keep nobody out, and those that send take at most half of
// the limit, and nothing of what the small ones have. No deadline is here that could make
// them give way.
func TestReceiverOverloadedByReading(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{-1, wireLimit} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logged receiverLog
				body := padded("n-1", wireLimit)
				large := signed(body)
				come := make(chan struct{})
				var all sync.WaitGroup
				deliver := func(receiver *receive.Receiver, times, first int) {
					for range times {
						all.Go(func() {
							req := large.declaring(length).request()
							req.Body = &stalledBody{bytes.NewReader(body[:first]), come, bytes.NewReader(nil)} // cut off in the end
							recordedRequest(receiver, req)
						})
					}
					synctest.Wait()
				}
				beside := newReceiver(t, outcome(nil))
				deliver(beside, 1000, 0)
				require.Equal(t, http.StatusOK, recorded(beside, signed(openedBody("fits"))).status)

				receiver := newReceiver(t, outcome(nil), logged.option())
				deliver(receiver, manyWireLimits/2, wireLimit-1)
				requireFullOfArriving(t, receiver)
				assert.Contains(t, logged.String(), "too many deliveries at a time")

				close(come)
				all.Wait()
				requireAnswer(t, http.StatusOK, "", recorded(receiver, large))
			})
		})
	}
}

// What strangers send does not keep handlers from what was verified.
func TestReceiverReadingLeavesRoomForHandling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var handling atomic.Int64
		receiver := newReceiver(t, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			handling.Add(1)
			<-release
			return nil
		}))
		large := signed(padded("n-1", wireLimit))
		var all sync.WaitGroup
		for range manyWireLimits/2 - 1 {
			all.Go(func() { recorded(receiver, large) })
			synctest.Wait()
		}
		come := make(chan struct{})
		for range manyWireLimits {
			all.Go(func() {
				req := large.request()
				req.Body = &stalledBody{bytes.NewReader(large.body[:wireLimit-1]), come, bytes.NewReader(nil)}
				recordedRequest(receiver, req)
			})
		}
		synctest.Wait()
		assert.EqualValues(t, manyWireLimits/2-1, handling.Load())
		close(come) // cut off
		synctest.Wait()
		all.Go(func() { recorded(receiver, large) })
		synctest.Wait()
		assert.EqualValues(t, manyWireLimits/2, handling.Load())
		close(release)
		all.Wait()
	})
}

// Bodies count while they are handled, and that includes handlers for whom
// the answer did not wait.
func TestReceiverOverloadedByHandling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		receiver := newReceiver(t, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			<-release
			return nil
		}))
		large := signed(padded("n-1", wireLimit))
		var all sync.WaitGroup
		for range manyWireLimits {
			all.Go(func() {
				assert.Equal(t, http.StatusServiceUnavailable, recorded(receiver, large).status)
			})
			synctest.Wait() // reading has a limit of its own
		}
		requireOverloaded(t, receiver)
		all.Wait() // for the answers, after five seconds
		requireOverloaded(t, receiver)
		close(release)
		synctest.Wait()
		requireAnswer(t, http.StatusOK, "", recorded(receiver, large))
	})
}

// A body without a length counts as what it is once it is there, and a
// compressed one as what it became, while it does.
func TestReceiverCountsWhatIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged receiverLog
		release := make(chan struct{})
		receiver := newReceiver(t, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			<-release
			return nil
		}), logged.option())
		var all sync.WaitGroup
		for range 2 * manyWireLimits {
			all.Go(func() {
				assert.Equal(t, http.StatusOK, recorded(receiver, signed(openedBody("n-1")).declaring(-1)).status)
			})
			synctest.Wait()
		}
		inflating := signed(gzipAtLimit()).with("Content-Encoding", "gzip")
		// One less than 64 MiB, of which the small ones have a part.
		for range 64<<20/inflatedLimit - 1 {
			all.Go(func() {
				assert.Equal(t, http.StatusOK, recorded(receiver, inflating).status)
			})
			synctest.Wait()
		}
		requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), recorded(receiver, inflating))
		assert.Contains(t, logged.String(), "body could not be inflated")
		all.Go(func() {
			assert.Equal(t, http.StatusOK, recorded(receiver, signed(openedBody("n-1"))).status, "there is room for a small one")
		})
		synctest.Wait()
		close(release)
		all.Wait()
		requireAnswer(t, http.StatusOK, "", recorded(receiver, inflating))
	})
}

// Whatever way a delivery ends, its share of the limit is free again.
func TestReceiverFreesTheLimit(t *testing.T) {
	t.Parallel()
	tests := outcomeTests()
	for _, name := range []string{"nil", "error", "panic with a string", "exit"} {
		test := tests[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			large := signed(padded("n-1", wireLimit))
			wrong := posted(large.body).with(receive.SignatureHeader, hmacHex("other", large.body))
			short := signed(openedBody("n-1")).declaring(wireLimit)
			receiver := newReceiver(t, test.handle)
			for range manyWireLimits + 1 {
				require.Equal(t, test.want, recorded(receiver, large).status)
			}
			for range manyWireLimits + 1 {
				require.Equal(t, http.StatusUnauthorized, recorded(receiver, wrong).status)
				require.Equal(t, http.StatusRequestTimeout, recorded(receiver, short).status)
			}
			require.Equal(t, test.want, recorded(receiver, large).status)
		})
	}
}

// Memory for large bodies in flight of which unverified ones have 8 MiB, four of the largest.
const (
	fourLarge = 16 << 20
	fourTimes = 4
)

// When the bodies that are arriving are too many, the one that began first gives way, and says
// so: it may be one of Nylas after all, and then it comes again.
func TestFirstOfArrivingBodiesGivesWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := servePipes(t, newReceiver(t, outcome(nil), receive.WithMaxBytesInFlight(fourLarge)))
		large := signed(padded("n-1", wireLimit))
		start := time.Now()
		stalled := make([]*wireClient, fourTimes)
		for i := range stalled {
			stalled[i] = server.dial(t)
			_, err := stalled[i].Write(large.wire()[:len(large.wire())-1])
			require.NoError(t, err)
			<-time.After(time.Millisecond)
		}
		requireAnswer(t, http.StatusOK, "", server.dial(t).roundTrip(t, large))
		requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), stalled[0].answer(t, large.method))
		assert.Less(t, time.Since(start), time.Second)

		// The others stay, and are taken if the rest comes.
		_, err := stalled[1].Write([]byte(" "))
		require.NoError(t, err)
		requireAnswer(t, http.StatusOK, "", stalled[1].answer(t, large.method))
		requireAnswer(t, http.StatusRequestTimeout, statusLine(408), stalled[2].answer(t, large.method))
		assert.GreaterOrEqual(t, time.Since(start), 3*time.Second)
	})
}

// A body that is here, and waits for the source of the secrets, does not give way: that would
// free nothing.
func TestWholeBodyDoesNotGiveWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver, err := receive.New(outcome(nil), sourceFunc(func(context.Context) (receive.SecretState, error) {
			<-time.After(time.Second)
			return stateOf(receiverSecret), nil
		}), receive.WithMaxBytesInFlight(fourLarge))
		require.NoError(t, err)
		server := servePipes(t, receiver)
		large := signed(padded("n-1", wireLimit))
		var all sync.WaitGroup
		for range fourTimes {
			client := server.dial(t)
			all.Go(func() { requireAnswer(t, http.StatusOK, "", client.roundTrip(t, large)) })
			synctest.Wait()
		}
		start := time.Now()
		requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), server.dial(t).roundTrip(t, large))
		assert.Zero(t, time.Since(start))
		all.Wait()
	})
}

// plainWriter is what the ResponseWriter of many a middleware is: it hides that of the server.
type plainWriter struct{ http.ResponseWriter }

// openWriter shows it, as http.ResponseController asks.
type openWriter struct{ http.ResponseWriter }

func (w openWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Behind a ResponseWriter that cannot set a deadline the limit for reading is gone. That is
// said once, and deliveries are taken.
func TestReceiverWarnsOfAWriterWithoutDeadlines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wrap     func(http.ResponseWriter) http.ResponseWriter
		warnings int
	}{
		"without Unwrap": {func(w http.ResponseWriter) http.ResponseWriter { return plainWriter{w} }, 1},
		"with Unwrap":    {func(w http.ResponseWriter) http.ResponseWriter { return openWriter{w} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logged receiverLog
				receiver := newReceiver(t, outcome(nil), logged.option())
				server := servePipes(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					receiver.ServeHTTP(test.wrap(w), req)
				}))
				for range 3 {
					requireAnswer(t, http.StatusOK, "", server.dial(t).roundTrip(t, signed(openedBody("n-1"))))
				}
				records := logged.records(t)
				require.Len(t, records, test.warnings)
				for _, record := range records {
					assert.Equal(t, "WARN", record["level"])
					assert.Contains(t, record["msg"], "Unwrap() http.ResponseWriter")
					assert.Equal(t, "receive_test.plainWriter", record["nylas.response_writer"])
				}
			})
		})
	}
}

// A request that no server brought has no connection, and so nothing to warn of.
func TestReceiverDoesNotWarnWithoutAServer(t *testing.T) {
	t.Parallel()
	var logged receiverLog
	receiver := newReceiver(t, outcome(nil), logged.option())
	requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(openedBody("n-1"))))
	assert.Empty(t, logged.String())
}
