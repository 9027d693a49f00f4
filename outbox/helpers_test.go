package outbox_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/outbox"
)

// world is an outbox and a Nylas in a synctest bubble.
type world struct {
	*outbox.Outbox
	t      *testing.T
	path   string
	nylas  *nylastest.Server
	client *nylas.Client
	// changed has room for one: the state of a mail changed.
	changed chan struct{}
}

// inWorld runs a test in a bubble, where an hour takes no time.
func inWorld(t *testing.T, test func(t *testing.T, w *world), opts ...any) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := []nylastest.Option{nylastest.WithNetwork(nylastest.NewNetwork())}
		var box []outbox.Option
		for _, opt := range opts {
			switch opt := opt.(type) {
			case nylastest.Option:
				server = append(server, opt)
			case outbox.Option:
				box = append(box, opt)
			}
		}
		w := &world{t: t, path: filepath.Join(t.TempDir(), "outbox.db"), nylas: nylastest.NewServer(t, server...)}
		w.client = w.newClient()
		w.open(box...)
		defer func() { require.NoError(t, w.Close()) }()
		test(t, w)
	})
}

func (w *world) newClient(opts ...nylas.ClientOption) *nylas.Client {
	w.t.Helper()
	client, err := nylas.NewClient(w.nylas.APIKey(), append([]nylas.ClientOption{
		nylas.WithBaseURL(w.nylas.URL()), nylas.WithHTTPClient(w.nylas.HTTPClient()),
	}, opts...)...)
	require.NoError(w.t, err)
	return client
}

func (w *world) open(opts ...outbox.Option) {
	w.t.Helper()
	w.changed = make(chan struct{}, 1)
	changed := w.changed
	box, err := outbox.Open(w.path, append([]outbox.Option{outbox.WithHook(func(outbox.Mail) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})}, opts...)...)
	require.NoError(w.t, err)
	w.Outbox = box
}

// reopen is the end of a process in good order, and the next one.
func (w *world) reopen(opts ...outbox.Option) {
	w.t.Helper()
	require.NoError(w.t, w.Close())
	w.open(opts...)
}

func (w *world) inject(faults ...nylastest.Fault) {
	w.t.Helper()
	for i := range faults {
		if faults[i].Endpoint == "" {
			faults[i].Endpoint = nylastest.EndpointSend
		}
	}
	require.NoError(w.t, w.nylas.Inject(faults...))
}

// mailTo is a mail to person n.
func mailTo(n int) *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{
		To: []nylas.Participant{{Email: fmt.Sprintf("person-%d@example.org", n)}}, Subject: fmt.Sprint("Mail ", n), Body: "<p>Hello</p>",
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Label: fmt.Sprint("label-", n)},
	}
}

// add adds mails to the persons from 0 on, with the keys mail-0, mail-1 and so on.
func (w *world) add(n int) {
	w.t.Helper()
	for i := range n {
		require.NoError(w.t, w.Add(w.t.Context(), fmt.Sprint("mail-", i), w.nylas.GrantID(), mailTo(i)))
	}
}

func (w *world) run() error { return w.Run(w.t.Context(), w.client) }

func (w *world) counts() outbox.Counts {
	w.t.Helper()
	counts, err := w.Progress(context.WithoutCancel(w.t.Context()))
	require.NoError(w.t, err)
	return counts
}

// mail is what the outbox knows of mail-0.
func (w *world) mail() outbox.Mail {
	w.t.Helper()
	for m, err := range w.Mails(w.t.Context()) {
		require.NoError(w.t, err)
		return m
	}
	require.Fail(w.t, "there is no mail")
	return outbox.Mail{}
}

// sends is how many requests to send reached Nylas.
func (w *world) sends() (n int) {
	for _, r := range w.nylas.History().Requests {
		if r.Path == "/v3/grants/"+w.nylas.GrantID()+"/messages/send" {
			n++
		}
	}
	return n
}
