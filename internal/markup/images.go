package markup

import (
	"iter"
	"net/url"
	"strings"

	"golang.org/x/net/html/atom"
)

// LoadsFrom reports whether the current token of a scan is an image that may load
// something from a wanted host.
func LoadsFrom(scan *Scanner, wanted func(host string) bool) bool {
	switch scan.StartTag() {
	case atom.Img, atom.Image: // the second is read as the first
	default:
		return false
	}
	src, _ := scan.Attr("src")
	if host := HostOf(src); host != "" && wanted(host) {
		return true
	}
	srcset, _ := scan.Attr("srcset")
	for candidate := range candidates(srcset) {
		if host := HostOf(candidate); host != "" && wanted(host) {
			return true
		}
	}
	return false
}

// IsEmulatorPixel reports whether the current token of a scan is a pixel of package
// nylastest.
func IsEmulatorPixel(scan *Scanner) bool {
	if scan.StartTag() != atom.Img {
		return false
	}
	src, _ := scan.Attr("src")
	if !strings.Contains(src, EmulatorPixelPath) || HostOf(src) == "" {
		return false
	}
	u, err := url.Parse(Trim(src))
	return err == nil && strings.HasPrefix(u.Path, EmulatorPixelPath)
}

// candidates returns the URLs of a srcset.
// https://html.spec.whatwg.org/multipage/images.html#parsing-a-srcset-attribute
func candidates(srcset string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			srcset = strings.TrimLeft(srcset, Space+",")
			if srcset == "" {
				return
			}
			end := strings.IndexAny(srcset, Space)
			if end < 0 {
				end = len(srcset)
			}
			candidate := srcset[:end]
			srcset = srcset[end:]
			trimmed := strings.TrimRight(candidate, ",")
			if !yield(trimmed) {
				return
			}
			if trimmed == candidate {
				srcset = srcset[descriptorsLength(srcset):]
			}
		}
	}
}

// descriptorsLength returns how long what stands behind the URL of a candidate is:
// up to a comma that is not in brackets.
func descriptorsLength(srcset string) int {
	inBrackets := false
	for i := range len(srcset) {
		switch c := srcset[i]; {
		case c == '(':
			inBrackets = true
		case c == ')':
			inBrackets = false
		case c == ',' && !inBrackets:
			return i
		}
	}
	return len(srcset)
}
