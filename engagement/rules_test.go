package engagement_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

func TestTheBuiltinRulesAreWhole(t *testing.T) {
	t.Parallel()
	rules := engagement.BuiltinRules()
	_, err := time.Parse(time.DateOnly, rules.Date)
	require.NoError(t, err)
	assert.Equal(t, rules.Date, newClassifier(t).Rules())
	for _, rule := range rules.Agents {
		assert.Regexp(t, `^[A-Z].*\.$`, rule.Why, rule.Code)
		assert.NotEmpty(t, rule.Source, rule.Code)
	}
	for _, rule := range rules.Networks {
		assert.Regexp(t, `^[A-Z].*\.$`, rule.Why, rule.Name)
		assert.NotEmpty(t, rule.Source, rule.Name)
		assert.NotEmpty(t, len(rule.Prefixes)+len(rule.ASNs), rule.Name)
	}
	rules.Agents[0].Code = "changed"
	assert.NotEqual(t, "changed", engagement.BuiltinRules().Agents[0].Code, "each caller has a copy")

	// What is written can be read again.
	text, err := json.Marshal(engagement.BuiltinRules())
	require.NoError(t, err)
	again, err := engagement.ReadRules(strings.NewReader(string(text)))
	require.NoError(t, err)
	assert.Equal(t, engagement.BuiltinRules(), again)
}

const extraRules = `{
	"date": "2027-03-01",
	"mechanisms": [{"name": "kiosk", "open": {"actor": "human", "limit": "certain"}, "click": {"actor": "machine", "limit": "certain"}}],
	"agents": [
		{"code": "our-kiosk", "mechanism": "kiosk", "vendor": "Us", "scope": "opens", "certainty": "certain", "products": ["KioskBot"],
		 "why": "Our kiosk shows the message to a visitor.", "source": "us"},
		{"code": "library-agent", "mechanism": "unknown-agent", "scope": "all", "certainty": "low", "exact": ["never"], "why": "Off.", "source": "us"}
	],
	"networks": [{"name": "proofpoint", "scope": "clicks", "certainty": "high", "mechanism": "security-scanner", "prefixes": ["192.0.2.0/24"],
		"why": "The filter of our largest customer.", "source": "us"}]
}`

func TestExtraRulesComeFirst(t *testing.T) {
	t.Parallel()
	extra, err := engagement.ReadRules(strings.NewReader(extraRules))
	require.NoError(t, err)
	c, err := engagement.NewClassifier(engagement.WithExtraRules(extra))
	require.NoError(t, err)
	assert.Equal(t, "2027-03-01", c.Rules())

	v := c.Event(open("KioskBot/1", home, time.Hour))
	assert.Equal(t, "kiosk: human (high)", v.String(), "a person is never certain, whatever a rule says")
	assert.Equal(t, "Us", v.Vendor)
	assert.True(t, v.Has("our-kiosk"))
	assert.Equal(t, engagement.Robot, c.Event(click("KioskBot/1", home, 0, time.Hour)).Mechanism, "the rule is about opens")
	assert.Equal(t, engagement.UnknownAgent, c.Event(open("curl/8.11.0", home, time.Hour)).Mechanism, "the rule of that code is replaced")

	assert.Equal(t, "proofpoint", c.Network(netip.MustParseAddr("192.0.2.1")))
	v = c.Event(click(chrome, "192.0.2.1", 0, time.Hour))
	assert.Equal(t, "security-scanner: machine (high)", v.String())
	assert.Equal(t, "browser: indeterminate (low)", c.Event(open(chrome, "192.0.2.1", time.Hour)).String())
	assert.Equal(t, engagement.GmailProxy, c.Event(open(gmail, googleIP, time.Hour)).Mechanism, "the other rules stay")

	mine := engagement.BuiltinRules()
	c, err = engagement.NewClassifier(engagement.WithRules(mine))
	require.NoError(t, err)
	for i := range mine.Networks {
		mine.Networks[i].Scope = engagement.NoKinds
	}
	for i := range mine.Agents {
		clear(mine.Agents[i].ConfirmedBy)
	}
	assert.Equal(t, engagement.Machine, c.Event(click(chrome, barracuda, 0, time.Hour)).Actor, "later changes have no effect")
	assert.Equal(t, engagement.High, c.Event(open("Mozilla/5.0", appleIP, time.Hour)).Confidence)

	only := engagement.BuiltinRules()
	only.Agents = only.Agents[:1]
	c, err = engagement.NewClassifier(engagement.WithRules(only))
	require.NoError(t, err)
	assert.Equal(t, engagement.UnknownAgent, c.Event(open(gmail, googleIP, time.Hour)).Mechanism)
}

func TestBadRulesAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                  "EOF",
		`{"date":"2026-11-29"} {}`:          "something follows",
		`{"dat":"2026-11-29"}`:              "unknown field",
		strings.Repeat(" ", 4<<20+1):        "WithPrefixes",
		`{"agents":[{"scope":1}]}`:          "decode",
		`{"networks":[{"prefixes":["x"]}]}`: "decode",
	} {
		_, err := engagement.ReadRules(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}

	good := engagement.AgentRule{Code: "x", Mechanism: engagement.Browser, Scope: engagement.AllKinds, Exact: []string{"x"}, Why: "X.", Source: "x"}
	net := engagement.NetworkRule{Name: "x", Scope: engagement.NoKinds, Why: "X.", Source: "x"}
	agent := func(change func(*engagement.AgentRule)) func(*engagement.Rules) {
		return func(r *engagement.Rules) {
			rule := good
			change(&rule)
			r.Agents = append(r.Agents, rule)
		}
	}
	network := func(change func(*engagement.NetworkRule)) func(*engagement.Rules) {
		return func(r *engagement.Rules) {
			rule := net
			change(&rule)
			r.Networks = append(r.Networks, rule)
		}
	}
	for want, change := range map[string]func(*engagement.Rules){
		"":                              agent(func(*engagement.AgentRule) {}),
		"2006-01-02":                    func(r *engagement.Rules) { r.Date = "yesterday" },
		"BuiltinRules":                  func(r *engagement.Rules) { r.Mechanisms = nil },
		"give each mechanism one":       func(r *engagement.Rules) { r.Mechanisms = append(r.Mechanisms, r.Mechanisms[0]) },
		"a code, a why":                 agent(func(a *engagement.AgentRule) { a.Why = "" }),
		"add a rule for that mechanism": agent(func(a *engagement.AgentRule) { a.Mechanism = "y" }),
		"all, opens or clicks":          agent(func(a *engagement.AgentRule) { a.Scope = "" }),
		"has an unknown certainty: use Low, Medium, High or Certain": agent(func(a *engagement.AgentRule) { a.Certainty = 4 }),
		"for that network":          agent(func(a *engagement.AgentRule) { a.ConfirmedBy = []string{"y"} }),
		"has no pattern":            agent(func(a *engagement.AgentRule) { a.Exact = nil }),
		"nearly every agent":        agent(func(a *engagement.AgentRule) { a.Contains = []string{""} }),
		"regular expression":        agent(func(a *engagement.AgentRule) { a.Regexp = []string{"a("} }),
		"used twice":                agent(func(a *engagement.AgentRule) { a.Code = "no-agent" }),
		"needs a name":              network(func(n *engagement.NetworkRule) { n.Name = "" }),
		"reserved":                  network(func(n *engagement.NetworkRule) { n.Name = engagement.OwnNetwork }),
		"all, clicks or none":       network(func(n *engagement.NetworkRule) { n.Scope = engagement.OpensOnly }),
		"mechanism of its machines": network(func(n *engagement.NetworkRule) { n.Scope = engagement.AllKinds }),
		"rule for that mechanism":   network(func(n *engagement.NetworkRule) { n.Mechanism = "y" }),
		"prefix that is not valid":  network(func(n *engagement.NetworkRule) { n.Prefixes = make([]netip.Prefix, 1) }),
		"two rules":                 network(func(n *engagement.NetworkRule) { n.Name = "google" }),
	} {
		rules := engagement.BuiltinRules()
		change(rules)
		_, err := engagement.NewClassifier(engagement.WithRules(rules))
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}

	for want, option := range map[string]engagement.ClassifierOption{
		"WithRules":                 engagement.WithRules(nil),
		"WithExtraRules":            engagement.WithExtraRules(nil),
		"WithASN":                   engagement.WithASN(nil),
		"WithClickDelay":            engagement.WithClickDelay(-1),
		"WithSettleTime":            engagement.WithSettleTime(0),
		"WithOwnNetworks: prefix 0": engagement.WithOwnNetworks(netip.Prefix{}),
		"WithPrefixes: prefix 0":    engagement.WithPrefixes("google", netip.Prefix{}),
		"no rule names":             engagement.WithPrefixes("gogle", netip.MustParsePrefix("192.0.2.0/24")),
	} {
		_, err := engagement.NewClassifier(nil, option)
		require.ErrorContains(t, err, want)
	}
	_, err := engagement.NewClassifier(nil)
	require.NoError(t, err, "an option that is nil is ignored")
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	c := newClassifier(t,
		engagement.WithOwnNetworks(netip.MustParsePrefix("172.225.7.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:10.0.0.0/104")),
		engagement.WithPrefixes("mimecast", netip.MustParsePrefix("192.0.2.128/25"), netip.MustParsePrefix("192.0.2.192/26")))
	for ip, want := range map[string]string{
		"66.249.63.255":      "other",
		"66.249.64.0":        "googlebot", // inside google
		"66.249.79.255":      "googlebot",
		"66.249.80.0":        "google",
		"66.249.95.255":      "google",
		"66.249.96.0":        "other",
		"172.225.7.9":        "own", // inside apple-relay
		"172.225.8.9":        "apple-relay",
		"::ffff:172.225.8.9": "apple-relay",
		"::ffff:10.1.2.3":    "own",
		"10.1.2.3":           "own",
		"2001:db8:1::1":      "own",
		"fe80::1%eth0":       "other",
		"2a01:111:f400::1":   "microsoft-protection",
		"52.238.78.88":       "microsoft-protection",
		"52.238.78.89":       "other",
		azure:                "microsoft",
		proofpoint:           "proofpoint",
		home:                 "other", // its ASN is in no rule
		"192.0.2.200":        "mimecast",
		"0.0.0.0":            "other",
		"255.255.255.255":    "other",
	} {
		assert.Equal(t, want, c.Network(netip.MustParseAddr(ip)), ip)
	}
	assert.Empty(t, c.Network(netip.Addr{}))
}

