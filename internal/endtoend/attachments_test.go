package endtoend_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
)

// zeros is a content of size bytes.
func zeros(announced int64, size int) nylas.AttachmentContent {
	return nylas.StreamContent(announced, func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(make([]byte, size))), nil
	})
}

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
				offer := filepath.Join(t.TempDir(), "offer.pdf")
				require.NoError(t, os.WriteFile(offer, []byte("%PDF-"), 0o600))
				var resp nylas.Response
				message, err := l.sendBy(l.client, []nylas.RequestOption{nylas.WithResponse(&resp)}, func(r *nylas.SendMessageRequest) {
					r.Body += ` <img src="cid:logo">`
					r.Attachments = []nylas.Attachment{
						{ContentID: "logo", Content: nylas.FSContent(fstest.MapFS{"assets/logo.png": {Data: []byte{0, 1, 2}}}, "assets/logo.png")},
						{Content: nylas.FileContent(offer)},
						{Filename: "Größe", Content: last},
					}
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

// TestEndOfAnAttemptEndsItsStream blocks in a Read until the stream is closed, as
// a pipe does. The error that this gives is not the reason.
func TestEndOfAnAttemptEndsItsStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := nylastest.NewServer(t, nylastest.WithNetwork(nylastest.NewNetwork()))
		client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(server.URL()), nylas.WithHTTPClient(server.HTTPClient()))
		require.NoError(t, err)
		var opened []*io.PipeWriter
		content := nylas.StreamContent(nylas.UnknownSize, func() (io.ReadCloser, error) {
			r, w := io.Pipe()
			opened = append(opened, w)
			return r, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		start := time.Now()
		_, err = client.Messages.Send(ctx, server.GrantID(), &nylas.SendMessageRequest{
			To: toKim(), Attachments: []nylas.Attachment{{Filename: "f", Content: content}},
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, nylas.ErrOutcomeUnknown)
		assert.Equal(t, 4*time.Minute, time.Since(start))
		failed, ok := errors.AsType[*nylas.Error](err)
		require.True(t, ok)
		assert.Equal(t, 2, failed.Attempts, "the first one ends after 150 s")
		synctest.Wait()
		require.Len(t, opened, 2)
		for _, w := range opened {
			_, err := w.Write([]byte("x"))
			require.ErrorIs(t, err, io.ErrClosedPipe)
		}
		assert.Empty(t, server.Messages())
	})
}
