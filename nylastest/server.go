package nylastest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Server is a running emulator with one application and its API key, and one
// grant or more. Its methods can be called by many goroutines at once. Messages
// are kept until it is closed.
//
// A Server is also an [http.Handler], for serving it at a further address. The
// URLs that it makes always have its own.
type Server struct {
	config        config
	ids           *ids
	record        *record
	stored        *stored
	tasks         *tasks
	apiKey        string
	applicationID string
	grantID       string
	violation     func(format string, args ...any)

	grants       *grants
	mailbox      *mailbox
	schedules    *schedules
	drafts       *drafts
	idempotency  *idempotency
	destinations *destinations
	courier      *courier
	faults       *requestFaults
	activity     *activityLog
	sends        *sendLog
	alerts       *alertRules
	rates        *rates     // nil without WithRateLimits
	queue        *sendQueue // nil without WithAgentSendLimit
	pubsub, sns  *channels
	publisher    *publisher
	startedAt    time.Time

	mux       *http.ServeMux
	handled   handled
	host      string   // with the port, if the URL has one
	earlier   []string // hosts of earlier starts with the same state
	starts    int      // how many servers ran on the state before
	private   bool     // webhooks can be in private networks
	changes   *changes
	state     *stateFile // nil without WithStateFile
	dialOwn   dialFunc
	transport *http.Transport // of HTTPClient and the recipients
	http      *http.Server
	conns     sync.WaitGroup // what the http.Server has open
	closing   sync.Once
}

// dialFunc connects to an address.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Start starts a server on a free port of 127.0.0.1, on the address of [WithAddress], or on the
// network of [WithNetwork]. The caller must close it. The error is that of an option, of
// listening, or of the file of [WithStateFile].
//
// The server ignores request fields and query parameters that Nylas does not document,
// because official SDKs send some. [WithStrictRequests] makes it refuse them.
func Start(opts ...Option) (*Server, error) {
	return start(func(string, ...any) {}, opts)
}

// NewServer is [Start] for a test, which it fails if the server cannot start. It is
// always strict: a request field or a query parameter that Nylas does not document is
// refused as by [WithStrictRequests], and fails the test too. The server is closed at
// the end of the test.
func NewServer(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s, err := start(tb.Errorf, append(slices.Clone(opts), WithStrictRequests()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func start(violation func(string, ...any), opts []Option) (*Server, error) {
	c := config{
		trackingDomains: make(map[string]bool),
		sendingDomains:  make(map[string]bool),
		retryDelays:     [...]time.Duration{defaultSecondDelay, defaultThirdDelay},
		seed:            newSeed(),
	}
	for _, opt := range opts {
		if err := opt.apply(&c); err != nil {
			return nil, err
		}
	}
	ids := newIDs(c.seed)
	changes := new(changes)
	s := &Server{
		changes:       changes,
		config:        c,
		tasks:         newTasks(),
		ids:           ids,
		stored:        &stored{},
		apiKey:        ids.apiKey(),
		applicationID: ids.uuid("application"),
		violation:     violation,
		grants:        newGrants(ids),
		schedules:     &schedules{},
		drafts:        &drafts{},
		idempotency:   &idempotency{entries: make(map[idempotencyKey]*idempotencyEntry)},
		destinations:  &destinations{lag: c.readings.WebhookListLag, changes: changes},
		faults:        newRequestFaults(ids),
		activity:      &activityLog{ids: ids},
		sends:         &sendLog{ids: ids},
		alerts:        &alertRules{},
		pubsub:        &channels{ids: ids},
		sns:           &channels{ids: ids},
		queue:         newSendQueue(c.agentSends),
		startedAt:     time.Now(),
	}
	if c.rateLimits {
		s.rates = &rates{last: make(map[string]*rateRing)}
	}
	if err := s.open(); err != nil {
		s.tasks.stop()
		return nil, err
	}
	return s, nil
}

// open reads the state, if there is a file of it, and begins to serve.
func (s *Server) open() (err error) {
	var state *savedState
	if s.config.statePath != "" {
		s.state, state, err = openState(s.config.statePath, s.config.stateFailed)
		if err != nil {
			return err
		}
		defer func() {
			if err != nil {
				_ = s.state.lock.Close()
			}
		}()
	}
	if state == nil {
		s.grantID = s.grants.add(grant{id: s.ids.uuid("grant", defaultSenderEmail), name: defaultSenderName, email: defaultSenderEmail})
		s.mailbox = newMailbox(s.applicationID, s.config.readings, s.ids)
	} else if err := s.restore(state); err != nil {
		return badState(s.config.statePath, err)
	}
	s.record = newRecord(s.apiKey)
	s.mux = s.newMux()
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	if s.state != nil {
		s.stored.bytes = s.state.size
		s.state.save, s.changes.file = s.save, s.state // before a plan that is due changes something
	}
	if state != nil {
		s.restorePlans(state.Schedules)
	}
	if s.state != nil {
		s.changes.happened() // the host may be another one
		s.tasks.run(s.state.run)
	}
	s.serve(listeners)
	return nil
}

// memoryHost is the name of the first server on a network in memory.
const memoryHost = "nylas.test"

// listen opens what the server listens on, and decides how it is reached and what
// it can reach itself.
func (s *Server) listen() ([]net.Listener, error) {
	network := s.config.network
	if network == nil {
		return s.listenTCP()
	}
	if s.config.address != "" {
		return nil, errors.New("nylastest: WithAddress and WithNetwork exclude each other")
	}
	s.host = memoryHost
	l, err := network.Listen(s.host)
	for i := 2; err != nil; i++ { // another server has the name
		s.host = fmt.Sprintf("nylas-%d.test", i)
		l, err = network.Listen(s.host)
	}
	listeners := []net.Listener{l}
	for domain := range s.config.trackingDomains {
		l, err := network.Listen(domain)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	s.dialOwn = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return network.DialContext(ctx, "", s.host)
	}
	s.transports(network.DialContext, network.DialContext)
	return listeners, nil
}

// transports decides what the recipients reach in addition to the server, and what deliveries reach.
func (s *Server) transports(beside, deliveries dialFunc) {
	var own []string
	for _, host := range s.hosts() {
		own = append(own, canonicalAddr(host))
	}
	s.transport = newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err == nil && s.config.trackingDomains[normalHostname(host)] || slices.Contains(own, canonicalAddr(addr)) {
			return s.dialOwn(ctx, network, addr)
		}
		return beside(ctx, network, addr)
	})
	client := &http.Client{Transport: newTransport(deliveries), CheckRedirect: noRedirect}
	s.courier = newCourier(s.tasks, client, s.destinations, s.config.retryDelays, s.ids, s.changes)
	s.courier.compressed = s.config.compressed
	s.publisher = &publisher{courier: s.courier, pubsub: s.pubsub, sns: s.sns}
	s.courier.publish = s.publisher.publish
}

// headerTimeout ends connections that do not get to the end of a header.
const headerTimeout = 10 * time.Second

func (s *Server) serve(listeners []net.Listener) {
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: headerTimeout, ConnState: func(c net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.conns.Add(1)
			if s.tasks.refusing() { // accepted while closing: the http.Server would forget it
				_ = c.Close()
			}
		case http.StateClosed, http.StateHijacked:
			s.conns.Done()
		default:
		}
	}}
	for _, l := range listeners {
		s.conns.Go(func() { _ = s.http.Serve(l) }) // ends with http.ErrServerClosed
	}
}

