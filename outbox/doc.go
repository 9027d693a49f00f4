// Package outbox sends many mails, each of them once as far as Nylas allows, and goes on
// after a crash where it stopped. It is for campaigns and other mail that a program must not
// lose: a queue on SQLite in the process itself.
//
//	box, err := outbox.Open("campaign.db")
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer box.Close()
//	people, err := template.Each("spring", contacts) // one request for each person
//	if err != nil {
//		log.Fatal(err)
//	}
//	if err := box.AddEach(ctx, grantID, people); err != nil { // has no effect for those it has
//		log.Fatal(err)
//	}
//	err = box.Run(ctx, client) // until all is sent, or ctx is done; then run the program again
//
// Give the client [nylas.WithRateLimit]: the Outbox sends as fast as the client lets it.
//
// # What it promises
//
// Before a request goes out, the disk has the mail's Idempotency-Key and the time. So a
// program that is killed at any moment knows afterwards which mails may have gone out.
//
// If it is not known whether a mail was sent, its state is [Unknown], and the Outbox never
// just sends again:
//
//  1. It waits 5 minutes ([WithLookAfter]), because a mailbox shows a sent message late.
//  2. It looks for the message by its mark, as [nylas.MessageService.FindSent] does. If the
//     message is there, the mail is [Sent].
//  3. If not, and 55 minutes have not passed since the first attempt, it sends again with
//     the same Idempotency-Key, which Nylas normally carries out once. If the outcome is
//     unknown again, it waits twice as long and looks again.
//  4. After that time Nylas may have forgotten the key. The Outbox only looks. What it does
//     not find stays Unknown, and the next Run looks again. To send it nevertheless, add it
//     with another key: only you can decide that.
//
// A second mail is possible in one case: Nylas sent the mail, the connection broke before
// the answer, Nylas forgot the key because of that, and after the wait the mailbox still
// did not show the message. [Mail.SecondMailPossible] then says so.
//
// Looking needs a scope to read mail. For a grant that can only send, what is unknown stays
// unknown.
//
// # What becomes of errors
//
//   - 429, 503 and 423: nothing was sent. The grant rests for as long as Nylas asks, at most a
//     day, or for longer and longer up to 20 minutes, and then goes on. It is the same if Nylas
//     cannot be reached.
//   - Sending is paused, 401, 403, 404, or tracking is not allowed: this concerns all mail of
//     the grant. Run sends no more from it, keeps its mails, and returns a [StoppedError].
//   - Any other refusal, such as 400: the mail is [Failed]. After 402, with which Nylas
//     reports a recipient that it could not send to, the address is suppressed too.
//
// # Who gets no more mail
//
// A mail to an address on the suppression list is not sent. [Outbox.Learn] fills the list
// from bounces and complaints, and [Outbox.Suppress] and [Outbox.Unsubscribe] add to it.
// [WithUnsubscribe] lets people unsubscribe with one click in their mail program.
//
// # What it needs
//
// A local disk that outlives the process, not NFS, and one process at a time. The file has
// people's addresses and, until a mail is sent, its content. Open makes it readable only by
// its owner (mode 0600). The files with the endings -wal and .lock belong to it: never remove
// one without the others.
//
// Every change waits for the disk by itself, which is fast enough for sending mail. This is
// no inbox for notifications; that is package inbox.
package outbox
