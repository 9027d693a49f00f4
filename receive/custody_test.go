package receive_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// What a panic holds stays out of the log; the markers below stand for it.
type customPanic struct{ text string }

// seen is a map that somebody forgot to make.
func seen(*receive.Delivery) map[string]bool { return nil }

// wrapperError is what a handler returns a nil pointer of that declares one and
// no error.
type wrapperError struct{ inner error }

func (e *wrapperError) Error() string { return e.inner.Error() }
func (e *wrapperError) Unwrap() error { return e.inner }

// outcomeTest is how a handler ends, the answer, and what is logged.
type outcomeTest struct {
	handle receive.HandlerFunc
	want   int
	level  string
	msg    string
	err    string
	panic  string // what is logged of a panic, if there is one
}

func outcomeTests() map[string]outcomeTest {
	const (
		notTaken = "receive: delivery not taken"
		givenUp  = "receive: delivery given up"
		panicked = "receive: handler panicked"
		secret   = "panic with " + bodyMarker
	)
	failed := errors.New("disk full")
	with := func(err error) receive.HandlerFunc {
		return func(context.Context, *receive.Delivery) error { return err }
	}
	panicking := func(value any) receive.HandlerFunc {
		return func(context.Context, *receive.Delivery) error { panic(value) }
	}
	return map[string]outcomeTest{
		"nil":           {with(nil), 200, "", "", "", ""},
		"permanent nil": {with(receive.Permanent(nil)), 200, "", "", "", ""},

		"error":         {with(failed), 503, "WARN", notTaken, "disk full", ""},
		"wrapped error": {with(fmt.Errorf("store: %w", failed)), 503, "WARN", notTaken, "store: disk full", ""},
		"cancelled":     {with(context.Canceled), 503, "WARN", notTaken, "context canceled", ""},

		"nil pointer": {with((*wrapperError)(nil)), 503, "WARN", notTaken, "<nil>", ""},

		"permanent":         {with(receive.Permanent(failed)), 200, "ERROR", givenUp, "disk full", ""},
		"wrapped permanent": {with(fmt.Errorf("store: %w", receive.Permanent(failed))), 200, "ERROR", givenUp, "store: disk full", ""},
		"joined permanent":  {with(errors.Join(failed, receive.Permanent(failed))), 200, "ERROR", givenUp, "disk full\ndisk full", ""},

		"panic with a string":  {panicking(secret), 503, "WARN", notTaken, panicked, "string"},
		"panic with an error":  {panicking(errors.New(secret)), 503, "WARN", notTaken, panicked, "*errors.errorString"},
		"panic with a struct":  {panicking(customPanic{secret}), 503, "WARN", notTaken, panicked, "receive_test.customPanic"},
		"panic with nil":       {panicking(nil), 503, "WARN", notTaken, panicked, "panic called with nil argument"},
		"panic with permanent": {panicking(receive.Permanent(failed)), 503, "WARN", notTaken, panicked, "*receive.permanentError"},
		"panic with abort":     {panicking(http.ErrAbortHandler), 503, "WARN", notTaken, panicked, "*errors.errorString"},
		"nil map": {func(_ context.Context, d *receive.Delivery) error {
			seen(d)[d.ID] = true
			return nil
		}, 503, "WARN", notTaken, panicked, "assignment to entry in nil map"},
		"index": {func(_ context.Context, d *receive.Delivery) error {
			d.Body[int(d.ReceivedAt.Unix())] = 0
			return nil
		}, 503, "WARN", notTaken, panicked, "runtime error: index out of range"},
		"exit": {func(context.Context, *receive.Delivery) error {
			runtime.Goexit()
			return nil
		}, 503, "WARN", notTaken, "receive: handler ended its goroutine", ""},
	}
}

func TestHandlerOutcomes(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	for name, test := range outcomeTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logged receiverLog
			receiver := newReceiver(t, test.handle, logged.option())
			got := recorded(receiver, signed(body))
			requireAnswer(t, test.want, statusLine(test.want), got)
			requireNothingLeaked(t, body, got.text, logged.String())

			records := logged.records(t)
			if test.panic != "" {
				require.Len(t, records, 2)
				assert.Equal(t, "ERROR", records[0]["level"])
				assert.Equal(t, "receive: handler panicked", records[0]["msg"])
				assert.Equal(t, "n-1", records[0]["messaging.message.id"])
				assert.Equal(t, "message.opened", records[0]["nylas.notification.type"])
				assert.Contains(t, records[0]["exception.message"], test.panic)
				assert.Contains(t, records[0]["exception.stacktrace"], "custody_test.go", "where it panicked")
				records = records[1:]
			}
			if test.level == "" {
				assert.Empty(t, records)
				return
			}
			assert.Equal(t, []map[string]any{{
				"level": test.level, "msg": test.msg, "messaging.message.id": "n-1", "nylas.notification.type": "message.opened", "exception.message": test.err,
			}}, records)
		})
	}
}

