package inbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/receive"
)

// A ledger is what is known from outside about a store that crashed: which ids
// were answered with 200, and what their handler and the inbox's hooks saw.
type ledger struct {
	sent     map[string]bool
	accepted map[string]bool
	starts   map[string]int // how often the handler began
	returns  map[string]int // how often it returned nil
	done     map[string]bool
	broken   []string // what must not have happened
}

func newLedger() *ledger {
	return &ledger{
		sent: make(map[string]bool), accepted: make(map[string]bool),
		starts: make(map[string]int), returns: make(map[string]int), done: make(map[string]bool),
	}
}

// record adds one thing that happened, in the order in which it did.
func (l *ledger) record(verb, id string) {
	switch verb {
	case started:
		l.starts[id]++
		if l.done[id] {
			l.broken = append(l.broken, id+" ran again after it was marked done")
		}
		if !l.sent[id] {
			l.broken = append(l.broken, id+" was never sent")
		}
	case returned:
		l.returns[id]++
	case finished:
		if l.returns[id] == 0 {
			l.broken = append(l.broken, id+" was marked done although no handler returned nil")
		}
		l.done[id] = true
	default:
		l.broken = append(l.broken, verb+" "+id+" is no line of a journal")
	}
}

// addSent adds what was sent and what was answered with 200 to the ledger.
func (l *ledger) addSent(s *senders, accepted []string) {
	for id := range s.sent {
		l.sent[id] = true
	}
	for _, id := range accepted {
		l.accepted[id] = true
	}
}

// addJournal adds what a process wrote until it was killed.
func (l *ledger) addJournal(t *testing.T, path string) {
	t.Helper()
	journal, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return // killed before it began one
	}
	require.NoError(t, err)
	whole := journal[:bytes.LastIndexByte(journal, '\n')+1]
	for line := range strings.Lines(string(whole)) {
		verb, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		l.record(verb, id)
	}
}

// addDone adds what is marked done in the file of a process that was killed. The
// hook that tells of a mark comes after it, so a kill can come between them.
func (l *ledger) addDone(t *testing.T, path string) {
	t.Helper()
	inFile := make(map[string]bool)
	for _, id := range doneInFile(t, path) {
		inFile[id] = true
		if l.returns[id] == 0 {
			l.broken = append(l.broken, id+" is marked done in the file although no handler returned nil")
		}
	}
	for id := range l.done {
		if !inFile[id] {
			l.broken = append(l.broken, id+" was said to be marked done and is not")
		}
	}
	l.done = inFile
}

// require fails the test if the ledger shows what must not happen.
func (l *ledger) require(t *testing.T) {
	t.Helper()
	require.Empty(t, firstOf(l.broken))
}

// settle works off the store that the crashes left, and checks everything that
// was promised.
func (l *ledger) settle(t *testing.T, path string) {
	t.Helper()
	found := l.examine(t, path)
	require.Empty(t, firstOf(found.forgotten), "%d of %d that were answered with 200 are lost", len(found.forgotten), len(l.accepted))
	l.require(t)
	var unhandled, undead, died []string
	for id := range l.accepted {
		if l.starts[id] == 0 {
			unhandled = append(unhandled, id)
		}
	}
	for id := range l.starts {
		switch {
		case fate(id) != "dies" && found.dead[id]:
			died = append(died, id)
		case fate(id) == "dies" && !found.dead[id]:
			undead = append(undead, id)
		case fate(id) != "dies" && l.returns[id] == 0:
			unhandled = append(unhandled, id)
		}
	}
	require.Empty(t, firstOf(unhandled), "stored, and not handled in the end")
	require.Empty(t, firstOf(undead), "given up by their handler, and no dead letters")
	require.Empty(t, firstOf(died), "dead letters that their handler did not give up")
	requireWhole(t, path)
}

// findings are what examine saw in a store.
type findings struct {
	dead      map[string]bool
	forgotten []string // answered with 200, and unknown to the store
}

