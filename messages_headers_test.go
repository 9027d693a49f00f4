package nylas_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

func TestCustomHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	to := []nylas.Participant{{Email: "kim@example.org"}}
	for name, test := range map[string]struct {
		header nylas.Header
		want   string
	}{
		"no name":                  {nylas.Header{Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a line break in the name": {nylas.Header{Name: "X-A\r\nBcc", Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a colon in the name":      {nylas.Header{Name: "Bcc: kim", Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a name beyond ASCII":      {nylas.Header{Name: "Größe", Value: "x"}, "CustomHeaders[1] has a Name that"},
		"a line break":             {nylas.Header{Name: "X-A", Value: "x\r\nBcc: sam@example.org"}, "CustomHeaders[1] has a line break"},
		"a line feed":              {nylas.Header{Name: "X-A", Value: "x\nBcc: sam@example.org"}, "CustomHeaders[1] has a line break"},
		"NUL":                      {nylas.Header{Name: "X-A", Value: "\x00"}, "CustomHeaders[1] has a line break"},
		"recipients":               {nylas.Header{Name: "BCC", Value: "sam@example.org"}, "CustomHeaders[1] names recipients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := nylas.NewClient(testAPIKey, nylas.WithBaseURL("http://127.0.0.1:1"), nylas.WithRetryPolicy(nylas.RetryPolicy{MaxAttempts: 1}))
			require.NoError(t, err)
			headers := []nylas.Header{{Name: "List-Unsubscribe", Value: "<https://acme.dev/u>"}, test.header}
			_, sent := client.Messages.Send(t.Context(), testGrant, &nylas.SendMessageRequest{To: to, CustomHeaders: headers})
			_, created := client.Drafts.Create(t.Context(), testGrant, &nylas.CreateDraftRequest{To: to, CustomHeaders: headers})
			_, transactional := client.Transactional.Send(t.Context(), "acme.dev",
				&nylas.SendTransactionalRequest{From: to[0], To: to, CustomHeaders: headers})
			for _, err := range []error{sent, created, transactional} {
				require.ErrorIs(t, err, nylas.ErrInvalidRequest)
				require.ErrorContains(t, err, test.want)
				assert.NotContains(t, err.Error(), "sam@")
			}
		})
	}
}
