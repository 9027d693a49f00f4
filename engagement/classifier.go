package engagement

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	// openDelay is how soon after the send an open by a browser is doubtful.
	//
	// https://developer.nylas.com/docs/support/troubleshooting/immediate-webhook-notification/
	openDelay = time.Minute
	// defaultClickDelay is the longest of the limits for clicks that products use, but
	// for those that would take a fast reader for a machine.
	defaultClickDelay = 10 * time.Second
	// defaultSettle is how long a message must be quiet until its verdicts are final.
	defaultSettle = 2 * time.Minute
	// hides is how long Nylas counts several loads as one open.
	//
	// https://developer.nylas.com/docs/reference/notifications/message-tracking/message-opened/
	hides = time.Minute
)

// Classifier says who was probably behind an event. It judges by [Rules], by the
// networks that it knows, and by the other events of the message. It does no I/O, has no
// clock, and gives the same answer to the same question: judge stored events again
// whenever the rules are better. It is safe for concurrent use. Make one with
// [NewClassifier].
type Classifier struct {
	date       string
	agents     *agentRules
	rules      []NetworkRule // the caller keeps its own
	networks   table
	byName     map[string]int
	byASN      map[uint32]int
	mechanisms map[Mechanism]MechanismRule
	asn        func(netip.Addr) (uint32, bool)
	clickDelay time.Duration
	settle     time.Duration
}

// ClassifierOption changes how a [Classifier] works. An option that is nil is ignored.
type ClassifierOption interface {
	apply(*classifierConfig) error
}

type classifierOption func(*classifierConfig) error

func (o classifierOption) apply(c *classifierConfig) error { return o(c) }

type classifierConfig struct {
	rules      *Rules
	own        []netip.Prefix
	prefixes   map[string][]netip.Prefix
	asn        func(netip.Addr) (uint32, bool)
	clickDelay time.Duration
	settle     time.Duration
}

// WithRules replaces the built-in rules.
func WithRules(rules *Rules) ClassifierOption {
	return classifierOption(func(c *classifierConfig) error {
		if rules == nil {
			return errors.New("engagement: WithRules: the rules are nil")
		}
		c.rules = rules
		return nil
	})
}

// WithExtraRules adds rules to those that the options before it left. Its agent rules
// come first. Where a mechanism, an agent rule or a network has the name of an old one,
// it replaces that one.
func WithExtraRules(rules *Rules) ClassifierOption {
	return classifierOption(func(c *classifierConfig) error {
		if rules == nil {
			return errors.New("engagement: WithExtraRules: the rules are nil")
		}
		c.rules = c.rules.with(rules)
		return nil
	})
}

// WithOwnNetworks names the networks of the sender: their office, their VPN, their
// servers. Opens and clicks from there are [Self].
func WithOwnNetworks(prefixes ...netip.Prefix) ClassifierOption {
	return classifierOption(func(c *classifierConfig) error {
		c.own = append(c.own, prefixes...)
		return checkPrefixes("WithOwnNetworks", prefixes)
	})
}

// WithPrefixes replaces the addresses of a network of the rules, "apple-relay" for
// instance, by a list that the program loaded with [ReadPrefixes].
func WithPrefixes(network string, prefixes ...netip.Prefix) ClassifierOption {
	return classifierOption(func(c *classifierConfig) error {
		c.prefixes[network] = prefixes
		return checkPrefixes("WithPrefixes", prefixes)
	})
}

func checkPrefixes(option string, prefixes []netip.Prefix) error {
	for i, prefix := range prefixes {
		if !prefix.IsValid() {
			return fmt.Errorf("engagement: %s: prefix %d is not valid: make it with netip.ParsePrefix", option, i)
		}
	}
	return nil
}

// WithASN gives the classifier the autonomous system of an address, for the networks
// that the rules name by number: Microsoft's cloud, Proofpoint, Mimecast and others.
// Without it those are not recognised. The function must answer from memory and be safe
// for concurrent use.
func WithASN(lookup func(netip.Addr) (asn uint32, ok bool)) ClassifierOption {
	return classifierOption(func(c *classifierConfig) error {
		if lookup == nil {
			return errors.New("engagement: WithASN: the function is nil")
		}
		c.asn = lookup
		return nil
	})
}

