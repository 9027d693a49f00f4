package events_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/events"
)

// unknownTypes are the triggers that have a name but no type of their own.
var unknownTypes = []events.Type{
	events.TypeBookingCancelled, events.TypeBookingCreated, events.TypeBookingPending,
	events.TypeBookingReminder, events.TypeBookingRescheduled, events.TypeCalendarCreated, events.TypeCalendarDeleted,
	events.TypeCalendarUpdated, events.TypeContactDeleted, events.TypeContactUpdated, events.TypeEventCreated,
	events.TypeEventDeleted, events.TypeEventUpdated, events.TypeFolderCreated, events.TypeFolderDeleted,
	events.TypeFolderUpdated,
	events.TypeGrantIMAPSyncCompleted, events.TypeMessageCreated, events.TypeMessageCreatedCleaned,
	events.TypeMessageDeleted, events.TypeMessageIntelligenceOrder, events.TypeMessageIntelligenceReturn,
	events.TypeMessageIntelligenceTravel, events.TypeMessageIntelligenceTracking, events.TypeMessageUpdated,
	events.TypeNotetakerCreated, events.TypeNotetakerDeleted, events.TypeNotetakerMedia, events.TypeNotetakerMeetingState,
	events.TypeNotetakerUpdated,
}

func TestTypeBaseAndSuffixes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ      events.Type
		base     events.Type
		suffixes []string
	}{
		{"message.opened", "message.opened", nil},
		{"message.opened.truncated", "message.opened", []string{"truncated"}},
		{"message.created.truncated", "message.created", []string{"truncated"}},
		{"message.updated.transformed", "message.updated", []string{"transformed"}},
		{"message.created.cleaned", "message.created", []string{"cleaned"}},
		{"message.created.cleaned.truncated", "message.created", []string{"cleaned", "truncated"}},
		{"message.created.transformed.cleaned.truncated", "message.created", []string{"transformed", "cleaned", "truncated"}},
		{"message.opened.legacy", "message.opened.legacy", nil},
		{"message.opened.legacy.truncated", "message.opened.legacy", []string{"truncated"}},
		{"message.created.metadata", "message.created.metadata", nil},
		{"message.created.metadata.cleaned", "message.created.metadata", []string{"cleaned"}},
		{"message.opened.truncated.legacy", "message.opened.truncated.legacy", nil},
		{"message.opened.shrunk", "message.opened.shrunk", nil},
		{"message.opened.Truncated", "message.opened.Truncated", nil},
		{"message.opened.untruncated", "message.opened.untruncated", nil},
		{"truncated", "truncated", nil},
		{".truncated", ".truncated", nil},
		{"cleaned.truncated", "cleaned", []string{"truncated"}},
		{"message..truncated", "message.", []string{"truncated"}},
		{"message.opened.", "message.opened.", nil},
		{"", "", nil},
	}
	for _, test := range tests {
		t.Run(string(test.typ), func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.base, test.typ.Base())
			assert.Equal(t, test.suffixes, test.typ.Suffixes())
			if test.suffixes == nil {
				assert.Nil(t, test.typ.Suffixes())
			}
		})
	}
	assert.Equal(t, []string{"transformed", "cleaned", "truncated"},
		[]string{events.SuffixTransformed, events.SuffixCleaned, events.SuffixTruncated})
}

func TestTrackingTypes(t *testing.T) {
	t.Parallel()
	want := []events.Type{"message.opened", "message.link_clicked", "thread.replied"}
	types := events.TrackingTypes()
	assert.Equal(t, want, types)
	types[0] = "changed by the caller"
	assert.Equal(t, want, events.TrackingTypes())
}

// A name that is misspelt in its constant would subscribe to nothing.
func TestTypeNames(t *testing.T) {
	t.Parallel()
	var names []events.Type
	for _, s := range samples() {
		if _, isUnknown := s.data.(*events.Unknown); !isUnknown {
			names = append(names, s.typ)
		}
	}
	assert.ElementsMatch(t, []events.Type{
		"message.opened", "message.link_clicked", "thread.replied",
		"message.opened.legacy", "message.link_clicked.legacy", "thread.replied.legacy",
		"message.send_success", "message.send_failed", "message.bounce_detected",
		"message.transactional.bounced", "message.transactional.complaint", "message.transactional.delivered", "message.transactional.rejected",
		"message.bounced", "message.complaint", "message.delivered", "message.rejected",
		"grant.created", "grant.updated", "grant.deleted", "grant.expired", "alert.triggered",
	}, names)
	assert.ElementsMatch(t, []events.Type{
		"booking.cancelled", "booking.created", "booking.pending", "booking.reminder", "booking.rescheduled",
		"calendar.created", "calendar.deleted", "calendar.updated",
		"contact.deleted", "contact.updated",
		"event.created", "event.deleted", "event.updated",
		"folder.created", "folder.deleted", "folder.updated",
		"grant.imap_sync_completed",
		"message.created", "message.created.cleaned", "message.deleted",
		"message.intelligence.order", "message.intelligence.return", "message.intelligence.travel", "message.intelligence.tracking",
		"message.updated",
		"notetaker.created", "notetaker.deleted", "notetaker.media", "notetaker.meeting_state", "notetaker.updated",
	}, unknownTypes)
}

// The lists hold triggers of typed data, none twice, and a caller cannot change them.
func TestTypesToSubscribeTo(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []events.Type{"message.opened", "message.link_clicked", "thread.replied"}, events.TrackingTypes())
	assert.ElementsMatch(t, []events.Type{
		"message.send_failed", "message.bounce_detected", "message.bounced", "message.transactional.bounced",
		"message.complaint", "message.transactional.complaint", "message.rejected", "message.transactional.rejected",
		"grant.expired", "grant.deleted",
	}, events.FailureTypes())
	assert.ElementsMatch(t, []events.Type{
		"message.bounce_detected", "message.delivered", "message.bounced", "message.rejected",
		"message.transactional.delivered", "message.transactional.bounced", "message.transactional.rejected",
	}, events.DeliveryTypes())
	seen := map[events.Type]bool{}
	for _, typ := range append(events.TrackingTypes(), events.FailureTypes()...) {
		assert.False(t, seen[typ], typ)
		seen[typ] = true
		assert.NotContains(t, unknownTypes, typ)
	}
	events.FailureTypes()[0] = ""
	assert.NotContains(t, events.FailureTypes(), events.Type(""))
}
