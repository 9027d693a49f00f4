package inbox_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

// The attempts to deliver a notification: those after the first come while it is
// pending or handled, or long after.
const (
	firstAttempt = iota + 1
	soonAttempt
	lateAttempt
)

// attempted is a notification of an open, of about the size of a real one.
// Each attempt to deliver one has a body of its own, as with Nylas.
func attempted(id string, attempt int) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"message.opened","source":"/com/nylas/tracking","id":%q,`+
		`"time":1695480567,"webhook_delivery_attempt":%d,"data":{"application_id":"app-1","grant_id":"grant-1",`+
		`"object":{"message_id":"message-1","label":%q}}}`, id, attempt, strings.Repeat("label ", 150))
}

// senders send notifications over several connections, each with one under way, and
// know which were answered with 200.
type senders struct {
	url    string
	client *http.Client
	prefix string
	known  []string // ids of earlier rounds, of which some come again

	mu       sync.Mutex
	sent     map[string]bool // all, whether answered or not
	accepted map[string]bool // answered with 200
	refused  map[int]int     // how often each other status came
	wanted   int             // accepted closes enough when it has as many
	enough   chan struct{}
}

// connections is how many notifications senders have under way.
const connections = 8

// startSenders sends to the endpoint at addr until ctx ends or the connections
// break. wait returns when all has ended.
func startSenders(ctx context.Context, t *testing.T, addr, prefix string, known []string, wanted int, seed uint64) (s *senders, wait func()) {
	t.Helper()
	s = &senders{
		url:    "http://" + addr + "/webhooks/nylas",
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 15 * time.Second},
		prefix: prefix, known: known,
		sent: make(map[string]bool), accepted: make(map[string]bool), refused: make(map[int]int),
		wanted: wanted, enough: make(chan struct{}),
	}
	var sending sync.WaitGroup
	for connection := range connections {
		random := rand.New(rand.NewPCG(seed, uint64(connection)))
		sending.Go(func() { s.send(ctx, connection, random) })
	}
	return s, func() {
		sending.Wait()
		s.client.CloseIdleConnections()
	}
}

// send is one connection.
func (s *senders) send(ctx context.Context, connection int, random *rand.Rand) {
	var own []string
	for i := 0; ; i++ {
		id, attempt := fmt.Sprintf("%s-%d-%d", s.prefix, connection, i), firstAttempt
		switch choice := random.IntN(20); {
		case choice == 0 && len(own) > 0:
			id, attempt = own[random.IntN(len(own))], soonAttempt
		case choice == 1 && len(s.known) > 0:
			id, attempt = s.known[random.IntN(len(s.known))], lateAttempt
		default:
			own = append(own, id)
		}
		if !s.deliver(ctx, id, attempt) {
			return
		}
	}
}

// deliver sends one notification and reports whether an answer came.
func (s *senders) deliver(ctx context.Context, id string, attempt int) bool {
	s.mu.Lock()
	s.sent[id] = true
	s.mu.Unlock()
	status, err := post(ctx, s.client, s.url, attempted(id, attempt))
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if status != http.StatusOK {
		s.refused[status]++
		return true
	}
	if !s.accepted[id] {
		s.accepted[id] = true
		if len(s.accepted) == s.wanted {
			close(s.enough)
		}
	}
	return true
}

// post delivers a body as Nylas does and returns the status of the answer.
func post(ctx context.Context, client *http.Client, url string, body []byte) (int, error) {
	request, err := nylastest.NewWebhookRequest(ctx, url, crashSecret, body)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	// The status is the answer; what comes after it may be cut off.
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode, nil
}

// answers are the ids that were answered with 200, when all has ended. It
// fails the test if any answer was neither that nor a request to come again.
func (s *senders) answers(t *testing.T) []string {
	t.Helper()
	for status := range s.refused {
		require.Equal(t, http.StatusServiceUnavailable, status)
	}
	return slices.Sorted(maps.Keys(s.accepted))
}
