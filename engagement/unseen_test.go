package engagement_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/engagement"
)

// TestUnseen: each known event stands for one recorded event of its message, kind and second.
func TestUnseen(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	event := func(id string, kind engagement.Kind, at time.Time) engagement.Event {
		return engagement.Event{ID: id, Kind: kind, MessageID: "m", Time: at, LinkIndex: -1}
	}
	open, click := event("", engagement.Open, at), event("", engagement.Click, at)
	later, other := event("", engagement.Open, at.Add(time.Second)), open
	other.MessageID = "n"
	recorded := []engagement.Event{later, open, click, open, other, open}

	assert.Empty(t, engagement.Unseen(nil, nil))
	assert.Equal(t, recorded, engagement.Unseen(nil, recorded))
	known := []engagement.Event{event("a", engagement.Open, at), event("b", engagement.Open, at.Add(999*time.Millisecond).In(time.FixedZone("", 3600)))}
	assert.Equal(t, []engagement.Event{later, click, other, open}, engagement.Unseen(known, recorded))
	known = append(known, event("c", engagement.Click, at), event("d", engagement.Open, at), event("e", engagement.Open, at), event("f", engagement.Open, at))
	assert.Equal(t, []engagement.Event{later, other}, engagement.Unseen(known, recorded))
	assert.Empty(t, engagement.Unseen(known, nil))
	unseen := engagement.Unseen(known, recorded)
	unseen[0].MessageID = "x"
	assert.Equal(t, "m", recorded[0].MessageID)
}
