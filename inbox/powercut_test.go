//go:build linux

package inbox_test

import (
	"context"
	"flag"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var crashCuts = flag.Int("crash.cuts", 3, "how often TestPowerCut cuts the power")

// beforeCut is how many notifications are answered with 200 before the power is
// cut, at least.
const beforeCut = 300

// TestPowerCut cuts the power under load: whatever was answered with 200 until then
// is on the disk.
//
// The disk is a file with a file system in it. The process is stopped, not ended,
// and the file is copied: what was not flushed is in the memory of the system,
// and so not in the copy. It shows what a program flushes before it answers. It
// does not show a disk that flushes less than it says, or that writes a block by
// half.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for _, work := range []bool{false, true} {
		name := "accepting"
		if work {
			name = "accepting and handling"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random, _ := newRandom(t)
			for cut := range *crashCuts {
				wait := upTo(random, anyTimeLimit)
				l, after := cutPower(t, childConfig{Work: work, Script: checkpoints(random), Seed: random.Uint64()}, wait)
				l.addDone(t, after.path())
				l.settle(t, after.path())
				t.Logf("cut %d, %v after the first answers: %d answered with 200, 0 lost", cut, wait, len(l.accepted))
			}
		})
	}
}

// TestPowerCutIsNoticed shows that TestPowerCut can fail: an inbox that does not
// wait for the disk loses what it accepted. No checkpoint, which waits for the disk even
// with NORMAL, may come just before the cut.
func TestPowerCutIsNoticed(t *testing.T) {
	t.Parallel()
	for _, synchronous := range []string{"OFF", "NORMAL"} {
		t.Run(synchronous, func(t *testing.T) {
			t.Parallel()
			l, after := cutPower(t, childConfig{Script: "PRAGMA synchronous=" + synchronous + "; PRAGMA wal_autocheckpoint=0"}, 0)
			found := l.examine(t, after.path())
			t.Logf("%d answered with 200, %d lost", len(l.accepted), len(found.forgotten))
			require.NotEmpty(t, found.forgotten)
		})
	}
}

// cutPower starts an endpoint on an image, sends to it, and cuts the power some
// time after enough was accepted. It returns what was sent and what is left.
func cutPower(t *testing.T, config childConfig, wait time.Duration) (*ledger, *diskImage) {
	t.Helper()
	disk := newImage(t, 128<<20)
	config.Role, config.Path, config.Journal = "endpoint", disk.path(), filepath.Join(t.TempDir(), "journal")
	p := startChild(t, config)
	ctx, cancel := context.WithTimeout(t.Context(), roundLimit)
	defer cancel()
	s, sent := startSenders(ctx, t, p.requireLine(), "cut", nil, beforeCut, config.Seed)
	select {
	case <-s.enough:
	case <-ctx.Done():
		require.Fail(t, "too few notifications were accepted in time")
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	<-timer.C
	p.freeze()
	after := disk.afterPowerCut(t)
	p.kill()
	sent()
	disk.unmount(t)

	l := newLedger()
	l.addSent(s, s.answers(t))
	l.addJournal(t, config.Journal)
	l.require(t)
	return l, after
}

// freeze stops the child where it is, and returns when all of its threads have
// stopped: from then on it answers nothing.
func (p *childProcess) freeze() {
	p.t.Helper()
	require.NoError(p.t, p.command.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.command.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(p.t, err)
	require.True(p.t, status.Stopped(), "the child ended: %v", status)
}
