package engagement_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

const (
	chrome   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	safari   = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15"
	prefetch = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
	gmail    = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
	outlook  = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)"

	home       = "203.0.113.7" // in no list
	office     = "198.51.100.4"
	appleIP    = "172.225.12.34"
	googleIP   = "66.249.84.5"
	protection = "104.47.30.126" // Microsoft's mail filter
	barracuda  = "209.222.82.9"
	azure      = "20.72.100.79" // by ASN only
	proofpoint = "192.0.2.44"   // by ASN only
	zscaler    = "192.0.2.99"   // by ASN only
	mailRu     = "188.93.56.20"
)

var sentAt = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// asn is a lookup such as a program makes from a list of its own.
func asn(ip netip.Addr) (uint32, bool) {
	n, ok := map[string]uint32{azure: 8075, proofpoint: 26211, zscaler: 22616, home: 64496}[ip.String()]
	return n, ok
}

func newClassifier(t *testing.T, opts ...engagement.ClassifierOption) *engagement.Classifier {
	t.Helper()
	c, err := engagement.NewClassifier(append([]engagement.ClassifierOption{
		engagement.WithASN(asn), engagement.WithOwnNetworks(netip.MustParsePrefix("198.51.100.0/24")),
	}, opts...)...)
	require.NoError(t, err)
	return c
}

func open(agent, ip string, after time.Duration) engagement.Event {
	e := engagement.Event{Kind: engagement.Open, Time: sentAt.Add(after), UserAgent: agent, LinkIndex: -1}
	if ip != "" {
		e.IP = netip.MustParseAddr(ip)
	}
	return e
}

func click(agent, ip string, link int, after time.Duration) engagement.Event {
	e := open(agent, ip, after)
	e.Kind, e.LinkIndex = engagement.Click, link
	return e
}

