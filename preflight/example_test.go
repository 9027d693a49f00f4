package preflight_test

import (
	"fmt"

	"github.com/nylastrack/nylas-go/preflight"
)

func ExampleCheck() {
	report := preflight.Check(preflight.Mail{
		Body: `<p>Reply or <a href="https://acme.dev/demo">book a demo</a>.</p>
<p>Or <a href="http://acme.dev/">visit us</a>, or see <a href="https://example.com/">this</a>.</p>`,
		Recipients: []string{"kim@example.org"},
		Opens:      true,
		Links:      true,
	})
	for _, link := range report.Links {
		fmt.Printf("%d:%d %q: %s\n", link.Line, link.Column, link.Text, link.Status)
	}
	for _, finding := range report.Findings {
		fmt.Println(finding)
	}
	fmt.Println("refused:", report.Refused())
	// Output:
	// 1:13 "book a demo": eligible
	// 2:7 "visit us": unknown
	// 2:55 "this": eligible
	// 2:7: info: http-scheme: use https: whether Nylas tracks http is not documented
	// 2:55: error: denylisted-placeholder: Nylas rejects messages with tracked links to example.com: use a host of your own
	// refused: true
}

// Stop a mail that Nylas would reject, and say why.
func ExampleReport_Refused() {
	report := preflight.Check(preflight.Mail{Body: "<p>Thanks for trying us out.</p>", DomainName: "track.acme.dev"})
	if report.Refused() {
		fmt.Println(report.Findings[0].Message)
	}
	// Output:
	// replies do not use DomainName: leave it out, or switch Opens or Links on
}
