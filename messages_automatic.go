package nylas

import (
	"slices"
	"strings"
)

// AutoSubmitted is the value of a message's Auto-Submitted header. Every value but
// AutoSubmittedUnknown and AutoSubmittedNo means that a program wrote the message.
// Other values than these constants are possible: RFC 5436 adds auto-notified.
//
// https://datatracker.ietf.org/doc/html/rfc3834#section-5
type AutoSubmitted string

// The values of AutoSubmitted.
const (
	// AutoSubmittedUnknown means that the headers were not read.
	AutoSubmittedUnknown AutoSubmitted = ""
	// AutoSubmittedNo means that the header is missing or says "no". Not every program
	// that writes mail sets the header.
	AutoSubmittedNo AutoSubmitted = "no"
	// AutoSubmittedGenerated means that a program wrote the message by itself.
	AutoSubmittedGenerated AutoSubmitted = "auto-generated"
	// AutoSubmittedReplied means that a program wrote the message as a reply to another
	// one, such as an out-of-office reply.
	AutoSubmittedReplied AutoSubmitted = "auto-replied"
)

// AutoSubmitted returns the value of the message's Auto-Submitted header. Nylas sends
// thread.replied for automatic replies too, and this method finds those that say so.
// An automatic reply should neither stop a sequence nor count as interest.
//
// It needs all headers of the message: get it with [MessageService.Get] or
// [MessageService.List] and [FieldsIncludeHeaders]. Without headers, or with only those
// of [FieldsIncludeBasicHeaders], it returns AutoSubmittedUnknown.
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
