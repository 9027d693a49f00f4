package nylastest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// Endpoint is one thing that the server does, for choosing where a [Fault] happens.
type Endpoint string

// The endpoints. The names are those of Nylas' paths; pixel and link are the
// server's own.
const (
	EndpointSend          Endpoint = "POST /v3/grants/{grant}/messages/send"
	EndpointCreateWebhook Endpoint = "POST /v3/webhooks"
	EndpointListWebhooks  Endpoint = "GET /v3/webhooks"
	EndpointGetWebhook    Endpoint = "GET /v3/webhooks/{id}"
	EndpointUpdateWebhook Endpoint = "PUT /v3/webhooks/{id}"
	EndpointDeleteWebhook Endpoint = "DELETE /v3/webhooks/{id}"
	EndpointRotateSecret  Endpoint = "POST /v3/webhooks/rotate-secret/{id}"
	EndpointMockPayload   Endpoint = "POST /v3/webhooks/mock-payload"
	EndpointSendTestEvent Endpoint = "POST /v3/webhooks/send-test-event"
	EndpointPixel         Endpoint = "GET " + markup.EmulatorPixelPath + "{name}"
	EndpointLink          Endpoint = "GET " + markup.EmulatorLinkPath + "{token}/{index}"
	endpointReply         Endpoint = "POST /nylastest/grants/{grant}/messages/{message}/replies"

	// EndpointScheduledSend is the execution of a scheduled send when its time has
	// come. It answers nobody: only Hold and Inside apply, and a failure becomes a
	// message.send_failed notification.
	EndpointScheduledSend Endpoint = "scheduled send"
)

// ours reports whether the emulator has the endpoint and Nylas does not. No SDK uses it,
// so an unknown name there is a mistake.
func (e Endpoint) ours() bool { return strings.Contains(string(e), " /nylastest/") }

// answersNobody reports whether it is the execution of a send that was answered before.
func (e Endpoint) answersNobody() bool { return e == EndpointScheduledSend || e == EndpointQueuedSend }

// Fault is something that goes wrong with a request. Faults wait in a queue; a
// request takes the first one of its endpoint and uses it up, even if it never
// comes to the stage that the fault is about. [Server.Faults] and [Server.ClearFaults] read
// and empty the queue. Set the stages that shall fail:
//
//	// A gateway loses the answer of two attempts, while the first one sends.
//	server.Inject(nylastest.Fault{
//		Endpoint: nylastest.EndpointSend,
//		Times:    2,
//		After:    nylastest.GatewayAnswer(http.StatusGatewayTimeout),
//	})
//
// With Chance and [Forever] a fault becomes a rule:
//
//	// A tenth of all requests is too fast, and half of the others is slow.
//	server.Inject(
//		nylastest.Fault{Times: nylastest.Forever, Chance: 0.1, Before: nylastest.TooManyRequests(time.Second)},
//		nylastest.Fault{Times: nylastest.Forever, Chance: 0.5, Delay: time.Second},
//	)
type Fault struct {
	// Endpoint is where it happens; empty means any endpoint but
	// EndpointScheduledSend and EndpointQueuedSend.
	Endpoint Endpoint
	// Times is how many requests it hits; 0 means 1.
	Times int
	// Chance is the probability with which it hits a request; 0 means 1. A request that it
	// does not hit may take a later fault of the queue. Whether the first, second or any
	// further request of a method and path is hit depends on the seed alone: see WithSeed.
	Chance float64

	// Delay is how long the request waits before anything else happens. If its client
	// disconnects meanwhile, nothing happens.
	Delay time.Duration
	// Before answers instead of a gateway or limiter in front of Nylas:
	// nothing is authorised, executed or remembered. It excludes Hold, Inside and After.
	Before *Answer
	// Hold is called when the execution begins, and the execution waits for it to
	// return. The context ends when the server is closed; Hold must return then.
	Hold func(context.Context)
	// Inside is how the execution ends instead of doing anything. Like every
	// outcome of an execution it is remembered under the idempotency key.
	Inside *Answer
	// After is what the client gets instead of the real answer, which is
	// remembered. It applies to replayed answers too.
	After *Answer
}

