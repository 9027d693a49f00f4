package preflight

// Code names a kind of finding. Codes do not change; later versions may add more.
type Code string

// The codes of findings about the whole mail.
const (
	// CodeTooManyLinks: Nylas tracks at most 100 links. This mail has more eligible ones
	// (error, refused), or more if the unknown ones count (warning).
	CodeTooManyLinks Code = "too-many-links"
	// CodePlaintextUntrackable: opens or links are to be tracked in a body that is plain
	// text or has no tags (error).
	CodePlaintextUntrackable Code = "plaintext-untrackable"
	// CodeDomainNameWithoutEffect: DomainName is set while Opens and Links are off
	// (error, refused).
	CodeDomainNameWithoutEffect Code = "domain-name-without-effect"
	// CodeDomainNameMalformed: DomainName is not a full hostname (error, refused).
	CodeDomainNameMalformed Code = "domain-name-malformed"
	// CodeLabelTooLong: Label has more than 2048 characters (error, refused).
	CodeLabelTooLong Code = "label-too-long"
	// CodeGmailClip: opens or links are to be tracked in a body of more than 102 kB.
	// Gmail cuts it off, surely with the last links and maybe with the pixel (warning).
	CodeGmailClip Code = "gmail-clip"
	// CodeGroupMail: there are several recipients, and Nylas does not say which of them
	// opened or clicked (info).
	CodeGroupMail Code = "group-mail"
	// CodeSelfRecipient: a sender is a recipient too (warning).
	CodeSelfRecipient Code = "self-recipient"
	// CodeInvalidUTF8: the body holds bytes that are not UTF-8. JSON cannot hold them, so
	// recipients see other characters instead (warning). The finding is at the
	// first of them.
	CodeInvalidUTF8 Code = "invalid-utf8"
	// CodeBodyIncomplete: a template or a signature adds to the body at Nylas, and that
	// part is not checked (info).
	CodeBodyIncomplete Code = "body-incomplete"
	// CodeConsentMissing: a consent policy switches a kind of tracking off (warning).
	// [Check] never reports it; the client's TrackingPolicy.Check adds it.
	CodeConsentMissing Code = "consent-missing"
)

// The codes of findings about a place in the body. Only [CodeTextHostMismatch] and
// [CodeForeignTrackingPresent] are reported while Mail.Links is off.
const (
	// CodeDenylistedPlaceholder: a link leads to example.com, which is on Nylas' list
	// of phishing and spam (error, refused), or to another name that is reserved for
	// examples and tests (warning).
	CodeDenylistedPlaceholder Code = "denylisted-placeholder"
	// CodeAnchorNoHref: an anchor has no href, so it is not a link (warning). An anchor
	// with a name or an id is a place to jump to and no finding. Neither is one with
	// a style and nothing of a link.
	CodeAnchorNoHref Code = "anchor-no-href"
	// CodeUnfilledPlaceholder: the target holds a placeholder such as {{url}} or __URL__, or
	// leads to TODO, which was to be replaced before the mail is sent (warning). If it is a
	// valid URI, Nylas tracks it like any other.
	CodeUnfilledPlaceholder Code = "unfilled-placeholder"
	// CodeBadURI: the target has control characters, white space or one of "<>\^`{|} in
	// it, or nothing behind its scheme, so it is not a valid URI (warning). It holds tags if
	// the quote behind it is missing. Or its port is 0 or above 65535, which browsers do not
	// follow, and Nylas says nothing about it (warning). Or it has
	// brackets, letters that are not ASCII, or a % that escapes nothing: no URI either,
	// but browsers take it, and Nylas says nothing about it (info). Path, query and
	// fragment follow the same rule.
	CodeBadURI Code = "bad-uri"
	// CodeInvisibleCharacter: the target holds a character that nobody sees, such as a
	// space without width, as it is or escaped (warning).
	CodeInvisibleCharacter Code = "invisible-character"
	// CodeUnsupportedScheme: the target is relative, or its scheme is not https, http,
	// mailto or tel (warning). A jump to a place in the mail, such as #top, is no finding.
	CodeUnsupportedScheme Code = "unsupported-scheme"
	// CodeHTTPScheme: the target is http, of which Nylas says nothing (info, once for a
	// mail).
	CodeHTTPScheme Code = "http-scheme"
	// CodeMailtoNoAddress: the target is mailto without an address, of which Nylas
	// says nothing (info).
	CodeMailtoNoAddress Code = "mailto-no-address"
	// CodeMailtoTelRewritten: Nylas replaces mailto and tel links too (info, once for a
	// mail).
	CodeMailtoTelRewritten Code = "mailto-tel-rewritten"
	// CodeURLUserinfo: the target has a user name or a password in it (warning).
	CodeURLUserinfo Code = "url-userinfo"
	// CodeURLSecret: the target seems to hold a secret. The secret would pass a redirect,
	// and scanners that follow links would use it up (warning). A secret is a value that
	// looks like one, in a parameter or a path whose name can mean one (code,
	// reset-password), or any value whose name means nothing else (access_token). Values
	// that look random in other places are none, and neither is the signature of a
	// redirect.
	CodeURLSecret Code = "url-secret"
	// CodeUnsubscribeTracked: a link to unsubscribe is tracked, and Nylas cannot exempt
	// one link (warning).
	CodeUnsubscribeTracked Code = "unsubscribe-tracked"
	// CodeTextIsURL: the text of a tracked link contains a URL or a host. The link will
	// lead elsewhere, and mail clients warn about that (warning).
	CodeTextIsURL Code = "text-is-url"
	// CodeTextHostMismatch: the text of a link contains a URL or a host of another owner
	// than its target, before any tracking. Phishing looks like that (error). Hosts of
	// one registrable domain, such as www.acme.dev and acme.dev, have the same owner.
	CodeTextHostMismatch Code = "text-host-mismatch"
	// CodeInNoscript: a link is in a noscript element. Mail clients show it, and Nylas
	// says nothing about it (info).
	CodeInNoscript Code = "in-noscript"
	// CodeNestedOrUnclosedAnchor: an anchor begins inside another one, has no end, or
	// overlaps another element, as in <a><b></a></b>. Programs repair that in different
	// ways (warning).
	CodeNestedOrUnclosedAnchor Code = "nested-or-unclosed-anchor"
	// CodeUnclosedElement: an element such as textarea or style, a comment or a tag is never
	// closed, so that browsers take the rest of the body for text or leave it out
	// (warning). The links in it are listed as [StatusUnknown].
	CodeUnclosedElement Code = "unclosed-element"
	// CodeNotAnAnchor: something can be clicked that is not an anchor, and its clicks are
	// not seen: a URL in the text, area, form, base, or a link in a comment for Outlook
	// (info). A link for Outlook is no finding if the anchor before or behind the comment
	// has the same target.
	CodeNotAnAnchor Code = "not-an-anchor"
	// CodeNoTrackAttribute: an attribute by which other systems exempt a link does
	// nothing at Nylas (warning).
	CodeNoTrackAttribute Code = "no-track-attribute"
	// CodeForeignTrackingPresent: a link or an image leads to a tracking host of Nylas or
	// of another sender, or to a link checker. It was copied from a received mail, and what happens is counted
	// there (error). Nylas does not wrap its own tracked links again, so they are skipped.
	CodeForeignTrackingPresent Code = "foreign-tracking-present"
	// CodeDuplicateURL: an earlier link has the same target (info, once for a mail).
	CodeDuplicateURL Code = "duplicate-url"
)
