package inbox

import nylas "github.com/nylastrack/nylas-go"

// MessageOrder is a key for [WithOrder]: the id of the message that was tracked,
// so that the events of one message are handled in the order in which they came.
// It is empty for a delivery that cannot be decoded or names no message.
//
// It decodes each delivery once more, which takes a few microseconds.
func MessageOrder(d *nylas.Delivery) string {
	n, err := d.Parse()
	if err != nil {
		return ""
	}
	for _, tracked := range n.Tracked() {
		if tracked.MessageID != "" {
			return tracked.MessageID
		}
	}
	return ""
}
