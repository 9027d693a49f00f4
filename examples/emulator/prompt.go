package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// prompt carries out commands.
type prompt struct {
	server   *nylastest.Server
	out      io.Writer
	seed     uint64 // of behaviours; 0 for none
	received uint64 // how often a behaviour was asked for
}

// command is one command of the prompt.
type command struct {
	name, usage, does string
	run               func(*prompt, context.Context, []string) error
}

func commands() []command {
	return []command{
		{"messages", "messages", "list the messages", (*prompt).messages},
		{"links", "links [MESSAGE]", "list the tracked links of a message", (*prompt).links},
		{"open", "open [MESSAGE] [as BEHAVIOUR]", "load the pixel", (*prompt).open},
		{"click", "click [MESSAGE [LINK]] [as BEHAVIOUR]", "follow a link, by default the first", (*prompt).click},
		{"reply", "reply [MESSAGE] [out-of-office | as sender]", "answer a message", (*prompt).reply},
		{"receive", "receive [MESSAGE] as BEHAVIOUR[,BEHAVIOUR]", "let mailboxes and scanners act as they do", (*prompt).receive},
		{"bounce", "bounce [MESSAGE] [TYPE]", "send a message back", (*prompt).bounce},
		{"complain", "complain [MESSAGE]", "report a message as spam", (*prompt).complain},
		{"expire", "expire [GRANT]", "let a grant expire, as a changed password does", (*prompt).expire},
		{"renew", "renew [GRANT]", "let the owner of a grant authenticate again", (*prompt).renew},
		{"webhooks", "webhooks", "list the webhooks", (*prompt).webhooks},
		{"deliveries", "deliveries", "list the latest deliveries", (*prompt).deliveries},
		{"fault", "fault ENDPOINT STATUS [TIMES]", "answer the next requests with an error; see fault help", (*prompt).fault},
		{"help", "help", "list the commands", (*prompt).help},
		{"quit", "quit", "end the emulator", func(*prompt, context.Context, []string) error { return errQuit }},
	}
}

var errQuit = errors.New("quit")

// serve carries out the commands until ctx is done or one of them ends the emulator. When there
// are no more, it waits.
func (p *prompt) serve(ctx context.Context, lines <-chan string) error {
	for {
		select {
		case line, more := <-lines:
			if !more {
				<-ctx.Done() // no terminal: serve until interrupted
				return nil
			}
			err := p.act(ctx, strings.Fields(line))
			if errors.Is(err, errQuit) {
				return nil
			}
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(p.out, err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *prompt) act(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return nil
	}
	for _, c := range commands() {
		if c.name == words[0] {
			return c.run(p, ctx, words[1:])
		}
	}
	return fmt.Errorf("there is no command %s: type help", plain(words[0]))
}

func (p *prompt) help(context.Context, []string) error {
	var rows [][]string
	for _, c := range commands() {
		rows = append(rows, []string{c.usage, c.does})
	}
	var names []string
	for _, b := range nylastest.Behaviours() {
		names = append(names, b.String())
	}
	if err := p.table(rows...); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, "MESSAGE is a number of the list, or an address; without it the latest is meant. LINK is a number, from 1;\n"+
		"link_index in notifications counts from 0. GRANT is an id or an address; without it that of the settings is meant.\n"+
		"BEHAVIOUR is %s, or forwarded and one of them.\n", strings.Join(names, ", "))
	return err
}

// table prints rows with aligned columns.
func (p *prompt) table(rows ...[]string) error {
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = plain(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// plain replaces what could change more than the line of a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// choice is the message that a command is about, and one of its recipients.
type choice struct {
	message nylastest.Message
	address string // empty for the first recipient
}

// choose reads which message is meant, and returns the rest of the words.
func (p *prompt) choose(words []string) (choice, []string, error) {
	all := p.server.Messages()
	if len(all) == 0 {
		return choice{}, nil, errors.New("no message was sent yet")
	}
	chosen := choice{message: all[len(all)-1]}
	numbered := false
	if len(words) > 0 {
		if n, err := strconv.Atoi(words[0]); err == nil {
			if n < 1 || n > len(all) {
				return choice{}, nil, fmt.Errorf("there is no message %d: type a number from 1 to %d, see messages", n, len(all))
			}
			chosen.message, words, numbered = all[n-1], words[1:], true
		}
	}
	if len(words) == 0 || !strings.Contains(words[0], "@") {
		return chosen, words, nil
	}
	chosen.address = words[0]
	if numbered {
		all = []nylastest.Message{chosen.message}
	}
	for _, m := range slices.Backward(all) {
		if isTo(&m, chosen.address) {
			chosen.message = m
			return chosen, words[1:], nil
		}
	}
	return choice{}, nil, fmt.Errorf("no such message was sent to %s: see messages", plain(chosen.address))
}

func isTo(m *nylastest.Message, address string) bool {
	return slices.ContainsFunc(slices.Concat(m.To, m.CC, m.BCC), func(to events.Participant) bool {
		return strings.EqualFold(to.Email, address)
	})
}

// recipient reads which message is meant, and returns who received it.
func (p *prompt) recipient(words []string) (*nylastest.Recipient, []string, error) {
	chosen, words, err := p.choose(words)
	if err != nil {
		return nil, nil, err
	}
	r, err := p.server.Recipient(chosen.message.ID)
	if err != nil {
		return nil, nil, err
	}
	return r.WithAddress(chosen.address), words, nil
}

// behaviours reads what follows "as", at the end of a command.
func (p *prompt) behaviours(words []string) ([]nylastest.Behaviour, error) {
	if len(words) < 2 || words[0] != "as" {
		return nil, fmt.Errorf("%s: want as and a behaviour, such as gmail: type help", plain(strings.Join(words, " ")))
	}
	var list []nylastest.Behaviour
	for name := range strings.SplitSeq(strings.Join(words[1:], " "), ",") {
		b, err := nylastest.ParseBehaviour(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if p.seed != 0 {
			p.received++
			b = b.WithSeed(p.seed + p.received)
		}
		list = append(list, b)
	}
	return list, nil
}

// end refuses words that a command has no use for.
func end(words []string) error {
	if len(words) > 0 {
		return fmt.Errorf("%s is one word too many: type help", plain(words[0]))
	}
	return nil
}

// lines returns what is read, from a goroutine, because reading cannot be interrupted.
func lines(ctx context.Context, r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}
