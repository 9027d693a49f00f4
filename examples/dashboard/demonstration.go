package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/nylastest/mailbox"
	"github.com/nylastrack/nylas-go/preflight"
)

const (
	// minReading is how long nobody reads a new message: what comes sooner looks like a
	// machine's.
	minReading = 12 * time.Second
	// maxHappenings is how often something happens by itself, so that a demonstration that
	// is forgotten does not fill the disk. With 4 s in between it ends after 5 hours.
	maxHappenings = 5000
)

// demonstration is a Nylas on this machine, with people who get mail and read it.
type demonstration struct {
	server  *nylastest.Server
	store   sentStore
	senders []dashboard.Sender
	logger  *slog.Logger
	every   time.Duration
	rng     *rand.Rand
	acts    []act           // what is still to happen, by time
	known   map[string]bool // the messages that have a story
	left    int             // how often something may still happen by itself
}

// sentStore keeps what was sent, for the verdicts.
type sentStore interface {
	SetSent(ctx context.Context, sent engagement.Sent) error
}

// act is a step of the story of a message.
type act struct {
	message  string
	at       time.Time // in the story
	earliest time.Time // when it may happen
	do       func(ctx context.Context, r *nylastest.Recipient) error
}

// startNylas starts the Nylas of the demonstration, with what is in the folder of -data.
func startNylas(set settings, logger *slog.Logger) (*nylastest.Server, error) {
	var opts []nylastest.Option
	if set.data != "" {
		file := filepath.Join(set.data, "emulator.json")
		opts = append(opts, nylastest.WithStateFile(file, func(err error) {
			logger.Warn("the mailboxes of the demonstration cannot be kept", slog.Any("error", err))
		}))
	}
	server, err := nylastest.Start(append(opts, nylastest.WithAddress(set.emulator.hostport))...)
	if errors.Is(err, syscall.EADDRINUSE) && !set.emulator.fixed {
		server, err = nylastest.Start(append(opts, nylastest.WithAddress(set.emulator.freePort()))...)
	}
	if err != nil {
		return nil, err
	}
	server.Handle(mailbox.Path, mailbox.New(server))
	return server, nil
}

func newDemonstration(server *nylastest.Server, store sentStore, set settings, logger *slog.Logger) *demonstration {
	d := &demonstration{
		server: server, store: store, logger: logger, every: set.every, known: make(map[string]bool), left: maxHappenings,
		rng: rand.New(rand.NewPCG(set.seed, 0)), //nolint:gosec // it decides nothing that matters
	}
	for _, m := range server.Messages() {
		d.known[m.ID] = true
	}
	return d
}

// connect returns the mailboxes of the senders, and connects those that are not from an
// earlier start.
func (d *demonstration) connect(ctx context.Context, client *nylas.Client) ([]dashboard.Sender, error) {
	for _, s := range senders {
		id := ""
		for grant, err := range client.Grants.List(ctx, &nylas.ListGrantsRequest{Email: s.email}) {
			if err != nil {
				return nil, err
			}
			id = grant.ID
		}
		if id == "" {
			id = d.server.AddGrant(s.name, s.email)
		}
		d.senders = append(d.senders, dashboard.Sender{GrantID: id, Name: s.name + " <" + s.email + ">"})
	}
	return d.senders, nil
}

// run sends the mail of the last days and lets it be read, unless that is from an earlier
// start. Then it lets something happen now and then.
func (d *demonstration) run(ctx context.Context, client *nylas.Client, stdout io.Writer) error {
	fmt.Fprintf(stdout, "Its Nylas is on this machine, and shows the mail of the recipients at %s%s\n", d.server.URL(), mailbox.Path)
	err := d.live(ctx, client, stdout)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // stopped in the middle
	}
	return err
}

func (d *demonstration) live(ctx context.Context, client *nylas.Client, stdout io.Writer) error {
	now := time.Now()
	if len(d.known) == 0 {
		if err := d.seed(ctx, client, now); err != nil {
			return err
		}
		if err := d.happen(ctx, now); err != nil {
			return err
		}
		if err := d.server.Wait(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "It shows %d messages. Press Ctrl-C to end it.\n", len(d.known))
	if d.every == 0 {
		return nil
	}
	for ; d.left > 0; d.left-- {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(d.every/2 + rand.N(d.every)):
		}
		if err := d.next(ctx, client); err != nil {
			return err
		}
	}
	d.logger.Info("nothing more happens by itself: start again for more")
	return nil
}

