package engagement_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
)

// A world is what Nylas' documents leave open about ids.
type world int

const (
	idsByMessage world = iota // clicks of all links share the numbers
	idsByLink                 // each link counts its own clicks
	positions                 // ids count from 0 in each notification, oldest first
	positionsNewestFirst
	noIDs // there are none
	worlds
)

func (w world) String() string {
	return [...]string{"ids by message", "ids by link", "positions", "positions newest first", "no ids"}[w]
}

// load is an open or a click that happened, and known to the test only.
type load struct {
	id    int // as the world counts
	link  int
	time  int64
	ip    string
	agent string
}

func (l load) contents() string {
	return fmt.Sprintf("link %d at %d from %s by %s", l.link, l.time, l.ip, l.agent)
}

// history is all that happened to a message, and the notifications that Nylas made of it.
type history struct {
	world         world
	kind          engagement.Kind
	links         int
	loads         []load
	notifications []notification
}

type notification struct {
	parsed *events.Notification
	from   int // the window is loads[from:to]
	to     int
}

const windowSize = 50

// newHistory makes up what happens to a message: bursts of up to 120 loads, with a
// notification after each burst at least. Loads may be equal but for their ids, though
// never 50 of them in a second.
func newHistory(tb testing.TB, r *rand.Rand, w world) *history {
	tb.Helper()
	h := &history{world: w, kind: engagement.Open, links: 1}
	if r.IntN(2) == 0 {
		h.kind, h.links = engagement.Click, 1+r.IntN(4)
	}
	now := int64(1_700_000_000)
	perLink := make(map[int]int)
	for range 1 + r.IntN(4) {
		now += int64(r.IntN(4))
		equal := 0
		for range 1 + r.IntN(1+r.IntN(120)) {
			if r.IntN(3) == 0 || equal > 30 {
				now += int64(1 + r.IntN(3))
				equal = 0
			}
			equal++
			l := load{time: now, ip: "203.0.113." + strconv.Itoa(r.IntN(3)), agent: "Agent/" + strconv.Itoa(r.IntN(2))}
			if h.kind == engagement.Click {
				l.link = r.IntN(h.links)
			}
			l.id = len(h.loads)
			if w == idsByLink {
				l.id = perLink[l.link]
				perLink[l.link]++
			}
			h.loads = append(h.loads, l)
			if r.IntN(14) == 0 {
				h.notify(tb, r)
			}
		}
		h.notify(tb, r)
	}
	return h
}

// notify makes the notification of what happened so far.
func (h *history) notify(tb testing.TB, r *rand.Rand) {
	tb.Helper()
	to := len(h.loads)
	from := max(0, to-windowSize)
	n := &events.Notification{Type: events.TypeMessageOpened, ID: "n-" + strconv.Itoa(len(h.notifications)), GrantID: "grant-1"}
	opened := &events.MessageOpened{MessageID: "m-1"}
	clicked := &events.MessageLinkClicked{MessageID: "m-1"}
	for i, l := range h.loads[from:to] {
		id := l.id
		switch h.world {
		case positions:
			id = i
		case positionsNewestFirst:
			id = to - from - 1 - i
		}
		at := events.At(time.Unix(l.time, 0))
		opened.Recents = append(opened.Recents, events.Open{OpenedID: events.Int(id), IP: l.ip, Timestamp: at, UserAgent: l.agent})
		clicked.Recents = append(clicked.Recents, events.Click{ClickID: events.Int(id), LinkIndex: events.Index(l.link), IP: l.ip, Timestamp: at, UserAgent: l.agent})
	}
	r.Shuffle(to-from, func(i, j int) {
		opened.Recents[i], opened.Recents[j] = opened.Recents[j], opened.Recents[i]
		clicked.Recents[i], clicked.Recents[j] = clicked.Recents[j], clicked.Recents[i]
	})
	n.Data = opened
	if h.kind == engagement.Click {
		n.Type, n.Data = events.TypeMessageLinkClicked, clicked
	}
	// Some go over the wire. Without ids all must: only there can they be absent.
	if h.world == noIDs || r.IntN(10) == 0 {
		body, err := json.Marshal(n)
		require.NoError(tb, err)
		if h.world == noIDs {
			body = idOnTheWire.ReplaceAll(body, nil)
		}
		n = parse(tb, string(body))
	}
	h.notifications = append(h.notifications, notification{parsed: n, from: from, to: to})
}

var idOnTheWire = regexp.MustCompile(`"(opened|click)_id":\d+,`)

// deliver chooses what arrives, and in which order: some twice, some never.
func (h *history) deliver(r *rand.Rand) []notification {
	var arrived []notification
	for _, n := range h.notifications {
		if r.IntN(8) == 0 {
			continue
		}
		arrived = append(arrived, n)
		if r.IntN(6) == 0 {
			arrived = append(arrived, n)
		}
	}
	switch r.IntN(3) {
	case 0: // any order
		r.Shuffle(len(arrived), func(i, j int) { arrived[i], arrived[j] = arrived[j], arrived[i] })
	case 1: // some late
		for i := range arrived {
			if j := i + r.IntN(3); j < len(arrived) {
				arrived[i], arrived[j] = arrived[j], arrived[i]
			}
		}
	}
	return arrived
}

// told is what the notifications that arrived tell of: the truth that a ledger has to
// find.
func (h *history) told(arrived []notification) []bool {
	told := make([]bool, len(h.loads))
	for _, n := range arrived {
		for i := n.from; i < n.to; i++ {
			told[i] = true
		}
	}
	return told
}

// want returns the contents of the events that a ledger has to find. Without ids it cannot
// tell equal loads apart that never stood in one notification together.
func (h *history) want(arrived []notification) []string {
	var want []string
	if h.world <= idsByLink {
		for i, told := range h.told(arrived) {
			if told {
				want = append(want, h.loads[i].contents())
			}
		}
		return want
	}
	most := make(map[string]int)
	for _, n := range arrived {
		equal := make(map[string]int)
		for _, l := range h.loads[n.from:n.to] {
			equal[l.contents()]++
		}
		for contents, n := range equal {
			most[contents] = max(most[contents], n)
		}
	}
	for contents, n := range most {
		want = append(want, slices.Repeat([]string{contents}, n)...)
	}
	return want
}

func parse(tb testing.TB, body string) *events.Notification {
	tb.Helper()
	n, err := events.Parse([]byte(body))
	if err != nil {
		tb.Fatalf("%v\n%s", err, body)
	}
	return n
}

func contentsOf(e engagement.Event) string {
	return load{link: max(e.LinkIndex, 0), time: e.Time.Unix(), ip: e.IP.String(), agent: e.UserAgent}.contents()
}

// missing are the ids that no notification told of although later ones are known.
func (h *history) missing(told []bool) (byLink map[int][]int, all []int) {
	byLink = make(map[int][]int)
	highest := make(map[int]int)
	top := -1
	seen := make(map[int]bool)
	for i, l := range h.loads {
		if told[i] {
			top = max(top, l.id)
			highest[l.link] = max(highest[l.link], l.id)
			seen[l.id] = true
		}
	}
	for i, l := range h.loads {
		if !told[i] && l.id < highest[l.link] {
			byLink[l.link] = append(byLink[l.link], l.id)
		}
	}
	for id := range top {
		if !seen[id] {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return byLink, all
}
