package followup_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/examples/testing/followup"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

const demo = "https://acme.dev/demo"

// tasks are those that the handler made. It fails as often as failures says.
type tasks struct {
	mu       sync.Mutex
	made     []string
	failures int
}

func (k *tasks) add(_ context.Context, contact, url string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failures > 0 {
		k.failures--
		return errors.New("the CRM is down")
	}
	k.made = append(k.made, contact+" "+url)
	return nil
}

// setUp starts a Nylas on this machine, with a webhook that leads to the handler.
func setUp(t *testing.T, made *tasks, opts ...nylastest.Option) (*nylastest.Server, *nylas.Client) {
	t.Helper()
	handler, err := followup.New(made.add)
	require.NoError(t, err)
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(handler, secrets)
	require.NoError(t, err)
	public := httptest.NewServer(receiver)
	t.Cleanup(public.Close)
	server := nylastest.NewServer(t, opts...) // closes before the receiver does
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	_, err = client.Subscribe(t.Context(), &nylas.SubscribeRequest{URL: public.URL, Types: events.TrackingTypes(), Secrets: secrets})
	require.NoError(t, err)
	return server, client
}

// send stands for the code of yours that sends.
func send(t *testing.T, client *nylas.Client, grantID, contact string) (messageID string) {
	t.Helper()
	label, err := nylas.EncodeLabel(map[string]string{followup.ContactKey: contact})
	require.NoError(t, err)
	message, err := client.Messages.Send(t.Context(), grantID, &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Body: `<a href="` + demo + `">Book a demo</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, Label: label},
	})
	require.NoError(t, err)
	return message.ID
}

// The shortest test: the recipient follows the link, and the handler has done its work.
func TestClickMakesATask(t *testing.T) {
	t.Parallel()
	made := new(tasks)
	server, client := setUp(t, made)
	id := send(t, client, server.GrantID(), "42")
	kim, err := server.Recipient(id)
	require.NoError(t, err)
	_, err = kim.As(nylastest.Browser()).Click(t.Context(), 0)
	require.NoError(t, err)
	server.RequireDelivered(t, nylastest.Wanted{Type: events.TypeMessageLinkClicked, MessageID: id})
	assert.Equal(t, []string{"42 " + demo}, made.made)
}

// Mailboxes that act by themselves: what people and mail filters do, in the order in which they
// would. ReceiveAtOnce does not wait for the hours between.
func TestPeopleAndMachines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mailbox []nylastest.Behaviour
		tasks   int
	}{
		"a person":                   {[]nylastest.Behaviour{nylastest.Outlook()}, 1},
		"a person on a phone":        {[]nylastest.Behaviour{nylastest.Phone()}, 1},
		"a filter":                   {[]nylastest.Behaviour{nylastest.SafeLinks()}, 0},
		"a gateway":                  {[]nylastest.Behaviour{nylastest.Gateway()}, 0},
		"a chat that shows previews": {[]nylastest.Behaviour{nylastest.LinkPreview()}, 0},
		"a person behind a filter":   {[]nylastest.Behaviour{nylastest.SafeLinks(), nylastest.Gmail()}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := new(tasks)
			server, client := setUp(t, made)
			_, err := server.ReceiveAtOnce(t.Context(), send(t, client, server.GrantID(), "42"), test.mailbox...)
			require.NoError(t, err)
			server.RequireDelivered(t, nylastest.Wanted{Type: events.TypeMessageLinkClicked})
			assert.Len(t, made.made, test.tasks)
		})
	}
}

// What goes wrong on the way: each notification comes twice, and the CRM fails once.
func TestFaults(t *testing.T) {
	t.Parallel()
	made := &tasks{failures: 1}
	server, client := setUp(t, made, nylastest.WithRetryDelays(time.Millisecond, time.Millisecond))
	require.NoError(t, server.InjectDelivery(nylastest.DeliveryFault{Times: nylastest.Forever, Duplicates: 1}))
	kim, err := server.Recipient(send(t, client, server.GrantID(), "42"))
	require.NoError(t, err)
	for click := range 2 {
		_, err = kim.As(nylastest.Browser()).Click(t.Context(), 0)
		require.NoError(t, err)
		server.RequireDelivered(t, nylastest.Wanted{Nth: click + 1})
		assert.Equal(t, []string{"42 " + demo}, made.made)
	}
	assert.Zero(t, made.failures)
}

// Without a server: an example of a notification, changed to what the test is about.
func TestLabelOfAnotherProgram(t *testing.T) {
	t.Parallel()
	made := new(tasks)
	handler, err := followup.New(made.add)
	require.NoError(t, err)
	for label, want := range map[string]int{"q2-newsletter": 0, "nt1:contact=7": 1} {
		n := nylastest.NewNotification(events.TypeMessageLinkClicked)
		clicked := n.Data.(*events.MessageLinkClicked)
		clicked.MessageID, clicked.Label = "message of "+label, label
		body, err := json.Marshal(n)
		require.NoError(t, err)
		made.made = nil
		require.NoError(t, handler.HandleDelivery(t.Context(), receive.NewDelivery(body, "")))
		assert.Len(t, made.made, want, label)
	}
}

// The signature too: a request as Nylas makes it.
func TestSignature(t *testing.T) {
	t.Parallel()
	made := new(tasks)
	handler, err := followup.New(made.add)
	require.NoError(t, err)
	receiver, err := receive.New(handler, receive.Secret("secret-1"))
	require.NoError(t, err)
	body, err := json.Marshal(nylastest.NewNotification(events.TypeMessageOpened))
	require.NoError(t, err)
	for secret, want := range map[string]int{"secret-1": http.StatusOK, "another": http.StatusUnauthorized} {
		request, err := nylastest.NewWebhookRequest(t.Context(), "https://acme.dev/webhooks/nylas", secret, body)
		require.NoError(t, err)
		recorder := httptest.NewRecorder()
		receiver.ServeHTTP(recorder, request)
		assert.Equal(t, want, recorder.Code, secret)
	}
}
