package sqlstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
)

// modelMessage is a message as the test knows it.
type modelMessage struct {
	sent      engagement.Sent
	events    []engagement.Event
	delivery  engagement.Delivery
	withdrawn bool
}

// model is what campaigns are to come to. It keeps all messages and judges all of them.
type model struct {
	messages map[string]*modelMessage
	number   int
}

func (m *model) message(id string) *modelMessage {
	message := m.messages[id]
	if message == nil {
		message = &modelMessage{sent: engagement.Sent{GrantID: "g-1", MessageID: id}}
		m.messages[id] = message
	}
	return message
}

// event makes up an event, of which the label counts if the message has none.
func (m *model) event(r *rand.Rand, id, label string) (engagement.Key, engagement.Event) {
	m.number++
	e := engagement.Event{
		ID: fmt.Sprint("E", m.number), GrantID: "g-1", MessageID: id, Label: label, LinkIndex: -1,
		Kind:      []engagement.Kind{engagement.Open, engagement.Click, engagement.Reply}[r.IntN(3)],
		UserAgent: []string{chrome, scanner, "Mozilla/5.0", ""}[r.IntN(4)],
		Time:      time.Now().Add(-time.Duration(r.IntN(1000)) * time.Minute).UTC().Truncate(time.Second),
	}
	switch e.Kind {
	case engagement.Click:
		e.LinkIndex = r.IntN(2)
	case engagement.Reply:
		e.ReplyID, e.Automatic = e.ID, engagement.Answer(r.IntN(3))
	}
	return engagement.Key{GrantID: "g-1", MessageID: id, Kind: e.Kind}, e
}

func (m *model) campaigns(t *testing.T) []engagement.Campaign {
	t.Helper()
	classifier, err := engagement.NewClassifier()
	require.NoError(t, err)
	return engagement.Campaigns(func(yield func(engagement.Summary) bool) {
		for _, message := range m.messages {
			if message.withdrawn && message.sent.At.IsZero() {
				continue // nothing is left of it
			}
			s := classifier.Message(message.sent, message.events)
			s.Delivery = message.delivery
			if !yield(s) {
				return
			}
		}
	})
}

func storedCampaigns(t *testing.T, s *sqlstore.Store, limit int) (all []sqlstore.Campaign) {
	t.Helper()
	q := sqlstore.CampaignQuery{Limit: limit}
	for {
		page, err := s.Campaigns(t.Context(), q)
		require.NoError(t, err)
		all = append(all, page.Campaigns...)
		if page.Next == "" {
			return all
		}
		require.Len(t, page.Campaigns, limit)
		q.After = page.Next
	}
}

// compare compares the campaigns of a store with those of the model.
func (m *model) compare(t *testing.T, s *sqlstore.Store, why string) {
	t.Helper()
	var got []engagement.Campaign
	for _, c := range storedCampaigns(t, s, 2) {
		got = append(got, c.Campaign)
		one, found, err := s.Campaign(t.Context(), c.Name)
		require.NoError(t, err)
		assert.True(t, found)
		assert.Equal(t, c, one)
	}
	slices.SortFunc(got, func(a, b engagement.Campaign) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	want := m.campaigns(t)
	if len(want) == 0 {
		want = nil
	}
	require.Equal(t, want, got, why)
}

var modelLabels = []string{"", "spring", "nt1:campaign=spring&person=1", "nt1:campaign=spring&person=2", "autumn", "nt1:person=3"}

// Whatever happens to messages, and whenever they are judged, the campaigns are those of
// engagement.Campaigns.
func TestCampaignsAreThoseOfTheMessages(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		for seed := range uint64(6) {
			r := rand.New(rand.NewPCG(seed, 11))
			d := migrated(t, d.engine)
			db, s := d.open(t), d.store(t)
			m := &model{messages: map[string]*modelMessage{}}
			for step := range 250 {
				id := fmt.Sprint("m-", r.IntN(25))
				label := modelLabels[r.IntN(len(modelLabels))]
				switch r.IntN(12) {
				case 0, 1: // sent, or sent with another label
					message := m.message(id)
					if label == "" {
						label = message.sent.Label
					}
					message.sent = engagement.Sent{GrantID: "g-1", MessageID: id, Label: label, At: time.Now().Add(-24 * time.Hour), Recipients: 1}
					require.NoError(t, s.SetSent(t.Context(), message.sent))
				case 2, 3, 4, 5:
					if old := m.messages[id]; old != nil && old.withdrawn {
						continue
					}
					message := m.message(id)
					key, event := m.event(r, id, label)
					put(t, s, key, event)
					message.events = append(message.events, event)
					if message.sent.Label == "" {
						message.sent.Label = label
					}
				case 6:
					if m.messages[id] != nil {
						delivery := []engagement.Delivery{"", engagement.Delivered, engagement.Bounced}[r.IntN(3)]
						require.NoError(t, s.SetDelivery(t.Context(), "g-1", id, delivery))
						if delivery != engagement.Delivered || m.messages[id].delivery != engagement.Bounced {
							m.messages[id].delivery = delivery
						}
					}
				case 7:
					if r.IntN(3) == 0 && m.messages[id] != nil {
						require.NoError(t, s.Withdraw(t.Context(), sqlstore.Withdrawal{GrantID: "g-1", MessageIDs: []string{id}, DeleteEvents: true}))
						m.messages[id].events, m.messages[id].withdrawn = nil, true
					}
				case 8:
					if r.IntN(3) == 0 && m.messages[id] != nil {
						run(t, db, "UPDATE nylas_messages SET changed_at = 1 WHERE message_id = '"+id+"'")
						n, err := s.DeleteMessages(t.Context(), time.Now().Add(-sqlstore.MinKnown))
						require.NoError(t, err)
						require.Equal(t, int64(1), n)
						delete(m.messages, id)
					}
				case 9:
					_, err := s.Judge(t.Context(), nil)
					require.NoError(t, err)
				default:
					judge(t, s)
					m.compare(t, s, fmt.Sprintf("seed %d, step %d", seed, step))
				}
			}
			judge(t, s)
			m.compare(t, s, fmt.Sprintf("seed %d", seed))
		}
	})
}

