package nylastest

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// EndpointQueuedSend is the sending of a queued message when its turn has come. Like
// EndpointScheduledSend it answers nobody: only Hold and Inside apply, and a failure
// becomes a message.send_failed notification.
const EndpointQueuedSend Endpoint = "queued send"

// longestQueue is how long the last message in a full queue waits.
//
// https://developer.nylas.com/docs/v3/agent-accounts/send-limits/
const longestQueue = 90 * time.Second

// WithAgentSendLimit limits how many messages all Agent Accounts together send within a
// second. Nylas has such a limit for each organization; its number depends on the plan.
//
// What is beyond the limit is queued: the answer is 202, and the message goes out in its
// turn, at most 90 s later, when message.delivered follows. If it cannot be sent, which a
// [Fault] of [EndpointQueuedSend] brings about, message.send_failed follows. A queued
// draft stays in the drafts until it is sent, and for good if it fails; Nylas does not
// document what happens to a draft that is sent again while it is queued, and here a
// second message goes out. A scheduled message waits in the queue when its time has come.
// When the queue is full, the answer is 429 with Retry-After, and nothing is remembered
// under an Idempotency-Key. Without the option nothing is queued.
//
// https://developer.nylas.com/docs/v3/agent-accounts/send-limits/
func WithAgentSendLimit(perSecond int) Option {
	return optionFunc(func(c *config) error {
		if perSecond < 1 {
			return errors.New("nylastest: the limit of Agent Accounts is less than one message a second")
		}
		c.agentSends = perSecond
		return nil
	})
}

// sendQueue gives turns to the sends of Agent Accounts, in their order. Nil gives each
// its turn at once.
type sendQueue struct {
	mu    sync.Mutex
	turns rateRing
	last  *turn
}

func newSendQueue(perSecond int) *sendQueue {
	if perSecond == 0 {
		return nil
	}
	return &sendQueue{turns: rateRing{times: make([]time.Time, perSecond)}}
}

// turn is when a message may go out. A nil turn is now.
type turn struct {
	at     time.Time
	before *turn         // who goes out first
	over   chan struct{} // closed when the message went out or failed
}

// enter returns the turn of a message from a grant, or the refusal of a full queue.
func (q *sendQueue) enter(g grant) (*turn, *response) {
	if q == nil || !g.agent {
		return nil, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	at := now
	if oldest := q.turns.times[q.turns.next]; !oldest.IsZero() && oldest.Add(rateWindow).After(at) {
		at = oldest.Add(rateWindow)
	}
	if wait := at.Sub(now) - longestQueue; wait > 0 {
		refusal := errorResponse(http.StatusTooManyRequests, typeRateLimited, "The send queue of the organization is full.")
		refusal.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		refusal.forget = true
		return nil, refusal
	}
	q.turns.times[q.turns.next] = at
	q.turns.next = (q.turns.next + 1) % len(q.turns.times)
	if !at.After(now) {
		return nil, nil
	}
	q.last = &turn{at: at, before: q.last, over: make(chan struct{})}
	return q.last, nil
}

// wait returns when it is the turn of the message, and reports false if the context ended
// before. end must follow in either case.
func (t *turn) wait(ctx context.Context) bool {
	if t == nil {
		return true
	}
	if !sleep(ctx, time.Until(t.at)) {
		return false
	}
	if t.before != nil {
		select {
		case <-t.before.over:
		case <-ctx.Done():
			return false
		}
		t.before = nil // or all that ever went out would be kept
	}
	return true
}

func (t *turn) end() {
	if t != nil {
		close(t.over)
	}
}

// dispatch sends a message at once or when its turn has come, and calls sent then. It
// returns the answer.
func (s *Server) dispatch(t *turn, message Message, token, fields string, sent func()) *response {
	status := http.StatusOK
	if t == nil {
		message = s.putOut(message, token)
		sent()
	} else {
		s.mailbox.reserve(&message)
		status, fields = http.StatusAccepted, fieldsStandard
		started := s.tasks.run(func(ctx context.Context) {
			defer t.end()
			if t.wait(ctx) && s.sendQueued(ctx, message, token) {
				sent()
				s.changes.happened()
			}
		})
		if !started {
			t.end()
			return closedResponse()
		}
	}
	return jsonResponse(status, map[string]any{"grant_id": message.GrantID, "data": message.answer(fields)})
}

// putOut sends a message and tells the webhooks about it.
func (s *Server) putOut(message Message, token string) Message {
	message, reply := s.mailbox.put(message, token)
	s.sent(&message, reply)
	return message
}

// sendQueued sends a message whose turn has come, and reports whether it could.
func (s *Server) sendQueued(ctx context.Context, message Message, token string) bool {
	fault := s.faults.at(EndpointQueuedSend, message.ID)
	failure := fault.execute(ctx, func() *response { return s.grants.barred(message.GrantID) })
	switch {
	case ctx.Err() != nil:
		return false
	case failure != nil && failure.status >= http.StatusBadRequest:
		s.sendFailed(&message, failure, time.Time{})
		return false
	}
	s.putOut(message, token)
	return true
}

// sendFailed notifies that a message that was scheduled or queued could not be sent.
func (s *Server) sendFailed(message *Message, failure *response, sendAt time.Time) {
	s.changes.happened() // nobody is notified if the grant was deleted
	s.notify(newNotification(sourceSend, events.TypeMessageSendFailed, s.applicationID, message.GrantID, time.Now(),
		&events.MessageSendFailed{Reason: "failed to send", Error: failure.sendError(), Message: message.sentMessage(sendAt)}))
}
