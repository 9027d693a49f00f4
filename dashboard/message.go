package dashboard

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/internal/page"
)

const (
	// maxJudged is how many events of one message a page judges, the newest ones. It is
	// our choice: they take a fifth of a second and some megabytes.
	maxJudged = 10_000
	// maxLines is how many events a page shows. It is our choice: more are not read, and
	// each change shows them all again.
	maxLines = 200
)

// beforeParam of the page of a message is the number of the event before which its
// timeline begins. Events are counted from the oldest, so that new ones move nothing.
const beforeParam = "before"

var messageTemplate = page.MustParse(templateFiles, "templates/shared.html", "templates/message.html")

// history is what the store has of a message.
type history struct {
	place
	sent      engagement.Sent
	known     bool // SetSent stored it
	withdrawn bool
	events    []engagement.Event // in the order of their time
	capped    bool               // there are older events too
	gaps      []engagement.Gap
	countable bool // gaps are all that is missing; else nobody knows what is
}

// messageView is the page of a message.
type messageView struct {
	Home           string
	Subject, Whole string // Whole is the subject if Subject is a part of it
	Thread         bool
	Facts          []fact
	State          chip
	Confidence     string
	Reasons        []string
	Notes          []note
	Firsts         []first
	Counts         []countRow
	Links          []linkRow
	Lines          []line
	Range          string // which lines these are, if not all
	Newer, Older   string // paths, or empty
	Body           string // the path of the frame with the mail, or empty
	Sandbox        string
	Download       string
}

// fact is a line of what is known of a message. Path is where it leads, or empty.
type fact struct {
	Name, Value, Path string
	At                page.Moment
}

// note is something to know before one believes a number.
type note struct{ Text, Class string }

// first is the first open, click or reply of a person.
type first struct {
	Kind, Name  string
	At          page.Moment
	After, Note string
}

// countRow counts the events of one kind by who was behind them.
type countRow struct {
	Name string
	engagement.Counts
}

// linkRow counts the clicks on one link.
type linkRow struct {
	Number, URL string
	Inferred    bool
	engagement.Counts
}

// message shows a message, or the replies of a thread.
func (d *Dashboard) message(w http.ResponseWriter, r *http.Request) {
	p, ok := asked(r)
	if !ok {
		d.missing(w, r)
		return
	}
	h, err := d.read(r.Context(), p, maxJudged)
	if err != nil {
		d.failed(w, r, "read a message", err)
		return
	}
	if !h.known && !h.withdrawn && len(h.events) == 0 {
		d.missing(w, r)
		return
	}
	before, err := strconv.Atoi(r.URL.Query().Get(beforeParam))
	if err != nil {
		before = len(h.events)
	}
	summary := d.judge(h)
	view := d.messageView(h, &summary, min(max(before, 1), len(h.events)))
	d.write(w, r, messageTemplate, http.StatusOK, view.Subject, view)
}

// read reads a message with its newest events: most of them or a page more, or all if most is 0.
func (d *Dashboard) read(ctx context.Context, p place, most int) (h *history, err error) {
	h = &history{place: p, sent: engagement.Sent{GrantID: p.grant, MessageID: p.message}}
	if p.message != "" {
		sent, known, err := d.store.Sent(ctx, p.grant, p.message)
		if err != nil {
			return nil, err
		}
		if known {
			h.sent, h.known = sent, true
		}
	}
	record, err := d.store.Load(ctx, engagement.Key{GrantID: p.grant, MessageID: p.message, ThreadID: p.thread, Kind: engagement.Reply})
	if err != nil {
		return nil, err
	}
	h.withdrawn = record.Withdrawn
	if p.message != "" {
		if h.gaps, h.countable, err = d.ledger.Missing(ctx, p.grant, p.message); err != nil {
			return nil, err
		}
	}
	query := sqlstore.EventQuery{GrantID: p.grant, MessageID: p.message, ThreadID: p.thread, Limit: sqlstore.MaxPage}
	for {
		events, err := d.store.EventPage(ctx, query)
		if err != nil {
			return nil, err
		}
		h.events = append(h.events, events.Events...)
		query.After = events.Next
		if query.After == "" || most > 0 && len(h.events) >= most {
			break
		}
	}
	h.capped = query.After != ""
	slices.Reverse(h.events)
	return h, nil
}

// judge says what a message came to.
func (d *Dashboard) judge(h *history) engagement.Summary {
	s := d.classifier.Message(h.sent, h.events)
	if h.countable {
		s = s.WithMissing(h.gaps)
	}
	return s
}

func (d *Dashboard) messageView(h *history, s *engagement.Summary, before int) messageView {
	now := time.Now()
	view := messageView{
		Home: d.at(), Subject: subjectOf(&h.sent, h.thread), Thread: h.thread != "", Facts: d.facts(h, s),
		State: stateChip(s.State), Notes: notes(h, s, now),
		Counts:  []countRow{{"Opens", s.Opens}, {"Clicks", s.Clicks}, {"Replies", s.Replies}},
		Sandbox: page.Sandbox, Download: d.at("events.csv") + "?" + exportOf(h.place).Encode(),
	}
	if clip(h.sent.Subject, maxText) != h.sent.Subject {
		view.Whole = h.sent.Subject
	}
	if s.State >= engagement.LikelyOpened {
		view.Confidence = s.Confidence.String()
	}
	for _, reason := range s.Reasons {
		view.Reasons = append(view.Reasons, reason.Text)
	}
	for _, f := range []struct {
		kind   engagement.Kind
		name   string
		moment *engagement.Moment
	}{
		{engagement.Open, "First likely open", s.FirstOpen}, {engagement.Click, "First likely click", s.FirstClick},
		{engagement.Reply, "First reply", s.FirstReply},
	} {
		view.Firsts = append(view.Firsts, d.first(h, f.kind, f.name, f.moment))
	}
	for _, l := range s.Links {
		view.Links = append(view.Links, newLinkRow(&l))
	}
	if d.client != nil && h.message != "" {
		view.Body = d.page(h.place) + "/body"
	}
	from := max(0, before-maxLines)
	for i := before - 1; i >= from; i-- {
		view.Lines = append(view.Lines, d.line(&h.sent, &h.events[i], s.Verdicts[i], now))
	}
	if from > 0 || before < len(h.events) {
		view.Range = "Events " + strconv.Itoa(from+1) + " to " + strconv.Itoa(before) + " of " + strconv.Itoa(len(h.events)) + ", counted from the oldest."
	}
	if from > 0 {
		view.Older = d.page(h.place) + "?" + beforeParam + "=" + strconv.Itoa(from)
	}
	if before < len(h.events) {
		view.Newer = d.page(h.place)
		if before+maxLines < len(h.events) {
			view.Newer += "?" + beforeParam + "=" + strconv.Itoa(before+maxLines)
		}
	}
	return view
}

