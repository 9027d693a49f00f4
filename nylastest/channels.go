package nylastest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

// The endpoints of the channels to Google Cloud Pub/Sub and Amazon SNS.
const (
	EndpointCreatePubSubChannel Endpoint = "POST /v3/channels/pubsub"
	EndpointListPubSubChannels  Endpoint = "GET /v3/channels/pubsub"
	EndpointGetPubSubChannel    Endpoint = "GET /v3/channels/pubsub/{id}"
	EndpointUpdatePubSubChannel Endpoint = "PUT /v3/channels/pubsub/{id}"
	EndpointDeletePubSubChannel Endpoint = "DELETE /v3/channels/pubsub/{id}"
	EndpointCreateSNSChannel    Endpoint = "POST /v3/channels/sns"
	EndpointListSNSChannels     Endpoint = "GET /v3/channels/sns"
	EndpointGetSNSChannel       Endpoint = "GET /v3/channels/sns/{id}"
	EndpointUpdateSNSChannel    Endpoint = "PUT /v3/channels/sns/{id}"
	EndpointDeleteSNSChannel    Endpoint = "DELETE /v3/channels/sns/{id}"
)

// maxChannels is how many channels of a kind an application can have.
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
const maxChannels = 5

// channel is a channel of either kind.
type channel struct {
	id              string
	description     string
	triggerTypes    []events.Type
	topic           string
	roleARN         string // of SNS
	status          string
	emails          []string
	compressed      bool
	statusUpdatedAt time.Time
	createdAt       time.Time
	updatedAt       time.Time
}

// channels holds those of one kind, in the order of their creation.
type channels struct {
	ids  *ids
	mu   sync.Mutex
	list []channel
}

// add reports whether there was room.
func (c *channels) add(added channel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) >= maxChannels {
		return false
	}
	c.list = append(c.list, added)
	return true
}

func (c *channels) all() []channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// update changes a channel and returns what it became.
func (c *channels) update(id string, change func(*channel)) (channel, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.list, func(channel channel) bool { return channel.id == id })
	if i < 0 {
		return channel{}, false
	}
	change(&c.list[i])
	return c.list[i], true
}

func (c *channels) remove(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.list)
	c.list = slices.DeleteFunc(c.list, func(channel channel) bool { return channel.id == id })
	return len(c.list) < before
}

// createPubSubRequest is the body of a creation. Nylas' example also has an
// encryption_key, which no page explains.
//
// https://developer.nylas.com/docs/v3/notifications/pubsub-channel/
type createPubSubRequest struct {
	TriggerTypes               []events.Type `json:"trigger_types"`
	Topic                      string        `json:"topic"`
	Description                string        `json:"description"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	CompressedDelivery         bool          `json:"compressed_delivery"`
	EncryptionKey              string        `json:"encryption_key"`
}

// createSNSRequest is the body of a creation.
//
// https://developer.nylas.com/docs/v3/notifications/sns-channel/
type createSNSRequest struct {
	TriggerTypes               []events.Type `json:"trigger_types"`
	Topic                      string        `json:"topic"`
	RoleARN                    string        `json:"role_arn"`
	Description                string        `json:"description"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	CompressedDelivery         bool          `json:"compressed_delivery"`
}

// updatePubSubRequest is the body of an update. What is empty stays as it was.
type updatePubSubRequest struct {
	TriggerTypes               []events.Type `json:"trigger_types"`
	Topic                      string        `json:"topic"`
	Description                string        `json:"description"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	Status                     string        `json:"status"`
	CompressedDelivery         *bool         `json:"compressed_delivery"`
}

// updateSNSRequest is the body of an update. What is empty stays as it was.
type updateSNSRequest struct {
	TriggerTypes               []events.Type `json:"trigger_types"`
	Topic                      string        `json:"topic"`
	RoleARN                    string        `json:"role_arn"`
	Description                string        `json:"description"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	Status                     string        `json:"status"`
	CompressedDelivery         *bool         `json:"compressed_delivery"`
}

