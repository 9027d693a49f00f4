package nylas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
)

const (
	testThread = "t-5f1a9c02"
	testFolder = "Label_7"

	testAttachment = "a-4kj2jrcoj9ve5j9yxqz5cuv98"
)

// recordedGrant is the grant of the recorded answers.
func recordedGrant() *nylas.Grant {
	return &nylas.Grant{
		ID: testGrant, Provider: "google", GrantStatus: nylas.GrantValid, Email: "sales@acme.dev", Name: "Sales",
		Scope:     []string{"https://www.googleapis.com/auth/gmail.modify"},
		CreatedAt: events.At(time.Unix(1635355739, 0)), UpdatedAt: events.At(time.Unix(1635355800, 0)),
		UserAgent: "Mozilla/5.0", IP: "203.0.113.7", State: "s-1", ProviderUserID: "u-1",
	}
}

// assertSettings checks what Nylas does not document, and takes it away.
func assertSettings(t *testing.T, grant *nylas.Grant) {
	t.Helper()
	assert.JSONEq(t, `{"a_member_nobody_read":[1]}`, string(grant.Settings))
	grant.Settings = nil
}

func TestGetGrant(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/grants.get.response.json"), answersFile(t, 404, "http/error.not-found.404.json"))
	got, err := w.client(t).Grants.Get(t.Context(), testGrant)
	require.NoError(t, err)
	assertSettings(t, got)
	assert.Equal(t, recordedGrant(), got)
	assertRecorded(t, "http/grants.get.request.json", w.requests()[0])
	_, err = w.client(t).Grants.Get(t.Context(), testGrant)
	assertSentinels(t, err, nylas.ErrNotFound)
}

func TestListGrants(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/grants.list.response.json"), answersFile(t, 200, "http/grants.list-last.response.json"),
		answers(200, `{"data":[]}`))
	req := &nylas.ListGrantsRequest{
		PageSize: 2, Offset: 4, SortBy: nylas.SortGrantsByUpdate, OldestFirst: true, Email: "sales@acme.dev", GrantStatus: nylas.GrantValid,
		Provider: "google", IP: "203.0.113.7", Since: time.Unix(1635355000, 999), Before: time.Unix(1635356000, 0),
	}
	list := w.client(t).Grants.List(t.Context(), req)
	assert.Empty(t, w.requests(), "nothing is asked before it is needed")
	req.Email = "changed@acme.dev"
	agent := &nylas.Grant{
		ID: "0b7e5a6b-0cbd-4a39-b3ba-2b53b1b0a7d6", Provider: nylas.ProviderAgentAccount, GrantStatus: nylas.GrantInvalid,
		Email: "news@mail.example.com", CreatedAt: events.At(time.Unix(1635355600, 0)),
	}
	got := collect(t, list)
	require.Len(t, got, 3)
	assertSettings(t, got[0])
	assert.Equal(t, []*nylas.Grant{recordedGrant(), agent, agent}, got)
	assertRecorded(t, "http/grants.list-all.request.json", w.requests()[0])
	assertRecorded(t, "http/grants.list-next.request.json", w.requests()[1])

	assert.Empty(t, collect(t, w.client(t).Grants.List(t.Context(), nil)))
	assertRecorded(t, "http/grants.list.request.json", w.requests()[2])
}

