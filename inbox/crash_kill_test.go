package inbox_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	crashRounds = flag.Int("crash.rounds", 20, "how often TestKill kills the process")
	crashSeed   = flag.Uint64("crash.seed", 0, "what the crash tests begin their random numbers with; 0: by chance")
)

// newRandom makes the random numbers of a crash test and says how to have the
// same ones again.
func newRandom(t *testing.T) (*rand.Rand, uint64) {
	t.Helper()
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -crash.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// The moments at which TestKill kills, beside those within the child.
const (
	anyTime moment = "any time" // whatever the process is doing
	opening moment = "opening"  // while it opens the store that the last round left
)

// The latest times for them, and for a child whose own moment does not come.
const (
	roundLimit   = 30 * time.Second
	anyTimeLimit = 250 * time.Millisecond
	openingLimit = 60 * time.Millisecond
)

// filled is how many notifications were handled before the first kill: as many ids
// as the inbox lets gather, nearly, so that they move into their index while the
// kills come.
const filled = 17_000

// TestKill kills the process with kill -9 at random moments under load, and
// starts it again on the same file. What was answered with 200 is stored, what is
// stored is handled at least once, and what was marked done never runs again.
func TestKill(t *testing.T) {
	t.Parallel()
	random, _ := newRandom(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "inbox.db")
	l := newLedger()
	l.fill(t, path, filled)
	moments := []moment{anyTime, committing, answering, handling, marking, marked, anyTime, opening}
	killed := make(map[moment]int)
	for round := range *crashRounds {
		at := moments[round%len(moments)]
		config := childConfig{
			Role: "endpoint", Path: path, Journal: filepath.Join(dir, fmt.Sprint("journal-", round)),
			Work: true, Script: checkpoints(random), Moment: at, After: 1 + random.Int64N(400), Seed: random.Uint64(),
		}
		l.killOnce(t, config, random, fmt.Sprint("round-", round))
		if t.Failed() {
			t.Fatalf("round %d, killed %s after %d", round, at, config.After)
		}
		killed[at]++
	}
	t.Logf("killed: %v; sent %d, answered with 200 %d, marked done before the last kill %d", killed, len(l.sent), len(l.accepted), len(l.done))
	l.settle(t, path)
}

// checkpoints makes every other inbox move its log into the file all the time, and
// not only after 16 MiB, which the few notifications of a test do not fill.
func checkpoints(random *rand.Rand) (script string) {
	if random.IntN(2) == 0 {
		return ""
	}
	return fmt.Sprint("PRAGMA wal_autocheckpoint=", 1+random.IntN(50))
}

// killOnce is one round: a process, its load, and its end.
func (l *ledger) killOnce(t *testing.T, config childConfig, random *rand.Rand, prefix string) {
	t.Helper()
	p := startChild(t, config)
	defer p.killAfter(roundLimit)()
	if config.Moment == opening {
		defer p.killAfter(upTo(random, openingLimit))()
	}
	if addr, ok := p.line(); ok {
		known := slices.Sorted(maps.Keys(l.accepted))
		s, wait := startSenders(t.Context(), t, addr, prefix, known, 0, random.Uint64())
		if config.Moment == anyTime {
			defer p.killAfter(upTo(random, anyTimeLimit))()
		}
		wait()
		l.addSent(s, s.answers(t))
	}
	p.requireKilled()
	l.addJournal(t, config.Journal)
	l.addDone(t, config.Path)
	l.require(t)
}

func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}

// TestShutdown ends the process in good order under load: while notifications are
// read, written and handled, and with a backlog. Nothing that was answered with
// 200 is lost, nothing that was handled is handled again, and no answer is
// anything but 200 and 503.
func TestShutdown(t *testing.T) {
	t.Parallel()
	random, _ := newRandom(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "inbox.db")
	l := newLedger()
	for round := range 5 {
		config := childConfig{Role: "endpoint", Path: path, Journal: filepath.Join(dir, fmt.Sprint("journal-", round)), Work: true}
		p := startChild(t, config)
		s, wait := startSenders(t.Context(), t, p.requireLine(), fmt.Sprint("round-", round), nil, 1+random.IntN(100), random.Uint64())
		<-s.enough
		p.stop()
		wait()
		l.addSent(s, s.answers(t))
		l.addJournal(t, config.Journal)
		for id := range l.returns {
			require.Contains(t, l.done, id, "handled, and not marked when the process had ended")
		}
		l.addDone(t, path)
		l.require(t)
	}
	require.NotEmpty(t, l.accepted)
	l.settle(t, path)
}