// examine works a store off, and then gives it again what was answered with 200:
// what it handles once more it did not know.
func (l *ledger) examine(t *testing.T, path string) findings {
	t.Helper()
	var recording func(verb, id string)
	var mu sync.Mutex
	c := &child{observe: func(verb, id string) {
		mu.Lock()
		defer mu.Unlock()
		recording(verb, id)
	}}
	box, err := inbox.Open(path, append(crashOptions(), inbox.WithHooks(c.hooks()))...)
	require.NoError(t, err)
	defer func() { require.NoError(t, box.Close()) }()

	before := requireStats(t, box)
	recording = l.record
	workOff(t, box, receive.HandlerFunc(c.handle))
	found := findings{dead: l.requireDead(t, box)}
	after := requireStats(t, box)
	assert.Equal(t, before.Pending+before.Dead+before.Done, after.Dead+after.Done, "working off changed how many there are")
	assert.EqualValues(t, len(found.dead), after.Dead)

	forgotten := make(map[string]bool)
	recording = func(_, id string) { forgotten[id] = true }
	deliverAll(t, box, slices.Collect(maps.Keys(l.accepted)), lateAttempt)
	workOff(t, box, receive.HandlerFunc(c.handle))
	found.forgotten = slices.Collect(maps.Keys(forgotten))
	return found
}

// requireDead checks the dead letters, of which each must have the body of one
// of its attempts and the error of its handler.
func (l *ledger) requireDead(t *testing.T, box *inbox.Inbox) map[string]bool {
	t.Helper()
	dead := make(map[string]bool)
	for letter, err := range box.Dead(t.Context()) {
		require.NoError(t, err)
		id := letter.Delivery.ID
		require.True(t, l.sent[id])
		require.Contains(t, letter.Err, errDead.Error())
		require.Contains(t, []string{
			string(attempted(id, firstAttempt)), string(attempted(id, soonAttempt)), string(attempted(id, lateAttempt)),
		}, string(letter.Delivery.Body))
		dead[id] = true
	}
	return dead
}

// fill has a new store accept many notifications and handle them, without an
// endpoint.
func (l *ledger) fill(t *testing.T, path string, many int) {
	t.Helper()
	box, err := inbox.Open(path, crashOptions()...)
	require.NoError(t, err)
	var ids []string
	for i := range many {
		id := fmt.Sprint("before-", i)
		if fate(id) == "dies" {
			continue
		}
		ids = append(ids, id)
		l.sent[id], l.accepted[id], l.done[id] = true, true, true
		l.starts[id], l.returns[id] = 1, 1
	}
	deliverAll(t, box, ids, firstAttempt)
	workOff(t, box, new(keeper))
	require.NoError(t, box.Close())
}

// deliverAll delivers many notifications at a time, so that they share flushes.
func deliverAll(t *testing.T, box *inbox.Inbox, ids []string, attempt int) {
	t.Helper()
	const atOnce = 256
	errs := make(chan error, atOnce)
	for at := range atOnce {
		go func() {
			var err error
			for i := at; i < len(ids) && err == nil; i += atOnce {
				err = box.HandleDelivery(t.Context(), receive.NewDelivery(attempted(ids[i], attempt), ""))
			}
			errs <- err
		}()
	}
	for range atOnce {
		require.NoError(t, <-errs)
	}
}

// settleLimit bounds how long working off takes.
const settleLimit = time.Minute

// workOff runs handler until nothing is left to be handled.
func workOff(t *testing.T, box *inbox.Inbox, handler receive.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- box.Run(ctx, handler) }()
	require.Eventually(t, func() bool {
		now := requireStats(t, box)
		return now.Pending == 0
	}, settleLimit, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ran)
}

func requireStats(t *testing.T, box *inbox.Inbox) inbox.Stats {
	t.Helper()
	s, err := box.Stats(t.Context())
	require.NoError(t, err)
	return s
}

// firstOf is enough of a list for a message.
func firstOf(ids []string) []string {
	slices.Sort(ids)
	return ids[:min(len(ids), 5)]
}
