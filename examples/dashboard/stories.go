package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/nylastrack/nylas-go/nylastest"
)

// step is one thing that happens to a message.
type step struct {
	after time.Duration // since the message was sent
	do    func(ctx context.Context, r *nylastest.Recipient) error
}

func opens(after time.Duration, as nylastest.Behaviour) step {
	return step{after, func(ctx context.Context, r *nylastest.Recipient) error {
		return like(as, func(as nylastest.Behaviour) error { return r.As(as).Open(ctx) })
	}}
}

func clicks(after time.Duration, as nylastest.Behaviour, link int) step {
	return step{after, func(ctx context.Context, r *nylastest.Recipient) error {
		return like(as, func(as nylastest.Behaviour) error {
			_, err := r.As(as).Click(ctx, link)
			return err
		})
	}}
}

// like does something as a behaviour with its seed or, if that is somebody who never does
// such a thing, without it.
func like(as nylastest.Behaviour, do func(nylastest.Behaviour) error) error {
	if do(as) == nil {
		return nil
	}
	return do(as.WithSeed(0))
}

func replies(after time.Duration) step {
	return step{after, func(ctx context.Context, r *nylastest.Recipient) error {
		_, err := r.Reply(ctx)
		return err
	}}
}

func isAway(after time.Duration) step {
	return step{after, func(ctx context.Context, r *nylastest.Recipient) error {
		_, err := r.AutoReply(ctx)
		return err
	}}
}

func bounces(after time.Duration) step {
	return step{after, func(ctx context.Context, r *nylastest.Recipient) error { return r.Bounce(ctx, "") }}
}

// story is what happens to a message in the order of time. How often a story is told goes by
// its weight.
type story struct {
	weight int
	tell   func(rng *rand.Rand, links int) []step
}

var stories = []story{
	{38, reads},
	{10, func(rng *rand.Rand, links int) []step { // Apple loads the images whether or not somebody reads
		steps := []step{opens(between(rng, 5*time.Minute, 2*time.Hour), nylastest.AppleMail())}
		if rng.IntN(3) == 0 {
			steps = append(steps, clicks(between(rng, 3*time.Hour, 9*time.Hour), nylastest.AppleMail(), rng.IntN(links)))
		}
		return steps
	}},
	{14, func(rng *rand.Rand, links int) []step { // Microsoft follows each link first
		return append(follows(nylastest.SafeLinks(), 15*time.Second, links), reads(rng, links)...)
	}},
	{8, func(rng *rand.Rand, links int) []step { // a gateway opens and follows everything, and a person may not
		steps := append([]step{opens(2*time.Second, nylastest.Gateway())}, follows(nylastest.Gateway(), 3*time.Second, links)...)
		if rng.IntN(2) == 0 {
			steps = append(steps, reads(rng, links)...)
		}
		return steps
	}},
	{5, func(rng *rand.Rand, links int) []step { // shown to colleagues in a chat, which fetches the page
		steps := reads(rng, links)
		last := steps[len(steps)-1].after
		return append(steps, clicks(last+4*time.Minute, nylastest.LinkPreview(), 0), clicks(last+9*time.Minute, nylastest.Browser(), 0))
	}},
	{6, func(rng *rand.Rand, links int) []step {
		return append([]step{isAway(40 * time.Second)}, late(reads(rng, links), day)...)
	}},
	{4, func(rng *rand.Rand, links int) []step { // the sender looks at the own mail
		return append([]step{opens(10*time.Minute, nylastest.Sender())}, late(reads(rng, links), time.Hour)...)
	}},
	{5, func(*rand.Rand, int) []step { return []step{bounces(30 * time.Second)} }},
	{10, func(*rand.Rand, int) []step { return nil }}, // no signal, which does not mean unread
}

// tell returns a story for a message with some links, at least one.
func tell(rng *rand.Rand, links int) []step {
	sum := 0
	for _, s := range stories {
		sum += s.weight
	}
	at := rng.IntN(sum)
	for _, s := range stories {
		if at -= s.weight; at < 0 {
			return s.tell(rng, links)
		}
	}
	return nil
}

// reads is a person who reads the message, and may follow a link, answer, and read it again.
func reads(rng *rand.Rand, links int) []step {
	readers := []nylastest.Behaviour{nylastest.Gmail(), nylastest.Outlook(), nylastest.Browser(), nylastest.Phone(), nylastest.Yahoo()}
	as := readers[rng.IntN(len(readers))].WithSeed(rng.Uint64()>>1 + 1)
	at := between(rng, 3*time.Minute, 9*time.Hour)
	steps := []step{opens(at, as)}
	if rng.IntN(100) < 55 {
		at += between(rng, 15*time.Second, 2*time.Minute)
		steps = append(steps, clicks(at, as, rng.IntN(links)))
		if links > 1 && rng.IntN(3) == 0 {
			at += between(rng, 20*time.Second, 3*time.Minute)
			steps = append(steps, clicks(at, as, rng.IntN(links)))
		}
	}
	if rng.IntN(100) < 25 {
		at += between(rng, 2*time.Minute, time.Hour)
		steps = append(steps, replies(at))
	}
	if rng.IntN(100) < 30 {
		steps = append(steps, opens(at+between(rng, 6*time.Hour, 30*time.Hour), as))
	}
	return steps
}

// follows is a scanner that follows each link, one after the other.
func follows(as nylastest.Behaviour, after time.Duration, links int) []step {
	steps := make([]step, 0, links)
	for link := range links {
		steps = append(steps, clicks(after+time.Duration(link)*time.Second, as, link))
	}
	return steps
}

// late returns the steps some time later.
func late(steps []step, by time.Duration) []step {
	for i := range steps {
		steps[i].after += by
	}
	return steps
}

func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)))
}
