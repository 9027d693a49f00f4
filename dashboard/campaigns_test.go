package dashboard_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
)

// spring is a campaign of 8 messages: 2 that people opened, one of which was clicked too, 1
// that nobody can tell, 1 that only machines loaded, 3 without a signal, 1 that bounced.
func (s *site) spring() {
	s.t.Helper()
	for i := range 8 {
		s.sent(fmt.Sprint("m-", i), noon.Add(time.Duration(i)*time.Minute), func(m *engagement.Sent) { m.Label = "spring" })
	}
	hour := noon.Add(time.Hour)
	s.happened(event("m-0", engagement.Open, hour, gmailAgent), event("m-1", engagement.Open, hour, gmailAgent), click("m-1", 0, hour.Add(time.Hour), chromeAgent))
	s.happened(event("m-2", engagement.Open, hour, appleAgent), click("m-3", 0, hour, scriptAgent))
	require.NoError(s.t, s.store.SetDelivery(s.t.Context(), "g-1", "m-7", engagement.Bounced))
	require.NoError(s.t, s.store.SetDelivery(s.t.Context(), "g-1", "m-0", engagement.Delivered))
	s.sent("other", noon, func(m *engagement.Sent) { m.Label = "autumn" })
	s.judge()
}

var bar = regexp.MustCompile(`(?s)<svg role="img" aria-labelledby="(\S+) (\S+)".*?</svg>`)

func TestCampaignPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	page := s.get("/campaign?name=spring")
	assert.Contains(t, page, "<h1><bdi>spring</bdi></h1>")
	assert.Contains(t, text(page), "Share of the messages Opened 28.6 % to 42.9 % Opened: 28.6 % to 42.9 % 2 of 7 by people, probably; 1 more possible 2 of 7 by people, probably; 1 more possible "+
		"Clicked 14.3 % Clicked: 14.3 % 1 of 7 by people, probably 1 of 7 by people, probably "+
		"Replied 0 % Replied: 0 % 0 of 7 by people, probably 0 of 7 by people, probably The full bar is what")
	assert.Equal(t, "Messages 8 Known to have arrived 1 Bounced, and in no share 1 Machines only 1 No signal 4 Events are missing 0", text(part(t, page, "numbers", "</dl>")))
	assert.Equal(t, 8, strings.Count(page, `<li id="k`))
	assert.NotContains(t, page, "Subject of other")
	assert.NotContains(t, page, "Lower bounds")

	for _, test := range []struct {
		state string
		want  []string
	}{
		{"clicked", []string{"m-1"}}, {"likely opened", []string{"m-0"}}, {"indeterminate", []string{"m-2"}}, {"machine only", []string{"m-3"}},
		{"no signal", []string{"m-7", "m-6", "m-5", "m-4"}}, {"replied", nil},
	} {
		tab := "/campaign?name=spring&state=" + queryEscape(test.state)
		assert.Contains(t, html.UnescapeString(page), `<a href="`+tab+`">`)
		assert.Equal(t, test.want, subjects(s.get(tab)), tab)
		assert.Contains(t, s.get(tab), `aria-current="true"`)
	}
}

// The drawing has a text for those who do not see it, and is as wide as it says.
func TestBars(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	page := s.get("/campaign?name=spring")
	found := bar.FindAllStringSubmatch(page, -1)
	require.Len(t, found, 3)
	for _, svg := range found {
		assert.Contains(t, svg[0], `<title id="`+svg[1]+`">`)
		assert.Contains(t, svg[0], `<desc id="`+svg[2]+`">`)
	}
	assert.Contains(t, found[0][0], `<rect class="sure" width="28.57%"`)
	assert.Contains(t, found[0][0], `<rect class="possible" x="28.57%" width="14.29%"`)
	assert.Contains(t, found[1][0], `<rect class="sure" width="14.29%"`)
	assert.Contains(t, found[1][0], `<rect class="possible" x="14.29%" width="0.00%"`)
}

func TestCampaignsList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	assert.Contains(t, text(s.get("/campaigns")), "No campaign yet.")
	s.spring()
	s.sent("plain", noon, nil)
	s.judge()
	page := s.get("/campaigns")
	var names []string
	for _, found := range regexp.MustCompile(`<h2><a href="([^"]*)" id="[^"]*"><bdi>([^<]*)</bdi>`).FindAllStringSubmatch(page, -1) {
		names = append(names, found[2])
		assert.Contains(t, s.get(found[1]), "<h1><bdi>"+found[2]+"</bdi></h1>")
	}
	assert.ElementsMatch(t, []string{"spring", "autumn", "(no label)"}, names)
	assert.Equal(t, "spring", names[0], "the most recently active first")
	assert.Contains(t, text(page), "8 messages, last active 4 Mar, 14:00")
	assert.Len(t, bar.FindAllString(page, -1), 9)
	assert.Equal(t, http.StatusNotFound, s.do(http.MethodGet, "/campaign?name=none").Code)
}

