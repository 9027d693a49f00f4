package nylastest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
)

// call is a request to an endpoint.
type call struct {
	*http.Request
	body   []byte
	fault  Fault
	strict bool // refuse a name that Nylas does not know
	// violation tells the test, if there is one, of such a name.
	violation func(format string, args ...any)
}

// decode reads a JSON body into one of the request structs. It returns the
// answer to a body that does not fit, nil if it does. Names are compared exactly.
func (c *call) decode(body []byte, v any) *response {
	err := jsonv2.Unmarshal(body, v, jsonv2.RejectUnknownMembers(c.strict))
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

// query returns the given parameters, each with one value. Of one that is repeated
// Nylas keeps the last value. A strict server refuses it, because the others are lost,
// and it refuses all other parameters.
//
// https://github.com/nylas/nylas-java/blob/main/CHANGELOG.md (2.18.1)
func (c *call) query(known ...string) (url.Values, *response) {
	all, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, badRequest("error parsing query")
	}
	query := make(url.Values, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		values := all[name]
		switch {
		case slices.Contains(known, name) && (len(values) == 1 || !c.strict):
			query[name] = values[len(values)-1:]
		case !c.strict: // Nylas does not look at it either
		case slices.Contains(known, name):
			return nil, badRequest(fmt.Sprintf("query parameter %q is given twice", name))
		default:
			return nil, c.unknown("query parameter", name)
		}
	}
	return query, nil
}

// unknown is a strict server's answer to a name that Nylas' pages do not have. Nylas
// itself may well ignore it; here it would hide a misspelt name.
func (c *call) unknown(kind, name string) *response {
	c.violation("nylastest: %s %s: unknown %s %q", c.Method, c.Pattern, kind, name)
	return badRequest(fmt.Sprintf("unknown %s %q", kind, name))
}
