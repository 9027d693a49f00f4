package main

// checks are all checks in their order: what reads only, what makes something and deletes it, and
// what sends mail and acts as its recipient. What reads what another check found follows that one.
func checks() []check {
	return []check{
		{
			name: "metrics-names", kind: reads, run: metricsNames,
			question: "Which members does the summary of the tracking metrics have besides totals?",
			ours:     "previous, and six names in totals, which are nylastest's own", code: "tracking_metrics.go (TrackingSummary), nylastest/metrics.go",
		},
		{
			name: "ip-addresses", kind: reads, run: ipAddresses,
			question: "Does Nylas tell the addresses that notifications come from, although its reference no longer has the request?",
			ours:     "it does, in data", code: "webhooks.go (IPAddresses), nylastest/ipaddresses.go",
		},
		{
			name: "webhook-list-lag", kind: makes, run: webhookListLag, hook: true,
			question: "How long is a new webhook missing from the list of webhooks?",
			costs:    "makes the webhook that the checks below use, and deletes those that an earlier run left",
			ours:     "not at all", code: "nylastest.Readings.WebhookListLag; events.go (Subscribe)",
		},
		{
			name: "challenge-headers", kind: reads, run: challengeHeaders, hook: true,
			question: "Is the request with the challenge signed?",
			ours:     "no", code: "receive (a challenge needs no signature), nylastest/webhooks.go",
		},
		{
			name: "webhook-members", kind: reads, run: webhookMembers, hook: true,
			question: "Does Nylas return compressed_delivery with one webhook, and the times with the list?",
			ours:     "neither", code: "webhooks.go (Webhook), nylastest/webhooks.go",
		},
		{
			name: "webhook-same-url", kind: makes, run: webhookSameURL, hook: true,
			question: "Can a second webhook have the URL of the first?",
			costs:    "tries to make a second webhook with the same URL and deletes it",
			ours:     "yes", code: "nylastest.Readings.UniqueWebhookURLs; events.go (Subscribe)",
		},
		{
			name: "webhook-new-url", kind: makes, run: webhookNewURL, hook: true,
			question: "Does Nylas ask for a challenge when a webhook gets another URL, and keep the query of the URL?",
			costs:    "makes a webhook, changes its URL and deletes it",
			ours:     "both", code: "nylastest/webhooks.go",
		},
		{
			name: "test-event", kind: makes, run: testEvent, hook: true,
			question: "Have test events the id mock-id, and the signature of the secret mock-webhook-secret?",
			costs:    "lets Nylas send one test event",
			ours:     "both", code: "receive (test events get an id of their own), nylastest/webhooks.go",
		},
		{
			name: "draft-update", kind: makes, run: draftUpdate,
			question: "Does the update of a draft keep what it leaves out?",
			costs:    "makes a draft, changes its subject and deletes it",
			ours:     "yes", code: "nylastest.Readings.DraftUpdateReplaces; messages_drafts.go (UpdateDraftRequest)",
		},
		{
			name: "schedule-answer", kind: makes, run: scheduleAnswer,
			question: "Where does the answer to a scheduled send have its schedule_id, and is it taken 90 seconds ahead?",
			costs:    "schedules a message to TO 90 seconds ahead, and cancels it at once",
			ours:     "200, in data, and yes", code: "nylastest.Readings.ScheduleOnTop; messages.go (SendAt)",
		},
		{
			name: "schedule-list", kind: reads, run: scheduleList,
			question: "Is the list of schedules bare or in data?",
			ours:     "in data", code: "nylastest.Readings.SchedulesBare; messages_schedules.go",
		},
		{
			name: "find-sent", kind: sends, run: findSent,
			question: "How soon does a search for its metadata find a message that was sent?",
			costs:    "sends a tracked message to TO",
			ours:     "within 5 minutes", code: "outbox.WithLookAfter; messages_mark.go (FindSent)",
		},
		{
			name: "send-body", kind: reads, run: sendBody, mail: true,
			question: "Does the answer to a send have the tracked links in its body?",
			ours:     "no, it repeats the request", code: "nylastest/send.go",
		},
		{
			name: "own-copy", kind: reads, run: ownCopy, mail: true,
			question: "Has the sender's copy the pixel and the tracked links, so that the sender's own views count?",
			ours:     "yes", code: "tracking.go (StripPixel), nylastest/read.go",
		},
		{
			name: "strip-pixel", kind: reads, run: stripPixel, mail: true,
			question: "Does StripPixel know the address of the pixel?",
			ours:     "yes", code: "internal/markup/hosts.go",
		},
		{
			name: "pixel-place", kind: reads, run: pixelPlace, mail: true,
			question: "Where does the pixel stand in the body?",
			ours:     "at the end", code: "nylastest/pixelplace.go, preflight (gmail-clip)",
		},
		linkCheck("link-http", "Is a link of http tracked?", linkHTTP, "preflight (CodeHTTPScheme), internal/markup/target.go"),
		linkCheck("link-mailto", "Is a mailto link without an address tracked?", linkMailto, "preflight (CodeMailtoNoAddress), internal/markup/target.go"),
		linkCheck("link-letters", "Is a link tracked whose target has letters that are not ASCII?", linkLetters, "preflight (CodeBadURI), internal/markup/target.go"),
		linkCheck("link-noscript", "Is a link in noscript tracked?", linkNoscript, "preflight (CodeInNoscript), nylastest/rewrite.go"),
		{
			name: "open-again", kind: acts, run: openAgain, hook: true, mail: true,
			question: "Is an open notified that comes within a minute of another, and so is not counted?",
			costs:    "loads the pixel of the message twice",
			ours:     "yes, and only the count stays", code: "nylastest.Readings.OmitUncountedOpens; engagement/apply.go",
		},
		{
			name: "link-data", kind: acts, run: linkData, hook: true, mail: true,
			question: "What does link_data hold when the second link is followed after the first?",
			costs:    "follows both links of the message",
			ours:     "all tracked links in the order of link_index", code: "nylastest.Readings.ClickedLinkOnly; events/tracking.go (Link)",
		},
		{
			name: "click-recents", kind: reads, run: clickRecents, mail: true,
			question: "Has each link a list of recents of its own?",
			ours:     "yes", code: "nylastest.Readings.ClickRecentsPerMessage; engagement/apply.go",
		},
		{
			name: "id-types", kind: reads, run: idTypes, mail: true,
			question: "Are opened_id and click_id numbers, and link_index a text?",
			ours:     "yes; both are read", code: "events/tracking.go (Int, Index)",
		},
		{
			name: "delivery-headers", kind: reads, run: deliveryHeaders, mail: true,
			question: "Which headers has the request with a notification?",
			ours:     "Content-Type application/json and one signature in X-Nylas-Signature", code: "receive, nylastest/sign.go",
		},
		{
			name: "click-ids", kind: acts, run: clickIDs, hook: true, mail: true,
			question: "Do click ids go on after 50 clicks on a link, or are they positions in recents?",
			costs:    "follows the first link of the message 55 times",
			ours:     "they go on", code: "nylastest.Readings.PositionalIDs; engagement/apply.go",
		},
		{
			name: "recents-order", kind: reads, run: recentsOrder, mail: true,
			question: "In which order are recents, and how many are there?",
			ours:     "the oldest first, 50", code: "nylastest/recents.go, events/tracking.go (Latest)",
		},
		{
			name: "two-webhooks", kind: acts, run: twoWebhooks, hook: true, mail: true,
			question: "Have the notifications of one event to two webhooks the same id?",
			costs:    "makes a second webhook, follows a link of the message, and deletes the webhook",
			ours:     "yes", code: "nylastest/delivery.go; receive.DropDuplicates",
		},
		{
			name: "from-self", kind: sends, run: fromSelf, hook: true, mail: true,
			question: "Is the sender's own answer in the thread notified, with from_self?",
			costs:    "sends an answer to the message in its thread, to TO",
			ours:     "it is", code: "events/tracking.go (ThreadReplied), nylastest/mailbox.go",
		},
		{
			name: "history-covers", kind: reads, run: historyCovers, mail: true,
			question: "Does the tracking history have the opens and clicks of this mailbox?",
			ours:     "only of Agent Accounts", code: "tracking_history.go, nylastest/activity.go",
		},
		{
			name: "history-names", kind: reads, run: historyNames,
			question: "Which members does a click in the tracking history have besides those that are documented?",
			ours:     "link_url and link_index, which are nylastest's own", code: "tracking_history.go (TrackingEvent), nylastest/activity.go",
		},
		{
			name: "send-event-names", kind: reads, run: sendEventNames,
			question: "Which members does a send event have besides those that are documented?",
			ours:     "no further name is known", code: "tracking_delivery.go (SendEvent), nylastest/sendevents.go",
		},
		{
			name: "retry-secret", kind: acts, run: retrySecret, hook: true, mail: true,
			question: "Which secret signs the second attempt, if the secret was changed after the first?",
			costs:    "follows a link of the message, answers 503 to the notification, changes the secret of the webhook, and waits for up to 25 minutes",
			ours:     "the new one", code: "nylastest/webhooks.go; events_rotate.go (WithOverlap)",
		},
		{
			name: "retry-delay", kind: reads, run: retryDelay, mail: true,
			question: "How long after the first attempt comes the second?",
			ours:     "5 minutes", code: "nylastest.WithRetryDelays",
		},
		{
			name: "label-length", kind: sends, run: labelLength,
			question: "Does Nylas count the 2048 of a label in characters?",
			costs:    "sends a message to TO whose label has 2048 characters of two bytes",
			ours:     "yes", code: "tracking_label.go, nylastest/send.go",
		},
		{
			name: "disconnect-key", kind: sends, run: disconnectKey,
			question: "Is a send whose client disconnected done again when it is repeated with its key?",
			costs:    "sends a message to TO, cuts the connection, and sends it again with the same key: two messages may come",
			ours:     "yes: the disconnect clears the key", code: "nylastest.Readings.KeepDisconnectedKey; client_retry.go (maybeTwice)",
		},
		{
			name: "disconnect-mail", kind: reads, run: disconnectMail,
			question: "Had the send whose client disconnected sent its mail?",
			ours:     "yes", code: "nylastest.Readings.StopDisconnectedSend; docs/promises.md",
		},
	}
}
