package receive_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// dispatched has one value of data for each function of a Dispatcher.
func dispatched() map[events.Type]events.Data {
	at := events.At(time.Unix(1695480567, 0))
	message := events.OutcomeMessage{ID: "message-1", Subject: "Quick follow-up", SentAt: at}
	sent := &events.SentMessage{ID: "message-1", GrantID: "grant-1", Subject: "Quick follow-up"}
	bounce := events.BounceOutcome{Message: message, Bounce: events.Bounce{BouncedAt: at, Type: "MailboxFull"}}
	complaint := events.ComplaintOutcome{Message: message, Complaint: events.Complaint{ReportedAt: at, Type: "abuse"}}
	delivery := events.DeliveryOutcome{Message: message, Delivered: events.Delivered{DeliveredAt: at}}
	rejection := events.RejectionOutcome{Message: message, RejectedAt: at}

	opened := &events.LegacyMessageOpened{Object: "message", Deltas: make([]events.Delta[events.LegacyOpenedMetadata], 1)}
	opened.Deltas[0].ObjectData.Metadata = events.LegacyOpenedMetadata{Count: 1, MessageID: "message-1", Payload: "label"}
	clicked := &events.LegacyMessageLinkClicked{Object: "message", Deltas: make([]events.Delta[events.LegacyLinkClickedMetadata], 1)}
	clicked.Deltas[0].ObjectData.Metadata = events.LegacyLinkClickedMetadata{MessageID: "message-1", Payload: "label"}
	replied := &events.LegacyThreadReplied{Object: "thread", Deltas: make([]events.Delta[events.LegacyRepliedMetadata], 1)}
	replied.Deltas[0].ObjectData.Metadata = events.LegacyRepliedMetadata{MessageID: "reply-1", ReplyToMessageID: "message-1"}

	return map[events.Type]events.Data{
		events.TypeMessageOpened: &events.MessageOpened{
			MessageID: "message-1", MessageData: events.MessageData{Count: 1, Timestamp: at},
			Recents: []events.Open{{IP: "192.0.2.1", Timestamp: at, UserAgent: "Mozilla/5.0"}},
		},
		events.TypeMessageLinkClicked: &events.MessageLinkClicked{
			MessageID: "message-1", LinkData: []events.LinkData{{Count: 1, URL: "https://acme.dev/demo"}},
		},
		events.TypeThreadReplied: &events.ThreadReplied{MessageID: "reply-1", RootMessageID: "message-1", ThreadID: "thread-1"},

		events.TypeLegacyMessageOpened:      opened,
		events.TypeLegacyMessageLinkClicked: clicked,
		events.TypeLegacyThreadReplied:      replied,

		events.TypeMessageSendSuccess:    &events.MessageSendSuccess{Message: sent},
		events.TypeMessageSendFailed:     &events.MessageSendFailed{Reason: "refused", Message: sent},
		events.TypeMessageBounceDetected: &events.MessageBounceDetected{BounceReason: "user unknown", Code: "550"},

		events.TypeMessageTransactionalBounced:   &events.MessageTransactionalBounced{BounceOutcome: bounce},
		events.TypeMessageTransactionalComplaint: &events.MessageTransactionalComplaint{ComplaintOutcome: complaint},
		events.TypeMessageTransactionalDelivered: &events.MessageTransactionalDelivered{DeliveryOutcome: delivery},
		events.TypeMessageTransactionalRejected:  &events.MessageTransactionalRejected{RejectionOutcome: rejection},

		events.TypeMessageBounced:   &events.MessageBounced{BounceOutcome: bounce},
		events.TypeMessageComplaint: &events.MessageComplaint{ComplaintOutcome: complaint},
		events.TypeMessageDelivered: &events.MessageDelivered{DeliveryOutcome: delivery},
		events.TypeMessageRejected:  &events.MessageRejected{RejectionOutcome: rejection},
		events.TypeGrantCreated:     &events.GrantCreated{GrantChange: events.GrantChange{Code: 25012, GrantID: "grant-1"}},
		events.TypeGrantUpdated:     &events.GrantUpdated{GrantChange: events.GrantChange{Code: 25014, GrantID: "grant-1"}},
		events.TypeGrantDeleted:     &events.GrantDeleted{GrantChange: events.GrantChange{Code: 25013, GrantID: "grant-1"}},
		events.TypeGrantExpired:     &events.GrantExpired{GrantChange: events.GrantChange{GrantID: "grant-1"}},
		events.TypeAlertTriggered:   &events.AlertTriggered{ID: "a-1", NotificationSeq: 1},
	}
}

