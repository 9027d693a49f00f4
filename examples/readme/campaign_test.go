package readme_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

// The campaign runs twice, and everybody gets one mail.
func TestCampaign(t *testing.T) {
	t.Parallel()
	server := nylastest.NewServer(t)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "campaign.db")
	mail := &nylas.SendMessageRequest{Subject: "Spring", Body: "Hello", TrackingOptions: &nylas.TrackingOptions{Opens: true}}
	contacts := []nylas.Person{
		{ID: "1", Participant: nylas.Participant{Email: "kim@example.org"}},
		{ID: "2", Participant: nylas.Participant{Email: "sam@example.org"}},
	}
	for range 2 {
		require.NoError(t, campaign(t.Context(), client, file, server.GrantID(), mail, contacts))
		assert.Len(t, server.Messages(), 2)
	}
}

func campaign(
	ctx context.Context, client *nylas.Client, file, grantID string, mail *nylas.SendMessageRequest, contacts []nylas.Person,
) error {
	// readme:begin campaign
	box, err := outbox.Open(file)
	if err != nil {
		return err
	}
	defer box.Close()
	personal, err := mail.Each("spring", contacts) // each has its own label and key
	if err != nil {
		return err
	}
	if err := box.AddEach(ctx, grantID, personal); err != nil { // no effect on mails that it has
		return err
	}
	return box.Run(ctx, client) // until all is sent; after a crash or Ctrl-C do all this again
	// readme:end
}
