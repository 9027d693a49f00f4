package dashboard

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/internal/telemetry"
	"github.com/nylastrack/nylas-go/preflight"
)

// markKey is the key of the metadata by which a mail of the form is found again.
const markKey = "key5"

var outcomeTemplate = page.MustParse(templateFiles, "templates/shared.html", "templates/outcome.html")

// send sends the message of the form, once for each form.
func (d *Dashboard) send(w http.ResponseWriter, r *http.Request) {
	f, ok := d.readDraft(w, r)
	if !ok {
		return
	}
	req, wrong := d.request(&f)
	report := nylas.CheckTracking(req)
	if report.Refused() {
		wrong.Form = "Not sent: Nylas would refuse this message. See what was found."
	}
	if wrong != (problems{}) {
		d.writeForm(w, r, http.StatusUnprocessableEntity, composeView{draft: f, Problems: wrong, Check: newChecked(f.Body, report)})
		return
	}
	// The send goes on when the browser is gone. The second click of a double click ends the
	// request of the first one, and Nylas forgets the key of a request that ends: it would
	// send again for the second.
	ctx := context.WithoutCancel(r.Context())
	var response nylas.Response
	message, err := d.client.Messages.Send(ctx, f.Sender, req, nylas.WithIdempotencyKey(f.Key), nylas.WithMark(markKey), nylas.WithResponse(&response))
	if err == nil {
		d.sent(ctx, w, r, &f, []*nylas.Message{message}, response.SecondMailPossible)
		return
	}
	d.logger.WarnContext(ctx, "dashboard: a message was not sent, or it is unknown whether", slog.Any(telemetry.LogError, err))
	switch failed, _ := errors.AsType[*nylas.Error](err); {
	case errors.Is(err, nylas.ErrIdempotencyConflict):
		d.writeOutcome(w, r, &f, outcome{Status: http.StatusConflict, Changed: true})
	case f.Again || errors.Is(err, nylas.ErrOutcomeUnknown):
		d.writeOutcome(w, r, &f, outcome{Status: http.StatusBadGateway, Error: errorText(err)})
	default:
		if failed != nil && failed.NeedsNewKey {
			f.Key = rand.Text()
		}
		status := http.StatusBadGateway
		if errors.Is(err, nylas.ErrInvalidRequest) {
			status = http.StatusUnprocessableEntity
		}
		wrong.Form = "Not sent. " + errorText(err)
		d.writeForm(w, r, status, composeView{draft: f, Problems: wrong, Check: newChecked(f.Body, report)})
	}
}

// find looks for a message that may have been sent.
func (d *Dashboard) find(w http.ResponseWriter, r *http.Request) {
	f, ok := d.readDraft(w, r)
	if !ok {
		return
	}
	if _, wrong := d.request(&f); wrong != (problems{}) {
		d.writeForm(w, r, http.StatusUnprocessableEntity, composeView{draft: f, Problems: wrong})
		return
	}
	found, err := d.client.Messages.FindSent(r.Context(), f.Sender, nylas.MarkOf(markKey, f.Key))
	switch {
	case err != nil:
		d.logger.WarnContext(r.Context(), "dashboard: it cannot be looked for a message", slog.Any(telemetry.LogError, err))
		d.writeOutcome(w, r, &f, outcome{Status: http.StatusBadGateway, Error: errorText(err), Looked: "The search failed."})
	case len(found) == 0:
		d.writeOutcome(w, r, &f, outcome{Status: http.StatusOK, Looked: "Not found at " + time.Now().In(d.location).Format("15:04:05") + "."})
	default:
		d.sent(context.WithoutCancel(r.Context()), w, r, &f, found, false)
	}
}

// sent stores what was sent and shows it.
func (d *Dashboard) sent(ctx context.Context, w http.ResponseWriter, r *http.Request, f *draft, messages []*nylas.Message, perhapsTwice bool) {
	req, _ := d.request(f)
	var problem error
	var paths []string
	for _, m := range messages {
		sent := engagement.Sent{
			GrantID: cmp.Or(m.GrantID, f.Sender), MessageID: m.ID, Subject: f.Subject, Label: f.Campaign,
			At: m.Date.Time, Links: linksOf(req), Recipients: len(req.To),
		}
		if sent.At.IsZero() {
			sent.At = time.Now()
		}
		if err := d.store.SetSent(ctx, sent); err != nil {
			problem = err
		}
		paths = append(paths, d.page(place{grant: sent.GrantID, message: sent.MessageID}))
	}
	switch {
	case problem != nil:
		d.logger.ErrorContext(ctx, "dashboard: a message was sent, and not stored", slog.Any(telemetry.LogError, problem))
		d.writeOutcome(w, r, f, outcome{Status: http.StatusInternalServerError, Sent: paths, NotStored: true})
	case perhapsTwice || len(paths) > 1:
		d.writeOutcome(w, r, f, outcome{Status: http.StatusOK, Sent: paths, PerhapsTwice: perhapsTwice})
	default:
		http.Redirect(w, r, paths[0], http.StatusSeeOther)
	}
}

// linksOf returns the targets of the links of a request by the positions that Nylas gives
// them, or nil if it is unknown which links it tracks.
func linksOf(req *nylas.SendMessageRequest) []string {
	report := nylas.CheckTracking(req)
	if req.TrackingOptions == nil || !req.TrackingOptions.Links || report.Unknown > 0 {
		return nil
	}
	var targets []string
	for _, l := range report.Links {
		if l.Status == preflight.StatusEligible {
			targets = append(targets, l.Target)
		}
	}
	return targets
}

// outcome is what became of a send that did not end as sends do.
type outcome struct {
	Status    int
	Error     string
	Changed   bool     // the form was used for a message with another text
	Looked    string   // what a search came to
	Sent      []string // the paths of the messages that were sent
	NotStored bool
	// PerhapsTwice is set if an earlier attempt got no answer.
	PerhapsTwice bool
}

// outcomeView is a page about a message that was sent or may have been.
type outcomeView struct {
	draft
	outcome
	Send, Find, New string
}

func (d *Dashboard) writeOutcome(w http.ResponseWriter, r *http.Request, f *draft, o outcome) {
	title := "Perhaps sent"
	if len(o.Sent) > 0 {
		title = "Sent"
	}
	frame := d.frame(r, title, outcomeView{*f, o, d.at("compose"), d.at("compose/find"), d.at("compose")})
	frame.Stream, frame.Styles = "", append(frame.Styles, "compose.css")
	page.Write(w, r, outcomeTemplate, o.Status, frame)
}

// errorText returns an error as a sentence. Those of the client hold nothing secret.
func errorText(err error) string { return sentence(strings.TrimPrefix(err.Error(), "nylas: ")) }

// sentence returns a text with a capital letter and a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:] + "."
}