// deliveryOf makes a delivery out of a notification, as Nylas would write it.
func deliveryOf(tb testing.TB, typ events.Type, data events.Data) *receive.Delivery {
	tb.Helper()
	body, err := json.Marshal(events.Notification{
		SpecVersion: "1.0", Type: typ, Source: "/com/nylas/tracking", ID: "n-1",
		Time: events.At(time.Unix(1695480567, 0)), GrantID: "grant-1", Data: data,
	})
	require.NoError(tb, err)
	d := receive.NewDelivery(body, "")
	require.NoError(tb, d.Err)
	require.Equal(tb, typ, d.Type)
	return d
}

// dispatchCall is a call of a function of a Dispatcher.
type dispatchCall struct {
	name string
	args []any
}

// watchedDispatcher has all functions but those left out, which note their
// calls and return err. A test that would name them one by one would not
// notice a new one.
func watchedDispatcher(calls *[]dispatchCall, err error, without ...string) *receive.Dispatcher {
	h := new(receive.Dispatcher)
	fields := reflect.ValueOf(h).Elem()
	for i := range fields.NumField() {
		name, field := fields.Type().Field(i).Name, fields.Field(i)
		field.Set(reflect.MakeFunc(field.Type(), func(args []reflect.Value) []reflect.Value {
			call := dispatchCall{name: name}
			for _, arg := range args {
				call.args = append(call.args, arg.Interface())
			}
			*calls = append(*calls, call)
			result := reflect.New(field.Type().Out(0)).Elem()
			if err != nil {
				result.Set(reflect.ValueOf(err))
			}
			return []reflect.Value{result}
		}))
	}
	for _, name := range without {
		fields.FieldByName(name).SetZero()
	}
	return h
}

func nameOf(data events.Data) string { return reflect.TypeOf(data).Elem().Name() }

func TestDispatcherHasAFunctionForEachType(t *testing.T) {
	t.Parallel()
	fields := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[receive.Dispatcher]()) {
		fields[field.Name] = true
	}
	for _, data := range dispatched() {
		assert.True(t, fields[nameOf(data)], nameOf(data))
		delete(fields, nameOf(data))
	}
	assert.Equal(t, map[string]bool{"Other": true, "Undecodable": true}, fields)
	assert.Len(t, dispatched(), 22)
}

func TestDispatcherCallsTheFunctionOfTheData(t *testing.T) {
	t.Parallel()
	for typ, data := range dispatched() {
		for _, suffix := range []events.Type{"", ".truncated"} {
			t.Run(string(typ+suffix), func(t *testing.T) {
				t.Parallel()
				failed := errors.New("disk full")
				for _, want := range []error{nil, failed, receive.Permanent(failed)} {
					type key struct{}
					ctx := context.WithValue(t.Context(), key{}, "value")
					d := deliveryOf(t, typ+suffix, data)

					var calls []dispatchCall
					err := watchedDispatcher(&calls, want).HandleDelivery(ctx, d)
					assert.True(t, err == want, "the error is passed on as it is") //nolint:errorlint,testifylint // identity
					require.Len(t, calls, 1)
					assert.Equal(t, nameOf(data), calls[0].name)
					require.Len(t, calls[0].args, 3)
					got := calls[0].args[0].(context.Context)
					assert.Equal(t, "value", got.Value(key{}))
					delivery, ok := receive.FromContext(got)
					assert.True(t, ok)
					assert.Same(t, d, delivery)
					n := calls[0].args[1].(*events.Notification)
					assert.Equal(t, "n-1", n.ID)
					assert.Equal(t, typ+suffix, n.Type)
					assert.Equal(t, "grant-1", n.GrantID)
					assert.Same(t, n.Data, calls[0].args[2])
					assert.Equal(t, withGrant(data), withGrant(n.Data))
				}

				// Without that function it is one of the others.
				var calls []dispatchCall
				err := watchedDispatcher(&calls, failed, nameOf(data)).HandleDelivery(t.Context(), deliveryOf(t, typ+suffix, data))
				require.Same(t, failed, err)
				require.Len(t, calls, 1)
				assert.Equal(t, "Other", calls[0].name)
				assert.Equal(t, typ+suffix, calls[0].args[1].(*events.Notification).Type)
			})
		}
	}
}

// withGrant renders data without the grant, which the envelope may have given it.
func withGrant(data events.Data) string {
	text, err := json.Marshal(data)
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(string(text), `"grant_id":"grant-1",`, "")
}