// Close ends everything: requests that are running, deliveries, retries that wait,
// scheduled sends. It returns when nothing runs any more, and the file of
// [WithStateFile] is written. A second call does nothing.
func (s *Server) Close() error {
	var err error
	s.closing.Do(func() {
		s.tasks.refuse()
		err = s.http.Close() // before the rest, so that nobody sees half an end
		s.tasks.stop()
		s.transport.CloseIdleConnections()
		if transport, ok := s.courier.client.Transport.(*http.Transport); ok {
			transport.CloseIdleConnections()
		}
		s.conns.Wait()
		err = errors.Join(err, s.state.close())
	})
	return err
}

// URL is the base URL of the API, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.host }

// APIKey is the key of the application.
func (s *Server) APIKey() string { return s.apiKey }

// ApplicationID is the application that notifications name.
func (s *Server) ApplicationID() string { return s.applicationID }

// GrantID is the grant that every server has from its start.
func (s *Server) GrantID() string { return s.grantID }

// AddGrant connects another mailbox and returns the id of its grant. In a path a
// grant is named by its id or its address. The notification grant.created follows.
func (s *Server) AddGrant(name, email string) (grantID string) {
	return s.addGrant(grant{name: name, email: email})
}

// HTTPClient returns a client that reaches the server and its tracking domains. It
// reaches nothing outside this machine, or outside the network of [WithNetwork].
func (s *Server) HTTPClient() *http.Client { return &http.Client{Transport: s.transport} }

// Messages returns the messages that were really sent, in their order.
func (s *Server) Messages() []Message { return s.mailbox.all() }

// Message returns the sent message with this id.
func (s *Server) Message(id string) (m Message, ok bool) { return s.mailbox.get(id) }

// Counts is what has happened to a message.
type Counts struct {
	Opens   int // loads of the pixel, whether or not Nylas counts them
	Clicks  int // on all of its links
	Replies int // in its thread, those of the sender included
}

// Counts returns what has happened to the sent message with this id, or nothing if there is none.
func (s *Server) Counts(messageID string) Counts { return s.mailbox.counts(messageID) }

// Deliveries returns the attempts to deliver notifications so far, in the order in
// which they ended. When they come to more than 128 MiB, the oldest are forgotten.
func (s *Server) Deliveries() []DeliveryAttempt { return s.courier.deliveries() }

// Wait returns when every notification so far has been taken by its webhooks and by what
// consumes its channels, or has been given up; one that waits for its next attempt is waited for. Scheduled and
// queued sends are not. With an inbox behind the webhook, wait for your own effect besides: the
// inbox has the notification then, and your handler may still run. The error is [ErrClosed] or the cause of the context's end.
func (s *Server) Wait(ctx context.Context) error { return s.courier.wait(ctx) }

// trackingBase is what tracking URLs begin with.
func (s *Server) trackingBase(domain string) string {
	if domain == "" {
		return s.URL()
	}
	if _, port, err := net.SplitHostPort(s.host); err == nil {
		domain = net.JoinHostPort(domain, port)
	}
	return (&url.URL{Scheme: "http", Host: domain}).String()
}
