package dashboard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// The list, the page and the download of a message say the same after its events were deleted.
func TestDeletedEventsStillCount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, nil)
	s.happened(event("m-1", engagement.Open, noon.Add(time.Hour), gmailAgent), click("m-1", 0, noon.Add(2*time.Hour), chromeAgent))
	s.sent("m-2", noon, nil)
	s.happened(click("m-2", 0, noon.Add(time.Hour), chromeAgent), event("m-2", engagement.Open, noon.Add(9*time.Hour), gmailAgent))
	s.judge()
	columns := []string{"state", "confidence", "opens_human", "clicks_human", "first_open", "first_click", "first_click_seconds"}
	of := func() map[string][]string {
		all := map[string][]string{}
		for _, row := range s.table("/messages.csv") {
			for _, name := range columns {
				all[row["message_id"]] = append(all[row["message_id"]], row[name])
			}
		}
		return all
	}
	before := of()
	require.Equal(t, "clicked", before["m-1"][0])
	_, err := s.store.DeleteEvents(t.Context(), noon.Add(3*time.Hour))
	require.NoError(t, err)
	s.judge()
	assert.Equal(t, before, of())
	assert.Equal(t, []string{"m-2"}, column(s.table("/events.csv"), "message_id"), "the events are gone")

	page := text(s.get("/messages/g-1/m-1"))
	assert.Contains(t, page, "No event is stored any more: the old ones were deleted.")
	assert.NotContains(t, page, "No event yet")
	assert.Contains(t, page, "Old events of the message were deleted.")
	page = text(s.get("/messages/g-1/m-2"))
	assert.NotContains(t, page, "No event")
	assert.Contains(t, page, "Old events of the message were deleted.")
}

func TestEmptyTimelines(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, nil)
	assert.Contains(t, text(s.get("/messages/g-1/m-1")), "No event yet. That does not say that nobody read the message.")
	s.happened(click("m-1", 0, noon.Add(time.Hour), chromeAgent))
	require.NoError(t, s.store.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{"m-1"}, DeleteEvents: true}))
	page := text(s.get("/messages/g-1/m-1"))
	assert.Contains(t, page, "No event is stored: the recipient withdrew their consent.")
	assert.NotContains(t, page, "No event yet")
}
