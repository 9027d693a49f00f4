// Package pubsubsink connects the handlers of
// [github.com/nylastrack/nylas-go] with Google Cloud Pub/Sub, in both directions:
//
//   - [Receive] gives the notifications of a Pub/Sub channel of Nylas to a
//     [receive.Handler], instead of a webhook.
//   - [Sink] is a receive.Handler that takes custody of deliveries by publishing them.
//     Behind a receive.Receiver it makes a topic of a webhook; Receive reads it.
//
// A channel is the least to operate: no endpoint, no signature, no secret. Make
// one with PubSubChannels.Create of a nylas.Client.
//
// # The subscription
//
// Receive leaves to the subscription what Pub/Sub does well. Set these:
//
//   - A retry policy, such as 10 s to 600 s. Without one a delivery whose
//     handler fails comes again at once, and again.
//   - A dead-letter topic. Without one a delivery that always fails comes until
//     it is older than the retention, and is gone then. It gets what was not taken
//     after 5 to 100 attempts. What is marked by receive.Permanent does not get there:
//     see Receive.
//   - A message retention of 7 days, which is the default.
//
// A [pubsub.Subscriber] has ReceiveSettings, which hold for Receive:
// MaxOutstandingMessages bounds the handlers that run at a time (1,000),
// MaxOutstandingBytes the messages in memory (1 GB). A compressed message counts as
// it came, and can be 8 MiB when it is inflated: lower the first where memory is
// short. MaxExtension (60 minutes) has to be longer than the time limit of a
// handler.
//
// # Duplicates
//
// Pub/Sub delivers at least once, and Nylas publishes at least once, so wrap
// the handler in receive.DropDuplicates, or let it keep what it has done in its
// database. Exactly-once delivery of a subscription concerns the first only, and
// does not make the second unnecessary.
//
// # What to watch
//
// In Cloud Monitoring: subscription/oldest_unacked_message_age and
// subscription/num_undelivered_messages, which grow when handlers fail or are too
// slow; subscription/dead_letter_message_count, which should stay 0; and the log
// of [WithLogger], where every error is a delivery given up.
//
// sinks/README.md of the repository compares it with the other engines.
//
// https://cloud.google.com/pubsub/docs/monitoring
package pubsubsink
