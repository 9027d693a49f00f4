package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/nylastest"
)

// endpoint is a short name for an endpoint.
type endpoint struct {
	name string
	nylastest.Endpoint
}

func endpoints() []endpoint {
	return []endpoint{
		{"any", ""},
		{"send", nylastest.EndpointSend},
		{"send-draft", nylastest.EndpointSendDraft},
		{"send-transactional", nylastest.EndpointSendTransactional},
		{"create-webhook", nylastest.EndpointCreateWebhook},
		{"list-webhooks", nylastest.EndpointListWebhooks},
		{"list-messages", nylastest.EndpointListMessages},
		{"get-message", nylastest.EndpointGetMessage},
		{"pixel", nylastest.EndpointPixel},
		{"link", nylastest.EndpointLink},
	}
}

// deliveryFaults are what can go wrong with deliveries, by name.
func deliveryFaults() map[string]nylastest.DeliveryFault {
	return map[string]nylastest.DeliveryFault{
		"lose":            {Lose: true},
		"duplicate":       {Duplicates: 1},
		"reorder":         {Reorder: true},
		"wrong-signature": {WrongSignature: true},
	}
}

// always is how the prompt says [nylastest.Forever].
const always = "always"

const faultHelp = `fault ENDPOINT STATUS [TIMES]  answer the next requests with STATUS, such as 503, before anything is done
fault delivery KIND [TIMES]    KIND is duplicate, lose, reorder or wrong-signature
fault list                     show the faults that wait
fault clear                    drop them
TIMES is a number, by default 1, or always. ENDPOINT is `

func (p *prompt) fault(_ context.Context, words []string) error {
	switch strings.Join(words, " ") {
	case "", "help":
		var names []string
		for _, e := range endpoints() {
			names = append(names, e.name)
		}
		_, err := fmt.Fprintln(p.out, faultHelp+strings.Join(names, ", ")+", or a method and a path of nylastest, such as POST /v3/webhooks")
		return err
	case "list":
		return p.listFaults()
	case "clear":
		p.server.ClearFaults()
		return p.done("fault clear")
	}
	var err error
	if words[0] == "delivery" {
		err = p.injectDelivery(words[1:])
	} else {
		err = p.inject(words)
	}
	if err != nil {
		return fmt.Errorf("%w: type fault help", err)
	}
	return p.done("fault")
}

func (p *prompt) inject(words []string) error {
	var at nylastest.Endpoint
	if i := slices.IndexFunc(endpoints(), func(e endpoint) bool { return e.name == words[0] }); i >= 0 {
		at, words = endpoints()[i].Endpoint, words[1:]
	} else if len(words) > 1 && strings.HasPrefix(words[1], "/") {
		at, words = nylastest.Endpoint(strings.Join(words[:2], " ")), words[2:]
	} else {
		return fmt.Errorf("there is no endpoint %s", plain(words[0]))
	}
	if len(words) == 0 {
		return errors.New("a status is missing, such as 503")
	}
	status, err := strconv.Atoi(words[0])
	if err != nil {
		return fmt.Errorf("%s is not a status, such as 503", plain(words[0]))
	}
	times, err := readTimes(words[1:])
	if err != nil {
		return err
	}
	return p.server.Inject(nylastest.Fault{Endpoint: at, Times: times, Before: answer(status)})
}

// answer is what stands in front of Nylas, or Nylas itself, says with a status.
func answer(status int) *nylastest.Answer {
	switch status {
	case http.StatusTooManyRequests:
		return nylastest.TooManyRequests(time.Second)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nylastest.GatewayAnswer(status)
	default:
		return nylastest.ErrorAnswer(status, "api.internal_error", "a fault of the emulator")
	}
}

func (p *prompt) injectDelivery(words []string) error {
	if len(words) == 0 {
		return errors.New("what goes wrong is missing, such as duplicate")
	}
	fault, ok := deliveryFaults()[words[0]]
	if !ok {
		return fmt.Errorf("deliveries have no fault %s", plain(words[0]))
	}
	var err error
	if fault.Times, err = readTimes(words[1:]); err != nil {
		return err
	}
	return p.server.InjectDelivery(fault)
}

func readTimes(words []string) (int, error) {
	switch {
	case len(words) == 0:
		return 1, nil
	case len(words) > 1:
		return 0, end(words[1:])
	case words[0] == always:
		return nylastest.Forever, nil
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is neither a number of times, from 1, nor %s", plain(words[0]), always)
	}
	return n, nil
}

func (p *prompt) listFaults() error {
	times := func(n int) string {
		if n == nylastest.Forever {
			return always
		}
		return strconv.Itoa(n)
	}
	var rows [][]string
	for _, f := range p.server.Faults() {
		status := "-"
		if f.Before != nil {
			status = strconv.Itoa(f.Before.Status)
		}
		rows = append(rows, []string{cmp.Or(string(f.Endpoint), "any"), status, times(f.Times)})
	}
	for _, f := range p.server.DeliveryFaults() {
		rows = append(rows, []string{"delivery", f.String(), times(f.Times)})
	}
	if len(rows) == 0 {
		return errors.New("no fault waits")
	}
	return p.table(rows...)
}