// A loaded list replaces the hint of the rules, which is too wide.
func TestAListReplacesTheHint(t *testing.T) {
	t.Parallel()
	list := "\ufeff172.225.12.0/31,GB,GB-EN,London,\r\n2606:54c0:1::/64,US,US-CA,Los Angeles,\n\n# a comment\n192.0.2.7\n198.51.100.0/24 # another\n"
	prefixes, err := engagement.ReadPrefixes(strings.NewReader(list))
	require.NoError(t, err)
	assert.Equal(t, []netip.Prefix{
		netip.MustParsePrefix("172.225.12.0/31"), netip.MustParsePrefix("2606:54c0:1::/64"),
		netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("198.51.100.0/24"),
	}, prefixes)
	c, err := engagement.NewClassifier(engagement.WithPrefixes("apple-relay", prefixes...))
	require.NoError(t, err)
	assert.Equal(t, "apple-relay", c.Network(netip.MustParseAddr("172.225.12.1")))
	assert.Equal(t, "other", c.Network(netip.MustParseAddr("172.225.12.2")))
	assert.Equal(t, engagement.Medium, c.Event(open("Mozilla/5.0", "172.225.12.2", time.Hour)).Confidence)
	assert.Equal(t, engagement.High, c.Event(open("Mozilla/5.0", "172.225.12.1", time.Hour)).Confidence)

	for text, want := range map[string]string{
		"192.0.2.0/24\nnonsense":  "line 2",
		"192.0.2.0/33":            "192.0.2.0/24 or",
		strings.Repeat("1", 5000): "after line 0",
	} {
		_, err := engagement.ReadPrefixes(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

// A store that shortens or drops addresses keeps the name of the network.
func TestAStoredNetworkCountsWhenTheAddressIsNotWhole(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for _, ip := range []string{"", "192.0.2.0", "2001:db8:7::", "100::9d1e:4c11"} {
		e := click(chrome, ip, 0, time.Hour)
		e.Network = "barracuda"
		assert.Equal(t, "security-scanner: machine (high)", c.Event(e).String(), ip)
		e.Network = engagement.OwnNetwork
		assert.Equal(t, engagement.Self, c.Event(e).Actor, ip)
		e.Network = engagement.OtherNetwork
		assert.Equal(t, "browser: human (medium)", c.Event(e).String(), ip)
		e.Network = "of older rules"
		assert.Equal(t, "browser: human (medium)", c.Event(e).String(), ip)
	}
	e := click(chrome, barracuda, 0, time.Hour)
	e.Network = engagement.OtherNetwork
	assert.Equal(t, engagement.Machine, c.Event(e).Actor, "the whole address knows better than older rules")
	e = click(chrome, "209.222.82.0", 0, time.Hour)
	assert.Equal(t, engagement.Machine, c.Event(e).Actor, "nobody asked, and the address may be whole")
}

func FuzzReadPrefixes(f *testing.F) {
	f.Add("192.0.2.0/24\n::ffff:10.0.0.0/104,GB\n# x\nfe80::1%eth0\n0.0.0.0/0")
	f.Add("10.0.0.0/8\n10.1.0.0/16\n10.1.2.0/24\n10.2.0.0/16")
	f.Fuzz(func(t *testing.T, text string) {
		prefixes, err := engagement.ReadPrefixes(strings.NewReader(text))
		if err != nil || len(prefixes) > 500 {
			return
		}
		rules := engagement.BuiltinRules()
		rules.Networks = rules.Networks[:0]
		for i := range rules.Agents {
			rules.Agents[i].ConfirmedBy = nil
		}
		c, err := engagement.NewClassifier(engagement.WithRules(rules), engagement.WithOwnNetworks(prefixes...))
		require.NoError(t, err)
		// An address is in the table if one of the prefixes contains it.
		for _, p := range append(prefixes, netip.MustParsePrefix("10.1.2.3/32")) {
			ip := p.Addr().Unmap()
			want := engagement.OtherNetwork
			for _, q := range prefixes {
				if q.Contains(ip) || q.Addr().Is4In6() && q.Bits() >= 96 && netip.PrefixFrom(q.Addr().Unmap(), q.Bits()-96).Contains(ip) {
					want = engagement.OwnNetwork
				}
			}
			require.Equal(t, want, c.Network(ip), ip)
		}
	})
}
