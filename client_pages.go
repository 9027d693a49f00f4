package nylas

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/nylastrack/nylas-go/internal/loose"
)

// ListError says that some elements of a list could not be read, because they are not
// as Nylas documents them and have no readable id. The list first yields all other
// elements, and then an error in which [errors.As] finds the ListError.
type ListError struct {
	Count int // how many elements could not be read
	// Elements has the first 20 of them, as Nylas wrote them. They can contain
	// addresses.
	Elements []json.RawMessage
}

// maxListErrorElements bounds what a ListError keeps.
const maxListErrorElements = 20

// Error says how many elements could not be read. It does not contain their content.
func (e *ListError) Error() string {
	return fmt.Sprintf("%d of the elements have another form than documented", e.Count)
}

func (e *ListError) add(element []byte) {
	e.Count++
	if len(e.Elements) < maxListErrorElements {
		e.Elements = append(e.Elements, json.RawMessage(element))
	}
}

// pages is a list that Nylas gives in pages, or in a single one.
//
// https://developer.nylas.com/docs/reference/api/#pagination
type pages[T any] struct {
	client *Client
	name   string // of the operation, for errors
	call   call
	check  func(*operation) error // refuses a wrong request; nil if none is wrong
	first  string                 // cursor of the first page, "" for the beginning
	// query returns the query for the page at a cursor. Nil is for lists that are
	// documented to have one page: should they get more, they will have the
	// parameter of all others.
	query func(token string) any
	// elsewhere finds the list in an answer that has it not in data alone. If it is
	// set, the answer may also be the array alone.
	elsewhere func(members loose.Object) jsontext.Value
	// byOffset is for lists without cursors: the cursor is how many elements were skipped,
	// and the last page is the one with fewer elements than it can have, pageSize of them.
	byOffset bool
	pageSize int // 0 for the one that the answer names
	opts     []RequestOption
}

type pageQuery struct {
	PageToken string `url:"page_token,omitempty"`
}

// all goes through the pages as far as the loop does. A page may be empty while
// there is a next one. A page that gives its own cursor as the next one is an error;
// longer circles are not noticed.
func (p pages[T]) all(ctx context.Context) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		op := p.client.begin(p.name, p.opts)
		if p.check != nil {
			if err := p.check(op); err != nil {
				yield(nil, err)
				return
			}
		}
		var odd ListError
		var before jsontext.Value
		for token := p.first; ; {
			call := p.call
			if p.query != nil {
				call.query = p.query(token)
			} else {
				call.query = pageQuery{token}
			}
			answer := pageAnswer[T]{elsewhere: p.elsewhere, odd: &odd, asked: token}
			err := op.do(ctx, call, &answer)
			if p.byOffset && answer.count > 0 && bytes.Equal(before, answer.list) {
				yield(nil, &Error{Op: op.name, Message: "the page is the same as the one before: the list would not end"})
				return
			}
			for _, element := range answer.elements {
				if !yield(element, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if p.byOffset {
				before, answer.next = answer.list, answer.nextOffset(token, p.pageSize)
			}
			if token = answer.next; token == "" {
				break
			}
		}
		if odd.Count > 0 {
			yield(nil, &Error{Op: op.name, Message: "the list is not complete", cause: &odd})
		}
	}
}

// pageAnswer is the answer with one page.
type pageAnswer[T any] struct {
	elsewhere func(members loose.Object) jsontext.Value
	odd       *ListError
	asked     string // the cursor of this page, "" for the first one

	elements []*T
	next     string // cursor of the next page, "" if there is none
	wrong    string
	list     jsontext.Value // the elements as they came
	count    int            // of them, unreadable ones included
	limit    int            // how many a page can have, 0 if the answer does not say
}

// nextOffset returns how many elements the next page skips, "" if there is none. A page that
// is not known to be full is not the last one unless it is empty.
func (p *pageAnswer[T]) nextOffset(asked string, pageSize int) string {
	if p.count == 0 || p.count < cmp.Or(p.limit, pageSize) {
		return ""
	}
	skipped, _ := strconv.Atoi(asked) // "" for the first page
	return strconv.Itoa(skipped + p.count)
}

// UnmarshalJSON reads the elements, and finds a list that would lack one of them,
// or end early, or never, without an error.
func (p *pageAnswer[T]) UnmarshalJSON(data []byte) error {
	list := jsontext.Value(data)
	if members := loose.Parse(data); members != nil {
		list = members["data"]
		p.readCursor(members["next_cursor"])
		p.limit, _ = strconv.Atoi(string(members["limit"])) // only some lists have it
		if p.elsewhere != nil {
			list = p.elsewhere(members)
		}
	} else if p.elsewhere == nil {
		p.wrong = wrongForm
		return nil
	}
	switch list.Kind() {
	case 'n': // a list without elements, as some servers write it
	case '[':
		var values []jsontext.Value
		if err := jsonv2.Unmarshal(list, &values, loose.Options); err != nil {
			return err
		}
		p.list, p.count = list.Clone(), len(values)
		p.readElements(values)
	case 0:
		p.wrong = "the answer has no list"
	default:
		p.wrong = wrongForm
	}
	return nil
}

func (p *pageAnswer[T]) readElements(values []jsontext.Value) {
	for _, value := range values {
		if value.Kind() == 'n' {
			continue
		}
		element := new(T)
		if err := jsonv2.Unmarshal(value, element, loose.Options); err != nil {
			// A field is odd. That is no reason to lose the rest, if it is known whose.
			*element = *new(T)
			salvage(value, element)
			if id, ok := any(element).(named); !ok || !id.isNamed() {
				p.odd.add(value)
				continue
			}
		}
		p.elements = append(p.elements, element)
	}
}

// readCursor reads the cursor of the next page, a string, or null after the last
// page.
func (p *pageAnswer[T]) readCursor(cursor jsontext.Value) {
	switch cursor.Kind() {
	case 0, 'n':
	case '0':
		p.next = string(cursor)
	case '"':
		p.next = loose.Unquote(cursor)
	default:
		p.wrong = "the cursor of the next page is not a string"
	}
	if p.next != "" && p.next == p.asked {
		p.wrong = "the cursor of the next page is that of this page: the list would not end"
	}
}

func (p *pageAnswer[T]) problem() error {
	if p.wrong == "" {
		return nil
	}
	return errors.New(p.wrong)
}

// The limits of lists.
const (
	// https://developer.nylas.com/docs/reference/api/#pagination
	maxPageSize = 200
	// https://developer.nylas.com/docs/reference/api/messages/get-messages/
	maxAnyEmail = 25
)

// checkList refuses what no list of a mailbox takes.
func checkList(op *operation, pageSize int, anyEmail []string) error {
	switch {
	case pageSize < 0 || pageSize > maxPageSize:
		return refuse(op, fmt.Sprintf("PageSize is not between 1 and %d", maxPageSize))
	case len(anyEmail) > maxAnyEmail:
		return refuse(op, fmt.Sprintf("AnyEmail has more than %d addresses", maxAnyEmail))
	}
	return nil
}

// timeFilter is a time of a query, with its name for errors.
type timeFilter struct {
	name string
	time time.Time
}

// checkTimes refuses times that Nylas, which counts in seconds since 1970, has no
// number for. The zero time is none.
func checkTimes(op *operation, filters ...timeFilter) error {
	for _, filter := range filters {
		if !filter.time.IsZero() && filter.time.Unix() < 0 {
			return refuse(op, filter.name+" is before 1970")
		}
	}
	return nil
}

// copied returns a pointer to a copy, so that what the caller does later changes
// nothing.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}
