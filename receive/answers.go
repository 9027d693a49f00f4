package receive

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"

	"github.com/nylastrack/nylas-go/internal/telemetry"
)

const (
	// retryAfterSeconds goes with each 503. Nylas documents to honour it for 429.
	retryAfterSeconds = 10
)

// The functions here return the status that they answer.

func respondUnavailable(w http.ResponseWriter) (status int) {
	w.Header().Set("Retry-After", strconv.Itoa(retryAfterSeconds))
	return respond(w, http.StatusServiceUnavailable)
}

// respondTaken answers that a delivery is safe. There is no text, and so nothing
// to say about it: net/http writes the length.
func respondTaken(w http.ResponseWriter) (status int) {
	w.WriteHeader(http.StatusOK)
	return http.StatusOK
}

// respond writes a status that is not 200; what was wrong is for the log, not for the sender.
func respond(w http.ResponseWriter, status int) int {
	return writeText(w, status, http.StatusText(status)+"\n")
}

// writeText sets the length itself: Nylas does not accept a chunked answer to
// its challenge.
func writeText(w http.ResponseWriter, status int, text string) int {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	// An error means that the sender is gone; the next attempt tells it more.
	_, _ = io.WriteString(w, text)
	return status
}

// refuse answers a request that does not reach the handler.
func (r *Receiver) refuse(w http.ResponseWriter, req *http.Request, status int, reason string, err error) int {
	attrs := []slog.Attr{slog.Int(telemetry.LogStatus, status), slog.String(telemetry.LogReason, reason)}
	if err != nil {
		attrs = append(attrs, slog.String(telemetry.LogError, readError(err)))
	}
	level := slog.LevelWarn
	if errors.Is(err, ErrInvalidSignature) {
		level = slog.LevelDebug // a scanner; what Nylas sends has the right form
	}
	r.logger.LogAttrs(req.Context(), level, "receive: request refused", attrs...)
	if status == http.StatusServiceUnavailable {
		return respondUnavailable(w)
	}
	return respond(w, status)
}

// readError names an error of a connection without the addresses in its text.
func readError(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "it did not arrive in time"
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "it was cut off"
	}
	if errors.Is(err, ErrInvalidSignature) || errors.Is(err, errOverload) || errors.Is(err, errTooLarge) {
		return err.Error()
	}
	return fmt.Sprintf("%T", err)
}
