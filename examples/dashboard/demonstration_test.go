package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// stage is a demonstration without the program around it, on a network in memory.
type stage struct {
	*demonstration
	store  *engagement.MemoryStore
	client *nylas.Client
	stop   context.CancelFunc

	mu   sync.Mutex
	sent []engagement.Sent
}

func (s *stage) SetSent(ctx context.Context, sent engagement.Sent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, sent)
	return s.store.SetSent(ctx, sent)
}

// play runs a demonstration in a bubble until the mail of the last days was read.
func play(t *testing.T, set settings) *stage {
	t.Helper()
	network := nylastest.NewNetwork()
	server, err := nylastest.Start(nylastest.WithNetwork(network))
	require.NoError(t, err)
	s := &stage{store: engagement.NewMemoryStore(engagement.WithEvents())}
	s.demonstration = newDemonstration(server, s, set, slog.New(slog.DiscardHandler))
	s.client, err = nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithHTTPClient(server.HTTPClient()))
	require.NoError(t, err)
	_, err = s.connect(t.Context(), s.client)
	require.NoError(t, err)

	handler, err := engagement.NewHandler(engagement.NewLedger(s.store), nil,
		func(context.Context, engagement.Event, engagement.Verdict) error { return nil },
		engagement.WithReplyHeaders(replyHeaders(s.client)))
	require.NoError(t, err)
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(handler, secrets)
	require.NoError(t, err)
	listener, err := network.Listen("app.test")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, receive.Serve(ctx, listener, receiver)) })
	s.stop = func() {
		stop()
		running.Wait()
		assert.NoError(t, server.Close())
	}
	_, err = s.client.Subscribe(ctx, &nylas.SubscribeRequest{URL: "http://app.test/", Types: events.TrackingTypes(), Secrets: secrets})
	require.NoError(t, err)
	running.Go(func() { assert.NoError(t, s.run(ctx, s.client, io.Discard)) })
	return s
}

// pass lets time pass, in which everything happens that is due.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// came returns what became of each message, in the order of the sends, without ids and times.
func (s *stage) came(t *testing.T) []string {
	t.Helper()
	classifier, err := engagement.NewClassifier(engagement.WithOwnNetworks(nylastest.SenderNetwork()))
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, sent := range s.sent {
		events, err := s.store.Events(t.Context(), sent.GrantID, sent.MessageID)
		require.NoError(t, err)
		line := sent.Subject + ": " + classifier.Message(sent, events).State.String()
		for _, e := range events {
			line += fmt.Sprint(" ", e.Kind, " ", e.Time.Sub(sent.At).Round(time.Minute), " ", e.IP, " ", e.URL)
		}
		all = append(all, line)
	}
	return all
}

// The first look shows something of everything, and the same seed shows the same.
func TestSeed(t *testing.T) {
	t.Parallel()
	played := func(seed uint64) (came []string) {
		synctest.Test(t, func(t *testing.T) {
			s := play(t, settings{seed: seed})
			pass(time.Minute)
			came = s.came(t)
			s.stop()
		})
		return came
	}
	first := played(1)
	assert.Len(t, first, 40)
	all := strings.Join(first, "\n")
	for _, state := range []engagement.State{
		engagement.NoSignal, engagement.MachineOnly, engagement.LikelyOpened, engagement.Clicked, engagement.Replied,
	} {
		assert.Contains(t, all, ": "+state.String())
	}
	assert.Greater(t, strings.Count(all, "open "), 30)
	assert.Greater(t, strings.Count(all, "click "), 20)
	assert.Greater(t, strings.Count(all, "reply "), 4)
	assert.NotRegexp(t, `(open|click|reply) -`, all, "nothing happens before its message was sent")
	assert.Equal(t, first, played(1))
	assert.NotEqual(t, first, played(2))
}

// Something happens every few seconds, and it ends by itself.
func TestLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := play(t, settings{seed: 1, every: 4 * time.Second})
		pass(time.Second)
		s.left = 150 // nobody else uses it while the bubble waits
		sent, before := len(s.server.Messages()), len(s.server.Notices())
		for range 5 {
			pass(time.Minute)
			after := len(s.server.Notices())
			assert.Greater(t, after, before)
			before = after
		}
		assert.Greater(t, len(s.server.Messages()), sent)
		pass(time.Hour)
		before = len(s.server.History().Requests)
		pass(time.Hour)
		assert.Len(t, s.server.History().Requests, before)
		s.stop()
	})
}

// Somebody reads what the form of the page sends.
func TestSomebodyReadsWhatTheFormSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := play(t, settings{seed: 1, every: 4 * time.Second})
		pass(time.Second)
		message, err := s.client.Messages.Send(t.Context(), s.senders[0].GrantID, &nylas.SendMessageRequest{
			To: []nylas.Participant{{Email: "kim@example.org"}}, Body: `<a href="https://acme.dev/demo">demo</a>`,
			TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true},
		})
		require.NoError(t, err)
		pass(minReading - time.Second)
		assert.Zero(t, s.server.Counts(message.ID).Opens, "nobody is that fast")
		pass(time.Minute)
		assert.Positive(t, s.server.Counts(message.ID).Opens)
		s.stop()
	})
}

// A start with what an earlier one has kept goes on with it.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	args := []string{"-data", folder, "-receive", freeAddress(t), "-emulator", freeAddress(t)}
	first := start(t, nil, args...)
	first.Await("It shows 40 messages.")
	require.Eventually(t, func() bool { // until everything is handled
		_, metrics := get(t, pages(first)+"/metrics")
		return strings.Contains(metrics, "\nnylas_inbox_pending 0\n")
	}, 20*time.Second, 10*time.Millisecond)
	first.End()
	before := stored(t, folder)
	second := start(t, nil, args...)
	second.Await("It shows 40 messages.")
	second.End()
	assert.NotEmpty(t, before)
	assert.Equal(t, before, stored(t, folder))

	state, err := os.ReadFile(filepath.Join(folder, "emulator.json"))
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(state), webhookPath), "there is one webhook")
	assert.Equal(t, 1, strings.Count(string(state), `"Email":"leyah@acme.example","Agent"`), "there is one mailbox of each sender")
}
