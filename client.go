package nylas

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Version is the version of this module. It is part of the User-Agent header.
const Version = "0.1.0"

// Client calls the Nylas API v3 for one application. Use [NewClient] to make one. A
// Client is safe for concurrent use.
type Client struct {
	Messages      *MessageService
	Drafts        *DraftService
	Transactional *TransactionalService
	Webhooks      *WebhookService
	Activity      *ActivityService
	Metrics       *MetricsService
	Threads       *ThreadService
	Folders       *FolderService
	Attachments   *AttachmentService
	Alerts        *AlertService
	Grants        *GrantService

	PubSubChannels *PubSubChannelService
	SNSChannels    *SNSChannelService

	http      *http.Client
	baseURL   *url.URL
	apiKey    func() string // a function, so that printing a Client does not show it
	userAgent string
	logger    *slog.Logger
	retry     RetryPolicy
	timeout   time.Duration   // of each attempt, 0 for that of the call
	limiter   *limiter        // nil for none
	policy    *TrackingPolicy // nil for none
	markKey   string          // of WithMark, "" for none
	clocks    func() clocks
	ofNetHTTP bool // the transport is that of net/http, without a wrapper
}

// Region is where Nylas runs an application and stores its grants.
type Region string

// The regions of Nylas.
const (
	US Region = "us"
	EU Region = "eu"
)

// The time limits of one attempt, answer included.
const (
	// sendTimeout is what Nylas recommends: a self-hosted Exchange can take two
	// minutes. https://developer.nylas.com/docs/v3/email/send-email/
	sendTimeout = 150 * time.Second
	// mailboxTimeout is for calls that Nylas passes on to the mail provider. It is
	// above the 90 s after which Nylas itself answers 504.
	// https://developer.nylas.com/docs/api/errors/500-response/
	mailboxTimeout = 100 * time.Second
	// callTimeout is for all other calls. The slowest of them creates a webhook,
	// during which Nylas waits up to 10 s for the endpoint's answer to its challenge.
	callTimeout = 30 * time.Second
)

// A ClientOption configures a [Client]; see [NewClient].
type ClientOption interface {
	applyClient(*clientConfig) error
}

type clientConfig struct {
	baseURL      string
	http         *http.Client
	roundTripper []func(http.RoundTripper) http.RoundTripper
	retry        RetryPolicy
	logger       *slog.Logger
	userAgent    string
	timeout      time.Duration
	limiter      *limiter
	policy       *TrackingPolicy
	markKey      string
}

type clientOption func(*clientConfig) error

func (o clientOption) applyClient(c *clientConfig) error { return o(c) }

// NewClient returns a Client for the application that apiKey belongs to. The region
// defaults to [US], and the transport to [http.DefaultTransport]. A nil option has no
// effect.
//
// https://developer.nylas.com/docs/reference/api/
func NewClient(apiKey string, opts ...ClientOption) (*Client, error) {
	if err := checkAPIKey(apiKey); err != nil {
		return nil, fmt.Errorf("nylas: new client: %w", err)
	}
	config := clientConfig{http: &http.Client{}, logger: slog.New(slog.DiscardHandler)}
	for _, opt := range append([]ClientOption{WithRegion(US)}, opts...) {
		if opt == nil {
			continue
		}
		if err := opt.applyClient(&config); err != nil {
			return nil, fmt.Errorf("nylas: new client: %w", err)
		}
	}
	base, err := parseBaseURL(config.baseURL)
	if err != nil {
		return nil, fmt.Errorf("nylas: new client: %w", err)
	}
	retry, err := config.retry.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("nylas: new client: %w", err)
	}
	httpClient := *config.http
	if httpClient.CheckRedirect == nil {
		// The API does not redirect, and what it is sent should not go elsewhere.
		httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	for _, wrap := range config.roundTripper {
		transport := httpClient.Transport
		if transport == nil {
			transport = http.DefaultTransport
		}
		httpClient.Transport = wrap(transport)
		if httpClient.Transport == nil {
			return nil, errors.New("nylas: new client: WithRoundTripper: the function returned nil")
		}
	}
	transport := httpClient.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	_, ofNetHTTP := transport.(*http.Transport)
	c := &Client{
		http:      &httpClient,
		baseURL:   base,
		apiKey:    func() string { return apiKey },
		userAgent: strings.TrimSpace(config.userAgent + " nylastrack-nylas-go/" + Version),
		logger:    config.logger,
		retry:     retry,
		timeout:   config.timeout,
		limiter:   config.limiter,
		policy:    config.policy,
		markKey:   config.markKey,
		clocks:    readClocks,
		ofNetHTTP: ofNetHTTP,
	}
	c.Messages = &MessageService{c}
	c.Drafts = &DraftService{c}
	c.Transactional = &TransactionalService{c}
	c.Webhooks = &WebhookService{c}
	c.Activity = &ActivityService{c}
	c.Metrics = &MetricsService{c}
	c.Threads = &ThreadService{c}
	c.Folders = &FolderService{c}
	c.Attachments = &AttachmentService{c}
	c.Alerts = &AlertService{c}
	c.Grants = &GrantService{c}
	c.PubSubChannels = newPubSubChannels(c)
	c.SNSChannels = newSNSChannels(c)
	return c, nil
}

