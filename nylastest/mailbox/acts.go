package mailbox

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/nylastrack/nylas-go/internal/page"
	"github.com/nylastrack/nylas-go/nylastest"
)

// preset is a mailbox that acts by itself.
type preset struct {
	Title, Does string
	behaviour   nylastest.Behaviour
}

// Name is what the button sends.
func (p preset) Name() string { return p.behaviour.String() }

// people and machines are all behaviours of package nylastest.
var (
	people = []preset{
		{"Browser", "reads in a browser, follows a link", nylastest.Browser()},
		{"Phone", "reads on a phone that loads images itself", nylastest.Phone()},
		{"Outlook", "reads in Outlook on a computer", nylastest.Outlook()},
		{"Apple Mail", "Apple loads the images, read or not", nylastest.AppleMail()},
		{"Gmail", "Google's proxy loads the images", nylastest.Gmail()},
		{"Gmail, prefetched", "loaded at once, and again when it is read", nylastest.GmailPrefetch()},
		{"Yahoo", "Yahoo's proxy loads the images", nylastest.Yahoo()},
		{"Forwarded", "somebody else reads it later", nylastest.Forwarded(nylastest.Browser())},
		{"The sender", "looks at the mail that was sent", nylastest.Sender()},
	}
	machines = []preset{
		{"Safe Links", "Microsoft checks the links", nylastest.SafeLinks()},
		{"Gateway", "loads all and follows all within seconds", nylastest.Gateway()},
		{"Patient gateway", "does so as slowly as a person", nylastest.PatientGateway()},
		{"Link preview", "a chat shows a preview of a link", nylastest.LinkPreview()},
		{"Out of office", "answers by itself", nylastest.OutOfOffice()},
	}
)

func presetNamed(name string) (preset, bool) {
	all := slices.Concat(people, machines)
	i := slices.IndexFunc(all, func(p preset) bool { return p.Name() == name })
	if i < 0 {
		return preset{}, false
	}
	return all[i], true
}

// The acts that are not behaviours.
const (
	actOpen      = "open"
	actClick     = "click"
	actReply     = "reply"
	actAutoReply = "auto-reply"
	actBounce    = "bounce"
	actComplain  = "complain"
)

// acts are the buttons of a message.
type acts struct {
	CanOpen, CanReply bool
	People, Machines  []preset
}

func actsOn(m *nylastest.Message) acts {
	return acts{CanOpen: m.PixelURL != "", CanReply: m.GrantID != "", People: people, Machines: machines}
}

// maxForm is more than the form of a button, in bytes.
const maxForm = 4 << 10

// act does what a button says. It then shows the message in the view that does not count, so
// that a browser without scripts adds no open of its own.
func (h handler) act(w http.ResponseWriter, r *http.Request) {
	m, ok := h.server.Message(r.PathValue("message"))
	if !ok {
		h.missing(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	as, do := viewer(&m, r.PostForm.Get(asParam)), r.PostForm.Get("do")
	back := url.Values{asParam: {as}, viewParam: {untracked}}
	if err != nil {
		h.show(w, r, &m, back, http.StatusBadRequest, result{Text: "The form could not be read.", Failed: true})
		return
	}
	n, err := h.perform(r.Context(), &m, as, do, r.PostForm.Get("link"))
	if err != nil {
		h.show(w, r, &m, back, http.StatusUnprocessableEntity, result{Text: explain(do, &m, err), Failed: true})
		return
	}
	back.Set(didParam, do)
	back.Set(eventsParam, strconv.Itoa(n))
	http.Redirect(w, r, messagesPath+m.ID+"?"+back.Encode(), http.StatusSeeOther)
}

var errUnknownAct = errors.New("there is no such button")

// perform does an act and returns how many events it was.
func (h handler) perform(ctx context.Context, m *nylastest.Message, as, do, link string) (int, error) {
	if p, ok := presetNamed(do); ok {
		happened, err := h.server.ReceiveAtOnce(ctx, m.ID, p.behaviour)
		return len(happened), err
	}
	recipient, err := h.server.Recipient(m.ID)
	if err != nil {
		return 0, err
	}
	recipient = recipient.WithAddress(as)
	switch do {
	case actOpen:
		err = recipient.Open(ctx)
	case actClick:
		index, bad := strconv.Atoi(link)
		if bad != nil {
			return 0, errUnknownAct
		}
		_, err = recipient.Click(ctx, index)
	case actReply:
		_, err = recipient.Reply(ctx)
	case actAutoReply:
		_, err = recipient.AutoReply(ctx)
	case actBounce:
		err = recipient.Bounce(ctx, "")
	case actComplain:
		err = recipient.Complain(ctx)
	default:
		err = errUnknownAct
	}
	return 1, err
}

// explain says why an act failed.
func explain(do string, m *nylastest.Message, err error) string {
	if do == actComplain && m.GrantID != "" {
		return "Not possible: Nylas learns of complaints about the mail of Agent Accounts and Transactional sends only."
	}
	return "Not possible: " + err.Error() + "."
}

// didResult says what the redirect of act reports. It shows nothing that is not a button's.
func didResult(query url.Values) result {
	do := query.Get(didParam)
	n, err := strconv.Atoi(query.Get(eventsParam))
	if err != nil {
		return result{}
	}
	if p, ok := presetNamed(do); ok {
		return result{Text: p.Title + ": " + page.Counted(n, "event", "events") + "."}
	}
	switch do {
	case actOpen:
		return result{Text: "Opened."}
	case actClick:
		return result{Text: "Followed the link."}
	case actReply:
		return result{Text: "Replied."}
	case actAutoReply:
		return result{Text: "Replied automatically."}
	case actBounce:
		return result{Text: "Bounced."}
	case actComplain:
		return result{Text: "Reported as spam."}
	default:
		return result{}
	}
}
