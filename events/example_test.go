package events_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nylastrack/nylas-go/events"
)

func Example() {
	body := []byte(`{
		"specversion": "1.0", "type": "message.opened", "source": "/com/nylas/tracking",
		"id": "n-1", "time": 1695480567, "webhook_delivery_attempt": 1,
		"data": {"application_id": "app-1", "grant_id": "grant-1", "object": {
			"message_id": "18ac281f237c934b", "label": "trial-followup-q2", "message_data": {"count": 2, "timestamp": 1695480410},
			"recents": [
				{"opened_id": 0, "ip": "203.0.113.7", "timestamp": 1695480410, "user_agent": "Mozilla/5.0"},
				{"opened_id": "1", "ip": "203.0.113.9", "timestamp": 1695480567, "user_agent": "Thunderbird"}
			]}}}`)

	n, err := events.Parse(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch data := n.Data.(type) {
	case *events.MessageOpened:
		fmt.Printf("%s was opened %d times\n", data.MessageID, data.MessageData.Count)
		for _, open := range data.Recents {
			fmt.Println(open.OpenedID, open.Timestamp.Format(time.RFC3339), open.UserAgent)
		}
	case *events.Unknown:
		fmt.Println("nothing is known about", n.Type)
	}
	// Output:
	// 18ac281f237c934b was opened 2 times
	// 0 2023-09-23T14:46:50Z Mozilla/5.0
	// 1 2023-09-23T14:49:27Z Thunderbird
}

// A reply has two messages: the tracked one and the reply itself.
func ExampleNotification_Tracked() {
	n, err := events.Parse([]byte(`{"id": "n-1", "type": "thread.replied", "data": {"object": {
		"message_id": "the-reply", "root_message_id": "the-tracked-message",
		"thread_id": "the-thread", "label": "trial-followup-q2"}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, tracked := range n.Tracked() {
		fmt.Println(tracked.MessageID, tracked.ThreadID, tracked.Label)
	}
	// Output:
	// the-tracked-message the-thread trial-followup-q2
}

func ExampleMessageLinkClicked_Link() {
	n, err := events.Parse([]byte(`{"id": "n-1", "type": "message.link_clicked", "data": {"object": {
		"message_id": "18ac281f237c934b",
		"link_data": [{"count": 0, "url": "https://acme.dev/pricing"}, {"count": 2, "url": "https://acme.dev/demo"}],
		"recents": [
			{"click_id": 0, "ip": "203.0.113.7", "link_index": "1", "timestamp": 1695480410, "user_agent": "Mozilla/5.0"},
			{"click_id": 1, "ip": "203.0.113.7", "link_index": "7", "timestamp": 1695480422, "user_agent": "Mozilla/5.0"}
		]}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if clicked, ok := n.Data.(*events.MessageLinkClicked); ok {
		for _, click := range clicked.Recents {
			if link, ok := clicked.Link(click); ok {
				fmt.Println("click", click.ClickID, "on", link.URL)
			} else {
				fmt.Println("click", click.ClickID, "on an unknown link")
			}
		}
	}
	// Output:
	// click 0 on https://acme.dev/demo
	// click 1 on an unknown link
}

// The same types build payloads, for tests of code that receives them.
func ExampleNotification_MarshalJSON() {
	clicked := time.Date(2026, time.March, 1, 9, 30, 0, 0, time.UTC)
	body, err := json.Marshal(events.Notification{
		SpecVersion: "1.0",
		Type:        events.TypeMessageLinkClicked,
		Source:      "/com/nylas/tracking",
		ID:          "n-1",
		Time:        events.At(clicked),
		GrantID:     "grant-1",
		Data: &events.MessageLinkClicked{
			MessageID: "18ac281f237c934b",
			LinkData:  []events.LinkData{{Count: 1, URL: "https://acme.dev/demo"}},
			Recents:   []events.Click{{IP: "203.0.113.7", Timestamp: events.At(clicked), UserAgent: "Mozilla/5.0"}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(body))
	// Output:
	// {"specversion":"1.0","type":"message.link_clicked","source":"/com/nylas/tracking","id":"n-1","time":1772357400,"data":{"grant_id":"grant-1","object":{"link_data":[{"count":1,"url":"https://acme.dev/demo"}],"message_id":"18ac281f237c934b","recents":[{"click_id":0,"ip":"203.0.113.7","link_index":"0","timestamp":1772357400,"user_agent":"Mozilla/5.0"}]}}}
}

func ExampleType_Base() {
	typ := events.Type("message.created.cleaned.truncated")
	fmt.Println(typ.Base(), typ.Suffixes())
	// Output: message.created [cleaned truncated]
}

// A member that cannot be read costs only that member.
func ExampleParse_odd() {
	n, err := events.Parse([]byte(`{"id":"n-1","type":"message.opened","data":{"object":{` +
		`"message_id":"18ac281f237c934b","label":4711,"timestamp":"2025-10-01T10:00:00Z",` +
		`"message_data":{"count":"many"}}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	opened := n.Data.(*events.MessageOpened)
	fmt.Println(opened.MessageID, opened.Label, opened.Timestamp.Year())
	fmt.Println("odd:", n.Odd)
	// Output:
	// 18ac281f237c934b 4711 2025
	// odd: [data.object.message_data.count]
}
