package engagement

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"time"
)

//go:embed rules.json
var builtinRules []byte

// maxRules is the size of the biggest file that ReadRules accepts. The built-in rules
// have a hundredth of it.
const maxRules = 4 << 20

// Rules is what a [Classifier] judges by. Rules are data: read them with [ReadRules],
// change them, and give them to [WithRules] or [WithExtraRules]. [BuiltinRules] has
// those of this package.
type Rules struct {
	// Date is when the rules were last checked against their sources, as 2006-01-02.
	Date string `json:"date"`
	// Mechanisms says for each mechanism who is behind its requests.
	Mechanisms []MechanismRule `json:"mechanisms,omitempty"`
	// Agents says which user agent belongs to which mechanism. The first rule that
	// matches wins.
	Agents []AgentRule `json:"agents,omitempty"`
	// Networks names networks. Of two that contain an address the smaller prefix wins.
	Networks []NetworkRule `json:"networks,omitempty"`
}

// MechanismRule says who is behind the opens and the clicks of a mechanism.
type MechanismRule struct {
	Name       Mechanism `json:"name"`
	Open       Judgement `json:"open"`
	Click      Judgement `json:"click"`
	Proxied    Answer    `json:"proxied,omitzero"`    // see Verdict.Proxied
	Prefetched Answer    `json:"prefetched,omitzero"` // see Verdict.Prefetched
}

// Judgement says who is behind a request. The confidence of the verdict is the certainty
// of the rule that found the mechanism, or Limit if that is lower.
type Judgement struct {
	Actor Actor      `json:"actor"`
	Limit Confidence `json:"limit"`
}

// AgentRule recognises user agents. It matches if one of its patterns does. Case does
// not matter, and only the first 1,024 bytes of a user agent are compared.
type AgentRule struct {
	Code      string     `json:"code"` // of the Reason that the rule gives; unique
	Mechanism Mechanism  `json:"mechanism"`
	Vendor    string     `json:"vendor,omitempty"`
	Scope     Scope      `json:"scope"`
	Certainty Confidence `json:"certainty"`
	// ConfirmedBy names networks. A request from one of them makes the rule one level
	// more certain.
	ConfirmedBy []string `json:"confirmed_by,omitempty"`

	// Exact holds whole user agents. "" is a request without one.
	Exact []string `json:"exact,omitempty"`
	// Starts holds beginnings of user agents.
	Starts []string `json:"starts,omitempty"`
	// Products holds names of products: what stands before the slash in "curl/8.5.0",
	// anywhere outside parentheses.
	Products []string `json:"products,omitempty"`
	// Contains holds strings that may stand anywhere.
	Contains []string `json:"contains,omitempty"`
	// Words holds words such as "bot", which also match as part of a name: "ExampleBot/2.0",
	// but not "Botany/2.0" (a letter follows). They are not looked for in the comment
	// that describes a device, because phones are called Cubot and Spider 8.
	Words []string `json:"words,omitempty"`
	// Contact matches user agents that name a web page or a mail address as their
	// contact, as robots do.
	Contact bool `json:"contact,omitempty"`
	// Compatible matches user agents such as "Mozilla/5.0 (compatible; Example/1.0)",
	// which name neither a device nor a browser.
	Compatible bool `json:"compatible,omitempty"`
	// Regexp holds regular expressions of package regexp. They see the user agent in
	// lower case.
	Regexp []string `json:"regexp,omitempty"`

	Why    string `json:"why"`    // the sentence of the Reason
	Source string `json:"source"` // who says so
}

// NetworkRule names a network and says what its requests are worth if the user agent is
// an ordinary one.
//
// Scope and Certainty together decide. A network that only ever filters mail has the
// scope AllKinds and the certainty High: its requests are a machine's. Medium means that
// people may be behind it too, so its clicks also need a sign in time. A cloud that also
// fetches images for people has the scope ClicksOnly. A network with the scope NoKinds
// says nothing about the actor.
type NetworkRule struct {
	// Name is what Classifier.Network returns. It is unique.
	Name      string     `json:"name"`
	Vendor    string     `json:"vendor,omitempty"`
	Scope     Scope      `json:"scope"`
	Certainty Confidence `json:"certainty"`
	// Mechanism is what a machine in the network is. It is required unless Scope is
	// NoKinds, where it names the mail service whose images are fetched from there.
	Mechanism Mechanism `json:"mechanism,omitempty"`
	Proxied   Answer    `json:"proxied,omitzero"` // whether the network hides its users' addresses
	// Prefixes and ASNs are where the network is. See WithPrefixes and WithASN.
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
	ASNs     []uint32       `json:"asns,omitempty"`

	Why    string `json:"why"`
	Source string `json:"source"`
}

// Scope says which kinds of events a rule may judge.
type Scope string

// The scopes.
const (
	AllKinds   Scope = "all"
	OpensOnly  Scope = "opens"  // of agent rules only
	ClicksOnly Scope = "clicks" // mail proxies fetch images, so only clicks tell
	NoKinds    Scope = "none"   // of network rules only
)

func (s Scope) covers(kind Kind) bool {
	return s == AllKinds || s == OpensOnly && kind == Open || s == ClicksOnly && kind == Click
}

// BuiltinRules returns a copy of the rules of this package.
func BuiltinRules() *Rules {
	rules, err := ReadRules(bytes.NewReader(builtinRules))
	if err != nil {
		panic("engagement: the built-in rules: " + err.Error()) // the tests read them
	}
	return rules
}

