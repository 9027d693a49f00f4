package markup_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/internal/markup"
)

func TestHostOf(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"https://acme.dev/x": "acme.dev", "HTTP://ACME.dev.:80?x": "acme.dev", "//acme.dev#x": "acme.dev", "\thttps:\\\\acme.dev\\x": "acme.dev",
		"https://ac\nme.dev": "acme.dev", "https://kim:pw@acme.dev": "acme.dev", "https://acme%2edev": "acme.dev", "http://[::1]:80/": "::1",
		"": "", "acme.dev": "", "/acme.dev": "", "ftp://acme.dev": "", "data:text/html,//acme.dev": "", "https:///": "", "cid:x": "",
	} {
		assert.Equal(t, want, markup.HostOf(rawURL), rawURL)
	}
	assert.True(t, markup.IsWithin("acme.dev", "acme.dev"))
	assert.True(t, markup.IsWithin("www.acme.dev", "acme.dev"))
	assert.False(t, markup.IsWithin("notacme.dev", "acme.dev"))
	assert.False(t, markup.IsWithin("acme.dev", "www.acme.dev"))
}

func TestIsNylasTrackingHost(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"tracking.us.nylas.com", "tracking.eu.nylas.com", "usw2.nyl.as", "euw1.nyl.as", "t.nylas.com", "euw1.t.nylas.com"} {
		assert.True(t, markup.IsNylasTrackingHost(host), host)
	}
	for _, host := range []string{"", "nylas.com", "developer.nylas.com", "x.t.nylas.com", "nyl.as"} {
		assert.False(t, markup.IsNylasTrackingHost(host), host)
	}
}

func TestLoadsFrom(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]bool{
		`<img src="//a.dev/1">`: true, `<image src="https://A.dev">`: true, `<img srcset="x 1x, //a.dev 2x">`: true, `<img srcset="x (, y),//a.dev">`: true,
		`<img>`: false, `<img src="//b.dev">`: false, `<img srcset="x (, //a.dev">`: false, `<img srcset=",,">`: false, `<source src="//a.dev">`: false, `<a href="//a.dev">`: false,
	} {
		scan := markup.New([]byte(tag))
		assert.True(t, scan.Next())
		assert.Equal(t, want, markup.LoadsFrom(scan, func(host string) bool { return host == "a.dev" }), tag)
	}
}

func TestShownHosts(t *testing.T) {
	t.Parallel()
	target, err := url.Parse("https://acme.dev/files/Logo.ai")
	require.NoError(t, err)
	for text, want := range map[string][]string{
		"acme.dev, a service of bank.com": {"acme.dev", "bank.com"}, "https://kim@bank.com:80/": {"bank.com"}, "„ba\u00adnk.com“": {"bank.com"},
		"请访问www.bank.com吧": {"www.bank.com"}, "http://192.0.2.1/ and more": {"192.0.2.1"}, "www.bank.com/of…": {"www.bank.com"}, "Bank.Com now": {"bank.com"},
		"": nil, "words": nil, "kim@bank.com": nil, "logo.ai": nil, "README.md": nil, "ASP.NET": nil, "today.It costs 3.50": nil, "www.acme…": nil, "www.": nil,
	} {
		assert.Equal(t, want, slices.Collect(markup.ShownHosts(text, target)), text)
	}
	for range markup.ShownHosts("a.dev b.dev", target) {
		break // which the iterator has to bear
	}
}

func TestRelated(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][2]string{
		{"acme.dev", "www.acme.dev"}, {"a.acme.co.uk", "b.acme.co.uk"}, {"bücher.de", "xn--bcher-kva.de"}, {"192.0.2.1", "192.0.2.1"},
	} {
		assert.True(t, markup.Related(hosts[0], hosts[1]), hosts)
	}
	for _, hosts := range [][2]string{
		{"acme.dev", "acme.io"}, {"acme.co.uk", "evil.co.uk"}, {"kim.github.io", "evil.github.io"}, {"192.0.2.1", "198.51.2.1"}, {"bücher.de", "acme.dev"},
	} {
		assert.False(t, markup.Related(hosts[0], hosts[1]), hosts)
	}
}
