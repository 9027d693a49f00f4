package endtoend_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	judgedMessages = 1000
	judgedSeed     = 10
	verdictsPage   = "../../docs/verdicts.md"
	resultsHeading = "## Results\n"
)

var updateVerdicts = flag.Bool("update", false, "write the tables of docs/verdicts.md anew")

// Many messages come to mailboxes whose behaviour is known, and the classifier judges what
// Nylas notifies of them. The page has the results; -update writes it anew.
func TestVerdictsAgainstTheTruth(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		store := engagement.NewMemoryStore(engagement.WithEvents())
		ledger := engagement.NewLedger(store)
		l.receive(receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
			n, err := events.Parse(d.Body)
			if err != nil {
				return err
			}
			_, err = ledger.Apply(ctx, n)
			return err
		}))
		classifier, err := engagement.NewClassifier(engagement.WithOwnNetworks(nylastest.SenderNetwork()))
		require.NoError(t, err)

		random := rand.New(rand.NewPCG(judgedSeed, 0))
		judged := make([]judgedMessage, judgedMessages)
		var mailboxes sync.WaitGroup
		for i := range judged {
			m := &judged[i]
			m.sent.Links = linksOf(1 + random.IntN(6))
			message, err := l.send(func(r *nylas.SendMessageRequest) { r.Body = bodyWith(m.sent.Links) })
			require.NoError(t, err)
			sent, _ := l.nylas.Message(message.ID)
			m.sent.GrantID, m.sent.MessageID, m.sent.At, m.sent.Recipients = sent.GrantID, sent.ID, sent.SentAt, 1
			var behaviours []nylastest.Behaviour
			behaviours, m.patient = mailbox(random, uint64(i+1))
			mailboxes.Go(func() {
				var err error
				m.happened, err = l.nylas.Receive(t.Context(), m.sent.MessageID, behaviours...)
				assert.NoError(t, err)
			})
		}
		mailboxes.Wait()
		require.NoError(t, l.nylas.Wait(t.Context()))
		for i := range judged {
			judged[i].judge(t, l, store, classifier)
		}

		humans := actorScore(judged, nylastest.ByPerson, engagement.Machine)
		assert.LessOrEqual(t, humans.share(), 0.005, "of what people did, this part was called a machine's")
		for _, m := range judged {
			if scanned, found := m.scanned(); scanned >= 3 && !m.patient {
				assert.True(t, found, "a scanner that follows %d links is found: %s", scanned, m.describe())
			}
		}
		checkPage(t, results(judged))
	})
}

// checkPage compares the page with the results, or writes them.
func checkPage(t *testing.T, results string) {
	t.Helper()
	content, err := os.ReadFile(verdictsPage)
	require.NoError(t, err)
	prose, _, found := strings.Cut(string(content), resultsHeading)
	require.True(t, found, "the page has no results")
	page := prose + resultsHeading + results
	if *updateVerdicts {
		require.NoError(t, os.WriteFile(verdictsPage, []byte(page), 0o644))
		return
	}
	assert.Equal(t, page, string(content), "write it anew with go test ./internal/endtoend -run Verdicts -update")
}

func linksOf(n int) []string {
	links := make([]string, n)
	for i := range links {
		links[i] = fmt.Sprintf("https://acme.dev/%d", i)
	}
	return links
}

func bodyWith(links []string) string {
	return `<p><a href="` + strings.Join(links, `">more</a></p><p><a href="`) + `">more</a></p>`
}

// mailbox makes up who receives a message: mostly somebody, one time in three behind a
// scanner. It reports whether the scanner is one that waits.
func mailbox(random *rand.Rand, seed uint64) (all []nylastest.Behaviour, patient bool) {
	add := func(b nylastest.Behaviour) { all = append(all, b.WithSeed(seed)) }
	people := weighted(random, []weight{
		{15, nylastest.Browser()},
		{10, nylastest.Phone()},
		{15, nylastest.Outlook()},
		{20, nylastest.AppleMail()},
		{20, nylastest.Gmail()},
		{5, nylastest.GmailPrefetch()},
		{3, nylastest.Yahoo()},
		{12, nylastest.Behaviour{}}, // nobody
	})
	scanner := weighted(random, []weight{
		{67, nylastest.Behaviour{}},
		{18, nylastest.SafeLinks()},
		{12, nylastest.Gateway()},
		{3, nylastest.PatientGateway()},
	})
	add(people)
	add(scanner)
	for _, extra := range []weight{
		{4, nylastest.LinkPreview()}, {8, nylastest.OutOfOffice()}, {12, nylastest.Sender()}, {5, nylastest.Forwarded(nylastest.Browser())},
	} {
		if random.IntN(100) < extra.percent {
			add(extra.behaviour)
		}
	}
	return all, scanner.String() == nylastest.PatientGateway().String()
}

