package dashboard

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"

	parser "golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/nylastrack/nylas-go/internal/markup"
)

// maxLayers is how often a value is decoded: a target in the query of a target in the query of
// a link needs three. It is our choice. A value with more layers is taken for a tracked one.
const maxLayers = 8

// checkShown reads a body by the rules of HTML, which know more than a scan: inside svg, for
// instance, the text of a style element is read as tags. It reports whether no attribute of
// any element mentions tracking, and otherwise returns the text of the body.
func checkShown(body string, hosts []string) (text string, ok bool) {
	root, err := parser.ParseWithOptions(strings.NewReader(body), parser.ParseOptionEnableScripting(false))
	if err == nil && !holdsTracking(root, hosts) {
		return "", true
	}
	var out strings.Builder
	around := atom.Atom(0)
	for scan := markup.New([]byte(body)); scan.Next(); around = scan.StartTag() {
		if scan.Token() == parser.TextToken && around != atom.Style && around != atom.Script {
			out.Write(scan.Text())
		}
	}
	return out.String(), false
}

func holdsTracking(root *parser.Node, hosts []string) bool {
	for node := range root.Descendants() {
		for _, a := range node.Attr {
			custom := hosts
			if node.DataAtom == atom.A && a.Key == "href" {
				custom = nil // the host may have other pages: only the path tells
			}
			if mentionsTracking(a.Val, custom) {
				return true
			}
		}
	}
	return false
}

var (
	// trackedPaths are the paths of trackedLink and those of package nylastest, also with
	// segments that a browser removes, such as "x/..".
	trackedPaths = regexp.MustCompile(`/l/(.*/)?[0-9a-f]{32}/(.*/)?[0-9]+/(.*/)?[0-9a-f]{64}|/nylastest/(.*/)?(link|pixel)/`)
	escaped      = regexp.MustCompile(`%[0-9a-f]{2}`)
	// anyHost is the host of a URL that stands anywhere in a text.
	anyHost = regexp.MustCompile(`(?:https?:/*|//)([^/?#; ]*)`)
)

// mentionsTracking reports whether the value of an attribute has a host of Nylas' tracking,
// one of the custom hosts, or the path of a tracked link or a pixel anywhere in it, in any form
// that a browser understands.
func mentionsTracking(value string, custom []string) bool {
	for range maxLayers {
		value = normal(value)
		for host := range strings.FieldsFuncSeq(value, endsHost) {
			host = strings.Trim(host, ".")
			if markup.IsNylasTrackingHost(host) || slices.Contains(custom, host) {
				return true
			}
		}
		if trackedPaths.MatchString(value) {
			return true
		}
		for _, found := range anyHost.FindAllStringSubmatch(value, -1) {
			if strings.ContainsFunc(found[1], becomesASCII) {
				return true
			}
		}
		decoded := html.UnescapeString(value) // srcdoc is HTML again
		decoded = escaped.ReplaceAllStringFunc(decoded, func(code string) string {
			return string([]byte{unhex(code[1])<<4 | unhex(code[2])})
		})
		if decoded == value {
			return false
		}
		value = decoded
	}
	return true
}

// normal writes a URL as a browser reads it.
// https://url.spec.whatwg.org/#concept-basic-url-parser
func normal(value string) string {
	return strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(unicode.ToUpper(r)); { // both: U+017F is an s
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r):
			return -1
		case r == '\\':
			return '/'
		case r == '\u3002', r == '\uff61': // full stops
			return '.'
		case '\uff01' <= r && r <= '\uff5e': // ASCII, full width
			return unicode.ToLower(r - 0xfee0)
		default:
			return r
		}
	}, value)
}

// endsHost reports whether a rune cannot be in a host of tracking.
func endsHost(r rune) bool {
	return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

// becomesASCII reports whether a browser may write a rune of a host as ASCII, such as a
// letter in bold or in a circle. Letters of other languages stay what they are.
// https://www.unicode.org/reports/tr46/#IDNA_Mapping_Table
func becomesASCII(r rune) bool {
	if r <= unicode.MaxASCII {
		return false
	}
	return r == 'ª' || r == 'º' || unicode.In(r, unicode.Lm, unicode.So, unicode.No, unicode.Nl) ||
		unicode.Is(unicode.Common, r) && unicode.IsLetter(r)
}

func unhex(digit byte) byte {
	if digit >= 'a' {
		return digit - 'a' + 10
	}
	return digit - '0'
}
