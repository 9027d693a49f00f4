package engagement

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/nylastrack/nylas-go/events"
)

// noteAbsent marks the elements without an id and the clicks without a link index. Decoding
// leaves both at 0 if they are absent or cannot be read, so where there is a 0 it looks at
// the body. others is how many members called "id" do not belong to elements.
func noteAbsent(all []*window, n *events.Notification, others int) {
	if len(n.Raw) == 0 || !hasZeros(all) || !isSuspicious(all, n, others) {
		return
	}
	lists := rawRecents(n.Raw)
	if len(lists) != len(all) {
		return
	}
	for i, w := range all {
		if len(lists[i]) != len(w.elements) { // one was left out: which is which is not known
			return
		}
	}
	for i, w := range all {
		for j := range w.elements {
			e, raw := &w.elements[j], lists[i][j]
			e.noID = e.id == 0 && !isZero(raw["opened_id"]) && !isZero(raw["click_id"]) && !isZero(raw["id"])
			if e.link == 0 && !isZero(raw["link_index"]) {
				e.link = -1
			}
		}
	}
}

// hasZeros reports whether there is a 0 that may stand for what is absent. If the ids are
// 0, 1, 2 and so on, none is.
func hasZeros(all []*window) bool {
	for _, w := range all {
		zeros, highest := 0, int64(0)
		for i := range w.elements {
			e := &w.elements[i]
			if e.link == 0 {
				return true
			}
			if e.id == 0 {
				zeros++
			}
			highest = max(highest, e.id)
		}
		inOrder := zeros == 1 && highest > 0 && highest == int64(len(w.elements))-1
		if zeros > 0 && !inOrder {
			return true
		}
	}
	return false
}

// isSuspicious reports whether the body has fewer names than elements, or values that are
// no numbers. That is much cheaper than to read it again.
func isSuspicious(all []*window, n *events.Notification, others int) bool {
	elements, clicks := 0, 0
	for _, w := range all {
		elements += len(w.elements)
		if w.key.Kind == Click {
			clicks += len(w.elements)
		}
	}
	count := func(name string) int { return bytes.Count(n.Raw, []byte(name)) }
	return len(n.Odd) > 0 || bytes.Contains(n.Raw, []byte("null")) || bytes.Contains(n.Raw, []byte(`""`)) ||
		clicks > 0 && count(`"link_index"`) < clicks ||
		count(`"opened_id"`)+count(`"click_id"`)+count(`"id"`)-others < elements
}

// rawRecents returns the elements of each list of events in a body, in their order. It
// returns nothing of use if another value of the body is "recents".
func rawRecents(body []byte) [][]map[string]json.RawMessage {
	var lists [][]map[string]json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := decoder.Token()
		if err != nil {
			return lists
		}
		if token != "recents" {
			continue
		}
		var values []json.RawMessage
		if decoder.Decode(&values) != nil {
			return nil
		}
		list := make([]map[string]json.RawMessage, 0, len(values))
		for _, value := range values {
			var object map[string]json.RawMessage
			if json.Unmarshal(value, &object) == nil && object != nil {
				list = append(list, object)
			}
		}
		lists = append(lists, list)
	}
}

// isZero reports whether a value is 0, as a number or as a string.
func isZero(value json.RawMessage) bool {
	digits := strings.Trim(string(value), "\"+- \t\r\n")
	return digits != "" && strings.Trim(digits, "0.") == ""
}
