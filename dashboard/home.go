package dashboard

import (
	"net/http"
	"time"

	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/internal/page"
)

// listMessages is how many messages a page of a list has. It is our choice: each change shows
// them all again.
const listMessages = 50

var homeTemplate = page.MustParse(templateFiles, "templates/shared.html", "templates/list.html", "templates/home.html")

// homeView is the first page.
type homeView struct {
	list
	Feed []feedLine
}

// list is a page of messages.
type list struct {
	Rows     []row
	Filter   filter
	Action   string   // where the form of the filter leads
	Grants   []choice // senders to choose from, or none
	States   []choice
	Filtered bool
	Clear    string // the path without a filter
	First    string // the path of the first page, if this is another one
	Next     string // the path of the next page, or empty
	Messages string // the path of the CSV of these messages
	Events   string // the path of the CSV of their events
	Waiting  string // a warning if messages are not judged, or empty
}

// choice is an option of a form.
type choice struct {
	Value, Text string
	Selected    bool
}

// home shows the newest events and the messages.
func (d *Dashboard) home(w http.ResponseWriter, r *http.Request) {
	f, ok := filterOf(r)
	if !ok {
		d.refuse(w, r)
		return
	}
	messages, err := d.store.Messages(r.Context(), f.query(listMessages))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	feed, err := d.feed(r.Context(), f, messages.Messages)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	view := homeView{Feed: feed, list: d.list(func(f filter) string { return f.with(d.at()) }, f, &messages)}
	d.write(w, r, homeTemplate, "Messages", view)
}

// list makes a page of messages. link returns the path of the same page with another filter.
func (d *Dashboard) list(link func(filter) string, f filter, found *sqlstore.MessagePage) list {
	all := f
	all.After = ""
	l := list{
		Filter: f, Action: d.at(), Grants: d.grants(f.Grant), Clear: link(filter{}), Filtered: all != filter{},
		Messages: all.with(d.at("messages.csv")), Events: all.with(d.at("events.csv")),
	}
	for _, s := range states {
		l.States = append(l.States, choice{s.String(), stateName(s), s.String() == f.State})
	}
	if f.After != "" {
		l.First = link(all)
	}
	if found.Next != "" {
		all.After = found.Next
		l.Next = link(all)
	}
	now := time.Now()
	waiting := 0
	l.Rows = make([]row, 0, len(found.Messages))
	for i := range found.Messages {
		m := &found.Messages[i]
		l.Rows = append(l.Rows, d.row(m, now))
		if waitsLong(m, now) {
			waiting++
		}
	}
	if waiting > 0 {
		l.Waiting = page.Counted(waiting, "of these messages waits for its verdict", "of these messages wait for their verdict") + ". Does the program call Dashboard.Run?"
	}
	return l
}

// grants are the senders of WithClient, and the grant that is asked for.
func (d *Dashboard) grants(asked string) []choice {
	if len(d.senders) == 0 {
		return nil
	}
	known := asked == ""
	var all []choice
	for _, s := range d.senders {
		known = known || s.GrantID == asked
		all = append(all, choice{s.GrantID, d.mailbox(s.GrantID), s.GrantID == asked})
	}
	if !known {
		all = append(all, choice{asked, clip(asked, maxChip), true})
	}
	return all
}
