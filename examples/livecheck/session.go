package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
)

// kind is what a check does to the account.
type kind string

const (
	reads kind = "reads"
	makes kind = "makes and deletes"
	sends kind = "sends mail"
	acts  kind = "acts as the recipient"
)

// check answers one question that Nylas' pages leave open.
type check struct {
	name, question string
	kind           kind
	costs          string // what it does, for the operator to agree to; empty if it only reads
	ours           string // what the emulator does by default, or what we chose
	code           string // where this project depends on the answer
	hook, mail     bool   // it needs the webhook, or the tracked message
	run            func(context.Context, *session) (answer, error)
}

// answer is what Nylas does.
type answer struct {
	text     string
	agrees   bool   // with check.ours
	evidence string // shapes and counts, nothing of the account
}

// result is what became of a check. It was not seen if unseen says why.
type result struct {
	check
	answer
	unseen string
}

// session is one run of the program.
type session struct {
	settings
	to           string // who gets the mail
	client       *nylas.Client
	api          string // host
	grantID, own string // own is the address of the grant
	provider     string
	label        string // of all tracking of this run
	hookURL      string // empty without a public URL
	hooks        *hooks
	visitor      *http.Client
	ask          *bufio.Scanner
	tell         io.Writer
	hidden       []string // what the report must not have
	made         []*made

	// What checks find, for those that come later.
	agents   int    // how many user agents there were
	webhook  string // id of the webhook that is told of the mail
	secret   string // its first one
	mail     *mail
	opened   *delivery // of a first open
	clicked  *delivery // of a click on the second link, after one on the first
	many     *delivery // of many clicks on one link
	retried  time.Duration
	schedule []byte // the list of schedules that has one
	repeated *repeated
}

var errTrial = errors.New("livecheck: this is a trial application, in which Nylas tracks no mail: " +
	"use the key and a grant of a production application")

// all carries out the checks. It returns the results until an error that ends it.
func (s *session) all(ctx context.Context) (results []result, err error) {
	for _, c := range checks() {
		r := result{check: c}
		why, answered := s.mayRun(ctx, &c)
		if why == "" {
			r.answer, err = c.run(ctx, s)
			switch {
			case errors.Is(err, nylas.ErrTrackingNotAllowed):
				return results, errTrial
			case ctx.Err() != nil:
			case err != nil:
				why = err.Error()
			}
		}
		if ctx.Err() != nil {
			return results, errors.New("livecheck: interrupted: the report has what was found so far")
		}
		r.unseen = why
		results = append(results, r)
		if answered {
			fmt.Fprintf(s.tell, "%s: %s\n", c.name, r.verdict())
		}
	}
	return results, nil
}

// mayRun returns why a check cannot be carried out, and whether there is more to tell of it.
func (s *session) mayRun(ctx context.Context, c *check) (why string, answered bool) {
	switch {
	case c.hook && s.hookURL == "":
		return "it needs a webhook: set NYLAS_WEBHOOK_URL to a public URL that leads here", true
	case c.hook && c.mail && s.webhook == "":
		return errNoWebhook.Error(), true
	case c.mail && s.mail == nil:
		return "it needs the tracked message, which was not sent or not found", true
	case c.costs == "" || s.yes:
		return "", true
	}
	fmt.Fprintf(s.tell, "\n%s %s\n%s %s. Do it? [y/N] ", c.name+":", c.question, "This", strings.ReplaceAll(c.costs, "TO", s.to))
	line := make(chan string, 1)
	go func() {
		s.ask.Scan() // at the end of the input it is no
		line <- s.ask.Text()
	}()
	select {
	case text := <-line:
		if text = strings.ToLower(strings.TrimSpace(text)); text != "y" && text != "yes" {
			return "the operator did not agree", false
		}
		return "", true
	case <-ctx.Done():
		return "interrupted", false
	}
}

// minHidden is shorter than any address, id or secret. A shorter text would hide parts of words.
const minHidden = 6

// hide keeps texts out of the report.
func (s *session) hide(texts ...string) {
	for _, text := range texts {
		if len(text) >= minHidden {
			s.hidden = append(s.hidden, text)
		}
	}
}

// made is something that has to be deleted.
type made struct {
	what   string
	delete func(context.Context) error
	gone   bool
}

// later makes sure that something is deleted, by the function that it returns or at the end.
func (s *session) later(what string, remove func(context.Context) error) (now func(context.Context) error) {
	m := &made{what: what, delete: remove}
	s.made = append(s.made, m)
	return func(ctx context.Context) error {
		err := m.delete(ctx)
		m.gone = err == nil
		return err
	}
}

// cleanUp deletes what is left, after an interrupt too.
func (s *session) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	var failed error
	for _, m := range slices.Backward(s.made) {
		if m.gone {
			continue
		}
		if err := m.delete(ctx); err != nil {
			failed = errors.Join(failed, fmt.Errorf("livecheck: %s could not be deleted, do it in the Nylas Dashboard: %w", m.what, err))
		}
	}
	return failed
}

// until repeats ask every second until it reports true or s.wait is over.
func (s *session) until(ctx context.Context, ask func() (bool, error)) (took time.Duration, ok bool, err error) {
	const pause = time.Second
	for start := time.Now(); ; {
		if ok, err = ask(); ok || err != nil {
			return time.Since(start), ok, err
		}
		if time.Since(start) >= s.wait {
			return time.Since(start), false, nil
		}
		if err := sleep(ctx, pause); err != nil {
			return 0, false, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wire is the body of an answer as it came.
func wire(exchanges []nylas.Exchange) []byte {
	if len(exchanges) == 0 {
		return nil
	}
	return exchanges[len(exchanges)-1].ResponseBody
}

// members returns the names in a JSON object, sorted. Below some members, named by path, it is
// about what they hold; of an array, about its first element.
func members(body []byte, path ...string) []string {
	for _, name := range path {
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil {
			return nil
		}
		body = object[name]
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(object))
}

// without returns the names that are not known.
func without(names []string, known ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(known, name) })
}

func names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
