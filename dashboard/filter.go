package dashboard

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// The parameters of lists and downloads.
const (
	grantParam    = "grant"
	campaignParam = "campaign"
	stateParam    = "state"
	searchParam   = "search"
	noLabelParam  = "nolabel" // "1" asks for messages without a label: an empty campaign is any
	afterParam    = "after"   // of the page before
)

// maxFilter is how long a text of a filter can be, in bytes. It is our choice: 2,048
// characters, as many as a label of Nylas can have, of 4 bytes each.
const maxFilter = 4 * 2048

// filter says which messages a list shows.
type filter struct {
	Grant, Campaign, State, Search, After string
	NoLabel                               bool // of the campaign without a name
}

// cursor is the shape of what the store gives as the After of the next page.
var cursor = regexp.MustCompile(`^[a-z]-?[0-9a-z]{1,13}_-?[0-9a-z]{1,13}$`)

// filterOf reads the filter of a request. It reports false if the filter cannot be.
func filterOf(r *http.Request) (filter, bool) {
	query := r.URL.Query()
	f := filter{
		Grant: query.Get(grantParam), Campaign: query.Get(campaignParam), State: query.Get(stateParam),
		Search: strings.TrimSpace(query.Get(searchParam)), After: query.Get(afterParam),
	}
	for _, text := range []string{f.Grant, f.Campaign, f.Search} {
		if !isText(text) || len(text) > maxFilter {
			return f, false
		}
	}
	if f.After != "" && !cursor.MatchString(f.After) {
		return f, false
	}
	switch query.Get(noLabelParam) {
	case "":
	case "1":
		f.NoLabel = true
	default:
		return f, false
	}
	if f.NoLabel && f.Campaign != "" {
		return f, false
	}
	return f, f.State == "" || new(engagement.State).UnmarshalText([]byte(f.State)) == nil
}

// isText reports whether a database takes something as a text.
func isText(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// values are the parameters that say the same.
func (f filter) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		grantParam: f.Grant, campaignParam: f.Campaign, stateParam: f.State, searchParam: f.Search, afterParam: f.After,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if f.NoLabel {
		values.Set(noLabelParam, "1")
	}
	return values
}

// with returns path and the filter as its parameters.
func (f filter) with(path string) string {
	if values := f.values().Encode(); values != "" {
		return path + "?" + values
	}
	return path
}

// query asks the store for a page.
func (f filter) query(limit int) sqlstore.MessageQuery {
	q := sqlstore.MessageQuery{GrantID: f.Grant, Campaign: f.Campaign, NoCampaign: f.NoLabel, Search: f.Search, After: f.After, Limit: limit}
	if f.State != "" {
		q.State = new(engagement.State)
		_ = q.State.UnmarshalText([]byte(f.State)) // filterOf has tried
	}
	return q
}
