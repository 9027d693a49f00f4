// Command dashboard shows sent mail in a browser, and what became of it: who opened it, which
// links were followed, who answered, and how sure that is.
//
//	go run ./examples/dashboard
//
// Without settings it needs nothing: it starts a Nylas on this machine with some forty
// messages and people who read them, and lets something happen every few seconds. What you
// send with the form of the page is read by somebody too. It keeps everything in SQLite, in a
// folder that it removes when it ends.
//
// With these settings it shows your own mail, from the real Nylas:
//
//	export NYLAS_API_KEY=… NYLAS_GRANT_ID=… NYLAS_WEBHOOK_URL=https://…/webhooks/nylas
//	go run ./examples/dashboard -data mail
//
// NYLAS_WEBHOOK_URL must lead to the address of -receive. Nothing else is served there, so a
// tunnel to it opens the pages to nobody. NYLAS_API_URL names another server, such as
// https://api.eu.nylas.com or that of ./examples/emulator.
//
// With DATABASE_URL=postgres://… it keeps everything in PostgreSQL, where several of these
// programs may share the work, each with the same settings.
//
// # Who may look
//
// Whoever sees the pages reads the mail and sends more, so the program serves them on a
// loopback address only, to this machine. With DASHBOARD_PASSWORD they want that password,
// under any user name, and -addr may be any address. Put a proxy with TLS in front then:
// otherwise the network reads the password.
//
// # Flags
//
//	-addr HOST:PORT      where the pages are, by default 127.0.0.1:8080
//	-receive HOST:PORT   where Nylas delivers to, by default 127.0.0.1:8081
//	-emulator HOST:PORT  where the Nylas on this machine is, by default 127.0.0.1:6952
//	-data FOLDER         keep everything in FOLDER, over restarts
//	-seed N              what the demonstration shows follows from N
//	-every 4s            how often something happens in it; 0 is never
//
// A default that is taken becomes a free port, except with -data: the links of earlier mail
// lead to the old one.
//
// /metrics has the program's metrics for Prometheus.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

// The default addresses are fixed, because the tracked links of earlier messages and the
// webhook have them. That of the emulator is the one of ./examples/emulator.
const (
	defaultPages    = "127.0.0.1:8080"
	defaultReceive  = "127.0.0.1:8081"
	defaultEmulator = "127.0.0.1:6952"

	webhookPath = "/webhooks/nylas"
)

// settings are the flags and the environment.
type settings struct {
	pages, receive, emulator address
	data                     string
	seed                     uint64
	every                    time.Duration

	apiURL, apiKey, grantID, webhookURL, databaseURL, password string
}

// address is where to listen. If it is not fixed, a free port will do too.
type address struct {
	hostport string
	fixed    bool
}

func parse(args []string, getenv func(string) string, output io.Writer) (settings, error) {
	set := settings{
		pages: address{hostport: defaultPages}, receive: address{hostport: defaultReceive}, emulator: address{hostport: defaultEmulator},
		apiURL: cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com"), apiKey: getenv("NYLAS_API_KEY"),
		grantID: getenv("NYLAS_GRANT_ID"), webhookURL: getenv("NYLAS_WEBHOOK_URL"),
		databaseURL: getenv("DATABASE_URL"), password: getenv("DASHBOARD_PASSWORD"),
	}
	flags := flag.NewFlagSet("dashboard", flag.ContinueOnError)
	flags.SetOutput(output)
	places := map[string]*address{"addr": &set.pages, "receive": &set.receive, "emulator": &set.emulator}
	flags.StringVar(&set.pages.hostport, "addr", set.pages.hostport, "show the pages at `host:port`")
	flags.StringVar(&set.receive.hostport, "receive", set.receive.hostport, "take deliveries at `host:port`")
	flags.StringVar(&set.emulator.hostport, "emulator", set.emulator.hostport, "let the Nylas on this machine listen on `host:port`")
	flags.StringVar(&set.data, "data", "", "keep everything in a `folder`, over restarts")
	flags.Uint64Var(&set.seed, "seed", 1, "let what the demonstration shows follow from a `number`")
	flags.DurationVar(&set.every, "every", 4*time.Second, "let something happen so often in the demonstration; 0 is never")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	if flags.NArg() > 0 {
		return set, fmt.Errorf("unexpected argument %q: see -help", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) {
		if place, ok := places[f.Name]; ok {
			place.fixed = true
		}
	})
	for _, place := range places {
		place.fixed = place.fixed || set.data != ""
	}
	return set, set.check()
}

func (s settings) check() error {
	switch {
	case s.every < 0:
		return errors.New("-every is negative: give a time such as 4s, or 0 if nothing is to happen")
	case s.password != "" && len(s.password) < minPassword:
		return fmt.Errorf("DASHBOARD_PASSWORD is too short: give it at least %d characters", minPassword)
	case s.apiKey == "" && (s.grantID != "" || s.webhookURL != ""):
		return errors.New("NYLAS_API_KEY is not set: set it for the real Nylas, or unset NYLAS_GRANT_ID and NYLAS_WEBHOOK_URL for the one on this machine")
	case s.apiKey != "" && (s.grantID == "" || s.webhookURL == ""):
		return errors.New("with NYLAS_API_KEY, set NYLAS_GRANT_ID and NYLAS_WEBHOOK_URL too")
	default:
		return nil
	}
}

// listen listens, on a free port if the wanted one is taken and another one will do.
func (a address) listen(ctx context.Context) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.hostport)
	if errors.Is(err, syscall.EADDRINUSE) && !a.fixed {
		return new(net.ListenConfig).Listen(ctx, "tcp", a.freePort())
	}
	return listener, err
}

func (a address) freePort() string {
	host, _, _ := net.SplitHostPort(a.hostport) // it was good enough to listen on
	return net.JoinHostPort(host, "0")
}