// The table says what can be said of each mechanism; the numbers of the second half say
// how long after the send the event came.
func TestEachMechanismHasItsVerdict(t *testing.T) {
	t.Parallel()
	const (
		isOpen, isClick = engagement.Open, engagement.Click
		person, machine = engagement.Human, engagement.Machine
		nobody, self    = engagement.Indeterminate, engagement.Self
		low, medium     = engagement.Low, engagement.Medium
		high, certain   = engagement.High, engagement.Certain
	)
	hour := time.Hour
	c := newClassifier(t)
	for name, row := range map[string]struct {
		kind       engagement.Kind
		agent, ip  string
		after      time.Duration
		mechanism  engagement.Mechanism
		actor      engagement.Actor
		confidence engagement.Confidence
	}{
		"Apple's proxy from Apple":              {isOpen, "Mozilla/5.0", appleIP, hour, "apple-mpp", nobody, high},
		"Apple's proxy from anywhere":           {isOpen, "Mozilla/5.0", home, hour, "apple-mpp", nobody, medium},
		"Apple's proxy at once":                 {isOpen, "Mozilla/5.0", appleIP, time.Second, "apple-mpp", nobody, high},
		"Apple's proxy from a cloud":            {isOpen, "Mozilla/5.0", azure, hour, "apple-mpp", nobody, low},
		"Apple's agent on a click":              {isClick, "Mozilla/5.0", appleIP, hour, "program", machine, medium},
		"Gmail's prefetch from Google":          {isOpen, prefetch, googleIP, 25 * time.Second, "gmail-prefetch", machine, certain},
		"Gmail's prefetch alone":                {isOpen, prefetch, "", hour, "gmail-prefetch", machine, high},
		"Gmail's prefetch on a click":           {isClick, prefetch, googleIP, hour, "gmail-prefetch", machine, high},
		"Gmail's proxy":                         {isOpen, gmail, googleIP, hour, "gmail-proxy", person, medium},
		"Gmail's proxy 30 s after the send":     {isOpen, gmail, googleIP, 30 * time.Second, "gmail-proxy", person, medium},
		"Gmail's proxy on a click":              {isClick, gmail, googleIP, hour, "gmail-proxy", machine, medium},
		"Yahoo's proxy":                         {isOpen, "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", home, hour, "yahoo-proxy", person, low},
		"Yahoo's proxy on a click":              {isClick, "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", home, hour, "yahoo-proxy", machine, medium},
		"another proxy":                         {isOpen, "SeznamEmailProxy/3.0.2", home, hour, "mail-proxy", person, low},
		"another proxy on a click":              {isClick, "FastmailUA/1.0", home, hour, "mail-proxy", machine, medium},
		"Mail.ru's images":                      {isOpen, chrome, mailRu, hour, "mail-proxy", person, low},
		"Outlook on a desktop":                  {isOpen, outlook, home, hour, "outlook", person, medium},
		"Outlook at once":                       {isOpen, outlook, home, time.Second, "outlook", person, medium},
		"Outlook in Microsoft's cloud":          {isOpen, outlook, azure, hour, "outlook", person, medium},
		"Outlook on a phone":                    {isOpen, "Outlook-iOS/711.3061168.prod.iphone", home, hour, "outlook", person, medium},
		"Outlook on Android":                    {isOpen, "Outlook-Android/2.0", home, hour, "outlook", person, medium},
		"the new Outlook":                       {isOpen, chrome + " Edg/136.0.0.0 OneOutlook/1.2025.516.400", home, hour, "outlook", person, medium},
		"the new Outlook on a click":            {isClick, chrome + " Edg/136.0.0.0 OneOutlook/1.2025.516.400", home, hour, "outlook", person, low},
		"Outlook on a click":                    {isClick, outlook, home, hour, "outlook", person, low},
		"a mail client":                         {isOpen, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.4.0", home, hour, "mail-client", person, medium},
		"Apple Mail without the proxy":          {isOpen, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", home, hour, "mail-client", person, medium},
		"a mail client on a click":              {isClick, "eMClient/9.3.6041.0", home, hour, "mail-client", person, low},
		"a browser":                             {isOpen, chrome, home, hour, "browser", person, medium},
		"a browser 59 s after the send":         {isOpen, chrome, home, 59 * time.Second, "browser", person, low},
		"a browser 60 s after the send":         {isOpen, chrome, home, time.Minute, "browser", person, medium},
		"a browser's click":                     {isClick, chrome, home, hour, "browser", person, medium},
		"a browser's click after 9 s":           {isClick, chrome, home, 9 * time.Second, "browser", person, low},
		"a browser's click after 10 s":          {isClick, chrome, home, 10 * time.Second, "browser", person, medium},
		"Microsoft's filter opens":              {isOpen, chrome, protection, hour, "security-scanner", machine, high},
		"Microsoft's filter clicks":             {isClick, chrome, protection, hour, "security-scanner", machine, high},
		"Microsoft's filter without an agent":   {isClick, "", protection, hour, "security-scanner", machine, high},
		"Microsoft's filter, mapped address":    {isClick, chrome, "::ffff:" + protection, hour, "security-scanner", machine, high},
		"Barracuda opens":                       {isOpen, safari, barracuda, hour, "security-scanner", machine, high},
		"Barracuda clicks":                      {isClick, safari, barracuda, hour, "security-scanner", machine, high},
		"Microsoft's cloud opens":               {isOpen, chrome, azure, hour, "browser", nobody, low},
		"Microsoft's cloud clicks later":        {isClick, chrome, azure, hour, "browser", nobody, low},
		"Microsoft's cloud clicks at once":      {isClick, chrome, azure, 5 * time.Second, "security-scanner", machine, medium},
		"Google's network opens":                {isOpen, chrome, googleIP, hour, "browser", nobody, low},
		"Google's network clicks later":         {isClick, chrome, googleIP, hour, "browser", nobody, low},
		"Google's network clicks at once":       {isClick, chrome, googleIP, 5 * time.Second, "security-scanner", machine, medium},
		"Google's crawler":                      {isClick, chrome, "66.249.66.1", hour, "robot", machine, high},
		"Proofpoint opens":                      {isOpen, chrome, proofpoint, hour, "security-scanner", machine, medium},
		"Proofpoint clicks at once":             {isClick, chrome, proofpoint, 5 * time.Second, "security-scanner", machine, medium},
		"Proofpoint clicks later":               {isClick, chrome, proofpoint, hour, "browser", person, low},
		"Proofpoint with an unknown agent":      {isClick, "Frobnicator 7", proofpoint, hour, "unknown-agent", nobody, low},
		"a gateway that people browse through":  {isClick, chrome, zscaler, hour, "browser", person, medium},
		"Private Relay opens":                   {isOpen, safari, appleIP, hour, "browser", person, medium},
		"Private Relay clicks":                  {isClick, safari, "2606:54c0:1:2::3", hour, "browser", person, medium},
		"a scanner":                             {isOpen, "Barracuda Sentinel (EE)", home, hour, "security-scanner", machine, certain},
		"a scanner's click":                     {isClick, "Barracuda Sentinel (EE)", home, hour, "security-scanner", machine, certain},
		"a preview":                             {isClick, "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", home, hour, "link-preview", machine, high},
		"a program":                             {isOpen, "python-requests/2.32.3", home, hour, "program", machine, high},
		"a program's click":                     {isClick, "Go-http-client/2.0", home, hour, "program", machine, high},
		"a robot":                               {isClick, "Mozilla/5.0 (compatible; Example/1.0; +https://example.org/about)", home, hour, "robot", machine, high},
		"the system of a device":                {isOpen, "News/1 CFNetwork/1568.200.51 Darwin/24.1.0", home, hour, "app-runtime", nobody, low},
		"the system of a device on a click":     {isClick, "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A)", home, hour, "app-runtime", machine, low},
		"no agent":                              {isOpen, " ", home, hour, "no-agent", nobody, low},
		"no agent on a click":                   {isClick, "", home, hour, "no-agent", machine, low},
		"an agent in no list":                   {isOpen, "Frobnicator 7", home, hour, "unknown-agent", nobody, low},
		"the sender opens":                      {isOpen, chrome, office, hour, "browser", self, high},
		"the sender clicks with a program":      {isClick, "curl/8.11.0", office, hour, "program", self, high},
		"the sender, mapped address":            {isOpen, chrome, "::ffff:" + office, hour, "browser", self, high},
		"an address that Microsoft has besides": {isClick, chrome, "104.47.128.1", hour, "browser", person, medium},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(row.agent, row.ip, row.after)
			if row.kind == engagement.Click {
				e = click(row.agent, row.ip, 0, row.after)
			}
			s := c.Message(engagement.Sent{At: sentAt, Links: []string{"https://a.test/"}, Recipients: 1}, []engagement.Event{e})
			v := s.Verdicts[0]
			assert.Equal(t, row.mechanism, v.Mechanism)
			assert.Equal(t, row.actor, v.Actor, engagement.Sentences(v.Reasons))
			assert.Equal(t, row.confidence, v.Confidence, engagement.Sentences(v.Reasons))
			for _, reason := range v.Reasons {
				assert.NotEmpty(t, reason.Code)
				assert.Regexp(t, `^[A-Z0-9].*\.$`, reason.String(), "a reason is a sentence")
			}
			assert.NotEmpty(t, v.Reasons)
			assert.Equal(t, c.Rules(), v.Rules)
		})
	}
}

