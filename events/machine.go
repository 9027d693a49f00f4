package events

import (
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/internal/mailheader"
)

// Machine says whether a program wrote a message. The zero value is [MachineUnknown].
type Machine string

// The values of Machine.
const (
	// MachineUnknown means that the headers cannot tell.
	MachineUnknown Machine = ""
	// MachineNo means that no header says so. Not every program says that it is one.
	MachineNo Machine = "no"
	// MachineYes means that a program wrote the message: an automatic reply such as an
	// absence notice, a report such as a bounce, or bulk mail.
	MachineYes Machine = "yes"
)

// MachineReply says by the headers of a message whether a program wrote it, such as the
// message of a thread.replied notification. header has the values of each header by its name,
// in any case: a [net/mail.Header] is one. reason is for people and for logs; it contains no
// address.
//
// A program gives itself away by one of these:
//
//	Auto-Submitted       any value but "no" (RFC 3834)
//	Return-Path          <>, the null sender (RFC 5321, section 4.5.5)
//	Content-Type         multipart/report, such as a bounce or a read receipt (RFC 6522)
//	X-Failed-Recipients  any value; some servers add it to a bounce
//	X-Autoreply          any value but "no"
//	X-Autorespond        any value but "no"
//	Precedence           bulk, junk or auto_reply; not list, because people write to lists
//
// If none is there, the answer is [MachineNo] only if there is a Received header. Mail servers
// add it to every message that they receive. Without one these are not the headers as they were
// received, and the answer is [MachineUnknown]. For grants of EWS and IMAP, for example, Nylas
// returns only headers of its own; fields=raw_mime returns those of the message.
//
// An absence notice and the report of a bounce are both [MachineYes]. message.bounce_detected
// tells of bounces.
//
// https://developer.nylas.com/docs/changelogs/2026-05-20-message-headers/,
// https://datatracker.ietf.org/doc/html/rfc3834#section-5
func MachineReply(header map[string][]string) (machine Machine, reason string) {
	machine, reason = MachineUnknown, "no Received header: these are not the headers as received"
	// The first in the order of the list, so that the reason does not depend on that of a map.
	first := len(machineSigns)
	for name, values := range header {
		name = strings.TrimSpace(name)
		if strings.EqualFold(name, "Received") && machine == MachineUnknown {
			machine, reason = MachineNo, "no header says that a program wrote it"
		}
		for i, sign := range machineSigns[:first] {
			if !strings.EqualFold(name, sign.name) {
				continue
			}
			for _, value := range values {
				if given, is := sign.given(mailheader.Keyword(value)); is {
					first, machine, reason = i, MachineYes, sign.name+given
					break
				}
			}
		}
	}
	return machine, reason
}

// machineSigns are the headers by which a program gives itself away. given says of the first
// word of a value whether it is a sign, and returns it for the reason if it is a known one:
// others may hold anything.
var machineSigns = []struct {
	name  string
	given func(word string) (known string, is bool)
}{
	{"Auto-Submitted", func(word string) (string, bool) {
		known, _ := anyOf("auto-replied", "auto-generated", "auto-notified")(word)
		return known, word != "" && word != "no"
	}},
	{"Return-Path", anyOf("<>")},
	{"Content-Type", anyOf("multipart/report")},
	{"X-Failed-Recipients", func(word string) (string, bool) { return "", word != "" }},
	{"X-Autoreply", func(word string) (string, bool) { return "", word != "" && word != "no" }},
	{"X-Autorespond", func(word string) (string, bool) { return "", word != "" && word != "no" }},
	{"Precedence", anyOf("bulk", "junk", "auto_reply", "auto-reply")},
}

func anyOf(words ...string) func(word string) (known string, is bool) {
	return func(word string) (string, bool) {
		if !slices.Contains(words, word) {
			return "", false
		}
		return ": " + word, true
	}
}