// What happens to a message while it is judged is judged next time, and no campaign counts
// anything twice or not at all.
func TestMessagesAreJudgedWhileEventsCome(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		m := &model{messages: map[string]*modelMessage{}}
		ctx, stop := context.WithCancel(t.Context())
		var judges, writers sync.WaitGroup
		for range 3 {
			s := d.store(t)
			judges.Go(func() {
				for ctx.Err() == nil {
					_, err := s.Judge(t.Context(), nil)
					assert.NoError(t, err)
				}
			})
		}
		s := d.store(t)
		for i := range 8 {
			id := fmt.Sprint("m-", i)
			message := m.message(id)
			r := rand.New(rand.NewPCG(uint64(i), 12))
			own := &model{number: 1000 * (i + 1)}
			writers.Go(func() {
				for n := range 25 {
					if n%8 == 0 {
						message.sent = engagement.Sent{GrantID: "g-1", MessageID: id, Label: modelLabels[1+r.IntN(3)], Subject: fmt.Sprint(n)}
						if err := s.SetSent(t.Context(), message.sent); err != nil {
							t.Error(err)
							return
						}
					}
					key, event := own.event(r, id, "")
					if err := s.Update(t.Context(), key, func(r engagement.Record) (engagement.Addition, error) {
						return engagement.Addition{State: r.State, Events: []engagement.Event{event}}, nil
					}); err != nil {
						t.Error(err)
						return
					}
					message.events = append(message.events, event)
				}
			})
		}
		writers.Wait()
		stop()
		judges.Wait()
		judge(t, s)
		m.compare(t, s, "after all")
	})
}

// The one with the newest event comes first.
func TestCampaignsAreInOrder(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, d database) {
		s := d.store(t)
		for i, name := range []string{"a", "b", "c", "d", "e"} {
			require.NoError(t, s.SetSent(t.Context(), engagement.Sent{GrantID: "g-1", MessageID: name, Label: name, At: noon.Add(time.Duration(i) * time.Minute)}))
		}
		judge(t, s)
		names := func(limit int) (all []string) {
			for _, c := range storedCampaigns(t, s, limit) {
				all = append(all, c.Name)
			}
			return all
		}
		for limit := range 7 {
			if limit > 0 {
				assert.Equal(t, []string{"e", "d", "c", "b", "a"}, names(limit))
			}
		}
		event := opened("b", "A", 3600)
		put(t, s, opens("b"), event)
		judge(t, s)
		assert.Equal(t, []string{"b", "e", "d", "c", "a"}, names(2))
		first := storedCampaigns(t, s, 5)[0]
		assert.Equal(t, event.Time, first.LastActive)
		_, found, err := s.Campaign(t.Context(), "none")
		require.NoError(t, err)
		assert.False(t, found)
		_, err = s.Campaigns(t.Context(), sqlstore.CampaignQuery{Limit: -1})
		require.ErrorContains(t, err, "1 to 1000")
	})
}
