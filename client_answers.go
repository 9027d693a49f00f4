package nylas

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/internal/loose"
	"github.com/nylastrack/nylas-go/internal/payload"
)

const wrongForm = "the answer has another form than documented"

// answer is the result of one attempt: an HTTP answer, or an error without one.
type answer struct {
	status int
	header http.Header
	body   []byte
	stream *streamedBody // the body, if it is handed over unread
	err    error         // set if there is no whole answer
	// reached reports, for an attempt without an answer, whether Nylas may have got the
	// request.
	reached bool
	// broken reports whether the payload could not be read. Another attempt would fail
	// too.
	broken bool
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// decode reads an answer of 2xx. With nothing to read into it may be empty, and that to a
// deletion may be any text but a page, which a gateway can have made.
func (x *roundTrips) decode(last *answer, into any) error {
	if into == nil {
		text := bytes.TrimSpace(last.body)
		if len(text) == 0 || x.call.method == http.MethodDelete && text[0] != '<' {
			return nil
		}
		into = new(jsontext.Value)
	}
	err := jsonv2.Unmarshal(last.body, into, loose.Options)
	_, notJSON := errors.AsType[*jsontext.SyntacticError](err)
	if noted, ok := into.(interface{ answered(status int) }); ok {
		noted.answered(last.status)
	}
	answer, isNamed := into.(named)
	mustName := isNamed && !x.call.partial
	if isNamed && err != nil && !notJSON {
		salvage(last.body, into)
		if answer.isNamed() || x.call.method != http.MethodGet {
			err = nil
		}
	}
	e := x.newError(last)
	switch {
	case notJSON:
		e.cause = errors.New("the answer is not JSON")
	case err != nil:
		e.cause = errors.New(wrongForm)
	case mustName && !answer.isNamed() && x.call.method == http.MethodGet:
		e.cause = errors.New("the answer has nothing of what was asked for")
	case mustName && !answer.isNamed():
		e.cause = errors.New("the answer does not name what was made")
	default:
		checked, ok := into.(interface{ problem() error })
		if ok {
			e.cause = checked.problem()
		}
		if e.cause == nil {
			return nil
		}
	}
	e.OutcomeUnknown = x.call.repeat != repeatAlways
	return e
}

// named is an answer that must name what it is about: a program that cannot find
// the message again must know that it may have been sent.
type named interface{ isNamed() bool }

// dataAnswer is an answer with a T in data.
type dataAnswer[T any] struct {
	Data T `json:"data"`
}

func (a *dataAnswer[T]) isNamed() bool {
	data, ok := any(&a.Data).(named)
	return ok && data.isNamed()
}

// salvage reads an answer, in which something is of another type than
// documented, member by member: that must not hide the id of a message that was
// sent.
func salvage(body []byte, into any) {
	for name, value := range loose.Parse(body) {
		read := func(member loose.Object) {
			if part, err := jsonv2.Marshal(member, loose.Options); err == nil {
				_ = jsonv2.Unmarshal(part, into, loose.Options) // what can be read counts
			}
		}
		inner := loose.Parse(value)
		if name != "data" || inner == nil {
			read(loose.Object{name: value})
			continue
		}
		for innerName, innerValue := range inner {
			part, err := jsonv2.Marshal(loose.Object{innerName: innerValue}, loose.Options)
			if err == nil {
				read(loose.Object{name: part})
			}
		}
	}
}

// newError returns the error for the last answer of a call.
func (x *roundTrips) newError(last *answer) *Error {
	secrets := x.secrets()
	e := &Error{
		Op: x.op.name, Attempts: x.attempts, IdempotencyKey: x.key, Mark: x.op.mark,
		secrets: func() []string { return secrets },
	}
	if last == nil {
		return e
	}
	if last.err != nil {
		e.cause = last.err
		if broken, ok := errors.AsType[*payload.Error](last.err); ok {
			e.breakOff(broken)
		}
		return e
	}
	e.Replayed = last.replayed()
	e.RetryAfter = last.retryAfter()
	e.decode(last.status, last.header, last.body)
	return e
}

// breakOff makes e the error for a request that was broken off.
func (e *Error) breakOff(err *payload.Error) {
	e.Message = "the request was broken off: " + err.Text
	e.cause = err.Cause
	if err.Cause == nil { // what was asked for is wrong, and not a disk or a network
		e.refused = []error{ErrInvalidRequest}
	}
}

// secrets returns what no text or log may show: keys, ids, which can be
// addresses, as they are and as they stand in the path, and headers of the caller.
func (x *roundTrips) secrets() []string {
	secrets := []string{x.client.apiKey(), x.key}
	for _, id := range x.call.ids {
		if len(id) >= shortIDBytes {
			secrets = append(secrets, id, url.PathEscape(id), url.QueryEscape(id))
		}
	}
	for name := range x.header {
		if value := x.header.Get(name); len(value) >= shortIDBytes {
			secrets = append(secrets, value)
		}
	}
	return secrets
}

func (x *roundTrips) response(last *answer) Response {
	r := Response{Attempts: x.attempts, IdempotencyKey: x.key, Mark: x.op.mark, Tracking: x.call.tracking}
	if last == nil || last.err != nil {
		return r
	}
	r.SecondMailPossible = x.maybeTwice(last)
	r.StatusCode = last.status
	r.Header = last.header.Clone()
	r.Replayed = last.replayed()
	r.RequestID = last.requestID()
	return r
}

// failure returns the error that the answer describes.
func (a *answer) failure() *Error {
	e := new(Error)
	e.decode(a.status, a.header, a.body)
	return e
}

func (a *answer) replayed() bool {
	return strings.EqualFold(a.header.Get("Idempotent-Response"), "true")
}

// requestID prefers the id in the body, which Nylas documents, to that in the header.
func (a *answer) requestID() string {
	var envelope struct {
		RequestID string `json:"request_id"`
	}
	_ = jsonv2.Unmarshal(a.body, &envelope, loose.Options) // without one the header's counts
	return cmp.Or(envelope.RequestID, a.header.Get("X-Request-Id"))
}
