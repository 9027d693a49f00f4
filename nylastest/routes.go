package nylastest

import (
	"cmp"
	"crypto/subtle"
	"net/http"
	"path"
	"strings"
)

// route is how an endpoint is served.
type route struct {
	endpoint Endpoint
	public   bool // needs no API key
	read     func(*http.Request) ([]byte, *response)
	serve    func(*Server, *call) *response
}

func routes() []route {
	return []route{
		{endpoint: EndpointSend, read: readSend, serve: (*Server).serveSend},
		{endpoint: EndpointSendTransactional, read: readSend, serve: (*Server).serveTransactional},
		{endpoint: EndpointListGrants, read: readSmall, serve: executeAny((*Server).serveListGrants)},
		{endpoint: EndpointGetGrant, read: readSmall, serve: execute((*Server).serveGetGrant)},
		{endpoint: EndpointDeleteGrant, read: readSmall, serve: execute((*Server).serveDeleteGrant)},
		{endpoint: EndpointListMessages, read: readSmall, serve: executeAny((*Server).serveListMessages)},
		{endpoint: EndpointGetMessage, read: readSmall, serve: executeAny((*Server).serveGetMessage)},
		{endpoint: EndpointUpdateMessage, read: readSmall, serve: executeAny((*Server).serveUpdateMessage)},
		{endpoint: EndpointDeleteMessage, read: readSmall, serve: executeAny((*Server).serveDeleteMessage)},
		{endpoint: EndpointListThreads, read: readSmall, serve: executeAny((*Server).serveListThreads)},
		{endpoint: EndpointGetThread, read: readSmall, serve: executeAny((*Server).serveGetThread)},
		{endpoint: EndpointUpdateThread, read: readSmall, serve: executeAny((*Server).serveUpdateThread)},
		{endpoint: EndpointDeleteThread, read: readSmall, serve: executeAny((*Server).serveDeleteThread)},
		{endpoint: EndpointGetAttachment, read: readSmall, serve: executeAny((*Server).serveGetAttachment)},
		{endpoint: EndpointDownloadAttachment, read: readSmall, serve: executeAny((*Server).serveDownloadAttachment)},
		{endpoint: EndpointListFolders, read: readSmall, serve: executeAny((*Server).serveListFolders)},
		{endpoint: EndpointGetFolder, read: readSmall, serve: executeAny((*Server).serveGetFolder)},
		{endpoint: EndpointListSchedules, read: readSmall, serve: execute((*Server).serveListSchedules)},
		{endpoint: EndpointGetSchedule, read: readSmall, serve: execute((*Server).serveGetSchedule)},
		{endpoint: EndpointCancelSchedule, read: readSmall, serve: execute((*Server).serveCancelSchedule)},
		{endpoint: EndpointCreateDraft, read: readSend, serve: execute((*Server).serveCreateDraft)},
		{endpoint: EndpointListDrafts, read: readSmall, serve: executeAny((*Server).serveListDrafts)},
		{endpoint: EndpointGetDraft, read: readSmall, serve: execute((*Server).serveGetDraft)},
		{endpoint: EndpointUpdateDraft, read: readSend, serve: execute((*Server).serveUpdateDraft)},
		{endpoint: EndpointDeleteDraft, read: readSmall, serve: execute((*Server).serveDeleteDraft)},
		{endpoint: EndpointSendDraft, read: readSmall, serve: execute((*Server).serveSendDraft)},
		{endpoint: EndpointCreateWebhook, read: readSmall, serve: execute((*Server).serveCreateWebhook)},
		{endpoint: EndpointListWebhooks, read: readSmall, serve: execute((*Server).serveListWebhooks)},
		{endpoint: EndpointGetWebhook, read: readSmall, serve: execute((*Server).serveGetWebhook)},
		{endpoint: EndpointUpdateWebhook, read: readSmall, serve: execute((*Server).serveUpdateWebhook)},
		{endpoint: EndpointDeleteWebhook, read: readSmall, serve: execute((*Server).serveDeleteWebhook)},
		{endpoint: EndpointRotateSecret, read: readSmall, serve: execute((*Server).serveRotateSecret)},
		{endpoint: EndpointMockPayload, read: readSmall, serve: execute((*Server).serveMockPayload)},
		{endpoint: EndpointSendTestEvent, read: readSmall, serve: execute((*Server).serveSendTestEvent)},
		{endpoint: EndpointIPAddresses, read: readSmall, serve: execute((*Server).serveIPAddresses)},
		{endpoint: EndpointCreatePubSubChannel, read: readSmall, serve: execute((*Server).serveCreatePubSubChannel)},
		{endpoint: EndpointListPubSubChannels, read: readSmall, serve: execute((*Server).serveListPubSubChannels)},
		{endpoint: EndpointGetPubSubChannel, read: readSmall, serve: execute((*Server).serveGetPubSubChannel)},
		{endpoint: EndpointUpdatePubSubChannel, read: readSmall, serve: execute((*Server).serveUpdatePubSubChannel)},
		{endpoint: EndpointDeletePubSubChannel, read: readSmall, serve: execute((*Server).serveDeletePubSubChannel)},
		{endpoint: EndpointCreateSNSChannel, read: readSmall, serve: execute((*Server).serveCreateSNSChannel)},
		{endpoint: EndpointListSNSChannels, read: readSmall, serve: execute((*Server).serveListSNSChannels)},
		{endpoint: EndpointGetSNSChannel, read: readSmall, serve: execute((*Server).serveGetSNSChannel)},
		{endpoint: EndpointUpdateSNSChannel, read: readSmall, serve: execute((*Server).serveUpdateSNSChannel)},
		{endpoint: EndpointDeleteSNSChannel, read: readSmall, serve: execute((*Server).serveDeleteSNSChannel)},
		{endpoint: EndpointListTracking, read: readSmall, serve: executeAny((*Server).serveListTracking)},
		{endpoint: EndpointGetTracking, read: readSmall, serve: execute((*Server).serveGetTracking)},
		{endpoint: EndpointMessageTracking, read: readSmall, serve: execute((*Server).serveMessageTracking)},
		{endpoint: EndpointTrackingSummary, read: readSmall, serve: executeAny((*Server).serveTrackingSummary)},
		{endpoint: EndpointTrackingMetrics, read: readSmall, serve: executeAny((*Server).serveTrackingMetrics)},
		{endpoint: EndpointTrackingTimeseries, read: readSmall, serve: executeAny((*Server).serveTrackingTimeseries)},
		{endpoint: EndpointListSends, read: readSmall, serve: executeAny((*Server).serveListSends)},
		{endpoint: EndpointGetSend, read: readSmall, serve: execute((*Server).serveGetSend)},
		{endpoint: EndpointMessageDelivery, read: readSmall, serve: execute((*Server).serveMessageDelivery)},
		{endpoint: EndpointSendSummary, read: readSmall, serve: executeAny((*Server).serveSendSummary)},
		{endpoint: EndpointSendMetrics, read: readSmall, serve: executeAny((*Server).serveSendMetrics)},
		{endpoint: EndpointSendTimeseries, read: readSmall, serve: executeAny((*Server).serveSendTimeseries)},
		{endpoint: EndpointCreateAlert, read: readSmall, serve: execute((*Server).serveCreateAlert)},
		{endpoint: EndpointListAlerts, read: readSmall, serve: execute((*Server).serveListAlerts)},
		{endpoint: EndpointGetAlert, read: readSmall, serve: execute((*Server).serveGetAlert)},
		{endpoint: EndpointUpdateAlert, read: readSmall, serve: execute((*Server).serveUpdateAlert)},
		{endpoint: EndpointDeleteAlert, read: readSmall, serve: execute((*Server).serveDeleteAlert)},
		{endpoint: endpointOutcome, read: readSmall, serve: execute((*Server).serveOutcome)},
		{endpoint: endpointExpireGrant, read: readSmall, serve: execute((*Server).serveExpireGrant)},
		{endpoint: endpointRenewGrant, read: readSmall, serve: execute((*Server).serveRenewGrant)},
		{endpoint: endpointReply, read: readSmall, serve: execute((*Server).serveReply)},
		// Proxies add parameters to what is in a mail.
		{endpoint: EndpointPixel, public: true, read: readSmall, serve: executeAny((*Server).servePixel)},
		{endpoint: EndpointLink, public: true, read: readSmall, serve: executeAny((*Server).serveLink)},
	}
}

