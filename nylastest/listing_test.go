package nylastest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/nylastrack/nylas-go/nylastest"
)

// An SDK in another language may repeat a parameter, to give a list.
func TestTheLastOfARepeatedParameterCounts(t *testing.T) {
	t.Parallel()
	w := newProgram(t)
	first, second := w.send(object{"subject": "first"}), w.send(object{"subject": "second"})
	assert.Equal(t, []string{second.ID}, w.idsOf(w.messagesPath()+"?subject=first&subject=second"))
	assert.Equal(t, []string{first.ID}, w.idsOf(w.messagesPath()+"?limit=x&subject=second&subject=first&limit=5&offset=1"))

	strict := newProgram(t, nylastest.WithStrictRequests())
	strict.call(http.MethodGet, strict.messagesPath()+"?subject=first&subject=second", nil).
		refused(400, "api.invalid_request_error", `query parameter "subject" is given twice`)
}

// A token is good for the list that gave it: same path, same filters, whatever the limit is.
func TestPageTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for range 4 {
		ids = append([]string{w.send(object{"subject": "x"}).ID}, ids...)
	}
	list := w.messagesPath() + "?subject=x"
	next := func(path string) string {
		return w.call(http.MethodGet, path, nil).object()["next_cursor"].(string)
	}
	token := next(list + "&limit=1")
	assert.Equal(t, ids[1:3], w.idsOf(list+"&limit=2&page_token="+token))
	assert.Equal(t, ids[1:], w.idsOf(list+"&select=id&page_token="+token))
	assert.Equal(t, next(list+"&limit=3"), next(list+"&limit=2&page_token="+token), "a page begins where the one before ends")

	for _, other := range []string{
		w.messagesPath() + "?page_token=", w.messagesPath() + "?subject=y&page_token=", list + "&starred=true&page_token=",
		w.grantPath("threads") + "?subject=x&page_token=", w.draftsPath() + "?subject=x&page_token=",
	} {
		w.call(http.MethodGet, other+token, nil).
			refused(400, "api.invalid_request_error", "page_token belongs to another list, or to other filters")
	}
	for _, bad := range []string{"", "7", token[:11], token + "A", token[:10], "%21" + token, strings.Repeat("A", 100)} {
		w.call(http.MethodGet, list+"&page_token="+bad, nil).refused(400, "api.invalid_request_error", "page_token is invalid")
	}
}

// Without a limit a page has 50, and at most 200.
func TestPagesHaveFifty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 201 {
		w.send()
		w.draft()
	}
	for path, want := range map[string]int{
		w.messagesPath(): 50, w.messagesPath() + "?limit=200": 200, w.grantPath("threads"): 50, w.grantPath("threads?limit=200"): 200,
		w.draftsPath(): 50, w.draftsPath() + "?limit=200": 200,
	} {
		page := w.call(http.MethodGet, path, nil).object()
		assert.Len(t, page["data"], want, path)
		assert.NotEmpty(t, page["next_cursor"], path)
	}
	for _, list := range []string{w.messagesPath(), w.grantPath("threads"), w.draftsPath(), w.grantPath("folders")} {
		for _, limit := range []string{"0", "201", "-1", "x", ""} {
			w.call(http.MethodGet, list+"?limit="+limit, nil).refused(400, "api.invalid_request_error", "limit must be between 1 and 200")
		}
	}
}
