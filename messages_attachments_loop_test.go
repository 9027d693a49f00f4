package nylas_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// TestLoopAttachments sends both forms to the emulator, which loses an answer: the
// second attempt has the same bytes, or it would be a conflict.
func TestLoopAttachments(t *testing.T) {
	for form, last := range map[string]nylas.AttachmentContent{
		"JSON":             zeros(1_000_000, 1_000_000),
		"multipart":        zeros(20_000_000, 20_000_000),
		"multipart stream": zeros(nylas.UnknownSize, 5_000_000),
	} {
		t.Run(form, func(t *testing.T) {
			inLoop(t, func(t *testing.T, l *loop) {
				l.inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, After: nylastest.Disconnect()})
				var resp nylas.Response
				message, err := l.sendBy(l.client, []nylas.RequestOption{nylas.WithResponse(&resp)}, func(r *nylas.SendMessageRequest) {
					r.Body += ` <img src="cid:logo">`
					r.Attachments = eachContent(t)[1:3:3]
					r.Attachments = append(r.Attachments, nylas.Attachment{Filename: "Größe", Content: last})
				})
				require.NoError(t, err)
				assert.True(t, resp.Replayed)
				assert.Equal(t, 2, resp.Attempts)
				require.Len(t, l.nylas.Messages(), 1)
				got := l.nylas.Messages()[0].Attachments
				require.Len(t, got, 3)
				assert.Equal(t, nylastest.Attachment{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Size: 3}, got[0])
				assert.Equal(t, nylastest.Attachment{Filename: "offer.pdf", ContentType: "application/pdf", ContentID: got[1].ContentID, Size: 5}, got[1])
				assert.Equal(t, "Größe", got[2].Filename)
				assert.GreaterOrEqual(t, got[2].Size, 1_000_000)

				require.Len(t, message.Attachments, 3)
				assert.True(t, message.Attachments[0].IsInline)
				assert.False(t, message.Attachments[1].IsInline)
				assert.EqualValues(t, got[2].Size, message.Attachments[2].Size)
			})
		})
	}
}
