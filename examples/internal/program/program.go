// Package program runs a program of the examples in a test, and waits for what it prints.
package program

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a line may take to come. A test that passes does not wait for it.
const patience = 20 * time.Second

// Program is a program that runs, or has ended.
type Program struct {
	tb   testing.TB
	stop context.CancelFunc
	done chan struct{}
	err  error // after done

	mu      sync.Mutex
	output  strings.Builder
	changed chan struct{} // closed when output changes
}

// Start runs a program until End or the end of the test. The Program is its standard output.
func Start(tb testing.TB, run func(ctx context.Context, stdout *Program) error) *Program {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &Program{tb: tb, stop: stop, done: make(chan struct{}), changed: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = run(ctx, p)
	}()
	tb.Cleanup(func() {
		stop()
		<-p.done
	})
	return p
}

// Write keeps what the program prints.
func (p *Program) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(text)
	close(p.changed)
	p.changed = make(chan struct{})
	return len(text), nil
}

// Output returns what the program has printed.
func (p *Program) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// Await returns the first line that contains what, once it is there. It fails the test if the
// program ends without it.
func (p *Program) Await(what string) string {
	p.tb.Helper()
	late := time.After(patience)
	for {
		p.mu.Lock()
		output, changed := p.output.String(), p.changed
		p.mu.Unlock()
		for line := range strings.Lines(output) {
			if strings.Contains(line, what) && strings.HasSuffix(line, "\n") {
				return strings.TrimSuffix(line, "\n")
			}
		}
		select {
		case <-changed:
		case <-p.done:
			if strings.Contains(p.Output(), what) {
				continue
			}
			p.tb.Fatalf("the program ended without printing %q: %v\n%s", what, p.err, p.Output())
		case <-late:
			p.tb.Fatalf("the program does not print %q:\n%s", what, p.Output())
		}
	}
}

// URL returns the value of url= in the line about listening.
func (p *Program) URL() string {
	p.tb.Helper()
	_, rest, _ := strings.Cut(p.Await("msg=listening"), " url=")
	url, _, _ := strings.Cut(rest, " ")
	return url
}

// End stops the program as an interrupt does, and fails the test if it returns an error.
func (p *Program) End() {
	p.tb.Helper()
	p.stop()
	<-p.done
	if p.err != nil {
		p.tb.Fatalf("the program ended with an error: %v\n%s", p.err, p.Output())
	}
}
