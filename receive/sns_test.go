package receive_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// What the envelope of SNS may hold, escaped as far as JSON allows.
const snsLimit = 2 << 20

func asText(compressed []byte) []byte {
	return []byte(base64.StdEncoding.EncodeToString(compressed))
}

// snsEnvelope has the members of the page "Parsing Amazon SNS message formats".
func snsEnvelope(message, encoding string) map[string]any {
	attributes := map[string]any{"trigger_type": map[string]string{"Type": "String", "Value": "message.opened"}}
	if encoding != "" {
		attributes["content_encoding"] = map[string]string{"Type": "String", "Value": encoding}
	}
	return map[string]any{
		"Type":              "Notification",
		"MessageId":         "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
		"TopicArn":          "arn:aws:sns:us-west-2:123456789012:nylas",
		"Message":           message,
		"Timestamp":         "2026-11-20T08:15:30.482Z",
		"SignatureVersion":  "1",
		"Signature":         "c2lnbmF0dXJl",
		"SigningCertURL":    "https://sns.us-west-2.amazonaws.com/cert.pem",
		"UnsubscribeURL":    "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
		"MessageAttributes": attributes,
	}
}

func asJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // made of maps and strings
	}
	return text
}

// fromSNS fails the test if the message is none of a notification.
func fromSNS(t *testing.T, message []byte) *receive.Delivery {
	t.Helper()
	d, err := receive.NewSNSDelivery(message)
	require.NoError(t, err)
	return d
}

// What comes with an envelope and without is one delivery.
func TestSNSForms(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	for _, form := range []struct {
		encoding string
		text     []byte
	}{
		{"", body},
		{"identity", body},
		{"gzip+base64", asText(gzipped(body))},
		{"", asText(gzipped(body))}, // its attribute was lost
		{"gzip+base64", body},
		{" GZIP+Base64 ", append(asText(gzipped(body)), "\r\n"...)},
	} {
		t.Run(fmt.Sprintf("%s/%.4s", form.encoding, form.text), func(t *testing.T) {
			t.Parallel()
			text, encoding := form.text, form.encoding
			want := deliveryTest{id: "n-1", typ: events.TypeMessageOpened, content: body}
			want.check(t, receive.NewDelivery(text, encoding))
			d := fromSNS(t, asJSON(snsEnvelope(string(text), encoding)))
			want.check(t, d)
			assert.True(t, time.Date(2026, 11, 20, 8, 15, 30, 482e6, time.UTC).Equal(d.ReceivedAt))
			n, err := d.Parse()
			require.NoError(t, err)
			assert.Equal(t, "message-1", n.Data.(*events.MessageOpened).MessageID)
		})
	}
}

// What Nylas publishes when the channel is created. Its shape is not documented
// beyond its type.
func TestSNSConnectorVerification(t *testing.T) {
	t.Parallel()
	text := `{"specversion":"1.0","type":"connector.verification","source":"/nylas/system","id":"v-1","time":1785312000,"data":{"object":{}}}`
	n, err := fromSNS(t, asJSON(snsEnvelope(text, ""))).Parse()
	require.NoError(t, err)
	assert.Equal(t, events.Type("connector.verification"), n.Type)
	assert.IsType(t, &events.Unknown{}, n.Data)
}

