package nylas

import (
	"context"
	"iter"
	"net/http"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/internal/loose"
)

// Schedule is a message that was sent with SendAt. Nylas keeps it for 72 h after that
// time. An Agent Account's message can be queued when its time has come, and is then sent
// at most 90 s later; see [Message.Queued].
//
// https://developer.nylas.com/docs/v3/email/scheduled-send/
type Schedule struct {
	ScheduleID string         `json:"schedule_id"`
	Status     ScheduleStatus `json:"status"`
	// CloseTime is when the message was sent or failed; zero before that.
	CloseTime events.Timestamp `json:"close_time,omitzero"`
}

// ScheduleStatus is the state of a Schedule. Nylas also notifies its end, with the
// triggers message.send_success and message.send_failed.
type ScheduleStatus struct {
	Code        ScheduleCode `json:"code"`
	Description string       `json:"description,omitzero"`
}

// ScheduleCode is the code of a ScheduleStatus. Other values than these constants are
// possible: Nylas shows two and publishes no list.
type ScheduleCode string

// The codes that Nylas shows in its examples.
const (
	SchedulePending ScheduleCode = "pending"
	ScheduleSuccess ScheduleCode = "success"
)

// UnmarshalJSON decodes a status: an object, as Nylas documents it, or only the code,
// as some programs of Nylas expect it.
func (s *ScheduleStatus) UnmarshalJSON(data []byte) error {
	if jsontext.Value(data).Kind() == '"' {
		*s = ScheduleStatus{}
		return jsonv2.Unmarshal(data, &s.Code, loose.Options)
	}
	type plain ScheduleStatus // without this method
	return jsonv2.Unmarshal(data, (*plain)(s), loose.Options)
}

func (s *Schedule) isNamed() bool { return s.ScheduleID != "" }

// schedulesIn returns the schedules in an answer that is an object. The reference
// has a bare array; models of Nylas' own have it in data, or in schedules in data.
func schedulesIn(members loose.Object) jsontext.Value {
	inner := loose.Parse(members["data"])
	for _, list := range []jsontext.Value{inner["schedules"], members["schedules"]} {
		if list != nil {
			return list
		}
	}
	return members["data"]
}

// scheduleAnswer is the answer with one schedule, bare or in data.
type scheduleAnswer struct {
	Schedule
	Data *Schedule `json:"data"`
}

func (a *scheduleAnswer) isNamed() bool { return a.schedule().isNamed() }

func (a *scheduleAnswer) schedule() *Schedule {
	if a.Data != nil {
		return a.Data
	}
	return &a.Schedule
}

// ListSchedules returns the scheduled messages of a grant: those that are waiting and
// those that ended in the last 72 h. The sequence yields an error at most once, as its
// last element; a [ListError] means that some schedules could not be read.
//
// https://developer.nylas.com/docs/reference/api/messages/get-schedules/
func (s *MessageService) ListSchedules(ctx context.Context, grantID string, opts ...RequestOption) iter.Seq2[*Schedule, error] {
	return pages[Schedule]{
		client: s.client,
		name:   "list schedules",
		call: call{
			method: http.MethodGet, path: "/v3/grants/{grant_id}/messages/schedules", lane: laneGrant,
			ids: []string{grantID}, limit: callTimeout,
		},
		elsewhere: schedulesIn,
		opts:      opts,
	}.all(ctx)
}

const schedulePath = "/v3/grants/{grant_id}/messages/schedules/{schedule_id}"

// GetSchedule returns a scheduled message. scheduleID is the [Message.ScheduleID] that
// Send returned. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/reference/api/messages/get-schedule-by-id/
func (s *MessageService) GetSchedule(ctx context.Context, grantID, scheduleID string, opts ...RequestOption) (*Schedule, error) {
	var answer scheduleAnswer
	err := s.client.begin("get schedule", opts).do(ctx, call{
		method: http.MethodGet, path: schedulePath, lane: laneGrant, ids: []string{grantID, scheduleID}, limit: callTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return answer.schedule(), nil
}

// CancelSchedule asks Nylas not to send a scheduled message. Call it at least 10 s
// before SendAt: later Nylas does not promise to stop the message. An unknown id is
// [ErrNotFound]. If a retry does not find the schedule, CancelSchedule returns nil,
// because an earlier attempt may have cancelled it.
//
// https://developer.nylas.com/docs/reference/api/messages/delete-a-scheduled-message/
func (s *MessageService) CancelSchedule(ctx context.Context, grantID, scheduleID string, opts ...RequestOption) error {
	return deletionError(s.client.begin("cancel schedule", opts).do(ctx, call{
		method: http.MethodDelete, path: schedulePath, lane: laneGrant, ids: []string{grantID, scheduleID}, limit: callTimeout,
	}, nil))
}
