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
// [Start] is for programs, those with an official SDK of Nylas among them: there such a
// name is ignored, unless [WithStrictRequests] refuses it. The Node SDK finds the emulator
// by apiUri, and Nylas' command-line program by NYLAS_API_BASE_URL.
//
// # What it emulates
//
//   - Sends: at once and scheduled, as JSON, multipart or MIME; drafts; Transactional sends from
//     the domains of [WithSendingDomains]; idempotency keys; what Nylas refuses, with its texts.
//   - Tracking: the pixel, links and replies. Nothing else in a body changes. The pixel stands at
//     the end of the body, or at its beginning if an element without an end would hide it; Nylas
//     does not document where its own stands.
//   - The mailbox of a grant: messages, threads, folders, attachments, headers and raw MIME, to
//     read and to change. Replies are there like sent messages.
//   - Webhooks: challenge, signature, compression, retries, secrets, and webhooks that fail.
//   - Pub/Sub and SNS channels. What they publish goes to the functions of
//     [Server.ConsumePubSub] and [Server.ConsumeSNS], and to the endpoints of [Server.PushPubSub]
//     and [Server.PushSNS]. No such message is signed.
//   - Grants, and how they end.
//   - For Agent Accounts ([Server.AddAgentAccount]) and Transactional sends: tracking history,
//     send events, metrics, and alert rules that fire. Members whose names Nylas' pages do not
//     show have names of the emulator's own.
//
// Mail of Agent Accounts and Transactional sends is notified as delivered. It bounces or is
// complained about when [Recipient.Bounce] or [Recipient.Complain] says so, or when its address
// ends in @bounce.nylas.test or @complaint.nylas.test. A subject or body with the text
// EICAR-STANDARD-ANTIVIRUS-TEST-FILE is rejected.
//
// [WithRateLimits] refuses what is too fast for Nylas, and [WithAgentSendLimit] queues what Agent
// Accounts send too fast. Where Nylas' pages leave something open, [Readings] names the choices.
//
// Templates and signatures live in an account, which an emulator does not have. A send that needs
// a template is refused; a signature is recorded and not appended.
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
// # Webhooks that fail
//
// Nylas looks at the attempts of the last 15 minutes. If at least 95 % of them got no answer, or
// another status than 200, and that goes on for 15 minutes, the webhook is "failing". It still
// gets every notification, up to three times; Nylas' page speaks of growing delays and gives no
// numbers. It is active again as soon as fewer attempts fail. After 72 hours of failing it is
// "failed" and gets nothing. An update that sets its status to active repeats the challenge and
// starts over. What happened meanwhile is never delivered. [Server.WebhookMails] has the mails
// that Nylas sends to notification_email_addresses.
//
// # Grants that expire
//
// [Server.ExpireGrant], [Server.RenewGrant] and [Server.DeleteGrant] do what happens to the
// mailboxes of an application's users. Replies to an expired grant are not seen until it is
// renewed, within 72 hours. The pixels and links of a deleted grant are dead. From outside, a
// grant is deleted by the request of Nylas, and expires or is renewed by a POST to
// /nylastest/grants/{grant}/expire or /renew.
//
// # What goes wrong
//
// [Server.Inject] makes requests fail: an answer that is lost, a gateway in front of Nylas, a
// limit, a delay, a send that fails. [Server.InjectDelivery] makes notifications come late, in
// another order, twice or never, or with a wrong signature. With a Chance and [Forever] a fault
// is a rule:
//
//	err := server.InjectDelivery(
//		nylastest.DeliveryFault{Times: nylastest.Forever, Chance: 0.1, Duplicates: 1},
//		nylastest.DeliveryFault{Times: nylastest.Forever, Chance: 0.1, Reorder: true},
//	)
//
// What comes about follows from the seed of the server, as its ids do: [WithSeed] repeats a
// run.
//
// # What happened
//
// [Server.WaitForDelivery] waits for a notification, and [Server.WaitForAttempt] for an attempt
// to deliver it, whatever was answered. [Server.RequireDelivered] is the assertion of a test. If
// it fails it prints [Server.History]: the requests, messages, events and deliveries of the
// server, in the order of time, with its seed.
//
// The server keeps what it was told until it is closed, within limits: it answers 507 when it
// holds too much, forgets the oldest of its logs, and gives up notifications when too many wait
// for their webhooks. Of a User-Agent it keeps the first 1024 bytes.
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
// # Over restarts
//
// [WithStateFile] keeps what a server has in a file, and [WithAddress] lets the next one listen
// where the links of earlier mail lead. The program examples/emulator has both as flags.
//
// # Without the emulator
//
// [NewWebhookRequest] and [Sign] make signed notifications for testing a receiver alone, and
// [NewNotification] has one of each trigger for them. [TestHandler] tests a store or queue of
// your own between the receiver and your code: whether it keeps what it took custody of.
package nylastest