// What is in the envelope and cannot be decoded is kept.
func TestSNSUndecodable(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	tooMuch := string(asText(gzipOverLimit()))
	for name, test := range map[string]struct {
		message, encoding string
		err               error
	}{
		"empty":             {"", "", events.ErrNotJSON},
		"text":              {bodyMarker, "", events.ErrNotJSON},
		"not base64":        {bodyMarker, "gzip+base64", receive.ErrDeliveryEncoding},
		"base64 of no gzip": {string(asText(body)), "gzip+base64", receive.ErrDeliveryEncoding},
		"base64 cut off":    {string(asText(gzipped(body))[:101]), "gzip+base64", receive.ErrDeliveryEncoding},
		"gzip cut off":      {string(asText(cut(gzipped(body), 3))), "gzip+base64", receive.ErrDeliveryEncoding},
		"base64 of another": {base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe\xfd\xfc")), "gzip+base64", receive.ErrDeliveryEncoding},
		"empty, compressed": {"", "gzip+base64", receive.ErrDeliveryEncoding},
		"too much":          {tooMuch, "gzip+base64", receive.ErrDeliveryTooLarge},
		"another encoding":  {bodyMarker, "br+base64", receive.ErrDeliveryEncoding},
		"no id":             {`{"type":"t"}`, "", events.ErrEnvelope},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := deliveryTest{body: []byte(test.message), err: test.err}
			want.check(t, receive.NewDelivery([]byte(test.message), test.encoding))
			want.check(t, fromSNS(t, asJSON(snsEnvelope(test.message, test.encoding))))
		})
	}
}

// An event of AWS Lambda is no message: the error says what to give.
func TestSNSOfALambdaEvent(t *testing.T) {
	t.Parallel()
	envelope := snsEnvelope(string(openedBody("n-1")), "")
	for name, record := range map[string]any{
		"SQS": map[string]any{"eventSource": "aws:sqs", "body": string(asJSON(envelope))},
		"SNS": map[string]any{"EventSource": "aws:sns", "Sns": envelope},
	} {
		d := fromSNS(t, asJSON(map[string]any{"Records": []any{record}}))
		require.ErrorIs(t, d.Err, receive.ErrSNSEnvelope, name)
		require.ErrorContains(t, d.Err, "give body of each of its Records (SQS), or Sns (SNS), to NewSNSDelivery")
	}
}

// What has no envelope is kept as well, with an error that says what to do.
func TestSNSWithoutEnvelope(t *testing.T) {
	t.Parallel()
	without := func(name string) []byte {
		envelope := snsEnvelope(string(openedBody("n-1")), "")
		delete(envelope, name)
		return asJSON(envelope)
	}
	with := func(name string, value any) []byte {
		envelope := snsEnvelope(string(openedBody("n-1")), "")
		envelope[name] = value
		return asJSON(envelope)
	}
	for name, message := range map[string][]byte{
		"nothing":         nil,
		"empty":           {},
		"text":            []byte(bodyMarker),
		"half":            without("")[:100],
		"followed":        append(without(""), "{}"...),
		"array":           []byte("[" + string(without("")) + "]"),
		"raw delivery":    openedBody("n-1"),
		"no type":         without("Type"),
		"type in small":   bytes.Replace(without(""), []byte(`"Type":"Notification"`), []byte(`"type":"Notification"`), 1),
		"another type":    with("Type", "Advertisement"),
		"type is null":    with("Type", nil),
		"no message":      without("Message"),
		"message is null": with("Message", nil),
		"message is JSON": with("Message", map[string]string{"id": "n-1"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := fromSNS(t, message)
			require.ErrorIs(t, d.Err, receive.ErrSNSEnvelope)
			require.ErrorContains(t, d.Err, "use NewDelivery")
			requireNothingLeaked(t, message, d.Err.Error())
			require.NotNil(t, d.Body)
			assert.True(t, bytes.Equal(message, d.Body))
			assert.NotEmpty(t, d.ID)
			_, err := d.Parse()
			assert.Same(t, d.Err, err)
		})
	}
}

// Odd members that are not needed do no harm.
func TestSNSIsLenient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, value := range map[string]any{
			"Timestamp":         1785312000,
			"MessageAttributes": nil,
			"TopicArn":          []int{1},
			"New":               map[string]int{"a": 1},
		} {
			envelope := snsEnvelope(string(openedBody("n-1")), "")
			envelope[name] = value
			d := fromSNS(t, asJSON(envelope))
			require.NoError(t, d.Err, name)
			assert.Equal(t, "n-1", d.ID)
			if name == "Timestamp" {
				assert.True(t, time.Now().Equal(d.ReceivedAt))
			}
		}
	})
}

