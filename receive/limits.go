package receive

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
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
	// unverifiedShare is the part of the bytes in flight that is for bodies that are
	// being read: strangers must not use up what genuine deliveries need.
	unverifiedShare = 2
	// firstReadBytes is what a request gets before it has sent anything: most
	// notifications fit, and thousands of idle connections do no harm.
	firstReadBytes = 16 << 10

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
	if largest := max(l.body, l.inflated); l.inFlight/unverifiedShare < largest {
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
// handled at a time, by default 64 MiB. Half of it is for bodies that are not verified yet. A
// delivery that would exceed it is answered 503, and Nylas retries it. It must be at least
// twice the largest body, on the wire and decompressed.
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

// budget is the bytes in flight.
type budget struct {
	limit      int64
	inFlight   atomic.Int64 // those that are unverified included
	unverified atomic.Int64
}

var errOverload = errors.New("receive: too many deliveries at a time")

// share is what one delivery takes of them.
type share struct {
	budget  *budget
	bytes   int64
	genuine bool
}

// grow takes bytes before they are allocated. After an error they are part of the
// share too.
func (s *share) grow(by int64) error {
	s.bytes += by
	full := s.budget.inFlight.Add(by) > s.budget.limit
	if !s.genuine {
		full = s.budget.unverified.Add(by) > s.budget.limit/unverifiedShare || full
	}
	if full {
		return errOverload
	}
	return nil
}

// verified makes the share that of a genuine delivery, which holds so many bytes.
func (s *share) verified(bytes int64) {
	if !s.genuine {
		s.budget.unverified.Add(-s.bytes)
		s.genuine = true
	}
	s.budget.inFlight.Add(bytes - s.bytes)
	s.bytes = bytes
}

func (s *share) free() {
	if s.budget == nil {
		return
	}
	if !s.genuine {
		s.budget.unverified.Add(-s.bytes)
	}
	s.budget.inFlight.Add(-s.bytes)
}

// limitReading sets the deadline for the body, so that it holds under any
// http.Server. It comes first, and stays for a body that is refused: net/http
// reads on in a body that the handler left, before it sends the answer.
func (r *Receiver) limitReading(w http.ResponseWriter, start time.Time) error {
	err := http.NewResponseController(w).SetReadDeadline(start.Add(r.limits.read))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// readBody reads the body of a request, and takes its deadline away once it is
// whole: while the handler works, net/http watches the connection, and takes the
// end of a deadline for the sender's. It clears one by itself only where there
// was a body to read.
func (r *Receiver) readBody(w http.ResponseWriter, req *http.Request, held *share) ([]byte, error) {
	if req.Body == nil { // a request that a program made
		req.Body = http.NoBody
	}
	// A length of 0 beside a body that is there is not declared: so it is with adapters
	// that make a request of something else, such as those for AWS Lambda and FastCGI.
	most, exactly := req.ContentLength, true
	if most <= 0 {
		most, exactly = r.limits.body, false
	}
	body, err := readGrowing(req.Body, firstReadBytes, most, exactly, held.grow)
	if err != nil {
		return nil, err
	}
	// The deadline was set, so one that cannot be taken away does not matter.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

var errTooLarge = errors.New("receive: body is over the limit")

// readGrowing reads to the end of at most so many bytes, or exactly so many. It
// takes memory as bytes arrive, first for some, whatever was announced, and asks
// grow before. More bytes are errTooLarge, fewer than exactly so many io.EOF.
func readGrowing(source io.Reader, first, most int64, exactly bool, grow func(by int64) error) (content []byte, err error) {
	taken, size := int64(0), min(first, most)
	for {
		if err := grow(size - taken); err != nil {
			return nil, err
		}
		content = append(make([]byte, 0, size), content...) // slices.Grow may take more
		err := fill(&content, int(size), source)
		switch full := int64(len(content)) == most; {
		case full && exactly, !exactly && errors.Is(err, io.EOF):
			return content, nil
		case err != nil:
			return nil, err
		case full:
			return content, atEnd(source)
		}
		taken, size = size, min(2*size, most)
	}
}

// atEnd reads on where nothing may follow.
func atEnd(source io.Reader) error {
	next := make([]byte, 0, 1)
	switch err := fill(&next, 1, source); {
	case len(next) > 0:
		return errTooLarge
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// fill reads until content has size bytes or its source ends.
func fill(content *[]byte, size int, source io.Reader) error {
	for len(*content) < size {
		n, err := source.Read((*content)[len(*content):size])
		*content = (*content)[:len(*content)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// readStatus is the answer to a body that could not be read.
func readStatus(err error) int {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err) // of a http.MaxBytesHandler in front
	switch {
	case tooLarge || errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errOverload):
		return http.StatusServiceUnavailable
	default:
		return http.StatusRequestTimeout
	}
}
