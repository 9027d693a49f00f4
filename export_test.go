package nylas

import "time"

// AheadBy lets a test put the two clocks of a client ahead of the real ones, each by the
// time that ahead returns.
func (c *Client) AheadBy(ahead func() (monotonic, wall time.Duration)) {
	c.clocks = func() clocks {
		now := readClocks()
		monotonic, wall := ahead()
		return clocks{now.monotonic.Add(monotonic), now.wall.Add(wall)}
	}
}
