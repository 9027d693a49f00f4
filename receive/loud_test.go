package receive_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/receive"
)

// What is lost is told to slog.Default where nobody has set a logger. The tests here change
// that, so they do not run in parallel.
func defaultLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var logged bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	return &logged
}

func TestDispatcherWithoutUndecodableIsLoud(t *testing.T) { //nolint:paralleltest // see defaultLog
	logged := defaultLog(t)
	err := new(receive.Dispatcher).HandleDelivery(t.Context(), receive.NewDelivery([]byte(bodyMarker), ""))
	require.ErrorIs(t, err, receive.ErrPermanent)
	assert.Contains(t, logged.String(), "level=ERROR")
	assert.Contains(t, logged.String(), "set Undecodable to keep it")
	assert.Contains(t, logged.String(), "id=sha256:")
	assert.NotContains(t, logged.String(), bodyMarker)
}

func TestReceiverWithoutLoggerIsLoudAboutWhatIsLost(t *testing.T) { //nolint:paralleltest // see defaultLog
	logged := defaultLog(t)
	receiver := newReceiver(t, outcome(receive.Permanent(errors.New("no such message"))))
	require.Equal(t, http.StatusOK, recorded(receiver, signed(openedBody("n-1"))).status)
	assert.Contains(t, logged.String(), `level=ERROR msg="receive: delivery given up" messaging.message.id=n-1 nylas.notification.type=message.opened exception.message="no such message"`)

	logged.Reset()
	receiver = newReceiver(t, outcome(errors.New("disk full")))
	require.Equal(t, http.StatusServiceUnavailable, recorded(receiver, signed(openedBody("n-1"))).status)
	assert.Empty(t, logged.String(), "Nylas brings it again")
}
