// Command livecheck asks a real Nylas account what Nylas' pages leave open, and prints a report to
// put into an issue of this project. The emulator, and what else follows from those pages, is only
// as right as its readings of them.
//
//	export NYLAS_API_KEY=… NYLAS_GRANT_ID=…
//	go run ./examples/livecheck -o report.md
//
// First it reads, then it makes webhooks, a draft and a scheduled message and deletes them, and
// then it sends mail and acts as its recipient. It says what each of these costs and asks before
// it does it. Use a mailbox of your own, and a production application: a trial account may not
// track. In an application that others use, their webhooks are notified of the mail too.
//
// What Nylas notifies of needs a public URL that leads to NYLAS_ADDR, 127.0.0.1:8080 if it is not
// set. See ./examples/laptop for ways to get one, and set NYLAS_WEBHOOK_URL to it. Without it those
// questions stay open.
//
//	-to ADDRESS       who gets the mail; by default the mailbox of the grant itself
//	-o FILE           write the report to FILE instead of standard output
//	-yes              ask nothing and do everything
//	-wait 3m          how long to wait for a notification, or for a message to be found
//	-retry-wait 25m   how long to wait for the second attempt of a notification
//
// An interrupt ends it: what it made is deleted, and the report has what was found so far. The
// messages stay in the mailbox. The report has no key, secret, address, subject or body in it, and
// no whole id.
//
// NYLAS_API_URL names another server, such as that of ./examples/emulator.
package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
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

	"github.com/nylastrack/nylas-go"
)

const (
	// defaultWait is more than notifications and mailboxes usually need.
	defaultWait = 3 * time.Minute
	// defaultRetryWait is more than the 10 to 20 minutes after which the last attempt comes.
	// https://developer.nylas.com/docs/v3/notifications/
	defaultRetryWait = 25 * time.Minute
	// cleanUpTimeout is for deleting what was made, after an interrupt too.
	cleanUpTimeout = 30 * time.Second
)

// world is what the program has from outside.
type world struct {
	getenv func(string) string
	stdin  io.Reader
	stdout io.Writer // the report
	stderr io.Writer // what it asks and does
	http   *http.Client
	listen func(ctx context.Context, address string) (net.Listener, error)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	err := run(ctx, os.Args[1:], &world{
		getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, http: new(http.Client),
		listen: func(ctx context.Context, address string) (net.Listener, error) {
			return new(net.ListenConfig).Listen(ctx, "tcp", address)
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

// settings are the flags.
type settings struct {
	address, file   string
	yes             bool
	wait, retryWait time.Duration
}

func parse(args []string, stderr io.Writer) (s settings, err error) {
	flags := flag.NewFlagSet("livecheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.address, "to", "", "send the mail to an `address` of yours (default: that of the grant)")
	flags.StringVar(&s.file, "o", "", "write the report to a `file`")
	flags.BoolVar(&s.yes, "yes", false, "ask nothing and do everything")
	flags.DurationVar(&s.wait, "wait", defaultWait, "wait so long for a notification or a message")
	flags.DurationVar(&s.retryWait, "retry-wait", defaultRetryWait, "wait so long for the second attempt of a notification")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("livecheck: unexpected argument %q: see -help", flags.Arg(0))
	case s.wait <= 0 || s.retryWait <= 0:
		return s, errors.New("livecheck: -wait and -retry-wait must be positive, such as 3m")
	}
	return s, nil
}

func run(ctx context.Context, args []string, w *world) (err error) {
	settings, err := parse(args, w.stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	s, err := begin(ctx, settings, w)
	if err != nil {
		return err
	}
	out := w.stdout
	if settings.file != "" { // before anything is done: a report that cannot be written costs nothing yet
		file, failed := os.Create(settings.file)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	if s.hookURL != "" {
		listener, err := w.listen(ctx, cmp.Or(w.getenv("NYLAS_ADDR"), "127.0.0.1:8080"))
		if err != nil {
			return err
		}
		if s.hookURL == localHook {
			s.hookURL = "http://" + listener.Addr().String() + "/webhooks/nylas"
		}
		server := &http.Server{Handler: s.hooks, ReadHeaderTimeout: cleanUpTimeout}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(listener) // it ends with Close
		}()
		defer func() {
			_ = server.Close()
			<-served
		}()
	}
	results, err := s.all(ctx)
	err = errors.Join(err, s.cleanUp(ctx)) //nolint:contextcheck // it goes on after an interrupt
	return errors.Join(err, s.report(out, results))
}

// localHook stands for the address where the program listens, which an emulator on this machine
// reaches.
const localHook = "local"

// begin says who is asked.
func begin(ctx context.Context, settings settings, w *world) (*session, error) {
	key, grantID := w.getenv("NYLAS_API_KEY"), w.getenv("NYLAS_GRANT_ID")
	if key == "" || grantID == "" {
		return nil, errors.New("livecheck: set NYLAS_API_KEY to the key of a production application, and NYLAS_GRANT_ID " +
			"to the grant of a mailbox of your own; go run ./examples/emulator prints both for a trial without Nylas")
	}
	api := cmp.Or(w.getenv("NYLAS_API_URL"), "https://api.us.nylas.com")
	client, err := nylas.NewClient(key, nylas.WithBaseURL(api), nylas.WithHTTPClient(w.http))
	if err != nil {
		return nil, err
	}
	grant, err := client.Grants.Get(ctx, grantID)
	if err != nil {
		return nil, fmt.Errorf("livecheck: the grant cannot be read: %w", err)
	}
	s := &session{
		settings: settings, client: client, grantID: grant.ID, own: grant.Email, provider: grant.Provider,
		label: "livecheck-" + strings.ToLower(rand.Text()), hookURL: w.getenv("NYLAS_WEBHOOK_URL"),
		ask: bufio.NewScanner(w.stdin), tell: w.stderr,
	}
	if s.to = cmp.Or(settings.address, grant.Email); s.to == "" {
		return nil, errors.New("livecheck: Nylas does not tell the address of the grant: name one of yours with -to")
	}
	if address, err := url.Parse(api); err == nil {
		s.api = address.Host
		if ip := net.ParseIP(address.Hostname()); s.hookURL == "" && (ip.IsLoopback() || address.Hostname() == "localhost") {
			s.hookURL = localHook
		}
	}
	visitor := *w.http // it loads what a recipient would load, and goes nowhere
	visitor.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.visitor = &visitor
	s.hooks = newHooks(s.label)
	s.hide(key, grantID, grant.ID, grant.Email, s.to, s.label)
	return s, nil
}
