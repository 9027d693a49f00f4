package endtoend_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/nylastest"
)

// score is how many of some events were judged in a way.
type score struct{ hits, all int }

func (s *score) add(hit bool) {
	s.all++
	if hit {
		s.hits++
	}
}

func (s score) share() float64 {
	if s.all == 0 {
		return 0
	}
	return float64(s.hits) / float64(s.all)
}

func (s score) String() string {
	if s.all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*s.share())
}

// actorScore returns how much of what somebody did was said to be an actor's.
func actorScore(judged []judgedMessage, cause nylastest.Cause, actor engagement.Actor) score {
	var s score
	for _, m := range judged {
		for i, h := range m.happened {
			if h.Cause == cause {
				s.add(m.verdicts[i].Actor == actor)
			}
		}
	}
	return s
}

// results are the tables of the page.
func results(judged []judgedMessage) string {
	total := 0
	for _, m := range judged {
		total += len(m.happened)
	}
	return fmt.Sprintf("\n%d messages with %d events.\n", len(judged), total) +
		"\n### Who was behind it\n\n" +
		"Of all events that a person, a machine or the sender caused, recall is the part that was said to be\n" +
		"theirs. Of all events that were said to be theirs, precision is the part that was.\n\n" + actorTable(judged) +
		"\n### What made the request\n\n" + mechanismTable(judged) +
		"\n### Verdicts in detail\n\n" + detailTable(judged) +
		"\n### Scanners\n\n" +
		"A scanner is found if all its clicks were said to be a machine's.\n\n" + scannerTable(judged) +
		"\n### Messages\n\n" +
		"What `Classifier.Message` said of each message, and how often a person other than the sender\n" +
		"had really opened it, followed a link or answered.\n\n" + stateTable(judged)
}

func table(columns []string, rows [][]string) string {
	var out strings.Builder
	line := func(cells []string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	line(columns)
	rule := slices.Repeat([]string{"---:"}, len(columns))
	for i := range columns {
		if _, text := textColumns[columns[i]]; text {
			rule[i] = "---"
		}
	}
	fmt.Fprintf(&out, "|%s|\n", strings.Join(rule, "|"))
	for _, row := range rows {
		line(row)
	}
	return out.String()
}

// textColumns are those that hold no numbers.
var textColumns = map[string]struct{}{"actor": {}, "mechanism": {}, "event": {}, "caused by": {}, "scanner": {}, "state": {}}

func actorTable(judged []judgedMessage) string {
	var rows [][]string
	for _, pair := range []struct {
		cause nylastest.Cause
		actor engagement.Actor
	}{{nylastest.ByPerson, engagement.Human}, {nylastest.ByMachine, engagement.Machine}, {nylastest.BySender, engagement.Self}} {
		var precision score
		for _, m := range judged {
			for i, v := range m.verdicts {
				if v.Actor == pair.actor {
					precision.add(m.happened[i].Cause == pair.cause)
				}
			}
		}
		recall := actorScore(judged, pair.cause, pair.actor)
		wrong := actorScore(judged, pair.cause, engagement.Machine)
		if pair.actor == engagement.Machine {
			wrong = actorScore(judged, pair.cause, engagement.Human)
		}
		unknown := actorScore(judged, pair.cause, engagement.Indeterminate)
		rows = append(rows, []string{
			pair.actor.String(), fmt.Sprint(recall.all), fmt.Sprint(precision.all), precision.String(), recall.String(),
			unknown.String(), wrong.String(),
		})
	}
	return table([]string{"actor", "events", "said", "precision", "recall", "said indeterminate", "said the opposite"}, rows)
}

func mechanismTable(judged []judgedMessage) string {
	recall, precision := map[string]*score{}, map[string]*score{}
	at := func(scores map[string]*score, name string) *score {
		if scores[name] == nil {
			scores[name] = &score{}
		}
		return scores[name]
	}
	for _, m := range judged {
		for i, h := range m.happened {
			said := string(m.verdicts[i].Mechanism)
			at(recall, h.Mechanism).add(said == h.Mechanism)
			at(precision, said).add(said == h.Mechanism)
		}
	}
	var rows [][]string
	for name := range recall {
		at(precision, name)
	}
	for name, p := range precision {
		r := at(recall, name)
		rows = append(rows, []string{name, fmt.Sprint(r.all), fmt.Sprint(p.all), p.String(), r.String()})
	}
	slices.SortFunc(rows, func(a, b []string) int { return cmp.Compare(a[0], b[0]) })
	return table([]string{"mechanism", "events", "said", "precision", "recall"}, rows)
}

func detailTable(judged []judgedMessage) string {
	type what struct {
		mechanism, kind string
		cause           nylastest.Cause
	}
	counts := map[what]map[engagement.Actor]int{}
	for _, m := range judged {
		for i, h := range m.happened {
			key := what{h.Mechanism, h.Kind, h.Cause}
			if counts[key] == nil {
				counts[key] = map[engagement.Actor]int{}
			}
			counts[key][m.verdicts[i].Actor]++
		}
	}
	var rows [][]string
	for key, by := range counts {
		row := []string{key.mechanism, key.kind, string(key.cause)}
		for _, actor := range []engagement.Actor{engagement.Human, engagement.Indeterminate, engagement.Machine, engagement.Self} {
			row = append(row, fmt.Sprint(by[actor]))
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, slices.Compare)
	return table([]string{"mechanism", "event", "caused by", "said human", "indeterminate", "machine", "self"}, rows)
}

func scannerTable(judged []judgedMessage) string {
	const patient, most = 0, 3
	var found [most + 1]score // by links
	for _, m := range judged {
		links, ok := m.scanned()
		switch {
		case links == 0:
		case m.patient && links >= most:
			found[patient].add(ok)
		default:
			found[min(links, most)].add(ok)
		}
	}
	rows := make([][]string, 0, len(found))
	for i, name := range []string{"waits between 3 links or more", "1 link", "2 links", "3 links or more"} {
		rows = append(rows, []string{name, fmt.Sprint(found[i].all), fmt.Sprint(found[i].hits), found[i].String()})
	}
	return table([]string{"scanner", "messages", "found", "recall"}, append(rows[1:], rows[0]))
}

func stateTable(judged []judgedMessage) string {
	var rows [][]string
	for state := engagement.NoSignal; state <= engagement.Replied; state++ {
		var s score
		for _, m := range judged {
			if m.summary.State == state {
				s.add(slices.ContainsFunc(m.happened, func(h nylastest.Happened) bool { return h.Cause == nylastest.ByPerson }))
			}
		}
		rows = append(rows, []string{state.String(), fmt.Sprint(s.all), s.String()})
	}
	return table([]string{"state", "messages", "of a person"}, rows)
}
