package inbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestModel does random schedules against a simple model of the inbox: deliveries,
// duplicates and changed order, handlers that fail in every way, crashes,
// restarts, pauses and requeueing. After each step it checks that what was
// accepted is stored, that nothing done runs again, that nothing runs beside
// itself, what the dead letters hold, and that the numbers agree; and in the end
// that everything was handled or is dead.
//
// -rapid.checks says how many schedules, -rapid.seed which. A failing one is made
// as small as possible.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := schedules.Draw(rt, "schedule")
		var broken error
		// The schedule is drawn before: within the bubble nothing may end the check.
		synctest.Test(t, func(t *testing.T) { broken = s.run(t) })
		if broken != nil {
			rt.Fatal(broken)
		}
	})
}

// An outcome is how one call of a handler ends.
type outcome string

const (
	succeeds outcome = "succeeds"
	slow     outcome = "slow" // and succeeds
	late     outcome = "late" // ignores its context, and succeeds
	hangs    outcome = "hangs until its context ends"
	fails    outcome = "fails"
	gives    outcome = "gives up" // a permanent error
	panics   outcome = "panics"
	exits    outcome = "exits" // its goroutine
)

// An action is a step of a schedule.
type action string

const (
	deliver action = "deliver" // some of the notifications, at the same time
	wait    action = "wait"
	crash   action = "crash"   // and start again on what is in the files
	restart action = "restart" // in good order
	pause   action = "pause"   // end Run
	resume  action = "resume"  // begin it again
	requeue action = "requeue" // some of the dead letters
)

// schedule is one check.
type schedule struct {
	Workers int
	Ordered bool        // whether notifications whose numbers are equal modulo 3 keep their order
	Scripts [][]outcome // of each notification: how the calls of its handler end; then they succeed
	Broken  int         // how many of them cannot be decoded
	Steps   []step
}

type step struct {
	Do    action
	Which []int // notifications, by number
	Wait  time.Duration
}

// The limits of the inbox in the model. Notifications are few, so that they meet
// each other.
const (
	modelAttempts  = 3
	modelTimeout   = 10 * time.Second
	modelGrace     = 5 * time.Second
	modelMaxWait   = time.Minute
	slowTime       = modelGrace - time.Second
	lateTime       = modelTimeout + modelGrace + 10*time.Second
	modelRetention = 365 * 24 * time.Hour // what it forgets has tests of its own
)

var schedules = rapid.Custom(func(rt *rapid.T) schedule {
	outcomes := rapid.SampledFrom([]outcome{succeeds, slow, late, hangs, fails, fails, gives, panics, exits})
	s := schedule{
		Workers: rapid.IntRange(1, 3).Draw(rt, "workers"),
		Ordered: rapid.Bool().Draw(rt, "ordered"),
		Scripts: rapid.SliceOfN(rapid.SliceOfN(outcomes, 0, modelAttempts+1), 1, 8).Draw(rt, "scripts"),
	}
	s.Broken = rapid.IntRange(0, min(2, len(s.Scripts)-1)).Draw(rt, "broken")
	actions := rapid.SampledFrom([]action{deliver, deliver, deliver, wait, wait, crash, restart, pause, resume, resume, requeue})
	which := rapid.SliceOfN(rapid.IntRange(0, len(s.Scripts)-1), 1, 6)
	waits := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, modelGrace, modelTimeout, modelMaxWait})
	s.Steps = rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
		next := step{Do: actions.Draw(rt, "do")}
		switch next.Do {
		case deliver, requeue:
			next.Which = which.Draw(rt, "which")
		case wait:
			next.Wait = waits.Draw(rt, "wait")
		}
		return next
	}), 1, 25).Draw(rt, "steps")
	return s
})

// run does the steps, then lets the inbox finish, and checks all the time.
func (s schedule) run(t *testing.T) (broken error) {
	t.Helper()
	w, err := newWorld(t, s)
	if err != nil {
		return err
	}
	defer func() {
		if err := w.end(); broken == nil {
			broken = err
		}
	}()
	for number, next := range append(s.Steps, step{Do: resume}) {
		if err := w.do(next); err != nil {
			return fmt.Errorf("step %d, %v: %w", number, next, err)
		}
	}
	return w.finish()
}
