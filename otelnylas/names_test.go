package otelnylas_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/nylastrack/nylas-go/internal/telemetry"
)

// The keys of log records are those of the semantic conventions, where these have one.
func TestLogKeysAreThoseOfTheConventions(t *testing.T) {
	t.Parallel()
	assert.Equal(t, telemetry.LogMethod, string(semconv.HTTPRequestMethodKey))
	assert.Equal(t, telemetry.LogPath, string(semconv.URLTemplateKey))
	assert.Equal(t, telemetry.LogStatus, string(semconv.HTTPResponseStatusCodeKey))
	assert.Equal(t, telemetry.LogError, string(semconv.ExceptionMessageKey))
	assert.Equal(t, telemetry.LogStack, string(semconv.ExceptionStacktraceKey))
	assert.Equal(t, telemetry.LogDeliveryID, string(semconv.MessagingMessageIDKey))
	assert.Equal(t, telemetry.NotificationType, telemetry.LogType)
}
