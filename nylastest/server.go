package nylastest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
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
	faults       *faultQueue
	activity     *activityLog
	sends        *sendLog
	alerts       *alertRules
	rates        *rates     // nil without WithRateLimits
	queue        *sendQueue // nil without WithAgentSendLimit
	pubsub, sns  *channels
	startedAt    time.Time

	mux       *http.ServeMux
	host      string // with the port, if the URL has one
	dialOwn   dialFunc
	transport *http.Transport // of HTTPClient and the recipients
	http      *http.Server
	conns     sync.WaitGroup // what the http.Server has open
	closing   sync.Once
}

// dialFunc connects to an address.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Start starts a server on a free port of 127.0.0.1, or on the network of
// [WithNetwork]. The caller must close it. The error is that of an option, or of
// listening.
func Start(opts ...Option) (*Server, error) {
	return start(func(string, ...any) {}, opts)
}

// NewServer is [Start] for a test, which it fails if the server cannot start, or
// when a request has a field or a query parameter that Nylas does not document.
// The server is closed at the end of the test.
func NewServer(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s, err := start(tb.Errorf, opts)
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
	s := &Server{
		config:        c,
		tasks:         newTasks(),
		ids:           ids,
		stored:        &stored{},
		apiKey:        ids.apiKey(),
		applicationID: ids.uuid("application"),
		violation:     violation,
		grants:        &grants{},
		schedules:     &schedules{},
		drafts:        &drafts{},
		idempotency:   &idempotency{entries: make(map[idempotencyKey]*idempotencyEntry)},
		destinations:  &destinations{lag: c.readings.WebhookListLag},
		faults:        &faultQueue{ids: ids},
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
	s.record = newRecord(s.apiKey)
	s.grantID = s.AddGrant(defaultSenderName, defaultSenderEmail)
	s.mailbox = newMailbox(s.applicationID, c.readings, s.ids)
	s.mux = s.newMux()
	listeners, err := s.listen()
	if err != nil {
		s.tasks.stop()
		return nil, err
	}
	s.serve(listeners)
	return s, nil
}

// memoryHost is the name of the first server on a network in memory.
const memoryHost = "nylas.test"

// listen opens what the server listens on, and decides how it is reached and what
// it can reach itself.
func (s *Server) listen() ([]net.Listener, error) {
	network := s.config.network
	if network == nil {
		l, err := new(net.ListenConfig).Listen(s.tasks.ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("nylastest: %w", err)
		}
		s.host = l.Addr().String()
		dialer := loopbackDialer()
		s.dialOwn = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", s.host)
		}
		s.transports(dialer.DialContext)
		return []net.Listener{l}, nil
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
	s.transports(network.DialContext)
	return listeners, nil
}

func (s *Server) transports(dial dialFunc) {
	s.transport = newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(addr); err == nil && s.config.trackingDomains[normalHostname(host)] {
			return s.dialOwn(ctx, network, addr)
		}
		return dial(ctx, network, addr)
	})
	client := &http.Client{Transport: newTransport(dial), CheckRedirect: noRedirect}
	s.courier = newCourier(s.tasks, client, s.destinations, s.config.retryDelays, s.ids)
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
// scheduled sends. It returns when nothing runs any more. A second call does
// nothing.
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
// grant is named by its id or its address.
func (s *Server) AddGrant(name, email string) (grantID string) {
	g := grant{id: s.ids.uuid("grant", email), name: name, email: email}
	s.grants.add(g)
	return g.id
}

// HTTPClient returns a client that reaches the server and its tracking domains. It
// reaches nothing outside this machine, or outside the network of [WithNetwork].
func (s *Server) HTTPClient() *http.Client { return &http.Client{Transport: s.transport} }

// Messages returns the messages that were really sent, in their order.
func (s *Server) Messages() []Message { return s.mailbox.all() }

// Message returns the sent message with this id.
func (s *Server) Message(id string) (m Message, ok bool) { return s.mailbox.get(id) }

// Deliveries returns the attempts to deliver notifications so far, in the order in
// which they ended. When they come to more than 128 MiB, the oldest are forgotten.
func (s *Server) Deliveries() []DeliveryAttempt { return s.courier.deliveries() }

// Wait returns when every notification so far has been taken by its webhooks or
// has been given up; one that waits for its next attempt is waited for. Scheduled and
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