// Forever is the Times of a fault that hits any number of requests or deliveries.
const Forever = math.MaxInt

// Answer is what a [Fault] answers with.
type Answer struct {
	Status int // 200 to 599
	Header http.Header
	Body   string

	cut cut
}

type cut int

const (
	cutNot cut = iota
	cutAtOnce
	cutMidBody
)

// ErrorAnswer is a JSON error in the shape of Nylas. Add headers, such as
// Retry-After, to the Header of the result.
//
// https://developer.nylas.com/docs/api/errors/
func ErrorAnswer(status int, typ, message string) *Answer {
	r := errorResponse(status, typ, message)
	return &Answer{Status: r.status, Header: r.header, Body: string(r.body)}
}

// GatewayAnswer is the HTML page of a gateway that did not get an answer itself,
// such as 502 or 504.
func GatewayAnswer(status int) *Answer {
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	return &Answer{
		Status: status,
		Header: http.Header{"Content-Type": {"text/html"}},
		Body:   "<html><head><title>" + text + "</title></head><body><center><h1>" + text + "</h1></center></body></html>\r\n",
	}
}

// Disconnect cuts the connection, after the request was read and before a byte of
// the answer. It cannot be used Inside. After a send, its key is kept: for a client that
// disconnects while the send runs, use Hold and a time limit of the client, and see
// [Readings].
//
// Note that [net/http.Transport] itself repeats a request that has an
// Idempotency-Key when a connection that it used before is cut like this.
func Disconnect() *Answer { return &Answer{cut: cutAtOnce} }

// DisconnectMidBody cuts the connection after the header and half of the body of
// the real answer. It can only be used After.
func DisconnectMidBody() *Answer { return &Answer{cut: cutMidBody} }

// TooManyRequests is Nylas' answer to a client that is too fast, with Retry-After in whole
// seconds, rounded up. Without a positive time there is no Retry-After.
//
// https://developer.nylas.com/docs/dev-guide/platform/rate-limits/
func TooManyRequests(retryAfter time.Duration) *Answer {
	answer := ErrorAnswer(http.StatusTooManyRequests, typeRateLimited, "Too many requests, please try again shortly.")
	if retryAfter > 0 {
		answer.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(retryAfter.Seconds()))))
	}
	return answer
}

func (a *Answer) response() *response {
	return &response{status: a.Status, header: a.Header, body: []byte(a.Body)}
}

// Inject adds faults to the end of the queue. The error is about a fault that can
// never happen as described; then none is added.
func (s *Server) Inject(faults ...Fault) error {
	for i, f := range faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("nylastest: fault %d: %w", i, err)
		}
	}
	s.faults.add(faults)
	return nil
}

// Faults returns the faults that wait for requests, in their order. Times is how many
// requests are left to each.
func (s *Server) Faults() []Fault { return s.faults.waiting() }

// ClearFaults empties both queues of faults, that of requests and that of deliveries. What
// has been hit already runs on.
func (s *Server) ClearFaults() {
	s.faults.clear()
	s.courier.faults.clear()
}

func (f *Fault) check() error {
	if !knownEndpoint(f.Endpoint) {
		return fmt.Errorf("no endpoint %q", string(f.Endpoint))
	}
	if f.Times < 0 {
		return errNegativeTimes
	}
	if !isChance(f.Chance) {
		return errChance
	}
	if f.Delay < 0 {
		return errors.New("negative Delay")
	}
	switch {
	case f.Delay == 0 && f.Before == nil && f.Hold == nil && f.Inside == nil && f.After == nil:
		return errors.New("no stage is set")
	case f.Before != nil && (f.Hold != nil || f.Inside != nil || f.After != nil):
		return errors.New("what is answered before the execution excludes the other stages")
	case f.Endpoint.answersNobody() && (f.Delay > 0 || f.Before != nil || f.After != nil):
		return fmt.Errorf("a %s answers nobody: use Hold or Inside", f.Endpoint)
	case f.Before != nil && f.Before.cut == cutMidBody:
		return errors.New("before the execution there is no body to cut")
	case f.Inside != nil && f.Inside.cut != cutNot:
		return errors.New("an execution cannot end with a cut connection: use After")
	}
	for _, a := range []*Answer{f.Before, f.Inside, f.After} {
		if a != nil && a.cut == cutNot && (a.Status < 200 || a.Status > 599) {
			return fmt.Errorf("status %d is not one of an answer", a.Status)
		}
	}
	return nil
}

