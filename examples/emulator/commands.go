package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/nylastrack/nylas-go/nylastest"
)

func (p *prompt) done(what string) error {
	_, err := fmt.Fprintln(p.out, what, "done")
	return err
}

func (p *prompt) messages(_ context.Context, words []string) error {
	if err := end(words); err != nil {
		return err
	}
	all := p.server.Messages()
	if len(all) == 0 {
		return errors.New("no message was sent yet")
	}
	rows := [][]string{{"NUMBER", "TO", "SUBJECT", "LABEL", "OPENS", "CLICKS", "REPLIES"}}
	for i, m := range all {
		var to []string
		for _, r := range m.To {
			to = append(to, r.Email)
		}
		counts := p.server.Counts(m.ID)
		rows = append(rows, []string{
			strconv.Itoa(i + 1), strings.Join(to, ", "), cmp.Or(m.Subject, "-"), cmp.Or(m.Tracking.Label, "-"),
			strconv.Itoa(counts.Opens), strconv.Itoa(counts.Clicks), strconv.Itoa(counts.Replies),
		})
	}
	return p.table(rows...)
}

func (p *prompt) links(_ context.Context, words []string) error {
	chosen, words, err := p.choose(words)
	if err == nil {
		err = end(words)
	}
	if err != nil {
		return err
	}
	rows := [][]string{{"LINK", "TARGET"}}
	for _, l := range chosen.message.Links {
		rows = append(rows, []string{strconv.Itoa(l.Index + 1), l.URL})
	}
	return p.table(rows...)
}

func (p *prompt) open(ctx context.Context, words []string) error {
	r, words, err := p.recipient(words)
	if err == nil {
		r, err = p.as(r, words)
	}
	if err == nil {
		err = r.Open(ctx)
	}
	if err != nil {
		return err
	}
	return p.done("open")
}

// as lets the recipient act as the behaviour at the end of a command, if there is one.
func (p *prompt) as(r *nylastest.Recipient, words []string) (*nylastest.Recipient, error) {
	if len(words) == 0 {
		return r, nil
	}
	list, err := p.behaviours(words)
	if err != nil {
		return nil, err
	}
	if len(list) > 1 {
		return nil, errors.New("only one can do that: type receive for several behaviours")
	}
	return r.As(list[0]), nil
}

func (p *prompt) click(ctx context.Context, all []string) error {
	r, words, err := p.recipient(all)
	if err != nil {
		return err
	}
	link := 1
	if len(words) > 0 && words[0] != "as" {
		if link, err = strconv.Atoi(words[0]); err != nil || link < 1 {
			return fmt.Errorf("%s is not the number of a link, from 1: see links", plain(words[0]))
		}
		words = words[1:]
	}
	if r, err = p.as(r, words); err != nil {
		return err
	}
	location, err := r.Click(ctx, link-1)
	if err != nil {
		if chosen, _, bad := p.choose(all); bad == nil && link > len(chosen.message.Links) {
			return fmt.Errorf("there is no link %d, the message has %d: see links", link, len(chosen.message.Links))
		}
		return err
	}
	_, err = fmt.Fprintln(p.out, "click done:", plain(location))
	return err
}

func (p *prompt) reply(ctx context.Context, words []string) error {
	r, words, err := p.recipient(words)
	if err != nil {
		return err
	}
	reply := r.Reply
	switch strings.TrimPrefix(strings.Join(words, " "), "as ") {
	case "":
	case nylastest.OutOfOffice().String():
		reply = r.AutoReply
	case nylastest.Sender().String():
		reply = r.AsSender().Reply
	default:
		return fmt.Errorf("reply cannot be made %s: want out-of-office, as sender, or nothing", plain(strings.Join(words, " ")))
	}
	if _, err := reply(ctx); err != nil {
		return err
	}
	return p.done("reply")
}

