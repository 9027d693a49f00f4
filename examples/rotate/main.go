// Command rotate changes the secret of a webhook, while notifications keep coming, and none is
// lost. The service that receives them goes on running.
//
//	export NYLAS_API_KEY=…
//	go run ./examples/rotate -secret-file webhook.json
//
// The file is that of ./examples/receiver, or of any service with receive.NewFileSecrets on this
// machine; with several machines, share the store of riversink. The receivers accept the new
// secret within seconds, and the old one for 30 minutes more. Until they have read the new one they
// answer 503 to what it signs, so Nylas sends that again some minutes later.
//
// Rotate because somebody leaves, or once a year. After a leak use -leaked: the old secret ends at
// once. If the program fails, run it again; it changes the secret once more and finishes.
//
// NYLAS_API_URL names another server, such as that of ./examples/emulator.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/receive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer, clientOpts ...nylas.ClientOption) error {
	flags := flag.NewFlagSet("rotate", flag.ContinueOnError)
	file := flags.String("secret-file", "webhook.json", "file that keeps the secret of the webhook")
	leaked := flags.Bool("leaked", false, "end the old secrets at once")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	clientOpts = append(clientOpts, nylas.WithBaseURL(cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com")))
	client, err := nylas.NewClient(getenv("NYLAS_API_KEY"), clientOpts...)
	if err != nil {
		return err
	}
	store, err := receive.NewFileSecrets(*file)
	if err != nil {
		return err
	}
	var opts []nylas.RequestOption
	if *leaked {
		opts = append(opts, nylas.WithOverlap(0))
	}
	err = client.Rotate(ctx, store, opts...)
	switch {
	case errors.Is(err, nylas.ErrNotFound):
		return fmt.Errorf("the webhook was deleted at Nylas, so start the service again, which makes a new one: %w", err)
	case errors.Is(err, nylas.ErrOutcomeUnknown):
		return fmt.Errorf("a new secret may be in use at Nylas already, so run this again soon: %w", err)
	case err != nil:
		return err
	}
	state, err := store.Load(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "webhook %s has a new secret\n", state.WebhookID)
	for _, old := range state.Secrets[1:] {
		fmt.Fprintf(stdout, "an old one is accepted until %s\n", old.Until.Local().Format("15:04:05"))
	}
	return nil
}
