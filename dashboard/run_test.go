package dashboard_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// run starts Run, and returns a function that ends it.
func (s *site) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error)
	go func() { done <- s.pages.Run(ctx) }()
	return func() {
		s.t.Helper()
		cancel()
		assert.NoError(s.t, <-done)
	}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.sent("m-1", time.Now().Add(-time.Hour), func(m *engagement.Sent) { m.Label = "spring" })
		stop := s.run()
		pass(time.Second)
		assert.Contains(t, text(s.get("/")), "no signal")
		s.happened(event("m-1", engagement.Open, time.Now(), gmailAgent))
		pass(3 * time.Second)
		assert.Contains(t, text(s.get("/")), "likely opened provisional people: 1 open")
		assert.Contains(t, text(s.get("/campaigns")), "1 of 1 by people")
		pass(3 * time.Minute)
		assert.NotContains(t, s.get("/"), "provisional", "Run judges again when the verdict is final")
		stop()

		s.happened(event("m-1", engagement.Click, time.Now(), chromeAgent))
		pass(30 * time.Second)
		assert.NotContains(t, s.get("/"), "Dashboard.Run")
		pass(time.Minute)
		assert.Contains(t, text(s.get("/")), "1 of these messages waits for its verdict. Does the program call Dashboard.Run?")
		defer s.run()()
		pass(time.Second)
		assert.NotContains(t, s.get("/"), "Dashboard.Run")
	})
}

// What is there when Run begins is judged at once, however much it is.
func TestRunCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.sent("m-1", time.Now().Add(-time.Hour), func(m *engagement.Sent) { m.Label = "spring" })
		multiply(t, s.db, 2500)
		defer s.run()()
		pass(time.Second)
		assert.Contains(t, text(s.get("/campaigns")), "2501 messages")
	})
}

// A database that is away is asked less and less often, and does not end Run.
func TestRunTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.sent("m-1", time.Now().Add(-time.Hour), nil)
		_, err := s.db.ExecContext(t.Context(), "ALTER TABLE nylas_messages RENAME TO away")
		require.NoError(t, err)
		defer s.run()()
		pass(10 * time.Minute)
		// After 2, 4, 8, 16, 32, 60, 60, … seconds.
		assert.Equal(t, 1+5+8, strings.Count(s.log.String(), "messages could not be judged"))
		_, err = s.db.ExecContext(t.Context(), "ALTER TABLE away RENAME TO nylas_messages")
		require.NoError(t, err)
		pass(time.Minute + time.Second)
		assert.Contains(t, text(s.get("/")), "no signal")
	})
}

// A process that starts again shows what the one before has stored.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	again := openSite(t, s.file)
	assert.Equal(t, s.get("/campaign?name=spring"), again.get("/campaign?name=spring"))
	assert.Equal(t, s.get("/messages/g-1/m-1"), again.get("/messages/g-1/m-1"))
}
