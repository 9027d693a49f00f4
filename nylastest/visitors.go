package nylastest

import "net/netip"

// The networks that behaviours act from.
var (
	// https://www.rfc-editor.org/rfc/rfc5737 and https://www.rfc-editor.org/rfc/rfc3849
	homes  = []string{"203.0.113.0/24", "2001:db8::/32"}
	clouds = []string{"198.51.100.0/24"}
	// What Apple publishes as the egress of Mail Privacy Protection and iCloud Private Relay
	// lies within these.
	// https://mask-api.icloud.com/egress-ip-ranges.csv
	appleEgress = []string{"172.224.0.0/16", "172.225.0.0/16", "104.28.0.0/16", "2a02:26f7::/32"}
	// https://www.gstatic.com/ipranges/goog.json
	googleProxies = []string{"66.102.0.0/20", "66.249.80.0/20", "64.233.160.0/19", "74.125.0.0/16"}
	yahooProxies  = []string{"98.137.0.0/16", "67.195.0.0/16"}
	// https://learn.microsoft.com/microsoft-365/enterprise/urls-and-ip-address-ranges
	microsoftProtection = []string{"40.107.0.0/16", "104.47.0.0/17", "52.100.0.0/14", "40.92.0.0/15"}
	// Where reports saw Safe Links check links from, outside the networks of protection.
	// https://github.com/edalzell/laravel-passwordless-login/issues/79
	// https://github.com/opencollective/opencollective/issues/3656
	microsoftCloud = []string{"20.72.100.79/32", "40.94.16.0/24", "40.94.29.84/32", "57.155.170.0/24"}
	// https://campus.barracuda.com/product/sentinel/doc/498468311/unwanted-link-clicks
	barracuda = []string{"209.222.82.0/24", "35.157.190.224/27", "18.185.115.192/26", "3.24.133.128/25"}
)

// senderNetwork is the network of the sender's office.
const senderNetwork = "192.0.2.0/24"

// SenderNetwork returns the network that [Sender] acts from, for classifiers that are to know
// the networks of the sender.
func SenderNetwork() netip.Prefix { return netip.MustParsePrefix(senderNetwork) }

// The agents of people, programs and machines: real ones, as pixels and links have seen them.
var (
	browserAgents = []string{
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/104.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
	}
	appleMailAgents = []string{ // without privacy protection
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)",
		"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)",
	}
	phoneAgents = []string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
	}
	outlookAgents = []string{
		"Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.16327; Pro)",
		"Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
		"MacOutlook/16.46.21021202 (Intelx64 Mac OS X 11.2.2 (Build 20D80))",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36 Edg/117.0.2045.47 OneOutlook/1.2023.927.100",
	}
	safeLinksAgents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/97.0.4692.99 Safari/537.36",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/72.0.3626.109 Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/119.0.0.0 Safari/537.36",
		"",
	}
	previewAgents = []string{
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
		"LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview) Chrome/100.0.4896.127 Safari/537.36",
	}
)

const (
	privacyAgent  = "Mozilla/5.0"
	prefetchAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
	gmailAgent    = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
	yahooAgent    = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
	sentinelAgent = "Barracuda Sentinel (EE)"
)
