package engagement_test

import (
	"fmt"
	"log"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go/engagement"
)

// exampleEvents is what became of one message: Gmail loaded its images at once, the
// recipient opened it, and followed a link.
func exampleEvents(sent time.Time) []engagement.Event {
	return []engagement.Event{
		{
			Kind: engagement.Open, Time: sent.Add(25 * time.Second), IP: netip.MustParseAddr("66.249.84.5"), LinkIndex: -1,
			UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
		},
		{
			Kind: engagement.Open, Time: sent.Add(30 * time.Minute), IP: netip.MustParseAddr("66.249.84.5"), LinkIndex: -1,
			UserAgent: "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
		},
		{
			Kind: engagement.Click, Time: sent.Add(31 * time.Minute), IP: netip.MustParseAddr("203.0.113.7"), LinkIndex: 1,
			UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
		},
	}
}

// What a message came to, and who was probably behind each event.
func ExampleClassifier_Message() {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		log.Fatal(err)
	}
	sent := engagement.Sent{
		MessageID: "m-1", Label: "trial-q4", At: time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC),
		Links: []string{"https://shop.test/", "https://shop.test/trial"}, Recipients: 1,
	}
	summary := classifier.Message(sent, exampleEvents(sent.At))

	fmt.Println(summary)
	fmt.Println("opens:", summary.Opens.Human, "by people,", summary.Opens.Machine, "by machines")
	fmt.Println("first opened after", summary.FirstOpen.After)
	for _, link := range summary.Links {
		fmt.Println("clicks on", link.URL, link.Clicks.Human)
	}
	for _, verdict := range summary.Verdicts {
		fmt.Println(verdict)
	}
	// Output:
	// clicked (medium)
	// opens: 1 by people, 1 by machines
	// first opened after 30m0s
	// clicks on https://shop.test/ 0
	// clicks on https://shop.test/trial 1
	// gmail-prefetch: machine (certain)
	// gmail-proxy: human (medium)
	// browser: human (medium)
}

// Apple's proxy loads images whether somebody reads or not, so nobody can tell.
func ExampleClassifier_Event() {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		log.Fatal(err)
	}
	verdict := classifier.Event(engagement.Event{
		Kind: engagement.Open, UserAgent: "Mozilla/5.0", IP: netip.MustParseAddr("172.225.12.34"), LinkIndex: -1,
	})
	fmt.Println(verdict)
	fmt.Println(verdict.Reasons[0])
	// Output:
	// apple-mpp: indeterminate (high)
	// Apple Mail Privacy Protection loads images for its users, read or not, so nobody can tell whether somebody looked.
}

// The networks of the sender, and the full list of Apple's relays.
func ExampleNewClassifier() {
	// In a program, a file that is fetched from time to time:
	// https://mask-api.icloud.com/egress-ip-ranges.csv
	relays, err := engagement.ReadPrefixes(strings.NewReader("172.225.12.0/31,GB,GB-EN,London,\n"))
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := engagement.NewClassifier(
		engagement.WithOwnNetworks(netip.MustParsePrefix("198.51.100.0/24")),
		engagement.WithPrefixes("apple-relay", relays...),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, ip := range []string{"198.51.100.9", "172.225.12.1", "172.225.12.2"} {
		fmt.Println(ip, classifier.Network(netip.MustParseAddr(ip)))
	}
	// Output:
	// 198.51.100.9 own
	// 172.225.12.1 apple-relay
	// 172.225.12.2 other
}

// A rule of one's own comes before the built-in ones.
func ExampleReadRules() {
	rules, err := engagement.ReadRules(strings.NewReader(`{
		"date": "2026-12-24",
		"agents": [{
			"code": "our-archive", "mechanism": "program", "scope": "all", "certainty": "certain",
			"products": ["MailArchive"],
			"why": "Our archive stores the images of each message.", "source": "our operators"
		}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := engagement.NewClassifier(engagement.WithExtraRules(rules))
	if err != nil {
		log.Fatal(err)
	}
	verdict := classifier.Event(engagement.Event{Kind: engagement.Open, UserAgent: "MailArchive/3.1"})
	fmt.Println(verdict, "by the rules of", verdict.Rules)
	fmt.Println(verdict.Reasons[0])
	// Output:
	// program: machine (certain) by the rules of 2026-12-24
	// Our archive stores the images of each message.
}

// A summary says what is missing once it is told.
func ExampleSummary_WithMissing() {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		log.Fatal(err)
	}
	sent := engagement.Sent{MessageID: "m-1"}
	summary := classifier.Message(sent, nil).WithMissing([]engagement.Gap{
		{MessageID: "m-1", Kind: engagement.Open, LinkIndex: -1, First: 10, Last: 29},
	})
	fmt.Println(summary)
	fmt.Println(engagement.Sentences(summary.Reasons))
	// Output:
	// no signal
	// No open, click or reply by anybody else is known, which does not say that nobody read the message: many mail clients load no images. The numbers are lower bounds: 20 events are missing.
}

// Rates are ranges, because some events may be a person's or a machine's.
func ExampleCampaigns() {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		log.Fatal(err)
	}
	sent := engagement.Sent{Label: "trial-q4", At: time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)}
	apple := engagement.Event{Kind: engagement.Open, Time: sent.At.Add(time.Hour), UserAgent: "Mozilla/5.0"}
	summaries := []engagement.Summary{
		classifier.Message(sent, exampleEvents(sent.At)),
		classifier.Message(sent, []engagement.Event{apple}),
		classifier.Message(sent, nil),
		classifier.Message(sent, nil),
	}
	for _, campaign := range engagement.Campaigns(slices.Values(summaries)) {
		fmt.Println(campaign.Name, "opened:", campaign.Opened)
		fmt.Println(campaign.Name, "clicked:", campaign.Clicked)
	}
	// Output:
	// trial-q4 opened: 25.0% to 50.0% of 4
	// trial-q4 clicked: 25.0% to 25.0% of 4
}

// A table for a spreadsheet.
func ExampleEventsCSV() {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		log.Fatal(err)
	}
	sent := engagement.Sent{MessageID: "m-1", Label: "=trial", Links: []string{"https://shop.test/"}}
	events := []engagement.Event{{Kind: engagement.Click, UserAgent: "curl/8.11.0"}}
	summary := classifier.Message(sent, events)

	var table strings.Builder
	err = engagement.EventsCSV(&table, func(yield func(engagement.Summary, []engagement.Event) bool) {
		yield(summary, events) // in a program, one pair for each message
	})
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(table.String()) {
		fmt.Println(line[:62])
	}
	// Output:
	// grant_id,message_id,label,event_id,kind,time,actor,confidence,
	// ,m-1,'=trial,,click,,machine,high,program,,,,curl/8.11.0,0,htt
}

func ExampleMessagesCSV() {
	classifier, err := engagement.NewClassifier()
	if err != nil {
		log.Fatal(err)
	}
	summaries := []engagement.Summary{classifier.Message(engagement.Sent{MessageID: "m-1"}, nil)}
	if err := engagement.MessagesCSV(os.Stdout, slices.Values(summaries)); err != nil {
		log.Fatal(err)
	}
}
