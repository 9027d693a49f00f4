package nylastest

import "net/http"

// typeProvider is the type of errors that come from the mail provider, or from the lack of its
// answer.
const typeProvider = "api.provider_error"

// QuarantineAnswer is how Nylas answers a send on a mailbox of Microsoft whose tenant
// Microsoft has put into quarantine: 403. Use it Inside of a [Fault], for nothing is sent. Nylas
// says that its text tells the tenant's administrator to resolve this with Microsoft; the words
// and the type are the emulator's own.
//
// https://developer.nylas.com/docs/changelogs/2026-11-12-scheduler-send-notetaker-and-agent-account-fixes/
func QuarantineAnswer() *Answer {
	return ErrorAnswer(http.StatusForbidden, typeProvider,
		"Microsoft has put the tenant of this mailbox into quarantine. Its administrator must resolve this with Microsoft.")
}

// DeadlineAnswer is how Nylas answers a request that reaches its deadline: 504. Use it Inside
// of a [Fault] if the provider did nothing, and After if it did everything, only too late: the
// mail is sent then.
//
// https://developer.nylas.com/docs/changelogs/2026-11-12-scheduler-send-notetaker-and-agent-account-fixes/
func DeadlineAnswer() *Answer {
	return ErrorAnswer(http.StatusGatewayTimeout, typeProvider, "Provider request timed out.")
}
