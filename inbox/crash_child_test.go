package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// The crash tests run the endpoint in a process of its own, which is the test
// binary started again, and end it in ways that no process survives. What it did
// until then stands in a journal, which is a file beside the store: a line that
// was written stays when the process is killed.

// childVariable holds a childConfig in the environment of such a process.
const childVariable = "NYLAS_INBOX_CRASH_CHILD"

// crashSecret signs the notifications of the crash tests.
const crashSecret = "whsec-crash"

// childConfig tells a child what to do.
type childConfig struct {
	Role    string // what the process is there for: "endpoint", "holder" or "locker"
	Path    string // of the inbox
	Journal string // empty: none is kept
	Work    bool   // whether Run works the inbox off
	Script  string // run on the file after Open; empty: none
	Moment  moment // when it kills itself; empty: never
	After   int64  // how many of these moments pass before
	Seed    uint64
}

// A moment is a point in the life of a delivery.
type moment string

const (
	committing moment = "committing" // shortly after a delivery was given to the inbox
	answering  moment = "answering"  // after it was stored, before the answer
	handling   moment = "handling"   // while its handler runs
	marking    moment = "marking"    // shortly after its handler returned
	marked     moment = "marked"     // after it was marked done, before anything else
)

// soon bounds the wait before a process kills itself, where the moment is within
// the inbox. It is a few times what a commit takes.
const soon = 2 * time.Millisecond

// serveCrashChild does what a child is started for and ends the process. In any
// other process it returns at once.
func serveCrashChild() {
	text, ok := os.LookupEnv(childVariable)
	if !ok {
		return
	}
	var config childConfig
	err := json.Unmarshal([]byte(text), &config)
	if err == nil {
		switch config.Role {
		case "endpoint":
			err = serveEndpoint(config)
		case "holder":
			err = holdInbox(config)
		case "locker":
			err = lockDatabase(config)
		default:
			err = fmt.Errorf("no such role: %q", config.Role)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveEndpoint is a receiver with an inbox behind it, as a user would run it,
// until its input ends.
func serveEndpoint(config childConfig) (err error) {
	c := &child{config: config, random: rand.New(rand.NewPCG(config.Seed, 0))}
	if config.Journal != "" {
		c.journal, err = os.OpenFile(config.Journal, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
	}
	box, err := inbox.Open(config.Path, append(crashOptions(), inbox.WithHooks(c.hooks()))...)
	if err == nil && config.Script != "" {
		err = box.Script(config.Script)
	}
	if err != nil {
		return err
	}
	receiver, err := receive.New(c.custody(box), receive.Secret(crashSecret))
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: receiver, ReadHeaderTimeout: 2 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ran := make(chan error, 1)
	go func() {
		if config.Work {
			ran <- box.Run(ctx, receive.HandlerFunc(c.handle))
			return
		}
		ran <- nil
	}()
	fmt.Println(listener.Addr())

	waitForParent()
	stop, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	err = server.Shutdown(stop)
	cancel()
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return errors.Join(err, <-ran, box.Close())
}

// waitForParent returns when the input ends: the parent closes it, or died.
func waitForParent() { _, _ = io.Copy(io.Discard, os.Stdin) }

// crashOptions are those of every inbox in the crash tests: deliveries that fail
// come again at once.
func crashOptions() []inbox.Option {
	return []inbox.Option{
		inbox.WithWorkers(4),
		inbox.WithMaxAttempts(5),
		inbox.WithBackoff(time.Millisecond, 4*time.Millisecond),
	}
}

// child is the state of serveEndpoint.
type child struct {
	config  childConfig
	journal *os.File
	observe func(verb, id string) // in place of a journal
	passed  atomic.Int64
	seen    sync.Map   // of ids
	random  *rand.Rand // used once, by the goroutine of the last moment
}

// hooks write down what is marked done.
func (c *child) hooks() inbox.Hooks {
	return inbox.Hooks{Handled: func(d *receive.Delivery, _ int, _ time.Duration) {
		c.write(finished, d.ID)
		c.now(marked)
	}}
}

// custody is the inbox with the moments around it.
func (c *child) custody(box *inbox.Inbox) receive.Handler {
	return receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		c.soon(committing)
		err := box.HandleDelivery(ctx, d)
		if err == nil {
			c.now(answering)
		}
		return err
	})
}

var (
	errOnce = errors.New("the first attempt fails")
	errDead = receive.Permanent(errors.New("this one cannot be handled"))
)

// fate is what a handler of the crash tests does with an id: most are handled,
// some fail at first, and a few for ever. It depends on nothing but the id.
func fate(id string) string {
	switch crc32.ChecksumIEEE([]byte(id)) % 16 {
	case 0:
		return "dies"
	case 1, 2:
		return "fails once"
	case 3:
		return "panics once"
	default:
		return "handled"
	}
}

// handle does what fate says and writes down when it starts and when it returns.
func (c *child) handle(_ context.Context, d *receive.Delivery) error {
	c.write(started, d.ID)
	c.now(handling)
	switch fate(d.ID) {
	case "dies":
		return errDead
	case "fails once":
		if c.first(d.ID) {
			return errOnce
		}
	case "panics once":
		if c.first(d.ID) {
			panic("the first attempt panics")
		}
	}
	c.write(returned, d.ID)
	c.soon(marking)
	return nil
}

// first reports whether this process sees an id for the first time.
func (c *child) first(id string) bool {
	_, seen := c.seen.LoadOrStore(id, true)
	return !seen
}

// now ends the process if the time has come.
func (c *child) now(at moment) {
	if c.at(at) {
		killSelf()
	}
}

// soon ends the process after up to a commit's time, if the time has come.
func (c *child) soon(at moment) {
	if c.at(at) {
		time.AfterFunc(time.Duration(c.random.Int64N(int64(soon))), killSelf)
	}
}

func (c *child) at(at moment) bool {
	return c.config.Moment == at && c.passed.Add(1) == c.config.After
}

// killSelf ends the process as kill -9 does, and does not return.
func killSelf() {
	process, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {}
}

// The verbs of a journal.
const (
	started  = "started"  // the handler began
	returned = "returned" // it returns nil
	finished = "finished" // the inbox says that it is done, for good
)

func (c *child) write(verb, id string) {
	switch {
	case c.observe != nil:
		c.observe(verb, id)
		return
	case c.journal == nil:
		return
	}
	// One write, so that a kill leaves all of a line or, at the end of the file, a
	// part of it.
	if _, err := fmt.Fprintf(c.journal, "%s %s\n", verb, id); err != nil {
		panic(err)
	}
}
