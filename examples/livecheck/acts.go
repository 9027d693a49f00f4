package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/events"
	"github.com/nylastrack/nylas-go/receive"
)

const (
	// manyClicks is more than the 50 events that recents keeps.
	// https://developer.nylas.com/docs/v3/email/message-tracking/
	manyClicks   = 55
	recentsLimit = 50
	// openWindow is how long after an open another one is not counted. Same page.
	openWindow = time.Minute
	// secondAttempt is when nylastest makes the second attempt, and tolerance is how far from it
	// an attempt of Nylas may be.
	secondAttempt = 5 * time.Minute
	tolerance     = time.Minute
)

var errNoTracking = errors.New("the sender's copy has no tracked links, and nobody else's is at hand")

// nextAgent is a user agent by which an event can be told from all others of the run.
func (s *session) nextAgent() string {
	s.agents++
	return fmt.Sprintf("livecheck/%d (github.com/nylastrack/nylas-go)", s.agents)
}

// after loads a pixel or a link, and waits for the notification of that to the first webhook.
func after[T events.Data](ctx context.Context, s *session, address, agent string) (*delivery, error) {
	if err := s.load(ctx, address, agent); err != nil {
		return nil, err
	}
	return notified[T](ctx, s, "", agent)
}

// notified waits for the notification of an event to the webhook with the query.
func notified[T events.Data](ctx context.Context, s *session, query, agent string) (*delivery, error) {
	match := isAbout[T](s.mail.id, query)
	return s.hooks.wait(ctx, s.wait, func(d *delivery) bool { return match(d) && d.hasAgent(agent) })
}

func openAgain(ctx context.Context, s *session) (answer, error) {
	if s.mail.pixel == "" {
		return answer{}, errNoPixel
	}
	first, err := after[*events.MessageOpened](ctx, s, s.mail.pixel, s.nextAgent())
	if err != nil {
		return answer{}, err
	}
	s.opened = first
	second, err := after[*events.MessageOpened](ctx, s, s.mail.pixel, s.nextAgent())
	if errors.Is(err, errLate) {
		return answer{text: "no", evidence: fmt.Sprintf("the second one: %v", err)}, nil
	} else if err != nil {
		return answer{}, err
	}
	one, two := first.notification.Data.(*events.MessageOpened), second.notification.Data.(*events.MessageOpened)
	apart := latestOf(two).Sub(latestOf(one))
	if apart >= openWindow {
		return answer{}, fmt.Errorf("the opens were %v apart, which is too much", apart)
	}
	stays := two.MessageData.Count == one.MessageData.Count
	return answer{
		text: "yes, and the count stays: " + yesNo(stays), agrees: stays,
		evidence: fmt.Sprintf("count %d with %d recents, then %d with %d", one.MessageData.Count, len(one.Recents), two.MessageData.Count, len(two.Recents)),
	}, nil
}

func latestOf(opened *events.MessageOpened) time.Time {
	latest, _ := opened.Latest()
	return latest.Timestamp.Time
}

func linkData(ctx context.Context, s *session) (answer, error) {
	if !isTracked(s.mail.links, linkFirst) || !isTracked(s.mail.links, linkSecond) {
		return answer{}, errNoTracking
	}
	if _, err := after[*events.MessageLinkClicked](ctx, s, s.mail.links[linkFirst], s.nextAgent()); err != nil {
		return answer{}, err
	}
	var err error
	if s.clicked, err = after[*events.MessageLinkClicked](ctx, s, s.mail.links[linkSecond], s.nextAgent()); err != nil {
		return answer{}, err
	}
	clicked := s.clicked.notification.Data.(*events.MessageLinkClicked)
	inOrder := len(clicked.LinkData) > 1
	var found []string
	for i, data := range clicked.LinkData {
		name := "a link that the message does not have"
		for _, l := range targets {
			if l.target == data.URL {
				name = l.name
			}
		}
		found = append(found, fmt.Sprintf("%s (%d)", name, data.Count))
		inOrder = inOrder && (i > 1 || name == targets[i].name)
	}
	text := "all tracked links, in the order of the body"
	switch {
	case len(clicked.LinkData) == 1:
		text = "the link that was followed, alone"
	case !inOrder:
		text = "something else"
	}
	return answer{text: text, agrees: inOrder, evidence: names(found)}, nil
}

var errNoClick = errors.New("there was no notification of a click")

func clickRecents(_ context.Context, s *session) (answer, error) {
	if s.clicked == nil {
		return answer{}, errNoClick
	}
	recents := s.clicked.notification.Data.(*events.MessageLinkClicked).Recents
	indexes := map[events.Index]int{}
	for _, click := range recents {
		indexes[click.LinkIndex]++
	}
	return answer{
		text: yesNo(len(indexes) == 1), agrees: len(indexes) == 1,
		evidence: fmt.Sprintf("%d recents after a click on each of two links", len(recents)),
	}, nil
}

func idTypes(_ context.Context, s *session) (answer, error) {
	if s.clicked == nil {
		return answer{}, errNoClick
	}
	click, index := jsonKind(s.clicked.body, "click_id"), jsonKind(s.clicked.body, "link_index")
	text, agrees := fmt.Sprintf("click_id is a %s, link_index a %s", click, index), click == number && index == letters
	if s.opened != nil {
		open := jsonKind(s.opened.body, "opened_id")
		text, agrees = text+", opened_id a "+open, agrees && open == number
	}
	return answer{text: text, agrees: agrees}, nil
}

