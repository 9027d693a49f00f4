package inbox_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childProcess is a child as its parent sees it.
type childProcess struct {
	t       *testing.T
	command *exec.Cmd
	input   io.WriteCloser
	lines   *bufio.Reader
	errors  *bytes.Buffer // what it wrote to stderr; to be read when it has ended
	ended   bool
}

// startChild starts a child, which ends with the test at the latest.
func startChild(t *testing.T, config childConfig) *childProcess {
	t.Helper()
	text, err := json.Marshal(config)
	require.NoError(t, err)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+string(text))
	p := &childProcess{t: t, command: command, errors: new(bytes.Buffer)}
	command.Stderr = p.errors
	p.input, err = command.StdinPipe()
	require.NoError(t, err)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	p.lines = bufio.NewReader(output)
	require.NoError(t, command.Start())
	t.Cleanup(p.kill)
	return p
}

// line is the next line that the child prints; false if it ended before.
func (p *childProcess) line() (string, bool) {
	line, err := p.lines.ReadString('\n')
	return strings.TrimSpace(line), err == nil
}

// requireLine is line for a child that must get so far.
func (p *childProcess) requireLine() string {
	p.t.Helper()
	line, ok := p.line()
	if !ok {
		p.kill()
		require.Fail(p.t, "the child ended too early", p.errors.String())
	}
	return line
}

// kill ends the child as kill -9 does, unless it has ended.
func (p *childProcess) kill() {
	if !p.ended {
		_ = p.command.Process.Kill() // it may have ended by itself
		p.wait()
	}
}

// killAfter kills the child after a while, if it has not ended; the result takes
// that back.
func (p *childProcess) killAfter(wait time.Duration) (stop func() bool) {
	return time.AfterFunc(wait, func() { _ = p.command.Process.Kill() }).Stop
}

// wait waits until the child has ended.
func (p *childProcess) wait() {
	p.ended = true
	_ = p.command.Wait() // how it ended is in the state
}

// requireKilled waits for a child that was killed, by itself or by its parent,
// and fails if it ended in another way: a crash of the program is no kill -9.
func (p *childProcess) requireKilled() {
	p.t.Helper()
	if !p.ended {
		p.wait()
	}
	require.Equal(p.t, "signal: killed", p.command.ProcessState.String(), p.errors.String())
	require.Empty(p.t, p.errors.String())
}

// stop ends the child in good order.
func (p *childProcess) stop() {
	p.t.Helper()
	require.NoError(p.t, p.input.Close())
	p.wait()
	require.Equal(p.t, "exit status 0", p.command.ProcessState.String(), p.errors.String())
}
