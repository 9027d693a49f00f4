package nylastest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// CI replays 10,000 messages once. Fewer are enough to see a mistake within seconds.
var (
	replaySeed     = flag.Uint64("replay.seed", rand.Uint64(), "the seed of TestSeedReplaysARun")
	replayMessages = flag.Int("replay.messages", 300, "how many messages TestSeedReplaysARun sends")
)

// played is what became of a run.
type played struct {
	messages []nylastest.Message
	truth    map[string][]nylastest.Happened // by message
	// taken are the notifications that the receiver answered 200, by id, and log is a line
	// for each delivery that came, sorted.
	taken map[string]*events.Notification
	log   []string
	// deliveries are what the server says of them.
	deliveries []nylastest.DeliveryAttempt
}

// mailboxes are who may receive a message.
func mailboxes() []nylastest.Behaviour {
	return []nylastest.Behaviour{
		nylastest.Browser(), nylastest.Phone(), nylastest.Outlook(), nylastest.AppleMail(), nylastest.Gmail(),
		nylastest.GmailPrefetch(), nylastest.Yahoo(), nylastest.SafeLinks(), nylastest.Gateway(), nylastest.PatientGateway(),
		nylastest.LinkPreview(), nylastest.OutOfOffice(), nylastest.Sender(), nylastest.Forwarded(nylastest.Browser()),
	}
}

// play sends messages to random recipients, with random faults on every way.
func play(t *testing.T, seed uint64, count int) *played {
	t.Helper()
	p := &played{truth: make(map[string][]nylastest.Happened), taken: make(map[string]*events.Notification)}
	synctest.Test(t, func(t *testing.T) {
		network := nylastest.NewNetwork()
		server := nylastest.NewServer(t, nylastest.WithNetwork(network), nylastest.WithSeed(seed))
		w := &world{t: t, network: network, server: server}
		secret := ""
		var mu sync.Mutex
		listener, err := network.Listen(appHost)
		require.NoError(t, err)
		hooks := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(rw, r.URL.Query().Get("challenge"))
				return
			}
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			defer mu.Unlock()
			rw.WriteHeader(p.receive(t, body, r.Header.Get("X-Nylas-Signature") == nylastest.Sign(secret, body)))
		})}
		go func() { _ = hooks.Serve(listener) }()
		defer func() { _ = hooks.Close() }()
		mu.Lock()
		hook := make(chan string)
		go func() { hook <- w.subscribe(appURL)["webhook_secret"].(string) }()
		secret = <-hook
		mu.Unlock()

		const often = nylastest.Forever
		require.NoError(t, server.InjectDelivery(
			nylastest.DeliveryFault{Times: often, Chance: 0.02, Lose: true},
			nylastest.DeliveryFault{Times: often, Chance: 0.02, WrongSignature: true},
			nylastest.DeliveryFault{Times: often, Chance: 0.05, Duplicates: 1},
			nylastest.DeliveryFault{Times: often, Chance: 0.05, Delay: time.Hour},
			nylastest.DeliveryFault{Times: often, Chance: 0.05, Reorder: true},
			nylastest.DeliveryFault{Times: often, Chance: 0.02, Attempt: 3},
		))
		require.NoError(t, server.Inject(
			nylastest.Fault{Endpoint: nylastest.EndpointPixel, Times: often, Chance: 0.02, Delay: time.Minute},
			nylastest.Fault{Endpoint: nylastest.EndpointLink, Times: often, Chance: 0.02, Before: nylastest.GatewayAnswer(502)},
		))
		var running sync.WaitGroup
		for i := range count {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			a := w.call(http.MethodPost, w.sendPath(), replayMail(i, random))
			require.Equal(t, http.StatusOK, a.status, "%s", a.body)
			id := a.data()["id"].(string)
			running.Go(func() {
				happened, _ := server.Receive(t.Context(), id, randomMailbox(i, random)...) // a link may fail
				mu.Lock()
				defer mu.Unlock()
				p.truth[id] = happened
			})
		}
		running.Wait()
		require.NoError(t, server.Wait(t.Context()))
		p.messages = server.Messages()
		p.deliveries = server.Deliveries()
	})
	slices.Sort(p.log)
	return p
}

