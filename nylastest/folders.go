package nylastest

import "slices"

// The endpoints of folders.
const (
	EndpointListFolders Endpoint = "GET /v3/grants/{grant}/folders"
	EndpointGetFolder   Endpoint = "GET /v3/grants/{grant}/folders/{id}"
)

// The folders of a mailbox. Their ids are those of Gmail's labels. There are no others, and
// nobody can create one.
const (
	folderInbox  = "INBOX"
	folderSent   = "SENT"
	folderDrafts = "DRAFTS"
	folderSpam   = "SPAM"
	folderTrash  = "TRASH"
)

// folderAttributes are the attributes by which Nylas names the same folder of all providers.
//
// https://developer.nylas.com/docs/reference/api/folders/
var folderAttributes = []struct{ id, attribute string }{
	{folderInbox, `\Inbox`}, {folderSent, `\Sent`}, {folderDrafts, `\Drafts`}, {folderSpam, `\Junk`}, {folderTrash, `\Trash`},
}

func knownFolder(id string) bool {
	return slices.ContainsFunc(folderAttributes, func(f struct{ id, attribute string }) bool { return f.id == id })
}

type folderAnswer struct {
	ID           string   `json:"id"`
	GrantID      string   `json:"grant_id"`
	Object       string   `json:"object"`
	Name         string   `json:"name"`
	SystemFolder bool     `json:"system_folder"`
	UnreadCount  int      `json:"unread_count"`
	TotalCount   int      `json:"total_count"`
	Attributes   []string `json:"attributes"`
}

// folders returns the folders of a grant with what is in them.
func (s *Server) folders(grantID string) []folderAnswer {
	var out []folderAnswer
	messages := s.mailbox.in(grantID)
	for _, f := range folderAttributes {
		a := folderAnswer{
			ID: f.id, GrantID: grantID, Object: "folder", Name: f.id, SystemFolder: true, Attributes: []string{f.attribute},
		}
		if f.id == folderDrafts {
			a.TotalCount = len(s.drafts.of(grantID))
		}
		for i := range messages {
			if slices.Contains(messages[i].folders, f.id) {
				a.TotalCount++
				if messages[i].unread {
					a.UnreadCount++
				}
			}
		}
		out = append(out, a)
	}
	return out
}

// serveListFolders lists the folders of a mailbox. No folder has children here.
//
// https://developer.nylas.com/docs/reference/api/folders/get-folder/
func (s *Server) serveListFolders(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	flags := map[string]filter{
		"parent_id":              byText(func(*listed, string) bool { return false }),
		"include_hidden_folders": byFlag("include_hidden_folders", nil),
		"single_level":           byFlag("single_level", nil),
	}
	query, refusal := c.query("limit", "page_token", "select", "parent_id", "include_hidden_folders", "single_level", "shared_from")
	if refusal == nil {
		refusal = checkEmulated(query)
	}
	if refusal != nil {
		return refusal
	}
	folders := s.folders(grant.id)
	slices.Reverse(folders) // lists begin at the end
	items := make([]listed, len(folders))
	for i, f := range folders {
		items[i] = listed{seq: i + 1, answer: func() any { return f }}
	}
	return c.listResponse(items, query, flags)
}

// serveGetFolder returns one folder.
//
// https://developer.nylas.com/docs/reference/api/folders/get-folders-id/
func (s *Server) serveGetFolder(c *call) *response {
	grant, refusal := s.grantOf(c)
	if refusal != nil {
		return refusal
	}
	query, refusal := c.query("select", "include_hidden_folders", "shared_from")
	if refusal == nil {
		refusal = checkEmulated(query)
	}
	if refusal != nil {
		return refusal
	}
	for _, f := range s.folders(grant.id) {
		if f.ID == c.PathValue("id") {
			return dataResponse(selected(f, query.Get("select")))
		}
	}
	return notFound("folder")
}
