package nylastest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
)

// The command-line program of Nylas points to another base URL by NYLAS_API_BASE_URL. The
// Go module of its release cannot be had, so these tests make its requests one by one, and
// decode the answers as strictly as it does.
//
// https://github.com/nylas/cli (internal/adapters/nylas)

type cliPerson struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

type cliGrant struct {
	ID          string `json:"id"`
	Email       string `json:"email"`
	Provider    string `json:"provider"`
	GrantStatus string `json:"grant_status"`
	CreatedAt   int64  `json:"created_at"`
}

type cliMessage struct {
	ID       string      `json:"id"`
	GrantID  string      `json:"grant_id"`
	ThreadID string      `json:"thread_id"`
	Subject  string      `json:"subject"`
	From     []cliPerson `json:"from"`
	To       []cliPerson `json:"to"`
	Date     int64       `json:"date"`
	Unread   bool        `json:"unread"`
	Folders  []string    `json:"folders"`
	RawMIME  string      `json:"raw_mime"`

	Metadata    map[string]string `json:"metadata"`
	Attachments []struct {
		ID   string `json:"id"`
		Size int64  `json:"size"`
	} `json:"attachments"`
}

type cliFolder struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	SystemFolder any      `json:"system_folder"`
	TotalCount   int      `json:"total_count"`
	Attributes   []string `json:"attributes"`
}

type cliThread struct {
	ID           string      `json:"id"`
	MessageIDs   []string    `json:"message_ids"`
	DraftIDs     []string    `json:"draft_ids"`
	Participants []cliPerson `json:"participants"`
	Subject      string      `json:"subject"`
}

type cliSchedule struct {
	ScheduleID string `json:"schedule_id"`
	Status     struct {
		Code string `json:"code"`
	} `json:"status"`
	CloseTime int64 `json:"close_time"`
}

type cliWebhook struct {
	ID            string   `json:"id"`
	TriggerTypes  []string `json:"trigger_types"`
	WebhookURL    string   `json:"webhook_url"`
	WebhookSecret string   `json:"webhook_secret"`
	Status        string   `json:"status"`
	CreatedAt     int64    `json:"created_at"`
}

// cli makes a request as the program does, which takes one of the statuses, and returns what
// it reads of the answer.
func cli[T any](w *world, method, path string, body any, statuses ...int) (data T, cursor string) {
	w.t.Helper()
	a := w.call(method, path, body)
	require.Contains(w.t, append(statuses, http.StatusOK), a.status, "%s %s: %s", method, path, a.body)
	var read struct {
		Data       T      `json:"data"`
		NextCursor string `json:"next_cursor"`
	}
	require.NoError(w.t, json.Unmarshal(a.body, &read), "%s %s", method, path)
	return read.Data, read.NextCursor
}

// cliMail is the body of its sends: names are always there, thread_replies never are.
func cliMail(subject string) object {
	return object{
		"subject": subject, "body": `<a href="https://acme.dev/demo">demo</a>`,
		"to": []object{{"name": "", "email": "kim@example.org"}}, "from": []object{{"name": "", "email": "sender@nylas.test"}},
		"tracking_options": object{"opens": true, "links": false, "label": "cli"}, "metadata": object{"key1": "a"},
	}
}

