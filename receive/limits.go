package receive

import (
	"fmt"
	"time"
)

// The limits of a Receiver, where no option says something else.
const (
	// maxWireBytes bounds a notification as it arrives. Nylas sends up to 1 MB and
	// advises a limit of 2 MB: https://developer.nylas.com/docs/v3/notifications/.
	maxWireBytes = 2 << 20
	// maxBytesInFlight bounds the bodies that are being read, inflated and handled at
	// a time, those of handlers that are late included. Above it the answer is 503,
	// and Nylas comes again.
	maxBytesInFlight = 64 << 20
	// maxInflatedBytes bounds a notification after decompression. Nylas documents
	// 1 MB before compression: https://developer.nylas.com/docs/v3/notifications/.
	maxInflatedBytes = 8 << 20
	readLimit        = 3 * time.Second
	custodyLimit     = 5 * time.Second
)

const (
	// minBodyBytes is what Nylas may send: a lower limit would lose notifications.
	minBodyBytes = 1 << 20
	// Bodies that are being read are not verified yet, so strangers can send them. They get
	// a part of the bytes in flight: a half the large ones, an eighth the small ones.
	largeShare, smallShare = 2, 8
	// smallBodyBytes is what a small body declares at most. A notification of tracking has up
	// to 17 kB; of 64 kB a stranger needs 128 for the share of the small ones.
	smallBodyBytes = 64 << 10

	// Nylas waits 10 s for an answer. Of these, 2 are left for the network on both
	// sides, and 2 for the header, which nobody here sees arrive.
	deliveryLimit = 6 * time.Second
	// maxReadLimit leaves the source of the secrets its time, and the handler some.
	maxReadLimit = 3500 * time.Millisecond
)

type limits struct {
	body, inflated, inFlight int64
	read, custody            time.Duration
}

func defaultLimits() limits {
	return limits{
		body: maxWireBytes, inflated: maxInflatedBytes, inFlight: maxBytesInFlight,
		read: readLimit, custody: custodyLimit,
	}
}

// check looks at what the options mean together.
func (l limits) check() error {
	if largest := max(l.body, l.inflated); l.inFlight/largeShare < largest {
		return fmt.Errorf("WithMaxBytesInFlight: want at least twice the largest body, which is %d bytes: "+
			"with less there are deliveries that can never be accepted", largest)
	}
	return nil
}

// WithMaxBodyBytes sets the largest body as it arrives. A larger one is answered 413 and is
// lost. These are all limits of a [Receiver]:
//
//	option                 default  allowed
//	WithMaxBodyBytes       2 MiB    1 MiB or more
//	WithMaxInflatedBytes   8 MiB    1 MiB or more
//	WithMaxBytesInFlight   64 MiB   twice the larger of the two above, or more
//	WithReadTimeout        3 s      up to 3.5 s
//	WithCustodyTimeout     5 s      up to 6 s
//
// Nylas sends up to 1 MB and advises a limit of 2 MB.
//
// https://developer.nylas.com/docs/v3/notifications/
func WithMaxBodyBytes(limit int64) Option {
	return option(func(c *config) error {
		c.limits.body = limit
		return checkBodyLimit("WithMaxBodyBytes", limit)
	})
}

// WithMaxInflatedBytes sets the largest body after decompression, by default 8 MiB. A larger
// one goes to the Handler as it arrived, with [ErrDeliveryTooLarge] in [Delivery.Err]. Less
// than 1 MiB is refused, because Nylas sends up to 1 MB before compression.
func WithMaxInflatedBytes(limit int64) Option {
	return option(func(c *config) error {
		c.limits.inflated = limit
		return checkBodyLimit("WithMaxInflatedBytes", limit)
	})
}

func checkBodyLimit(option string, limit int64) error {
	if limit < minBodyBytes {
		return fmt.Errorf("%s: want at least %d bytes: Nylas sends up to 1 MB, and does not repeat what is refused", option, minBodyBytes)
	}
	return nil
}

// WithMaxBytesInFlight bounds the memory of all bodies that are being read, decompressed and
// handled at a time, by default 64 MiB. A delivery that would exceed it is answered 503, and
// Nylas retries it. It must be at least twice the largest body, on the wire and decompressed.
//
// Bodies that are still arriving are not verified, so anybody can send them. They may take at
// most half of the memory, and those that declare up to 64 kB an eighth of their own. Only what
// has arrived counts, and nothing of the first 2 KiB. When one of these shares is full, the
// body that has been arriving the longest gives way with a 503: that of Nylas takes
// milliseconds. There is no limit for an address, because behind a proxy all clients have the
// same one.
func WithMaxBytesInFlight(limit int64) Option {
	return option(func(c *config) error {
		c.limits.inFlight = limit
		return nil // what it must be depends on the others
	})
}

// WithReadTimeout bounds the time in which a body must arrive, by default 3 s. A slower one is
// answered 408, and Nylas retries it. More than 3.5 s is refused, because the Handler needs
// its part of the 10 s for which Nylas waits.
func WithReadTimeout(limit time.Duration) Option {
	return option(func(c *config) error {
		c.limits.read = limit
		return checkTimeLimit("WithReadTimeout", limit, maxReadLimit)
	})
}

// WithCustodyTimeout bounds the time in which the Handler must return, by default 5 s. Then
// its context ends and the answer is 503, and Nylas retries the delivery. Reading and
// handling together take at most 6 s, so the Handler has less after a slow body, and more
// than 6 s is refused.
func WithCustodyTimeout(limit time.Duration) Option {
	return option(func(c *config) error {
		c.limits.custody = limit
		return checkTimeLimit("WithCustodyTimeout", limit, deliveryLimit)
	})
}

func checkTimeLimit(option string, limit, most time.Duration) error {
	if limit <= 0 || limit > most {
		return fmt.Errorf("%s: want more than 0 and at most %v: Nylas waits 10 s for an answer", option, most)
	}
	return nil
}
