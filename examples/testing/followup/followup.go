// Package followup is a handler such as you would write: it makes a task for the salesperson when a
// person follows a link, and none when a mail filter does. Its test is the example: it shows how to
// test a handler of your own with package nylastest.
//
//	go test ./examples/testing/followup
package followup

import (
	"context"
	"sync"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/receive"
)

// ContactKey is the key of the contact in the labels of sent messages.
const ContactKey = "contact"

// New returns a handler that calls task once for each contact who followed a link. If task returns
// an error, it is called again when Nylas sends the notification again.
func New(task func(ctx context.Context, contact, url string) error) (receive.Handler, error) {
	var mu sync.Mutex
	done := map[string]bool{}
	ledger := engagement.NewLedger(engagement.NewMemoryStore(engagement.WithEvents()))
	return engagement.NewHandler(ledger, nil, func(ctx context.Context, e engagement.Event, v engagement.Verdict) error {
		label, ours := nylas.DecodeLabel(e.Label)
		contact := label[ContactKey]
		if !ours || contact == "" || e.Kind != engagement.Click || v.Actor != engagement.Human {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if done[contact] {
			return nil
		}
		if err := task(ctx, contact, e.URL); err != nil {
			return err
		}
		done[contact] = true
		return nil
	})
}
