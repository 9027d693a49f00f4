package nylastest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
)

// call is a request to an endpoint.
type call struct {
	*http.Request
	body  []byte
	fault Fault
	// violation tells the test, if there is one, of a name that Nylas does not know.
	violation func(format string, args ...any)
}

// decode reads a JSON body into one of the request structs. It returns the
// answer to a body that does not fit, nil if it does. Names are compared exactly.
func (c *call) decode(body []byte, v any) *response {
	err := jsonv2.Unmarshal(body, v, jsonv2.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*jsonv2.SemanticError](err)
	switch {
	case ok && errors.Is(e, jsonv2.ErrUnknownName):
		return c.unknown("field", string(e.JSONPointer))
	case ok && e.JSONPointer != "":
		return badRequest(fmt.Sprintf("error parsing request body: wrong type at %q", string(e.JSONPointer)))
	default:
		return badRequest("error parsing request body")
	}
}

// query checks that only the given parameters are there, each at most once.
func (c *call) query(known ...string) (url.Values, *response) {
	query, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, badRequest("error parsing query")
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return nil, c.unknown("query parameter", name)
		}
		if len(values) > 1 {
			return nil, badRequest(fmt.Sprintf("query parameter %q is given twice", name))
		}
	}
	return query, nil
}

// unknown is the answer to a name that Nylas' pages do not have. Nylas itself may
// well ignore it; here it would hide a misspelt name.
func (c *call) unknown(kind, name string) *response {
	c.violation("nylastest: %s %s: unknown %s %q", c.Method, c.Pattern, kind, name)
	return badRequest(fmt.Sprintf("unknown %s %q", kind, name))
}
