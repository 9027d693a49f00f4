package dashboard

import (
	"net/http"
	"net/url"

	"github.com/nylastrack/nylas-go/engagement"
	"github.com/nylastrack/nylas-go/engagement/sqlstore"
	"github.com/nylastrack/nylas-go/internal/page"
)

var (
	campaignsTemplate = page.MustParse(templateFiles, "templates/shared.html", "templates/campaigns.html")
	campaignTemplate  = page.MustParse(templateFiles, "templates/shared.html", "templates/list.html", "templates/campaign.html")
)

// nameParam names the campaign of a page. It may be empty: of messages without a label.
const nameParam = "name"

// listCampaigns is how many campaigns a page of the list has. It is our choice: each is a
// card, and each change draws them all again.
const listCampaigns = 24

func (d *Dashboard) campaignPath(name string) string {
	return d.at("campaign") + "?" + url.Values{nameParam: {name}}.Encode()
}

// campaignsView is the list of campaigns.
type campaignsView struct {
	Campaigns   []campaignCard
	First, Next string // paths of other pages of the list, or empty
}

// campaignCard is a campaign in the list.
type campaignCard struct {
	Key, Version string // of the element
	Path, Name   string
	Messages     string
	Active       page.Moment
	Incomplete   string
	Bars         []rateBar
}

// campaignView is the page of a campaign.
type campaignView struct {
	list
	Campaigns string // the path of the list of campaigns
	Name      string
	Notes     []note
	Bars      []rateBar
	Numbers   []number
	Tabs      []tab
	None      string // what the list says if it is empty
}

// number is a number of a campaign.
type number struct {
	Name  string
	Count int
}

// tab leads to the messages of a campaign in one state.
type tab struct {
	Text, Path string
	Current    bool
}

// campaigns lists the campaigns.
func (d *Dashboard) campaigns(w http.ResponseWriter, r *http.Request) {
	f, ok := filterOf(r)
	if !ok {
		d.refuse(w, r)
		return
	}
	after := f.After
	found, err := d.store.Campaigns(r.Context(), sqlstore.CampaignQuery{After: after, Limit: listCampaigns})
	if err != nil {
		d.failed(w, r, err)
		return
	}
	var view campaignsView
	for i := range found.Campaigns {
		view.Campaigns = append(view.Campaigns, d.card(&found.Campaigns[i]))
	}
	if after != "" {
		view.First = d.at("campaigns")
	}
	if found.Next != "" {
		view.Next = d.at("campaigns") + "?" + url.Values{afterParam: {found.Next}}.Encode()
	}
	d.write(w, r, campaignsTemplate, "Campaigns", view)
}

func campaignName(name string) string {
	if name == "" {
		return "(no label)"
	}
	return clip(name, maxText)
}

func (d *Dashboard) card(c *sqlstore.Campaign) campaignCard {
	card := campaignCard{
		Key: key("c", c.Name), Path: d.campaignPath(c.Name), Name: campaignName(c.Name), Active: d.short(c.LastActive),
		Messages: page.Counted(c.Messages, "message", "messages"), Incomplete: incomplete(&c.Campaign),
	}
	card.Bars = rateBars(card.Key, &c.Campaign)
	card.Version = key(card.Messages, card.Incomplete, card.Active.Text)
	for _, b := range card.Bars {
		card.Version = key(card.Version, b.Title, b.Text)
	}
	return card
}

// incomplete says that rates are lower bounds, or nothing.
func incomplete(c *engagement.Campaign) string {
	if c.Incomplete == 0 {
		return ""
	}
	return "Lower bounds: events of " + page.Counted(c.Incomplete, "message", "messages") + " are missing."
}

// campaign shows one campaign and its messages.
func (d *Dashboard) campaign(w http.ResponseWriter, r *http.Request) {
	f, ok := filterOf(r)
	query := r.URL.Query()
	f.Campaign = query.Get(nameParam)
	f.NoLabel = f.Campaign == ""
	if !ok || !isText(f.Campaign) || len(f.Campaign) > maxFilter {
		d.refuse(w, r)
		return
	}
	c, found, err := d.store.Campaign(r.Context(), f.Campaign)
	if err != nil {
		d.failed(w, r, err)
		return
	}
	messages, err := d.store.Messages(r.Context(), f.query(listMessages))
	if err != nil {
		d.failed(w, r, err)
		return
	}
	if !found && len(messages.Messages) == 0 {
		// Perhaps it has messages that nobody has judged, and the filter leaves none of them.
		some, err := d.store.Messages(r.Context(), filter{Campaign: f.Campaign, NoLabel: f.NoLabel}.query(1))
		if err != nil {
			d.failed(w, r, err)
			return
		}
		if len(some.Messages) == 0 {
			d.missing(w, r)
			return
		}
	}
	c.Name = f.Campaign // also if no message of it was judged yet
	d.write(w, r, campaignTemplate, campaignName(c.Name), d.campaignView(&c, f, &messages))
}

func (d *Dashboard) campaignView(c *sqlstore.Campaign, f filter, messages *sqlstore.MessagePage) campaignView {
	link := func(f filter) string {
		values := f.values()
		values.Del(campaignParam)
		values.Del(noLabelParam)
		values.Set(nameParam, c.Name)
		return d.at("campaign") + "?" + values.Encode()
	}
	view := campaignView{
		list: d.list(link, f, messages), Campaigns: d.at("campaigns"), Name: campaignName(c.Name), Bars: rateBars("rate", &c.Campaign),
		None: "No message is like that.",
		Numbers: []number{
			{"Messages", c.Messages}, {"Known to have arrived", c.Delivered}, {"Bounced, and in no share", c.Bounced},
			{"Machines only", c.MachineOnly}, {"No signal", c.NoSignal}, {"Events are missing", c.Incomplete},
		},
	}
	if text := incomplete(&c.Campaign); text != "" {
		view.Notes = append(view.Notes, note{text, "wait"})
	}
	view.Tabs = []tab{{"All", link(filter{}), f.State == ""}}
	for _, s := range states {
		view.Tabs = append(view.Tabs, tab{stateName(s), link(filter{State: s.String()}), f.State == s.String()})
	}
	return view
}
