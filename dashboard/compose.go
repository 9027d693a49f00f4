package dashboard

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/mail"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nylastrack/nylas-go"
	"github.com/nylastrack/nylas-go/internal/page"
)

// maxMailForm is the largest form for a new message, in bytes. It is our choice: a body of
// 1 MiB, each byte of which a form may write as three. Gmail cuts a mail off at 102 kB.
const maxMailForm = 3<<20 + 64<<10

// maxFormWait is how long the form for a new message may take to arrive. It is our choice: the
// largest one at 26 kB a second, which is a slow line.
const maxFormWait = 2 * time.Minute

var composeTemplate = page.MustParse(templateFiles, "templates/shared.html", "templates/compose.html")

// draft is what the form for a new message holds.
type draft struct {
	Key                                 string // the Idempotency-Key: one form sends one mail
	Sender, To, Subject, Body, Campaign string
	Opens, Links, Replies               bool
	Again                               bool // an earlier send may have sent the mail
}

// formKey is what a new draft has as its key.
var formKey = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// problems says what is wrong with a draft: with a field, or with all of it.
type problems struct{ Sender, To, Form string }

// composeView is the page of the form.
type composeView struct {
	draft
	Senders                  []Sender
	Problems                 problems
	Check                    *checked // nil before the first check
	Send, CheckPath, Preview string
	Sandbox                  string
}

// compose shows an empty form.
func (d *Dashboard) compose(w http.ResponseWriter, r *http.Request) {
	f := draft{Key: rand.Text(), Sender: d.senders[0].GrantID, Opens: true, Links: true, Replies: true}
	d.writeForm(w, r, http.StatusOK, composeView{draft: f})
}

// check shows the form with what preflight finds. The script takes the findings out of it.
func (d *Dashboard) check(w http.ResponseWriter, r *http.Request) {
	f, ok := d.readDraft(w, r)
	if !ok {
		return
	}
	req, wrong := d.request(&f)
	d.writeForm(w, r, http.StatusOK, composeView{draft: f, Problems: wrong, Check: newChecked(f.Body, nylas.CheckTracking(req))})
}

// preview shows the body of the form for a frame.
func (d *Dashboard) preview(w http.ResponseWriter, r *http.Request) {
	if f, ok := d.readDraft(w, r); ok {
		page.WriteMail(w, r, f.Body)
	}
}

func (d *Dashboard) writeForm(w http.ResponseWriter, r *http.Request, status int, view composeView) {
	view.Senders, view.Sandbox = d.senders, page.Sandbox
	view.Send, view.CheckPath, view.Preview = d.at("compose"), d.at("compose/check"), d.at("compose/preview")
	frame := d.frame(r, "New message", view)
	frame.Stream = "" // nothing in it changes
	frame.Styles, frame.Scripts = append(frame.Styles, "compose.css"), []string{"compose.js"}
	page.Write(w, r, composeTemplate, status, frame)
}

// readDraft reads the form. If it cannot, it answers and returns false.
func (d *Dashboard) readDraft(w http.ResponseWriter, r *http.Request) (draft, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxMailForm)
	// A server that is made for small requests may give less time.
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(maxFormWait)) // not every server can do it
	if err := r.ParseForm(); err != nil {
		status, text := http.StatusBadRequest, "The form could not be read. Go back and try again."
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status, text = http.StatusRequestEntityTooLarge, "The message is larger than 1 MiB. Go back: your text is still there. Make it shorter."
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			status, text = http.StatusRequestTimeout, "The message took too long to arrive. Go back: your text is still there. Try again."
			w.Header().Set("Connection", "close") // the rest of it is no request
		}
		d.notice(w, r, status, "Not sent", text)
		return draft{}, false
	}
	_ = connection.SetReadDeadline(time.Time{}) // what is done with it may take longer
	value := func(name string) string { return strings.ToValidUTF8(r.PostForm.Get(name), "\uFFFD") }
	return draft{
		Key: value("key"), Sender: value("sender"), To: value("to"), Subject: value("subject"), Campaign: value("campaign"),
		// A form has other line ends than the text area that the places of findings are for.
		Body:  strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(value("body")),
		Opens: r.PostForm.Has("opens"), Links: r.PostForm.Has("links"), Replies: r.PostForm.Has("replies"), Again: r.PostForm.Has("again"),
	}, true
}

// request returns what a draft sends, so that a check and a send look at the same.
func (d *Dashboard) request(f *draft) (*nylas.SendMessageRequest, problems) {
	var wrong problems
	req := &nylas.SendMessageRequest{Subject: f.Subject, Body: f.Body}
	if f.Opens || f.Links || f.Replies {
		req.TrackingOptions = &nylas.TrackingOptions{Opens: f.Opens, Links: f.Links, ThreadReplies: f.Replies, Label: f.Campaign}
	}
	req.To, wrong.To = addresses(f.To)
	if !slices.ContainsFunc(d.senders, func(s Sender) bool { return s.GrantID == f.Sender }) {
		wrong.Sender = "Choose one of the senders."
	}
	if !formKey.MatchString(f.Key) {
		f.Key = rand.Text()
		wrong.Form = "The form was not complete. Look at it once more, and send it again."
	}
	return req, wrong
}

// addresses reads a list of addresses, or says what is wrong with it.
func addresses(list string) (to []nylas.Participant, problem string) {
	if strings.Trim(list, ", \t") == "" {
		return nil, "Give at least one address."
	}
	parsed, err := mail.ParseAddressList(strings.Trim(list, ", \t"))
	if err != nil {
		for part := range strings.SplitSeq(list, ",") {
			if _, err := mail.ParseAddress(part); err != nil {
				return nil, "“" + strings.TrimSpace(part) + "” is not an address. Write addresses such as kim@acme.dev, with a comma between two."
			}
		}
		return nil, "This is not a list of addresses. Write addresses such as kim@acme.dev, with a comma between two."
	}
	for _, a := range parsed {
		to = append(to, nylas.Participant{Name: a.Name, Email: a.Address})
	}
	return to, ""
}
