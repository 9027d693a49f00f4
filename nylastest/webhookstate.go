package nylastest

import (
	"slices"
	"time"
)

// When a webhook is failing and when it has failed.
//
// https://developer.nylas.com/docs/v3/notifications/#failing-and-failed-webhooks
const (
	// failingPercent is the share of attempts without a 200, in percent, from which on
	// deliveries to a webhook are not well.
	failingPercent = 95
	// failingWindow is what the share is taken of, and how long deliveries must not be well.
	failingWindow = 15 * time.Minute
	// failedAfter is how long a webhook is failing before it has failed.
	failedAfter = 72 * time.Hour
)

// The states of a destination that Nylas sets. A failed one can be set to active again.
const (
	statusFailing = "failing"
	statusFailed  = "failed"
)

// stateMailFrom sends the mails about failing and failed webhooks.
//
// https://developer.nylas.com/docs/v3/notifications/#failing-and-failed-webhooks
const stateMailFrom = "admin-webhook@notifications.nylas.com"

// WebhookMail is a mail by which Nylas says that a webhook is failing or has failed. The
// server only records it; its text is not documented.
//
// https://developer.nylas.com/docs/v3/notifications/#failing-and-failed-webhooks
type WebhookMail struct {
	WebhookID string
	From      string
	To        []string // the notification_email_addresses of the webhook
	Status    string   // "failing" or "failed"
	At        time.Time
}

// WebhookMails returns the mails about failing and failed webhooks so far, in the order of
// time. A webhook without notification_email_addresses causes none.
func (s *Server) WebhookMails() []WebhookMail { return s.destinations.sentMails() }

// health is how the deliveries to a webhook went of late.
type health struct {
	attempts []outcome // of the last failingWindow, oldest first
	since    time.Time // when deliveries began to fail; zero while they are well
}

// outcome is how an attempt ended.
type outcome struct {
	at    time.Time
	taken bool // the receiver answered 200
}

// add records an attempt that ended now.
func (h *health) add(now time.Time, taken bool) {
	h.attempts = slices.DeleteFunc(append(h.attempts, outcome{now, taken}), func(o outcome) bool {
		return now.Sub(o.at) > failingWindow
	})
	failures := 0
	for _, o := range h.attempts {
		if !o.taken {
			failures++
		}
	}
	switch {
	case failures*100 < failingPercent*len(h.attempts):
		h.since = time.Time{}
	case h.since.IsZero():
		h.since = now
	}
}

// receives reports whether notifications are delivered to the webhook. Nylas goes on to
// deliver to a failing one.
func (d *destination) receives() bool { return d.status == statusActive || d.status == statusFailing }

// failedAt returns when a webhook that is failing has failed.
func (d *destination) failedAt() time.Time { return d.statusUpdatedAt.Add(failedAfter) }

// delivered records how an attempt to deliver to a webhook ended. Only what is delivered
// changes a state from active to failing and back: a webhook to which nothing is delivered
// stays what it is.
func (d *destinations) delivered(id string, taken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	i := d.index(id)
	if i < 0 || !d.list[i].receives() {
		return
	}
	hook, now := &d.list[i], time.Now()
	hook.health.add(now, taken)
	bad := !hook.health.since.IsZero()
	switch {
	case hook.status == statusActive && bad && now.Sub(hook.health.since) >= failingWindow:
		d.become(hook, statusFailing, now)
	case hook.status == statusFailing && !bad:
		d.become(hook, statusActive, now)
	}
}

// settle lets the webhooks fail whose time has come, in the order of time. It comes before
// every look at the list, so that no clock has to run for it.
func (d *destinations) settle() {
	for {
		var due *destination
		for i := range d.list {
			hook := &d.list[i]
			if hook.status == statusFailing && !time.Now().Before(hook.failedAt()) && (due == nil || hook.failedAt().Before(due.failedAt())) {
				due = hook
			}
		}
		if due == nil {
			return
		}
		d.become(due, statusFailed, due.failedAt())
	}
}

// become gives a webhook a state that Nylas sets, and mails about it.
func (d *destinations) become(hook *destination, status string, at time.Time) {
	hook.status, hook.statusUpdatedAt = status, at
	d.changed(at)
	if status != statusActive && len(hook.emails) > 0 {
		d.mails = append(d.mails, WebhookMail{hook.id, stateMailFrom, slices.Clone(hook.emails), status, at})
	}
}

func (d *destinations) sentMails() []WebhookMail {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settle()
	mails := slices.Clone(d.mails)
	for i := range mails {
		mails[i].To = slices.Clone(mails[i].To)
	}
	return mails
}
