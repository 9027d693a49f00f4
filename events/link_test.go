package events_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/events"
)

func TestLink(t *testing.T) {
	t.Parallel()
	links := []events.LinkData{{Count: 1, URL: "https://acme.dev/0"}, {Count: 2, URL: "https://acme.dev/1"}, {Count: 3, URL: "https://acme.dev/2"}}
	tests := map[string]struct {
		links   []events.LinkData
		recents []int64 // the link indexes of Recents
		index   int64   // that of the click
		want    string  // "" if the link is not known
	}{
		"the first of several":              {links, []int64{0, 2}, 0, "https://acme.dev/0"},
		"the last of several":               {links, []int64{0, 2}, 2, "https://acme.dev/2"},
		"after the last":                    {links, []int64{3}, 3, ""},
		"before the first":                  {links, []int64{-1}, -1, ""},
		"the greatest index":                {links, nil, math.MaxInt64, ""},
		"the least index":                   {links, nil, math.MinInt64, ""},
		"an index of 33 bits":               {links, nil, 1 << 32, ""},
		"the only link of a message":        {links[:1], []int64{0, 0}, 0, "https://acme.dev/0"},
		"only the clicked link is listed":   {links[1:2], []int64{1, 1}, 1, "https://acme.dev/1"},
		"one link, clicks on two":           {links[1:2], []int64{0, 1}, 1, ""},
		"one link, the first of two":        {links[1:2], []int64{0, 1}, 0, ""},
		"one link, a click from elsewhere":  {links[1:2], []int64{1}, 0, ""},
		"one link, a click without recents": {links[1:2], nil, 4, "https://acme.dev/1"},
		"no links":                          {nil, []int64{0}, 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clicked := events.MessageLinkClicked{LinkData: test.links}
			legacy := events.LegacyLinkClickedMetadata{LinkData: test.links}
			for _, index := range test.recents {
				clicked.Recents = append(clicked.Recents, events.Click{LinkIndex: events.Index(index)})
				legacy.Recents = append(legacy.Recents, events.LegacyClick{LinkIndex: events.Int(index)})
			}
			link, ok := clicked.Link(events.Click{LinkIndex: events.Index(test.index)})
			assert.Equal(t, test.want, link.URL)
			assert.Equal(t, test.want != "", ok)

			link, ok = legacy.Link(events.LegacyClick{LinkIndex: events.Int(test.index)})
			assert.Equal(t, test.want, link.URL)
			assert.Equal(t, test.want != "", ok)
		})
	}
}
