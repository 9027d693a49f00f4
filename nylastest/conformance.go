package nylastest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// An Engine keeps deliveries and hands them on later: an inbox, a queue, a log. Its
// functions tell [TestHandler] how to use it.
type Engine struct {
	// Open opens the engine on the storage of that name, and returns the Handler by
	// which it takes custody. A name that was not there before is an empty storage,
	// one that was opened before holds what it held when the engine ended or crashed.
	// Names have up to 40 lower-case letters and digits, the first a letter. Open
	// ends the engine with tb, by [testing.TB.Cleanup].
	//
	// Waits between attempts should be short, and at least 5 attempts be made.
	Open func(tb testing.TB, storage string) receive.Handler
	// Crash ends the engine that Open returned as the end of its process would:
	// nothing more is written, nothing is told to anybody. Open is called with the
	// same name next.
	Crash func(tb testing.TB, storage string, engine receive.Handler)
	// Drain gives to handler what the engine holds. It returns when each delivery
	// was handled or given up, and nothing of the engine calls handler any more.
	Drain func(tb testing.TB, engine, handler receive.Handler)
	// Dead returns what the engine has given up and keeps: deliveries that cannot be
	// decoded, or whose handler returned an error that is permanent. It is nil for an
	// engine that hands over what cannot be decoded, and keeps nothing.
	Dead func(tb testing.TB, engine receive.Handler) []*receive.Delivery
	// AtLeastOnce is for an engine that may hand a delivery over more often than
	// once although nothing crashed. Its users remove the duplicates.
	AtLeastOnce bool
}

// TestHandler tests whether an engine keeps the promise of a [receive.Handler], so
// that a [receive.Receiver] may answer 200 for it: what it returned nil for survives
// a crash, is handed over until it was handled, and as long as its id is kept not
// again; any bytes are kept as they are, and so is why a delivery cannot be decoded. Each promise is a test of its own; they
// run in parallel, each on a storage of its own.
func TestHandler(t *testing.T, engine Engine) {
	t.Helper()
	if engine.Open == nil || engine.Crash == nil || engine.Drain == nil {
		t.Fatal("nylastest: an Engine needs Open, Crash and Drain")
	}
	promises := map[string]func(*conformance){
		"WhatWasTakenSurvivesACrash":        (*conformance).survivesCrash,
		"WhatWasHandledStaysHandled":        (*conformance).staysHandled,
		"DuplicatesAreHandledOnce":          (*conformance).duplicates,
		"DuplicatesAtTheSameTime":           (*conformance).duplicatesAtOnce,
		"ManyAtTheSameTime":                 (*conformance).manyAtOnce,
		"AnEndedContextEndsTheCall":         (*conformance).contextEnds,
		"ABodyOf1MB":                        (*conformance).bigBody,
		"AnyBytes":                          (*conformance).anyBytes,
		"AnErrorIsRepeated":                 (*conformance).errorIsRepeated,
		"APanicIsRepeated":                  (*conformance).panicIsRepeated,
		"APermanentErrorIsNotRepeated":      (*conformance).permanentIsNotRepeated,
		"AFailingDeliveryDoesNotStopOthers": (*conformance).failingDoesNotStopOthers,
	}
	for _, name := range slices.Sorted(maps.Keys(promises)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &conformance{TB: t, Engine: engine, storage: "t" + randomHex(8), handled: make(map[string][]*receive.Delivery)}
			c.open()
			promises[name](c)
		})
	}
}

// custodyLimit is how long an engine may take for one delivery, and more than any
// should: a Receiver gives it 5 s.
const custodyLimit = 30 * time.Second

// conformance is the test of one promise.
type conformance struct {
	testing.TB
	Engine
	storage string
	current receive.Handler

	mu      sync.Mutex
	handled map[string][]*receive.Delivery // by id, with each call of the handler
}

func (c *conformance) open() {
	c.Helper()
	if c.current = c.Open(c, c.storage); c.current == nil {
		c.Fatal("Open returned nil")
	}
}

func (c *conformance) crash() {
	c.Helper()
	c.Crash(c, c.storage, c.current)
	c.open()
}

// take delivers to the engine, which has to take it.
func (c *conformance) take(d *receive.Delivery) {
	c.Helper()
	if err := c.deliver(d); err != nil {
		c.Errorf("HandleDelivery(%s): %v", d.ID, err)
	}
}

func (c *conformance) deliver(d *receive.Delivery) error {
	ctx, cancel := context.WithTimeout(c.Context(), custodyLimit)
	defer cancel()
	return c.current.HandleDelivery(ctx, d)
}

// drain works the engine off. respond, if not nil, is called after a delivery was
// noted, with how often its id was handled by then.
func (c *conformance) drain(respond func(d *receive.Delivery, calls int) error) {
	c.Helper()
	c.Drain(c, c.current, receive.HandlerFunc(func(_ context.Context, d *receive.Delivery) error {
		c.mu.Lock()
		noted := *d
		noted.Body = bytes.Clone(d.Body)
		c.handled[d.ID] = append(c.handled[d.ID], &noted)
		calls := len(c.handled[d.ID])
		c.mu.Unlock()
		if respond == nil {
			return nil
		}
		return respond(d, calls)
	}))
}

