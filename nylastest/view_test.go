package nylastest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	message, other := w.send(), w.send()
	for range 2 {
		require.NoError(t, w.recipient(message).Open(t.Context()))
	}
	for _, link := range []int{0, 1, 1} {
		_, err := w.recipient(message).Click(t.Context(), link)
		require.NoError(t, err)
	}
	_, err := w.recipient(message).Reply(t.Context())
	require.NoError(t, err)
	assert.Equal(t, nylastest.Counts{Opens: 2, Clicks: 3, Replies: 1}, w.server.Counts(message.ID))
	assert.Equal(t, nylastest.Counts{}, w.server.Counts(other.ID))
	assert.Equal(t, nylastest.Counts{}, w.server.Counts("unknown"))
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.Empty(t, w.server.Webhooks())
	created := w.call(http.MethodPost, "/v3/webhooks", object{
		"trigger_types": []string{"message.opened"}, "webhook_url": appURL, "description": "CRM", "compressed_delivery": true,
	}).data()
	want := []nylastest.Webhook{{
		ID: created["id"].(string), URL: appURL, Description: "CRM", Triggers: []events.Type{events.TypeMessageOpened},
		Status: "active", Compressed: true,
	}}
	assert.Equal(t, want, w.server.Webhooks())
}

func TestCompression(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nylastest.WithCompression())
	w.subscribe(appURL)
	require.NoError(t, w.recipient(w.send()).Open(t.Context()))
	opened := w.one()
	assert.Equal(t, "gzip", opened.header.Get("Content-Encoding"))
	assert.Equal(t, []byte{0x1f, 0x8b}, opened.body[:2])
}

func TestParseBehaviour(t *testing.T) {
	t.Parallel()
	for _, b := range nylastest.Behaviours() {
		got, err := nylastest.ParseBehaviour(b.String())
		require.NoError(t, err)
		assert.Equal(t, b.String(), got.String())
		got, err = nylastest.ParseBehaviour("forwarded " + b.String())
		require.NoError(t, err)
		assert.Equal(t, nylastest.Forwarded(b).String(), got.String())
	}
	for _, name := range []string{"", "forwarded", "forwarded x", "Gmail"} {
		_, err := nylastest.ParseBehaviour(name)
		require.ErrorContains(t, err, "want browser, phone, outlook", name)
	}
}

func TestRecipientAs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subscribe(appURL)
	message := w.send()
	require.NoError(t, w.recipient(message).As(nylastest.Gmail()).Open(t.Context()))
	open, _ := w.one().Data.(*events.MessageOpened).Latest()
	assert.Contains(t, open.UserAgent, "GoogleImageProxy")
	_, err := w.recipient(message).As(nylastest.Gmail()).Click(t.Context(), 1)
	require.NoError(t, err)
	click, _ := w.one().Data.(*events.MessageLinkClicked).Latest()
	assert.NotContains(t, click.UserAgent, "GoogleImageProxy")
	assert.NotEqual(t, open.IP, click.IP)

	require.ErrorContains(t, w.recipient(message).As(nylastest.SafeLinks()).Open(t.Context()), "no open happens as safe-links")
	_, err = w.recipient(message).As(nylastest.OutOfOffice()).Click(t.Context(), 0)
	require.ErrorContains(t, err, "no click happens as out-of-office")
	assert.Equal(t, nylastest.Counts{Opens: 1, Clicks: 1}, w.server.Counts(message.ID))
}
