package nylas

import "github.com/nylastrack/nylas-go/preflight"

// CheckTracking is [preflight.Check] for a request: it reports what Nylas will make of
// each link, and what the sender should know. It sends nothing and does not change the
// request. A nil request has an empty report.
//
// [MessageService.Send] does not make these checks: call CheckTracking before it.
func CheckTracking(req *SendMessageRequest) *preflight.Report { return preflight.Check(mailOf(req)) }

// mailOf returns what a check needs to know of a request.
func mailOf(req *SendMessageRequest) preflight.Mail {
	if req == nil {
		return preflight.Mail{}
	}
	mail := preflight.Mail{
		Body:       req.Body,
		Plaintext:  req.IsPlaintext,
		Template:   req.Template != nil,
		Signature:  req.SignatureID != "",
		Senders:    addresses(req.From),
		Recipients: addresses(req.To, req.CC, req.BCC),
	}
	if o := req.TrackingOptions; o != nil {
		mail.Opens, mail.Links, mail.Label, mail.DomainName = o.Opens, o.Links, o.Label, o.DomainName
	}
	return mail
}

func addresses(lists ...[]Participant) []string {
	var all []string
	for _, list := range lists {
		for _, participant := range list {
			all = append(all, participant.Email)
		}
	}
	return all
}