// WithClickDelay says how soon after the send a click is doubtful. It defaults to 10
// seconds, counted from [Sent.At], which is before the delivery: raise it if mail takes
// long. 0 turns the check off.
func WithClickDelay(d time.Duration) ClassifierOption {
	return classifierOption(func(c *classifierConfig) error {
		if d < 0 {
			return errors.New("engagement: WithClickDelay: the duration is negative")
		}
		c.clickDelay = d
		return nil
	})
}

// WithSettleTime says how long after its last event a message is settled. It defaults to
// 2 minutes.
func WithSettleTime(d time.Duration) ClassifierOption {
	return classifierOption(func(c *classifierConfig) error {
		if d <= 0 {
			return errors.New("engagement: WithSettleTime: the duration must be above 0")
		}
		c.settle = d
		return nil
	})
}

// NewClassifier returns a classifier with the built-in rules, unless options change
// them. It returns an error if an option or a rule is not usable.
func NewClassifier(opts ...ClassifierOption) (*Classifier, error) {
	config := classifierConfig{
		rules:      BuiltinRules(),
		prefixes:   map[string][]netip.Prefix{},
		clickDelay: defaultClickDelay,
		settle:     defaultSettle,
	}
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt.apply(&config); err != nil {
			return nil, err
		}
	}
	if err := config.rules.check(); err != nil {
		return nil, err
	}
	c := &Classifier{
		date: config.rules.Date, rules: slices.Clone(config.rules.Networks), agents: compileAgents(config.rules.Agents),
		byName: map[string]int{}, byASN: map[uint32]int{}, mechanisms: map[Mechanism]MechanismRule{},
		asn: config.asn, clickDelay: config.clickDelay, settle: config.settle,
	}
	for _, rule := range config.rules.Mechanisms {
		c.mechanisms[rule.Name] = rule
	}
	var rows []row
	for _, prefix := range config.own {
		rows = append(rows, row{prefix: prefix, value: ownValue})
	}
	for i, network := range config.rules.Networks {
		c.byName[network.Name] = i
		for _, asn := range network.ASNs {
			c.byASN[asn] = i
		}
		prefixes := network.Prefixes
		if loaded, ok := config.prefixes[network.Name]; ok {
			prefixes = loaded
		}
		for _, prefix := range prefixes {
			rows = append(rows, row{prefix: prefix, value: i})
		}
	}
	for name := range config.prefixes {
		if _, known := c.byName[name]; !known {
			return nil, fmt.Errorf("engagement: WithPrefixes: no rule names the network %.40q: add one with WithExtraRules", name)
		}
	}
	c.networks = newTable(rows)
	return c, nil
}

// Rules returns the date of the rules, as in [Verdict.Rules].
func (c *Classifier) Rules() string { return c.date }

// Network names the network of an address: [OwnNetwork], a name from the rules such as
// "apple-relay", or [OtherNetwork]. It returns "" if ip is the zero Addr. A store that
// does not keep full addresses keeps this in [Event.Network].
func (c *Classifier) Network(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	switch i := c.networkOf(ip); i {
	case ownValue:
		return OwnNetwork
	case noNetwork:
		return OtherNetwork
	default:
		return c.rules[i].Name
	}
}

const noNetwork = -2 // what networkOf returns for an address in no list

// networkOf returns the index of the rule for an address.
func (c *Classifier) networkOf(ip netip.Addr) int {
	ip = ip.Unmap().WithZone("")
	if i, ok := c.networks.find(ip); ok {
		return i
	}
	if c.asn != nil {
		if asn, ok := c.asn(ip); ok {
			if i, known := c.byASN[asn]; known {
				return i
			}
		}
	}
	return noNetwork
}

// Event judges one event by itself. Message judges better, because it sees the time of
// the send and the other events.
func (c *Classifier) Event(e Event) Verdict {
	found := c.identify(&e)
	var around surroundings
	if !e.Time.IsZero() {
		around.settles = e.Time.Add(c.settle)
	}
	return c.decide(&e, &found, &around)
}
