package receive_test

import (
	"context"
	"math/rand/v2"
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

const mib = 1 << 20

// A limit that would lose notifications, or that nothing can keep, is refused.
func TestNewReceiverRefusesLimits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		option receive.Option
		reason string
	}{
		"body":          {receive.WithMaxBodyBytes(mib - 1), "WithMaxBodyBytes: want at least 1048576 bytes: Nylas sends up to 1 MB"},
		"body 0":        {receive.WithMaxBodyBytes(0), "WithMaxBodyBytes: want at least"},
		"body < 0":      {receive.WithMaxBodyBytes(-1), "WithMaxBodyBytes: want at least"},
		"inflated":      {receive.WithMaxInflatedBytes(mib - 1), "WithMaxInflatedBytes: want at least 1048576 bytes"},
		"in flight":     {receive.WithMaxBytesInFlight(16*mib - 1), "WithMaxBytesInFlight: want at least twice the largest body, which is 8388608 bytes"},
		"large body":    {receive.WithMaxBodyBytes(32*mib + 1), "WithMaxBytesInFlight: want at least twice the largest body, which is 33554433 bytes"},
		"huge body":     {receive.WithMaxBodyBytes(1<<63 - 1), "WithMaxBytesInFlight: want at least"},
		"large content": {receive.WithMaxInflatedBytes(32*mib + 1), "WithMaxBytesInFlight: want at least"},
		"read 0":        {receive.WithReadTimeout(0), "WithReadTimeout: want more than 0 and at most 3.5s: Nylas waits 10 s"},
		"read < 0":      {receive.WithReadTimeout(-time.Second), "WithReadTimeout: want more than 0"},
		"read too long": {receive.WithReadTimeout(3501 * time.Millisecond), "WithReadTimeout: want more than 0"},
		"custody 0":     {receive.WithCustodyTimeout(0), "WithCustodyTimeout: want more than 0 and at most 6s: Nylas waits 10 s"},
		"custody long":  {receive.WithCustodyTimeout(6*time.Second + 1), "WithCustodyTimeout: want more than 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, err := receive.New(outcome(nil), receive.Secret(receiverSecret), test.option)
			assert.Nil(t, receiver)
			require.ErrorContains(t, err, "receive: new receiver: "+test.reason)
		})
	}
}

func TestReceiverSizesAreOptions(t *testing.T) {
	t.Parallel()
	var taken keeping
	small := newReceiver(t, &taken, receive.WithMaxBodyBytes(mib), receive.WithMaxInflatedBytes(mib), receive.WithMaxBytesInFlight(2*mib))
	large := newReceiver(t, &taken, receive.WithMaxBodyBytes(12*mib), receive.WithMaxInflatedBytes(12*mib))
	for _, length := range []int{mib, mib + 1} {
		in := signed(padded("n-1", length))
		want := map[bool]int{true: 200, false: 413}[length == mib]
		for _, in := range []incoming{in, in.declaring(-1)} {
			requireAnswer(t, want, statusLine(want), recorded(small, in))
			requireAnswer(t, http.StatusOK, "", recorded(large, in))
		}
		requireAnswer(t, http.StatusOK, "", recorded(small, signed(gzipped(in.body)).with("Content-Encoding", "gzip")))
		kept := taken.deliveries()
		if d := kept[len(kept)-1]; length == mib {
			require.NoError(t, d.Err)
		} else {
			require.ErrorIs(t, d.Err, receive.ErrDeliveryTooLarge)
			require.ErrorContains(t, d.Err, "over 1048576 bytes")
		}
	}
	requireAnswer(t, http.StatusOK, "", recorded(large, signed(gzipOverLimit()).with("Content-Encoding", "gzip")))
	kept := taken.deliveries()
	assert.NoError(t, kept[len(kept)-1].Err)
}

func TestReceiverBytesInFlightAreAnOption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		receiver := newReceiver(t, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			<-release
			return nil
		}), receive.WithMaxBytesInFlight(16*mib))
		var all sync.WaitGroup
		for range 16 * mib / wireLimit {
			all.Go(func() { assert.Equal(t, http.StatusOK, recorded(receiver, signed(padded("n-1", wireLimit))).status) })
			synctest.Wait()
		}
		requireOverloaded(t, receiver)
		close(release)
		all.Wait()
	})
}