var (
	errNegativeTimes = errors.New("negative Times: use Forever for any number")
	errChance        = errors.New("a Chance is not from 0 to 1")
)

func isChance(probability float64) bool { return probability >= 0 && probability <= 1 }

// maxFaultPaths is for how many paths the requests are counted that faults with a Chance
// are about; further paths are counted together. It is a limit of the emulator.
const maxFaultPaths = 100_000

// requestFaults are the faults of requests.
type requestFaults struct {
	faultQueue[Fault]
	asked map[string]int // requests by method and path, since a fault has had a Chance
}

func newRequestFaults(ids *ids) *requestFaults {
	return &requestFaults{faultQueue: faultQueue[Fault]{
		ids: ids, kind: "fault", rule: func(f *Fault) (*int, float64) { return &f.Times, f.Chance },
	}}
}

// at uses up the first fault of the endpoint, at a request of this path.
func (q *requestFaults) at(e Endpoint, path string) Fault {
	return q.take(
		func(f *Fault) bool { return f.Endpoint == e || f.Endpoint == "" && !e.answersNobody() },
		func() []string { return []string{string(e), path, q.ordinal(string(e) + " " + path)} },
	)
}

// ordinal returns how many requests there were before, of the same kind.
func (q *requestFaults) ordinal(request string) string {
	if q.asked == nil {
		q.asked = make(map[string]int)
	}
	if _, known := q.asked[request]; !known && len(q.asked) >= maxFaultPaths {
		request = ""
	}
	q.asked[request]++
	return strconv.Itoa(q.asked[request])
}

// wait lets the Delay pass, and reports false if nobody waits for an answer any more.
func (f *Fault) wait(request, server context.Context) bool {
	if f.Delay == 0 {
		return true
	}
	ctx, cancel := context.WithCancel(request)
	defer cancel()
	defer context.AfterFunc(server, cancel)()
	return sleep(ctx, f.Delay)
}

// execute runs f as the execution of a request that the fault happens to.
func (f *Fault) execute(ctx context.Context, run func() *response) *response {
	if f.Hold != nil {
		f.Hold(ctx)
		if ctx.Err() != nil {
			return closedResponse() // nobody is there to read it
		}
	}
	if f.Inside != nil {
		return f.Inside.response()
	}
	return run()
}

// deliver writes the answer to a request, or what becomes of it on its way.
func (a *Answer) deliver(w http.ResponseWriter, answer *response) {
	if a == nil {
		answer.writeTo(w)
		return
	}
	switch a.cut {
	case cutNot:
		a.response().writeTo(w)
	case cutAtOnce:
		panic(http.ErrAbortHandler)
	case cutMidBody:
		answer.writeHalf(w)
		panic(http.ErrAbortHandler)
	}
}

func (r *response) writeHalf(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body[:len(r.body)/2])
	_ = http.NewResponseController(w).Flush()
}

// errorOf returns the error in the body of an answer, as far as there is one.
func (r *response) errorOf() errorBody {
	var body struct {
		Error errorBody `json:"error"`
	}
	if err := jsonv2.Unmarshal(r.body, &body); err != nil || body.Error.Type == "" {
		return errorBody{Type: "api.provider_error", Message: strings.ToLower(http.StatusText(r.status))}
	}
	return body.Error
}
