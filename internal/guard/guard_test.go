package guard_test

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/guard"
)

func TestIsNil(t *testing.T) {
	t.Parallel()
	assert.True(t, guard.IsNil(nil))
	assert.True(t, guard.IsNil((*int)(nil)))
	assert.True(t, guard.IsNil((func())(nil)))
	assert.False(t, guard.IsNil(new(int)))
	assert.False(t, guard.IsNil(func() {}))
	assert.False(t, guard.IsNil(struct{}{}))
}

func TestPanicText(t *testing.T) {
	t.Parallel()
	caught := func(f func()) (text string) {
		defer func() { text = guard.PanicText(recover()) }()
		f()
		return ""
	}
	assert.Equal(t, "string", caught(func() { panic("secret") }))
	assert.Equal(t, "*errors.errorString", caught(func() { panic(errors.New("secret")) }))
	var none []int
	assert.Equal(t, "runtime error: index out of range [1] with length 0", caught(func() { none[1]++ }))
}

func TestCall(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	call := func(f func() error) error {
		done := make(chan error, 2)
		go guard.Call(f, func(err error) { done <- err })
		return <-done
	}
	require.NoError(t, call(func() error { return nil }))
	assert.Equal(t, failed, call(func() error { return failed }))
	assert.Equal(t, guard.ErrExited, call(func() error { runtime.Goexit(); return nil }))

	panicked, ok := errors.AsType[*guard.PanicError](call(func() error { panic("secret") }))
	assert.True(t, ok)
	assert.Equal(t, "it panicked: string", panicked.Error())
	assert.Contains(t, panicked.Stack, "guard_test.go", "where it panicked")
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	panicked, exited, failed := errors.New("panicked"), errors.New("exited"), errors.New("failed")
	call := func(f func() error) (p *guard.PanicError, own error) {
		done := make(chan error, 1)
		go guard.Call(f, func(err error) { done <- err })
		return guard.Outcome(<-done, panicked, exited)
	}
	p, own := call(func() error { panic("secret") })
	assert.Equal(t, panicked, own)
	require.NotNil(t, p)
	assert.Equal(t, []slog.Attr{slog.Int("a", 1), slog.String("exception.message", "string"), slog.String("exception.stacktrace", p.Stack)}, p.Attrs(slog.Int("a", 1)))

	wrapped := fmt.Errorf("wrapped: %w", errors.Join(p, guard.ErrExited))
	for name, test := range map[string]struct {
		f    func() error
		want error
	}{
		"nil":                             {func() error { return nil }, nil},
		"exited":                          {func() error { runtime.Goexit(); return nil }, exited},
		"an error":                        {func() error { return failed }, failed},
		"what another call gave, wrapped": {func() error { return wrapped }, wrapped},
	} {
		p, own := call(test.f)
		assert.Equal(t, test.want, own, name)
		assert.Nil(t, p, name)
	}
}