// seed sends the mail of the last days.
func (d *demonstration) seed(ctx context.Context, client *nylas.Client, now time.Time) error {
	for _, c := range campaigns {
		at := now.Add(-c.ago)
		for _, p := range people[:c.people] {
			if err := d.send(ctx, client, c.sender, c.mail.to(p), p, at); err != nil {
				return err
			}
			at = at.Add(between(d.rng, time.Second, 4*time.Second))
		}
	}
	at := now.Add(-5 * day)
	for i, m := range singles {
		p := people[(i*7+3)%len(people)]
		if err := d.send(ctx, client, i%len(senders), m.to(p), p, at); err != nil {
			return err
		}
		at = at.Add(between(d.rng, 10*time.Hour, 16*time.Hour))
	}
	return nil
}

// happen lets everything happen that is due until a time, in its order.
func (d *demonstration) happen(ctx context.Context, until time.Time) error {
	for len(d.acts) > 0 && d.acts[0].at.Before(until) {
		next := d.acts[0]
		d.acts = d.acts[1:]
		if err := d.act(ctx, next, next.at); err != nil {
			return err
		}
	}
	return nil
}

// next lets one thing happen now.
func (d *demonstration) next(ctx context.Context, client *nylas.Client) error {
	now := time.Now()
	for _, m := range d.server.Messages() { // somebody reads what the form sends, and soon
		if !d.known[m.ID] {
			d.plan(m.ID, now.Add(-day), now.Add(minReading), max(1, len(m.Links)), reads)
		}
	}
	i := slices.IndexFunc(d.acts, func(a act) bool { return a.earliest.Before(now) })
	if i < 0 || d.rng.IntN(6) == 0 {
		return d.another(ctx, client)
	}
	chosen := d.acts[i]
	d.acts = slices.Delete(d.acts, i, i+1)
	return d.act(ctx, chosen, now)
}

// another sends one more message, or lets somebody read an earlier one again.
func (d *demonstration) another(ctx context.Context, client *nylas.Client) error {
	if sent := d.server.Messages(); d.rng.IntN(2) == 0 && len(sent) > 0 {
		m := sent[d.rng.IntN(len(sent))]
		d.plan(m.ID, time.Now().Add(-day), time.Now(), max(1, len(m.Links)), reads)
		return nil
	}
	m, p := singles[d.rng.IntN(len(singles))], people[d.rng.IntN(len(people))]
	return d.send(ctx, client, d.rng.IntN(len(senders)), m.to(p), p, time.Now())
}

func (d *demonstration) act(ctx context.Context, a act, at time.Time) error {
	r, err := d.server.Recipient(a.message)
	if err != nil {
		return err
	}
	return a.do(ctx, r.WithTime(at))
}

// plan adds the story of a message to what is to happen, nothing of it before earliest.
func (d *demonstration) plan(message string, sentAt, earliest time.Time, links int, tell func(*rand.Rand, int) []step) {
	d.known[message] = true
	for _, s := range tell(d.rng, links) {
		d.acts = append(d.acts, act{message, sentAt.Add(s.after), earliest, s.do})
	}
	slices.SortStableFunc(d.acts, func(a, b act) int { return a.at.Compare(b.at) })
}

// send sends a message with tracking, stores what the verdicts need to know of it, and plans
// what becomes of it.
func (d *demonstration) send(ctx context.Context, client *nylas.Client, from int, m mail, to person, at time.Time) error {
	request := &nylas.SendMessageRequest{
		To: []nylas.Participant{{Name: to.name, Email: to.email}}, Subject: m.subject, Body: m.body,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: m.label},
	}
	var links []string
	for _, link := range nylas.CheckTracking(request).Links {
		if link.Status == preflight.StatusEligible {
			links = append(links, link.Target)
		}
	}
	message, err := client.Messages.Send(ctx, d.senders[from].GrantID, request)
	if err != nil {
		return err
	}
	earliest := at
	if time.Since(at) < minReading {
		earliest = at.Add(minReading)
	}
	d.plan(message.ID, at, earliest, max(1, len(links)), tell)
	return d.store.SetSent(ctx, engagement.Sent{
		GrantID: message.GrantID, MessageID: message.ID, Label: m.label, Subject: m.subject, At: at, Links: links, Recipients: 1,
	})
}
