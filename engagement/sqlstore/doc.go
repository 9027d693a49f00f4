// Package sqlstore keeps events in SQLite or PostgreSQL: which ones are known, the events
// themselves, and what was sent. Any number of processes may use one database.
//
// It takes a [database/sql.DB] and links no driver. Choose one of yours:
//
//	db, err := sql.Open("pgx", databaseURL)
//	store, err := sqlstore.New(db, sqlstore.PostgreSQL)
//	err = store.Migrate(ctx) // the tables nylas_messages, nylas_events and two more
//
//	ledger := engagement.NewLedger(store)
//	change, err := ledger.Apply(ctx, notification) // change.New has each event once
//
// After a send, [Store.SetSent] stores the subject, the links and the number of recipients,
// and [Store.SetDelivery] whether the message arrived: give it to [engagement.WithDelivery].
//
// # Pages
//
// [Store.Judge] judges the messages that are due, and stores what each came to. Run it beside
// the handler, in one process or in several:
//
//	for {
//		judged, err := store.Judge(ctx, classifier)
//		...
//		if judged.Next.IsZero() || judged.Next.After(time.Now()) {
//			time.Sleep(2 * time.Second) // new events are due at once
//		}
//	}
//
// Then a page needs one statement, which an index serves however many messages there are:
//
//   - [Store.Messages]: by grant, label, campaign and [engagement.State], or by a text.
//   - [Store.Campaigns] and [Store.Campaign]: the numbers of [engagement.Campaigns].
//   - [Store.EventPage]: the events of a message. [Store.Latest]: those of all.
//   - [Store.Version]: whether anything is new since it was asked last.
//
// The exceptions look at some rows in each call: a search, and Latest with a filter. A filter
// by label, or by grant and campaign together, looks through the campaign.
//
// # What it promises
//
// The state and the events of an Update are committed together, and Updates of one message
// take turns in all processes. The id of an event is unique, so no event is stored twice
// even if the states are lost.
//
// A notification that tells nothing new costs one statement. One with new events costs
// five in PostgreSQL, however many events it has.
//
// A commit is as durable as the database makes it: leave synchronous_commit of PostgreSQL
// on, and synchronous of SQLite at FULL. Otherwise a crash can take back events that were
// told already.
//
// # SQLite
//
// Use a file in WAL mode: PRAGMA journal_mode=WAL. Otherwise writers wait for readers.
//
// SQLite has one writer at a time, and the others wait up to 10 seconds for it. An Update is
// a writer until its function returns. So the function given to [engagement.NewHandler] must
// be quick, and must not write to the same file: it would wait for itself, and fail after 10
// seconds. Give the Store a file of its own if the function writes to SQLite.
//
// A database in memory belongs to one connection: call SetMaxOpenConns(1).
//
// # Personal data
//
//   - [WithoutAddresses], [WithTruncatedAddresses] and [WithHashedAddresses] store less than
//     the IP address of an event. The event is still recognised when it comes again, by a
//     fingerprint of its time, address and agent in the state of its message. It has no key:
//     somebody who reads the database can test a guess of an address with it, and IPv4 has
//     few enough to try them all. The state loses the fingerprints when an id above 49
//     comes; DeleteMessages deletes the state.
//     What a classifier said of the address ([engagement.Event.Network]) stays.
//   - [Store.DeleteEvents] deletes old events. They stay known, and what their messages came
//     to stays too. Call it once a day.
//   - [Store.DeleteMessages] deletes what is stored of old messages, with what is known of
//     their events: after 60 days without an event at the earliest. Their campaigns do not
//     count them any more.
//   - [Store.Withdraw] drops the later events of a person's mail, and deletes the stored ones
//     if you say so.
//
// # The tables
//
// Read them with SQL of yours, and change them only through the Store. Times are
// microseconds since 1970. In nylas_messages, state is -1 for a message that nobody has
// judged, or else the number of an [engagement.State], and outcome is an [Outcome] as JSON,
// with the campaign that counts it. In nylas_events, message is the id of a row of nylas_messages, at
// is the time of the event, and dated is false if Nylas gave none: then at is when the event
// was stored.
package sqlstore