func knownEndpoint(e Endpoint) bool {
	if e == "" || e.answersNobody() {
		return true
	}
	for _, r := range routes() {
		if r.endpoint == e {
			return true
		}
	}
	return false
}

// execute makes the whole of an endpoint without query parameters its execution:
// only sends have something around it.
func execute(serve func(*Server, *call) *response) func(*Server, *call) *response {
	return executeAny(func(s *Server, c *call) *response {
		if _, refusal := c.query(); refusal != nil {
			return refusal
		}
		return serve(s, c)
	})
}

// executeAny is execute with any query parameters.
func executeAny(serve func(*Server, *call) *response) func(*Server, *call) *response {
	return func(s *Server, c *call) *response {
		return c.fault.execute(s.tasks.ctx, func() *response { return serve(s, c) })
	}
}

func (s *Server) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.HandleFunc(string(r.endpoint), s.handler(r))
		if r.endpoint == EndpointCreateWebhook || r.endpoint == EndpointListWebhooks {
			// Nylas' own examples have the slash.
			mux.HandleFunc(string(r.endpoint)+"/{$}", s.handler(r))
		}
	}
	s.handleIndex(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		cannot(r.Method, r.URL.Path).writeTo(w)
	})
	return mux
}

// ServeHTTP serves the API and the tracking URLs. To cut a connection it panics
// with [http.ErrAbortHandler], as handlers do.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.tasks.enter() {
		closedResponse().writeTo(w)
		return
	}
	defer s.tasks.leave()
	s.record.serve(s.route, w, r)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	// ServeMux would redirect to the clean path, and so hide that a client asks for
	// another one.
	if p := r.URL.EscapedPath(); p != "/" && path.Clean(p) != strings.TrimSuffix(p, "/") {
		cannot(r.Method, r.URL.Path).writeTo(w)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// handler serves a route: the gateway in front, the key, the execution, and the
// way of the answer back.
func (s *Server) handler(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fault := s.faults.at(rt.endpoint, r.URL.Path)
		if !fault.wait(r.Context(), s.tasks.ctx) {
			panic(http.ErrAbortHandler)
		}
		// The key comes first: a body may have 25 MiB.
		if fault.Before == nil && !rt.public && !s.authorised(r) {
			fault.After.deliver(w, unauthorized())
			return
		}
		body, answer := rt.read(r)
		if fault.Before != nil {
			fault.Before.deliver(w, nil)
			return
		}
		c := &call{Request: r, body: body, fault: fault, strict: s.config.strict || rt.endpoint.ours(), violation: s.violation}
		if answer == nil {
			answer = cmp.Or(s.stored.full(r), s.limited(rt.endpoint, r))
		}
		if answer == nil {
			answer = rt.serve(s, c)
			s.stored.add(r, body, answer)
			if rt.public || r.Method != http.MethodGet {
				s.changes.happened() // before the answer, so that nobody hears of what is not written soon
			}
		}
		c.fault.After.deliver(w, answer)
	}
}

func (s *Server) authorised(r *http.Request) bool {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(key), []byte(s.apiKey)) == 1
}

// maxSmallBody is more than any request but a send needs, in bytes. Nylas
// documents no limit.
const maxSmallBody = 1 << 20

func readSmall(r *http.Request) ([]byte, *response) {
	body, err := readBody(r, maxSmallBody)
	if err != nil {
		return nil, badRequest("error reading request body")
	}
	return body, nil
}

func closedResponse() *response {
	return errorResponse(http.StatusServiceUnavailable, "api.internal_error", "the emulator is closed")
}