func TestSNSConfirmation(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"SubscriptionConfirmation", "UnsubscribeConfirmation"} {
		envelope := snsEnvelope("You have chosen to subscribe", "")
		envelope["Type"], envelope["Token"], envelope["SubscribeURL"] = typ, "2336412f37fb", "https://sns.us-west-2.amazonaws.com/?Token=2336412f37fb"
		d, err := receive.NewSNSDelivery(asJSON(envelope))
		assert.Nil(t, d)
		require.ErrorIs(t, err, receive.ErrSNSConfirmation)
		assert.NotContains(t, err.Error(), "2336412f37fb")
	}
}

// The limit is that of the envelope, not of SNS: what SNS takes in a message
// grows to six times of it if each byte has to be escaped.
func TestSNSLimit(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	empty := len(asJSON(snsEnvelope(string(body), "")))
	message := asJSON(snsEnvelope(string(body)+strings.Repeat(" ", snsLimit-empty), ""))
	require.Len(t, message, snsLimit)
	require.NoError(t, fromSNS(t, message).Err)

	message = append(message, ' ')
	d := fromSNS(t, message)
	require.ErrorIs(t, d.Err, receive.ErrDeliveryTooLarge)
	assert.True(t, bytes.Equal(message, d.Body))
	assert.Equal(t, sha256ID(message), d.ID)

	escaped := fmt.Appendf(nil, `{"Type":"Notification","Message":"%s"}`, strings.Repeat(`\u0020`, 256<<10-len(body))+escapeAll(body))
	require.NoError(t, fromSNS(t, escaped).Err)
}

func escapeAll(text []byte) string {
	var escaped strings.Builder
	for _, b := range text {
		fmt.Fprintf(&escaped, `\u%04x`, b)
	}
	return escaped.String()
}

// Whatever comes is a delivery with an id and a body, or a confirmation; and what
// is in a Message is what NewDelivery makes of it.
func FuzzNewSNSDelivery(f *testing.F) {
	body := openedBody("n-1")
	f.Add(asJSON(snsEnvelope(string(body), "")), body, "")
	f.Add(asJSON(snsEnvelope(string(asText(gzipped(body))), "gzip+base64")), asText(gzipped(body)), "gzip+base64")
	f.Add([]byte(`{"Type":"SubscriptionConfirmation"}`), []byte{}, "gzip")
	f.Add(body, []byte(bodyMarker), "gzip+base64")
	f.Add([]byte(`{"Type":"Notification","Message":"","MessageAttributes":[]}`), []byte("\xff"), "br")
	f.Fuzz(func(t *testing.T, message, text []byte, encoding string) {
		d, err := receive.NewSNSDelivery(message)
		if err != nil {
			require.ErrorIs(t, err, receive.ErrSNSConfirmation)
			require.Nil(t, d)
		} else {
			require.NotEmpty(t, d.ID)
			require.NotNil(t, d.Body)
			require.False(t, d.ReceivedAt.IsZero())
		}

		// JSON holds no invalid UTF-8, and neither does a message of SNS.
		valid := strings.ToValidUTF8(string(text), "\ufffd")
		encoding = strings.ToValidUTF8(encoding, "\ufffd")
		envelope := asJSON(snsEnvelope(valid, encoding))
		if len(envelope) > snsLimit {
			return
		}
		d, err = receive.NewSNSDelivery(envelope)
		require.NoError(t, err)
		want := receive.NewDelivery([]byte(valid), encoding)
		require.Equal(t, want.ID, d.ID)
		require.Equal(t, want.Type, d.Type)
		require.Equal(t, string(want.Body), string(d.Body))
		require.Equal(t, want.Err == nil, d.Err == nil)
	})
}
