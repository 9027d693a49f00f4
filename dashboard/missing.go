package dashboard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// missing answers where there is no page.
func (d *Dashboard) missing(w http.ResponseWriter, r *http.Request) {
	d.notice(w, r, http.StatusNotFound, "Not here", "There is no such page. If it is that of a message, nothing is known of the message, or what was known has been deleted.")
}

// refuse answers a request with a filter that cannot be.
func (d *Dashboard) refuse(w http.ResponseWriter, r *http.Request) {
	d.notice(w, r, http.StatusBadRequest, "That does not work",
		"The address of this page has a filter that cannot be: an unknown state or page, or a text that is no UTF-8 or too long. Or a part of it cannot be read: write % as %25 and ; as %3B.")
}

// parsed refuses a query that cannot be parsed. [url.URL.Query] drops what it cannot read, so that
// a filter with a typing error would become no filter, and a download everything.
func (d *Dashboard) parsed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
			d.refuse(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// failed answers when the store did not. The error is logged only: it may name what strangers
// must not know. A page that cannot be is the fault of who asked for it.
func (d *Dashboard) failed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, sqlstore.ErrQuery) {
		d.refuse(w, r)
		return
	}
	if !errors.Is(err, context.Canceled) { // else who asked is gone
		d.logger.LogAttrs(r.Context(), slog.LevelError, "dashboard: a page could not be shown", slog.String(telemetry.LogPath, r.Pattern), slog.Any(telemetry.LogError, err))
	}
	d.notice(w, r, http.StatusInternalServerError, "That went wrong", "The database did not answer as it should. The log of the program says more. Try again later.")
}

func (d *Dashboard) notice(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	page.WriteNotice(w, r, status, d.frame(r, title, nil), page.Notice{Title: title, Text: text, Link: "To the messages", Path: d.at()})
}