// calls is how often the handler was called for an id so far.
func (c *conformance) calls(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.handled[id])
}

// wantHandled checks that a delivery was handled as often as said, or at least
// once if the engine promises no more.
func (c *conformance) wantHandled(d *receive.Delivery, times int) {
	c.Helper()
	calls := c.calls(d.ID)
	if calls == times || c.AtLeastOnce && calls >= 1 {
		return
	}
	c.Errorf("delivery %s was handled %d times, want %d", d.ID, calls, times)
}

// wantSame checks that what was handled, or given up, is what was delivered.
func (c *conformance) wantSame(want, got *receive.Delivery) {
	c.Helper()
	if got.ID != want.ID || got.Type != want.Type {
		c.Errorf("delivery %s of type %q came as %s of type %q", want.ID, want.Type, got.ID, got.Type)
	}
	if !bytes.Equal(got.Body, want.Body) {
		c.Errorf("delivery %s: its body of %d bytes came as other %d bytes", want.ID, len(want.Body), len(got.Body))
	}
	if apart := got.ReceivedAt.Sub(want.ReceivedAt).Abs(); apart > time.Millisecond {
		c.Errorf("delivery %s: ReceivedAt is %v off", want.ID, apart)
	}
	if (got.Err == nil) != (want.Err == nil) {
		c.Errorf("delivery %s: Err is %v, want %v", want.ID, got.Err, want.Err)
	}
	for _, reason := range []error{
		receive.ErrDeliveryEncoding, receive.ErrDeliveryTooLarge, receive.ErrSNSEnvelope, events.ErrNotJSON, events.ErrEnvelope,
	} {
		if errors.Is(got.Err, reason) != errors.Is(want.Err, reason) {
			c.Errorf("delivery %s: Err is %v, want %v: keep why a delivery cannot be decoded", want.ID, got.Err, want.Err)
		}
	}
}

// notification is a delivery with an id of its own; two of the same number differ
// in their bytes, as the attempts of Nylas do.
func (c *conformance) notification(number, attempt int, padding string) *receive.Delivery {
	return receive.NewDelivery(fmt.Appendf(nil,
		`{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":"%s-%d","time":1695480567,`+
			`"webhook_delivery_attempt":%d,"data":{"object":{"message_id":"18ac281f237c934b","label":"%s"}}}`,
		c.storage, number, attempt, padding), "")
}

func (c *conformance) notifications(n int) []*receive.Delivery {
	deliveries := make([]*receive.Delivery, n)
	for i := range deliveries {
		deliveries[i] = c.notification(i, 1, "")
	}
	return deliveries
}

func (c *conformance) survivesCrash() {
	deliveries := c.notifications(20)
	for _, d := range deliveries {
		c.take(d)
	}
	c.crash()
	c.drain(nil)
	for _, d := range deliveries {
		c.wantHandled(d, 1)
		if c.calls(d.ID) > 0 {
			c.wantSame(d, c.handled[d.ID][0])
		}
	}
}

func (c *conformance) staysHandled() {
	d := c.notification(1, 1, "")
	c.take(d)
	c.drain(nil)
	c.wantHandled(d, 1)
	c.crash()
	c.drain(nil)
	c.wantHandled(d, 1)
	c.take(c.notification(1, 2, ""))
	c.drain(nil)
	c.wantHandled(d, 1)
}

func (c *conformance) duplicates() {
	first := c.notification(1, 1, "")
	for attempt := range 3 {
		c.take(c.notification(1, attempt+1, ""))
	}
	c.drain(nil)
	c.wantHandled(first, 1)
	if calls := c.handled[first.ID]; len(calls) > 0 && !c.AtLeastOnce {
		c.wantSame(first, withTime(calls[0], first.ReceivedAt))
	}
	c.take(first)
	c.drain(nil)
	c.wantHandled(first, 1)
}

// withTime is a delivery received at another time.
func withTime(d *receive.Delivery, at time.Time) *receive.Delivery {
	moved := *d
	moved.ReceivedAt = at
	return &moved
}

func (c *conformance) duplicatesAtOnce() {
	d := c.notification(1, 1, "")
	c.atOnce(50, func(int) { c.take(c.notification(1, 1, "")) })
	c.drain(nil)
	c.wantHandled(d, 1)
}

func (c *conformance) manyAtOnce() {
	deliveries := c.notifications(500)
	const callers = 25
	c.atOnce(callers, func(caller int) {
		for i := caller; i < len(deliveries); i += callers {
			c.take(deliveries[i])
		}
	})
	c.drain(nil)
	for _, d := range deliveries {
		c.wantHandled(d, 1)
	}
}

