package preflight

import (
	"maps"
	"slices"
	"strings"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// foreignHost is a host that a link or an image only has after it was tracked or checked
// on the way of another message.
type foreignHost struct {
	// domain is the host, or what its name ends with.
	domain string
	// label is how the first part of the name begins. It is empty if all names under
	// domain are meant.
	label string
	// path is how the path begins. It is empty if all of the host is meant.
	path string
	// source is a page that names the host or describes the rewriting of links, or
	// publicLinks.
	source string
}

// publicLinks is the source of hosts that no page was found to name. Links in public
// repositories and mailing lists lead there.
const publicLinks = "links in public repositories and mailing lists"

// foreignHosts are link checkers, which rewrite the links of mail that is received, and
// the trackers of other senders. A tracker on hosts of its customers cannot be known.
var foreignHosts = []foreignHost{
	// Microsoft Defender for Office 365, Safe Links, and the same for governments and in China
	{domain: "safelinks.protection.outlook.com", source: "https://learn.microsoft.com/en-us/defender-office-365/safe-links-about"},
	{domain: "safelinks.protection.office365.us", source: publicLinks},
	{domain: "safelinks.protection.outlook.cn", source: publicLinks},
	// Proofpoint, URL Defense
	{domain: "urldefense.com", source: "https://www.proofpoint.com/us/resources/data-sheets/essentials-url-defense"},
	{domain: "urldefense.us", source: "https://www.proofpoint.com/us/resources/data-sheets/essentials-url-defense"},
	{domain: "urldefense.proofpoint.com", source: "https://www.proofpoint.com/us/resources/data-sheets/essentials-url-defense"},
	// Symantec Email Security.cloud, Click-time URL Protection
	{domain: "clicktime.symantec.com", source: "https://knowledge.broadcom.com/external/article/163838"},
	// Mimecast, URL Protect: the first until 2024
	{domain: "mimecast.com", label: "protect", path: "/s", source: "https://support.gordonconwell.edu/support/solutions/articles/22000065022"},
	{domain: "mimecastprotect.com", source: "https://mimecastsupport.zendesk.com/hc/en-us/articles/34000364820371"},
	// Barracuda Email Gateway Defense, Link Protection
	{domain: "linkprotect.cudasvc.com", source: "https://campus.barracuda.com/doc/49055519"},
	// Cisco Secure Email, URL filtering
	{domain: "secure-web.cisco.com", source: "https://www.cisco.com/c/en/us/support/docs/security/email-security-appliance/118775-technote-esa-00.html"},
	// Sophos Email, Time of Click URL Protection
	{domain: "protection.sophos.com", source: "https://docs.sophos.com/central/Customer/help/en-us/ManageYourProducts/EmailSecurity/EmailSecurityPolicy/EmailURLProtection/index.html"},
	// Avanan and Check Point Harmony Email, Click-Time Protection
	{domain: "url.avanan.click", source: "https://www.avanan.com/product-updates/click-time-url-format-change"},
	{domain: "protect.checkpoint.com", path: "/v2/", source: "https://blog.checkpoint.com/product-updates/click-time-protection-replaced-url-domain-change"},
	{domain: "url-protection.com", path: "/v1/", source: publicLinks},
	// Trustwave, Blended Threat Module, and LinkScan
	{domain: "scanmail.trustwave.com", source: "https://community.sophos.com/sophos-email/f/recommended-reads/133194/sophos-email-sophos-time-of-click-microsoft-safelinks-and-similar-url-re-writing-technologies-can-cause-error"},
	{domain: "linkscan.io", path: "/scan/", source: "https://help.clouduss.com/ems-knowledge-base/link-scan-on-demand-url-protection"},
	// FireEye, now Trellix
	{domain: "protect2.fireeye.com", source: publicLinks},

	// Trackers: SendGrid, Amazon SES, Postmark, Mailchimp with Mandrill, Klaviyo, HubSpot,
	// Constant Contact
	{domain: "ct.sendgrid.net", source: publicLinks},
	{domain: "awstrack.me", source: publicLinks},
	{domain: "pstmrk.it", source: "https://postmarkapp.com/developer/user-guide/tracking-links"},
	{domain: "list-manage.com", path: "/track/", source: publicLinks},
	{domain: "mandrillapp.com", path: "/track/", source: publicLinks},
	{domain: "klclick.com", source: "https://community.klaviyo.com/campaigns-flows-and-sms-30/why-do-my-campaign-urls-say-trk-klclick-com-221"},
	{domain: "hubspotlinks.com", source: publicLinks},
	{domain: "rs6.net", source: publicLinks},
}

// foreignByDomain are the foreignHosts by their domain.
var foreignByDomain = func() map[string][]foreignHost {
	hosts := make(map[string][]foreignHost)
	for _, host := range foreignHosts {
		hosts[host.domain] = append(hosts[host.domain], host)
	}
	return hosts
}()

// maxForeignParts is how many parts the longest name of foreignHosts has.
const maxForeignParts = 4

// isForeign reports whether a link leads to a host that a link or an image only has after
// it was tracked or checked on the way of another message.
func (s *bodyScan) isForeign(host, path string) bool {
	return s.isForeignHost(host, func(foreign foreignHost) bool { return strings.HasPrefix(path, foreign.path) })
}

// isForeignImage is isForeign for images. There is no other on those hosts than pixels,
// whatever the path.
func (s *bodyScan) isForeignImage(host string) bool {
	return s.isForeignHost(host, func(foreignHost) bool { return true })
}

func (s *bodyScan) isForeignHost(host string, hasPath func(foreignHost) bool) bool {
	if host == "" {
		return false
	}
	if markup.IsNylasTrackingHost(host) || host == markup.NormalHost(s.mail.DomainName) {
		return true
	}
	end := len(host)
	for range maxForeignParts {
		end = strings.LastIndexByte(host[:end], '.')
		for _, foreign := range foreignByDomain[host[end+1:]] {
			if strings.HasPrefix(host, foreign.label) && hasPath(foreign) {
				return true
			}
		}
		if end < 0 {
			return false
		}
	}
	return false
}

// noTrackAttribute is an attribute by which another system leaves a link as it is.
type noTrackAttribute struct {
	name string
	// value is the one that does so. If it is empty, any but false does.
	value string
	// source is a page that describes the attribute, or publicLinks.
	source string
}

// noTrackAttributes are attributes by which other systems do not track a link.
var noTrackAttributes = []noTrackAttribute{
	{"clicktracking", "off", "https://docs.sendgrid.com/ui/analytics-and-reporting/click-tracking-html-best-practices"},
	{"data-pm-no-track", "", "https://postmarkapp.com/developer/user-guide/tracking-links"},
	{"ses:no-track", "", "https://docs.aws.amazon.com/ses/latest/dg/faqs-metrics.html"},
	{"disable-tracking", "", "https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages"},
	{"data-msys-clicktrack", "0", "https://developers.sparkpost.com/api/template-language/"},
	{"mc:disable-tracking", "", publicLinks},                        // Mandrill
	{"mautic:disable-tracking", "", "https://docs.mautic.org"},      // Mautic
	{"data-mautic-disable-tracking", "", "https://docs.mautic.org"}, // Mautic
	{"data-disable-tracking", "", "https://github.com/ankane/ahoy_email"},
	{"cm_dontconvertlink", "", publicLinks}, // Campaign Monitor
	{"mb_dontconvertlink", "", "http://www.mailbuild.com/blog/2007/06/turning_off_link_tracking_and.html"},
	{"autotrack", "false", "https://support.messagegears.com/hc/en-us/articles/115002184768"},
	{"data-as-no-track", "", "https://cyso.cloud/docs/transactional-email-service/tracking-monitoring/click-tracking/"},
}

// noTrackClasses are classes with the same meaning: those of Customer.io and Marketo.
// http://learn.customer.io/documentation/link-tracking.html
// https://nation.marketo.com/message/102269
var noTrackClasses = []string{"untracked", "mktnotrack"}

// noTrackByName are the noTrackAttributes by their name.
var noTrackByName = func() map[string]noTrackAttribute {
	attributes := make(map[string]noTrackAttribute)
	for _, attribute := range noTrackAttributes {
		attributes[attribute.name] = attribute
	}
	return attributes
}()

// noTrackNames are the attributes that an anchor can be exempted by.
var noTrackNames = append(slices.Collect(maps.Keys(noTrackByName)), "class")

// isExempted reports whether another system would not track an anchor.
func isExempted(scan *markup.Scanner) bool {
	for _, attr := range scan.Attrs(noTrackNames...) {
		if attr.Name == "class" {
			if isNoTrackClass(attr.Value) {
				return true
			}
			continue
		}
		switch noTrack := noTrackByName[attr.Name]; {
		case noTrack.value == "" && !strings.EqualFold(attr.Value, "false"), noTrack.value != "" && strings.EqualFold(attr.Value, noTrack.value):
			return true
		}
	}
	return false
}

func isNoTrackClass(classes string) bool {
	for class := range strings.FieldsSeq(classes) {
		if slices.ContainsFunc(noTrackClasses, func(noTrack string) bool { return strings.EqualFold(class, noTrack) }) {
			return true
		}
	}
	return false
}