func TestCLISendsAndLists(t *testing.T) {
	t.Parallel()
	w := newProgram(t)
	grants, _ := cli[[]cliGrant](w, http.MethodGet, "/v3/grants?limit=200", nil)
	require.Len(t, grants, 1)
	assert.Equal(t, "valid", grants[0].GrantStatus)
	assert.Positive(t, grants[0].CreatedAt)
	rest, _ := cli[[]cliGrant](w, http.MethodGet, "/v3/grants?limit=200&offset=1", nil)
	assert.Empty(t, rest)
	path := "/v3/grants/" + grants[0].ID

	// It asks for the grant before it sends.
	grant, _ := cli[cliGrant](w, http.MethodGet, path, nil)
	assert.Equal(t, grants[0], grant)
	const accepted, created = http.StatusAccepted, http.StatusCreated
	first, _ := cli[cliMessage](w, http.MethodPost, path+"/messages/send", cliMail("first"), created, accepted)
	second, _ := cli[cliMessage](w, http.MethodPost, path+"/messages/send", cliMail("second"), created, accepted)
	assert.Equal(t, "first", first.Subject)

	// It asks for the folders before it lists mail, and takes their ids.
	folders, _ := cli[[]cliFolder](w, http.MethodGet, path+"/folders", nil)
	i := slices.IndexFunc(folders, func(f cliFolder) bool { return strings.EqualFold(f.Name, "sent") })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, 2, folders[i].TotalCount)
	query := url.Values{"limit": {"1"}, "in": {"TRASH", folders[i].ID}, "q": {"demo"}, "offset": {"0"}, "unread": {"false"}}
	list := path + "/messages?"
	page, cursor := cli[[]cliMessage](w, http.MethodGet, list+query.Encode(), nil)
	require.Len(t, page, 1)
	assert.Equal(t, second.ID, page[0].ID, "the last folder counts")
	query.Set("page_token", cursor)
	page, cursor = cli[[]cliMessage](w, http.MethodGet, list+query.Encode(), nil)
	require.Len(t, page, 1)
	assert.Equal(t, first.ID, page[0].ID)
	assert.Equal(t, map[string]string{"key1": "a"}, page[0].Metadata)
	assert.Empty(t, cursor)
	raw, _ := cli[cliMessage](w, http.MethodGet, path+"/messages/"+first.ID+"?fields=raw_mime", nil)
	mime, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(raw.RawMIME))
	if err != nil {
		mime, err = base64.RawURLEncoding.DecodeString(raw.RawMIME)
	}
	require.NoError(t, err)
	assert.Contains(t, string(mime), "Subject: first")

	threads, _ := cli[[]cliThread](w, http.MethodGet, path+"/threads?limit=10&offset=0&q=demo&subject=first", nil)
	require.Len(t, threads, 1)
	assert.Equal(t, []string{first.ID}, threads[0].MessageIDs)
	thread, _ := cli[cliThread](w, http.MethodGet, path+"/threads/"+first.ThreadID, nil)
	assert.Equal(t, threads[0], thread)
	changed, _ := cli[cliMessage](w, http.MethodPut, path+"/messages/"+first.ID, object{"unread": true})
	assert.True(t, changed.Unread)
	cli[any](w, http.MethodDelete, path+"/messages/"+first.ID, nil, http.StatusNoContent)
}

func TestCLISchedules(t *testing.T) {
	t.Parallel()
	w := newProgram(t)
	path := w.messagesPath()
	mail := cliMail("later")
	mail["send_at"] = time.Now().Add(time.Hour).Unix()
	cli[cliMessage](w, http.MethodPost, path+"/send", mail, http.StatusCreated, http.StatusAccepted)
	// It reads an object with data only, of which a bare array would leave nothing.
	schedules, _ := cli[[]cliSchedule](w, http.MethodGet, path+"/schedules", nil)
	require.Len(t, schedules, 1)
	assert.Equal(t, "pending", schedules[0].Status.Code)
	one, _ := cli[cliSchedule](w, http.MethodGet, path+"/schedules/"+schedules[0].ScheduleID, nil)
	assert.Equal(t, schedules[0], one)
	cli[any](w, http.MethodDelete, path+"/schedules/"+one.ScheduleID, nil, http.StatusNoContent, http.StatusAccepted)
	schedules, _ = cli[[]cliSchedule](w, http.MethodGet, path+"/schedules", nil)
	assert.Empty(t, schedules)
}

