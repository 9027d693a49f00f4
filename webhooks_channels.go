package nylas

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"github.com/nylastrack/nylas-go/events"
)

// PubSubChannelService manages channels to Google Cloud Pub/Sub. It is
// [Client.PubSubChannels]. A channel publishes the notifications of some triggers to a
// topic, instead of posting them to a webhook. An application can have 5 channels.
//
// Before you create a channel, let Nylas publish to the topic: grant
// roles/pubsub.publisher to nylas-datapublisher@nylas-gma-mt.iam.gserviceaccount.com.
// There is no challenge and no secret. The data of a message is the body that a webhook
// would get: pass it to receive.NewDelivery, with the attribute content_encoding.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
type PubSubChannelService struct{ channels channels[PubSubChannel] }

// SNSChannelService manages channels to Amazon SNS. It is [Client.SNSChannels]. A channel
// publishes the notifications of some triggers to a standard topic, instead of posting
// them to a webhook. An application can have 5 channels.
//
// Nylas assumes the role of the channel to publish. It publishes a
// connector.verification event when the channel is created. There is no secret. The text
// of a message is the body that a webhook would get: pass it to receive.NewDelivery with
// the attribute content_encoding, or the whole envelope of SNS to
// receive.NewSNSDelivery. A message of SNS has at most 256 KB.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
type SNSChannelService struct{ channels channels[SNSChannel] }

func newPubSubChannels(client *Client) *PubSubChannelService {
	return &PubSubChannelService{channels[PubSubChannel]{client, "Pub/Sub channel", "/v3/channels/pubsub"}}
}

func newSNSChannels(client *Client) *SNSChannelService {
	return &SNSChannelService{channels[SNSChannel]{client, "SNS channel", "/v3/channels/sns"}}
}

// PubSubChannel is a channel to a topic of Google Cloud Pub/Sub.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
type PubSubChannel struct {
	ID           string        `json:"id,omitzero"`
	Description  string        `json:"description,omitzero"`
	TriggerTypes []events.Type `json:"trigger_types,omitzero"`
	Topic        string        `json:"topic,omitzero"` // projects/<project>/topics/<topic>
	// Status is a state of a webhook. In a list it can also be "paused".
	Status                     WebhookStatus `json:"status,omitzero"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses,omitzero"`
	// CompressedDelivery reports whether Nylas compresses messages with gzip. Nil means
	// that the answer does not contain it.
	CompressedDelivery *bool `json:"compressed_delivery,omitzero"`
	// The times are there only after Get and Update.
	StatusUpdatedAt events.Timestamp `json:"status_updated_at,omitzero"`
	CreatedAt       events.Timestamp `json:"created_at,omitzero"`
	UpdatedAt       events.Timestamp `json:"updated_at,omitzero"`
}

// SNSChannel is a channel to a topic of Amazon SNS.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
type SNSChannel struct {
	ID           string        `json:"id,omitzero"`
	Description  string        `json:"description,omitzero"`
	TriggerTypes []events.Type `json:"trigger_types,omitzero"`
	Topic        string        `json:"topic,omitzero"`    // the ARN of the topic
	RoleARN      string        `json:"role_arn,omitzero"` // the role that Nylas publishes with
	// Status is a state of a webhook. In a list it can also be "paused".
	Status                     WebhookStatus `json:"status,omitzero"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses,omitzero"`
	// CompressedDelivery reports whether Nylas compresses messages with gzip and encodes
	// them as base64. Nil means that the answer does not contain it.
	CompressedDelivery *bool `json:"compressed_delivery,omitzero"`
	// The times are there only after Get and Update.
	StatusUpdatedAt events.Timestamp `json:"status_updated_at,omitzero"`
	CreatedAt       events.Timestamp `json:"created_at,omitzero"`
	UpdatedAt       events.Timestamp `json:"updated_at,omitzero"`
}

// CreatePubSubChannelRequest is a channel to create. TriggerTypes and Topic are required.
type CreatePubSubChannelRequest struct {
	TriggerTypes []events.Type `json:"trigger_types"` // see events.TrackingTypes
	// Topic is the full name of a topic: projects/<project>/topics/<topic>.
	Topic       string `json:"topic"`
	Description string `json:"description,omitzero"`
	// NotificationEmailAddresses get a mail when the channel starts failing.
	NotificationEmailAddresses []string `json:"notification_email_addresses,omitzero"`
	// CompressedDelivery asks Nylas to compress messages with gzip.
	CompressedDelivery bool `json:"compressed_delivery,omitzero"`
}

