package nylas

import (
	"context"
	"errors"
	"iter"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// pages is a list that Nylas gives in pages.
//
// https://developer.nylas.com/docs/reference/api/#pagination
type pages[T any] struct {
	client  *Client
	call    call
	refusal error                  // what is wrong with the request, if anything
	first   string                 // cursor of the first page, "" for the beginning
	query   func(token string) any // the query for the page at a cursor
	opts    []RequestOption
}

// all goes through the pages as far as the loop does. A page may be empty while
// there is a next one.
func (p pages[T]) all(ctx context.Context) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		if p.refusal != nil {
			yield(nil, p.refusal)
			return
		}
		for token := p.first; ; {
			call := p.call
			call.query = p.query(token)
			answer := pageAnswer[T]{token: token}
			if err := p.client.do(ctx, call, &answer, p.opts); err != nil {
				yield(nil, err)
				return
			}
			for _, element := range answer.elements {
				if !yield(element, nil) {
					return
				}
			}
			if token = answer.next(); token == "" {
				return
			}
		}
	}
}

// pageAnswer is the answer with one page.
type pageAnswer[T any] struct {
	Data       []jsontext.Value `json:"data"`
	NextCursor jsontext.Value   `json:"next_cursor"` // a string, or null after the last page

	token    string // the cursor of this page
	elements []*T   // of Data, read by problem
}

// problem reads the elements, and finds a list that would lack one of them, or
// end early, or never, without an error.
func (p *pageAnswer[T]) problem() error {
	for _, value := range p.Data {
		if value.Kind() == 'n' {
			continue
		}
		element := new(T)
		if err := jsonv2.Unmarshal(value, element, answerOptions); err != nil {
			// A field is odd. That is no reason to lose the rest, if it is known whose.
			salvage(value, element)
			if id, ok := any(element).(named); !ok || !id.isNamed() {
				return errors.New("an element of the list has another form than documented")
			}
		}
		p.elements = append(p.elements, element)
	}
	switch p.NextCursor.Kind() {
	case 0, 'n', '0', '"':
	default:
		return errors.New("the cursor of the next page is not a string")
	}
	if p.token != "" && p.next() == p.token {
		return errors.New("the cursor of the next page is that of this page")
	}
	return nil
}

// next returns the cursor of the next page, "" if there is none.
func (p *pageAnswer[T]) next() string {
	if p.NextCursor.Kind() == '0' {
		return string(p.NextCursor)
	}
	var cursor string
	_ = jsonv2.Unmarshal(p.NextCursor, &cursor, answerOptions) // of what is left, only a string is a cursor
	return cursor
}