// TestPagesByOffset: the list ends at the first page that is not full, whoever says how
// many grants a full one has.
func TestPagesByOffset(t *testing.T) {
	t.Parallel()
	const one, two = `{"data":[{"id":"1"},{"id":"2"}]%s}`, `{"data":[{"id":"3"}]%s}`
	for _, tt := range []struct {
		name     string
		pageSize int
		limit    string // of the answers
		pages    []string
		want     int // grants
	}{
		{"the answer says it", 0, `,"limit":2,"offset":0`, []string{one, two}, 3},
		{"the answer takes fewer than asked for", 50, `,"limit":2`, []string{one, two}, 3},
		{"only the request says it", 2, ``, []string{one, two}, 3},
		{"nobody says it", 0, ``, []string{one, two, `{"data":[]%s}`}, 3},
		{"the last page is full", 2, `,"limit":2`, []string{one, `{"data":[]%s}`}, 2},
		{"one that cannot be read counts", 0, `,"limit":2`, []string{`{"data":[{"id":"1"},7]%s}`, two}, 2},
		{"the limit is odd", 2, `,"limit":"x"`, []string{one, two}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			w := newWireAlways(func(r *http.Request) (*http.Response, error) {
				asked++
				require.LessOrEqual(t, asked, len(tt.pages))
				want := map[int]string{1: "", 2: "2", 3: "3"}[asked]
				assert.Equal(t, want, r.URL.Query().Get("offset"))
				return answers(200, fmt.Sprintf(tt.pages[asked-1], tt.limit))(r)
			})
			var ids []string
			for grant, err := range w.client(t).Grants.List(t.Context(), &nylas.ListGrantsRequest{PageSize: tt.pageSize}) {
				if err == nil {
					ids = append(ids, grant.ID)
				} else {
					var list *nylas.ListError
					require.ErrorAs(t, err, &list)
					assert.Equal(t, []json.RawMessage{json.RawMessage("7")}, list.Elements)
				}
			}
			assert.Len(t, ids, tt.want)
			assert.Equal(t, len(tt.pages), asked)
		})
	}
	t.Run("a server that ignores the offset", func(t *testing.T) {
		t.Parallel()
		w := newWireAlways(answers(200, `{"data":[{"id":"1"},{"id":"2"}],"limit":2}`))
		var ids []string
		var failed error
		for grant, err := range w.client(t).Grants.List(t.Context(), nil) {
			if failed = err; err == nil {
				ids = append(ids, grant.ID)
			}
		}
		require.EqualError(t, failed, "nylas: list grants: the page is the same as the one before: the list would not end")
		assert.Equal(t, []string{"1", "2"}, ids)
		assert.Len(t, w.requests(), 2)
	})
}

