package nylastest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func TestQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.server.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Inside: nylastest.QuarantineAnswer()}))
	a, err := w.attempt()
	require.NoError(t, err)
	a.refused(http.StatusForbidden, "api.provider_error",
		"Microsoft has put the tenant of this mailbox into quarantine. Its administrator must resolve this with Microsoft.")
	assert.Empty(t, w.server.Messages())
}

// TestDeadline: after 504 the mail may have been sent, and a repetition with the key tells.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]bool{"sent": true, "not sent": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			fault := nylastest.Fault{Endpoint: nylastest.EndpointSend, Inside: nylastest.DeadlineAnswer()}
			if sent {
				fault.Inside, fault.After = nil, fault.Inside
			}
			require.NoError(t, w.server.Inject(fault))
			a, err := w.attempt()
			require.NoError(t, err)
			a.refused(http.StatusGatewayTimeout, "api.provider_error", "Provider request timed out.")
			assert.Equal(t, sent, len(w.server.Messages()) == 1)
			a, err = w.attempt()
			require.NoError(t, err)
			assert.Equal(t, "true", a.header.Get("Idempotent-Response"))
			assert.Equal(t, sent, a.status == http.StatusOK)
		})
	}
}
