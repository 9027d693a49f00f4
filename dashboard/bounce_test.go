package dashboard_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// Of three messages of a campaign one bounces and one is read. From the webhook to the page,
// the one that bounced is in no rate.
func TestCampaignWithABounce(t *testing.T) {
	t.Parallel()
	ctx, d := t.Context(), newDesk(t)
	handler, err := engagement.NewHandler(engagement.NewLedger(d.store), nil,
		func(context.Context, engagement.Event, engagement.Verdict) error { return nil },
		engagement.WithDelivery(d.store.SetDelivery))
	require.NoError(t, err)
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(handler, secrets)
	require.NoError(t, err)
	webhook := httptest.NewServer(receiver)
	t.Cleanup(webhook.Close)
	_, err = d.client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: webhook.URL, Types: slices.Concat(events.TrackingTypes(), events.DeliveryTypes()), Secrets: secrets,
	})
	require.NoError(t, err)
	var ids []string
	for _, to := range []string{"kim@acme.dev", "gone@acme.dev", "ali@acme.dev"} {
		message, err := d.client.Messages.Send(ctx, d.nylas.GrantID(), &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: to}}, Subject: "For " + to, Body: `<a href="https://acme.dev/demo">demo</a>`,
			TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, Label: "spring"},
		})
		require.NoError(t, err)
		ids = append(ids, message.ID)
		require.NoError(t, d.store.SetSent(ctx, engagement.Sent{
			GrantID: message.GrantID, MessageID: message.ID, Label: "spring", Subject: message.Subject, Recipients: 1,
		}))
	}
	reader, err := d.nylas.Recipient(ids[0])
	require.NoError(t, err)
	require.NoError(t, reader.WithUserAgent(gmailAgent).WithIP("66.249.84.1").Open(ctx))
	gone, err := d.nylas.Recipient(ids[1])
	require.NoError(t, err)
	require.NoError(t, gone.Bounce(ctx, "mailbox_unavailable"))
	require.NoError(t, d.nylas.Wait(ctx))
	_, err = d.store.Judge(ctx, nil)
	require.NoError(t, err)

	page := d.do(http.MethodGet, "campaign?name=spring", nil)
	require.Equal(t, http.StatusOK, page.status)
	assert.Equal(t, "Messages 3 Known to have arrived 0 Bounced, and in no share 1 Machines only 0 No signal 2 Events are missing 0",
		text(part(t, page.body, "numbers", "</dl>")))
	assert.Contains(t, text(page.body), "Opened: 50 %", "one of the two that did not bounce")
	assert.Contains(t, text(page.body), "For gone@acme.dev spring no signal bounced")
}