func TestRepliesHaveTheirVerdict(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	v := c.Event(engagement.Event{Kind: engagement.Reply})
	assert.Equal(t, "reply: human (high)", v.String())
	assert.True(t, v.Has(engagement.CodeHeadersUnknown))

	v = c.Event(engagement.Event{Kind: engagement.Reply, Automatic: engagement.No})
	assert.Equal(t, "reply: human (high)", v.String())
	assert.False(t, v.Has(engagement.CodeHeadersUnknown))

	v = c.Event(engagement.Event{Kind: engagement.Reply, Automatic: engagement.Yes})
	assert.Equal(t, "auto-reply: machine (high)", v.String())

	v = c.Event(engagement.Event{Kind: engagement.Reply, FromSelf: true})
	assert.Equal(t, engagement.Self, v.Actor)
	assert.True(t, v.Has(engagement.CodeReplyFromSelf))
}

// The headers of the reply tell whether a program wrote it, if they are those that came.
func TestTheHeadersOfAReply(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for name, test := range map[string]struct {
		header map[string][]string
		want   engagement.Answer
		actor  engagement.Actor
	}{
		"an absence notice":          {map[string][]string{"Received": {"from mx.test"}, "auto-submitted": {"auto-replied"}}, engagement.Yes, engagement.Machine},
		"one of an old server":       {map[string][]string{"X-Autoreply": {"yes"}}, engagement.Yes, engagement.Machine},
		"a bounce":                   {map[string][]string{"Content-Type": {"multipart/report; report-type=delivery-status"}}, engagement.Yes, engagement.Machine},
		"a person's":                 {map[string][]string{"Received": {"from mx.test"}, "Subject": {"Re: hello"}}, engagement.No, engagement.Human},
		"headers that Nylas made up": {map[string][]string{"Subject": {"Re: hello"}}, engagement.Unknown, engagement.Human},
		"none":                       {nil, engagement.Unknown, engagement.Human},
	} {
		automatic := engagement.AutomaticReply(test.header)
		assert.Equal(t, test.want, automatic, name)
		v := c.Event(engagement.Event{Kind: engagement.Reply, Automatic: automatic})
		assert.Equal(t, test.actor, v.Actor, name)
		assert.Equal(t, test.want == engagement.Unknown, v.Has(engagement.CodeHeadersUnknown), name)
	}
}