func TestManyCampaigns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 30 {
		s.sent(fmt.Sprint("m-", i), noon.Add(time.Duration(i)*time.Minute), func(m *engagement.Sent) { m.Label = fmt.Sprint("campaign ", i) })
	}
	s.judge()
	first := s.get("/campaigns")
	assert.Equal(t, 24, strings.Count(first, `<li id="k`))
	next := regexp.MustCompile(`<a href="([^"]*)" rel="next">`).FindStringSubmatch(first)
	require.NotNil(t, next)
	second := s.get(next[1])
	assert.Equal(t, 6, strings.Count(second, `<li id="k`))
	assert.Contains(t, second, `<a href="/campaigns">Newest</a>`)
	assert.Contains(t, second, "<bdi>campaign 0</bdi>")
	assert.NotContains(t, second, `rel="next"`)
}

// A label of SendMessageRequest.Each names the person too; the campaign is the same for all.
func TestCampaignOfEach(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, person := range []string{"kim", "lee"} {
		label, err := nylas.EncodeLabel(map[string]string{"campaign": "summer", "person": person})
		require.NoError(t, err)
		s.sent(person, noon, func(m *engagement.Sent) { m.Label = label })
	}
	s.judge()
	assert.ElementsMatch(t, []string{"kim", "lee"}, subjects(s.get("/campaign?name=summer")))
	page := text(s.get("/messages/g-1/kim"))
	assert.Contains(t, page, "Campaign summer Label ")
}

// Missing events make a rate a lower bound, which is said.
func TestIncompleteCampaign(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Label = "spring" })
	s.notified("m-1", 0)
	s.notified("m-1", 3)
	s.judge()
	for _, path := range []string{"/campaign?name=spring", "/campaigns"} {
		assert.Contains(t, text(s.get(path)), "Lower bounds: events of 1 message are missing.", path)
	}
	assert.Contains(t, text(s.get("/")), "likely opened lower bounds: 2 events missing people: 2 opens")
}

// Before Run has judged anything, the messages of a campaign are there already.
func TestCampaignNotJudged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.sent("m-1", noon, func(m *engagement.Sent) { m.Label = "spring" })
	page := s.get("/campaign?name=spring")
	assert.Equal(t, []string{"m-1"}, subjects(page))
	assert.Contains(t, page, "<h1><bdi>spring</bdi></h1>")
	assert.Contains(t, text(page), "Opened no message to count")
	assert.Contains(t, text(page), "1 of these messages waits for its verdict. Does the program call Dashboard.Run?")
	s.judge()
	assert.NotContains(t, text(s.get("/campaign?name=spring")), "waits for its verdict")
}

// The messages without a label are a campaign like each other: its page, its downloads and the
// list with the same filter have the same messages.
func TestMessagesWithoutLabel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.spring()
	for i := range 3 {
		s.sent(fmt.Sprint("plain-", i), noon.Add(time.Duration(i)*time.Minute), nil)
	}
	s.happened(event("plain-0", engagement.Open, noon.Add(time.Hour), gmailAgent))
	s.judge()
	page := s.get("/campaign?name=")
	want := []string{"plain-0", "plain-2", "plain-1"}
	assert.Equal(t, want, subjects(page))
	assert.Contains(t, text(page), "Messages 3 ")
	downloads := regexp.MustCompile(`<a href="([^"]*)" download>`).FindAllStringSubmatch(page, -1)
	require.Len(t, downloads, 2)
	assert.ElementsMatch(t, want, column(s.table(html.UnescapeString(downloads[0][1])), "message_id"))
	assert.Equal(t, want[:1], column(s.table(html.UnescapeString(downloads[1][1])), "message_id"))
	home := s.get("/?nolabel=1")
	assert.Equal(t, want, subjects(part(t, home, "messages", "</ol>")))
	assert.Equal(t, 1, strings.Count(part(t, home, "feed", "</ol>"), "<li "), "the live list too")
	assert.Contains(t, html.UnescapeString(page), `<a href="/campaign?name=&state=likely+opened">`)
	assert.Equal(t, want[:1], subjects(s.get("/campaign?name=&state=likely+opened")))
	for _, path := range []string{"/?nolabel=yes", "/?nolabel=1&campaign=spring", "/messages.csv?nolabel=1&campaign=spring"} {
		assert.Equal(t, http.StatusBadRequest, s.do(http.MethodGet, path).Code, path)
	}
}
