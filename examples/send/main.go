// Command send sends one tracked message.
//
//	export NYLAS_API_KEY=… NYLAS_GRANT_ID=…
//	go run ./examples/send -to kim@example.org -label trial-followup-q2
//
// NYLAS_REGION=eu chooses the region. NYLAS_API_URL sends to another server,
// such as that of ./examples/emulator. Tracking needs a production application;
// -tracking=false sends without it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/nylastrack/nylas-go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	flags := flag.NewFlagSet("send", flag.ContinueOnError)
	to := flags.String("to", getenv("NYLAS_TO"), "recipient's address, or NYLAS_TO")
	subject := flags.String("subject", "Quick follow-up on your trial", "subject")
	body := flags.String("body", `<p>Thanks for trying us out. Reply or <a href="https://www.nylas.com/">book a demo</a> when ready.</p>`, "body in HTML")
	label := flags.String("label", "trial-followup-q2", "label that comes back in every notification")
	track := flags.Bool("tracking", true, "track opens, links and replies")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *to == "" {
		return errors.New("send: whom to? use -to or NYLAS_TO")
	}
	grantID := getenv("NYLAS_GRANT_ID")
	if grantID == "" {
		return errors.New("send: from whom? set NYLAS_GRANT_ID")
	}
	client, err := newClient(getenv)
	if err != nil {
		return err
	}
	request := &nylas.SendMessageRequest{
		To:      []nylas.Participant{{Email: *to}},
		Subject: *subject,
		Body:    *body,
	}
	if *track {
		request.TrackingOptions = &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: *label}
	}
	message, err := client.Messages.Send(ctx, grantID, request, nylas.WithMark("key5"))
	if errors.Is(err, nylas.ErrOutcomeUnknown) {
		message, err = look(ctx, client, grantID, err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "sent message", message.ID)
	return err
}

// look searches the mailbox for a message that may have been sent.
func look(ctx context.Context, client *nylas.Client, grantID string, unknown error) (*nylas.Message, error) {
	failed, ok := errors.AsType[*nylas.Error](unknown)
	if !ok {
		return nil, unknown
	}
	found, err := client.Messages.FindSent(ctx, grantID, failed.Mark)
	switch {
	case err != nil:
		return nil, errors.Join(unknown, err)
	case len(found) == 0: // it can take minutes until the mailbox shows it
		return nil, fmt.Errorf("the mailbox does not have it yet, look again before sending again: %w", unknown)
	}
	return found[0], nil
}

func newClient(getenv func(string) string) (*nylas.Client, error) {
	var opts []nylas.ClientOption
	if region := getenv("NYLAS_REGION"); region != "" {
		opts = append(opts, nylas.WithRegion(nylas.Region(region)))
	}
	if url := getenv("NYLAS_API_URL"); url != "" {
		opts = append(opts, nylas.WithBaseURL(url))
	}
	return nylas.NewClient(getenv("NYLAS_API_KEY"), opts...)
}
