// Package riversink keeps Nylas' notifications in PostgreSQL until they are
// handled, with the job queue River, https://riverqueue.com. Any number of
// processes may receive into one database, and any number can handle what they received.
//
//	pool, err := pgxpool.New(ctx, databaseURL)
//	sink, err := riversink.Open(pool)
//	err = sink.Migrate(ctx) // the tables, in a schema of their own
//
//	receiver, err := receive.New(sink, sink.Secrets(webhookURL))
//	http.Handle("/webhooks/nylas", receiver) // 200 once it is in the database
//
//	err = sink.Run(ctx, dispatcher) // until ctx ends; here or in other processes
//
// [Sink.Secrets] keeps the webhook's secrets in the same database, for all receivers and
// for the client's Subscribe and Rotate. Who can read that table can sign deliveries.
//
// # What is promised
//
// A nil from [Sink.HandleDelivery] means that the delivery is committed, as
// durable as the server makes a commit: leave its fsync on. Sessions with
// synchronous_commit off are refused, also when it is switched off later. A second delivery with the same id is
// accepted and not stored again for as long as the first one is kept, in
// whatever state: handled ones and dead letters for 7 days, while Nylas repeats
// for 72 hours at most.
//
// The handler is called once for each delivery while nothing crashes, and at
// least once otherwise: a process that dies with a delivery in hand leaves it to
// the others after [WithRescueAfter], 5 minutes by default. A crash of the
// database counts too: marks of what was handled may be lost in it. So the handler must be
// idempotent, or write to the same database and end its transaction with
// [CompleteTx]: then what it wrote and the mark that the delivery is done are
// committed together. There is no order among deliveries.
//
// An error of the handler, a panic or a time-out brings the delivery again after a
// growing wait: up to 25 attempts within three days by default. Then it is a
// dead letter, and at once with [receive.Permanent]. Deliveries that are signed
// but cannot be decoded are dead letters from the beginning. [Sink.Dead] lists
// them with body and last error, [Sink.Requeue] gives them to the handler again.
//
// # With a River of one's own
//
// The clients of one schema share the work of its upkeep. One of them leads: it
// deletes what is past its own retention, and gives up stuck jobs whose kind it
// does not know. So [Open] uses a schema for nothing else, named nylas. To have
// the deliveries among other jobs instead, give every client of that schema the
// worker and the retention with [Configure], and the Sink one of them with
// [WithClient]:
//
//	config := &river.Config{Workers: workers, Queues: queues}
//	err := riversink.Configure(config, dispatcher)
//	client, err := river.NewClient(riverpgxv5.New(pool), config)
//	sink, err := riversink.Open(pool, riversink.WithClient(client))
//
// # What to watch
//
// [Sink.Stats]: Oldest tells how far the handlers are behind, Dead how many
// deliveries wait for a person. A delivery of 1.3 kB takes about 2.8 kB in tables
// and indexes for the 7 days that it is kept, and autovacuum must keep up with
// what is deleted. Connections must be direct ones, or of a pooler that keeps
// sessions: River listens for notifications of the database.
//
// River is under the Mozilla Public License 2.0: programs that link it stay under
// their own licence; who changes River's own files and passes the program on must
// publish those files.
package riversink
