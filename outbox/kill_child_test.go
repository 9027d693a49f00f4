package outbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/outbox"
)

// childVariable holds a childConfig in the environment of a process that TestKill starts: the
// test binary once more.
const childVariable = "NYLAS_OUTBOX_CRASH_CHILD"

type childConfig struct {
	Path, URL, Key, Grant string
	Mails                 int
	Moment                moment // when the process kills itself; empty: never
	After                 int64  // it is the how manieth of these moments
	Seed                  uint64
}

// A moment is a point in the life of a mail at which the process is killed.
type moment string

const (
	anyTime    moment = "any time"   // whatever it is doing; the parent kills
	opening    moment = "opening"    // while it opens the file; the parent kills
	adding     moment = "adding"     // before or after a mail is added
	marked     moment = "marked"     // after a mail was marked as being sent, around its request
	requesting moment = "requesting" // shortly after the request went out
	answered   moment = "answered"   // when the answer has come, and is not recorded
	recorded   moment = "recorded"   // when the outcome is on the disk
	looking    moment = "looking"    // while it looks for a mail
)

const (
	// soon bounds the wait before a process kills itself in the middle of something.
	soon = 12 * time.Millisecond
	// crashLookAfter is long enough for the emulator to end what was under way at a kill.
	crashLookAfter = 500 * time.Millisecond
)

// child is a process that sends until it is killed.
type child struct {
	childConfig
	passed atomic.Int64
	random *rand.Rand // used once
}

// serveCrashChild does what a child is started for and does not return. In any other process it
// returns at once.
func serveCrashChild() {
	text, ok := os.LookupEnv(childVariable)
	if !ok {
		return
	}
	c := new(child)
	err := json.Unmarshal([]byte(text), &c.childConfig)
	if err == nil {
		c.random = rand.New(rand.NewPCG(c.Seed, 0))
		err = c.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash child:", err)
		os.Exit(1)
	}
	select {} // the parent kills it
}

func (c *child) run() error {
	ctx := context.Background()
	client, err := nylas.NewClient(c.Key, nylas.WithBaseURL(c.URL), nylas.WithHTTPClient(&http.Client{Transport: c}))
	if err != nil {
		return err
	}
	box, err := outbox.Open(c.Path, outbox.WithLookAfter(crashLookAfter), outbox.WithHook(func(m outbox.Mail) {
		switch m.State {
		case outbox.Sending:
			c.soon(marked)
		case outbox.Sent:
			c.now(recorded)
		}
	}))
	if err != nil {
		return err
	}
	var known []nylas.PersonalRequest
	for i := range c.Mails - mailsPerRound {
		known = append(known, nylas.PersonalRequest{IdempotencyKey: fmt.Sprint("mail-", i), Request: mailTo(i)})
	}
	if err := box.AddEach(ctx, c.Grant, known); err != nil {
		return err
	}
	for i := len(known); i < c.Mails; i++ {
		c.soon(adding)
		if err := box.Add(ctx, fmt.Sprint("mail-", i), c.Grant, mailTo(i)); err != nil {
			return err
		}
	}
	if err := box.Run(ctx, client); err != nil {
		return err
	}
	counts, err := box.Progress(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%+v\n", counts)
	return nil
}

// RoundTrip makes the requests of the client, with moments around them.
func (c *child) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		c.soon(looking)
		return http.DefaultTransport.RoundTrip(r)
	}
	c.soon(requesting)
	response, err := http.DefaultTransport.RoundTrip(r)
	c.now(answered)
	return response, err
}

// now ends the process if the time has come.
func (c *child) now(at moment) {
	if c.isTime(at) {
		killSelf()
	}
}

// soon ends the process within a moment if the time has come.
func (c *child) soon(at moment) {
	if c.isTime(at) {
		time.AfterFunc(time.Duration(c.random.Int64N(int64(soon))), killSelf)
	}
}

func (c *child) isTime(at moment) bool { return c.Moment == at && c.passed.Add(1) == c.After }

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
