package nylastest

import "time"

// The names of what makes requests, as in package engagement.
const (
	mechanismBrowser   = "browser"
	mechanismClient    = "mail-client"
	mechanismOutlook   = "outlook"
	mechanismApple     = "apple-mpp"
	mechanismGmail     = "gmail-proxy"
	mechanismPrefetch  = "gmail-prefetch"
	mechanismYahoo     = "yahoo-proxy"
	mechanismScanner   = "security-scanner"
	mechanismPreview   = "link-preview"
	mechanismReply     = "reply"
	mechanismAutoReply = "auto-reply"
)

// Browser returns a person who reads mail in the browser of a computer: the message is opened
// minutes to days after it came, and a link is followed. With a seed, the person may also
// follow no link or several of them, some in quick succession, answer, or read the message
// again.
func Browser() Behaviour {
	return Behaviour{name: "browser", play: func(s *story) {
		v := visitor{ByPerson, mechanismBrowser, s.address(homes), pick(s, browserAgents...)}
		s.reads(s.whenRead(), v, v)
	}}
}

// Phone returns a person who reads mail on a phone whose mail client loads images itself. The
// client opens the message, and links open in a browser. With a seed, the browser may act from
// another address than the client, such as one of iCloud Private Relay.
func Phone() Behaviour {
	return Behaviour{name: "phone", play: func(s *story) {
		client := visitor{ByPerson, mechanismClient, s.address(homes), pick(s, appleMailAgents...)}
		browser := visitor{ByPerson, mechanismBrowser, client.ip, pick(s, phoneAgents...)}
		if s.chance(0.4) {
			browser.ip = s.address(pick(s, homes, appleEgress))
		}
		s.reads(s.whenRead(), client, browser)
	}}
}

// Outlook returns a person who reads mail in Outlook on a computer. Links open in a browser,
// from the same address.
func Outlook() Behaviour {
	return Behaviour{name: "outlook", play: func(s *story) {
		client := visitor{ByPerson, mechanismOutlook, s.address(homes), pick(s, outlookAgents...)}
		browser := visitor{ByPerson, mechanismBrowser, client.ip, pick(s, browserAgents...)}
		s.reads(s.whenRead(), client, browser)
	}}
}

// AppleMail returns a person who reads mail with Apple's Mail Privacy Protection. Apple loads
// the images, up to 18 hours after the message came and whether or not it is read; nothing
// loads them again when the person reads. The person follows a link. With a seed, the person
// may do nothing, or the images are loaded only when the message is read. Nothing that Nylas
// notifies tells these apart.
//
// https://wordtothewise.com/2021/09/apple-mpp-reporting-and-geolocation/
func AppleMail() Behaviour {
	return Behaviour{name: "apple-mail", play: func(s *story) {
		proxy := visitor{ByMachine, mechanismApple, s.address(appleEgress), privacyAgent}
		browser := visitor{ByPerson, mechanismBrowser, s.address(pick(s, homes, appleEgress)), pick(s, phoneAgents[:1]...)}
		loaded := s.between(time.Minute, 18*time.Hour)
		if pick(s, false, false, false, false, true) {
			proxy.cause = ByPerson
			s.open(loaded, proxy)
			s.follows(loaded, browser)
			return
		}
		s.open(loaded, proxy)
		if s.chance(0.5) {
			s.follows(loaded+s.whenRead(), browser)
		}
	}}
}

// Gmail returns a person who reads mail in Gmail. Google's proxy loads the images when the
// message is shown. Links open in a browser. When the person reads the message again, the
// images come from Google's cache; with a seed, the proxy may load them once more.
//
// https://www.sparkpost.com/blog/gmail-prefetching-images/
func Gmail() Behaviour {
	return Behaviour{name: "gmail", play: func(s *story) { s.gmail(s.whenRead()) }}
}

// GmailPrefetch is [Gmail] with the mailbox open in a browser when the message comes: Gmail
// loads the images at once, and the proxy loads them when the message is shown. With a seed,
// it may also be never shown.
func GmailPrefetch() Behaviour {
	return Behaviour{name: "gmail-prefetch", play: func(s *story) {
		prefetch := visitor{ByMachine, mechanismPrefetch, s.address(googleProxies), prefetchAgent}
		fetched := s.between(2*time.Second, time.Minute)
		s.open(fetched, prefetch)
		if s.chance(0.7) {
			s.gmail(fetched + s.between(4*time.Second, day))
		}
	}}
}

