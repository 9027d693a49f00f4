package endtoend_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/nylastest"
)

// A program looks before it sends whether the grant is an Agent Account, and goes
// through all grants.
func TestLoopGrants(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		want := []string{l.nylas.AddAgentAccount("News", "news@mail.acme.dev")}
		for i := range 23 {
			want = append(want, l.nylas.AddGrant("Kim", fmt.Sprintf("kim-%d@example.org", i)))
		}
		agent, err := l.client.Grants.Get(ctx, "news@mail.acme.dev")
		require.NoError(t, err)
		assert.Equal(t, want[0], agent.ID)
		assert.Equal(t, nylas.ProviderAgentAccount, agent.Provider)
		assert.Equal(t, nylas.GrantValid, agent.GrantStatus)
		_, err = l.client.Grants.Get(ctx, "unknown")
		require.ErrorIs(t, err, nylas.ErrNotFound)

		for _, size := range []int{0, 4, 200} { // 24 grants and the first one
			var got []string
			for grant, err := range l.client.Grants.List(ctx, &nylas.ListGrantsRequest{PageSize: size, OldestFirst: true, Offset: 1}) {
				require.NoError(t, err)
				got = append(got, grant.ID)
			}
			assert.Equal(t, want, got)
		}
		agents := collect(t, l.client.Grants.List(ctx, &nylas.ListGrantsRequest{Provider: nylas.ProviderAgentAccount}))
		require.Len(t, agents, 1)
		assert.Equal(t, agent, agents[0])
	})
}

// After an outage a program finds the threads that were answered, reads the folder of
// sent mail, whatever its name is, and tidies up.
func TestLoopThreads(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grant := t.Context(), l.nylas.GrantID()
		var answered *nylas.Message
		for i := range 7 {
			message, err := l.send()
			require.NoError(t, err)
			if i == 3 {
				answered = message
			}
			<-time.After(time.Minute) // of the bubble
		}
		reply, err := l.recipient(answered).Reply(ctx)
		require.NoError(t, err)
		var found []*nylas.Thread
		for thread, err := range l.client.Threads.List(ctx, grant, &nylas.ListThreadsRequest{PageSize: 2, From: "kim@example.org"}) {
			require.NoError(t, err)
			if thread.LatestMessageReceivedDate.After(thread.LatestMessageSentDate.Time) {
				found = append(found, thread)
			}
		}
		require.Len(t, found, 1)
		assert.Equal(t, answered.ThreadID, found[0].ID)
		assert.Equal(t, []string{answered.ID, reply}, found[0].MessageIDs)
		assert.Equal(t, reply, found[0].LatestDraftOrMessage.ID)
		assert.Len(t, collect(t, l.client.Threads.List(ctx, grant, &nylas.ListThreadsRequest{PageSize: 3})), 7)

		read, err := l.client.Threads.Update(ctx, grant, found[0].ID, &nylas.UpdateThreadRequest{Unread: new(false)})
		require.NoError(t, err)
		assert.False(t, read.Unread)
		message, err := l.client.Messages.Update(ctx, grant, reply, &nylas.UpdateMessageRequest{Metadata: map[string]string{"key1": "won"}})
		require.NoError(t, err)
		assert.Equal(t, "won", message.Metadata["key1"])
		assert.False(t, message.Unread)

		folders := collect(t, l.client.Folders.List(ctx, grant, nil))
		sent := folders[slices.IndexFunc(folders, func(f *nylas.Folder) bool { return slices.Contains(f.Attributes, `\Sent`) })]
		assert.EqualValues(t, 7, sent.TotalCount)
		same, err := l.client.Folders.Get(ctx, grant, sent.ID)
		require.NoError(t, err)
		assert.Equal(t, sent, same)
		require.NoError(t, l.client.Messages.Delete(ctx, grant, reply))
		require.NoError(t, l.client.Threads.Delete(ctx, grant, found[0].ID))
		assert.Len(t, collect(t, l.client.Messages.List(ctx, grant, &nylas.ListMessagesRequest{In: sent.ID})), 6)
		_, err = l.client.Threads.Get(ctx, grant, "unknown")
		require.ErrorIs(t, err, nylas.ErrNotFound)
	})
}

// What was attached comes back as it was, also in the form that is too large for JSON.
func TestLoopDownload(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grant := t.Context(), l.nylas.GrantID()
		for _, content := range [][]byte{[]byte("offer"), bytes.Repeat([]byte{0, 255, 13, 10}, 1<<20)} {
			message, err := l.client.Messages.Send(ctx, grant, &nylas.SendMessageRequest{
				To: toKim(), Attachments: []nylas.Attachment{{Filename: "offer.pdf", Content: nylas.BytesContent(content)}},
			})
			require.NoError(t, err)
			require.Len(t, message.Attachments, 1)
			info, err := l.client.Attachments.Get(ctx, grant, message.Attachments[0].ID, message.ID)
			require.NoError(t, err)
			assert.Equal(t, &message.Attachments[0], info)
			assert.EqualValues(t, len(content), info.Size)
			body, err := l.client.Attachments.Download(ctx, grant, info.ID, message.ID)
			require.NoError(t, err)
			got, err := io.ReadAll(body)
			require.NoError(t, err)
			require.NoError(t, body.Close())
			assert.True(t, bytes.Equal(content, got))
			_, err = l.client.Attachments.Download(ctx, grant, "unknown", message.ID)
			require.ErrorIs(t, err, nylas.ErrNotFound)
		}
	})
}

// A message that is already written goes out once although an answer is lost, and comes back
// as it was.
func TestLoopMIME(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx, grant := t.Context(), l.nylas.GrantID()
		require.NoError(t, l.nylas.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, After: nylastest.GatewayAnswer(504)}))
		raw := "To: kim@example.org\r\nSubject: signed\r\n\r\n" + strings.Repeat("line\r\n", 1000)
		sent, err := l.client.Messages.SendMIME(ctx, grant, []byte(raw))
		require.NoError(t, err)
		require.Len(t, l.nylas.Messages(), 1)
		read, err := l.client.Messages.Get(ctx, grant, sent.ID, nylas.WithFields(nylas.FieldsRawMIME))
		require.NoError(t, err)
		got, err := read.MIME()
		require.NoError(t, err)
		assert.Equal(t, raw, string(got))

		reply, err := l.recipient(sent).AutoReply(ctx)
		require.NoError(t, err)
		read, err = l.client.Messages.Get(ctx, grant, reply, nylas.WithFields(nylas.FieldsRawMIME))
		require.NoError(t, err)
		machine, _ := read.MachineReply()
		assert.Equal(t, events.MachineYes, machine)
	})
}
