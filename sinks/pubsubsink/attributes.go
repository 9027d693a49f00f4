package pubsubsink

import (
	"time"
	"unicode/utf8"

	"cloud.google.com/go/pubsub/v2"

	"github.com/nylastrack/nylas-go/internal/undecodable"
	"github.com/nylastrack/nylas-go/receive"
)

// The attributes of a message. A filter of a subscription can use them:
// https://cloud.google.com/pubsub/docs/subscription-message-filter.
const (
	// AttributeTriggerType is the type of a notification. Nylas sets it, and so does a
	// [Sink].
	AttributeTriggerType = "trigger_type"
	// AttributeContentEncoding is "gzip" where Nylas compressed the data. A [Sink] does
	// not compress.
	AttributeContentEncoding = "content_encoding"
	// AttributeID is the delivery's id. A [Sink] sets it for filters and people;
	// [Receive] knows the id from the data.
	AttributeID = "id"
	// AttributeReceivedAt is when a delivery was first received, in RFC 3339. A [Sink]
	// sets it.
	AttributeReceivedAt = "received_at"
	// AttributeUndecodable is why a delivery cannot be decoded, where its data does not show
	// that: "encoding", "too_large" or "sns". A [Sink] sets it.
	AttributeUndecodable = "undecodable"
)

// maxAttributeBytes bounds the value of an attribute, and an ordering key:
// https://cloud.google.com/pubsub/quotas.
const maxAttributeBytes = 1024

// delivery makes a Delivery of a message.
func delivery(m *pubsub.Message) *receive.Delivery {
	d := receive.NewDelivery(m.Data, m.Attributes[AttributeContentEncoding])
	if at, err := time.Parse(time.RFC3339, m.Attributes[AttributeReceivedAt]); err == nil {
		d.ReceivedAt = at
	} else if m.PublishTime.Unix() > 0 { // 1970 stands for none
		d.ReceivedAt = m.PublishTime
	}
	if reason := undecodable.Reason(m.Attributes[AttributeUndecodable]); reason != nil {
		d.Err = reason
	}
	return d
}

// attributes describes a delivery, as far as Pub/Sub takes it: one value that it
// refuses would fail all messages of a batch.
func attributes(d *receive.Delivery) map[string]string {
	all := make(map[string]string, 4)
	if d.ID != "" && isText(d.ID) {
		all[AttributeID] = d.ID
	}
	if typ := string(d.Type); typ != "" && isText(typ) {
		all[AttributeTriggerType] = typ
	}
	if !d.ReceivedAt.IsZero() {
		all[AttributeReceivedAt] = d.ReceivedAt.UTC().Format(time.RFC3339Nano)
	}
	if reason := undecodable.Name(d.Err); reason != "" {
		all[AttributeUndecodable] = reason
	}
	return all
}

func isText(value string) bool {
	return len(value) <= maxAttributeBytes && utf8.ValidString(value)
}