// A handler has five seconds, and the answer does not wait longer for it.
func TestHandlerIsLate(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(released chan struct{}) receive.HandlerFunc{
		"ends with its context": func(chan struct{}) receive.HandlerFunc { return untilEnd },
		"ignores it": func(released chan struct{}) receive.HandlerFunc {
			return func(context.Context, *receive.Delivery) error {
				<-released
				return nil
			}
		},
		"panics afterwards": func(released chan struct{}) receive.HandlerFunc {
			return func(context.Context, *receive.Delivery) error {
				<-released
				panic("late")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				defer close(released)
				var logged receiverLog
				receiver := newReceiver(t, handle(released), logged.option())
				start := time.Now()
				requireAnswer(t, http.StatusServiceUnavailable, statusLine(503), recorded(receiver, signed(openedBody("n-1"))))
				assert.Equal(t, 5*time.Second, time.Since(start))
				records := logged.records(t)
				require.Len(t, records, 1)
				assert.Equal(t, "receive: delivery not taken", records[0]["msg"])
				assert.Contains(t, []any{
					"receive: handler did not return in time", context.DeadlineExceeded.Error(),
				}, records[0]["exception.message"])
			})
		})
	}
}

// Just in time is in time, and the answer of another delivery does not wait.
func TestHandlerIsSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		receiver := newReceiver(t, receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
			if d.ID == "slow" {
				<-time.After(5*time.Second - time.Nanosecond)
			}
			return nil
		}))
		start := time.Now()
		var slow sync.WaitGroup
		slow.Go(func() {
			assert.Equal(t, http.StatusOK, recorded(receiver, signed(openedBody("slow"))).status)
			assert.Equal(t, 5*time.Second-time.Nanosecond, time.Since(start))
		})
		synctest.Wait()
		assert.Equal(t, http.StatusOK, recorded(receiver, signed(openedBody("fast"))).status)
		assert.Zero(t, time.Since(start))
		slow.Wait()
	})
}

// What the handler does to its delivery changes nothing that is logged; the
// race detector watches the one that is late.
func TestHandlerOwnsTheDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, late := range []bool{false, true} {
			var logged receiverLog
			receiver := newReceiver(t, receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
				if late {
					<-ctx.Done()
				}
				*d = receive.Delivery{ID: "changed", Type: "changed"}
				return errors.New("disk full")
			}), logged.option())
			require.Equal(t, http.StatusServiceUnavailable, recorded(receiver, signed(openedBody("n-1"))).status)
			synctest.Wait()
			records := logged.records(t)
			require.Len(t, records, 1)
			assert.Equal(t, "n-1", records[0]["messaging.message.id"])
			assert.EqualValues(t, "message.opened", records[0]["nylas.notification.type"])
		}
	})
}

func TestHandlerContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		receiver := newReceiver(t, receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
			deadline, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.Equal(t, 5*time.Second, time.Until(deadline))
			assert.Equal(t, "value", ctx.Value(key{}))
			assert.NoError(t, ctx.Err(), "the request has ended, and the delivery is here")
			kept = ctx
			return nil
		}))
		requestContext, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		cancel()
		req := signed(openedBody("n-1")).request().WithContext(requestContext)
		assert.Equal(t, http.StatusOK, recordedRequest(receiver, req).status)
		assert.Error(t, kept.Err(), "the context ends with the delivery")
	})
}

// The cause of a context that ended in time says so.
func TestHandlerContextCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cause := make(chan error, 1)
		receiver := newReceiver(t, receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		}))
		assert.Equal(t, http.StatusServiceUnavailable, recorded(receiver, signed(openedBody("n-1"))).status)
		assert.ErrorContains(t, <-cause, "receive: handler did not return in time")
	})
}

// A sender that hangs up, or a server that is closed, does not stop a store in
// the middle of its work.
func TestHandlerOutlivesTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		started, ended := make(chan struct{}), make(chan error, 1)
		client := servePipes(t, newReceiver(t, receive.HandlerFunc(func(ctx context.Context, _ *receive.Delivery) error {
			close(started)
			<-time.After(4 * time.Second)
			ended <- ctx.Err()
			return nil
		}))).dial(t)
		client.send(signed(openedBody("n-1")).wire())
		<-started
		require.NoError(t, client.Close())
		synctest.Wait()
		assert.NoError(t, <-ended)
	})
}