func TestGrantsRefuse(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	for want, req := range map[string]nylas.ListGrantsRequest{
		"PageSize is not between 1 and 200": {PageSize: 201},
		"Offset is negative":                {Offset: -1},
		"Since is before 1970":              {Since: time.Unix(-1, 0)},
		"Before is before 1970":             {Before: time.Unix(-1, 0)},
	} {
		err := onlyError(w.client(t).Grants.List(t.Context(), &req))
		require.EqualError(t, err, "nylas: list grants: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	_, err := w.client(t).Grants.Get(t.Context(), "")
	require.EqualError(t, err, "nylas: get grant: grant_id is empty")
	assert.Empty(t, w.requests())
}

// recordedThread is the thread of the recorded answers.
func recordedThread() *nylas.Thread {
	return &nylas.Thread{
		ID: testThread, Object: "thread", GrantID: testGrant, Subject: "Quick follow-up", Snippet: "Yes, please",
		Participants: []nylas.Participant{{Name: "Sales", Email: "sales@acme.dev"}, {Email: "kim@example.org"}},
		MessageIDs:   []string{"m-1", testID}, DraftIDs: []string{"d-1"}, Folders: []string{"INBOX", "SENT"},
		HasAttachments: true, HasDrafts: true, Starred: true, Unread: true,
		EarliestMessageDate:       events.At(time.Unix(1635355739, 0)),
		LatestMessageReceivedDate: events.At(time.Unix(1635355800, 0)),
		LatestMessageSentDate:     events.At(time.Unix(1635355740, 0)),
		LatestDraftOrMessage: &nylas.Message{
			ID: testID, Object: "message", GrantID: testGrant, ThreadID: testThread, Subject: "Re: Quick follow-up",
			Date: events.At(time.Unix(1635355800, 0)), From: []nylas.Participant{{Email: "kim@example.org"}},
			Folders: []string{"INBOX"}, Unread: true,
		},
	}
}

func recordedFolder() *nylas.Folder {
	return &nylas.Folder{
		ID: testFolder, Object: "folder", GrantID: testGrant, Name: "Customers", Attributes: []string{`\Sent`}, ParentID: "p-1",
		BackgroundColor: "#ffffff", TextColor: "#000000", SystemFolder: true, ChildCount: 2, UnreadCount: 3, TotalCount: 4,
	}
}

// TestMailboxOnTheWire runs each call about one thing against a recorded exchange.
func TestMailboxOnTheWire(t *testing.T) {
	t.Parallel()
	updated := func(req nylas.UpdateThreadRequest) func(context.Context, *nylas.Client) (any, error) {
		return func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.Threads.Update(ctx, testGrant, testThread, &req)
		}
	}
	changed := func(req nylas.UpdateMessageRequest) func(context.Context, *nylas.Client) (any, error) {
		return func(ctx context.Context, c *nylas.Client) (any, error) {
			m, err := c.Messages.Update(ctx, testGrant, testID, &req)
			require.NoError(t, err)
			return m.ID, nil // the rest is TestGetMessage's
		}
	}
	for _, tt := range []struct {
		request, answer string
		call            func(context.Context, *nylas.Client) (any, error)
		want            any
	}{
		{"threads.get", "threads.thread", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.Threads.Get(ctx, testGrant, testThread)
		}, recordedThread()},
		{"threads.update-all", "threads.thread", updated(nylas.UpdateThreadRequest{
			Starred: new(false), Unread: new(true), Folders: []string{"INBOX", testFolder},
		}), recordedThread()},
		{"threads.update-emptied", "threads.thread", updated(nylas.UpdateThreadRequest{Folders: []string{}}), recordedThread()},
		{"threads.delete", "drafts.delete", func(ctx context.Context, c *nylas.Client) (any, error) {
			return nil, c.Threads.Delete(ctx, testGrant, testThread)
		}, nil},
		{"folders.get", "folders.folder", func(ctx context.Context, c *nylas.Client) (any, error) {
			return c.Folders.Get(ctx, testGrant, testFolder)
		}, recordedFolder()},
		{"messages.update-all", "messages.get-headers", changed(nylas.UpdateMessageRequest{
			Starred: new(true), Unread: new(false), Folders: []string{"INBOX"}, Metadata: map[string]string{"key1": "v2"},
		}), testID},
		{"messages.update-emptied", "messages.get-headers", changed(nylas.UpdateMessageRequest{
			Folders: []string{}, Metadata: map[string]string{},
		}), testID},
		{"messages.delete", "drafts.delete", func(ctx context.Context, c *nylas.Client) (any, error) {
			return nil, c.Messages.Delete(ctx, testGrant, testID)
		}, nil},
		{"messages.delete-hard", "drafts.delete", func(ctx context.Context, c *nylas.Client) (any, error) {
			return nil, c.Messages.Delete(ctx, testGrant, testID, nil, nylas.WithHardDelete())
		}, nil},
	} {
		t.Run(tt.request, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, answersFile(t, 200, "http/"+tt.answer+".response.json"))
			got, err := tt.call(t.Context(), w.client(t))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			assertRecorded(t, "http/"+tt.request+".request.json", w.requests()[0])
		})
	}
}

func TestListThreads(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/threads.list.response.json"), answersFile(t, 200, "http/threads.list-last.response.json"),
		answers(200, `{"data":[]}`))
	req := &nylas.ListThreadsRequest{
		PageSize: 20, PageToken: "p-1", Select: []string{"id", "message_ids"}, From: "kim@example.org", To: "sales@acme.dev",
		CC: "cc@example.org", BCC: "bcc@example.org", AnyEmail: []string{"a@example.org", "b@example.org"}, Subject: "follow up", In: "INBOX",
		HasAttachment: new(false), Starred: new(true), Unread: new(false),
		LatestMessageAfter: time.Unix(1635355739, 999), LatestMessageBefore: time.Unix(1635355800, 0), SearchQueryNative: "subject:foo",
	}
	list := w.client(t).Threads.List(t.Context(), testGrant, req)
	req.Select[0], req.AnyEmail[0], *req.Starred = "changed", "changed", false
	assert.Equal(t, []*nylas.Thread{recordedThread(), {ID: "t-2"}}, collect(t, list))
	assertRecorded(t, "http/threads.list-all.request.json", w.requests()[0])
	assertRecorded(t, "http/threads.list-next.request.json", w.requests()[1])
	assert.Empty(t, collect(t, w.client(t).Threads.List(t.Context(), testGrant, nil)))
	assertRecorded(t, "http/threads.list.request.json", w.requests()[2])
}

