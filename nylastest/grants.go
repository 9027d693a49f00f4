package nylastest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The endpoints of grants.
const (
	EndpointListGrants Endpoint = "GET /v3/grants"
	EndpointGetGrant   Endpoint = "GET /v3/grants/{grant}"
)

// The limits of a list of grants.
// https://developer.nylas.com/docs/reference/api/manage-grants/get-all-grants/
const (
	defaultGrantsPage = 10
	maxGrantsPage     = 200
)

// The mailbox of the grant that every server has.
const (
	defaultSenderName  = "Sender"
	defaultSenderEmail = "sender@nylas.test"
)

// grant is a connected mailbox.
type grant struct {
	id, name, email string
	agent           bool // an Agent Account
	createdAt       time.Time
	updatedAt       time.Time
	expiredAt       time.Time // zero while it is valid
	deleted         bool
}

type grants struct {
	integrations map[string]string // the ids of the connectors, by provider

	mu     sync.Mutex
	list   []grant
	missed map[string][]*events.Notification // what Nylas could not see, by grant
}

func newGrants(ids *ids) *grants {
	return &grants{
		integrations: map[string]string{providerConnected: ids.uuid("integration", providerConnected), providerAgent: ids.uuid("integration", providerAgent)},
		missed:       make(map[string][]*events.Notification),
	}
}

func (g *grants) add(added grant) (id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	added.createdAt = time.Now()
	added.updatedAt = added.createdAt
	g.list = append(g.list, added)
	return added.id
}

// all returns the grants, oldest first.
func (g *grants) all() []grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(g.list), func(known grant) bool { return known.deleted })
}

// find takes what the path of an API request may name a grant by: its id, its
// address, or either with its kind in front. External ids are not emulated.
func (g *grants) find(name string) (grant, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, byID := strings.CutPrefix(name, "grant:")
	email, byEmail := strings.CutPrefix(name, "email:")
	for _, candidate := range g.list {
		if !candidate.deleted && (!byEmail && candidate.id == id || !byID && strings.EqualFold(candidate.email, email)) {
			return candidate, true
		}
	}
	return grant{}, false
}

// The providers that the emulator has: a connected mailbox is one of Google.
const (
	providerConnected = "google"
	providerAgent     = "nylas"
	statusValid       = "valid"
	statusInvalid     = "invalid" // expired
)

func (g *grant) status() string {
	if g.expired() {
		return statusInvalid
	}
	return statusValid
}

func (g *grant) provider() string {
	if g.agent {
		return providerAgent
	}
	return providerConnected
}

// scope is what the owner allowed. It is empty, not nil, for an Agent Account.
func (g *grant) scope() []string {
	if g.agent {
		return []string{}
	}
	return []string{"https://www.googleapis.com/auth/gmail.modify"}
}

// grantAnswer is how the endpoints describe a grant.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/
type grantAnswer struct {
	ID          string   `json:"id"`
	Provider    string   `json:"provider"`
	GrantStatus string   `json:"grant_status"`
	Email       string   `json:"email"`
	Name        string   `json:"name"`
	Scope       []string `json:"scope"`
	CreatedAt   int64    `json:"created_at"`
	UpdatedAt   int64    `json:"updated_at"`
}

func (g *grant) answer() grantAnswer {
	return grantAnswer{
		ID: g.id, Provider: g.provider(), GrantStatus: g.status(), Email: g.email, Name: g.name, Scope: g.scope(),
		CreatedAt: g.createdAt.Unix(), UpdatedAt: g.updatedAt.Unix(),
	}
}

// serveListGrants lists the grants by offset, newest first unless asked otherwise.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/get-all-grants/
func (s *Server) serveListGrants(c *call) *response {
	query, refusal := c.query("limit", "offset", "sort_by", "order_by", "since", "before", "email", "grant_status", "provider",
		"ip", "account_id", "account_ids", "workspace_id")
	if refusal != nil {
		return refusal
	}
	for name, values := range map[string][]string{
		"sort_by": {"created_at", "updated_at"}, "order_by": {"asc", "desc"}, "grant_status": {statusValid, statusInvalid},
	} {
		if query.Has(name) && !slices.Contains(values, query.Get(name)) {
			return badRequest(fmt.Sprintf("%s must be one of %s", name, strings.Join(values, ", ")))
		}
	}
	numbers := map[string]int64{}
	for name, span := range map[string]struct{ fallback, least, most int64 }{
		"limit": {defaultGrantsPage, 1, maxGrantsPage}, "offset": {0, 0, maxUnix}, "since": {0, 0, maxUnix}, "before": {maxUnix, 0, maxUnix},
	} {
		if numbers[name], refusal = number(query, name, span.fallback, span.least, span.most); refusal != nil {
			return refusal
		}
	}
	found := slices.DeleteFunc(s.grants.all(), func(g grant) bool {
		created := g.createdAt.Unix()
		return created < numbers["since"] || created > numbers["before"] ||
			// No grant here has what these ask for.
			query.Get("ip") != "" || query.Get("account_id") != "" || query.Get("account_ids") != "" || query.Get("workspace_id") != "" ||
			query.Has("email") && !strings.EqualFold(query.Get("email"), g.email) ||
			!matches(query, "grant_status", g.status()) || !matches(query, "provider", g.provider())
	})
	if query.Get("sort_by") == "updated_at" {
		slices.SortStableFunc(found, func(a, b grant) int { return a.updatedAt.Compare(b.updatedAt) })
	}
	if query.Get("order_by") != "asc" {
		slices.Reverse(found)
	}
	from := min(numbers["offset"], int64(len(found)))
	data := []grantAnswer{}
	for _, g := range found[from:min(from+numbers["limit"], int64(len(found)))] {
		data = append(data, g.answer())
	}
	return jsonResponse(http.StatusOK, map[string]any{"data": data, "limit": numbers["limit"], "offset": numbers["offset"]})
}

// serveGetGrant returns one grant.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/get_grant_by_id/
func (s *Server) serveGetGrant(c *call) *response {
	grant, ok := s.grants.find(c.PathValue("grant"))
	if !ok {
		return notFound("grant")
	}
	return dataResponse(grant.answer())
}