const (
	number  = "number"
	letters = "text"
)

// jsonKind returns what a member of the first of recents is.
func jsonKind(body []byte, member string) string {
	var n struct {
		Data struct {
			Object struct {
				Recents []map[string]json.RawMessage `json:"recents"`
			} `json:"object"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &n) != nil || len(n.Data.Object.Recents) == 0 {
		return "member that is missing"
	}
	switch value := string(n.Data.Object.Recents[0][member]); {
	case value == "":
		return "member that is missing"
	case value[0] == '"':
		return letters
	case strings.Trim(value, "0123456789") == "":
		return number
	default:
		return "member of another type"
	}
}

// headers has the names of the headers, and the values of those that name nobody.
func headers(h http.Header) string {
	var list []string
	for name := range h {
		switch name {
		case "User-Agent", "Content-Type", "Content-Encoding", "Accept-Encoding":
			name += ": " + h.Get(name)
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return names(list)
}

func deliveryHeaders(_ context.Context, s *session) (answer, error) {
	if s.clicked == nil {
		return answer{}, errNoClick
	}
	h := s.clicked.header
	agrees := h.Get("Content-Type") == "application/json" && len(h.Values(receive.SignatureHeader)) == 1
	return answer{text: headers(h), agrees: agrees}, nil
}

func clickIDs(ctx context.Context, s *session) (answer, error) {
	if !isTracked(s.mail.links, linkFirst) {
		return answer{}, errNoTracking
	}
	for range manyClicks - 1 {
		if err := s.load(ctx, s.mail.links[linkFirst], s.nextAgent()); err != nil {
			return answer{}, err
		}
	}
	var err error
	if s.many, err = after[*events.MessageLinkClicked](ctx, s, s.mail.links[linkFirst], s.nextAgent()); err != nil {
		return answer{}, err
	}
	highest := events.Int(0)
	for _, click := range s.many.notification.Data.(*events.MessageLinkClicked).Recents {
		highest = max(highest, click.ClickID)
	}
	text := "they go on"
	if highest < recentsLimit {
		text = "they are positions"
	}
	return answer{text: text, agrees: highest >= recentsLimit, evidence: fmt.Sprintf("the highest is %d after %d clicks", highest, manyClicks)}, nil
}

func recentsOrder(_ context.Context, s *session) (answer, error) {
	if s.many == nil {
		return answer{}, errNoClick
	}
	recents := s.many.notification.Data.(*events.MessageLinkClicked).Recents
	byID := func(a, b events.Click) int { return int(a.ClickID - b.ClickID) }
	text := "in another order"
	switch {
	case slices.IsSortedFunc(recents, byID):
		text = "the oldest first"
	case slices.IsSortedFunc(recents, func(a, b events.Click) int { return byID(b, a) }):
		text = "the newest first"
	}
	return answer{text: fmt.Sprintf("%s, %d", text, len(recents)), agrees: text == "the oldest first" && len(recents) == recentsLimit}, nil
}

func twoWebhooks(ctx context.Context, s *session) (answer, error) {
	if !isTracked(s.mail.links, linkFirst) {
		return answer{}, errNoTracking
	}
	const query = "livecheck=second"
	_, remove, err := s.newWebhook(ctx, "?"+query, events.TypeMessageLinkClicked)
	if err != nil {
		return answer{}, err
	}
	agent := s.nextAgent()
	first, err := after[*events.MessageLinkClicked](ctx, s, s.mail.links[linkFirst], agent)
	if err != nil {
		return answer{}, err
	}
	second, err := notified[*events.MessageLinkClicked](ctx, s, query, agent)
	if err != nil {
		return answer{}, err
	}
	same := first.notification.ID == second.notification.ID
	return answer{text: yesNo(same), agrees: same}, remove(ctx)
}

func retrySecret(ctx context.Context, s *session) (answer, error) {
	if !isTracked(s.mail.links, linkFirst) {
		return answer{}, errNoTracking
	}
	agent := s.nextAgent()
	s.hooks.refuseOnce(agent)
	first, err := after[*events.MessageLinkClicked](ctx, s, s.mail.links[linkFirst], agent)
	if err != nil {
		return answer{}, err
	}
	rotated, err := s.client.Webhooks.RotateSecret(ctx, s.webhook)
	if err != nil {
		return answer{}, err
	}
	s.hide(rotated.WebhookSecret)
	second, err := s.hooks.wait(ctx, s.retryWait, func(d *delivery) bool {
		return d.notification.ID == first.notification.ID && d.at.After(first.at)
	})
	if err != nil {
		return answer{}, err
	}
	s.retried = second.at.Sub(first.at)
	isNew, isOld := second.isSigned(rotated.WebhookSecret), second.isSigned(s.secret)
	text := "neither"
	switch {
	case isNew:
		text = "the new one"
	case isOld:
		text = "the old one"
	}
	return answer{
		text: text, agrees: isNew,
		evidence: fmt.Sprintf("webhook_delivery_attempt %d, then %d", first.notification.DeliveryAttempt, second.notification.DeliveryAttempt),
	}, nil
}

func retryDelay(_ context.Context, s *session) (answer, error) {
	if s.retried == 0 {
		return answer{}, errors.New("there was no second attempt")
	}
	return answer{text: s.retried.Round(time.Second).String(), agrees: (s.retried - secondAttempt).Abs() <= tolerance}, nil
}