func TestListFolders(t *testing.T) {
	t.Parallel()
	w := newWire(t, answersFile(t, 200, "http/folders.list.response.json"), answers(200, `{"data":[]}`))
	req := &nylas.ListFoldersRequest{
		PageSize: 20, PageToken: "p-1", Select: []string{"id", "name"}, ParentID: "f-0", SingleLevel: true, IncludeHidden: true,
		SharedFrom: "lee@example.org",
	}
	list := w.client(t).Folders.List(t.Context(), testGrant, req)
	req.Select[0] = "changed"
	assert.Equal(t, []*nylas.Folder{recordedFolder(), {ID: "INBOX"}}, collect(t, list))
	assertRecorded(t, "http/folders.list-all.request.json", w.requests()[0])
	assert.Empty(t, collect(t, w.client(t).Folders.List(t.Context(), testGrant, nil)))
	assertRecorded(t, "http/folders.list.request.json", w.requests()[1])
}

func TestMailboxRefuses(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	c, ctx := w.client(t), t.Context()
	listed := func(req nylas.ListThreadsRequest) error { return onlyError(c.Threads.List(ctx, testGrant, &req)) }
	long := map[string]string{"key1": strings.Repeat("ä", 501)}
	for want, err := range map[string]error{
		"list threads: PageSize is not between 1 and 200":                       listed(nylas.ListThreadsRequest{PageSize: 201}),
		"list threads: AnyEmail has more than 25 addresses":                     listed(nylas.ListThreadsRequest{AnyEmail: make([]string, 26)}),
		"list threads: LatestMessageAfter is before 1970":                       listed(nylas.ListThreadsRequest{LatestMessageAfter: time.Unix(-1, 0)}),
		"list threads: LatestMessageBefore is before 1970":                      listed(nylas.ListThreadsRequest{LatestMessageBefore: time.Unix(-1, 0)}),
		"list folders: PageSize is not between 1 and 200":                       onlyError(c.Folders.List(ctx, testGrant, &nylas.ListFoldersRequest{PageSize: -1})),
		"update thread: the request is nil":                                     second(c.Threads.Update(ctx, testGrant, testThread, nil)),
		"update message: the request is nil":                                    second(c.Messages.Update(ctx, testGrant, testID, nil)),
		"update message: Metadata has a value of more than 500 characters":      second(c.Messages.Update(ctx, testGrant, testID, &nylas.UpdateMessageRequest{Metadata: long})),
		"get thread: thread_id is empty":                                        second(c.Threads.Get(ctx, testGrant, "")),
		"get folder: folder_id is a dot segment":                                second(c.Folders.Get(ctx, testGrant, "..")),
		"delete thread: thread_id is empty":                                     c.Threads.Delete(ctx, testGrant, ""),
		"delete message: message_id is empty":                                   c.Messages.Delete(ctx, testGrant, ""),
		"delete thread: WithHardDelete: only Messages.Delete takes this option": c.Threads.Delete(ctx, testGrant, testThread, nylas.WithHardDelete()),
	} {
		require.EqualError(t, err, "nylas: "+want)
		assertSentinels(t, err, nylas.ErrInvalidRequest)
	}
	assert.Empty(t, w.requests())
}

func second[T any](_ T, err error) error { return err }

// TestTrashTwice: what a lost attempt may have moved is not missed.
func TestTrashTwice(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *nylas.Client) error{
		"message": func(ctx context.Context, c *nylas.Client) error { return c.Messages.Delete(ctx, testGrant, testID) },
		"thread":  func(ctx context.Context, c *nylas.Client) error { return c.Threads.Delete(ctx, testGrant, testThread) },
	} {
		t.Run(name, bubble(func(t *testing.T) {
			notFound := answersFile(t, 404, "http/error.not-found.404.json")
			require.NoError(t, call(t.Context(), newWire(t, loses, notFound).client(t)))
			assertSentinels(t, call(t.Context(), newWire(t, notFound).client(t)), nylas.ErrNotFound)
		}))
	}
}

// download reads an attachment to its end.
func download(ctx context.Context, c *nylas.Client, opts ...nylas.RequestOption) (string, error) {
	content, err := c.Attachments.Download(ctx, testGrant, testAttachment, testID, opts...)
	if err != nil {
		return "", err
	}
	all, err := io.ReadAll(content)
	if closed := content.Close(); err == nil {
		err = closed
	}
	return string(all), err
}