// facts are what is known of a message beside its events.
func (d *Dashboard) facts(h *history, s *engagement.Summary) []fact {
	var all []fact
	if !h.sent.At.IsZero() {
		all = append(all, fact{Name: "Sent", At: d.long(h.sent.At)})
	}
	switch s.Attribution {
	case engagement.SoleRecipient:
		all = append(all, fact{Name: "Recipients", Value: "1. The events are theirs, or those of somebody they forwarded it to."})
	case engagement.OneOfSeveral:
		all = append(all, fact{Name: "Recipients", Value: strconv.Itoa(h.sent.Recipients) + ". Each event is of one of them, and nobody can tell of which."})
	case engagement.AttributionUnknown:
		if h.thread == "" {
			all = append(all, fact{Name: "Recipients", Value: "unknown, so nobody can tell whose the events are"})
		}
	}
	if label := h.label(); label != "" {
		campaign := engagement.CampaignOf(label)
		all = append(all, fact{Name: "Campaign", Value: clip(campaign, maxText), Path: d.campaignPath(campaign)})
		if label != campaign {
			all = append(all, fact{Name: "Label", Value: clip(label, maxText)})
		}
	}
	if h.grant != "" {
		all = append(all, fact{Name: "Mailbox", Value: d.mailbox(h.grant), Path: d.at() + "?" + filter{Grant: h.grant}.values().Encode()})
	}
	if h.thread == "" && len(h.events) > 0 {
		all = append(all, fact{Name: "Complete", Value: complete(s)})
	}
	if h.message != "" {
		all = append(all, fact{Name: "Message", Value: clip(h.message, maxText)})
	}
	if h.thread != "" {
		all = append(all, fact{Name: "Thread", Value: clip(h.thread, maxText)})
	}
	return all
}

// complete says whether all events are known.
func complete(s *engagement.Summary) string {
	switch s.Complete {
	case engagement.Yes:
		return "yes, no event is known to be missing"
	case engagement.No:
		return "no, " + page.Counted(int(s.Missing), "event is", "events are") + " missing"
	}
	return "unknown, because the notifications do not number the events"
}

// label is that of the message, or of its events if nobody stored the message.
func (h *history) label() string {
	if h.sent.Label != "" || len(h.events) == 0 {
		return h.sent.Label
	}
	return h.events[len(h.events)-1].Label
}

// mailbox names a grant: as a sender of WithClient, or by its id.
func (d *Dashboard) mailbox(grant string) string {
	for _, s := range d.senders {
		if s.GrantID == grant && s.Name != "" {
			return s.Name
		}
	}
	return clip(grant, maxText)
}

// notes are what one should know before one believes the numbers.
func notes(h *history, s *engagement.Summary, now time.Time) []note {
	var all []note
	if h.withdrawn {
		all = append(all, note{"The recipient withdrew their consent: later events are dropped.", "no"})
	}
	if h.thread != "" {
		all = append(all, note{"The notifications of these replies named the thread, and not the message that was tracked.", ""})
	} else if !h.known {
		all = append(all, note{"The program did not store this message when it sent it. Its subject, its links, the time since the send and the number of recipients are unknown.", ""})
	}
	if s.Missing > 0 {
		text := "Lower bounds: " + page.Counted(int(s.Missing), "event is", "events are") + " missing. "
		if s.Lost == s.Missing {
			text += "No notification is likely to bring what is missing."
		} else {
			text += "The next notification of the message may bring what is missing."
		}
		all = append(all, note{text, "wait"})
	}
	if h.capped {
		all = append(all, note{"The message has more events. The newest " + strconv.Itoa(len(h.events)) + " were judged and counted here.", "wait"})
	}
	if !s.Settled(now) {
		all = append(all, note{"Provisional: what is still on its way can change the verdicts.", "wait"})
	}
	return all
}

func (d *Dashboard) first(h *history, kind engagement.Kind, name string, m *engagement.Moment) first {
	f := first{Kind: kindClass(kind), Name: name}
	if m == nil {
		f.Note = "none known"
		return f
	}
	f.At = d.long(m.Time)
	switch {
	case m.Time.IsZero():
		f.Note = "at a time that Nylas did not give"
	case h.sent.At.IsZero():
		f.Note = "the time of the send is unknown"
	default:
		f.After = since(m.After)
	}
	if m.Implied {
		f.Note = "shown by the click"
	}
	return f
}

func newLinkRow(l *engagement.LinkCount) linkRow {
	row := linkRow{Number: "?", URL: clip(l.URL, maxText), Inferred: l.Inferred, Counts: l.Clicks}
	if l.Index >= 0 {
		row.Number = strconv.Itoa(l.Index + 1)
	}
	return row
}