// channelAnswer is a channel as the endpoints describe it.
type channelAnswer struct {
	ID                         string        `json:"id"`
	Description                string        `json:"description"`
	TriggerTypes               []events.Type `json:"trigger_types"`
	Topic                      string        `json:"topic"`
	RoleARN                    string        `json:"role_arn,omitzero"`
	Status                     string        `json:"status"`
	NotificationEmailAddresses []string      `json:"notification_email_addresses"`
	CompressedDelivery         bool          `json:"compressed_delivery"`
	StatusUpdatedAt            int64         `json:"status_updated_at,omitzero"`
	CreatedAt                  int64         `json:"created_at,omitzero"`
	UpdatedAt                  int64         `json:"updated_at,omitzero"`
}

func (c *channel) answer() channelAnswer {
	emails := c.emails
	if emails == nil {
		emails = []string{}
	}
	return channelAnswer{
		ID: c.id, Description: c.description, TriggerTypes: c.triggerTypes, Topic: c.topic, RoleARN: c.roleARN,
		Status: c.status, NotificationEmailAddresses: emails, CompressedDelivery: c.compressed,
	}
}

func (c *channel) answerWithTimes() channelAnswer {
	a := c.answer()
	a.StatusUpdatedAt, a.CreatedAt, a.UpdatedAt = c.statusUpdatedAt.Unix(), c.createdAt.Unix(), c.updatedAt.Unix()
	return a
}

func (s *Server) serveCreatePubSubChannel(c *call) *response {
	var r createPubSubRequest
	if refusal := c.decodeWebhook(&r); refusal != nil {
		return refusal
	}
	if refusal := checkPubSubTopic(r.Topic); refusal != nil {
		return refusal
	}
	created, refusal := s.pubsub.create(channel{
		triggerTypes: r.TriggerTypes, topic: r.Topic, description: r.Description,
		emails: r.NotificationEmailAddresses, compressed: r.CompressedDelivery,
	})
	if refusal != nil {
		return refusal
	}
	return dataResponse(created.answer())
}

func (s *Server) serveCreateSNSChannel(c *call) *response {
	var r createSNSRequest
	if refusal := c.decodeWebhook(&r); refusal != nil {
		return refusal
	}
	if refusal := checkSNSTopic(r.Topic); refusal != nil {
		return refusal
	}
	if refusal := checkRoleARN(r.RoleARN); refusal != nil {
		return refusal
	}
	created, refusal := s.sns.create(channel{
		triggerTypes: r.TriggerTypes, topic: r.Topic, roleARN: r.RoleARN, description: r.Description,
		emails: r.NotificationEmailAddresses, compressed: r.CompressedDelivery,
	})
	if refusal != nil {
		return refusal
	}
	s.verifySNS(&created)
	return dataResponse(created.answer())
}

// create files a channel whose topic was checked.
func (c *channels) create(added channel) (channel, *response) {
	if len(added.triggerTypes) == 0 {
		return channel{}, badWebhook("invalid.input.format : trigger_types is required")
	}
	if refusal := checkTriggers(added.triggerTypes); refusal != nil {
		return channel{}, refusal
	}
	now := time.Now()
	added.id, added.status = c.ids.webhookID("channel", added.topic), statusActive
	added.createdAt, added.updatedAt, added.statusUpdatedAt = now, now, now
	if !c.add(added) {
		return channel{}, badWebhook(fmt.Sprintf("invalid.input.format : an application can have at most %d channels of a kind", maxChannels))
	}
	return added, nil
}

func (s *Server) serveListPubSubChannels(*call) *response { return s.pubsub.answerList() }
func (s *Server) serveListSNSChannels(*call) *response    { return s.sns.answerList() }

func (c *channels) answerList() *response {
	list := []channelAnswer{}
	for _, channel := range c.all() {
		list = append(list, channel.answer())
	}
	return dataResponse(list)
}

func (s *Server) serveGetPubSubChannel(c *call) *response { return s.pubsub.answerOne(c) }
func (s *Server) serveGetSNSChannel(c *call) *response    { return s.sns.answerOne(c) }

func (c *channels) answerOne(call *call) *response {
	found, ok := c.update(call.PathValue("id"), func(*channel) {})
	if !ok {
		return webhookNotFound()
	}
	return dataResponse(found.answerWithTimes())
}

