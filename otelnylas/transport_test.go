package otelnylas_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/nylastest"
	"github.com/nylastrack/nylas-go/otelnylas"
)

const sendSpan = "POST /v3/grants/{grant_id}/messages/send"

// connect returns a client of a server on a network in memory.
func connect(t *testing.T, s *telescope, network *nylastest.Network, server *nylastest.Server, baseURL string) *nylas.Client {
	t.Helper()
	transport := &http.Transport{DialContext: network.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := nylas.NewClient(server.APIKey(), nylas.WithBaseURL(baseURL),
		nylas.WithHTTPClient(&http.Client{Transport: transport}), nylas.WithRoundTripper(otelnylas.Transport(s.options()...)))
	require.NoError(t, err)
	return client
}

func mail() *nylas.SendMessageRequest {
	return &nylas.SendMessageRequest{To: []nylas.Participant{{Email: "kim@example.org"}}, Subject: "Your trial", Body: "Hello Kim"}
}

func TestEachAttemptIsASpan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, network := newTelescope(t), nylastest.NewNetwork()
		server := nylastest.NewServer(t, nylastest.WithNetwork(network))
		client := connect(t, s, network, server, server.URL())
		require.NoError(t, server.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Times: 2, Before: nylastest.GatewayAnswer(502)}))

		ctx, parent := s.tracers.Tracer("test").Start(t.Context(), "parent")
		_, err := client.Messages.Send(ctx, server.GrantID(), mail())
		require.NoError(t, err)
		parent.End()

		host := strings.TrimPrefix(server.URL(), "http://")
		common := "http.request.method=POST"
		end := "server.address=" + host + " server.port=80 url.template=/v3/grants/{grant_id}/messages/send"
		spans := s.named(sendSpan)
		require.Len(t, spans, 3)
		assert.Equal(t, "error.type=502 "+common+" http.response.status_code=502 "+end, text(spans[0].Attributes()))
		assert.Equal(t, "error.type=502 "+common+" http.request.resend_count=1 http.response.status_code=502 "+end, text(spans[1].Attributes()))
		assert.Equal(t, common+" http.request.resend_count=2 http.response.status_code=200 "+end, text(spans[2].Attributes()))
		for i, want := range []codes.Code{codes.Error, codes.Error, codes.Unset} {
			assert.Equal(t, want, spans[i].Status().Code)
			assert.Empty(t, spans[i].Status().Description)
			assert.Equal(t, trace.SpanKindClient, spans[i].SpanKind())
			assert.Equal(t, parent.SpanContext().SpanID(), spans[i].Parent().SpanID())
			assert.Equal(t, scopeName, spans[i].InstrumentationScope().Name)
		}
		assert.ElementsMatch(t, []string{
			"2: error.type=502 " + common + " http.response.status_code=502 " + end,
			"1: " + common + " http.response.status_code=200 " + end,
		}, s.counts("http.client.request.duration"))
	})
}

// The metric and the span last for as long as the request does, to the end of the body.
func TestAnAttemptLastsUntilItsBodyEnds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name      string
		body      io.Reader
		outcome   string
		wantError bool
	}{
		{"read", strings.NewReader("{}"), "http.request.method=GET http.response.status_code=200", false},
		{"cut off", iotest.ErrReader(io.ErrUnexpectedEOF), "error.type=*errors.errorString http.request.method=GET http.response.status_code=200", true},
		{"never read", nil, "http.request.method=GET http.response.status_code=200", false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newTelescope(t)
				next := roundTripFunc(func(*http.Request) (*http.Response, error) {
					body := tc.body
					if body == nil {
						body = http.NoBody
					}
					return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}, nil
				})
				resp, err := otelnylas.Transport(s.options()...)(next).RoundTrip(request(t, http.MethodGet, "https://api.example.com/v3/grants/g-1"))
				require.NoError(t, err)
				<-time.After(40 * time.Second)
				assert.Empty(t, s.spans.Ended(), "the span ended before the body")
				if tc.body != nil {
					_, err = io.ReadAll(resp.Body)
					assert.Equal(t, tc.wantError, err != nil)
					assert.Len(t, s.spans.Ended(), 1)
				}
				require.NoError(t, resp.Body.Close())

				want := tc.outcome + " server.address=api.example.com server.port=443"
				assert.Equal(t, "GET", s.only().Name())
				assert.Equal(t, want, text(s.only().Attributes()))
				assert.Equal(t, tc.wantError, s.only().Status().Code == codes.Error)
				assert.Equal(t, 40*time.Second, s.only().EndTime().Sub(s.only().StartTime()))
				point, ok := s.histogram("http.client.request.duration")["1: "+want]
				require.True(t, ok, "%v", s.counts("http.client.request.duration"))
				assert.InDelta(t, 40, point.Sum, 0)
				assert.Equal(t, []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}, point.Bounds)
			})
		})
	}
}

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	req.Method = method
	return req
}