func (p *prompt) receive(ctx context.Context, words []string) error {
	chosen, words, err := p.choose(words)
	if err != nil {
		return err
	}
	list, err := p.behaviours(words)
	if err != nil {
		return err
	}
	happened, err := p.server.ReceiveAtOnce(ctx, chosen.message.ID, list...)
	var rows [][]string
	for _, h := range happened {
		what := h.Kind
		if h.LinkIndex >= 0 {
			what += " " + strconv.Itoa(h.LinkIndex+1)
		}
		rows = append(rows, []string{h.At.Format("Jan 2 15:04:05"), what, "by " + string(h.Cause), h.Mechanism, h.IP})
	}
	if err := errors.Join(p.table(rows...), err); err != nil {
		return err
	}
	return p.done("receive")
}

func (p *prompt) bounce(ctx context.Context, words []string) error {
	r, words, err := p.recipient(words)
	if err != nil {
		return err
	}
	bounceType := ""
	if len(words) > 0 {
		bounceType, words = words[0], words[1:]
	}
	if err := end(words); err != nil {
		return err
	}
	if err := r.Bounce(ctx, bounceType); err != nil {
		return err
	}
	return p.done("bounce")
}

func (p *prompt) complain(ctx context.Context, words []string) error {
	chosen, rest, err := p.choose(words)
	if err == nil {
		err = end(rest)
	}
	if err != nil {
		return err
	}
	r, _, err := p.recipient(words)
	if err != nil {
		return err
	}
	if err := r.Complain(ctx); err != nil {
		if chosen.message.GrantID != "" {
			return errors.New("Nylas hears of complaints about the mail of Agent Accounts and Transactional sends only") //nolint:staticcheck // a name begins it
		}
		return err
	}
	return p.done("complain")
}

func (p *prompt) expire(_ context.Context, words []string) error {
	return p.toGrant("expire", p.server.ExpireGrant, words)
}

func (p *prompt) renew(_ context.Context, words []string) error {
	return p.toGrant("renew", p.server.RenewGrant, words)
}

// toGrant does something to a grant, by default to that of the settings.
func (p *prompt) toGrant(what string, do func(grant string) error, words []string) error {
	grant := p.server.GrantID()
	if len(words) > 0 {
		grant, words = words[0], words[1:]
	}
	if err := end(words); err != nil {
		return err
	}
	if err := do(grant); err != nil {
		return err
	}
	return p.done(what)
}

func (p *prompt) webhooks(_ context.Context, words []string) error {
	if err := end(words); err != nil {
		return err
	}
	all := p.server.Webhooks()
	if len(all) == 0 {
		return errors.New("there is no webhook yet")
	}
	rows := [][]string{{"ID", "STATUS", "URL", "TRIGGERS"}}
	for _, w := range all {
		var triggers []string
		for _, t := range w.Triggers {
			triggers = append(triggers, string(t))
		}
		rows = append(rows, []string{w.ID, w.Status, w.URL, strings.Join(triggers, " ")})
	}
	return p.table(rows...)
}

// maxDeliveries is how many deliveries are listed, about a screen.
const maxDeliveries = 20

func (p *prompt) deliveries(_ context.Context, words []string) error {
	if err := end(words); err != nil {
		return err
	}
	all := p.server.Deliveries()
	if len(all) == 0 {
		return errors.New("nothing was delivered yet: see webhooks")
	}
	rows := [][]string{{"TIME", "TYPE", "ATTEMPT", "ANSWER", "WEBHOOK", "FAULT"}}
	for _, d := range all[max(0, len(all)-maxDeliveries):] {
		answer := strings.TrimSpace(strconv.Itoa(d.Status) + " " + http.StatusText(d.Status))
		if d.Err != nil {
			answer = d.Err.Error()
		}
		rows = append(rows, []string{
			d.StartedAt.Format("15:04:05"), string(d.Type), strconv.Itoa(d.Attempt), answer, cmp.Or(d.WebhookID, "test event"), cmp.Or(d.Fault, "-"),
		})
	}
	return p.table(rows...)
}
