package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

// description tells the webhooks of this program from others.
const description = "livecheck"

// Of test events, by Nylas' OpenAPI description.
//
// https://developer.nylas.com/docs/reference/api/webhook-notifications/
const (
	testEventID     = "mock-id"
	testEventSecret = "mock-webhook-secret"
)

// ahead is between the 1 minute and the 2 minutes that Nylas' pages name as the shortest time.
//
// https://developer.nylas.com/docs/v3/email/scheduled-send/
const ahead = 90 * time.Second

var errNoWebhook = errors.New("the webhook was not made")

// What is made is asked for with context.WithoutCancel: an interrupt would cut the connection, and
// nobody would know what to delete.

// newWebhook makes a webhook that is deleted later, or by remove.
func (s *session) newWebhook(ctx context.Context, query string, types ...events.Type) (*nylas.Webhook, func(context.Context) error, error) {
	webhook, err := s.client.Webhooks.Create(context.WithoutCancel(ctx), &nylas.CreateWebhookRequest{
		WebhookURL: s.hookURL + query, TriggerTypes: types, Description: description,
	})
	if err != nil {
		return nil, nil, err
	}
	s.hide(webhook.ID, webhook.WebhookSecret)
	remove := s.later("the webhook "+short(webhook.ID), func(ctx context.Context) error { return s.client.Webhooks.Delete(ctx, webhook.ID) })
	return webhook, remove, nil
}

// short is enough of an id to find it in the Nylas Dashboard.
func short(id string) string { return id[:min(len(id), 6)] + "…" }

func webhookListLag(ctx context.Context, s *session) (answer, error) {
	for old, err := range s.client.Webhooks.List(ctx) {
		if err != nil {
			return answer{}, err
		}
		if old.Description == description && strings.HasPrefix(old.WebhookURL, s.hookURL) { // of a run that was killed
			if err := s.client.Webhooks.Delete(ctx, old.ID); err != nil {
				return answer{}, err
			}
		}
	}
	webhook, _, err := s.newWebhook(ctx, "", events.TrackingTypes()...)
	if err != nil {
		return answer{}, err
	}
	s.webhook, s.secret = webhook.ID, webhook.WebhookSecret
	asked := 0
	took, ok, err := s.until(ctx, func() (bool, error) {
		asked++
		for listed, err := range s.client.Webhooks.List(ctx) {
			if err != nil || listed.ID == webhook.ID {
				return err == nil, err
			}
		}
		return false, nil
	})
	switch {
	case err != nil:
		return answer{}, err
	case !ok:
		return answer{text: fmt.Sprintf("it is missing after %v", took.Round(time.Second))}, nil
	case asked == 1:
		return answer{text: "it is in the first list", agrees: true}, nil
	default:
		return answer{text: fmt.Sprintf("it was missing at first, and in the list after %v", took.Round(time.Second))}, nil
	}
}

func webhookSameURL(ctx context.Context, s *session) (answer, error) {
	if s.webhook == "" {
		return answer{}, errNoWebhook
	}
	_, remove, err := s.newWebhook(ctx, "", events.TypeMessageOpened)
	if e, ok := errors.AsType[*nylas.Error](err); ok && e.StatusCode >= 400 && e.StatusCode < 500 {
		return answer{text: fmt.Sprintf("no, it answers %d", e.StatusCode), evidence: err.Error()}, nil
	} else if err != nil {
		return answer{}, err
	}
	return answer{text: "yes", agrees: true}, remove(ctx)
}

func webhookNewURL(ctx context.Context, s *session) (answer, error) {
	webhook, remove, err := s.newWebhook(ctx, "?livecheck=old", events.TypeMessageOpened)
	if err != nil {
		return answer{}, err
	}
	before := s.hooks.challenged()
	_, err = s.client.Webhooks.Update(ctx, webhook.ID, &nylas.UpdateWebhookRequest{WebhookURL: s.hookURL + "?livecheck=new"})
	if err != nil {
		return answer{}, err
	}
	asked := s.hooks.challenged()[len(before):]
	kept := len(asked) > 0 && asked[0].URL.Query().Get("livecheck") == "new"
	return answer{
		text:   fmt.Sprintf("a challenge: %s; with the query: %s", yesNo(len(asked) > 0), yesNo(kept)),
		agrees: kept, evidence: fmt.Sprintf("%d requests with a challenge", len(asked)),
	}, remove(ctx)
}

