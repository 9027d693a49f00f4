package main

import (
	"strings"
	"time"
)

// person is somebody who gets mail in the demonstration. The addresses end in .example, which
// belongs to nobody: RFC 2606.
type person struct{ name, email, company string }

var people = []person{
	{"Kim Townsend", "kim.townsend@northwind.example", "Northwind"},
	{"Noor Haddad", "noor@globex.example", "Globex"},
	{"Jonas Lindqvist", "jonas.lindqvist@fjord.example", "Fjord Shipping"},
	{"Priya Raman", "priya@lattice.example", "Lattice Labs"},
	{"Tomás Ferreira", "tomas@olivar.example", "Olivar"},
	{"Grace Okafor", "grace.okafor@meridian.example", "Meridian Health"},
	{"Lee Chen", "lee@brightside.example", "Brightside"},
	{"Hanna Vogel", "h.vogel@kranich.example", "Kranich Werke"},
	{"Samuel Adeyemi", "sam.adeyemi@harbor.example", "Harbor Logistics"},
	{"Mei Tanaka", "mei@kumo.example", "Kumo"},
	{"Oliver Grant", "oliver@grantandsons.example", "Grant & Sons"},
	{"Inès Moreau", "ines.moreau@atelier.example", "Atelier Moreau"},
	{"Rafael Duarte", "rafael@solano.example", "Solano Energy"},
	{"Astrid Nyberg", "astrid@polar.example", "Polar Foods"},
	{"Daniel Kowalski", "d.kowalski@amber.example", "Amber Insurance"},
	{"Fatima Zahra", "fatima@atlas.example", "Atlas Travel"},
	{"Ben Whitaker", "ben@redbrick.example", "Redbrick Homes"},
	{"Yuki Sato", "yuki.sato@hinode.example", "Hinode"},
	{"Clara Rossi", "clara@rossi.example", "Rossi Design"},
	{"Peter Novak", "peter.novak@vltava.example", "Vltava Brewing"},
}

// sender is a mailbox that sends the mail of the demonstration.
type sender struct{ name, email string }

var senders = []sender{
	{"Leyah Miller", "leyah@acme.example"},
	{"Sam Ortiz", "sam@acme.example"},
}

// mail is a message before it has a recipient: {first} and {company} are replaced.
type mail struct{ label, subject, body string }

func (m mail) to(p person) mail {
	first, _, _ := strings.Cut(p.name, " ")
	words := strings.NewReplacer("{first}", first, "{company}", p.company)
	return mail{m.label, words.Replace(m.subject), words.Replace(strings.ReplaceAll(m.body, "{company}", strings.ReplaceAll(p.company, "&", "&amp;")))}
}

// campaign is a mail to many people, one message each.
type campaign struct {
	mail   mail
	sender int // of senders
	people int // how many of people get it
	ago    time.Duration
}

const day = 24 * time.Hour

var campaigns = []campaign{
	{mail{"november-news", "What is new at Acme in November", news}, 1, 14, 6 * day},
	{mail{"trial-follow-up", "Quick follow-up on your trial, {first}", trial}, 0, 11, 3 * day},
	{mail{"renewal-2027", "Your renewal in January", renewal}, 1, 7, 20 * time.Hour},
}

// singles are the messages that belong to no campaign, the oldest first. The next one was sent
// some hours later.
var singles = []mail{
	{"", "Notes from Tuesday's call", `<p>Hi {first},</p><p>thank you for your time on Tuesday. As promised, here is
<a href="https://acme.dev/notes/tuesday">what we agreed on</a>. I will send the numbers for {company} by Friday.</p><p>Leyah</p>`},
	{"", "Invoice 2026-1184", `<p>Dear {first},</p><p>please find <a href="https://billing.acme.dev/invoices/2026-1184">invoice 2026-1184</a>
for {company}, due in 30 days. Any question, just reply.</p><p>Acme Billing</p>`},
	{"", "Contract, second draft", `<p>Hi {first},</p><p>your lawyers' changes are in: <a href="https://docs.acme.dev/contracts/draft-2">second draft</a>.
Clause 7 is the only open point. Can we close it this week?</p><p>Leyah</p>`},
	{"", "Introducing Dana, who runs onboarding", `<p>Hi {first},</p><p>Dana joins us on Monday and will look after {company}.
Her calendar is <a href="https://acme.dev/team/dana">here</a>; take any slot that suits you.</p><p>Sam</p>`},
	{"", "The report you asked for", `<p>Hi {first},</p><p>the <a href="https://acme.dev/reports/q3">report for the third quarter</a> is ready.
Page 4 will interest you most, and the <a href="https://acme.dev/reports/q3/data">data behind it</a> is there too.</p><p>Sam</p>`},
	{"", "Lunch on Thursday?", `<p>Hi {first},</p><p>I am in town on Thursday. Lunch at <a href="https://maps.acme.dev/corner-table">The Corner Table</a>, half past twelve?</p><p>Leyah</p>`},
	{"", "Security questionnaire, answered", `<p>Hi {first},</p><p>all 64 questions are answered. You find them in the
<a href="https://trust.acme.dev/questionnaire">trust center</a>, with our <a href="https://trust.acme.dev/soc2">SOC 2 report</a>.</p><p>Sam</p>`},
	{"", "Did the import work?", `<p>Hi {first},</p><p>our import of {company}'s contacts finished at night: 18,412 rows, 3 of them odd.
<a href="https://app.acme.dev/imports/311">Have a look</a>, and tell me if I should repeat it.</p><p>Leyah</p>`},
}

const (
	news = `<h2>What is new in November</h2>
<p>Hello {first},</p>
<p>it has been a busy month, and three things are ready that you asked for:</p>
<ul>
<li><a href="https://acme.dev/news/shared-views">Shared views</a>: what one person sees, the whole team can see.</li>
<li><a href="https://acme.dev/news/faster-search">A search that is ten times as fast</a>, also over attachments.</li>
<li><a href="https://acme.dev/news/export">Exports</a> on a schedule, to your own storage.</li>
</ul>
<p>Happy reading, and thank you for the ideas.<br>Sam and everybody at Acme</p>`

	trial = `<p>Hi {first},</p>
<p>your trial of Acme ends on Friday. Twelve people at {company} have used it so far, and most of them came back the next day.</p>
<p>Shall we look at it together for twenty minutes? <a href="https://acme.dev/demo">Pick a time</a> that suits you,
or see <a href="https://acme.dev/pricing">what it costs</a> first.</p>
<p>Leyah</p>`

	renewal = `<p>Hello {first},</p>
<p>{company}'s plan renews on 15 January. Nothing changes unless you want it to.
Your <a href="https://billing.acme.dev/renewal">renewal page</a> shows seats and prices, and
<a href="https://acme.dev/demo">a short call</a> is the fastest way to change either.</p>
<p>Sam Ortiz, Acme</p>`
)
