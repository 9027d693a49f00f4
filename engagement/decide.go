package engagement

import (
	"strconv"
	"time"
)

// The codes of reasons that do not come from [Rules].
const (
	CodeOwnNetwork      = "own-network"       // the request came from a network of the sender
	CodeNetwork         = "network"           // the network of the request counts
	CodeTimeUnknown     = "time-unknown"      // the time since the send would decide, and is unknown
	CodeSoonOpen        = "soon-open"         // the open came less than a minute after the send
	CodeSoonClick       = "soon-click"        // the click came seconds after the send
	CodeLinksAtOnce     = "links-at-once"     // more links than seconds
	CodeLinkBurst       = "link-burst"        // three or more different links within 3 seconds
	CodeAllLinks        = "all-links"         // nearly all links within a minute
	CodeActivityBurst   = "activity-burst"    // more than two activities within a second
	CodeMachineSource   = "machine-source"    // a machine followed links from the same address
	CodeTwinClick       = "twin-click"        // the same link from two networks
	CodeHidesOpen       = "hides-open"        // a real open right after may be invisible
	CodeUnknownAgent    = "unknown-agent"     // the user agent is in no list
	CodeUnknownKind     = "unknown-kind"      // the event is no open, click or reply
	CodeReply           = "reply"             // somebody wrote an answer
	CodeReplyFromSelf   = "reply-from-self"   // the sender wrote the reply
	CodeAutoReply       = "auto-reply"        // the headers say that a program wrote the reply
	CodeHeadersUnknown  = "headers-unknown"   // the headers of the reply are not known
	CodeClientInScanner = "client-in-scanner" // a mail client in the network of a mail filter
)

// surroundings is what the other events of the message say of one event. The zero value
// says nothing.
type surroundings struct {
	settles       time.Time     // when the context is complete
	since         time.Duration // since the send
	sinceKnown    bool
	links         int  // different links within burstWindow of it, if that is a burst
	atOnce        bool // more links than seconds
	allLinks      bool
	activities    int  // within a second, if more than two
	twin          bool // the same link was clicked from another network
	machineSource bool // of an open: a machine followed links from there
	bothHuman     bool // and neither of the two is known to be a machine
}

// finding is what an event is by itself.
type finding struct {
	kind      Kind
	mechanism MechanismRule
	agent     *compiledAgent // nil if no rule knows the user agent
	certainty Confidence
	network   *NetworkRule // nil if the address is in no list
	name      string       // of the network
	own       bool
}

// identify finds the mechanism and the network of an event.
func (c *Classifier) identify(e *Event) finding {
	f := finding{kind: e.Kind}
	if e.Kind != Open && e.Kind != Click {
		return f
	}
	network := noNetwork
	switch i, stored := c.byName[e.Network]; {
	case whole(e.IP.Unmap()):
		network = c.networkOf(e.IP) // by today's lists
	case e.Network == OwnNetwork:
		network = ownValue
	case stored:
		network = i
	case e.IP.IsValid() && e.Network != OtherNetwork:
		network = c.networkOf(e.IP)
	}
	switch {
	case network == ownValue:
		f.own, f.name = true, OwnNetwork
	case network >= 0:
		f.network, f.name = &c.rules[network], c.rules[network].Name
	case e.IP.IsValid() || e.Network != "":
		f.name = OtherNetwork
	}
	f.agent = c.agents.match(e.UserAgent, e.Kind)
	if f.agent == nil {
		f.mechanism = c.mechanisms[UnknownAgent]
		return f
	}
	f.mechanism, f.certainty = c.mechanisms[f.agent.Mechanism], f.agent.Certainty
	for _, name := range f.agent.ConfirmedBy {
		if name == f.name && f.certainty < Certain {
			f.certainty++
			break
		}
	}
	return f
}

func (m MechanismRule) judge(kind Kind) Judgement {
	if kind == Click {
		return m.Click
	}
	return m.Open
}

