package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

const (
	// maxLabel is the longest label, by Nylas' OpenAPI description.
	// https://developer.nylas.com/docs/v3/email/message-tracking/
	maxLabel = 2048
	// cutAfter is long enough for a request to get to Nylas, and shorter than a send, which
	// takes 2 s on average.
	// https://developer.nylas.com/docs/v3/email/send-email/
	cutAfter = 300 * time.Millisecond
)

func fromSelf(ctx context.Context, s *session) (answer, error) {
	request := s.request()
	request.Subject, request.Body, request.TrackingOptions = "Re: "+subject, "<p>"+beginning+"</p>", nil
	request.ReplyToMessageID = s.mail.id
	sent, err := s.client.Messages.Send(ctx, s.grantID, request)
	if err != nil {
		return answer{}, err
	}
	s.hide(sent.ID)
	d, err := s.hooks.wait(ctx, s.wait, isAbout[*events.ThreadReplied](s.mail.id, ""))
	if errors.Is(err, errLate) {
		return answer{text: "it is not notified", evidence: err.Error()}, nil
	} else if err != nil {
		return answer{}, err
	}
	replied := d.notification.Data.(*events.ThreadReplied)
	text := "it is notified, without from_self"
	if replied.FromSelf != nil {
		text = fmt.Sprintf("it is notified, with from_self %t", *replied.FromSelf)
	}
	return answer{
		text: text, agrees: replied.FromSelf != nil && *replied.FromSelf,
		evidence: "members: " + names(members(d.body, "data", "object")),
	}, nil
}

func labelLength(ctx context.Context, s *session) (answer, error) {
	request := s.request()
	request.TrackingOptions.Label = s.label + strings.Repeat("é", maxLabel-len(s.label))
	sent, err := s.client.Messages.Send(ctx, s.grantID, request)
	e, refused := errors.AsType[*nylas.Error](err)
	switch {
	case errors.Is(err, nylas.ErrTrackingNotAllowed):
		return answer{}, err
	case refused && e.StatusCode >= 400 && e.StatusCode < 500 && e.StatusCode != http.StatusTooManyRequests:
		return answer{text: fmt.Sprintf("no, it answers %d", e.StatusCode), evidence: err.Error()}, nil
	case err != nil:
		return answer{}, err
	}
	s.hide(sent.ID)
	return answer{text: "yes", agrees: true, evidence: fmt.Sprintf("a label of %d bytes was taken", len(request.TrackingOptions.Label))}, nil
}

// repeated is what became of a send whose client disconnected, and which was repeated.
type repeated struct {
	replayed bool
	found    int // messages
}

func disconnectKey(ctx context.Context, s *session) (answer, error) {
	key, request := rand.Text(), s.request()
	cut, cancel := context.WithCancel(ctx)
	defer cancel()
	traced := httptrace.WithClientTrace(cut, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { time.AfterFunc(cutAfter, cancel) },
	})
	first, err := s.client.Messages.Send(traced, s.grantID, request, nylas.WithIdempotencyKey(key), nylas.WithMark(markKey), nylas.WithoutRetry())
	switch {
	case ctx.Err() != nil:
		return answer{}, context.Cause(ctx)
	case err == nil:
		s.hide(first.ID)
		return answer{}, fmt.Errorf("the answer came within %v, before the connection was cut", cutAfter)
	case cut.Err() == nil: // refused
		return answer{}, err
	}
	var response nylas.Response
	second, err := s.client.Messages.Send(ctx, s.grantID, request, nylas.WithIdempotencyKey(key), nylas.WithMark(markKey), nylas.WithResponse(&response))
	if err != nil {
		return answer{}, err
	}
	s.hide(second.ID, response.Mark)
	s.repeated = &repeated{replayed: response.Replayed}
	_, _, err = s.until(ctx, func() (bool, error) {
		found, err := s.client.Messages.FindSent(ctx, s.grantID, response.Mark)
		s.repeated.found = max(s.repeated.found, len(found))
		return len(found) > 1, err
	})
	if err != nil {
		return answer{}, err
	}
	text := "it is done again"
	if response.Replayed {
		text = "no: Nylas repeats the answer to the first send"
	}
	return answer{
		text: text, agrees: !response.Replayed,
		evidence: fmt.Sprintf("%d requests after the one that was cut; Idempotent-Response: %t", response.Attempts, response.Replayed),
	}, nil
}

func disconnectMail(_ context.Context, s *session) (answer, error) {
	switch r := s.repeated; {
	case r == nil:
		return answer{}, errors.New("no send was cut and repeated")
	case r.found == 0:
		return answer{}, errors.New("the search finds neither message")
	default:
		sent := r.replayed || r.found > 1
		return answer{text: yesNo(sent), agrees: sent, evidence: fmt.Sprintf("the mailbox has %d messages of both sends", r.found)}, nil
	}
}
