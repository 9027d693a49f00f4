package engagement

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"
)

var eventColumns = []string{
	"grant_id", "message_id", "label", "event_id", "kind", "time", "actor", "confidence", "mechanism", "vendor",
	"network", "ip", "user_agent", "link_index", "url", "url_inferred", "reply_id", "proxied", "prefetched",
	"hides_seconds", "provisional_until", "reasons", "rules",
}

// EventsCSV writes a table of events with their verdicts: a row for each event of each
// message, after a row of column names. A pair is the summary of a message and the
// events that it was made of. Times are RFC 3339 in UTC, and unknown values are empty.
//
// Text that a spreadsheet would take for a formula gets an apostrophe in front, because
// user agents, labels and URLs come from strangers. So does such text after a semicolon, a tab,
// a vertical bar or a line break inside a value: a spreadsheet that separates cells with one of
// these begins a new cell there. For example, "a;=1" becomes "a;'=1".
func EventsCSV(w io.Writer, messages iter.Seq2[Summary, []Event]) error {
	out := csv.NewWriter(w)
	if err := out.Write(eventColumns); err != nil {
		return fmt.Errorf("engagement: write the CSV: %w", err)
	}
	for s, events := range messages {
		if len(s.Verdicts) != len(events) {
			return fmt.Errorf("engagement: EventsCSV: a summary of %d events came with %d: give those that Message judged", len(s.Verdicts), len(events))
		}
		for i, v := range s.Verdicts {
			if err := out.Write(eventRow(&s, &events[i], v)); err != nil {
				return fmt.Errorf("engagement: write the CSV: %w", err)
			}
		}
	}
	return finish(out)
}

func eventRow(s *Summary, e *Event, v Verdict) []string {
	url, inferred := s.Sent.URL(*e)
	link, inferredText, ip := "", "", ""
	if e.Kind == Click {
		if e.LinkIndex >= 0 {
			link = strconv.Itoa(e.LinkIndex)
		}
		if url != "" {
			inferredText = strconv.FormatBool(inferred)
		}
	}
	if e.IP.IsValid() {
		ip = e.IP.String()
	}
	return []string{
		cell(cmp.Or(e.GrantID, s.Sent.GrantID)), cell(cmp.Or(e.MessageID, s.Sent.MessageID)), cell(cmp.Or(e.Label, s.Sent.Label)),
		cell(e.ID), cell(string(e.Kind)), stamp(e.Time), v.Actor.String(), v.Confidence.String(), cell(string(v.Mechanism)), cell(v.Vendor),
		cell(v.Network), cell(ip), cell(e.UserAgent), link, cell(url), inferredText, cell(e.ReplyID), known(v.Proxied), known(v.Prefetched),
		strconv.Itoa(int(v.Hides / time.Second)), stamp(v.ProvisionalUntil), cell(Sentences(v.Reasons)), v.Rules,
	}
}

var messageColumns = []string{
	"grant_id", "message_id", "label", "subject", "sent_at", "recipients", "attribution", "delivery", "state", "confidence",
	"opens_human", "opens_indeterminate", "opens_machine", "opens_self",
	"clicks_human", "clicks_indeterminate", "clicks_machine", "clicks_self",
	"replies_human", "replies_indeterminate", "replies_machine", "replies_self",
	"first_open", "first_open_seconds", "first_open_implied", "first_click", "first_click_seconds", "first_reply", "first_reply_seconds",
	"complete", "missing", "lost", "settled_at", "reasons", "rules",
}

// MessagesCSV writes a table of messages with what they came to: a row for each summary,
// after a row of column names. The columns that end in _seconds count from the send. See
// EventsCSV for the format.
func MessagesCSV(w io.Writer, summaries iter.Seq[Summary]) error {
	out := csv.NewWriter(w)
	if err := out.Write(messageColumns); err != nil {
		return fmt.Errorf("engagement: write the CSV: %w", err)
	}
	for s := range summaries {
		if err := out.Write(messageRow(&s)); err != nil {
			return fmt.Errorf("engagement: write the CSV: %w", err)
		}
	}
	return finish(out)
}

func messageRow(s *Summary) []string {
	recipients, missing, lost, confidence := "", "", "", ""
	if s.State != NoSignal {
		confidence = s.Confidence.String()
	}
	if s.Sent.Recipients > 0 {
		recipients = strconv.Itoa(s.Sent.Recipients)
	}
	if s.Complete != Unknown {
		missing, lost = strconv.FormatInt(s.Missing, 10), strconv.FormatInt(s.Lost, 10)
	}
	row := []string{
		cell(s.Sent.GrantID), cell(s.Sent.MessageID), cell(s.Sent.Label), cell(s.Sent.Subject), stamp(s.Sent.At), recipients,
		s.Attribution.String(), cell(string(s.Delivery)), s.State.String(), confidence,
	}
	for _, c := range []Counts{s.Opens, s.Clicks, s.Replies} {
		row = append(row, strconv.Itoa(c.Human), strconv.Itoa(c.Indeterminate), strconv.Itoa(c.Machine), strconv.Itoa(c.Self))
	}
	implied := ""
	if s.FirstOpen != nil {
		implied = strconv.FormatBool(s.FirstOpen.Implied)
	}
	row = append(row, s.moment(s.FirstOpen)...)
	row = append(row, implied)
	row = append(row, s.moment(s.FirstClick)...)
	row = append(row, s.moment(s.FirstReply)...)
	return append(row, known(s.Complete), missing, lost, stamp(s.SettledAt), cell(Sentences(s.Reasons)), s.Rules)
}

// moment returns the time and the seconds since the send.
func (s *Summary) moment(m *Moment) []string {
	switch {
	case m == nil || m.Time.IsZero():
		return []string{"", ""}
	case s.Sent.At.IsZero():
		return []string{stamp(m.Time), ""}
	}
	return []string{stamp(m.Time), strconv.Itoa(int(m.After / time.Second))}
}

func finish(out *csv.Writer) error {
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("engagement: write the CSV: %w", err)
	}
	return nil
}

// cellEnds are characters other than the comma after which a spreadsheet may begin a new cell.
// The quotes of a CSV keep a comma inside its cell. They do nothing where another character
// separates cells, unless the value begins its cell there too.
const cellEnds = ";|\t\r\n"

// cell makes text harmless that a spreadsheet would calculate.
//
// https://owasp.org/www-community/attacks/CSV_Injection
func cell(text string) string {
	var safe strings.Builder
	for first, rest := true, text; rest != ""; first = false {
		end := strings.IndexAny(rest, cellEnds) + 1
		if end == 0 {
			end = len(rest)
		}
		part := rest[:end]
		rest = rest[end:]
		if calculated(part) || first && strings.ContainsAny(firstRune(part), "\t\r\n") {
			safe.WriteByte('\'')
		}
		safe.WriteString(part)
	}
	return safe.String()
}

// calculated reports whether a cell that begins so is a formula, with what spreadsheets drop in
// front of it.
func calculated(text string) bool {
	bare := strings.TrimLeftFunc(text, func(r rune) bool {
		return r == '"' || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})
	return strings.ContainsAny(firstRune(bare), "=+-@＝＋－＠")
}

func firstRune(text string) string {
	for i := range text {
		if i > 0 {
			return text[:i]
		}
	}
	return text
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// known returns an answer, or nothing if it is unknown.
func known(a Answer) string {
	if a == Unknown {
		return ""
	}
	return a.String()
}