func TestDispatcherOther(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk full")
	for _, typ := range []events.Type{events.TypeContactUpdated, "a.new.one", "message.opened.v9"} {
		d := deliveryOf(t, typ, &events.Unknown{Data: json.RawMessage(`{"object":{}}`)})
		for _, want := range []error{nil, failed} {
			var calls []dispatchCall
			err := watchedDispatcher(&calls, want).HandleDelivery(t.Context(), d)
			require.ErrorIs(t, err, want)
			require.Len(t, calls, 1)
			assert.Equal(t, "Other", calls[0].name)
			assert.IsType(t, (*events.Unknown)(nil), calls[0].args[1].(*events.Notification).Data)
		}
		var calls []dispatchCall
		require.NoError(t, watchedDispatcher(&calls, failed, "Other").HandleDelivery(t.Context(), d))
		assert.Empty(t, calls)
	}
}

func TestDispatcherZeroValue(t *testing.T) {
	t.Parallel()
	var h receive.Dispatcher
	for typ, data := range dispatched() {
		require.NoError(t, h.HandleDelivery(t.Context(), deliveryOf(t, typ, data)), typ)
	}
	assert.NoError(t, h.HandleDelivery(t.Context(), deliveryOf(t, "a.new.one", &events.Unknown{})))
}

func TestDispatcherUndecodable(t *testing.T) {
	t.Parallel()
	body := openedBody("n-1")
	failed := errors.New("disk full")
	for name, test := range map[string]struct {
		d   *receive.Delivery
		err error
	}{
		"known beforehand":       {receive.NewDelivery(cut(gzipped(body), 1), "gzip"), receive.ErrDeliveryEncoding},
		"not JSON":               {receive.NewDelivery([]byte("plain text"), ""), events.ErrNotJSON},
		"no id":                  {receive.NewDelivery([]byte(`{"type":"t"}`), ""), events.ErrEnvelope},
		"broken behind the id":   {receive.NewDelivery([]byte(`{"id":"n-1","type":"message.opened",`), ""), events.ErrNotJSON},
		"of a known trigger":     {receive.NewDelivery([]byte(`{"id":"n-1","type":"message.opened","data":{"object":7}}`), ""), events.ErrData},
		"known trigger, no data": {receive.NewDelivery([]byte(`{"id":"n-1","type":"message.opened"}`), ""), events.ErrEnvelope},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, want := range []error{nil, failed} {
				var calls []dispatchCall
				err := watchedDispatcher(&calls, want).HandleDelivery(t.Context(), test.d)
				require.ErrorIs(t, err, want)
				require.NotErrorIs(t, err, receive.ErrPermanent, "the function decides")
				require.Len(t, calls, 1)
				assert.Equal(t, "Undecodable", calls[0].name)
				assert.Same(t, test.d, calls[0].args[1])
				require.ErrorIs(t, calls[0].args[2].(error), test.err)
			}
			var calls []dispatchCall
			err := watchedDispatcher(&calls, nil, "Undecodable").HandleDelivery(t.Context(), test.d)
			require.ErrorIs(t, err, receive.ErrPermanent)
			require.ErrorIs(t, err, test.err)
			assert.Empty(t, calls)
			requireNothingLeaked(t, body, err.Error())
		})
	}
}

// Behind a Receiver, as most people use it.
func TestDispatcherBehindReceiver(t *testing.T) {
	t.Parallel()
	var labels []string
	var logged receiverLog
	receiver := newReceiver(t, &receive.Dispatcher{
		MessageOpened: func(_ context.Context, _ *events.Notification, data *events.MessageOpened) error {
			labels = append(labels, data.Label)
			return nil
		},
	}, logged.option())
	requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(openedBody("n-1"))))
	assert.Equal(t, []string{bodyMarker}, labels)
	assert.Empty(t, logged.String())

	broken := []byte(`{"id":"n-2","type":"message.opened","data":{"object":{"label":"` + bodyMarker + `","recents":"` + bodyMarker + `"}}}`)
	requireAnswer(t, http.StatusOK, "", recorded(receiver, signed(broken)))
	records := logged.records(t)
	require.Len(t, records, 1)
	assert.Equal(t, "receive: delivery given up", records[0]["msg"])
	assert.Equal(t, "n-2", records[0]["messaging.message.id"])
	requireNothingLeaked(t, broken, logged.String())
}

func TestFromContextOutsideADispatcher(t *testing.T) {
	t.Parallel()
	d, ok := receive.FromContext(t.Context())
	assert.False(t, ok)
	assert.Nil(t, d)
}