// decide judges an event.
func (c *Classifier) decide(e *Event, f *finding, around *surroundings) Verdict {
	v := Verdict{Network: f.name, Rules: c.date}
	switch {
	case e.Kind == Reply:
		v.judgeReply(e)
		return v
	case e.Kind != Open && e.Kind != Click:
		v.Mechanism = UnknownAgent
		v.because(CodeUnknownKind, "The event is no open, no click and no reply.")
		return v
	}
	judgement := f.mechanism.judge(e.Kind)
	v.Mechanism, v.Proxied, v.Prefetched = f.mechanism.Name, f.mechanism.Proxied, f.mechanism.Prefetched
	v.Actor, v.Confidence = judgement.Actor, min(f.certainty, judgement.Limit)
	v.Reasons = make([]Reason, 0, 4)
	if f.agent != nil {
		v.Vendor = f.agent.Vendor
		v.because(f.agent.Code, f.agent.Why)
	} else {
		v.because(CodeUnknownAgent, "The user agent is in no list.")
	}
	switch {
	case f.own:
		v.Actor, v.Confidence, v.Proxied = Self, High, No
		v.first(CodeOwnNetwork, "The request came from a network of the sender.")
	default:
		if f.network != nil {
			c.weighNetwork(&v, f, around)
		}
		c.weighTime(&v, e.Kind, around)
	}
	if e.Kind == Open && v.Actor != Human {
		v.Hides = hides
		if v.Actor == Machine || v.Actor == Self {
			v.because(CodeHidesOpen, "Nylas counts several loads within a minute as one, so a real open right after this one may be invisible.")
		}
	}
	if v.Actor == Human {
		v.Confidence = min(v.Confidence, High) // a person is never certain
	}
	if v.Actor != Self && (v.Actor != Machine || v.Confidence < High) {
		v.ProvisionalUntil = around.settles
	}
	return v
}

func (v *Verdict) because(code, text string) {
	v.Reasons = append(v.Reasons, Reason{Code: code, Text: text})
}

// first adds a reason that is more important than the others.
func (v *Verdict) first(code, text string) {
	v.Reasons = append(v.Reasons, Reason{})
	copy(v.Reasons[1:], v.Reasons)
	v.Reasons[0] = Reason{Code: code, Text: text}
}

func (v *Verdict) set(actor Actor, confidence Confidence) {
	v.Actor, v.Confidence = actor, confidence
}

// weighNetwork changes a verdict by what the network of the request is.
func (c *Classifier) weighNetwork(v *Verdict, f *finding, around *surroundings) {
	network := f.network
	if network.Proxied != Unknown && v.Proxied == Unknown {
		v.Proxied = network.Proxied
	}
	switch v.Mechanism {
	case Outlook, MailClient:
		// No agent of a mail client makes a machine, but a filter has no readers.
		if network.Scope == AllKinds {
			v.first(CodeClientInScanner, "The user agent is a mail client's, but the network is one that scans mail.")
			v.set(Indeterminate, Low)
		}
		return
	case Browser, NoAgent, AppRuntime, UnknownAgent, AppleMPP:
	default:
		return // the agent says enough
	}
	switch {
	case network.Scope == AllKinds && network.Certainty >= High:
		c.callMachine(v, network, network.Certainty)
	case network.Scope == AllKinds && f.kind == Open:
		c.callMachine(v, network, Medium)
	case network.Scope == AllKinds && (around.hasty(c) || v.Actor == Machine):
		c.callMachine(v, network, Medium)
	case network.Scope == AllKinds:
		v.first(CodeNetwork, network.Why)
		switch {
		case v.Mechanism != Browser: // no sign of a person at all
			v.set(Indeterminate, Low)
			return
		case around.sinceKnown:
			v.set(Human, Low)
			return
		}
		v.set(Indeterminate, Low)
		v.because(CodeTimeUnknown, "Whether it came with the delivery is not known.")
	case network.Scope == ClicksOnly && f.kind == Open:
		v.first(CodeNetwork, network.Why)
		v.set(Indeterminate, Low)
	case network.Scope == ClicksOnly && network.Certainty >= High, network.Scope == ClicksOnly && around.hasty(c):
		c.callMachine(v, network, min(network.Certainty, High))
	case network.Scope == ClicksOnly && v.Actor != Machine:
		v.first(CodeNetwork, network.Why)
		v.set(Indeterminate, Low)
	case network.Mechanism != "" && f.kind == Open && v.Mechanism == Browser:
		rule := c.mechanisms[network.Mechanism]
		v.Mechanism, v.Vendor, v.Prefetched = rule.Name, network.Vendor, rule.Prefetched
		v.set(rule.Open.Actor, min(rule.Open.Limit, Medium))
		v.first(CodeNetwork, network.Why)
	default:
		v.because(CodeNetwork, network.Why)
	}
}

