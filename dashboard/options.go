package dashboard

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/engagement"
)

// Option changes what [New] makes.
type Option interface{ apply(*options) error }

type option func(*options) error

func (f option) apply(o *options) error { return f(o) }

type options struct {
	path       string
	classifier *engagement.Classifier
	client     *nylas.Client
	senders    []Sender
	logger     *slog.Logger
	location   *time.Location
}

func defaults() options {
	return options{path: "/", logger: slog.Default(), location: time.Local}
}

// WithPath says where the program mounts the pages, such as "/mail/". The default is "/".
func WithPath(path string) Option {
	return option(func(o *options) error {
		if !isMountable(path) {
			return fmt.Errorf("the path is %q: give one that begins and ends with a slash, such as /mail/, without empty segments, dots alone, spaces, or any of {}?#", path)
		}
		o.path = path
		return nil
	})
}

// isMountable reports whether an http.ServeMux and a browser leave a path as it is.
func isMountable(given string) bool {
	clean := strings.TrimSuffix(path.Clean("/"+given), "/") + "/"
	return given == clean && !strings.ContainsAny(given, "{}?# \t\r\n")
}

// WithClassifier gives the pages a classifier, for instance one that knows the networks of
// the sender. The default has the built-in rules.
func WithClassifier(classifier *engagement.Classifier) Option {
	return option(func(o *options) error {
		if classifier == nil {
			return errors.New("the classifier is nil: leave WithClassifier out for the built-in rules")
		}
		o.classifier = classifier
		return nil
	})
}

// Sender is a mailbox that the form for a new message offers.
type Sender struct {
	GrantID string
	Name    string // what the form shows, such as an address
}

// WithClient gives the pages access to Nylas. They read the body of a message when somebody
// looks at it, and the form sends as the given senders. Without senders there is no form;
// without a client there are no bodies either.
func WithClient(client *nylas.Client, senders ...Sender) Option {
	return option(func(o *options) error {
		if client == nil {
			return errors.New("the client is nil: give WithClient what nylas.NewClient returns")
		}
		for i, s := range senders {
			if s.GrantID == "" {
				return fmt.Errorf("sender %d has no GrantID", i)
			}
		}
		o.client, o.senders = client, senders
		return nil
	})
}

// WithLogger says where errors are logged. The default is [slog.Default].
func WithLogger(logger *slog.Logger) Option {
	return option(func(o *options) error {
		if logger == nil {
			return errors.New("the logger is nil: leave WithLogger out for slog.Default")
		}
		o.logger = logger
		return nil
	})
}

// WithLocation says in which time zone times are shown. The default is that of the server.
func WithLocation(location *time.Location) Option {
	return option(func(o *options) error {
		if location == nil {
			return errors.New("the location is nil: use time.UTC, or one of time.LoadLocation")
		}
		o.location = location
		return nil
	})
}
