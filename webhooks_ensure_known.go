package nylas

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// list returns the destinations for the URL. What this call made counts even if
// the list does not have it yet, or has another spelling of the URL.
func (e *ensuring) list(ctx context.Context) ([]*Webhook, error) {
	e.asked = time.Now()
	var found []*Webhook
	for webhook, err := range e.service.List(ctx, e.opts...) {
		if err != nil {
			return nil, err
		}
		if webhook.ID == "" || e.made[webhook.ID] == nil && !sameURL(webhook.WebhookURL, e.req.WebhookURL) {
			continue
		}
		if e.seen[webhook.ID].IsZero() {
			e.seen[webhook.ID] = e.asked
		}
		found = append(found, webhook)
	}
	for id, own := range e.made {
		if slices.ContainsFunc(found, func(w *Webhook) bool { return w.ID == id }) {
			continue
		}
		exists, err := e.get(ctx, id)
		if err != nil {
			return nil, err
		}
		if exists {
			own.late = own.late || e.seen[id].IsZero()
			webhook := *e.read[id].Webhook
			webhook.CompressedDelivery = own.CompressedDelivery
			found = append(found, &webhook)
		}
	}
	return found, nil
}

// get reads a destination again, unless that was done since the last list began,
// and reports whether it exists.
func (e *ensuring) get(ctx context.Context, id string) (bool, error) {
	if read := e.read[id]; read != nil && !read.at.Before(e.asked) {
		return true, nil
	}
	webhook, err := e.service.Get(ctx, id, e.opts...)
	switch {
	case errors.Is(err, ErrNotFound):
		own, known := e.made[id], e.read[id] != nil || !e.seen[id].IsZero()
		if own != nil && (known || time.Since(own.end) >= maxEnsureLag) { // before that Get may lag, too
			delete(e.made, id)
			e.gone++
		}
		delete(e.read, id)
		return false, nil
	case err != nil:
		return false, err
	}
	now := time.Now()
	if date, err := http.ParseTime(e.response.Header.Get("Date")); err == nil {
		e.clock = date.Sub(now)
	}
	e.read[id] = &reading{webhook, now}
	return true, nil
}

// quiet returns how long it still takes until nothing older than the only
// destination can turn up.
func (e *ensuring) quiet(id string) time.Duration {
	wait := e.quietAt.Sub(e.asked)
	own := e.made[id]
	switch {
	case own == nil:
		return max(wait, EnsureLag+ensureQuiet-e.age(id))
	case own.late && e.seen[id].IsZero():
		return max(wait, min(ensureQuiet, own.end.Add(maxEnsureLag).Sub(e.asked)))
	case own.late:
		return max(wait, e.seen[id].Add(ensureQuiet+own.took).Sub(e.asked))
	}
	return wait
}

// age returns how long a destination had existed at least when the last list
// began.
func (e *ensuring) age(id string) time.Duration {
	var age time.Duration
	if seen := e.seen[id]; !seen.IsZero() {
		age = e.asked.Sub(seen)
	}
	if read := e.read[id]; read != nil && !read.CreatedAt.IsZero() {
		// created_at is cut to seconds: the difference can be one too long.
		age = max(age, e.asked.Add(e.clock).Sub(read.CreatedAt.Time)-time.Second)
	}
	return age
}

// olderFirst is the order of destinations that were read.
func (e *ensuring) olderFirst(a, b *Webhook) int {
	return cmp.Or(e.read[a.ID].CreatedAt.Compare(e.read[b.ID].CreatedAt.Time), cmp.Compare(a.ID, b.ID))
}

// sameURL reports whether two URLs are the same after the normalisation that
// every server may do: RFC 3986, sections 6.2.2.1 and 6.2.3.
func sameURL(a, b string) bool { return a == b || normalURL(a) == normalURL(b) }

func normalURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Host = strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		u.Host = strings.TrimSuffix(u.Host, ":443")
	case "http":
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
