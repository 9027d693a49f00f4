// Command emulator runs a local Nylas for programs in any language. It prints
// the settings that point a program to it, and then plays the recipient of the
// latest message on command: open, click, click 2, reply.
//
//	go run ./examples/emulator
//
// With -retry 5s it repeats a delivery sooner than Nylas does.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/nylastest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("emulator", flag.ContinueOnError)
	trial := flags.Bool("trial", false, "be a trial account, which may not track")
	retry := flags.Duration("retry", 0, "wait before the second and third attempt of a delivery (default 5m and 10m, as Nylas)")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	var opts []nylastest.Option
	if *trial {
		opts = append(opts, nylastest.WithTrial())
	}
	if *retry != 0 {
		opts = append(opts, nylastest.WithRetryDelays(*retry, *retry))
	}
	server, err := nylastest.Start(opts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	fmt.Fprintf(stdout, "export NYLAS_API_URL=%s NYLAS_API_KEY=%s NYLAS_GRANT_ID=%s\n", server.URL(), server.APIKey(), server.GrantID())
	fmt.Fprintln(stdout, "Type open, click [index] or reply to act as the recipient of the latest message; interrupt to end.")

	// The lines come from a goroutine, because reading cannot be interrupted.
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(stdin); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case line, more := <-lines:
			if !more {
				<-ctx.Done() // no terminal: serve until interrupted
				return nil
			}
			if err := act(ctx, server, strings.Fields(line), stdout); err != nil {
				fmt.Fprintln(stdout, err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// act does what a recipient does with the latest message.
func act(ctx context.Context, server *nylastest.Server, words []string, stdout io.Writer) error {
	if len(words) == 0 {
		return nil
	}
	messages := server.Messages()
	if len(messages) == 0 {
		return errors.New("no message was sent yet")
	}
	recipient, err := server.Recipient(messages[len(messages)-1].ID)
	if err != nil {
		return err
	}
	switch words[0] {
	case "open":
		err = recipient.Open(ctx)
	case "click":
		index := 0
		if len(words) > 1 {
			if index, err = strconv.Atoi(words[1]); err != nil {
				return errors.New("click: want the index of a link")
			}
		}
		_, err = recipient.Click(ctx, index)
	case "reply":
		_, err = recipient.Reply(ctx)
	default:
		return errors.New("want open, click [index] or reply")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, words[0], "done")
	return err
}