// ReadRules reads rules from JSON with the members that the tags of [Rules] name. It
// returns an error if there are others, or more than 4 MiB. [NewClassifier] checks the
// rest.
func ReadRules(r io.Reader) (*Rules, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxRules+1))
	if err != nil {
		return nil, fmt.Errorf("engagement: read the rules: %w", err)
	}
	if len(text) > maxRules {
		return nil, fmt.Errorf("engagement: the rules have more than %d bytes: name networks by ASN, or load them with WithPrefixes", maxRules)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	rules := new(Rules)
	if err := decoder.Decode(rules); err != nil {
		return nil, fmt.Errorf("engagement: decode the rules: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("engagement: decode the rules: something follows the JSON object")
	}
	return rules, nil
}

// with returns rules in which more comes first.
func (r *Rules) with(more *Rules) *Rules {
	all := &Rules{
		Date:       max(r.Date, more.Date),
		Mechanisms: slices.Clone(more.Mechanisms),
		Agents:     slices.Clone(more.Agents),
		Networks:   slices.Clone(more.Networks),
	}
	for _, rule := range r.Mechanisms {
		if !slices.ContainsFunc(more.Mechanisms, func(m MechanismRule) bool { return m.Name == rule.Name }) {
			all.Mechanisms = append(all.Mechanisms, rule)
		}
	}
	for _, rule := range r.Agents {
		if !slices.ContainsFunc(more.Agents, func(m AgentRule) bool { return m.Code == rule.Code }) {
			all.Agents = append(all.Agents, rule)
		}
	}
	for _, rule := range r.Networks {
		if !slices.ContainsFunc(more.Networks, func(m NetworkRule) bool { return m.Name == rule.Name }) {
			all.Networks = append(all.Networks, rule)
		}
	}
	return all
}

// check returns what is wrong with the rules, or nil.
func (r *Rules) check() error {
	if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
		return fmt.Errorf("engagement: rules: the date is %.40q: write it as 2006-01-02", r.Date)
	}
	mechanisms := map[Mechanism]bool{}
	for _, rule := range r.Mechanisms {
		if rule.Name == "" || mechanisms[rule.Name] {
			return fmt.Errorf("engagement: rules: the mechanism %.40q: give each mechanism one rule with a name", rule.Name)
		}
		mechanisms[rule.Name] = true
	}
	for _, needed := range []Mechanism{Browser, NoAgent, UnknownAgent} {
		if !mechanisms[needed] {
			return fmt.Errorf("engagement: rules: the mechanism %s is missing: start from BuiltinRules, or use WithExtraRules", needed)
		}
	}
	networks, codes := map[string]bool{}, map[string]bool{}
	for _, rule := range r.Networks {
		if err := rule.check(mechanisms); err != nil {
			return fmt.Errorf("engagement: rules: the network %.40q %w", rule.Name, err)
		}
		if networks[rule.Name] {
			return fmt.Errorf("engagement: rules: the network %.40q has two rules: join them", rule.Name)
		}
		networks[rule.Name] = true
	}
	for _, rule := range r.Agents {
		if err := rule.check(mechanisms, networks); err != nil {
			return fmt.Errorf("engagement: rules: the agent rule %.40q %w", rule.Code, err)
		}
		if codes[rule.Code] {
			return fmt.Errorf("engagement: rules: the code %.40q is used twice: give each agent rule a code of its own", rule.Code)
		}
		codes[rule.Code] = true
	}
	return nil
}

func (r AgentRule) check(mechanisms map[Mechanism]bool, networks map[string]bool) error {
	switch {
	case r.Code == "" || r.Why == "" || r.Source == "":
		return errors.New("needs a code, a why and a source")
	case !mechanisms[r.Mechanism]:
		return fmt.Errorf("has the mechanism %.40q: add a rule for that mechanism", r.Mechanism)
	case r.Scope != AllKinds && r.Scope != OpensOnly && r.Scope != ClicksOnly:
		return fmt.Errorf("has the scope %.40q: use all, opens or clicks", r.Scope)
	case r.Certainty > Certain:
		return errors.New("has an unknown certainty: use Low, Medium, High or Certain")
	}
	for _, name := range r.ConfirmedBy {
		if !networks[name] {
			return fmt.Errorf("is confirmed by the network %.40q: add a rule for that network", name)
		}
	}
	patterns := slices.Concat(r.Starts, r.Products, r.Contains, r.Words, r.Regexp)
	if len(patterns)+len(r.Exact) == 0 && !r.Contact && !r.Compatible {
		return errors.New("has no pattern")
	}
	if slices.ContainsFunc(patterns, func(p string) bool { return len(p) < 2 }) {
		return errors.New("has a pattern of less than two bytes, which would match nearly every agent: remove it")
	}
	for _, pattern := range r.Regexp {
		if _, err := regexp.Compile(pattern); err != nil {
			return fmt.Errorf("has a bad regular expression: %w", err)
		}
	}
	return nil
}

func (r NetworkRule) check(mechanisms map[Mechanism]bool) error {
	switch {
	case r.Name == "" || r.Why == "" || r.Source == "":
		return errors.New("needs a name, a why and a source")
	case r.Name == OwnNetwork || r.Name == OtherNetwork:
		return errors.New("has a reserved name: choose another")
	case r.Scope != AllKinds && r.Scope != ClicksOnly && r.Scope != NoKinds:
		return fmt.Errorf("has the scope %.40q: use all, clicks or none", r.Scope)
	case r.Certainty > Certain:
		return errors.New("has an unknown certainty: use Low, Medium, High or Certain")
	case r.Mechanism == "" && r.Scope != NoKinds:
		return errors.New("needs the mechanism of its machines")
	case r.Mechanism != "" && !mechanisms[r.Mechanism]:
		return fmt.Errorf("has the mechanism %.40q: add a rule for that mechanism", r.Mechanism)
	}
	for _, prefix := range r.Prefixes {
		if !prefix.IsValid() {
			return errors.New("has a prefix that is not valid")
		}
	}
	return nil
}
