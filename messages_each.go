package nylas

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/nylastrack/nylas-go/internal/label"
	"github.com/nylastrack/nylas-go/internal/payload"
)

// Person is somebody to whom [SendMessageRequest.Each] addresses a message.
type Person struct {
	// ID names the person in your program, such as the id of a contact. It becomes part of
	// the label, which webhooks and logs get, so Each refuses an email address.
	ID string `json:"id"`
	Participant
}

// PersonalRequest is a message to one person, and how to send it. As JSON it can be queued:
// encoding loses nothing.
//
//	message, err := client.Messages.Send(ctx, grantID, p.Request, nylas.WithIdempotencyKey(p.IdempotencyKey))
type PersonalRequest struct {
	Person Person `json:"person"`
	// Request is a copy that you may change before you send it: put a name into its Body,
	// for instance.
	Request *SendMessageRequest `json:"request"`
	// IdempotencyKey is made of the campaign and Person.ID only. It is the same each time,
	// so a second send within an hour does not send a second mail. Nylas forgets keys
	// after that hour: keep a record of what was sent.
	IdempotencyKey string `json:"idempotency_key"`
}

// Each returns a request for each person, in their order. The requests are copies of r with
// that person alone in To, and with a label of their own, which [DecodeLabel] reads: it has
// campaign and person, the ID, beside what [EncodeLabel] wrote into the label of r. So each
// event of the message names the person, which Nylas does not do: one message to many people
// has one pixel, and nobody can tell who opened it.
//
//	for _, p := range personal {
//		message, err := client.Messages.Send(ctx, grantID, p.Request, nylas.WithIdempotencyKey(p.IdempotencyKey))
//		...
//	}
//	// and when an event comes:
//	values, ok := nylas.DecodeLabel(event.Label) // values["campaign"], values["person"]
//
// Each sends nothing. It returns [ErrInvalidRequest] if campaign is empty or has an email
// address in it, if r has To, CC or BCC, if TrackingOptions is nil or has a label that is not of
// EncodeLabel, if a person has no ID, the ID of another one, an ID with an email address in it,
// or no Email, or if several people would get a [ReaderContent]. A label of more than 2048 characters is
// [ErrTrackingDataTooLarge].
func (r *SendMessageRequest) Each(campaign string, people []Person) ([]PersonalRequest, error) {
	op := &operation{name: "address each person"}
	switch {
	case r == nil:
		return nil, refuse(op, "the request is nil")
	case campaign == "":
		return nil, refuse(op, "the campaign is empty: it is part of every label and key")
	case hasAddress(campaign):
		return nil, refuse(op, "the campaign has an email address in it, and labels are for everybody to read: use a name or an id")
	case len(r.To)+len(r.CC)+len(r.BCC) > 0:
		return nil, refuse(op, "the request has To, CC or BCC: each message goes to one person, so leave them empty")
	case r.TrackingOptions == nil:
		return nil, refuse(op, "TrackingOptions is nil, so no label comes back")
	case len(people) > 1 && slices.ContainsFunc(r.Attachments, Attachment.isReadOnce):
		return nil, refuse(op, "an attachment is a ReaderContent, which only one message can have: use StreamContent")
	}
	values := make(map[string]string)
	if text := r.TrackingOptions.Label; text != "" {
		own, ok := DecodeLabel(text)
		if !ok {
			return nil, refuse(op, "TrackingOptions.Label is not one of EncodeLabel, so nothing can be added to it")
		}
		values = own
	}
	for _, key := range []string{label.Campaign, label.Person} {
		if _, taken := values[key]; taken {
			return nil, refuse(op, fmt.Sprintf("TrackingOptions.Label already has %q, which Each sets", key))
		}
	}
	values[label.Campaign] = campaign
	all := make([]PersonalRequest, 0, len(people))
	seen := make(map[string]bool, len(people))
	for i, person := range people {
		switch {
		case person.ID == "":
			return nil, refuse(op, fmt.Sprintf("people[%d] has no ID", i))
		case hasAddress(person.ID):
			return nil, refuse(op, fmt.Sprintf("people[%d].ID has an email address in it, and labels are for everybody to read: use the id of the contact", i))
		case person.Email == "":
			return nil, refuse(op, fmt.Sprintf("people[%d] has no Email", i))
		case seen[person.ID]:
			return nil, refuse(op, fmt.Sprintf("people[%d] has the ID of somebody before: both would have one key, and one mail", i))
		}
		seen[person.ID] = true
		values[label.Person] = person.ID
		personal, err := EncodeLabel(values)
		if err != nil {
			return nil, err
		}
		all = append(all, PersonalRequest{
			Person: person, Request: r.to(person, personal), IdempotencyKey: personalKey(campaign, person.ID),
		})
	}
	return all, nil
}

// hasAddress reports whether a text has an email address in it: an @ between other characters.
func hasAddress(text string) bool { return addressPattern.MatchString(text) }

var addressPattern = regexp.MustCompile(`[^\s@]@[^\s@]`)

// to returns a copy for one person that shares with r only what a send does not change: the
// contents of attachments and the variables of a template.
func (r *SendMessageRequest) to(person Person, label string) *SendMessageRequest {
	own := *r
	own.To = []Participant{person.Participant}
	own.From, own.ReplyTo = slices.Clone(r.From), slices.Clone(r.ReplyTo)
	own.CustomHeaders, own.Attachments = slices.Clone(r.CustomHeaders), slices.Clone(r.Attachments)
	own.Metadata = maps.Clone(r.Metadata)
	if r.Template != nil {
		own.Template = new(*r.Template)
		own.Template.Variables = maps.Clone(r.Template.Variables)
	}
	own.TrackingOptions = new(*r.TrackingOptions)
	own.TrackingOptions.Label = label
	return &own
}

func (a Attachment) isReadOnce() bool {
	if a.Content == nil {
		return false
	}
	_, once := a.Content.content().(*payload.Reader)
	return once
}

// personalKey is long enough that no two people get one, and contains nothing of them.
func personalKey(campaign, id string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "nylas-go person %d %s %s", len(campaign), campaign, id))
	return "nylas-go-" + hex.EncodeToString(sum[:personalKeyBytes])
}

// personalKeyBytes is how much of a SHA-256 is in the key of a person.
const personalKeyBytes = 16
