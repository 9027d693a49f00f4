package nylastest

import "time"

// SafeLinks returns Microsoft Defender, which checks the links of a message: all of them
// within seconds, soon after the message came. With a seed, it may check one link only, or come
// hours later. It looks like a browser, and its addresses are not always those that Microsoft
// publishes for it. It does not load the pixel.
//
// https://github.com/edalzell/laravel-passwordless-login/issues/79
func SafeLinks() Behaviour {
	return Behaviour{name: "safe-links", play: func(s *story) {
		v := visitor{ByMachine, mechanismScanner, s.address(pick(s, microsoftProtection, microsoftCloud)), pick(s, safeLinksAgents...)}
		links := s.shuffled()
		if s.chance(0.3) {
			links = links[:min(1, len(links))]
		}
		s.scans(s.whenScanned(), v, links)
	}}
}

// Gateway returns a mail gateway that loads the images and follows every link of a message
// within seconds. Without a seed it is one of Barracuda. With a seed, it may also be one that
// nothing but its haste gives away: it has an unknown network and the agent of a browser.
//
// https://campus.barracuda.com/product/sentinel/doc/498468311/unwanted-link-clicks
func Gateway() Behaviour {
	return Behaviour{name: "gateway", play: func(s *story) {
		v := pick(s,
			visitor{ByMachine, mechanismScanner, s.address(barracuda), pick(s, browserAgents...)},
			visitor{ByMachine, mechanismScanner, s.address(clouds), sentinelAgent},
			visitor{ByMachine, mechanismScanner, s.address(clouds), pick(s, browserAgents...)},
		)
		at := s.whenScanned()
		s.open(at, v)
		s.scans(at, v, s.shuffled())
	}}
}

// PatientGateway returns a mail gateway that takes care to look like a person: it has an
// unknown network and the agent of a browser, and waits some seconds between two links.
// Nothing in a notification tells it from somebody who opens all links in tabs.
//
// https://www.paminga.com/docs/concepts/bot-filtering/
func PatientGateway() Behaviour {
	return Behaviour{name: "patient-gateway", play: func(s *story) {
		v := visitor{ByMachine, mechanismScanner, s.address(clouds), pick(s, browserAgents...)}
		at := s.whenScanned()
		s.open(at, v)
		for _, link := range s.shuffled() {
			at += s.between(2*time.Second, 10*time.Second)
			s.click(at, v, link)
		}
	}}
}

// LinkPreview returns a chat program or a social network into which somebody has pasted a
// link of the message: it fetches the link's page to show a preview of it.
func LinkPreview() Behaviour {
	return Behaviour{name: "link-preview", play: func(s *story) {
		v := visitor{ByMachine, mechanismPreview, s.address(clouds), pick(s, previewAgents...)}
		s.scans(s.between(time.Minute, 2*day), v, s.shuffled()[:min(1, len(s.message.Links))])
	}}
}

// OutOfOffice returns a mailbox that answers by itself within a minute, as [Recipient.AutoReply]
// does. Of a message that was sent from a domain nobody sees the answer.
func OutOfOffice() Behaviour {
	return Behaviour{name: "out-of-office", play: func(s *story) {
		s.reply(s.between(time.Second, time.Minute), ByMachine)
	}}
}

// whenScanned returns when a scanner gets at a message: when it passes, or hours later.
func (s *story) whenScanned() time.Duration {
	if s.chance(0.15) {
		return s.between(time.Hour, day)
	}
	return s.between(time.Second, 40*time.Second)
}

// scans follows links with the time of a program between them.
func (s *story) scans(at time.Duration, v visitor, links []int) {
	for _, link := range links {
		at += s.between(50*time.Millisecond, 700*time.Millisecond)
		s.click(at, v, link)
	}
}
