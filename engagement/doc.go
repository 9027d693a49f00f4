// Package engagement says what happened to a message, and what that is worth: each open,
// click and reply exactly once, who was probably behind it, and what the message came to.
//
// A notification of Nylas repeats up to 50 earlier events, may come twice or never, and in
// any order. A [Ledger] finds the new events in any stream of notifications, and says which
// ones are missing:
//
//	ledger := engagement.NewLedger(engagement.NewMemoryStore())
//	change, err := ledger.Apply(ctx, notification)
//	for _, e := range change.New {
//		fmt.Println(e.Kind, e.MessageID, e.Time)
//	}
//
// Whether a person opened a message cannot be known, only judged: filters follow links, and
// Apple and Gmail load images for their users. A [Classifier] answers three questions about
// an event in a [Verdict]: which machinery made the request, whether a person was behind it,
// and how sure that is. Each verdict has its reasons, in words:
//
//	classifier, err := engagement.NewClassifier()
//	verdict := classifier.Event(e)
//	fmt.Println(verdict, verdict.Reasons[0])
//
// [Classifier.Message] judges all events of a message together, which says more, and sums
// up what the message came to. [Campaigns] does so for many messages.
//
// [NewHandler] puts it all behind a webhook or an inbox: it calls a function for each new
// event with its verdict. [WithDelivery] has it learn which messages bounced, so that the
// rates of a campaign do not count them.
//
// A [Store] keeps what is known. [MemoryStore] forgets when the process ends; package
// sqlstore, a module of its own, keeps everything in SQLite or PostgreSQL. Stored events can
// be judged again whenever the rules are better.
//
// # Rules and networks
//
// A Classifier judges by [Rules], which are data. [BuiltinRules] has those of this package,
// each with its source, and their date is in each verdict. [WithExtraRules] adds your own.
//
// Some networks are too large to come along. Load them and give them to the Classifier:
//
//   - Apple's relays, with [ReadPrefixes] and [WithPrefixes]. Without the list a hint
//     applies, which is wider.
//   - Those of Microsoft's cloud, Proofpoint, Mimecast, Cisco and Zscaler, which the rules
//     name by their autonomous systems, with [WithASN].
//   - Your own, with [WithOwnNetworks]. Nothing else tells the sender's opens from others'.
//
// # Limits
//
// What nobody can say, and this package does not: who of several recipients it was, that a
// message was not read, how long somebody read, or that a single click was certainly a
// person's. In the repository, docs/tracking.md explains why, also to people who do not
// program.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
package engagement