// replayMail is a message with up to three links, of which any kind may not be tracked.
func replayMail(i int, random *rand.Rand) object {
	var body strings.Builder
	for link := range random.IntN(4) {
		fmt.Fprintf(&body, `<a href="https://acme.dev/%d">%d</a>`, link, link)
	}
	return mail(object{"subject": fmt.Sprint(i), "body": body.String(), "tracking_options": object{
		"opens": random.IntN(10) > 0, "links": random.IntN(10) > 0, "thread_replies": random.IntN(2) > 0, "label": fmt.Sprint("label-", i),
	}})
}

func randomMailbox(i int, random *rand.Rand) []nylastest.Behaviour {
	kinds := mailboxes()
	behaviours := make([]nylastest.Behaviour, 1+random.IntN(2))
	if i < 3 || random.IntN(2000) == 0 {
		behaviours = make([]nylastest.Behaviour, 80) // more than recents have
	}
	for i := range behaviours {
		behaviours[i] = kinds[random.IntN(len(kinds))].WithSeed(random.Uint64())
	}
	return behaviours
}

// receive takes a notification, and returns the status of the answer. Some attempts fail.
func (p *played) receive(t *testing.T, body []byte, signed bool) int {
	n, err := events.Parse(body)
	if err != nil {
		t.Errorf("notification: %v", err)
	}
	if err != nil || !signed {
		p.log = append(p.log, fmt.Sprintf("refused %x", sha256.Sum256(body)))
		return http.StatusUnauthorized
	}
	p.log = append(p.log, fmt.Sprintf("%s %d %x", n.ID, n.DeliveryAttempt, sha256.Sum256(body)))
	hash := fnv.New32a()
	_, _ = fmt.Fprint(hash, n.ID, n.DeliveryAttempt)
	if hash.Sum32()%50 == 0 {
		return http.StatusServiceUnavailable
	}
	p.taken[n.ID] = n
	return http.StatusOK
}

// check compares the notifications with what happened.
func (p *played) check(t *testing.T) {
	t.Helper()
	told := make(map[string]map[string]string) // by message and key
	for _, m := range p.messages {
		told[m.ID] = make(map[string]string)
	}
	reached := 0 // notifications
	for _, d := range p.deliveries {
		n, err := events.Parse(d.Body)
		require.NoError(t, err)
		require.Len(t, n.Tracked(), 1)
		said := said(n)
		told[n.Tracked()[0].MessageID][said.key] = said.text
	}
	caused := 0
	for i, m := range p.messages {
		require.Equal(t, fmt.Sprint(i), m.Subject)
		should := truthOf(m, p.truth[m.ID])
		caused += len(should)
		require.Equal(t, should, told[m.ID], "message %d", i)
	}
	for id, n := range p.taken { // as it came, not as the server says
		said := said(n)
		require.Equal(t, told[n.Tracked()[0].MessageID][said.key], said.text, id)
		reached++
	}
	assert.Positive(t, caused)
	assert.Less(t, reached, caused, "some are lost")
	assert.Greater(t, reached, caused*9/10)
}

// event is one event, by its kind and number, and all that a notification says of it.
type event struct{ key, text string }

