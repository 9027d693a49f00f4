package events_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/events"
)

// The place in Recents means nothing: the time decides, then the id.
func TestLatest(t *testing.T) {
	t.Parallel()
	type moment struct {
		id   events.Int
		time int64
	}
	tests := map[string]struct {
		recents []moment
		want    int // the place of the latest, -1 for none
	}{
		"none":                        {nil, -1},
		"one":                         {[]moment{{7, 100}}, 0},
		"last in the list":            {[]moment{{0, 100}, {1, 101}}, 1},
		"first in the list":           {[]moment{{1, 101}, {0, 100}}, 0},
		"in the middle":               {[]moment{{0, 100}, {2, 102}, {1, 101}}, 1},
		"the time before the id":      {[]moment{{0, 102}, {9, 101}}, 0},
		"the id where times are same": {[]moment{{1, 100}, {2, 100}, {0, 100}}, 1},
		"negative id, before 1970":    {[]moment{{-5, -100}, {-6, -100}, {-4, -101}}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened events.MessageOpened
			var clicked events.MessageLinkClicked
			var legacyOpened events.LegacyOpenedMetadata
			var legacyClicked events.LegacyLinkClickedMetadata
			for _, m := range test.recents {
				opened.Recents = append(opened.Recents, events.Open{OpenedID: m.id, Timestamp: unix(m.time), IP: "ip"})
				clicked.Recents = append(clicked.Recents, events.Click{ClickID: m.id, Timestamp: unix(m.time), IP: "ip"})
				legacyOpened.Recents = append(legacyOpened.Recents, events.LegacyOpen{ID: m.id, Timestamp: unix(m.time), IP: "ip"})
				legacyClicked.Recents = append(legacyClicked.Recents, events.LegacyClick{ID: m.id, Timestamp: unix(m.time), IP: "ip"})
			}
			checkLatest(t, opened.Recents, test.want, opened.Latest)
			checkLatest(t, clicked.Recents, test.want, clicked.Latest)
			checkLatest(t, legacyOpened.Recents, test.want, legacyOpened.Latest)
			checkLatest(t, legacyClicked.Recents, test.want, legacyClicked.Latest)
		})
	}
	t.Run("without a time", func(t *testing.T) {
		t.Parallel()
		opened := events.MessageOpened{Recents: []events.Open{{OpenedID: 9}, {OpenedID: 1, Timestamp: unix(-5)}}}
		checkLatest(t, opened.Recents, 1, opened.Latest)
	})
}

func checkLatest[E any](t *testing.T, recents []E, want int, latest func() (E, bool)) {
	t.Helper()
	got, ok := latest()
	assert.Equal(t, want >= 0, ok)
	if want < 0 {
		assert.Zero(t, got)
		return
	}
	assert.Equal(t, recents[want], got)
}
