package readme_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// A message comes to a mailbox behind Safe Links, whose owner reads it in Gmail.
func Example_who() {
	ctx, stop := context.WithCancel(context.Background())
	check := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	server, err := nylastest.Start()
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	store := engagement.NewMemoryStore(engagement.WithEvents())
	handler, err := watch(store)
	check(err)
	secrets := new(receive.MemorySecrets)
	receiver, err := receive.New(handler, secrets)
	check(err)
	served := make(chan error, 1)
	go func() { served <- receive.Serve(ctx, listener, receiver) }()
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	check(err)
	_, err = client.Subscribe(ctx, &nylas.SubscribeRequest{
		URL: "http://" + listener.Addr().String(), Types: events.TrackingTypes(), Secrets: secrets,
	})
	check(err)
	message, err := client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: "Your trial",
		Body:            `<a href="https://acme.dev/demo">Demo</a>, <a href="https://acme.dev/prices">prices</a>, <a href="https://acme.dev/team">us</a>`,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: "q2"},
	})
	check(err)
	check(remember(ctx, store, message))
	_, err = server.ReceiveAtOnce(ctx, message.ID, nylastest.SafeLinks(), nylastest.Gmail())
	check(err)
	check(server.Wait(ctx))
	check(summary(ctx, store, message))
	stop()
	check(<-served)
	check(server.Close())
	// Unordered output:
	// click: machine (high)
	//   The address belongs to Microsoft's mail filter, which no mailbox is read from.
	// click: machine (high)
	//   The address belongs to Microsoft's mail filter, which no mailbox is read from.
	// click: machine (high)
	//   The address belongs to Microsoft's mail filter, which no mailbox is read from.
	// open: human (medium)
	//   Gmail's image proxy loaded it, when somebody displayed the message. It hides place and device.
	// click: human (medium)
	//   The user agent is that of a browser, which scanners can copy.
	// clicked (medium), clicks: {Human:1 Indeterminate:0 Machine:3 Self:0}
	// - 1 click is probably a person's. The confidence is medium.
	// - The user agent is that of a browser, which scanners can copy.
}

func watch(store engagement.Store) (receive.Handler, error) {
	// readme:begin who
	ledger := engagement.NewLedger(store) // finds each event once, however often Nylas repeats it
	handler, err := engagement.NewHandler(ledger, nil,
		func(_ context.Context, e engagement.Event, v engagement.Verdict) error {
			fmt.Printf("%s: %s (%s)\n  %s\n", e.Kind, v.Actor, v.Confidence, v.Reasons[0])
			return nil // after an error the event comes again
		})
	// readme:end
	return handler, err
}

func remember(ctx context.Context, store *engagement.MemoryStore, message *nylas.Message) error {
	return store.SetSent(ctx, engagement.Sent{
		GrantID: message.GrantID, MessageID: message.ID, Subject: message.Subject, At: message.Date.Time, Recipients: 1,
		Links: []string{"https://acme.dev/demo", "https://acme.dev/prices", "https://acme.dev/team"},
	})
}

func summary(ctx context.Context, store engagement.History, message *nylas.Message) error {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		return err
	}
	// readme:begin summary
	sent, _, err := store.Sent(ctx, message.GrantID, message.ID)
	if err != nil {
		return err
	}
	all, err := store.Events(ctx, message.GrantID, message.ID)
	if err != nil {
		return err
	}
	what := classifier.Message(sent, all) // all events together say more than each by itself
	fmt.Printf("%s (%s), clicks: %+v\n", what.State, what.Confidence, what.Clicks)
	for _, reason := range what.Reasons {
		fmt.Println("-", reason)
	}
	// readme:end
	return nil
}

// README.md shows what the code above prints.
func TestReadmeShowsWhatItPrints(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("who_test.go")
	require.NoError(t, err)
	output := regexp.MustCompile(`(?s)\t// Unordered output:\n(.*?)\n}`).FindStringSubmatch(string(code))
	require.NotNil(t, output)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	assert.Contains(t, string(readme), strings.ReplaceAll(output[1], "\t// ", ""))
}
