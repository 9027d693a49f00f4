package nylastest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// EndpointDeleteGrant deletes a grant, as [Server.DeleteGrant] does.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/delete_grant_by_id/
const EndpointDeleteGrant Endpoint = "DELETE /v3/grants/{grant}"

// The emulator's own endpoints by which programs in other languages can let a grant expire
// and renew it.
const (
	endpointExpireGrant Endpoint = "POST /nylastest/grants/{grant}/expire"
	endpointRenewGrant  Endpoint = "POST /nylastest/grants/{grant}/renew"
)

// The codes of notifications about grants.
//
// https://developer.nylas.com/docs/reference/notifications/grants/
const (
	codeGrantExpired = 25009
	codeGrantCreated = 25012
	codeGrantDeleted = 25013
	codeGrantUpdated = 25014
	codeGrantRenewed = 25027
)

// backfillWithin is how long a grant may be expired so that what Nylas missed in its mailbox
// is notified when it is renewed.
//
// https://developer.nylas.com/docs/dev-guide/best-practices/grant-lifecycle/
const backfillWithin = 72 * time.Hour

// sourceSystem is the source of notifications about grants.
//
// https://developer.nylas.com/docs/reference/notifications/
const sourceSystem = "/nylas/system"

var (
	errNoGrant        = errors.New("there is no such grant")
	errAgentNoExpires = errors.New("an Agent Account does not expire, because Nylas itself is its provider")
)

// ExpireGrant lets the credentials of a grant expire, as a changed password does. The grant is
// named by its id or its address. The notification grant.expired comes at once; Nylas' own can
// take ten minutes. A grant that has expired stays as it is.
//
// While a grant is expired its status is "invalid", requests on it are answered with 401, and
// what is scheduled for it ends with message.send_failed. Its mailbox takes replies and
// bounces, but Nylas does not see them. Pixels and links of mail that was sent before work and
// are notified.
//
// It is an error if there is no such grant, or if it is an Agent Account.
//
// https://developer.nylas.com/docs/dev-guide/best-practices/grant-lifecycle/
func (s *Server) ExpireGrant(grant string) error {
	g, refreshed, err := s.grants.expire(grant)
	if err != nil {
		return fmt.Errorf("nylastest: expire grant: %w", err)
	}
	if !refreshed.IsZero() {
		change := s.grants.describe(g, codeGrantExpired)
		change.GrantUpdatedAt = events.At(refreshed)
		s.notifyGrant(events.TypeGrantExpired, &events.GrantExpired{GrantChange: change})
	}
	return nil
}

// RenewGrant authenticates the owner of a grant again, whether it has expired or not. The
// notification grant.updated follows. If the grant was expired for less than 72 hours, the
// replies and bounces that came meanwhile are notified then; otherwise they never are.
//
// It is an error if there is no such grant. One that was deleted cannot be renewed: add
// another one.
//
// https://developer.nylas.com/docs/dev-guide/best-practices/grant-lifecycle/
func (s *Server) RenewGrant(grant string) error {
	g, missed, err := s.grants.renew(grant)
	if err != nil {
		return fmt.Errorf("nylastest: renew grant: %w", err)
	}
	change := s.grants.describe(g, codeGrantRenewed)
	change.ReauthenticationFlag = new(true)
	s.notifyGrant(events.TypeGrantUpdated, &events.GrantUpdated{GrantChange: change})
	for _, n := range missed {
		s.notify(n)
	}
	return nil
}

// DeleteGrant deletes a grant for good. The notification grant.deleted follows, and no other
// one about the grant: requests on it are answered with 404, what is scheduled for it is not
// sent, and the pixels and links of all its mail are dead, so that [Recipient.Open],
// [Recipient.Click] and the other acts of a [Recipient] are errors. Attempts to deliver an
// earlier notification go on.
//
// It is an error if there is no such grant.
//
// https://developer.nylas.com/docs/dev-guide/best-practices/grant-lifecycle/
func (s *Server) DeleteGrant(grant string) error {
	g, err := s.grants.remove(grant)
	if err != nil {
		return fmt.Errorf("nylastest: delete grant: %w", err)
	}
	s.notifyGrant(events.TypeGrantDeleted, &events.GrantDeleted{GrantChange: s.grants.describe(g, codeGrantDeleted)})
	return nil
}

// addGrant connects a mailbox, and tells the webhooks.
func (s *Server) addGrant(g grant) (grantID string) {
	g.id = s.ids.uuid("grant", g.email)
	s.grants.add(g)
	change := s.grants.describe(g, codeGrantCreated)
	change.Name, change.Scope = g.name, g.scope()
	s.notifyGrant(events.TypeGrantCreated, &events.GrantCreated{GrantChange: change})
	return g.id
}

// notifyGrant notifies what became of a grant. Such notifications have no data.grant_id.
func (s *Server) notifyGrant(typ events.Type, data events.Data) {
	s.courier.notify(newNotification(sourceSystem, typ, s.applicationID, "", time.Now(), data))
}

// notify notifies, unless the grant that the notification is about was deleted.
func (s *Server) notify(n *events.Notification) {
	if n == nil || s.grants.deleted(n.GrantID) {
		return
	}
	s.courier.notify(n)
}

