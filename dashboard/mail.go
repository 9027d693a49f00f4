package dashboard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// maxBodyWait is how long the frame waits for Nylas. It is our choice: what somebody waits
// who looks at a page.
const maxBodyWait = 30 * time.Second

// What the frame says if there is no body to show.
const (
	noBodyClient  = "This dashboard does not read mail, because it has no access to Nylas. Give dashboard.New the option WithClient."
	noBodyUnknown = "The dashboard knows no such message."
	noBodyDeleted = "Nylas has no such message. It was deleted, or its mailbox is no longer connected."
	noBodyEmpty   = "The message has no body."
	noBodyStore   = "The store does not answer, so it is not known whether this message is one of yours. Try again later."
)

// mailBody serves what is in the frame of a message's page.
func (d *Dashboard) mailBody(w http.ResponseWriter, r *http.Request) {
	shown, notes := d.readMail(r)
	page.WriteMail(w, r, bar(notes)+shown)
}

// readMail returns the body of the message that a request asks for, and what to say about it.
// It reads only messages that the store knows: the client could read any of the application.
func (d *Dashboard) readMail(r *http.Request) (shown string, notes []string) {
	at, ok := asked(r)
	switch {
	case d.client == nil:
		return "", []string{noBodyClient}
	case !ok || at.message == "":
		return "", []string{noBodyUnknown}
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxBodyWait)
	defer cancel()
	h, found, err := d.read(ctx, at, maxJudged)
	switch {
	case err != nil:
		d.logger.ErrorContext(ctx, "dashboard: the events of a message cannot be read", slog.Any(telemetry.LogError, err))
		return "", []string{noBodyStore}
	case !found:
		return "", []string{noBodyUnknown}
	}
	message, err := d.client.Messages.Get(ctx, at.grant, at.message)
	switch {
	case errors.Is(err, nylas.ErrNotFound):
		return "", []string{noBodyDeleted}
	case r.Context().Err() != nil:
		return "", nil // who asked is gone
	case err != nil:
		d.logger.WarnContext(ctx, "dashboard: the body of a message cannot be read", slog.Any(telemetry.LogError, err))
		return "", []string{"Nylas did not return the body: " + err.Error() + "."}
	case message.Body == "":
		return "", []string{noBodyEmpty}
	}
	summary := d.classifier.Message(h.Sent, h.events)
	return showMail(message.Body, &summary)
}
