//go:build unix

package comparison_test

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// This file is the receivers and the sender with this SDK.

func serveSDK(string) (http.Handler, func() error, error) {
	j := newJournal()
	ledger := engagement.NewLedger(engagement.NewMemoryStore())
	saved, err := engagement.NewHandler(ledger, nil, func(_ context.Context, e engagement.Event, _ engagement.Verdict) error {
		return j.save(event{string(e.Kind), e.MessageID, e.Label, e.Time.Unix()})
	})
	if err != nil {
		return nil, nil, err
	}
	receiver, err := receive.New(receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		err := saved.HandleDelivery(ctx, d)
		if receive.IsPermanent(err) {
			j.keep(d.Body) // signed by Nylas, and not readable
			return nil
		}
		return err
	}), receive.Secret(webhookSecret))
	mux := http.NewServeMux()
	mux.Handle("GET /report", j)
	mux.Handle("/", receiver)
	return mux, nil, err
}

// serveDispatcher does no more than the receivers by hand: it knows events by their ids, in
// a map, and judges none.
func serveDispatcher(string) (http.Handler, func() error, error) {
	j := newJournal()
	var mu sync.Mutex
	known := map[string]bool{}
	receiver, err := receive.New(receive.DropDuplicates(&receive.Dispatcher{
		Other: func(_ context.Context, n *events.Notification) error {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range engagement.Events(n) {
				if known[e.ID] {
					continue
				}
				if err := j.save(event{string(e.Kind), e.MessageID, e.Label, e.Time.Unix()}); err != nil {
					return err
				}
				known[e.ID] = true
			}
			return nil
		},
		Undecodable: func(_ context.Context, d *receive.Delivery, _ error) error {
			j.keep(d.Body)
			return nil
		},
	}, 10_000), receive.Secret(webhookSecret))
	return receiver, nil, err
}

func sendBySDK(to emulator) func(ctx context.Context) outcome {
	client, err := nylas.NewClient(to.Key, nylas.WithBaseURL(to.URL))
	return func(ctx context.Context) outcome {
		if err != nil {
			return failed
		}
		_, err := client.Messages.Send(ctx, to.Grant, &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: recipient}}, Subject: subject, Body: body,
			TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: label},
		})
		switch {
		case errors.Is(err, nylas.ErrOutcomeUnknown):
			return unknown
		case err != nil:
			return failed
		}
		return sent
	}
}