func testEvent(ctx context.Context, s *session) (answer, error) {
	const query = "livecheck=test"
	err := s.client.Webhooks.SendTestEvent(ctx, &nylas.SendTestEventRequest{
		TriggerType: events.TypeMessageOpened, WebhookURL: s.hookURL + "?" + query,
	})
	if err != nil {
		return answer{}, err
	}
	d, err := s.hooks.wait(ctx, s.wait, func(d *delivery) bool { return d.query == query })
	if err != nil {
		return answer{}, fmt.Errorf("a test event with the id %s: %w", testEventID, err)
	}
	signed := d.isSigned(testEventSecret)
	return answer{text: "the id: yes; the signature: " + yesNo(signed), agrees: signed, evidence: "members: " + names(members(d.body))}, nil
}

func draftUpdate(ctx context.Context, s *session) (answer, error) {
	const body = "<p>livecheck</p>"
	draft, err := s.client.Drafts.Create(context.WithoutCancel(ctx), s.grantID, &nylas.CreateDraftRequest{
		To: []nylas.Participant{{Email: s.to}}, Subject: subject, Body: body,
	})
	if err != nil {
		return answer{}, err
	}
	s.hide(draft.ID)
	id := draft.ID // Nylas may give the draft a new one
	remove := s.later("the draft "+short(id), func(ctx context.Context) error { return s.client.Drafts.Delete(ctx, s.grantID, id) })
	updated, err := s.client.Drafts.Update(context.WithoutCancel(ctx), s.grantID, draft.ID, &nylas.UpdateDraftRequest{Subject: new(subject + ", changed")})
	if err != nil {
		return answer{}, err
	}
	if updated.ID != "" {
		id = updated.ID
		s.hide(id)
	}
	draft, err = s.client.Drafts.Get(ctx, s.grantID, id)
	if err != nil {
		return answer{}, err
	}
	kept := len(draft.To) == 1 && strings.Contains(draft.Body, description)
	text := "yes"
	if !kept {
		text = fmt.Sprintf("no: the recipient stays: %s; the body stays: %s", yesNo(len(draft.To) == 1), yesNo(strings.Contains(draft.Body, description)))
	}
	return answer{text: text, agrees: kept}, remove(ctx)
}

func scheduleAnswer(ctx context.Context, s *session) (answer, error) {
	var sent, listed []nylas.Exchange
	message, err := s.client.Messages.Send(context.WithoutCancel(ctx), s.grantID, &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: s.to}}, Subject: subject + ", not to be sent", Body: "<p>livecheck</p>", SendAt: time.Now().Add(ahead),
	}, nylas.WithCapture(&sent))
	if e, ok := errors.AsType[*nylas.Error](err); ok && e.StatusCode == http.StatusBadRequest {
		return answer{text: fmt.Sprintf("not %v ahead: it answers 400", ahead), evidence: err.Error()}, nil
	} else if err != nil {
		return answer{}, err
	}
	s.hide(message.ScheduleID)
	cancel := s.later("the scheduled message "+short(message.ScheduleID), func(ctx context.Context) error {
		return s.client.Messages.CancelSchedule(ctx, s.grantID, message.ScheduleID)
	})
	for _, err := range s.client.Messages.ListSchedules(ctx, s.grantID, nylas.WithCapture(&listed)) {
		if err != nil {
			return answer{}, err
		}
	}
	s.schedule = wire(listed)
	place := "in data"
	if slices.Contains(members(wire(sent)), "schedule_id") {
		place = "at the top"
	}
	status := sent[len(sent)-1].StatusCode
	return answer{
		text:     fmt.Sprintf("it answers %d, schedule_id is %s, and %v ahead is taken", status, place, ahead),
		agrees:   status == http.StatusOK && place == "in data",
		evidence: "at the top: " + names(members(wire(sent))) + "; in data: " + names(members(wire(sent), "data")),
	}, cancel(ctx)
}
