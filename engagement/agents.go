package engagement

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

const (
	// maxAgent is how much of a user agent is compared, in bytes. Real ones seldom have
	// more than 300.
	maxAgent = 1024
	// maxTokens is how many names of a user agent are looked up.
	maxTokens = 64
)

// agentRules is the agent rules in a form that is fast to search: a pattern is only
// compared where its first two bytes stand.
type agentRules struct {
	rules                   []compiledAgent
	exact, products         map[string][]int // rules in order
	starts, contains, words patterns
	other                   []int // rules with other patterns, in order
}

type compiledAgent struct {
	AgentRule
	regexps []*regexp.Regexp
}

// patterns holds patterns by their first two bytes.
type patterns map[[2]byte][]pattern

type pattern struct {
	text []byte
	rule int
}

func (p patterns) add(texts []string, rule int) {
	for _, s := range texts {
		text := []byte(strings.ToLower(s))
		p[[2]byte(text)] = append(p[[2]byte(text)], pattern{text, rule}) // check saw that there are two
	}
}

func compileAgents(rules []AgentRule) *agentRules {
	all := &agentRules{exact: map[string][]int{}, products: map[string][]int{}, starts: patterns{}, contains: patterns{}, words: patterns{}}
	for i, rule := range rules {
		rule.ConfirmedBy = slices.Clone(rule.ConfirmedBy) // the caller keeps its own
		compiled := compiledAgent{AgentRule: rule}
		for _, expression := range rule.Regexp {
			compiled.regexps = append(compiled.regexps, regexp.MustCompile(expression)) // check compiled it before
		}
		for _, agent := range rule.Exact {
			agent = strings.ToLower(agent)
			all.exact[agent] = append(all.exact[agent], i)
		}
		for _, product := range rule.Products {
			product = strings.ToLower(product)
			all.products[product] = append(all.products[product], i)
		}
		all.starts.add(rule.Starts, i)
		all.contains.add(rule.Contains, i)
		all.words.add(rule.Words, i)
		if len(rule.Regexp) > 0 || rule.Contact || rule.Compatible {
			all.other = append(all.other, i)
		}
		all.rules = append(all.rules, compiled)
	}
	return all
}

// match returns the first rule that matches a user agent and may judge events of a kind,
// or nil.
func (r *agentRules) match(userAgent string, kind Kind) *compiledAgent {
	var agent agentText
	agent.read(userAgent)
	text := agent.text()
	best := len(r.rules)
	better := func(rule int) bool { return rule < best && r.rules[rule].Scope.covers(kind) }
	for _, rule := range r.exact[string(text)] {
		if better(rule) {
			best = rule
		}
	}
	for _, t := range agent.tokens[:agent.count] {
		for _, rule := range r.products[string(agent.name(t))] {
			if better(rule) {
				best = rule
			}
		}
		word := agent.buffer[t.start:t.end]
		for i := range len(word) - 1 {
			for _, p := range r.words[[2]byte(word[i:])] {
				if bytes.HasPrefix(word[i:], p.text) && endsWord(word[i+len(p.text):]) && better(p.rule) {
					best = p.rule
				}
			}
		}
	}
	for i := range len(text) - 1 {
		pair := [2]byte(text[i:])
		for _, p := range r.contains[pair] {
			if bytes.HasPrefix(text[i:], p.text) && better(p.rule) {
				best = p.rule
			}
		}
		if i > 0 {
			continue
		}
		for _, p := range r.starts[pair] {
			if bytes.HasPrefix(text, p.text) && better(p.rule) {
				best = p.rule
			}
		}
	}
	for _, rule := range r.other {
		if better(rule) && r.rules[rule].matches(&agent) {
			best = rule
		}
	}
	if best == len(r.rules) {
		return nil
	}
	return &r.rules[best]
}

// endsWord reports whether a word that stands before rest is a whole one.
func endsWord(rest []byte) bool { return len(rest) == 0 || rest[0] < 'a' || rest[0] > 'z' }

func (r *compiledAgent) matches(agent *agentText) bool {
	if r.Contact && agent.namesContact() || r.Compatible && agent.compatible {
		return true
	}
	for _, expression := range r.regexps {
		if expression.Match(agent.text()) {
			return true
		}
	}
	return false
}

// agentText is a user agent in lower case, and the tokens in it that are no part of the
// description of a device. It lives on the stack.
type agentText struct {
	buffer [maxAgent]byte
	length int
	tokens [maxTokens]token
	count  int
	// contact reports that a web page stands outside the description of a device, or a
	// mail address anywhere.
	contact bool
	// compatible reports a comment that begins with "compatible" and describes nothing.
	compatible bool
}

// token is a run of the buffer without a space, such as "curl/8.5.0".
type token struct{ start, end int }

func (a *agentText) text() []byte { return a.buffer[:a.length] }

// name returns what stands before the slash.
func (a *agentText) name(t token) []byte {
	text := a.buffer[t.start:t.end]
	if slash := bytes.IndexByte(text, '/'); slash >= 0 {
		return text[:slash]
	}
	return text
}

