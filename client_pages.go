package nylas

import (
	"context"
	"errors"
	"iter"
	"net/http"

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
			var answer pageAnswer[T]
			if err := p.client.do(ctx, call, &answer, p.opts); err != nil {
				yield(nil, err)
				return
			}
			for _, element := range answer.Data {
				if element != nil && !yield(element, nil) {
					return
				}
			}
			next, err := answer.next()
			if err == nil && next == token && next != "" {
				err = errors.New("the cursor of the next page is that of this page") // it would never end
			}
			if err != nil {
				yield(nil, &Error{op: call.op, StatusCode: http.StatusOK, Attempts: 1, cause: err})
				return
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

// pageAnswer is the answer with one page.
type pageAnswer[T any] struct {
	Data       []*T           `json:"data"`
	NextCursor jsontext.Value `json:"next_cursor"` // a string, or null after the last page
}

// isIdentified takes a page in which a field is odd if it is known what is in it
// and where the list goes on.
func (p *pageAnswer[T]) isIdentified() bool {
	for _, element := range p.Data {
		if id, ok := any(element).(identified); !ok || element == nil || !id.isIdentified() {
			return false
		}
	}
	_, err := p.next()
	return len(p.Data) > 0 && err == nil
}

// next returns the cursor of the next page, "" if there is none. What cannot be
// read is an error: the list would end early, and nobody would know.
func (p *pageAnswer[T]) next() (string, error) {
	switch p.NextCursor.Kind() {
	case 0, 'n':
		return "", nil
	case '0':
		return string(p.NextCursor), nil
	case '"':
		var cursor string
		err := jsonv2.Unmarshal(p.NextCursor, &cursor, answerOptions)
		return cursor, err
	default:
		return "", errors.New("the cursor of the next page is not a string")
	}
}
