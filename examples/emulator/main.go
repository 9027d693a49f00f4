// Command emulator runs a local Nylas for programs in any language. It prints the settings
// that point a program to it, shows the mail on a page, and plays the recipients on command.
//
//	go run ./examples/emulator
//
// It takes these flags:
//
//	-addr HOST:PORT  where to listen, by default 127.0.0.1:6952; a free port if that one is
//	                 taken. Give the name by which other containers know this one, such as
//	                 emulator:6952: the tracked links have it. With 0.0.0.0:6952 it listens on
//	                 all addresses, and the links have 127.0.0.1.
//	-state FILE      keep the key, the grant, messages, webhooks and the rest in FILE, over
//	                 restarts. FILE has secrets in it. See nylastest.WithStateFile.
//	-seed N          make ids, secrets and what behaviours do follow from N, so that a run can
//	                 be repeated. 0 is no seed.
//	-trial           be a trial account, which may not track
//	-hard-delete     let messages be deleted for good, as "Enable hard delete" in the Dashboard does
//	-strict          refuse fields and parameters that Nylas does not document
//	-compress        compress all deliveries
//	-retry 5s        repeat a delivery after 5 s instead of 5 and 10 minutes
//	-json            print the settings as one line of JSON with api_url, api_key, grant_id and
//	                 mailbox_url, instead of a line for a shell
//
// SIGTERM and an interrupt end it. When its input ends, it serves on.
//
// These are the commands. MESSAGE is the number of a message, from 1, or an address to which one
// was sent; without it the latest message is meant. LINK counts from 1, and link_index in
// notifications from 0. GRANT is an id or an address; without it the grant of the settings is
// meant:
//
//	messages                          list the messages
//	links [MESSAGE]                   list the tracked links of a message
//	open [MESSAGE] [as BEHAVIOUR]     load the pixel
//	click [MESSAGE [LINK]] [as BEHAVIOUR]
//	                                  follow a link, the first one without LINK, which counts from 1
//	reply [MESSAGE] [out-of-office | as sender]
//	                                  answer a message
//	receive [MESSAGE] as BEHAVIOUR[,BEHAVIOUR]
//	                                  let mailboxes and scanners act as they do, all at once
//	bounce [MESSAGE] [TYPE]           send a message back
//	complain [MESSAGE]                report a message as spam
//	expire [GRANT]                    let a grant expire, as a changed password does
//	renew [GRANT]                     let the owner of a grant authenticate again
//	webhooks                          list the webhooks
//	deliveries                        list the latest deliveries
//	fault ENDPOINT STATUS [TIMES]     answer the next requests with an error
//	fault delivery KIND [TIMES]       let something go wrong with the next deliveries
//	fault list, fault clear           show or drop the faults that wait
//	help, quit
//
// After "open 2 as gmail", for example, message 2 was opened through Google's proxy.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/nylastest/mailbox"
)

// defaultAddress has a port that spells "nyla" on a telephone. It is fixed, because the tracked
// links of earlier messages have it.
const defaultAddress = "127.0.0.1:6952"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

// settings are the flags.
type settings struct {
	address, state                string
	seed                          uint64
	retry                         time.Duration
	trial, strict, compress, json bool
	hardDelete                    bool
}

func parse(args []string, stderr io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("emulator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.address, "addr", defaultAddress, "listen on `host:port`, or on a free port if that one is taken")
	flags.StringVar(&s.state, "state", "", "keep everything in a `file`, over restarts; it has secrets in it")
	flags.Uint64Var(&s.seed, "seed", 0, "make ids and behaviours follow from a `number`; 0 is no seed")
	flags.DurationVar(&s.retry, "retry", 0, "wait before the second and third attempt of a delivery (default 5m and 10m, as Nylas)")
	flags.BoolVar(&s.trial, "trial", false, "be a trial account, which may not track")
	flags.BoolVar(&s.hardDelete, "hard-delete", false, "let messages be deleted for good")
	flags.BoolVar(&s.strict, "strict", false, "refuse fields and parameters that Nylas does not document")
	flags.BoolVar(&s.compress, "compress", false, "compress all deliveries")
	flags.BoolVar(&s.json, "json", false, "print the settings as one line of JSON")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name == "state" && s.state == "" { // of a variable that is not set: nothing would be kept
			err = errors.New("-state has no name: name a file, or leave the flag out")
		}
	})
	if err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q: see -help", flags.Arg(0))
	}
	return s, nil
}

