package nylastest

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrClosed is the error of calls on a [Server] that was closed.
var ErrClosed = errors.New("nylastest: server closed")

// response is an answer that is ready to be written, or to be kept and written
// again.
type response struct {
	status int
	header http.Header
	body   []byte
	forget bool // is not remembered under an Idempotency-Key
}

// The error types that the emulated endpoints use.
//
// https://developer.nylas.com/docs/api/errors/
const (
	typeInvalidRequest    = "api.invalid_request_error"
	typeNotFound          = "api.not_found_error"
	typeTracking          = "api.tracking_error"
	typeInvalidKey        = "api.invalid_idempotency_key"
	typeKeyConflict       = "api.invalid_idempotent_request"
	typeKeyConcurrent     = "api.concurrent_idempotent_request"
	typeUnauthorized      = "unauthorized"
	typeAuthentication    = "api.authentication_error"
	typeRateLimited       = "nylas_rate_limit_exceeded"
	typeWebhookNotFound   = "70000"
	typeWebhookBadRequest = "70005"
)

type errorBody struct {
	Type          string         `json:"type"`
	Message       string         `json:"message"`
	ProviderError jsontext.Value `json:"provider_error,omitzero"`
}

// jsonResponse answers with the members given and a request id, which the header
// repeats.
func jsonResponse(status int, members map[string]any) *response {
	requestID := newUUID()
	members["request_id"] = requestID
	return encodedResponse(status, requestID, members)
}

// bareResponse answers with a value alone: the request id is in the header only.
func bareResponse(value any) *response {
	return encodedResponse(http.StatusOK, newUUID(), value)
}

func encodedResponse(status int, requestID string, value any) *response {
	header := http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {requestID}}
	body, err := jsonv2.Marshal(value, jsonv2.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":{"type":"api.internal_error","message":"answer cannot be encoded"}}`)
	}
	return &response{status: status, header: header, body: body}
}

func dataResponse(data any) *response {
	return jsonResponse(http.StatusOK, map[string]any{"data": data})
}

func errorResponse(status int, typ, message string) *response {
	return jsonResponse(status, map[string]any{"error": errorBody{Type: typ, Message: message}})
}

func badRequest(message string) *response {
	return errorResponse(http.StatusBadRequest, typeInvalidRequest, message)
}

func badWebhook(message string) *response {
	return errorResponse(http.StatusBadRequest, typeWebhookBadRequest, message)
}

func unauthorized() *response {
	return jsonResponse(http.StatusUnauthorized, map[string]any{"error": errorBody{
		typeUnauthorized, "Unauthorized", jsontext.Value(`{"code":401,"message":"Unauthorized"}`),
	}})
}

// cannot is what Nylas says to a path or method that it does not have.
func cannot(method, path string) *response {
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}}
	return &response{status: http.StatusNotFound, header: header, body: []byte("Cannot " + method + " " + path)}
}

func (r *response) writeTo(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // a client that has gone away cannot be told
}

// withoutURL drops the URL from an error of net/http: it may hold tokens and
// addresses.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