func (c *Classifier) callMachine(v *Verdict, network *NetworkRule, confidence Confidence) {
	rule := c.mechanisms[network.Mechanism]
	v.Mechanism, v.Vendor, v.Prefetched = rule.Name, network.Vendor, rule.Prefetched
	v.set(Machine, confidence)
	v.first(CodeNetwork, network.Why)
}

// hasty reports whether the time of a click looks like a machine's.
func (s *surroundings) hasty(c *Classifier) bool {
	return s.soon(c) || s.bursts() || s.activities > 0
}

func (s *surroundings) soon(c *Classifier) bool {
	// A clock that is a little wrong makes the time since the send negative.
	return s.sinceKnown && s.since < c.clickDelay && s.since > -c.clickDelay
}

// byMachine reports whether the times of the clicks alone say that no person made one.
func (s *surroundings) byMachine(c *Classifier) bool {
	return s.atOnce || s.soon(c) && s.bursts()
}

func (s *surroundings) bursts() bool { return s.links > 0 || s.atOnce || s.allLinks }

// weighTime changes a verdict by when the event came.
func (c *Classifier) weighTime(v *Verdict, kind Kind, around *surroundings) {
	if v.Actor == Machine && v.Confidence >= High {
		return // its agent or its network says enough
	}
	if kind == Open {
		c.weighOpenTime(v, around)
		return
	}
	soon := around.soon(c)
	if soon {
		v.because(CodeSoonClick, "The click came "+inSeconds(around.since)+" after the send, which is soon for a person.")
	}
	if around.links > 0 {
		v.because(CodeLinkBurst, strconv.Itoa(around.links)+" different links were followed within 3 seconds.")
	}
	if around.allLinks {
		v.because(CodeAllLinks, "Nearly all links were followed within a minute.")
	}
	if around.activities > 0 {
		v.because(CodeActivityBurst, strconv.Itoa(around.activities)+" opens and clicks came within a second.")
	}
	if around.twin {
		v.because(CodeTwinClick, "The same link was followed from two networks within seconds: one of the two is probably a scanner, and the other a person.")
	}
	if around.atOnce {
		v.first(CodeLinksAtOnce, "More links were followed than seconds passed, and people are not that fast.")
	}
	switch {
	case v.Actor == Machine:
		if soon || around.bursts() {
			v.Confidence = max(v.Confidence, Medium)
		}
	case v.Actor != Human:
	case (v.Mechanism == Outlook || v.Mechanism == MailClient) && around.byMachine(c):
		v.set(Indeterminate, Low)
	case around.byMachine(c):
		v.set(Machine, Medium)
	case soon || around.bursts() || around.activities > 0 || around.bothHuman:
		v.Confidence = Low
	}
}

func (c *Classifier) weighOpenTime(v *Verdict, around *surroundings) {
	if v.Mechanism != Browser {
		return
	}
	if around.machineSource && v.Actor == Human {
		v.first(CodeMachineSource, "The same address and user agent followed links at that time, faster than a person does.")
		v.set(Machine, Medium)
	}
	if around.sinceKnown && around.since < openDelay && around.since > -openDelay {
		v.because(CodeSoonOpen, "The open came "+inSeconds(around.since)+" after the send, when scanners come too.")
		v.doubt()
	}
	if around.activities > 0 {
		v.because(CodeActivityBurst, strconv.Itoa(around.activities)+" opens and clicks came within a second.")
		v.doubt()
	}
}

// doubt makes a verdict for a person the weakest.
func (v *Verdict) doubt() {
	if v.Actor == Human {
		v.Confidence = Low
	}
}

func inSeconds(d time.Duration) string {
	n := max(int(d/time.Second), 0)
	if n == 1 {
		return "1 second"
	}
	return strconv.Itoa(n) + " seconds"
}