// WithRegion sets the region of the application: [US], the default, or [EU]. An API
// key is valid in one region only.
func WithRegion(region Region) ClientOption {
	return clientOption(func(c *clientConfig) error {
		switch region {
		case US, EU:
			c.baseURL = "https://api." + string(region) + ".nylas.com"
			return nil
		default:
			return errors.New("unknown region: want nylas.US or nylas.EU")
		}
	})
}

// WithBaseURL sends all requests to another server, such as the emulator in package
// nylastest. The requests contain the API key, so use plain http only for a server of
// your own.
func WithBaseURL(baseURL string) ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.baseURL = baseURL
		return nil
	})
}

// WithHTTPClient sets the http.Client to use. The Client makes a copy of it. A Timeout
// in it applies to each attempt, in addition to the limit of [WithTimeout].
func WithHTTPClient(client *http.Client) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if client == nil {
			return errors.New("WithHTTPClient: the client is nil")
		}
		c.http = client
		return nil
	})
}

// WithRoundTripper wraps the transport, for metrics, tracing or a proxy. It can be
// given more than once; the last one is the outermost. The wrapper sees every attempt,
// with the API key and the body.
func WithRoundTripper(wrap func(http.RoundTripper) http.RoundTripper) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if wrap == nil {
			return errors.New("WithRoundTripper: the function is nil")
		}
		c.roundTripper = append(c.roundTripper, wrap)
		return nil
	})
}

// WithRetryPolicy sets how the Client retries failed requests.
func WithRetryPolicy(policy RetryPolicy) ClientOption {
	return clientOption(func(c *clientConfig) error {
		c.retry = policy
		return nil
	})
}

// WithUserAgent adds the name of your application to the User-Agent header, in front of
// the name of the SDK. It must be printable ASCII.
func WithUserAgent(name string) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
			return errors.New("WithUserAgent: want printable ASCII")
		}
		c.userAgent = name
		return nil
	})
}

// WithLogger sets a logger. The Client logs each attempt at level debug, with the
// method, the path template, the status, the duration, the number of the attempt and the
// request id. It warns of sends that may have brought a second mail; see
// [Response.SecondMailPossible]. [Client.Subscribe] warns of webhooks that it does not
// use, with their ids.
// No record contains a body, a key, a secret, an address or an id from a path.
func WithLogger(logger *slog.Logger) ClientOption {
	return clientOption(func(c *clientConfig) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.logger = logger
		return nil
	})
}

func checkAPIKey(apiKey string) error {
	if apiKey == "" {
		return errors.New("the API key is empty: create one in the Nylas Dashboard under API Keys")
	}
	if strings.ContainsFunc(apiKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the API key holds white space, a control character or a character outside ASCII: " +
			"it was probably not copied or read correctly")
	}
	return nil
}

func parseBaseURL(baseURL string) (*url.URL, error) {
	base, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return nil, errors.New("the base URL cannot be parsed")
	case base.Scheme != "https" && base.Scheme != "http" || base.Host == "":
		return nil, errors.New("the base URL is not an absolute http or https URL")
	case base.User != nil || base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, errors.New("the base URL has more than a scheme, a host and a path")
	}
	return base, nil
}
