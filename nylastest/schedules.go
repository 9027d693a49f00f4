package nylastest

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The endpoints of scheduled messages.
const (
	EndpointListSchedules  Endpoint = "GET /v3/grants/{grant}/messages/schedules"
	EndpointGetSchedule    Endpoint = "GET /v3/grants/{grant}/messages/schedules/{id}"
	EndpointCancelSchedule Endpoint = "DELETE /v3/grants/{grant}/messages/schedules/{id}"
)

const (
	// scheduleKept is how long after its time a schedule can be read.
	// https://developer.nylas.com/docs/v3/email/scheduled-send/
	scheduleKept = 72 * time.Hour
	// cancelAhead is how long before its time a schedule can be cancelled for sure.
	// Later the answer is the same here, and the message is sent.
	// https://developer.nylas.com/docs/reference/api/messages/delete-a-scheduled-message/
	cancelAhead = 10 * time.Second
)

// The codes of a schedule. Nylas shows the first two; that of a failure is chosen
// here.
const (
	schedulePending = "pending"
	scheduleSuccess = "success"
	scheduleFailed  = "failed"
)

// schedules holds the scheduled messages of all grants, in the order of their
// requests. One that was cancelled is forgotten: what Nylas shows of it is not
// documented.
type schedules struct {
	mu   sync.Mutex
	list []*schedule
}

type schedule struct {
	id, grantID string
	message     Message // of one that is pending, and the token of its tracking URLs
	token       string
	sendAt      time.Time
	code        string
	closed      time.Time // zero while it is pending
	cancel      context.CancelFunc
}

// startSchedule keeps a message until its time, and reports whether it does.
func (s *Server) startSchedule(message Message, token string, sendAt time.Time) bool {
	ctx, cancel := context.WithCancel(s.tasks.ctx)
	s.schedules.add(&schedule{
		id: message.ScheduleID, grantID: message.GrantID, message: message, token: token,
		sendAt: sendAt, code: schedulePending, cancel: cancel,
	})
	started := s.tasks.run(func(context.Context) {
		defer cancel()
		s.executeSchedule(ctx, message, token, sendAt)
	})
	if !started {
		cancel()
	}
	return started
}

func (b *schedules) add(added *schedule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, added)
}

// end records how a schedule ended.
func (b *schedules) end(id, code string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, known := range b.list {
		if known.id == id {
			known.code, known.closed = code, time.Now()
			known.message, known.token = Message{}, ""
		}
	}
}

// of returns the answers for the schedules of a grant that can still be read.
func (b *schedules) of(grantID string) []scheduleAnswer {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.list = slices.DeleteFunc(b.list, func(known *schedule) bool { return now.Sub(known.sendAt) > scheduleKept })
	answers := []scheduleAnswer{}
	for _, known := range b.list {
		if known.grantID == grantID {
			answers = append(answers, known.answer())
		}
	}
	return answers
}

// drop cancels a pending schedule if there is time, and reports whether there was
// one.
func (b *schedules) drop(grantID, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, known := range b.list {
		if known.grantID != grantID || known.id != id || known.code != schedulePending {
			continue
		}
		if time.Until(known.sendAt) >= cancelAhead {
			known.cancel()
			b.list = slices.Delete(b.list, i, i+1)
		}
		return true
	}
	return false
}

type scheduleAnswer struct {
	ScheduleID string `json:"schedule_id"`
	Status     struct {
		Code        string `json:"code"`
		Description string `json:"description"`
	} `json:"status"`
	CloseTime int64 `json:"close_time,omitzero"`
}

func (s *schedule) answer() scheduleAnswer {
	a := scheduleAnswer{ScheduleID: s.id}
	a.Status.Code = s.code
	switch s.code {
	case schedulePending:
		a.Status.Description = "schedule send awaiting send at time"
	case scheduleSuccess:
		a.Status.Description = "schedule send succeeded"
	default:
		a.Status.Description = "schedule send failed"
	}
	if !s.closed.IsZero() {
		a.CloseTime = s.closed.Unix()
	}
	return a
}

func (s *Server) serveListSchedules(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	return s.scheduleResponse(s.schedules.of(grant.id))
}

func (s *Server) serveGetSchedule(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	for _, known := range s.schedules.of(grant.id) {
		if known.ScheduleID == c.PathValue("id") {
			return s.scheduleResponse(known)
		}
	}
	return notFound("schedule")
}

func (s *Server) scheduleResponse(answer any) *response {
	if s.config.readings.SchedulesBare {
		return bareResponse(answer)
	}
	return dataResponse(answer)
}

func (s *Server) serveCancelSchedule(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	if !s.schedules.drop(grant.id, c.PathValue("id")) {
		return notFound("schedule")
	}
	return jsonResponse(http.StatusAccepted, map[string]any{
		"data": map[string]string{"message": "requested cancelation for workflow"},
	})
}

// grantOf returns the grant that a path names, if it can be used.
func (s *Server) grantOf(c *call) (grant, *response) {
	g, ok := s.grants.find(c.PathValue("grant"))
	if !ok {
		return grant{}, notFound("grant")
	}
	if g.expired() {
		return grant{}, expiredGrant()
	}
	return g, nil
}

func notFound(what string) *response {
	return errorResponse(http.StatusNotFound, typeNotFound, what+" not found")
}