type panicking struct{}

func (*panicking) Error() string   { return "of kim@example.org" }
func (*panicking) Is(error) bool   { panic("of a nil pointer") }
func (*panicking) As(any) bool     { panic("of a nil pointer") }
func (*panicking) Timeout() bool   { return true }
func (*panicking) Temporary() bool { return true }

func TestErrorsAreNamedByType(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		err  error
		want string
	}{
		{"refused", &net.OpError{Op: "dial", Err: errors.New("10.0.0.1 refused")}, "*net.OpError"},
		{"timeout", &net.DNSError{IsTimeout: true}, "timeout"},
		{"context", context.DeadlineExceeded, "timeout"},
		{"canceled", context.Canceled, "canceled"},
		{"panicking", &panicking{}, "_OTHER"},
		{"none", nil, "_OTHER"}, // a round tripper that breaks its contract
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newTelescope(t)
			next := roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, tc.err })
			resp, err := otelnylas.Transport(s.options()...)(next).RoundTrip(request(t, "kim@example.org", "http://10.0.0.1:8080/v3"))
			assert.Nil(t, resp)
			assert.True(t, err == tc.err, "the error is another one") //nolint:errorlint,testifylint // the same one, and one of them panics when it is compared
			want := "error.type=" + tc.want + " http.request.method=_OTHER server.address=10.0.0.1 server.port=8080"
			assert.Equal(t, "_OTHER", s.only().Name())
			assert.Equal(t, want, text(s.only().Attributes()))
			assert.Equal(t, codes.Error, s.only().Status().Code)
			assert.Empty(t, s.only().Events(), "an event may have the text of the error")
			assert.Equal(t, []string{"1: " + want}, s.counts("http.client.request.duration"))
		})
	}
}

func TestALimitOfTheClientIsATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, network := newTelescope(t), nylastest.NewNetwork()
		server := nylastest.NewServer(t, nylastest.WithNetwork(network))
		client := connect(t, s, network, server, server.URL())
		require.NoError(t, server.Inject(nylastest.Fault{Endpoint: nylastest.EndpointSend, Delay: time.Hour}))
		_, err := client.Messages.Send(t.Context(), server.GrantID(), mail(), nylas.WithoutRetry(), nylas.WithTimeout(time.Minute))
		require.Error(t, err)
		require.Len(t, s.named(sendSpan), 1)
		assert.Contains(t, text(s.only().Attributes()), "error.type=timeout ")
		assert.Equal(t, time.Minute, s.only().EndTime().Sub(s.only().StartTime()))
	})
}

// The request has no header and no body of ours, and the answers without a body end at once.
func TestTransportChangesNothing(t *testing.T) {
	t.Parallel()
	s := newTelescope(t)
	sent := request(t, "", "https://api.example.com/v3")
	var got *http.Request
	next := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		got = req
		return &http.Response{StatusCode: http.StatusNoContent}, nil
	})
	resp, err := otelnylas.Transport(s.options()...)(next).RoundTrip(sent)
	require.NoError(t, err)
	assert.Nil(t, resp.Body)
	assert.Empty(t, got.Header, "Nylas gets no traceparent")
	assert.Equal(t, sent.Body, got.Body)
	assert.True(t, trace.SpanContextFromContext(got.Context()).IsValid(), "a wrapper below has no span as its parent")
	assert.Equal(t, "GET", s.only().Name())
}
