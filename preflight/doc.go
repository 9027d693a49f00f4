// Package preflight checks a mail before it is sent with tracking. It lists each link
// of the body with what Nylas will make of it, and reports what the sender should know.
//
//	report := preflight.Check(preflight.Mail{
//		Body:       body,
//		Recipients: []string{"kim@acme.dev"},
//		Opens:      true,
//		Links:      true,
//	})
//	if report.Refused() {
//		// Nylas would reject this mail: see report.Findings.
//	}
//
// A check sends nothing and needs no account, so a page that shows a draft can use the
// package as well as a program that sends. The client's CheckTracking checks a request
// that is about to be sent.
//
// The package knows what Nylas documents. Three things are not documented: which hosts
// are on the list of phishing and spam, what counts as login credentials, and what a
// tracked link looks like. Where one of them decides, a link is [StatusUnknown] or a
// finding is a warning.
//
// https://developer.nylas.com/docs/v3/email/message-tracking/
package preflight