func (s *story) gmail(read time.Duration) {
	proxy := visitor{ByPerson, mechanismGmail, s.address(googleProxies), gmailAgent}
	browser := visitor{ByPerson, mechanismBrowser, s.address(homes), pick(s, browserAgents...)}
	s.open(read, proxy)
	s.follows(read, browser)
	s.answers(read)
	if s.chance(0.15) {
		s.open(read+s.between(time.Hour, 3*day), proxy)
	}
}

// Yahoo returns a person who reads mail in Yahoo Mail, whose proxy loads the images. Links
// open in a browser.
func Yahoo() Behaviour {
	return Behaviour{name: "yahoo", play: func(s *story) {
		proxy := visitor{ByPerson, mechanismYahoo, s.address(yahooProxies), yahooAgent}
		browser := visitor{ByPerson, mechanismBrowser, s.address(homes), pick(s, browserAgents...)}
		s.reads(s.whenRead(), proxy, browser)
	}}
}

// Forwarded returns what happens after the message was forwarded to somebody with this
// behaviour: the same, up to two days later. Nylas cannot tell it from what the first
// recipient does. Replies do not happen, because they come to the one who forwarded.
func Forwarded(to Behaviour) Behaviour {
	return Behaviour{name: forwardedPrefix + to.name, seed: to.seed, play: func(s *story) {
		forwarded := s.between(time.Hour, 2*day)
		to.seed = s.seed
		for _, a := range to.acts(s.message) {
			if a.Kind != kindReply {
				a.after += forwarded
				s.acts = append(s.acts, a)
			}
		}
	}}
}

// Sender returns the sender of the message, who looks at it in the folder of sent mail, from
// an address in [SenderNetwork]. With a seed, he may also follow a link or write a second
// message in the same thread.
func Sender() Behaviour {
	return Behaviour{name: "sender", play: func(s *story) {
		v := visitor{BySender, mechanismBrowser, s.address([]string{senderNetwork}), pick(s, browserAgents...)}
		looks := s.between(5*time.Second, day)
		s.open(looks, v)
		if s.chance(0.3) {
			s.clicks(looks+s.between(2*time.Second, time.Minute), v, 1)
		}
		if s.chance(0.2) {
			s.reply(looks+s.between(time.Minute, day), BySender)
		}
	}}
}

// whenRead returns when a person reads a message, after it came. Some see it come.
func (s *story) whenRead() time.Duration { return s.between(5*time.Second, 3*day) }

// reads lets a person read a message.
func (s *story) reads(read time.Duration, client, browser visitor) {
	s.open(read, client)
	s.follows(read, browser)
	s.answers(read)
	if s.chance(0.3) {
		again := read + s.between(time.Hour, 3*day)
		s.open(again, client)
		if s.chance(0.3) {
			s.follows(again, browser)
		}
	}
}

// follows lets a person follow links of a message, after it was opened.
func (s *story) follows(read time.Duration, browser visitor) {
	if !s.chance(0.6) {
		return
	}
	first := read + s.between(3*time.Second, 5*time.Minute)
	switch {
	case s.chance(0.05): // each in a tab of its own, to be read afterwards
		s.clicks(first, browser, 3)
	case s.chance(0.25):
		s.clicks(first, browser, 2)
	default:
		s.clicks(first, browser, 1)
	}
}

// clicks follows up to count links, with the time of a person between them. A quick one needs
// most of a second to get from one link to the next.
func (s *story) clicks(at time.Duration, browser visitor, count int) {
	links := s.shuffled()
	for _, link := range links[:min(count, len(links))] {
		s.click(at, browser, link)
		at += s.between(800*time.Millisecond, time.Minute)
	}
}

// answers lets a person answer, after the message was opened.
func (s *story) answers(read time.Duration) {
	if s.chance(0.2) {
		s.reply(read+s.between(time.Minute, 4*time.Hour), ByPerson)
	}
}