// start starts the server, on a free port if the wanted one is taken.
func (s *settings) start(stderr io.Writer) (*nylastest.Server, error) {
	var opts []nylastest.Option
	add := func(wanted bool, opt nylastest.Option) {
		if wanted {
			opts = append(opts, opt)
		}
	}
	add(s.trial, nylastest.WithTrial())
	add(s.hardDelete, nylastest.WithHardDelete())
	add(s.strict, nylastest.WithStrictRequests())
	add(s.compress, nylastest.WithCompression())
	add(s.seed != 0, nylastest.WithSeed(s.seed))
	add(s.retry != 0, nylastest.WithRetryDelays(s.retry, s.retry))
	add(s.state != "", nylastest.WithStateFile(s.state, func(err error) { fmt.Fprintln(stderr, err) }))
	server, err := nylastest.Start(append(opts, nylastest.WithAddress(s.address))...)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(s.address) // it was good enough to listen on
		server, err = nylastest.Start(append(opts, nylastest.WithAddress(net.JoinHostPort(host, "0")))...)
		if err == nil {
			fmt.Fprintf(stderr, "%s is taken, so the emulator listens on %s.\n", s.address, server.URL())
		}
	}
	if err != nil {
		return nil, err
	}
	if n, host := elsewhere(server); n > 0 {
		fmt.Fprintf(stderr, "The pixels and links of %d earlier messages point to %s, where this emulator does not listen: use -addr %s.\n", n, host, host)
	}
	if s.state != "" && gone(server) {
		fmt.Fprintf(stderr, "The grant %s was deleted, so nothing can be sent on it: name another file with -state to begin anew.\n", server.GrantID())
	}
	server.Handle(mailbox.Path, mailbox.New(server))
	return server, nil
}

// gone reports whether the grant of the settings was deleted, which nothing undoes.
func gone(server *nylastest.Server) bool {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL()+"/v3/grants/"+server.GrantID(), http.NoBody)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+server.APIKey())
	response, err := server.HTTPClient().Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only the status is asked for
	return response.StatusCode == http.StatusNotFound
}

// elsewhere returns how many messages have a pixel or links at another host, and the latest
// such host.
func elsewhere(server *nylastest.Server) (n int, host string) {
	for _, m := range server.Messages() {
		tracked := m.PixelURL
		if len(m.Links) > 0 {
			tracked = m.Links[0].TrackedURL
		}
		if u, err := url.Parse(tracked); err == nil && tracked != "" && !strings.HasPrefix(tracked, server.URL()+"/") {
			n, host = n+1, u.Host
		}
	}
	return n, host
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	server, err := s.start(stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	if err := s.print(stdout, server); err != nil {
		return err
	}
	return (&prompt{server: server, out: stdout, seed: s.seed}).serve(ctx, lines(ctx, stdin))
}

// print says how to reach the server.
func (s *settings) print(stdout io.Writer, server *nylastest.Server) error {
	page := server.URL() + mailbox.Path
	if s.json {
		return json.NewEncoder(stdout).Encode(map[string]string{
			"api_url": server.URL(), "api_key": server.APIKey(), "grant_id": server.GrantID(), "mailbox_url": page,
		})
	}
	fmt.Fprintf(stdout, "export NYLAS_API_URL=%s NYLAS_API_KEY=%s NYLAS_GRANT_ID=%s\n", server.URL(), server.APIKey(), server.GrantID())
	_, err := fmt.Fprintf(stdout, "See the mail at %s. Type open, click or reply to act as the recipient of the latest message, or help; interrupt to end.\n", page)
	return err
}
