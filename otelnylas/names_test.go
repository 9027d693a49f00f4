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
	assert.Equal(t, string(semconv.HTTPRequestMethodKey), telemetry.LogMethod)
	assert.Equal(t, string(semconv.URLTemplateKey), telemetry.LogPath)
	assert.Equal(t, string(semconv.HTTPResponseStatusCodeKey), telemetry.LogStatus)
	assert.Equal(t, string(semconv.ExceptionMessageKey), telemetry.LogError)
	assert.Equal(t, string(semconv.ExceptionStacktraceKey), telemetry.LogStack)
	assert.Equal(t, string(semconv.MessagingMessageIDKey), telemetry.LogDeliveryID)
	assert.Equal(t, telemetry.NotificationType, telemetry.LogType)
}
