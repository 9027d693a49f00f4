// Package engagement says what happened to a message, and what that is worth.
//
// Each notification of Nylas repeats up to 50 earlier opens, clicks or replies. A [Ledger]
// turns any stream of notifications into each [Event] exactly once, whatever their order,
// and says which are missing. It keeps what it knows in a [Store].
//
// An event is not a person. Apple loads images whether somebody reads or not, filters
// follow links to look for malicious pages, and Gmail loads images for its readers. A
// [Classifier] answers three questions about each event in a [Verdict]: which machinery
// made the request, who was behind it, and how sure that is. "Nobody can tell" is a normal
// answer. Each verdict has reasons that can be printed.
//
// A [Summary] is what a message came to: replied, clicked, likely opened, and so on. It
// keeps human, indeterminate and machine events apart, and never says that a message was
// not read, because nobody can know that. [Campaigns] adds summaries up by label, and
// [EventsCSV] and [MessagesCSV] write tables.
//
// [NewHandler] joins the parts behind an inbox or a Receiver:
//
//	ledger := engagement.NewLedger(engagement.NewMemoryStore(engagement.WithEvents()))
//	classifier, err := engagement.NewClassifier(engagement.WithOwnNetworks(office))
//	handler, err := engagement.NewHandler(ledger, classifier, func(ctx context.Context, e engagement.Event, v engagement.Verdict) error {
//		return crm.Add(ctx, e.ID, e.MessageID, v.Actor, engagement.Sentences(v.Reasons))
//	})
//	err = box.Run(ctx, handler)
//
// # Rules
//
// A classifier judges by [Rules], which are data: [BuiltinRules] has those of this package
// with their sources and their date. Some networks are too large to come along. Load them
// and give them to the classifier:
//
//   - Apple's relays, with [ReadPrefixes] and [WithPrefixes]. Without the list a hint
//     applies, which is wider.
//   - Those of Microsoft, Proofpoint, Mimecast, Cisco and Zscaler, which are named by their
//     autonomous systems, with [WithASN].
//   - Your own, with [WithOwnNetworks]: nothing else tells your own opens from others'.
//
// Verdicts are provisional while other events may still come, and rules become better.
// Store events, and judge them when somebody looks.
//
// # What nobody can say
//
// Who of several recipients made an event; that a message was not read; whether a load by
// Apple's proxy was a reading; how long somebody read; where the reader behind a proxy is;
// that a single click is certainly a person's.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
package engagement