func (c *conformance) atOnce(callers int, call func(caller int)) {
	var calls sync.WaitGroup
	for caller := range callers {
		calls.Go(func() { call(caller) })
	}
	calls.Wait()
}

func (c *conformance) contextEnds() {
	d := c.notification(1, 1, "")
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	returned := make(chan error, 1)
	go func() { returned <- c.current.HandleDelivery(ctx, d) }()
	select {
	case err := <-returned:
		if err != nil {
			c.take(d) // an error says nothing of the next attempt
		}
	case <-time.After(custodyLimit):
		c.Fatalf("HandleDelivery did not return within %v of the end of its context", custodyLimit)
	}
	c.crash()
	c.drain(nil)
	c.wantHandled(d, 1)
}

func (c *conformance) bigBody() {
	// Nylas sends up to 1 MB: https://developer.nylas.com/docs/v3/notifications/.
	d := c.notification(1, 1, strings.Repeat("x", 1_000_000))
	c.take(d)
	c.crash()
	c.drain(nil)
	c.wantHandled(d, 1)
	if c.calls(d.ID) > 0 {
		c.wantSame(d, c.handled[d.ID][0])
	}
}

func (c *conformance) anyBytes() {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	fromSNS, err := receive.NewSNSDelivery([]byte("no envelope of SNS"))
	if err != nil {
		c.Fatal(err)
	}
	deliveries := []*receive.Delivery{
		c.notification(1, 1, "\xff\xfe invalid UTF-8"),
		c.notification(2, 1, `\u0000 and \ud800, a surrogate alone`),
		c.notification(3, 1, "' \\\" -- %s $1 ?"),
		receive.NewDelivery(nil, ""),
		receive.NewDelivery([]byte{0}, ""),
		receive.NewDelivery(every, ""),
		receive.NewDelivery([]byte("null"), ""),
		receive.NewDelivery([]byte(`{"id":"","type":"message.opened"}`), ""),
		receive.NewDelivery([]byte(`{"id":"`+c.storage+`-no-end","type":"message.opened"`), ""),
		receive.NewDelivery([]byte("this is not gzip"), "gzip"),
		receive.NewDelivery([]byte("\x1f\x8b\x08 gzip that is damaged"), "gzip"),
		receive.NewDelivery([]byte("compressed otherwise"), "br"),
		fromSNS,
		receive.NewDelivery([]byte(strings.Repeat("[", 20_000)), ""),
	}
	for _, d := range deliveries {
		c.take(d)
	}
	c.crash()
	c.drain(nil)
	kept := make(map[string][]*receive.Delivery)
	maps.Copy(kept, c.handled)
	if c.Dead != nil {
		for _, d := range c.Dead(c, c.current) {
			kept[d.ID] = append(kept[d.ID], d)
		}
	}
	for _, d := range deliveries {
		switch found := kept[d.ID]; {
		case len(found) == 0:
			c.Errorf("delivery %s, with a body of %d bytes, is neither handled nor among the dead", d.ID, len(d.Body))
		case len(found) > 1 && !c.AtLeastOnce:
			c.Errorf("delivery %s came %d times", d.ID, len(found))
		default:
			c.wantSame(d, found[0])
		}
	}
}

var errConformance = errors.New("nylastest: the handler fails, as this test wants it to")

func (c *conformance) errorIsRepeated() {
	c.repeated(func() error { return errConformance })
}

func (c *conformance) panicIsRepeated() {
	c.repeated(func() error { panic(errConformance.Error()) })
}

func (c *conformance) repeated(fail func() error) {
	d := c.notification(1, 1, "")
	c.take(d)
	c.drain(func(_ *receive.Delivery, calls int) error {
		if calls < 3 {
			return fail()
		}
		return nil
	})
	c.wantHandled(d, 3)
	if calls := c.calls(d.ID); calls < 3 {
		c.Errorf("a delivery that failed twice was handled %d times", calls)
	}
}

func (c *conformance) permanentIsNotRepeated() {
	d := c.notification(1, 1, "")
	c.take(d)
	fail := func(*receive.Delivery, int) error { return receive.Permanent(errConformance) }
	c.drain(fail)
	c.drain(fail)
	c.wantHandled(d, 1)
	if c.Dead == nil {
		return
	}
	dead := c.Dead(c, c.current)
	if len(dead) != 1 {
		c.Fatalf("%d deliveries are dead, want 1", len(dead))
	}
	c.wantSame(d, dead[0])
}

func (c *conformance) failingDoesNotStopOthers() {
	deliveries := c.notifications(20)
	for _, d := range deliveries {
		c.take(d)
	}
	failing := deliveries[0].ID
	c.drain(func(d *receive.Delivery, calls int) error {
		if d.ID == failing && calls < 3 {
			return errConformance
		}
		return nil
	})
	c.wantHandled(deliveries[0], 3)
	for _, d := range deliveries[1:] {
		c.wantHandled(d, 1)
	}
}
