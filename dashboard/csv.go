package dashboard

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// messagesCSV downloads the messages of a filter, with what they came to.
func (d *Dashboard) messagesCSV(w http.ResponseWriter, r *http.Request) {
	d.download(w, r, "messages.csv", func(ctx context.Context, e *export) error {
		return engagement.MessagesCSV(w, func(yield func(engagement.Summary) bool) {
			e.each(ctx, func(s engagement.Summary, _ []engagement.Event) bool { return yield(s) })
		})
	})
}

// eventsCSV downloads the events of the messages of a filter, or those of one message.
func (d *Dashboard) eventsCSV(w http.ResponseWriter, r *http.Request) {
	d.download(w, r, "events.csv", func(ctx context.Context, e *export) error {
		return engagement.EventsCSV(w, func(yield func(engagement.Summary, []engagement.Event) bool) { e.each(ctx, yield) })
	})
}

// The parameters of a download of one message's events, beside the grant.
const (
	messageParam = "message"
	threadParam  = "thread"
)

func exportOf(p place) url.Values {
	values := url.Values{grantParam: {p.grant}, messageParam: {p.message}}
	if p.thread != "" {
		values = url.Values{grantParam: {p.grant}, threadParam: {p.thread}}
	}
	return values
}

// export reads one message after the other, so that a download of any length needs little
// memory.
type export struct {
	d        *Dashboard
	messages iter.Seq2[sqlstore.Message, error]
	err      error
}

// download answers with a file. An error after its beginning breaks the connection off: a
// file that ends too early must not look whole.
func (d *Dashboard) download(w http.ResponseWriter, r *http.Request, name string, write func(context.Context, *export) error) {
	f, ok := filterOf(r)
	query := r.URL.Query()
	one := place{f.Grant, query.Get(messageParam), query.Get(threadParam)}
	if !ok || !isID(one.grant) || !isID(one.message) || !isID(one.thread) || one.message != "" && one.thread != "" {
		d.refuse(w, r)
		return
	}
	f.After = "" // all pages
	messages := d.store.AllMessages(r.Context(), f.query(0))
	if one.message != "" || one.thread != "" {
		h, found, err := d.read(r.Context(), one, 1)
		if err != nil {
			d.failed(w, r, err)
			return
		}
		if !found {
			d.missing(w, r)
			return
		}
		messages = func(yield func(sqlstore.Message, error) bool) { yield(h.Message, nil) }
	}
	next, stop := iter.Pull2(messages)
	defer stop()
	m, err, more := next()
	if err != nil {
		d.failed(w, r, err)
		return
	}
	e := &export{d: d, messages: func(yield func(sqlstore.Message, error) bool) {
		for more && yield(m, err) {
			m, err, more = next()
		}
	}}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	err = write(r.Context(), e)
	if e.err != nil {
		err = e.err
	}
	if err != nil {
		if r.Context().Err() == nil {
			d.logger.LogAttrs(r.Context(), slog.LevelError, "dashboard: a download broke off", slog.String(telemetry.LogPath, r.Pattern), slog.Any(telemetry.LogError, err))
		}
		panic(http.ErrAbortHandler)
	}
}

// each calls yield with each message, judged now, until one call returns false. An error ends
// it and is in e.err.
func (e *export) each(ctx context.Context, yield func(engagement.Summary, []engagement.Event) bool) {
	for m, err := range e.messages {
		var h *history
		if err == nil {
			h, err = e.d.history(ctx, &m, 0)
		}
		if err != nil {
			e.err = err
			return
		}
		if !yield(e.d.judge(h), h.events) {
			return
		}
	}
}
