package nylas

import (
	"slices"
	"strings"
)

// AutoSubmitted is what a message says of its origin in the header of that name.
// It is an open string: RFC 5436 adds auto-notified, and others may follow. All
// but AutoSubmittedUnknown and AutoSubmittedNo mean that a machine wrote the
// message.
//
// https://datatracker.ietf.org/doc/html/rfc3834#section-5
type AutoSubmitted string

// What a message can say of its origin.
const (
	// AutoSubmittedUnknown means that the headers were not read.
	AutoSubmittedUnknown AutoSubmitted = ""
	// AutoSubmittedNo means that the message does not say that a machine wrote it:
	// the header is missing, or is "no". Not every machine says so.
	AutoSubmittedNo AutoSubmitted = "no"
	// AutoSubmittedGenerated means that a machine wrote the message by itself.
	AutoSubmittedGenerated AutoSubmitted = "auto-generated"
	// AutoSubmittedReplied means that a machine wrote the message as an answer to
	// another one, such as an out-of-office reply.
	AutoSubmittedReplied AutoSubmitted = "auto-replied"
)

// AutoSubmitted returns what the message says of its origin: thread.replied is
// notified for the answers of machines, too, and this tells which ones admit it.
// A reply that did not come from a person should neither stop a sequence nor
// count as interest.
//
// It needs all headers of the message, from [MessageService.Get] or
// [MessageService.List] with [FieldsIncludeHeaders]. Without headers, or with none
// but those of [FieldsIncludeBasicHeaders], the result is AutoSubmittedUnknown.
func (m *Message) AutoSubmitted() AutoSubmitted {
	result := AutoSubmittedUnknown
	for _, header := range m.Headers {
		name := strings.TrimSpace(header.Name)
		if isBasicHeader(name) {
			continue
		}
		if result == AutoSubmittedUnknown {
			result = AutoSubmittedNo
		}
		if !strings.EqualFold(name, "Auto-Submitted") {
			continue
		}
		if keyword := headerKeyword(header.Value); keyword != "" && keyword != string(AutoSubmittedNo) {
			return AutoSubmitted(keyword)
		}
	}
	return result
}

// isBasicHeader reports whether FieldsIncludeBasicHeaders returns the header.
func isBasicHeader(name string) bool {
	return slices.ContainsFunc([]string{"Message-ID", "In-Reply-To", "References"}, func(basic string) bool {
		return strings.EqualFold(name, basic)
	})
}

// headerKeyword returns the first word of a header's value in lower case, without
// comments in parentheses and without parameters.
func headerKeyword(value string) string {
	var text strings.Builder
	depth := 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
			text.WriteByte(' ') // a comment stands for a space
		case depth > 0 && c == '\\':
			i++ // what follows is part of the comment
		case depth == 0:
			text.WriteByte(c)
		}
	}
	words := strings.FieldsFunc(text.String(), func(r rune) bool { return r == ';' || r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	if len(words) == 0 {
		return ""
	}
	return strings.ToLower(words[0])
}