// Without the time of the send the classifier says so, and guesses nothing.
func TestWhatOnlyTimeDecidesIsIndeterminateWithoutIt(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	v := c.Event(click(chrome, proofpoint, 0, time.Second))
	assert.Equal(t, engagement.Indeterminate, v.Actor)
	assert.True(t, v.Has(engagement.CodeTimeUnknown))
	assert.Equal(t, engagement.Human, c.Event(click(chrome, home, 0, time.Second)).Actor)
	assert.Equal(t, engagement.Indeterminate, c.Event(engagement.Event{Kind: "other"}).Actor)
	assert.NotEmpty(t, c.Event(engagement.Event{}).Reasons)
}

func TestAVerdictSaysWhatElseIsKnown(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)

	v := c.Event(open(prefetch, googleIP, time.Hour))
	assert.Equal(t, "Google", v.Vendor)
	assert.Equal(t, "google", v.Network)
	assert.Equal(t, engagement.Yes, v.Prefetched)
	assert.Equal(t, engagement.Yes, v.Proxied)
	assert.Equal(t, time.Minute, v.Hides, "Nylas counts one open a minute")
	assert.True(t, v.Has(engagement.CodeHidesOpen))
	assert.Zero(t, v.ProvisionalUntil, "no other event makes it a person's")

	v = c.Event(open(gmail, googleIP, time.Hour))
	assert.Equal(t, engagement.No, v.Prefetched)
	assert.Zero(t, v.Hides, "it hides no better open")

	v = c.Event(open("Mozilla/5.0", appleIP, time.Hour))
	assert.Equal(t, "Apple", v.Vendor)
	assert.Equal(t, engagement.Unknown, v.Prefetched)
	assert.Equal(t, engagement.Yes, v.Proxied)

	v = c.Event(open(safari, appleIP, time.Hour))
	assert.Equal(t, engagement.Yes, v.Proxied, "Private Relay")
	v = c.Event(click(chrome, home, 0, time.Hour))
	assert.Equal(t, engagement.Unknown, v.Proxied)
	assert.Equal(t, sentAt.Add(time.Hour+2*time.Minute), v.ProvisionalUntil)
	assert.True(t, v.Provisional(sentAt.Add(time.Hour)))
	assert.False(t, v.Provisional(sentAt.Add(time.Hour+2*time.Minute)))

	v = c.Event(open(chrome, barracuda, time.Hour))
	assert.Equal(t, "Barracuda", v.Vendor)
	assert.Equal(t, time.Minute, v.Hides)
}
