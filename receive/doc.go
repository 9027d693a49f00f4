// Package receive accepts the notifications that Nylas delivers to a webhook, and gives each
// one to your code without losing any.
//
// A [Receiver] is the http.Handler behind the webhook's URL. It verifies each delivery and
// calls a [Handler], usually a [Dispatcher] with one function for each kind of event:
//
//	dispatcher := &receive.Dispatcher{
//		MessageOpened: func(ctx context.Context, n *events.Notification, opened *events.MessageOpened) error {
//			return db.SaveOpen(ctx, opened.MessageID, opened.Label)
//		},
//		Undecodable: func(ctx context.Context, d *receive.Delivery, err error) error {
//			return db.SaveForLater(ctx, d.ID, d.Body)
//		},
//	}
//	receiver, err := receive.New(receive.DropDuplicates(dispatcher, 10_000), receive.Secret(secret))
//	mux.Handle("/webhooks/nylas", receiver)
//	err = receive.Serve(ctx, listener, mux)
//
// Returning nil means that the event is safe: the Receiver answers 200, and Nylas does not
// send it again. Returning an error means 503, and Nylas tries up to two more times. What must
// survive longer than that goes into a durable Handler: the inbox, riversink and pubsubsink
// packages of this project are Handlers.
//
// The secrets come from a [SecretSource]: [Secret] for fixed ones, or a [SecretStore] that
// several processes share and that the Subscribe and Rotate methods of a Client keep up to
// date.
//
// The package knows nothing of the client. Deliveries that do not come over HTTP are made
// with [NewDelivery] and [NewSNSDelivery].
//
// In the repository, docs/promises.md says what is promised of a delivery, docs/security.md
// what is verified, and docs/migration.md how to replace a handler of your own.
//
// https://developer.nylas.com/docs/v3/notifications/
package receive