type weight struct {
	percent   int
	behaviour nylastest.Behaviour
}

func weighted(random *rand.Rand, choices []weight) nylastest.Behaviour {
	drawn := random.IntN(100)
	for _, choice := range choices {
		if drawn -= choice.percent; drawn < 0 {
			return choice.behaviour
		}
	}
	panic("the weights do not sum up to 100")
}

// judgedMessage is a message with what is true of it and what was said of it.
type judgedMessage struct {
	sent     engagement.Sent
	patient  bool // the scanner in front of the mailbox waits between links
	happened []nylastest.Happened
	verdicts []engagement.Verdict // one for each of happened
	summary  engagement.Summary
}

// told is what a notification has of an event.
type told struct {
	kind                 string
	link                 int
	second               int64
	ip, userAgent, reply string
}

// judge judges the events of a message, and finds out which is which.
func (m *judgedMessage) judge(t *testing.T, l *loop, store *engagement.MemoryStore, classifier *engagement.Classifier) {
	t.Helper()
	known, err := store.Events(t.Context(), m.sent.GrantID, m.sent.MessageID)
	require.NoError(t, err)
	require.Len(t, known, len(m.happened), "each event is known once")
	for i := range known {
		if known[i].Kind == engagement.Reply {
			known[i].Automatic = automatic(t, l, known[i])
		}
	}
	m.summary = classifier.Message(m.sent, known)
	of := make(map[told][]engagement.Verdict)
	for i, e := range known {
		key := told{string(e.Kind), e.LinkIndex, e.Time.Unix(), "", e.UserAgent, e.ReplyID}
		if e.IP.IsValid() {
			key.ip = e.IP.String()
		}
		of[key] = append(of[key], m.summary.Verdicts[i])
	}
	m.verdicts = make([]engagement.Verdict, len(m.happened))
	for i, h := range m.happened {
		key := told{h.Kind, h.LinkIndex, h.At.Unix(), h.IP, h.UserAgent, h.ReplyID}
		require.NotEmpty(t, of[key], "an event that nobody was told of: %+v", h)
		m.verdicts[i], of[key] = of[key][0], of[key][1:]
	}
}

// automatic looks at the headers of a reply, as a program does.
func automatic(t *testing.T, l *loop, e engagement.Event) engagement.Answer {
	t.Helper()
	reply, err := l.client.Messages.Get(t.Context(), e.GrantID, e.ReplyID, nylas.WithFields(nylas.FieldsIncludeHeaders))
	require.NoError(t, err)
	header := map[string][]string{}
	for _, h := range reply.Headers {
		header[h.Name] = append(header[h.Name], h.Value)
	}
	return engagement.AutomaticReply(header)
}

// scanned returns how many links a scanner followed, and whether all of that was called a
// machine's.
func (m *judgedMessage) scanned() (links int, found bool) {
	found = true
	for i, h := range m.happened {
		if h.Kind == "click" && h.Mechanism == string(engagement.SecurityScanner) {
			links++
			found = found && m.verdicts[i].Actor == engagement.Machine
		}
	}
	return links, found && links > 0
}

// describe lists what happened and what was said of it.
func (m *judgedMessage) describe() string {
	var all strings.Builder
	for i, h := range m.happened {
		fmt.Fprintf(&all, "\n\t%s %d %s by %s after %s from %s %q: %s", h.Kind, h.LinkIndex, h.Mechanism, h.Cause,
			h.At.Sub(m.sent.At), h.IP, h.UserAgent, m.verdicts[i])
		for _, reason := range m.verdicts[i].Reasons {
			fmt.Fprint(&all, " ", reason.Code)
		}
	}
	return all.String()
}