func TestCLIDrafts(t *testing.T) {
	t.Parallel()
	w := newProgram(t)
	mail := cliMail("draft")
	delete(mail, "tracking_options")
	delete(mail, "from")
	draft, _ := cli[cliMessage](w, http.MethodPost, w.draftsPath(), mail, http.StatusCreated)
	mail["subject"] = "second"
	changed, _ := cli[cliMessage](w, http.MethodPut, w.draftsPath()+"/"+draft.ID, mail)
	assert.Equal(t, "second", changed.Subject)
	drafts, _ := cli[[]cliMessage](w, http.MethodGet, w.draftsPath()+"?limit=10", nil)
	assert.Equal(t, []cliMessage{changed}, drafts)
	// It sends a draft without a body, and says that it is JSON.
	a := w.call(http.MethodPost, w.draftsPath()+"/"+draft.ID, nil, "Content-Type", "application/json")
	assert.Equal(t, http.StatusOK, a.status, "%s", a.body)
	cli[any](w, http.MethodDelete, w.draftsPath()+"/"+cliDraft(w), nil, http.StatusNoContent)
}

func cliDraft(w *world) string {
	draft, _ := cli[cliMessage](w, http.MethodPost, w.draftsPath(), object{"subject": "", "body": ""}, http.StatusCreated)
	return draft.ID
}

func TestCLIWebhooks(t *testing.T) {
	t.Parallel()
	w := newProgram(t)
	newReceiver(t, w.network, appHost)
	hook, _ := cli[cliWebhook](w, http.MethodPost, "/v3/webhooks", object{
		"trigger_types": events.TrackingTypes(), "webhook_url": appURL, "description": "", "notification_email_addresses": []string{},
	}, http.StatusCreated)
	assert.NotEmpty(t, hook.WebhookSecret)
	list, _ := cli[[]cliWebhook](w, http.MethodGet, "/v3/webhooks", nil)
	require.Len(t, list, 1)
	one, _ := cli[cliWebhook](w, http.MethodGet, "/v3/webhooks/"+hook.ID, nil)
	assert.Positive(t, one.CreatedAt)
	rotated, _ := cli[cliWebhook](w, http.MethodPost, "/v3/webhooks/rotate-secret/"+hook.ID, nil, http.StatusCreated)
	assert.NotEqual(t, hook.WebhookSecret, rotated.WebhookSecret)
	updated, _ := cli[cliWebhook](w, http.MethodPut, "/v3/webhooks/"+hook.ID, object{"status": "pause"}, http.StatusCreated)
	assert.Equal(t, "pause", updated.Status)
	payload, _ := cli[map[string]any](w, http.MethodPost, "/v3/webhooks/mock-payload", object{"trigger_type": "message.opened"}, http.StatusCreated)
	assert.NotEmpty(t, payload)
	cli[any](w, http.MethodDelete, "/v3/webhooks/"+hook.ID, nil, http.StatusNoContent)
}

// It takes the message, the type and the request id out of an error, and shows them.
func TestCLIErrors(t *testing.T) {
	t.Parallel()
	w := newProgram(t)
	for path, want := range map[string]string{
		"/v3/grants/unknown":         "404 api.not_found_error: grant not found",
		w.messagesPath() + "/x":      "404 api.not_found_error: message not found",
		w.grantPath("folders/x"):     "404 api.not_found_error: folder not found",
		w.grantPath("threads/x"):     "404 api.not_found_error: thread not found",
		w.messagesPath() + "?in[]=x": "200 : ",
		"/v3/webhooks/x":             "400 70000: destination.id.not.found : record not found",
	} {
		a := w.call(http.MethodGet, path, nil)
		var read struct {
			RequestID string `json:"request_id"`
			Error     struct {
				Type    string `json:"type"`
				Message string `json:"message"`
			} `json:"error"`
		}
		require.NoError(t, json.Unmarshal(a.body, &read), path)
		assert.Equal(t, want, fmt.Sprintf("%d %s: %s", a.status, read.Error.Type, read.Error.Message), path)
		assert.Equal(t, a.header.Get("X-Request-Id"), read.RequestID)
	}
}
