// Package mailheader reads values of the headers of mail.
package mailheader

import "strings"

// Keyword returns the first word of a header's value in lower case, without
// comments in parentheses and without parameters.
func Keyword(value string) string {
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
