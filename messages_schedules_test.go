package nylas_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

const testSchedule = "8cd56334-6d95-432c-86d1-c5dab0ce98be"

func endedSchedule(id string) *nylas.Schedule {
	return &nylas.Schedule{
		ScheduleID: id,
		Status:     nylas.ScheduleStatus{Code: nylas.ScheduleSuccess, Description: "schedule send succeeded"},
		CloseTime:  events.At(time.Unix(1690579819, 0)),
	}
}

// TestListSchedules has the shapes that Nylas' pages and programs know.
func TestListSchedules(t *testing.T) {
	t.Parallel()
	published := []*nylas.Schedule{
		{
			ScheduleID: testSchedule,
			Status:     nylas.ScheduleStatus{Code: nylas.SchedulePending, Description: "schedule send awaiting send at time"},
		},
		endedSchedule("rb856334-6d95-432c-86d1-c5dab0ce98be"),
	}
	for name, want := range map[string][]*nylas.Schedule{
		"constructed/schedules.array.json": published,
		"constructed/schedules.data.json":  published,
		"http/schedules.list-text.response.json": {
			{ScheduleID: testSchedule, Status: nylas.ScheduleStatus{Code: nylas.SchedulePending}}, {ScheduleID: "second"},
		},
		"http/schedules.list-nested.response.json": {endedSchedule(testSchedule)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWireAlways(answersFile(t, 200, name, "X-Request-Id", "r-1"))
			var resp nylas.Response
			list := w.client(t).Messages.ListSchedules(t.Context(), testGrant, nylas.WithResponse(&resp))
			assert.Empty(t, w.requests(), "nothing is asked before it is needed")
			var got []*nylas.Schedule
			for schedule, err := range list {
				require.NoError(t, err)
				got = append(got, schedule)
			}
			assert.Equal(t, want, got)
			assert.NotEmpty(t, resp.RequestID)
			assertRecorded(t, "http/schedules.list.request.json", w.requests()[0])
			for _, err := range list {
				require.NoError(t, err)
				break
			}
			assert.Len(t, w.requests(), 2, "each loop asks again")
		})
	}
	for _, body := range []string{`[]`, `null`, `{"data":null}`, `{"data":[]}`, `[null]`, `{"schedules":[]}`, `{"data":{"schedules":null}}`} {
		for schedule, err := range newWire(t, answers(200, body)).client(t).Messages.ListSchedules(t.Context(), testGrant) {
			t.Error(body, schedule, err)
		}
	}
	for body, want := range map[string]string{
		`{}`: "the answer has no list", `"x"`: "the answer has another form than documented",
		`{"data":"x"}`: "the answer has another form than documented", `{"data":{}}`: "the answer has another form than documented",
	} {
		list := newWire(t, answers(200, body)).client(t).Messages.ListSchedules(t.Context(), testGrant)
		require.EqualError(t, onlyError(list), "nylas: list schedules: 200: OK: "+want)
	}
}

// TestListSchedulesWithAnOddOne: an odd schedule hides no other one, and is not
// lost.
func TestListSchedulesWithAnOddOne(t *testing.T) {
	t.Parallel()
	const odd = `{"schedule_id":1,"status":{"description":"` + markAddress + `"}}`
	w := newWire(t, answers(200, `[{"schedule_id":"first","close_time":[]},`+odd+`,7,{"schedule_id":"last"}]`))
	var got []string
	var failure error
	for schedule, err := range w.client(t).Messages.ListSchedules(t.Context(), testGrant) {
		require.NoError(t, failure, "an error is the last element")
		if failure = err; err == nil {
			got = append(got, schedule.ScheduleID)
		}
	}
	assert.Equal(t, []string{"first", "last"}, got)
	require.EqualError(t, failure, "nylas: list schedules: the list is not complete: 2 of the elements have another form than documented")
	assertSentinels(t, failure)
	var list *nylas.ListError
	require.ErrorAs(t, failure, &list)
	assert.Equal(t, []json.RawMessage{json.RawMessage(odd), json.RawMessage("7")}, list.Elements)

	w = newWire(t, answers(200, "["+strings.Repeat("7,", 99)+"7]"))
	require.ErrorAs(t, onlyError(w.client(t).Messages.ListSchedules(t.Context(), testGrant)), &list)
	assert.Equal(t, 100, list.Count)
	assert.Len(t, list.Elements, 20)
}

func TestGetSchedule(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"http/schedules.get-bare.response.json", "http/schedules.get-data.response.json"} {
		w := newWire(t, answersFile(t, 200, name))
		schedule, err := w.client(t).Messages.GetSchedule(t.Context(), testGrant, testSchedule)
		require.NoError(t, err)
		assert.Equal(t, endedSchedule(testSchedule), schedule)
		assertRecorded(t, "http/schedules.get.request.json", w.requests()[0])
	}
	odd := answers(200, `{"schedule_id":"s-1","status":"pending","close_time":{}}`)
	schedule, err := newWire(t, odd).client(t).Messages.GetSchedule(t.Context(), testGrant, testSchedule)
	require.NoError(t, err)
	assert.Equal(t, &nylas.Schedule{ScheduleID: "s-1", Status: nylas.ScheduleStatus{Code: nylas.SchedulePending}}, schedule)
}

func TestCancelSchedule(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 202, "http/schedules.cancel.response.json"))
	require.NoError(t, w.client(t).Messages.CancelSchedule(t.Context(), testGrant, testSchedule))
	assertRecorded(t, "http/schedules.cancel.request.json", w.requests()[0])
}
