package dashboard

import (
	"net/http"
	"strconv"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/internal/page"
)

// maxLines is how many events a page shows. It is our choice: more are not read, and each
// change shows them all again.
const maxLines = 200

// beforeParam of the page of a message is the number of the event before which its
// timeline begins. Events are counted from the oldest, so that new ones move nothing.
const beforeParam = "before"

var messageTemplate = page.MustParse(templateFiles, "templates/shared.html", "templates/message.html")

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
	None           string // what the timeline says if it is empty
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
	h, found, err := d.read(r.Context(), p, maxJudged)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	if !found {
		d.missing(w, r)
		return
	}
	before := len(h.events)
	if asked := r.URL.Query().Get(beforeParam); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 1 {
			d.refuse(w, r)
			return
		}
		before = min(before, n)
	}
	summary := d.judge(h)
	view := d.messageView(h, &summary, before)
	d.write(w, r, messageTemplate, view.Subject, view)
}

func (d *Dashboard) messageView(h *history, s *engagement.Summary, before int) messageView {
	now := time.Now()
	view := messageView{
		Home: d.at(), Subject: subjectOf(&h.Sent, h.thread), Thread: h.thread != "", Facts: d.facts(h, s),
		State: stateChip(s.State), Notes: notes(h, s, now), None: none(h),
		Counts:  []countRow{{"Opens", s.Opens}, {"Clicks", s.Clicks}, {"Replies", s.Replies}},
		Sandbox: page.Sandbox, Download: d.at("events.csv") + "?" + exportOf(h.place).Encode(),
	}
	if clip(h.Subject, maxText) != h.Subject {
		view.Whole = h.Subject
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
		view.Lines = append(view.Lines, d.line(&h.Sent, &h.events[i], s.Verdicts[i], now))
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
	if !h.At.IsZero() {
		all = append(all, fact{Name: "Sent", At: d.long(h.At)})
	}
	switch h.Delivery {
	case engagement.Delivered:
		all = append(all, fact{Name: "Delivery", Value: "arrived"})
	case engagement.Bounced:
		all = append(all, fact{Name: "Delivery", Value: "bounced"})
	}
	switch s.Attribution {
	case engagement.SoleRecipient:
		all = append(all, fact{Name: "Recipients", Value: "1. The events are theirs, or those of somebody they forwarded it to."})
	case engagement.OneOfSeveral:
		all = append(all, fact{Name: "Recipients", Value: strconv.Itoa(h.Recipients) + ". Each event is of one of them, and nobody can tell of which."})
	case engagement.AttributionUnknown:
		if h.thread == "" {
			all = append(all, fact{Name: "Recipients", Value: "unknown, so nobody can tell whose the events are"})
		}
	}
	if h.Label != "" {
		campaign := h.Campaign()
		all = append(all, fact{Name: "Campaign", Value: clip(campaign, maxText), Path: d.campaignPath(campaign)})
		if h.Label != campaign {
			all = append(all, fact{Name: "Label", Value: clip(h.Label, maxText)})
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

// mailbox names a grant: as a sender of WithClient, or by its id.
func (d *Dashboard) mailbox(grant string) string {
	for _, s := range d.senders {
		if s.GrantID == grant && s.Name != "" {
			return s.Name
		}
	}
	return clip(grant, maxText)
}

// none says why a timeline is empty.
func none(h *history) string {
	switch {
	case h.reduced:
		return "No event is stored any more: the old ones were deleted."
	case h.Withdrawn:
		return "No event is stored: the recipient withdrew their consent."
	}
	return "No event yet. That does not say that nobody read the message."
}

// notes are what one should know before one believes the numbers.
func notes(h *history, s *engagement.Summary, now time.Time) []note {
	var all []note
	if h.Withdrawn {
		all = append(all, note{"The recipient withdrew their consent: later events are dropped.", "no"})
	}
	if h.thread != "" {
		all = append(all, note{"The notifications of these replies named the thread, and not the message that was tracked.", ""})
	} else if !h.Known {
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
	if h.reduced {
		all = append(all, note{"Old events of the message were deleted. The numbers and the state have them; the timeline does not.", ""})
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
	case h.At.IsZero():
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
