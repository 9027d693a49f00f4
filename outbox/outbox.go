package outbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/nylastrack/nylas-go"
)

// Outbox is a durable queue of mails in a file. Make one with [Open]; it is safe for
// concurrent use.
type Outbox struct {
	config
	db   *sql.DB
	lock *flock.Flock
	wake chan struct{} // has room for one: a mail was added or changed

	running chan struct{} // has room for one Run
	closing chan struct{} // closed by Close
	close   sync.Once
}

var (
	// ErrInUse means that another Outbox, in this process or in another one, has the file.
	ErrInUse = errors.New("outbox: the file is in use: only one process may have it open, so end the other one")
	// ErrRunning means that [Outbox.Run] was called while another call of it runs.
	ErrRunning = errors.New("outbox: Run is running already")
	// ErrKeyUsed means that a key was added before, with another content or grant. Use
	// another key if both mails are to be sent.
	ErrKeyUsed = errors.New("outbox: the key belongs to a mail with another content")
	// ErrNoMail means that no mail has the key.
	ErrNoMail = errors.New("outbox: no mail has this key")
)

// An Option changes how an Outbox works. A nil option has no effect.
type Option func(*config)

type config struct {
	logger      *slog.Logger
	hook        func(Mail)
	workers     int
	lookAfter   time.Duration
	unsubscribe func(key string) string
	stay        bool
}

const (
	defaultWorkers = 4
	// defaultLookAfter is "some minutes": Nylas does not document when a search finds a sent
	// message. A queued one of an Agent Account can take 90 s.
	// https://developer.nylas.com/docs/changelogs/2026-10-09-agent-account-send-queueing/
	defaultLookAfter = 5 * time.Minute
	// maxKeyBytes leaves room in Nylas' 256 for an Idempotency-Key: for an @ and a number.
	// https://developer.nylas.com/docs/v3/email/idempotent-send/
	maxKeyBytes = 240
	// markKey is the key of the metadata where the mark stands by which a mail is found.
	markKey = "key5"
)

// WithLogger sets where the Outbox reports mails that fail and outcomes that are unknown. By
// default, and with nil, it logs nothing. Logs have neither keys nor addresses.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) { c.logger = cmp.Or(logger, slog.New(slog.DiscardHandler)) }
}

// WithHook sets a function that [Outbox.Run] calls each time the state of a mail has changed
// and is on the disk, for a progress bar or for metrics. Several goroutines can call it at
// once. It must return soon, and must not call Close.
func WithHook(hook func(Mail)) Option { return func(c *config) { c.hook = hook } }

// WithWorkers sets how many mails are on their way at the same time: at least 1, 4 by default.
// A send usually takes Nylas 2 s.
func WithWorkers(n int) Option { return func(c *config) { c.workers = n } }

// WithLookAfter sets how long after an attempt with an unknown outcome the Outbox first looks
// for the message: more than 0, 5 minutes by default. If the mailbox shows a sent message later
// than that, a second mail is possible.
func WithLookAfter(d time.Duration) Option { return func(c *config) { c.lookAfter = d } }

// WithUnsubscribe lets people unsubscribe with one click in their mail program. address is
// called for each mail that is added, and returns the https URL for it, or "" for none. The
// mail then has the headers List-Unsubscribe and List-Unsubscribe-Post, unless the request
// has a List-Unsubscribe of its own.
//
// The mail program sends a POST to the URL with the body List-Unsubscribe=One-Click. Answer
// it without asking anything, and call [Outbox.Unsubscribe]. Scanners load URLs with GET, so
// a GET must not unsubscribe anybody. Make URLs that nobody can guess: sign the key.
//
// Nylas says that Microsoft Graph and iCloud do not send these headers.
//
// https://www.rfc-editor.org/rfc/rfc8058
// https://developer.nylas.com/docs/reference/api/messages/send-message/
func WithUnsubscribe(address func(key string) string) Option {
	return func(c *config) { c.unsubscribe = address }
}

// WithStay makes [Outbox.Run] wait for further mails when nothing is left to do, for a
// program that goes on. Without it Run returns then. A grant that stopped sends nothing until
// the next Run; the log tells at once, and Run's error when it returns.
func WithStay() Option { return func(c *config) { c.stay = true } }

// Open opens the outbox in the file at path, or makes it. Its directory must exist. The error
// is [ErrInUse] if another Outbox has the file. The Outbox must be closed.
func Open(path string, opts ...Option) (*Outbox, error) {
	c := config{logger: slog.New(slog.DiscardHandler), workers: defaultWorkers, lookAfter: defaultLookAfter}
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	if c.workers < 1 || c.lookAfter <= 0 {
		return nil, fmt.Errorf("outbox: open: %d workers that look after %v: want at least 1, and more than 0 s", c.workers, c.lookAfter)
	}
	db, lock, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("outbox: open %s: %w", path, err)
	}
	return &Outbox{config: c, db: db, lock: lock, wake: make(chan struct{}, 1), running: make(chan struct{}, 1), closing: make(chan struct{})}, nil
}

