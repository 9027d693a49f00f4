package engagement

import "github.com/nylastrack/nylas-go/events"

// AutomaticReply says by the headers of a reply whether a program wrote it, such as an
// absence notice or a report of a mail server. The answer is for [Event.Automatic]. It is
// Unknown if these are not the headers as the reply was received, or if there are none.
//
// thread.replied names the reply and not its headers: read the message [Event.ReplyID]
// with its headers for that. [events.MachineReply] has the list of what counts, and says
// which header it was.
func AutomaticReply(header map[string][]string) Answer {
	switch machine, _ := events.MachineReply(header); machine {
	case events.MachineYes:
		return Yes
	case events.MachineNo:
		return No
	}
	return Unknown
}

func (v *Verdict) judgeReply(e *Event) {
	v.Mechanism = ReplyMail
	switch {
	case e.FromSelf:
		v.set(Self, Certain)
		v.because(CodeReplyFromSelf, "The sender of the message wrote the reply.")
	case e.Automatic == Yes:
		v.Mechanism = AutoReply
		v.set(Machine, High)
		v.because(CodeAutoReply, "The headers of the reply say that a program wrote it, such as an absence notice.")
	default:
		v.set(Human, High)
		v.because(CodeReply, "Somebody answered the message.")
		if e.Automatic == Unknown {
			v.because(CodeHeadersUnknown, "The headers of the reply are not known, so it may be an automatic one.")
		}
	}
}
