package nylastest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/nylastest"
)

func TestSignPublishedVector(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../testdata/published/signature.vector.json")
	require.NoError(t, err)
	var vector struct{ Secret, Body, Signature string }
	require.NoError(t, json.Unmarshal(file, &vector))
	assert.Equal(t, vector.Signature, nylastest.Sign(vector.Secret, []byte(vector.Body)))
}

func TestNewWebhookRequest(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":"n-1"}`)
	request, err := nylastest.NewWebhookRequest(t.Context(), "http://app.test/hooks", "secret", body)
	require.NoError(t, err)
	assert.Equal(t, http.MethodPost, request.Method)
	assert.Equal(t, "application/json", request.Header.Get("Content-Type"))
	assert.Equal(t, nylastest.Sign("secret", body), request.Header.Get("X-Nylas-Signature"))
	sent, err := io.ReadAll(request.Body)
	require.NoError(t, err)
	assert.Equal(t, body, sent)

	request, err = nylastest.NewGzipWebhookRequest(t.Context(), "http://app.test/hooks", "secret", body)
	require.NoError(t, err)
	assert.Equal(t, "gzip", request.Header.Get("Content-Encoding"))
	sent, err = io.ReadAll(request.Body)
	require.NoError(t, err)
	assert.Equal(t, nylastest.Sign("secret", sent), request.Header.Get("X-Nylas-Signature"))
	z, err := gzip.NewReader(bytes.NewReader(sent))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	assert.Equal(t, body, plain)

	for _, newRequest := range []func() (*http.Request, error){
		func() (*http.Request, error) {
			return nylastest.NewWebhookRequest(t.Context(), "http://app.test/\x00?token=1", "", body)
		},
		func() (*http.Request, error) {
			return nylastest.NewGzipWebhookRequest(t.Context(), "http://app.test/\x00?token=1", "", body)
		},
	} {
		_, err := newRequest()
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "token")
	}
}