func (a *agentText) read(userAgent string) {
	userAgent = trimSpace(userAgent)
	a.length = min(len(userAgent), maxAgent)
	for i := range a.length {
		c := userAgent[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		a.buffer[i] = c
	}
	text := a.text()
	for start := 0; start < len(text); {
		open := bytes.IndexByte(text[start:], '(')
		if open < 0 {
			a.split(start, len(text), a.add)
			return
		}
		a.split(start, start+open, a.add)
		start += open
		end := start + commentEnd(text[start:])
		comment := text[start:end]
		poses := bytes.HasPrefix(comment, []byte("(compatible"))
		device := hasAny(comment, deviceWords)
		a.compatible = a.compatible || poses && !device && !hasAny(comment, robotExceptions) && bytes.HasPrefix(text, []byte("mozilla/"))
		if !device || poses && !hasAny(comment, robotExceptions) {
			a.split(start, end, a.add)
		} else {
			a.split(start, end, a.addContact)
		}
		start = end
	}
}

func trimSpace(s string) string {
	for s != "" && s[0] <= ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// commentEnd returns where the comment ends that begins with text: comments may contain
// others, and the last one may be cut.
func commentEnd(text []byte) int {
	depth := 0
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// deviceWords stand in comments that describe a device or a browser.
var deviceWords = [][]byte{
	[]byte("android"), []byte("linux"), []byte("windows"), []byte("macintosh"), []byte("mac os"), []byte("iphone"),
	[]byte("ipad"), []byte("ipod"), []byte("ios"), []byte("x11"), []byte("msie"), []byte("konqueror"), []byte("build/"),
	[]byte("dpi;"), []byte("mobile;"), []byte("harmonyos"), []byte("tizen"), []byte("symb"), []byte("hbbtv"), []byte("tv;"), []byte("tv)"), []byte(" tv"), []byte("smarttv"), []byte("smart-tv"), []byte("appletv"), []byte("midp"),
	[]byte("playstation"), []byte("nintendo"), []byte("xbox"), []byte("drm"), []byte("profile"), []byte("blackberry"),
	[]byte("darwin"), []byte("ecosia"), []byte("webos"), []byte("web0s"), []byte("u;"),
	[]byte("amiga"), []byte("beos"), []byte("brew"), []byte("risc os"), []byte("browse"),
}

// robotExceptions stand in comments that begin with "compatible" and still describe a
// device.
var robotExceptions = [][]byte{[]byte("msie"), []byte("konqueror"), []byte("build/"), []byte("android"), []byte("netfront")}

func hasAny(text []byte, words [][]byte) bool {
	for _, word := range words {
		if bytes.Contains(text, word) {
			return true
		}
	}
	return false
}

// split calls add for each token between start and end.
func (a *agentText) split(start, end int, add func(token)) {
	begin := -1
	for i := start; i <= end; i++ {
		if i < end && !separates(a.buffer[i]) {
			if begin < 0 {
				begin = i
			}
			continue
		}
		if begin >= 0 {
			add(token{begin, i})
			begin = -1
		}
	}
}

func separates(c byte) bool {
	return c <= ' ' || c == '(' || c == ')' || c == ';' || c == ',' || c == '[' || c == ']' || c == '"' || c == '\''
}

func (a *agentText) add(t token) {
	text := a.buffer[t.start:t.end]
	a.contact = a.contact || isContact(text)
	if a.count < maxTokens {
		a.tokens[a.count] = t
		a.count++
	}
}

// addContact adds a token of the description of a device. Even there only robots name a
// mail address.
func (a *agentText) addContact(t token) {
	a.contact = a.contact || isAddress(a.buffer[t.start:t.end])
}

// isContact reports whether a token is a web page or a mail address.
func isContact(text []byte) bool {
	if bytes.Contains(text, []byte("http://")) || bytes.HasPrefix(text, []byte("www.")) {
		return true
	}
	return isAddress(text)
}

// isAddress reports whether text ends with a mail address. Some browsers write their
// version as android@88.0.
func isAddress(text []byte) bool {
	at := bytes.LastIndexByte(text, '@')
	if at <= 0 {
		return false
	}
	domain := bytes.TrimRight(text[at+1:], ".>")
	dot := bytes.LastIndexByte(domain, '.')
	return dot > 0 && len(domain)-dot > 2 && !bytes.ContainsAny(domain[dot+1:], "0123456789/")
}

// namesContact reports whether the agent names a page or an address for questions about
// it. With a plus sign a page counts anywhere, because only robots write that. Without
// one it may be the page of an app's maker, so it does not count if the agent is an app's
// that also names a phone, nor inside the description of a device, unless the page is
// encrypted: old browsers name the pages of their makers there, and those are not.
func (a *agentText) namesContact() bool {
	text := a.text()
	if hasAny(text, contactMarks) {
		return true
	}
	app := !bytes.HasPrefix(text, []byte("mozilla/")) && hasAny(text, phones)
	return !app && (a.contact || bytes.Contains(text, []byte("https://")))
}

var (
	contactMarks = [][]byte{[]byte("+http://"), []byte("+https://"), []byte("+mailto:"), []byte("+www.")}
	phones       = [][]byte{[]byte("android"), []byte("ios"), []byte("iphone"), []byte("ipad"), []byte("apple"), []byte("macos"), []byte("darwin")}
)
