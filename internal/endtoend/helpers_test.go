package endtoend_test

import (
	"context"
	"iter"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// What the tests of this folder share.

// loop is client, Nylas and receiver on a network in memory.
type loop struct {
	t       *testing.T
	network *nylastest.Network
	nylas   *nylastest.Server
	client  *nylas.Client
	secrets *receive.MemorySecrets // of receive
}

// inLoop runs a test in a bubble, in which waiting takes no time.
func inLoop(t *testing.T, test func(*testing.T, *loop), opts ...nylastest.Option) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := nylastest.NewNetwork()
		server := nylastest.NewServer(t, append(opts, nylastest.WithNetwork(network))...)
		l := &loop{t: t, network: network, nylas: server, secrets: new(receive.MemorySecrets)}
		l.client = l.newClient(server.APIKey())
		test(t, l)
	})
}

func (l *loop) newClient(apiKey string, opts ...nylas.ClientOption) *nylas.Client {
	l.t.Helper()
	client, err := nylas.NewClient(apiKey, append(opts,
		nylas.WithBaseURL(l.nylas.URL()), nylas.WithHTTPClient(l.nylas.HTTPClient()))...)
	require.NoError(l.t, err)
	return client
}

func (l *loop) send(change ...func(*nylas.SendMessageRequest)) (*nylas.Message, error) {
	return l.sendBy(l.client, nil, change...)
}

func (l *loop) sendBy(client *nylas.Client, opts []nylas.RequestOption, change ...func(*nylas.SendMessageRequest)) (*nylas.Message, error) {
	req := &nylas.SendMessageRequest{
		To:              []nylas.Participant{{Name: "Kim Townsend", Email: "kim@example.org"}},
		Subject:         "Quick follow-up on your trial",
		Body:            `Reply or <a href="https://acme.dev/demo">book a demo</a>.`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "trial-followup-q2"},
	}
	for _, c := range change {
		c(req)
	}
	return client.Messages.Send(l.t.Context(), l.nylas.GrantID(), req, opts...)
}

// receive puts a receiver on the network and subscribes it. It calls the handler for one
// delivery at a time, so that what a test collects in it needs no lock: two notifications
// of one instant are delivered at once.
func (l *loop) receive(handler receive.Handler, change ...func(*nylas.CreateWebhookRequest)) *receive.Receiver {
	l.t.Helper()
	turn := make(chan struct{}, 1)
	oneByOne := receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		return handler.HandleDelivery(ctx, d)
	})
	receiver, err := receive.New(oneByOne, l.secrets)
	require.NoError(l.t, err)
	listener, err := l.network.Listen("app.test")
	require.NoError(l.t, err)
	server := &http.Server{Handler: receiver, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	l.t.Cleanup(func() { _ = server.Close() })
	req := &nylas.CreateWebhookRequest{TriggerTypes: events.TrackingTypes(), WebhookURL: "http://app.test/webhooks/nylas"}
	for _, c := range change {
		c(req)
	}
	webhook, err := l.client.Webhooks.Create(l.t.Context(), req)
	require.NoError(l.t, err)
	l.keep(webhook.WebhookSecret)
	return receiver
}

// keep stores the only secret that receivers accept.
func (l *loop) keep(secret string) {
	l.t.Helper()
	state, err := l.secrets.Load(l.t.Context())
	require.NoError(l.t, err)
	require.NoError(l.t, l.secrets.Swap(l.t.Context(), state, receive.SecretState{
		Secrets: []receive.StoredSecret{{Value: secret}},
	}))
}

func (l *loop) recipient(message *nylas.Message) *nylastest.Recipient {
	l.t.Helper()
	recipient, err := l.nylas.Recipient(message.ID)
	require.NoError(l.t, err)
	return recipient
}

func (l *loop) inject(faults ...nylastest.Fault) {
	l.t.Helper()
	require.NoError(l.t, l.nylas.Inject(faults...))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// testDomain is a domain that Transactional sends come from.
const testDomain = "news.sender.dev"

func toKim() []nylas.Participant { return []nylas.Participant{{Email: "kim@example.org"}} }

// collect runs a list that has no error.
func collect[T any](tb testing.TB, list iter.Seq2[T, error]) []T {
	tb.Helper()
	var all []T
	for element, err := range list {
		require.NoError(tb, err)
		all = append(all, element)
	}
	return all
}
