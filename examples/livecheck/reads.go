package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/receive"
)

// ourTotals has the names that nylastest gives the members of totals.
var ourTotals = []string{"click_rate", "clicked_messages", "open_rate", "opened_messages", "tracked_links", "tracked_opens"}

func metricsNames(ctx context.Context, s *session) (answer, error) {
	var exchanges []nylas.Exchange
	if _, err := s.client.Metrics.TrackingSummary(ctx, nil, nylas.WithCapture(&exchanges)); err != nil {
		return answer{}, err
	}
	more, totals := without(members(wire(exchanges), "data"), "totals"), members(wire(exchanges), "data", "totals")
	return answer{
		text:   "besides totals: " + names(more) + "; in totals: " + names(totals),
		agrees: slices.Equal(more, []string{"previous"}) && slices.Equal(totals, ourTotals),
	}, nil
}

// documentedEvent has the members of an event that the reference shows.
//
// https://developer.nylas.com/docs/reference/api/tracking-events/
var documentedEvent = []string{
	"id", "event_type", "timestamp", "application_id", "grant_id", "message_id", "thread_id", "from", "sending_domain", "label",
}

func historyNames(ctx context.Context, s *session) (answer, error) {
	var exchanges []nylas.Exchange
	for _, err := range s.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{EventType: nylas.TrackingLinkClicked}, nylas.WithCapture(&exchanges)) {
		if err != nil {
			return answer{}, err
		}
		more := without(members(wire(exchanges), "data"), documentedEvent...)
		return answer{text: names(more), agrees: slices.Equal(more, []string{"link_index", "link_url"})}, nil
	}
	return answer{}, errors.New("the tracking history of the last 7 days has no click: it has the mail of Agent Accounts and Transactional sends only")
}

func sendEventNames(ctx context.Context, s *session) (answer, error) {
	var exchanges []nylas.Exchange
	for event, err := range s.client.Activity.ListSends(ctx, nil, nylas.WithCapture(&exchanges)) {
		if err != nil {
			return answer{}, err
		}
		var more []string
		for name := range event.Other {
			more = append(more, name)
		}
		slices.Sort(more)
		return answer{text: names(more), agrees: len(more) == 0, evidence: "members: " + names(members(wire(exchanges), "data"))}, nil
	}
	return answer{}, errors.New("there is no send event of the last 7 days: they are of Agent Accounts and Transactional sends only")
}

func ipAddresses(ctx context.Context, s *session) (answer, error) {
	var exchanges []nylas.Exchange
	addresses, err := s.client.Webhooks.IPAddresses(ctx, nylas.WithCapture(&exchanges))
	if e, ok := errors.AsType[*nylas.Error](err); ok && e.StatusCode >= 400 && e.StatusCode < 500 {
		return answer{text: fmt.Sprintf("no, it answers %d", e.StatusCode), evidence: err.Error()}, nil
	} else if err != nil {
		return answer{}, err
	}
	return answer{
		text: fmt.Sprintf("it tells %d addresses", len(addresses.IPAddresses)), agrees: len(addresses.IPAddresses) > 0,
		evidence: "members: " + names(members(wire(exchanges))) + "; in data: " + names(members(wire(exchanges), "data")),
	}, nil
}

func challengeHeaders(_ context.Context, s *session) (answer, error) {
	challenges := s.hooks.challenged()
	if len(challenges) == 0 {
		return answer{}, errors.New("there was no challenge")
	}
	signed := challenges[0].Header.Get(receive.SignatureHeader) != ""
	text := "no"
	if signed {
		text = "it has a header " + receive.SignatureHeader
	}
	return answer{text: text, agrees: !signed, evidence: headers(challenges[0].Header)}, nil
}

func webhookMembers(ctx context.Context, s *session) (answer, error) {
	if s.webhook == "" {
		return answer{}, errNoWebhook
	}
	var one, list []nylas.Exchange
	if _, err := s.client.Webhooks.Get(ctx, s.webhook, nylas.WithCapture(&one)); err != nil {
		return answer{}, err
	}
	for _, err := range s.client.Webhooks.List(ctx, nylas.WithCapture(&list)) {
		if err != nil {
			return answer{}, err
		}
	}
	get, listed := members(wire(one), "data"), members(wire(list), "data")
	compressed, times := slices.Contains(get, "compressed_delivery"), slices.Contains(listed, "created_at")
	return answer{
		text:     fmt.Sprintf("compressed_delivery with one: %s; times with the list: %s", yesNo(compressed), yesNo(times)),
		agrees:   !compressed && !times,
		evidence: "one: " + names(get) + "; in the list: " + names(listed),
	}, nil
}

func scheduleList(_ context.Context, s *session) (answer, error) {
	body := strings.TrimSpace(string(s.schedule))
	switch {
	case body == "":
		return answer{}, errors.New("no schedule was made")
	case strings.HasPrefix(body, "["):
		return answer{text: "bare", evidence: "a schedule has " + names(members(s.schedule))}, nil
	case slices.Contains(members(s.schedule, "data"), "schedules"):
		return answer{text: "in schedules in data", evidence: "a schedule has " + names(members(s.schedule, "data", "schedules"))}, nil
	default:
		return answer{text: "in data", agrees: true, evidence: "a schedule has " + names(members(s.schedule, "data"))}, nil
	}
}

func historyCovers(ctx context.Context, s *session) (answer, error) {
	events := 0
	for _, err := range s.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{Label: s.label}) {
		if err != nil {
			return answer{}, err
		}
		events++
	}
	agent := s.provider == nylas.ProviderAgentAccount
	return answer{
		text: fmt.Sprintf("it has %d events of the message", events), agrees: (events > 0) == agent,
		evidence: fmt.Sprintf("Agent Account: %s", yesNo(agent)),
	}, nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
