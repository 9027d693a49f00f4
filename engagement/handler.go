package engagement

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

// NewHandler returns a Handler that applies each notification to a ledger, and calls fn
// for each new event with its verdict, in the order of their times. Put it behind the
// inbox, an engine, or a Receiver:
//
//	handler, err := engagement.NewHandler(ledger, classifier, func(ctx context.Context, e engagement.Event, v engagement.Verdict) error {
//		return crm.Add(ctx, e.ID, e.MessageID, v.Actor)
//	})
//	err = box.Run(ctx, handler)
//
// fn is called before the events are stored, so that no crash loses one: if fn returns an
// error, or the program ends, the event comes again. fn must be idempotent, by Event.ID.
// It must not change the store that the ledger uses, which waits for it.
//
// A verdict is made with the other events of the message if the store is a [History] that
// keeps events. It may be provisional: see [Verdict.ProvisionalUntil].
//
// If classifier is nil, the built-in rules apply. Notifications that are not about tracking
// are ignored, except those that [WithDelivery] wants. One that cannot be decoded is a
// permanent error.
func NewHandler(ledger *Ledger, classifier *Classifier, fn func(ctx context.Context, e Event, v Verdict) error, opts ...HandlerOption) (receive.Handler, error) {
	if ledger == nil || fn == nil {
		return nil, errors.New("engagement: NewHandler needs a ledger and a function")
	}
	if ledger.err != nil {
		return nil, ledger.err
	}
	if classifier == nil {
		var err error
		if classifier, err = NewClassifier(); err != nil {
			return nil, err
		}
	}
	config := handlerConfig{classifier: classifier, fn: fn}
	for _, o := range opts {
		if o != nil {
			o.apply(&config)
		}
	}
	return receive.HandlerFunc(func(ctx context.Context, d *receive.Delivery) error {
		n, err := notification(d)
		if err != nil {
			return receive.Permanent(fmt.Errorf("engagement: %w", err))
		}
		if config.delivery != nil {
			if grantID, messageID, arrived, ok := DeliveryOf(n); ok {
				return config.delivery(ctx, grantID, messageID, arrived)
			}
		}
		_, err = ledger.apply(ctx, n, func(ctx context.Context, key Key) (tell, error) {
			sent, earlier, err := ledger.history(ctx, key)
			return func(added []Event) error { return config.tell(ctx, sent, earlier, added) }, err
		})
		if errors.Is(err, ErrNoMessage) {
			return receive.Permanent(err)
		}
		return err
	}), nil
}

// HandlerOption changes what [NewHandler] makes.
type HandlerOption interface{ apply(*handlerConfig) }

type handlerOption func(*handlerConfig)

func (o handlerOption) apply(c *handlerConfig) { o(c) }

type handlerConfig struct {
	classifier *Classifier
	fn         func(context.Context, Event, Verdict) error
	headers    func(context.Context, Event) (map[string][]string, error)
	delivery   func(ctx context.Context, grantID, messageID string, d Delivery) error
}

// WithReplyHeaders gives the handler a function that reads the headers of a reply, the
// message Event.ReplyID of the mailbox Event.GrantID. They tell whether a program wrote it;
// without them, and if the function returns none, that is unknown. If it returns an error,
// the event comes again: return no headers if they cannot be had.
//
//	engagement.WithReplyHeaders(func(ctx context.Context, e engagement.Event) (map[string][]string, error) {
//		reply, err := client.Messages.Get(ctx, e.GrantID, e.ReplyID, nylas.WithFields(nylas.FieldsIncludeHeaders))
//		if errors.Is(err, nylas.ErrNotFound) {
//			return nil, nil
//		} else if err != nil {
//			return nil, err
//		}
//		headers := make(map[string][]string)
//		for _, h := range reply.Headers {
//			headers[h.Name] = append(headers[h.Name], h.Value)
//		}
//		return headers, nil
//	})
func WithReplyHeaders(headers func(ctx context.Context, e Event) (map[string][]string, error)) HandlerOption {
	return handlerOption(func(c *handlerConfig) { c.headers = headers })
}

func notification(d *receive.Delivery) (*events.Notification, error) {
	if d.Err != nil {
		return nil, d.Err
	}
	return events.Parse(d.Body)
}

// history returns what the store knows of a message.
func (l *Ledger) history(ctx context.Context, key Key) (sent Sent, earlier []Event, err error) {
	h, ok := l.store.(History)
	if !ok || key.MessageID == "" {
		return Sent{MessageID: key.MessageID}, nil, nil
	}
	sent, _, err = h.Sent(ctx, key.GrantID, key.MessageID)
	if err != nil {
		return Sent{}, nil, err
	}
	earlier, err = h.Events(ctx, key.GrantID, key.MessageID)
	return sent, earlier, err
}

// tell judges new events together with earlier ones, and calls fn for each new one.
func (c *handlerConfig) tell(ctx context.Context, sent Sent, earlier, added []Event) error {
	for i := range added {
		e := &added[i]
		e.Network = c.classifier.Network(e.IP)
		e.URL, e.URLInferred = sent.URL(*e)
		if e.Kind == Reply && c.headers != nil {
			header, err := c.headers(ctx, *e)
			if err != nil {
				return fmt.Errorf("engagement: the headers of a reply: %w", err)
			}
			e.Automatic = AutomaticReply(header)
		}
	}
	all := slices.Concat(earlier, added)
	verdicts := c.classifier.Message(sent, all).Verdicts[len(earlier):]
	for i, e := range added {
		if err := c.fn(ctx, e, verdicts[i]); err != nil {
			return err
		}
	}
	return nil
}