// truthOf returns what each notification about a message should say, by its key.
func truthOf(m nylastest.Message, happened []nylastest.Happened) map[string]string {
	should := make(map[string]string)
	var opens []string
	clicks := make([][]string, len(m.Links))
	count, replies := 0, 0
	var counted time.Time
	for _, h := range happened {
		visit := fmt.Sprint(h.At.Unix(), " ", h.IP, " ", h.UserAgent)
		switch h.Kind {
		case "open":
			if count == 0 || h.At.Sub(counted) >= time.Minute {
				count, counted = count+1, h.At
			}
			opens = append(opens, visit)
			should[fmt.Sprint("open ", len(opens)-1)] = fmt.Sprint(count, lastOf(opens))
		case "click":
			clicks[h.LinkIndex] = append(clicks[h.LinkIndex], visit)
			var counts []string
			for i, c := range clicks {
				counts = append(counts, fmt.Sprint(m.Links[i].URL, "=", len(c)))
			}
			list := clicks[h.LinkIndex]
			should[fmt.Sprint("click ", h.LinkIndex, " ", len(list)-1)] = fmt.Sprint(counts, lastOf(list))
		default:
			replies++
			if m.Tracking.ThreadReplies {
				should["reply "+h.ReplyID] = fmt.Sprint(replies, h.Cause == nylastest.BySender)
			}
		}
	}
	return should
}

// lastOf numbers visits from 0 and returns the 50 that recents have.
func lastOf(visits []string) []string {
	var last []string
	for i := max(0, len(visits)-50); i < len(visits); i++ {
		last = append(last, fmt.Sprint(i, ": ", visits[i]))
	}
	return last
}

// said returns what a notification says, read from its JSON.
func said(n *events.Notification) event {
	var data struct {
		Object struct {
			MessageData struct{ Count int } `json:"message_data"`
			LinkData    []struct {
				Count int
				URL   string
			} `json:"link_data"`
			ReplyData struct{ Count int } `json:"reply_data"`
			MessageID string              `json:"message_id"`
			FromSelf  bool                `json:"from_self"`
			Recents   []struct {
				OpenedID  int    `json:"opened_id"`
				ClickID   int    `json:"click_id"`
				LinkIndex any    `json:"link_index"` // as published, a string
				IP        string `json:"ip"`
				UserAgent string `json:"user_agent"`
				Timestamp int64  `json:"timestamp"`
			}
		}
	}
	var envelope struct{ Data json.RawMessage }
	_ = json.NewDecoder(bytes.NewReader(n.Raw)).Decode(&envelope)
	_ = json.Unmarshal(envelope.Data, &data)
	o := data.Object
	var recents []string
	for _, r := range o.Recents {
		recents = append(recents, fmt.Sprint(max(r.OpenedID, r.ClickID), ": ", r.Timestamp, " ", r.IP, " ", r.UserAgent))
	}
	switch n.Type {
	case events.TypeMessageOpened:
		return event{fmt.Sprint("open ", o.Recents[len(o.Recents)-1].OpenedID), fmt.Sprint(o.MessageData.Count, recents)}
	case events.TypeMessageLinkClicked:
		last := o.Recents[len(o.Recents)-1]
		var counts []string
		for _, l := range o.LinkData {
			counts = append(counts, fmt.Sprint(l.URL, "=", l.Count))
		}
		return event{fmt.Sprint("click ", last.LinkIndex, " ", last.ClickID), fmt.Sprint(counts, recents)}
	default:
		return event{"reply " + o.MessageID, fmt.Sprint(o.ReplyData.Count, o.FromSelf)}
	}
}

// TestSeedReplaysARun sends messages to random recipients through random faults, twice with the same
// seed. Both runs deliver the same, and what they deliver is what happened.
func TestSeedReplaysARun(t *testing.T) {
	t.Parallel()
	t.Logf("repeat with -replay.seed=%d -replay.messages=%d", *replaySeed, *replayMessages)
	first := play(t, *replaySeed, *replayMessages)
	first.check(t)
	second := play(t, *replaySeed, *replayMessages)
	assert.Equal(t, first.truth, second.truth)
	require.Len(t, second.log, len(first.log))
	for i := range first.log {
		require.Equal(t, first.log[i], second.log[i])
	}
	assert.Len(t, second.deliveries, len(first.deliveries))
	other := play(t, *replaySeed+1, 20)
	assert.NotEqual(t, first.messages[0].ID, other.messages[0].ID)
}
