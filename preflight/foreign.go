package preflight

import (
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
	// source is the vendor's page about the rewriting of links. Not every page names the
	// host: those that do not are known from links in public repositories.
	source string
}

// foreignHosts are link checkers, which rewrite the links of mail that is received, and
// the trackers of other senders. A tracker that runs on hosts of its customers cannot be
// known by its host.
var foreignHosts = []foreignHost{
	// Microsoft Defender for Office 365, Safe Links
	{domain: "safelinks.protection.outlook.com", source: "https://learn.microsoft.com/defender-office-365/safe-links-about"},
	{domain: "safelinks.protection.office365.us", source: "https://learn.microsoft.com/defender-office-365/safe-links-about"},
	// Proofpoint, URL Defense
	{domain: "urldefense.com", source: "https://www.proofpoint.com/us/resources/data-sheets/essentials-url-defense"},
	{domain: "urldefense.us", source: "https://www.proofpoint.com/us/resources/data-sheets/essentials-url-defense"},
	{domain: "urldefense.proofpoint.com", source: "https://www.proofpoint.com/us/resources/data-sheets/essentials-url-defense"},
	// Symantec (Broadcom) Email Security.cloud, Click-time URL Protection
	{domain: "clicktime.symantec.com", source: "https://knowledge.broadcom.com/external/article/163838"},
	// Mimecast, Targeted Threat Protection: protect-us.mimecast.com, url.uk.m.mimecastprotect.com
	{domain: "mimecast.com", label: "protect", path: "/s/", source: "https://community.mimecast.com/s/article/email-security-cloud-gateway-url-protect"},
	{domain: "mimecastprotect.com", source: "https://community.mimecast.com/s/article/email-security-cloud-gateway-url-protect"},
	// Barracuda Email Gateway Defense, Link Protection
	{domain: "linkprotect.cudasvc.com", source: "https://campus.barracuda.com/doc/49055519"},
	// Cisco Secure Email, URL filtering
	{domain: "secure-web.cisco.com", source: "https://www.cisco.com/c/en/us/support/docs/security/email-security-appliance/118775-technote-esa-00.html"},
	// Sophos, time-of-click protection: eu-central-1.protection.sophos.com
	{domain: "protection.sophos.com", source: "https://docs.sophos.com/msg/sea/help/en-us/msg/sea/tasks/DBRuleToC.html"},
	// Check Point Harmony Email (Avanan)
	{domain: "avanan.click", source: "https://sc1.checkpoint.com/documents/Harmony_Email_and_Collaboration"},
	{domain: "url-protection.com", label: "checkpoint", source: "https://sc1.checkpoint.com/documents/Harmony_Email_and_Collaboration"},
	// Trellix (FireEye)
	{domain: "protect2.fireeye.com", source: "https://docs.trellix.com"},

	{domain: "ct.sendgrid.net", source: "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/tracking"},
	{domain: "awstrack.me", source: "https://docs.aws.amazon.com/ses/latest/dg/configure-custom-open-click-domains.html"},
	{domain: "list-manage.com", path: "/track/", source: "https://mailchimp.com/help/enable-and-view-click-tracking/"},
	{domain: "mandrillapp.com", path: "/track/", source: "https://mailchimp.com/developer/transactional/docs/activity-reports/"},
	{domain: "hubspotlinks.com", source: "https://knowledge.hubspot.com/marketing-email"},
	{domain: "pstmrk.it", source: "https://postmarkapp.com/developer/user-guide/tracking-links"},
	{domain: "klclick.com", source: "https://help.klaviyo.com"},
	{domain: "rs6.net", source: "https://knowledgebase.constantcontact.com"},
	{domain: "intercom-clicks.com", source: "https://www.intercom.com/help"},
	{domain: "customeriomail.com", path: "/e/", source: "https://docs.customer.io/journeys/link-tracking/"},
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
	// source is a page that describes the attribute.
	source string
}

// noTrackAttributes have to be among those that package markup reads.
var noTrackAttributes = []noTrackAttribute{
	{"clicktracking", "off", "https://www.twilio.com/docs/sendgrid/ui/sending-email/disable-click-tracking"},
	{"data-pm-no-track", "", "https://postmarkapp.com/developer/user-guide/tracking-links"},
	{"ses:no-track", "", "https://docs.aws.amazon.com/ses/latest/dg/faqs-metrics.html"},
	{"disable-tracking", "", "https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages"},
	{"data-disable-tracking", "", "https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages"},
	{"data-msys-clicktrack", "0", "https://developers.sparkpost.com/api/template-language/"},
	{"mc:disable-tracking", "", "https://mailchimp.com/developer/transactional/docs/activity-reports/"},
	{"mautic:disable-tracking", "", "https://docs.mautic.org/en/channels/emails"},
	{"data-mautic-disable-tracking", "", "https://docs.mautic.org/en/channels/emails"},
	{"cm_dontconvertlink", "", "https://www.campaignmonitor.com/create/"},
	{"mb_dontconvertlink", "", "http://www.mailbuild.com/blog/2007/06/turning_off_link_tracking_and.html"},
	{"autotrack", "false", "https://support.messagegears.com/hc/en-us/articles/115002184768"},
	{"data-as-no-track", "", "https://cyso.cloud/docs/transactional-email-service/tracking-monitoring/click-tracking/"},
}

// noTrackClasses are classes with the same meaning: those of Customer.io and Marketo.
// https://docs.customer.io/journeys/link-tracking/
// https://experienceleague.adobe.com/docs/marketo/using/product-docs/email-marketing/general/functions-in-the-editor/disable-tracking-for-an-email-link.html
var noTrackClasses = []string{"untracked", "mktnotrack"}

// isExempted reports whether another system would not track an anchor.
func isExempted(scan *markup.Scanner) bool {
	for _, attribute := range noTrackAttributes {
		value, ok := scan.Attr(attribute.name)
		if !ok {
			continue
		}
		if attribute.value == "" && !strings.EqualFold(value, "false") || attribute.value != "" && strings.EqualFold(value, attribute.value) {
			return true
		}
	}
	classes, ok := scan.Attr("class")
	if !ok {
		return false
	}
	for _, class := range noTrackClasses {
		for has := range strings.FieldsSeq(classes) {
			if strings.EqualFold(has, class) {
				return true
			}
		}
	}
	return false
}