// notifyFound notifies what Nylas finds in the mailbox of a grant. In an expired one it finds
// nothing before it is renewed.
func (s *Server) notifyFound(n *events.Notification) {
	if n == nil {
		return
	}
	s.ids.name(n) // a state file keeps what was missed, with its id
	if !s.grants.miss(n) {
		s.notify(n)
	}
}

// expired reports whether the credentials have expired.
func (g *grant) expired() bool { return !g.expiredAt.IsZero() }

// index returns where the grant is that has the id and was not deleted, or -1.
func (g *grants) index(id string) int {
	return slices.IndexFunc(g.list, func(known grant) bool { return known.id == id && !known.deleted })
}

// change lets f change the grant of a name, and returns what it became.
func (g *grants) change(name string, f func(*grant) error) (grant, error) {
	found, ok := g.find(name)
	g.mu.Lock()
	defer g.mu.Unlock()
	i := g.index(found.id)
	if !ok || i < 0 {
		return grant{}, errNoGrant
	}
	err := f(&g.list[i])
	return g.list[i], err
}

// expire returns when the grant was last refreshed, or the zero time if it had expired before.
func (g *grants) expire(name string) (expired grant, refreshed time.Time, err error) {
	expired, err = g.change(name, func(known *grant) error {
		switch {
		case known.agent:
			return errAgentNoExpires
		case !known.expired():
			refreshed = known.updatedAt
			known.expiredAt, known.updatedAt = time.Now(), time.Now()
		}
		return nil
	})
	return expired, refreshed, err
}

// renew returns what was missed and is notified now.
func (g *grants) renew(name string) (renewed grant, missed []*events.Notification, err error) {
	renewed, err = g.change(name, func(known *grant) error {
		now := time.Now()
		if known.expired() && now.Sub(known.expiredAt) < backfillWithin {
			missed = g.missed[known.id]
		}
		delete(g.missed, known.id)
		known.expiredAt, known.updatedAt = time.Time{}, now
		return nil
	})
	return renewed, missed, err
}

// remove deletes a grant. It stays in the list, because the history has what its mail did.
func (g *grants) remove(name string) (grant, error) {
	return g.change(name, func(known *grant) error {
		known.deleted = true
		delete(g.missed, known.id)
		return nil
	})
}

// miss keeps a notification until its grant is renewed, and reports whether the grant is
// expired.
func (g *grants) miss(n *events.Notification) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := g.index(n.GrantID)
	if i < 0 || !g.list[i].expired() {
		return false
	}
	g.missed[n.GrantID] = append(g.missed[n.GrantID], n)
	return true
}

// deleted reports whether there was a grant with this id.
func (g *grants) deleted(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.list, func(known grant) bool { return known.id == id && known.deleted })
}

// isAgent reports whether a grant is or was an Agent Account.
func (g *grants) isAgent(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.list, func(known grant) bool { return known.id == id && known.agent })
}

// barred returns the refusal of a send on a grant that cannot be used any more, or nil.
func (g *grants) barred(id string) *response {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch i := slices.IndexFunc(g.list, func(known grant) bool { return known.id == id }); {
	case i < 0: // that of a Transactional send
		return nil
	case g.list[i].deleted:
		return notFound("grant")
	case g.list[i].expired():
		return expiredGrant()
	default:
		return nil
	}
}

// expiredGrant is how requests on an expired grant are answered. Nylas documents the status
// alone.
func expiredGrant() *response {
	return errorResponse(http.StatusUnauthorized, typeAuthentication, "the grant has expired: its owner must authenticate again")
}

// describe returns the data of a notification about a grant.
func (g *grants) describe(of grant, code int) events.GrantChange {
	return events.GrantChange{
		Code: events.Int(code), GrantID: of.id, IntegrationID: g.integrations[of.provider()], Provider: of.provider(),
		Email: events.Address(of.email),
	}
}

// trackedMessage returns the message of a tracking URL, unless its grant was deleted.
func (s *Server) trackedMessage(token string) (Message, bool) {
	m, ok := s.mailbox.byTrackingToken(token)
	if !ok || s.grants.deleted(m.GrantID) {
		return Message{}, false
	}
	return m, true
}

// serveDeleteGrant deletes a grant.
//
// https://developer.nylas.com/docs/reference/api/manage-grants/delete_grant_by_id/
func (s *Server) serveDeleteGrant(c *call) *response {
	if err := s.DeleteGrant(c.PathValue("grant")); err != nil {
		return notFound("grant")
	}
	return jsonResponse(http.StatusOK, map[string]any{})
}

func (s *Server) serveExpireGrant(c *call) *response {
	return grantChanged(s.ExpireGrant(c.PathValue("grant")))
}
func (s *Server) serveRenewGrant(c *call) *response {
	return grantChanged(s.RenewGrant(c.PathValue("grant")))
}

func grantChanged(err error) *response {
	switch {
	case errors.Is(err, errNoGrant):
		return notFound("grant")
	case err != nil:
		return badRequest(errAgentNoExpires.Error())
	default:
		return dataResponse(map[string]string{"status": "success"})
	}
}
