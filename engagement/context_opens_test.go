package engagement_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/engagement"
)

// Who follows links faster than a person has not looked at the images either. Others that load
// them at that time, and the same visitor at another time, may have.
func TestOpensOfAScanner(t *testing.T) {
	t.Parallel()
	burst := clicks([2]int{0, 10}, [2]int{1, 10}, [2]int{2, 11})
	for name, test := range map[string]struct {
		open  engagement.Event
		actor engagement.Actor
	}{
		"just before":     {open(chrome, home, time.Hour+9*time.Second), engagement.Machine},
		"just after":      {open(chrome, home, time.Hour+14*time.Second), engagement.Machine},
		"earlier":         {open(chrome, home, time.Hour+6*time.Second), engagement.Human},
		"later":           {open(chrome, home, time.Hour+15*time.Second), engagement.Human},
		"another agent":   {open(safari, home, time.Hour+10*time.Second), engagement.Human},
		"another address": {open(chrome, "203.0.113.8", time.Hour+10*time.Second), engagement.Human},
		"no address":      {open(chrome, "", time.Hour+10*time.Second), engagement.Human},
		"a mail client":   {open(outlook, home, time.Hour+10*time.Second), engagement.Human},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdict := newClassifier(t).Message(sentTo(20), slices.Concat(burst, []engagement.Event{test.open})).Verdicts[3]
			assert.Equal(t, test.actor, verdict.Actor, engagement.Sentences(verdict.Reasons))
			assert.Equal(t, test.actor == engagement.Machine, verdict.Has(engagement.CodeLinksAtOnce))
		})
	}
	// Without addresses nobody knows who is the same visitor.
	nowhere := slices.Concat(burst, []engagement.Event{open(chrome, home, time.Hour+10*time.Second)})
	for i := range nowhere {
		nowhere[i].IP = netip.Addr{}
	}
	assert.Equal(t, engagement.Human, newClassifier(t).Message(sentTo(20), nowhere).Verdicts[3].Actor)
	slow := clicks([2]int{0, 10}, [2]int{1, 12}, [2]int{2, 14})
	assert.Equal(t, engagement.Human, newClassifier(t).Message(sentTo(20), append(slow, open(chrome, home, time.Hour+10*time.Second))).Verdicts[3].Actor)
}