// What came compressed does not count beside what became of it.
func TestReceiverCountsNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		receiver := newReceiver(t, receive.HandlerFunc(func(context.Context, *receive.Delivery) error {
			<-release
			return nil
		}), receive.WithMaxBytesInFlight(16*mib))
		noise := make([]byte, wireLimit-mib/8) // which cannot be compressed
		_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
		in := signed(gzipped(noise)).with("Content-Encoding", "gzip")
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() { assert.Equal(t, http.StatusOK, recorded(receiver, in).status) })
			synctest.Wait()
		}
		close(release)
		all.Wait()
	})
}

// The options hold, and so do the 6 s that a delivery has in all: what the
// handler gets depends on how long the body took.
func TestReceiverTimesAreOptions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options []receive.Option
		body    time.Duration // when it comes
		want    int
		after   time.Duration
	}{
		"custody":             {nil, 0, 503, 5 * time.Second},
		"rest after reading":  {nil, 2900 * time.Millisecond, 503, 6 * time.Second},
		"custody is short":    {[]receive.Option{receive.WithCustodyTimeout(time.Second)}, 2 * time.Second, 503, 3 * time.Second},
		"custody is long":     {[]receive.Option{receive.WithCustodyTimeout(6 * time.Second)}, time.Second, 503, 6 * time.Second},
		"reading is short":    {[]receive.Option{receive.WithReadTimeout(time.Second)}, 2 * time.Second, 408, time.Second},
		"reading is long":     {[]receive.Option{receive.WithReadTimeout(3500 * time.Millisecond)}, 3400 * time.Millisecond, 503, 6 * time.Second},
		"reading is long too": {[]receive.Option{receive.WithReadTimeout(3500 * time.Millisecond)}, 4 * time.Second, 408, 3500 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				in := signed(openedBody("n-1"))
				client := servePipes(t, newReceiver(t, receive.HandlerFunc(untilEnd), test.options...)).dial(t)
				start := time.Now()
				var sending sync.WaitGroup
				defer sending.Wait()
				sending.Go(func() {
					_, _ = client.Write(in.head())
					<-time.After(test.body)
					_, _ = client.Write(in.body)
				})
				requireAnswer(t, test.want, statusLine(test.want), client.answer(t, in.method))
				assert.Equal(t, test.after, time.Since(start))
				require.NoError(t, client.Close())
			})
		})
	}
}

// What is forged is not inflated, and what something inflated on the way says so.
func TestReceiverVerifiesBeforeInflating(t *testing.T) {
	t.Parallel()
	var handled atomic.Int64
	var logged receiverLog
	receiver := newReceiver(t, counted(&handled, outcome(nil)), logged.option())
	bomb := posted(gzipBomb()).with(receive.SignatureHeader, hmacHex("other", gzipBomb())).with("Content-Encoding", "gzip")
	requireAnswer(t, http.StatusUnauthorized, statusLine(401), recorded(receiver, bomb))
	assert.NotContains(t, logged.String(), "inflated")

	body := openedBody("n-1")
	proxied := posted(body).with(receive.SignatureHeader, hmacHex(receiverSecret, gzipped(body))).with("Content-Encoding", "gzip")
	requireAnswer(t, http.StatusUnauthorized, statusLine(401), recorded(receiver, proxied))
	assert.Contains(t, logged.String(), "something on the way may have inflated it")
	assert.Zero(t, handled.Load())
}

// Requests that adapters and programs make have no length, or 0 beside a body.
func TestReceiverReadsBodiesWithoutADeclaredLength(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{0, -1} {
		var taken keeping
		receiver := newReceiver(t, &taken)
		in := signed(openedBody("n-1")).declaring(length)
		require.Equal(t, http.StatusOK, recorded(receiver, in).status)
		require.Len(t, taken.kept, 1)
		assert.Equal(t, in.body, taken.kept[0].Body)
		assert.Equal(t, http.StatusUnauthorized, recorded(receiver, forged(openedBody("n-1")).declaring(length)).status)

		over := signed(padded("n-1", wireLimit+1)).declaring(length)
		assert.Equal(t, http.StatusRequestEntityTooLarge, recorded(receiver, over).status)
	}
	// One without any body is an empty one, whatever it says.
	receiver := newReceiver(t, outcome(nil))
	req := signed(nil).request()
	req.Body = nil
	assert.Equal(t, http.StatusOK, recordedRequest(receiver, req).status, "an empty body is signed, and handed over as undecodable")
}