// Close ends Run as if its context were done, waits for it, and closes the file.
func (o *Outbox) Close() error {
	o.close.Do(func() { close(o.closing) })
	o.running <- struct{}{} // waits for Run, and allows no other
	defer func() { <-o.running }()
	if err := errors.Join(o.db.Close(), o.lock.Unlock()); err != nil {
		return fmt.Errorf("outbox: close: %w", err)
	}
	return nil
}

// Add stores a mail to be sent from a grant by [Outbox.Run]. It is on the disk when Add
// returns nil.
//
// key names the mail in your program: 1 to 240 visible ASCII characters without an @, so that it
// is no address. It becomes the Idempotency-Key; the key of an attempt after one that Nylas refused
// has a number besides. If the key was added before, with the same
// content, Add has no effect, whatever became of the mail: so a program can add all its mails
// again at each start. With another content the error is [ErrKeyUsed].
//
// To send a mail again that is [Failed], [Unknown] or [Suppressed], add it with another key. If it
// is Unknown, a second mail is possible then: look into the mailbox first.
//
// The request must have one recipient in To, and neither CC nor BCC. To send to many people,
// use [nylas.SendMessageRequest.Each] and [Outbox.AddEach]. SendAt is refused, because a
// scheduled message cannot be found in the mailbox.
// Such errors match [nylas.ErrInvalidRequest].
func (o *Outbox) Add(ctx context.Context, key, grantID string, request *nylas.SendMessageRequest) error {
	return o.AddEach(ctx, grantID, []nylas.PersonalRequest{{IdempotencyKey: key, Request: request}})
}

// AddEach is [Outbox.Add] for the requests of [nylas.SendMessageRequest.Each]: all of them or,
// after an error, none. The IdempotencyKey of each is its key.
func (o *Outbox) AddEach(ctx context.Context, grantID string, people []nylas.PersonalRequest) error {
	mails := make([]*mail, len(people))
	for i, p := range people {
		m, err := o.newMail(p.IdempotencyKey, grantID, p.Request)
		if err != nil {
			return fmt.Errorf("outbox: add mail %d of %d: %w", i+1, len(people), err)
		}
		mails[i] = m
	}
	if err := o.insert(ctx, mails); err != nil {
		return fmt.Errorf("outbox: add: %w", err)
	}
	o.signal()
	return nil
}

func (o *Outbox) newMail(key, grantID string, request *nylas.SendMessageRequest) (*mail, error) {
	refuse := func(reason string) (*mail, error) { return nil, fmt.Errorf("%w: %s", nylas.ErrInvalidRequest, reason) }
	if request == nil {
		return refuse("the request is nil")
	}
	_, hasMark := request.Metadata[markKey]
	switch {
	case key == "" || len(key) > maxKeyBytes || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return refuse(fmt.Sprintf("the key must be 1 to %d visible ASCII characters", maxKeyBytes))
	case strings.Contains(key, "@"):
		return refuse("the key has an @: an email address must not become an Idempotency-Key, nor part of an unsubscribe URL")
	case grantID == "":
		return refuse("the grant is empty")
	case len(request.To) != 1 || len(request.CC)+len(request.BCC) > 0:
		return refuse("want one recipient in To, and neither CC nor BCC: SendMessageRequest.Each makes a request for each person")
	case normal(request.To[0].Email) == "":
		return refuse("the recipient has no Email")
	case !request.SendAt.IsZero():
		return refuse("SendAt is set: a scheduled message cannot be found in the mailbox, so add it when it is due")
	case hasMark:
		return refuse("Metadata has " + markKey + ", which the mark needs: use another key")
	}
	content, err := request.MarshalJSON()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(append([]byte(grantID+"\x00"), content...))
	headers, err := o.unsubscribeHeaders(key, request)
	if err != nil {
		return nil, err
	}
	own := *request
	own.CustomHeaders = append(slices.Clone(request.CustomHeaders), headers...)
	if content, err = own.MarshalJSON(); err != nil {
		return nil, err
	}
	m := &mail{Mail: Mail{Key: key, GrantID: grantID}, address: normal(request.To[0].Email), digest: digest[:], request: string(content)}
	if request.TrackingOptions != nil {
		m.Label = request.TrackingOptions.Label
	}
	return m, nil
}

// unsubscribeHeaders are those of RFC 8058, section 3.1.
func (o *Outbox) unsubscribeHeaders(key string, request *nylas.SendMessageRequest) ([]nylas.Header, error) {
	const name = "List-Unsubscribe"
	if o.unsubscribe == nil || slices.ContainsFunc(request.CustomHeaders, func(h nylas.Header) bool { return strings.EqualFold(h.Name, name) }) {
		return nil, nil
	}
	address := o.unsubscribe(key)
	if address == "" {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' || r == ',' }) {
		return nil, errors.New("WithUnsubscribe: the function must return an https URL in ASCII, without spaces, commas and angle brackets, or nothing")
	}
	return []nylas.Header{{Name: name, Value: "<" + address + ">"}, {Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"}}, nil
}

// signal tells Run that there may be something to do.
func (o *Outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
