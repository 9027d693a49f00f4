package nylas

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// GrantService reads the grants of the application; it is [Client.Grants].
type GrantService struct{ client *Client }

// GrantStatus says whether Nylas can still use a grant.
type GrantStatus string

// The states of a grant.
const (
	GrantValid GrantStatus = "valid"
	// GrantInvalid means that the owner of the mailbox must authenticate again. Until then
	// Nylas sees no replies; opens and clicks are still notified.
	GrantInvalid GrantStatus = "invalid"
)

// ProviderAgentAccount is the [Grant.Provider] of an Agent Account, a mailbox that Nylas
// hosts.
const ProviderAgentAccount = "nylas"

// Grant is the permission to use a mailbox. Any field but ID can be missing.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/
type Grant struct {
	ID string `json:"id"`
	// Provider is google, microsoft, imap, icloud, yahoo, ews, or ProviderAgentAccount.
	// Other values are possible.
	Provider    string      `json:"provider,omitzero"`
	GrantStatus GrantStatus `json:"grant_status,omitzero"`
	// Email is the address of the mailbox.
	Email     string           `json:"email,omitzero"`
	Name      string           `json:"name,omitzero"`
	Scope     []string         `json:"scope,omitzero"`
	CreatedAt events.Timestamp `json:"created_at,omitzero"`
	UpdatedAt events.Timestamp `json:"updated_at,omitzero"`
	// Blocked reports that Nylas refuses the calls for this grant.
	Blocked bool `json:"blocked,omitzero"`
	// UserAgent and IP are those of the browser in which the owner authenticated, and
	// State is what that request had.
	UserAgent      string `json:"user_agent,omitzero"`
	IP             string `json:"ip,omitzero"`
	State          string `json:"state,omitzero"`
	ProviderUserID string `json:"provider_user_id,omitzero"`
	// Settings is experimental: it has what the provider needs, as Nylas wrote it, because
	// Nylas does not document its members. It can contain host names and addresses.
	Settings json.RawMessage `json:"settings,omitzero"`
}

func (g *Grant) isNamed() bool { return g.ID != "" }

// GrantSort is what a list of grants is ordered by.
type GrantSort string

// What grants can be ordered by.
const (
	SortGrantsByCreation GrantSort = "created_at" // the default
	SortGrantsByUpdate   GrantSort = "updated_at"
)

// ListGrantsRequest selects grants. The zero value selects all of them. Filters match
// exactly.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/get-all-grants/
type ListGrantsRequest struct {
	// PageSize is how many grants Nylas returns in one page: 1 to 200, and 0 means Nylas'
	// default, 10. List goes on over all pages: to read ten grants, leave the loop after
	// ten.
	// https://developer.nylas.com/docs/reference/api/#pagination
	PageSize int `url:"limit,omitempty"`
	// Offset is how many grants the list skips.
	Offset int `url:"offset,omitempty"`
	// SortBy is what the list is ordered by. Empty means SortGrantsByCreation.
	SortBy GrantSort `url:"sort_by,omitempty"`
	// OldestFirst begins with the oldest grant instead of the newest one.
	OldestFirst bool        `url:"-"`
	Email       string      `url:"email,omitempty"`
	GrantStatus GrantStatus `url:"grant_status,omitempty"`
	Provider    string      `url:"provider,omitempty"`
	IP          string      `url:"ip,omitempty"`
	// Since and Before select grants that were created at this time and later, or at this
	// time and earlier. They count in whole seconds: a fraction of a second is cut off. The
	// zero time means no limit; times before 1970 are refused.
	Since  time.Time `url:"since,unix,omitempty"`
	Before time.Time `url:"before,unix,omitempty"`
}

type listGrantsQuery struct {
	ListGrantsRequest
	OrderBy string `url:"order_by,omitempty"`
}

func (q *listGrantsQuery) check(op *operation) error {
	if q.Offset < 0 {
		return refuse(op, "Offset is negative")
	}
	if q.PageSize < 0 || q.PageSize > maxPageSize {
		return refuse(op, fmt.Sprintf("PageSize is not between 1 and %d", maxPageSize))
	}
	return checkTimes(op, timeFilter{"Since", q.Since}, timeFilter{"Before", q.Before})
}

// List returns the grants that req selects, newest first. A nil req selects all of them.
// List requests a page when the loop reaches it, and each loop starts again at the
// beginning. Changing req later has no effect. The sequence yields an error at most once,
// as its last element; a [ListError] means that some grants could not be read.
//
// Nylas counts these pages by their offset: a grant that is created or deleted during the
// loop can be missing, or come twice. OldestFirst avoids that for new grants.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/get-all-grants/
func (s *GrantService) List(ctx context.Context, req *ListGrantsRequest, opts ...RequestOption) iter.Seq2[*Grant, error] {
	var query listGrantsQuery
	if req != nil {
		query.ListGrantsRequest = *req
	}
	if query.OldestFirst {
		query.OrderBy = "asc"
	}
	first := ""
	if query.Offset > 0 {
		first = strconv.Itoa(query.Offset)
	}
	return pages[Grant]{
		client: s.client,
		name:   "list grants",
		call:   call{method: http.MethodGet, path: "/v3/grants", limit: callTimeout},
		check:  query.check,
		first:  first,
		query: func(offset string) any {
			page := query
			page.Offset, _ = strconv.Atoi(offset) // one that pages counted, or none
			return page
		},
		byOffset: true,
		pageSize: query.PageSize,
		opts:     opts,
	}.all(ctx)
}

// Get returns a grant. grantID is its id, its e-mail address, or one of the forms grant:…,
// email:… and external:…. An unknown id is [ErrNotFound]. Use it to see whether Nylas can
// still use a mailbox, and whether it is an Agent Account.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/get_grant_by_id/
func (s *GrantService) Get(ctx context.Context, grantID string, opts ...RequestOption) (*Grant, error) {
	var answer dataAnswer[Grant]
	err := s.client.begin("get grant", opts).do(ctx, call{
		method: http.MethodGet, path: "/v3/grants/{grant_id}", ids: []string{grantID}, limit: callTimeout,
	}, &answer)
	if err != nil {
		return nil, err
	}
	return &answer.Data, nil
}