// CreateSNSChannelRequest is a channel to create. TriggerTypes, Topic and RoleARN are
// required.
type CreateSNSChannelRequest struct {
	TriggerTypes []events.Type `json:"trigger_types"` // see events.TrackingTypes
	// Topic is the ARN of a standard topic, which begins with arn:aws:sns:. Nylas cannot
	// publish to FIFO topics.
	Topic string `json:"topic"`
	// RoleARN is the role that Nylas publishes with: arn:aws:iam::<account>:role/<name>.
	RoleARN     string `json:"role_arn"`
	Description string `json:"description,omitzero"`
	// NotificationEmailAddresses get a mail when the channel starts failing.
	NotificationEmailAddresses []string `json:"notification_email_addresses,omitzero"`
	// CompressedDelivery asks Nylas to compress messages with gzip and encode them as
	// base64.
	CompressedDelivery bool `json:"compressed_delivery,omitzero"`
}

// UpdatePubSubChannelRequest changes a channel. An empty field leaves the channel's value
// as it is. A list replaces the whole list.
type UpdatePubSubChannelRequest struct {
	Description  string        `json:"description,omitempty"`
	TriggerTypes []events.Type `json:"trigger_types,omitempty"`
	Topic        string        `json:"topic,omitempty"`
	// Status can be set to WebhookActive and to WebhookPause.
	Status                     WebhookStatus `json:"status,omitempty"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses,omitempty"`
	CompressedDelivery         *bool         `json:"compressed_delivery,omitzero"`
}

// UpdateSNSChannelRequest changes a channel. An empty field leaves the channel's value as
// it is. A list replaces the whole list.
type UpdateSNSChannelRequest struct {
	Description  string        `json:"description,omitempty"`
	TriggerTypes []events.Type `json:"trigger_types,omitempty"`
	Topic        string        `json:"topic,omitempty"`
	RoleARN      string        `json:"role_arn,omitempty"`
	// Status can be set to WebhookActive and to WebhookPause.
	Status                     WebhookStatus `json:"status,omitempty"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses,omitempty"`
	CompressedDelivery         *bool         `json:"compressed_delivery,omitzero"`
}

// Create creates a channel. If Nylas does not answer, the error matches
// [ErrOutcomeUnknown]: the channel may exist, and List shows whether it does.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
func (s *PubSubChannelService) Create(
	ctx context.Context, req *CreatePubSubChannelRequest, opts ...RequestOption,
) (*PubSubChannel, error) {
	op := s.channels.begin("create", opts)
	switch {
	case req == nil:
		return nil, refuse(op, "the request is nil")
	case len(req.TriggerTypes) == 0:
		return nil, refuse(op, "TriggerTypes is empty: events.TrackingTypes has those of tracking")
	}
	if reason := checkPubSubTopic(req.Topic); reason != "" {
		return nil, refuse(op, reason)
	}
	return s.channels.create(ctx, op, req)
}

// Create creates a channel. Nylas publishes a connector.verification event to the topic.
// If Nylas does not answer, the error matches [ErrOutcomeUnknown]: the channel may exist,
// and List shows whether it does.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
func (s *SNSChannelService) Create(
	ctx context.Context, req *CreateSNSChannelRequest, opts ...RequestOption,
) (*SNSChannel, error) {
	op := s.channels.begin("create", opts)
	switch {
	case req == nil:
		return nil, refuse(op, "the request is nil")
	case len(req.TriggerTypes) == 0:
		return nil, refuse(op, "TriggerTypes is empty: events.TrackingTypes has those of tracking")
	}
	if reason := checkSNSTopic(req.Topic); reason != "" {
		return nil, refuse(op, reason)
	}
	if reason := checkRoleARN(req.RoleARN); reason != "" {
		return nil, refuse(op, reason)
	}
	return s.channels.create(ctx, op, req)
}

// List returns all Pub/Sub channels of the application, without times. The sequence
// yields an error at most once, as its last element.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
func (s *PubSubChannelService) List(ctx context.Context, opts ...RequestOption) iter.Seq2[*PubSubChannel, error] {
	return s.channels.list(ctx, opts)
}

// List returns all SNS channels of the application, without times. The sequence yields
// an error at most once, as its last element.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
func (s *SNSChannelService) List(ctx context.Context, opts ...RequestOption) iter.Seq2[*SNSChannel, error] {
	return s.channels.list(ctx, opts)
}

// Get returns a channel. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
func (s *PubSubChannelService) Get(ctx context.Context, channelID string, opts ...RequestOption) (*PubSubChannel, error) {
	return s.channels.get(ctx, channelID, opts)
}

// Get returns a channel. An unknown id is [ErrNotFound].
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
func (s *SNSChannelService) Get(ctx context.Context, channelID string, opts ...RequestOption) (*SNSChannel, error) {
	return s.channels.get(ctx, channelID, opts)
}

// Update changes a channel; see [UpdatePubSubChannelRequest]. An unknown id is
// [ErrNotFound].
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
func (s *PubSubChannelService) Update(
	ctx context.Context, channelID string, req *UpdatePubSubChannelRequest, opts ...RequestOption,
) (*PubSubChannel, error) {
	op := s.channels.begin("update", opts)
	if req == nil {
		return nil, refuse(op, "the request is nil")
	}
	if req.Topic != "" {
		if reason := checkPubSubTopic(req.Topic); reason != "" {
			return nil, refuse(op, reason)
		}
	}
	return s.channels.update(ctx, op, channelID, req)
}

