package nylas_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// Transactional mail has a history, found by its label: the send does not return
// the id that the history has for it.
func TestLoopHistoryOfTransactionalMail(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		message, err := l.client.Transactional.Send(ctx, testDomain, &nylas.SendTransactionalRequest{
			To: toKim(), From: nylas.Participant{Email: "hello@" + testDomain}, Body: `<a href="https://acme.dev/x">x</a>`,
			TrackingOptions: &nylas.TransactionalTrackingOptions{Opens: true, Links: true, Label: "q"},
		})
		require.NoError(t, err)
		require.NoError(t, l.recipient(message).Open(ctx))
		list := collect(t, l.client.Activity.ListTracking(ctx, &nylas.ListTrackingRequest{Label: "q"}))
		require.Len(t, list, 1)
		assert.Empty(t, list[0].GrantID)
		assert.NotEqual(t, message.ID, list[0].MessageID)
		got, err := l.client.Activity.MessageTracking(ctx, list[0].MessageID)
		require.NoError(t, err)
		assert.Equal(t, list[0].MessageID, got.MessageID)
	}, nylastest.WithSendingDomains(testDomain))
}
