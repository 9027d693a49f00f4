package receive

// MessageOrder is a key for engines that keep an order, such as the inbox's WithOrder. It is
// the id of the tracked message, so the events of one message are handled one after the
// other, as they arrived. It is empty for a delivery that cannot be decoded or names no
// message. It decodes the delivery, which takes a few microseconds.
func MessageOrder(d *Delivery) string {
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