// Update changes a channel; see [UpdateSNSChannelRequest]. An unknown id is
// [ErrNotFound].
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
func (s *SNSChannelService) Update(
	ctx context.Context, channelID string, req *UpdateSNSChannelRequest, opts ...RequestOption,
) (*SNSChannel, error) {
	op := s.channels.begin("update", opts)
	if req == nil {
		return nil, refuse(op, "the request is nil")
	}
	if req.Topic != "" {
		if reason := checkSNSTopic(req.Topic); reason != "" {
			return nil, refuse(op, reason)
		}
	}
	if req.RoleARN != "" {
		if reason := checkRoleARN(req.RoleARN); reason != "" {
			return nil, refuse(op, reason)
		}
	}
	return s.channels.update(ctx, op, channelID, req)
}

// Delete deletes a channel. An unknown id is [ErrNotFound]. If a retry does not find the
// channel, Delete returns nil, because an earlier attempt may have deleted it.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
func (s *PubSubChannelService) Delete(ctx context.Context, channelID string, opts ...RequestOption) error {
	return s.channels.delete(ctx, channelID, opts)
}

// Delete deletes a channel. An unknown id is [ErrNotFound]. If a retry does not find the
// channel, Delete returns nil, because an earlier attempt may have deleted it.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
func (s *SNSChannelService) Delete(ctx context.Context, channelID string, opts ...RequestOption) error {
	return s.channels.delete(ctx, channelID, opts)
}

// checkPubSubTopic returns why a topic is not the full name of one, "" if it is.
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
func checkPubSubTopic(topic string) (reason string) {
	parts := strings.Split(topic, "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[1] == "" || parts[2] != "topics" || parts[3] == "" {
		return "Topic is not of the form projects/<project>/topics/<topic>"
	}
	return ""
}

// checkSNSTopic returns why a topic is not the ARN of a standard one, "" if it is.
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
func checkSNSTopic(topic string) (reason string) {
	name, ok := strings.CutPrefix(topic, "arn:aws:sns:")
	switch {
	case !ok || name == "":
		return "Topic is not an ARN that begins with arn:aws:sns:"
	case strings.HasSuffix(name, ".fifo"):
		return "Topic is a FIFO topic: Nylas publishes to standard topics only"
	}
	return ""
}

// checkRoleARN returns why a role is not the ARN of one, "" if it is.
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
func checkRoleARN(role string) (reason string) {
	rest, ok := strings.CutPrefix(role, "arn:aws:iam::")
	account, name, _ := strings.Cut(rest, ":role/")
	if !ok || account == "" || name == "" {
		return "RoleARN is not of the form arn:aws:iam::<account>:role/<name>"
	}
	return ""
}

// channels has the calls that are the same for both kinds of channels.
type channels[C any] struct {
	client *Client
	kind   string // for errors
	path   string
}

func (c *PubSubChannel) isNamed() bool { return c.ID != "" }
func (c *SNSChannel) isNamed() bool    { return c.ID != "" }

func (c *channels[C]) begin(verb string, opts []RequestOption) *operation {
	return c.client.begin(verb+" "+c.kind, opts)
}

// one makes a call whose answer is a channel.
func (c *channels[C]) one(ctx context.Context, op *operation, call call) (*C, error) {
	var answer dataAnswer[C]
	call.limit = callTimeout
	if err := op.do(ctx, call, &answer); err != nil {
		return nil, err
	}
	return &answer.Data, nil
}

func (c *channels[C]) create(ctx context.Context, op *operation, req any) (*C, error) {
	return c.one(ctx, op, call{
		method: http.MethodPost, path: c.path, body: req, repeat: repeatUnsent,
	})
}

func (c *channels[C]) list(ctx context.Context, opts []RequestOption) iter.Seq2[*C, error] {
	return pages[C]{
		client: c.client,
		name:   fmt.Sprintf("list %ss", c.kind),
		call:   call{method: http.MethodGet, path: c.path, limit: callTimeout},
		opts:   opts,
	}.all(ctx)
}

func (c *channels[C]) get(ctx context.Context, id string, opts []RequestOption) (*C, error) {
	return c.one(ctx, c.begin("get", opts), call{
		method: http.MethodGet, path: c.path + "/{channel_id}", ids: []string{id},
	})
}

func (c *channels[C]) update(ctx context.Context, op *operation, id string, req any) (*C, error) {
	return c.one(ctx, op, call{
		method: http.MethodPut, path: c.path + "/{channel_id}", ids: []string{id}, body: req,
	})
}

func (c *channels[C]) delete(ctx context.Context, id string, opts []RequestOption) error {
	return deletionError(c.begin("delete", opts).do(ctx, call{
		method: http.MethodDelete, path: c.path + "/{channel_id}", ids: []string{id}, limit: callTimeout,
	}, nil))
}
