package browser_test

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/dashboard"
	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/inbox"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/receive"
)

// office is a program with a dashboard, an inbox and a store of events in files, and its
// Nylas. It can be stopped and started again.
type office struct {
	*world
	folder, address string
	client          *nylas.Client
	store           *sqlstore.Store // while it runs
	stop            func()
}

func newOffice(t *testing.T) *office {
	t.Helper()
	// What happens while the program is away comes soon after.
	server := nylastest.NewServer(t, nylastest.WithRetryDelays(3*time.Second, 5*time.Second))
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()))
	require.NoError(t, err)
	o := &office{world: &world{t, server}, folder: t.TempDir(), address: "127.0.0.1:0", client: client}
	o.start()
	t.Cleanup(func() { o.stop() })
	return o
}

// start starts the program where it was before.
func (o *office) start() {
	o.t.Helper()
	listener, err := new(net.ListenConfig).Listen(o.t.Context(), "tcp", o.address)
	require.NoError(o.t, err)
	o.address = listener.Addr().String()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(o.folder, "events.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	require.NoError(o.t, err)
	o.store, err = sqlstore.New(db, sqlstore.SQLite)
	require.NoError(o.t, err)
	require.NoError(o.t, o.store.Migrate(o.t.Context()))
	box, err := inbox.Open(filepath.Join(o.folder, "inbox.db"))
	require.NoError(o.t, err)
	receiver, err := receive.New(box, box.Secrets())
	require.NoError(o.t, err)
	handler, err := engagement.NewHandler(engagement.NewLedger(o.store), nil,
		func(context.Context, engagement.Event, engagement.Verdict) error { return nil }, engagement.WithReplyHeaders(o.headers))
	require.NoError(o.t, err)
	pages, err := dashboard.New(o.store, dashboard.WithLocation(time.UTC),
		dashboard.WithClient(o.client, dashboard.Sender{GrantID: o.server.GrantID(), Name: "Leyah Miller <leyah@acme.example>"}))
	require.NoError(o.t, err)
	mux := http.NewServeMux()
	mux.Handle("/", dashboard.LocalOnly(pages))
	mux.Handle("/webhooks/nylas", receiver)

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(o.t, receive.Serve(ctx, listener, mux)) })
	running.Go(func() { assert.NoError(o.t, box.Run(ctx, handler)) })
	running.Go(func() { assert.NoError(o.t, pages.Run(ctx)) })
	o.stop = func() {
		cancel()
		running.Wait()
		assert.NoError(o.t, box.Close())
		assert.NoError(o.t, db.Close())
		o.stop = func() {}
	}
	_, err = o.client.Subscribe(o.t.Context(), &nylas.SubscribeRequest{
		URL: o.url("webhooks/nylas"), Types: events.TrackingTypes(), Secrets: box.Secrets(),
	})
	require.NoError(o.t, err)
}

// url returns the URL of a page.
func (o *office) url(page string) string { return "http://" + o.address + "/" + page }

// sends sends a mail to a recipient, and stores that it was sent some time ago.
func (o *office) sends(label, subject, body string, ago time.Duration, links ...string) *nylas.Message {
	o.t.Helper()
	message, err := o.client.Messages.Send(o.t.Context(), o.server.GrantID(), &nylas.SendMessageRequest{
		To: []nylas.Participant{{Name: "Kim Townsend", Email: "kim@northwind.example"}}, Subject: subject, Body: body,
		TrackingOptions: &nylas.TrackingOptions{Opens: true, Links: true, ThreadReplies: true, Label: label},
	})
	require.NoError(o.t, err)
	require.NoError(o.t, o.store.SetSent(o.t.Context(), engagement.Sent{
		GrantID: message.GrantID, MessageID: message.ID, Label: label, Subject: subject, At: time.Now().Add(-ago), Links: links, Recipients: 1,
	}))
	return message
}

func (o *office) messagePage(m *nylas.Message) string {
	return o.url("messages/" + m.GrantID + "/" + m.ID)
}

// recipient returns somebody who got a message, and acts some time ago.
func (o *office) recipient(id string, ago time.Duration) *nylastest.Recipient {
	o.t.Helper()
	r, err := o.server.Recipient(id)
	require.NoError(o.t, err)
	return r.WithTime(time.Now().Add(-ago))
}

// opens and clicks let a recipient do so.
func (o *office) opens(r *nylastest.Recipient, as nylastest.Behaviour) {
	o.t.Helper()
	require.NoError(o.t, r.As(as).Open(o.t.Context()))
}

func (o *office) clicks(r *nylastest.Recipient, as nylastest.Behaviour, link int) {
	o.t.Helper()
	_, err := r.As(as).Click(o.t.Context(), link)
	require.NoError(o.t, err)
}

func (o *office) replies(r *nylastest.Recipient) {
	o.t.Helper()
	_, err := r.Reply(o.t.Context())
	require.NoError(o.t, err)
}

// headers reads the headers of a reply, by which an automatic one is known.
func (o *office) headers(ctx context.Context, e engagement.Event) (map[string][]string, error) {
	reply, err := o.client.Messages.Get(ctx, e.GrantID, e.ReplyID, nylas.WithFields(nylas.FieldsIncludeHeaders))
	if err != nil {
		return nil, err
	}
	headers := make(map[string][]string)
	for _, h := range reply.Headers {
		headers[h.Name] = append(headers[h.Name], h.Value)
	}
	return headers, nil
}

// handled waits until the store has so many events.
func (o *office) handled(events int) {
	o.t.Helper()
	require.Eventually(o.t, func() bool {
		latest, err := o.store.Latest(o.t.Context(), sqlstore.FeedQuery{Limit: sqlstore.MaxPage})
		return assert.NoError(o.t, err) && len(latest.Events) == events
	}, patience, 50*time.Millisecond)
}
