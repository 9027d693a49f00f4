// Command campaign sends one mail to each person of a CSV file, once. Interrupt it with Ctrl-C,
// or kill it, and run it again: it goes on where it stopped. Afterwards it shows what became of
// the mails, by the plan that stands in their labels.
//
//	go run ./examples/campaign
//
// Without an account it sends 500 mails through a Nylas on this machine. With
// NYLAS_API_KEY and NYLAS_GRANT_ID it sends to the people of -csv through the real one;
// NYLAS_API_URL names another server, such as that of ./examples/emulator. -rate is how many
// mails go out a second: Microsoft takes 30 a minute, which is 0.5.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

//go:embed people.csv
var madeUpPeople string

//go:embed mail.html
var mailText string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once, and loses nothing either
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop only matters to a program that goes on
	}
}

// settings are what the command line and the environment say.
type settings struct {
	name, file, csv         string
	apiURL, apiKey, grantID string
	rate                    float64
	stdout, stderr          io.Writer
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	s := settings{
		apiURL: cmp.Or(getenv("NYLAS_API_URL"), "https://api.us.nylas.com"), apiKey: getenv("NYLAS_API_KEY"),
		grantID: getenv("NYLAS_GRANT_ID"), stdout: stdout, stderr: stderr,
	}
	flags := flag.NewFlagSet("campaign", flag.ContinueOnError)
	flags.StringVar(&s.name, "name", "spring", "the campaign: part of each label and key, so another name sends everything again")
	flags.StringVar(&s.file, "file", "campaign.db", "where to keep what was sent")
	flags.StringVar(&s.csv, "csv", "", "the people: id, name, email, plan, unsubscribed (default 500 made-up ones)")
	flags.Float64Var(&s.rate, "rate", 50, "mails a second")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if s.apiKey != "" {
		return s.send(ctx)
	}
	// The emulator keeps its mails in a file too, so that it knows them after an interrupt.
	server, err := nylastest.Start(nylastest.WithStateFile(s.file+".emulator.json", nil))
	if err != nil {
		return err
	}
	s.apiURL, s.apiKey, s.grantID = server.URL(), server.APIKey(), server.GrantID()
	return errors.Join(s.send(ctx), server.Close())
}

func (s *settings) send(ctx context.Context) (err error) {
	client, err := nylas.NewClient(s.apiKey, nylas.WithBaseURL(s.apiURL), nylas.WithRateLimit(nylas.RateLimits{Sends: s.rate}))
	if err != nil {
		return err
	}
	people, err := s.people()
	if err != nil {
		return err
	}
	bar := progressbar.NewOptions(len(people), progressbar.OptionSetWriter(s.stderr), progressbar.OptionSetDescription(s.name),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true))
	box, err := outbox.Open(s.file, outbox.WithHook(func(m outbox.Mail) {
		switch m.State {
		case outbox.Sent, outbox.Failed, outbox.Suppressed:
			_ = bar.Add(1) // it only draws
		}
	}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	if err := s.add(ctx, box, people); err != nil {
		return err
	}
	counts, err := box.Progress(ctx)
	if err != nil {
		return err
	}
	_ = bar.Set(counts.Sent + counts.Failed + counts.Suppressed) // by an earlier start
	err = box.Run(ctx, client)
	_ = bar.Exit()
	fmt.Fprintln(s.stderr)
	if ctx.Err() != nil {
		fmt.Fprintln(s.stdout, "Stopped. Run the same command again to go on.")
		err = nil
	}
	return errors.Join(err, s.summarize(context.WithoutCancel(ctx), box))
}

// person is a line of the CSV file.
type person struct {
	ID, Name, Email, Plan string
	Unsubscribed          bool
}

func (s *settings) people() (people []person, err error) {
	var file io.Reader = strings.NewReader(madeUpPeople)
	if s.csv != "" {
		opened, err := os.Open(s.csv)
		if err != nil {
			return nil, err
		}
		defer func() { _ = opened.Close() }() // it was only read
		file = opened
	}
	reader := csv.NewReader(file)
	reader.FieldsPerRecord = 5
	lines, err := reader.ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, errors.Join(err, errors.New("campaign: want a CSV file with the columns id, name, email, plan, unsubscribed"))
	}
	for _, line := range lines[1:] {
		people = append(people, person{line[0], line[1], line[2], line[3], line[4] != ""})
	}
	return people, nil
}

// add gives the outbox a mail for each person. It has no effect on those that it has.
func (s *settings) add(ctx context.Context, box *outbox.Outbox, people []person) error {
	text, err := template.New("mail").Parse(mailText)
	if err != nil {
		return err
	}
	var personal []nylas.PersonalRequest
	for _, p := range people {
		if p.Unsubscribed {
			if err := box.Suppress(ctx, p.Email, outbox.ReasonUnsubscribed); err != nil {
				return err
			}
		}
		label, err := nylas.EncodeLabel(map[string]string{"plan": p.Plan})
		if err != nil {
			return err
		}
		var body strings.Builder
		if err := text.Execute(&body, p); err != nil {
			return err
		}
		request := &nylas.SendMessageRequest{
			Subject: "What is new this spring", Body: body.String(),
			TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: label},
		}
		// The label gets the campaign and the person too, and the key is the same at each start.
		each, err := request.Each(s.name, []nylas.Person{{ID: p.ID, Participant: nylas.Participant{Name: p.Name, Email: p.Email}}})
		if err != nil {
			return err
		}
		personal = append(personal, each...)
	}
	return box.AddEach(ctx, s.grantID, personal)
}

// summarize shows what became of the mails, by the plan in their labels.
func (s *settings) summarize(ctx context.Context, box *outbox.Outbox) error {
	var plans []string
	counts := make(map[string]map[outbox.State]int)
	for m, err := range box.Mails(ctx) {
		if err != nil {
			return err
		}
		label, _ := nylas.DecodeLabel(m.Label)
		plan := label["plan"]
		if counts[plan] == nil {
			plans, counts[plan] = append(plans, plan), make(map[outbox.State]int)
		}
		counts[plan][m.State]++
	}
	table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	states := []outbox.State{outbox.Sent, outbox.Waiting, outbox.Unknown, outbox.Failed, outbox.Suppressed}
	fmt.Fprintf(table, "plan\t")
	for _, state := range states {
		fmt.Fprintf(table, "%s\t", state)
	}
	for _, plan := range plans {
		fmt.Fprintf(table, "\n%s\t", plan)
		for _, state := range states {
			fmt.Fprintf(table, "%d\t", counts[plan][state])
		}
	}
	fmt.Fprintln(table)
	return table.Flush()
}