func (s *Server) serveUpdatePubSubChannel(c *call) *response {
	var r updatePubSubRequest
	if refusal := c.decodeWebhook(&r); refusal != nil {
		return refusal
	}
	if r.Topic != "" {
		if refusal := checkPubSubTopic(r.Topic); refusal != nil {
			return refusal
		}
	}
	return s.pubsub.change(c, updateSNSRequest{
		TriggerTypes: r.TriggerTypes, Topic: r.Topic, Description: r.Description,
		NotificationEmailAddresses: r.NotificationEmailAddresses, Status: r.Status, CompressedDelivery: r.CompressedDelivery,
	})
}

func (s *Server) serveUpdateSNSChannel(c *call) *response {
	var r updateSNSRequest
	if refusal := c.decodeWebhook(&r); refusal != nil {
		return refusal
	}
	if r.Topic != "" {
		if refusal := checkSNSTopic(r.Topic); refusal != nil {
			return refusal
		}
	}
	if r.RoleARN != "" {
		if refusal := checkRoleARN(r.RoleARN); refusal != nil {
			return refusal
		}
	}
	return s.sns.change(c, r)
}

// change applies an update whose topic was checked.
func (c *channels) change(call *call, r updateSNSRequest) *response {
	if refusal := checkTriggers(r.TriggerTypes); refusal != nil {
		return refusal
	}
	switch r.Status {
	case "", statusActive, statusPause:
	default:
		return badWebhook("invalid.input.format : status must be active or pause")
	}
	changed, ok := c.update(call.PathValue("id"), func(c *channel) { r.applyTo(c, time.Now()) })
	if !ok {
		return webhookNotFound()
	}
	return dataResponse(changed.answerWithTimes())
}

func (r *updateSNSRequest) applyTo(c *channel, now time.Time) {
	c.updatedAt = now
	if len(r.TriggerTypes) > 0 {
		c.triggerTypes = r.TriggerTypes
	}
	if r.Topic != "" {
		c.topic = r.Topic
	}
	if r.RoleARN != "" {
		c.roleARN = r.RoleARN
	}
	if r.Description != "" {
		c.description = r.Description
	}
	if len(r.NotificationEmailAddresses) > 0 {
		c.emails = r.NotificationEmailAddresses
	}
	if r.CompressedDelivery != nil {
		c.compressed = *r.CompressedDelivery
	}
	if r.Status != "" && r.Status != c.status {
		c.status, c.statusUpdatedAt = r.Status, now
	}
}

func (s *Server) serveDeletePubSubChannel(c *call) *response { return s.pubsub.answerDelete(c) }
func (s *Server) serveDeleteSNSChannel(c *call) *response    { return s.sns.answerDelete(c) }

func (c *channels) answerDelete(call *call) *response {
	if !c.remove(call.PathValue("id")) {
		return webhookNotFound()
	}
	return dataResponse(map[string]string{"status": "success"})
}

func checkPubSubTopic(topic string) *response {
	project, name, ok := strings.Cut(strings.TrimPrefix(topic, "projects/"), "/topics/")
	switch {
	case topic == "":
		return badWebhook("invalid.input.format : topic is required")
	case !ok || !strings.HasPrefix(topic, "projects/") || project == "" || name == "" || strings.Contains(project+name, "/"):
		return badWebhook("invalid.input.format : topic must be projects/<project>/topics/<topic>")
	}
	return nil
}

func checkSNSTopic(topic string) *response {
	switch {
	case topic == "":
		return badWebhook("invalid.input.format : topic is required")
	case !strings.HasPrefix(topic, "arn:aws:sns:") || strings.HasSuffix(topic, ".fifo"):
		return badWebhook("invalid.input.format : topic must be the ARN of a standard topic")
	}
	return nil
}

func checkRoleARN(role string) *response {
	account, name, ok := strings.Cut(strings.TrimPrefix(role, "arn:aws:iam::"), ":role/")
	switch {
	case role == "":
		return badWebhook("invalid.input.format : role_arn is required")
	case !ok || !strings.HasPrefix(role, "arn:aws:iam::") || account == "" || name == "":
		return badWebhook("invalid.input.format : role_arn must be arn:aws:iam::<account>:role/<name>")
	}
	return nil
}
