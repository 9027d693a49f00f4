//go:build unix

package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The environment of a process that is to be a server.
const (
	nameVariable = "NYLAS_LOAD_SERVER"
	dirVariable  = "NYLAS_LOAD_DIR"
)

// A Setup makes the handler of a server. What it keeps in files it keeps in dir,
// which the benchmark chose. finish runs when the server has ended; it may be nil.
type Setup func(dir string) (handler http.Handler, finish func() error, err error)

// Serve runs one of the servers and ends the process, if [Start] started it; if
// not, it returns at once.
func Serve(setups map[string]Setup) {
	name, ok := os.LookupEnv(nameVariable)
	if !ok {
		return
	}
	if err := serve(setups[name], os.Getenv(dirVariable)); err != nil {
		fmt.Fprintf(os.Stderr, "load: serve %s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(setup Setup, dir string) (err error) {
	if setup == nil {
		return errors.New("no such server")
	}
	handler, finish, err := setup(dir)
	if err != nil {
		return err
	}
	if finish != nil {
		defer func() { err = errors.Join(err, finish()) }()
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Println(listener.Addr())
	// Each line that arrives asks for the CPU time so far; the end of the input,
	// which the death of the other process is too, ends the server.
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		fmt.Println(cpuTime().Nanoseconds())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it has no way to fail
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Server is a handler in a process of its own.
type Server struct {
	addr   string
	input  io.WriteCloser
	output *bufio.Reader
	wait   func() error
}

// Start starts the server that [Serve] knows under name, and ends it with the
// benchmark. It keeps its files in a folder of the benchmark's.
func Start(tb testing.TB, name string) *Server {
	tb.Helper()
	return StartIn(tb, name, tb.TempDir())
}

// StartIn is Start with a folder of the caller's.
func StartIn(tb testing.TB, name, dir string) *Server {
	tb.Helper()
	command := exec.Command(os.Args[0]) //nolint:noctx // it ends with its input
	command.Env = append(os.Environ(), nameVariable+"="+name, dirVariable+"="+dir)
	return StartCommand(tb, command)
}

// StartCommand starts a server that is another program, and ends it with the benchmark. The
// program prints its address, such as 127.0.0.1:40321, as its first line. For each line of
// its input it prints the nanoseconds of CPU time that it has taken, and it ends with its
// input.
func StartCommand(tb testing.TB, command *exec.Cmd) *Server {
	tb.Helper()
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	s := &Server{input: input, output: bufio.NewReader(output), wait: command.Wait}
	tb.Cleanup(func() {
		if s.wait != nil {
			s.Stop(tb)
		}
	})
	s.addr = s.line(tb)
	return s
}

// URL is the address of the server.
func (s *Server) URL() string { return "http://" + s.addr }

// CPU is the time that the process of the server has taken so far, by user and
// system.
func (s *Server) CPU(tb testing.TB) time.Duration {
	tb.Helper()
	if _, err := io.WriteString(s.input, "\n"); err != nil {
		tb.Fatal("load: ask the server for its CPU time: ", err)
	}
	nanoseconds, err := strconv.ParseInt(s.line(tb), 10, 64)
	if err != nil {
		tb.Fatal("load: the server's CPU time: ", err)
	}
	return time.Duration(nanoseconds)
}

// Stop ends the server in good order and waits for it.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	err := s.input.Close()
	if err := errors.Join(err, s.wait()); err != nil {
		tb.Error("load: end the server: ", err)
	}
	s.wait = nil
}

func (s *Server) line(tb testing.TB) string {
	tb.Helper()
	line, err := s.output.ReadString('\n')
	if err != nil {
		tb.Fatal("load: the server did not answer: ", err)
	}
	return strings.TrimSpace(line)
}
