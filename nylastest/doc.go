// Package nylastest is a local Nylas that really tracks: it takes a send, puts a
// pixel and tracked links into the body, and when somebody loads the pixel,
// follows a link or answers, it notifies the webhooks that subscribed to it, with
// signature, retries and the published payloads. Tracking does not work on a
// Nylas sandbox account; with this package it can be tested without any account.
//
//	func TestFollowUp(t *testing.T) {
//		server := nylastest.NewServer(t)
//		// Point the code under test to server.URL(), with server.APIKey() and
//		// server.GrantID(), and let it create its webhook and send its message.
//
//		message := server.Messages()[0]
//		kim, err := server.Recipient(message.ID)
//		if err != nil {
//			t.Fatal(err)
//		}
//		kim = kim.WithIP("66.102.7.162").WithUserAgent("Mozilla/5.0 (via ggpht.com GoogleImageProxy)")
//		if err := kim.Open(t.Context()); err != nil { // then Click, Reply
//			t.Fatal(err)
//		}
//		if err := server.Wait(t.Context()); err != nil { // until every webhook was told
//			t.Fatal(err)
//		}
//	}
//
// [NewServer] is for tests: it is strict, a request field or query parameter that
// Nylas does not document fails the test, so that a misspelt name cannot pass.
// [Start] is for programs: there the same request is answered with 400 and an
// error that names the field.
//
// # What it emulates
//
// Sending on a grant, immediate and scheduled, as JSON or multipart; schedules;
// drafts; transactional sends from the domains of [WithSendingDomains]; reading
// and changing the mailbox of a grant, where sent messages and the replies to them are,
// with headers, raw MIME, attachments, threads and folders; grants; send events and
// metrics; alert rules, which never fire; all operations on webhook destinations; pixels, links and replies; what
// Nylas refuses, with its texts; idempotency keys. [Server.Inject] makes things go
// wrong: an answer that is lost, a gateway in front of Nylas, a send that fails.
// [WithRateLimits] refuses what is too fast for Nylas. [WithAgentSendLimit] queues what
// Agent Accounts send too fast.
// Tracking changes nothing else in a body. The pixel stands at the end of the body
// element, or at its beginning if an element without an end would hide it; Nylas does
// not document where its own stands.
// Where Nylas' pages leave something open, [Readings] names the choices. Tracking
// history and metrics are counted from what happened to the mail of Agent Accounts
// ([Server.AddAgentAccount]) and Transactional sends; members whose names Nylas'
// pages do not show have names of the emulator's own. Pub/Sub and SNS channels are
// stored, and nothing is published to them.
// Mail of Agent Accounts and Transactional sends is notified as delivered. It
// bounces or is complained about when [Recipient.Bounce] or [Recipient.Complain]
// says so, or when its address ends in @bounce.nylas.test or
// @complaint.nylas.test; a subject or body with the text
// EICAR-STANDARD-ANTIVIRUS-TEST-FILE is rejected.
// Templates and signatures live in an account, which an emulator does not have: a
// send that needs a template is refused, a signature is recorded and not appended.
//
// # Who received it
//
// [Server.Recipient] acts as a test tells it. [Server.Receive] lets a message arrive at a
// mailbox that acts by itself, such as that of somebody with Apple's Mail Privacy Protection
// behind a scanner of links, and returns what really happened: which events a person caused,
// and which a machine. Notifications say nothing of this, so a program that judges events
// can be tested with it:
//
//	happened, err := server.Receive(ctx, message.ID, nylastest.AppleMail(), nylastest.SafeLinks())
//
// Pixels and links are served over HTTP to anybody, so a browser or a test in another language
// can act too. A request from a loopback address may say for whom it is made, by
// X-Forwarded-For, of which the last address counts, and when, by X-Nylastest-Time with a
// time in RFC 3339. From elsewhere both headers have no effect.
//
// A reply can also be made from outside, with the API key and a POST to
// /nylastest/grants/{grant}/messages/{message}/replies; its body may be empty, or
// have the flags from_self and automatic. So can a bounce and a complaint, with a
// POST to /nylastest/messages/{message}/outcomes; its body has outcome, "bounced" or
// "complaint", and may have email, type and diagnostic_code.
//
// # A page
//
// Package [github.com/nylastrack/nylas-go/nylastest/mailbox] shows the mail in a browser, with
// buttons for all that recipients do and the notifications as they happen. [Server.Handle] serves
// it next to the API; [Server.Notices] and [Server.Changed] are what it is made of. GET / says
// what the server is.
//
// # Time
//
// All waiting uses package time, and [NewNetwork] makes a network in memory, so a
// test inside a testing/synctest bubble sees a retry after five minutes or a key
// that expires after an hour without waiting for it.
//
// # Without the emulator
//
// [NewWebhookRequest] and [Sign] make signed notifications for testing a receiver
// alone. [TestHandler] tests a store or queue of your own between the receiver and
// your code: whether it keeps what it took custody of.
package nylastest
