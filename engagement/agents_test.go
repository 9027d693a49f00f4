package engagement_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/engagement"
)

// The labelled agents are real ones, each with its source.
func TestTheLabelledAgents(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/user-agents.tsv")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	reader := csv.NewReader(file)
	reader.Comma, reader.LazyQuotes = '\t', true
	rows, err := reader.ReadAll()
	require.NoError(t, err)
	rows = rows[1:]
	require.Greater(t, len(rows), 70)
	mechanisms := map[string][]engagement.Mechanism{
		"apple-mpp": {engagement.AppleMPP}, "gmail-prefetch": {engagement.GmailPrefetch}, "gmail-proxy": {engagement.GmailProxy},
		"yahoo-proxy": {engagement.YahooProxy}, "mail-proxy-other": {engagement.MailProxy}, "outlook-desktop": {engagement.Outlook},
		"mail-client": {engagement.MailClient}, "security-scanner": {engagement.SecurityScanner}, "link-preview": {engagement.LinkPreview},
		"script-bot": {engagement.Program, engagement.Robot}, "app-runtime": {engagement.AppRuntime}, "human-browser": {engagement.Browser},
		"unknown": {engagement.Browser, engagement.NoAgent},
	}
	machines := map[string]bool{"gmail-prefetch": true, "security-scanner": true, "link-preview": true, "script-bot": true}
	c := newClassifier(t)
	var wrong []string
	for _, row := range rows {
		label, _, _ := strings.Cut(row[1], ":")
		require.Contains(t, mechanisms, label)
		v := c.Event(open(row[0], "", time.Hour))
		if !assert.ObjectsAreEqual(machines[label], v.Actor == engagement.Machine) || !contains(mechanisms[label], v.Mechanism) {
			wrong = append(wrong, row[1]+": "+row[0]+": "+v.String())
		}
	}
	// One is a scanner with the agent of a plain browser, which only its network tells.
	assert.GreaterOrEqual(t, float64(len(rows)-len(wrong))/float64(len(rows)), 0.98, strings.Join(wrong, "\n"))
}

func contains(list []engagement.Mechanism, m engagement.Mechanism) bool {
	for _, one := range list {
		if one == m {
			return true
		}
	}
	return false
}

// These are devices whose names look like a robot's, and apps that name their makers.
func TestDevicesAreNoRobots(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for _, agent := range []string{
		"Mozilla/5.0 (Linux; Android 12; CUBOT KING KONG 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Linux; Android 7.0; M bot 54 Build/NRD90M) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.45 Mobile Safari/537.36",
		"Mozilla/5.0 (Mobile; Spider 8; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
		"Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36",
		"mozilla/5.0 (linux; android 6.0; cubot echo) applewebkit/537.36 (khtml, like gecko) chrome/80.0.0.0 mobile safari/537.36",
		"Mozilla/5.0 (Linux; Android 9; X20 PRO Build/P1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/101.0.0.0 Mobile Safari/537.36 Instagram 252.0.0.17.111 Android (28/9; 320dpi; 720x1560; CUBOT; X20 PRO; X20_PRO; mt6771; en_US; 397702078)",
		"Mozilla/5.0 (Linux; U; Android 4.2.2; de-de; S308 Build/CUBOT) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
		"Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Embedded Web Browser from: http://maker.test/; .NET CLR 3.5.30729)",
		"Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
		"Mozilla/5.0 (compatible; Konqueror/4.14; Linux) KHTML/4.14.2 (like Gecko)",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 (Ecosia ios@10.1.0.1)",
		"Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/87.0.4280.88 Safari/537.36 HbbTV/1.6.1 (+DRM; LGE/KTC/BOTECH; 58BSE9503; WEBOS22)",
		"Podcasts/4.1 Android (https://maker.test)",
		"Dalvik/2.1.0 (Linux; U; Android 13; CUBOT P80)",
		"Nokia6230/2.0 (05.50) Profile/MIDP-2.0 Configuration/CLDC-1.1",
		"Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/191.308; U; en) Presto/2.12.423 Version/12.16",
		"Botany Guide 3.1", "Abbott/2.0",
		"WhatsApp/2.24.1 Android/13 Device/Xiaomi-Redmi",
		"Outlook-Android/2.0", "Outlook-iOS/709.2042344.prod.iphone (3.21.0)",
	} {
		v := c.Event(open(agent, home, time.Hour))
		assert.NotEqual(t, engagement.Machine, v.Actor, "%s: %s", agent, engagement.Sentences(v.Reasons))
	}
}

// Robots that name themselves in other ways than those of the lists.
func TestAgentsThatNameThemselves(t *testing.T) {
	t.Parallel()
	c := newClassifier(t)
	for _, agent := range []string{
		"Mozilla/5.0 (compatible; Frobnicator/2.1; +http://frob.test/about)",
		"Mozilla/5.0 (compatible; Frobnicator/2.1; +mailto:ops@frob.test)",
		"Frobnicator/2.1 (ops@frob.test)",
		"Frobnicator (http://frob.test/)",
		"Mozilla/5.0 (X11; Linux x86_64; scan@frob.test) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
		"Mozilla/5.0 (compatible; Frobnicator/2.1)",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; FrobBot/1.0) Chrome/119.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36 (compatible; Frobbot/2.1)",
		"FrobBot", "frob-crawler/1", "Frob Spider 2", "FROBSCANNER/1.1 (internal)", "MyBot2/0.1",
		"WhatsApp/2.23.20.0 A", "Google-HTTP-Java-Client/1.17.0-rc (gzip)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
		"Python/3.12 aiohttp/3.9.1", "Wget/1.24.5", "libcurl/8.5.0 r-curl/5.2.0 httr/1.4.7", "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "HTTPie/3.2.2",
		"node", "Viber", "Mozilla/5.0 (Windows NT; Windows NT 10.0; de-DE) WindowsPowerShell/5.1.19041.4522", "Java/21.0.2", "Mozilla/4.0 (compatible; Win32; WinHttp.WinHttpRequest.5)",
	} {
		for _, e := range []engagement.Event{open(agent, home, time.Hour), click(agent, home, 0, time.Hour)} {
			v := c.Event(e)
			assert.Equal(t, engagement.Machine, v.Actor, agent)
			assert.GreaterOrEqual(t, v.Confidence, engagement.Medium, agent)
		}
	}
}

// A user agent is a stranger's text: nothing in it may stop the classifier.
func FuzzUserAgent(f *testing.F) {
	for _, agent := range []string{"", "Mozilla/5.0", gmail, prefetch, "((((", "a)b(c", "(compatible", "@", "a@b.cd", strings.Repeat("(x ", 2000), "\xff\x00bot"} {
		f.Add(agent)
	}
	c, err := engagement.NewClassifier()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, agent string) {
		for _, kind := range []engagement.Kind{engagement.Open, engagement.Click} {
			v := c.Event(engagement.Event{Kind: kind, UserAgent: agent})
			require.NotEmpty(t, v.Reasons)
			require.False(t, v.Actor == engagement.Human && v.Confidence > engagement.High)
			// Case and space around it say nothing.
			require.Equal(t, v, c.Event(engagement.Event{Kind: kind, UserAgent: " " + agent + "\n"}))
		}
	})
}
