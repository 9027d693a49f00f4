package preflight_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go/preflight"
)

func TestCheckOfInvalidUTF8(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		"<p>Gr\xf6\xdfe":               {"warning invalid-utf8 1:6"},
		"<p>ü\n日\xff":                  {"warning invalid-utf8 2:2"},
		"<p title='\xc3'>\xed\xa0\x80": {"warning invalid-utf8 1:11"},
		"<p>Größe \ufffd &#0;":         {},
	} {
		report := preflight.Check(tracked(body))
		assert.Equal(t, want, found(report.Findings), body)
	}
	report := preflight.Check(tracked("<p>\xf6<a href='https://acme.dev/'>x</a>\xdf\xff"))
	require.Len(t, report.Findings, 1)
	assert.Equal(t, 3, report.Findings[0].Count)
	assert.Contains(t, report.Findings[0].Message, "(3 bytes)")

	// Nothing has to be tracked for it, and plain text can have it too.
	for _, mail := range []preflight.Mail{{Body: "a\xff"}, {Body: "a\xff", Plaintext: true}} {
		assert.Equal(t, []string{"warning invalid-utf8 1:2"}, found(preflight.Check(mail).Findings))
	}
}

// What a browser takes for text may be links to other programs.
func TestCheckOfUnclosedElements(t *testing.T) {
	t.Parallel()
	const anchor = `<a href="https://acme.dev/1">x</a>`
	for _, tag := range []string{"textarea", "title", "style", "script", "iframe", "noembed", "noframes", "xmp", "plaintext", "TEXTAREA", "!--"} {
		body := "<p>" + anchor + "\n<" + tag + " a>b" + `<a href="https://acme.dev/2">2</a> <a href="/3">3</a> <a href="http://acme.dev/4">4</a>`
		report := preflight.Check(tracked(body))
		require.Len(t, report.Links, 4, tag)
		assert.Equal(t, preflight.Link{Line: 1, Column: 4, Text: "x", Target: "https://acme.dev/1", Status: preflight.StatusEligible}, report.Links[0], tag)
		column := len("<") + len(tag) + len(" a>b") + 1
		assert.Equal(t, preflight.Link{
			Line: 2, Column: column, Text: "2", Target: "https://acme.dev/2", Status: preflight.StatusUnknown, Reason: preflight.CodeUnclosedElement,
		}, report.Links[1], tag)
		assert.Equal(t, preflight.StatusSkipped, report.Links[2].Status, tag)
		assert.Equal(t, preflight.CodeUnclosedElement, report.Links[3].Reason, tag)
		assert.Equal(t, 1, count(codesOf(report), preflight.CodeUnclosedElement), tag)
		assert.Equal(t, 1, report.Eligible, tag)
		assert.Equal(t, 2, report.Unknown, tag)
	}
	// An element that ends holds no links, and its text is none.
	for _, body := range []string{
		"<p><textarea>" + anchor + "</textarea>", "<style>a{}</style>", "<p><!-- " + anchor + " -->", "<!-->x", "<p><!-- x --!>", "<p>x<textarea>", "<style></style>",
		"<!DOCTYPE html>", "<?php x", "<![if mso]>",
	} {
		report := preflight.Check(tracked(body))
		assert.Empty(t, report.Links, body)
		assert.NotContains(t, codesOf(report), preflight.CodeUnclosedElement, body)
	}
	// A quote is missing, and the tag has no end.
	for _, tag := range []string{`<a href="https://acme.dev/2>`, `<img alt="x>`, `<p class='x`, `<p
 id="a`, `<style title="x>`} {
		body := "<p>" + anchor + "</p>\n" + tag + ` y</a><br><a href=https://acme.dev/3>3</a><a href=/4>4</a>`
		report := preflight.Check(tracked(body))
		require.Len(t, report.Links, 3, tag)
		assert.Equal(t, preflight.StatusEligible, report.Links[0].Status, tag)
		assert.Equal(t, "https://acme.dev/3", report.Links[1].Target, tag)
		assert.Equal(t, preflight.StatusUnknown, report.Links[1].Status, tag)
		assert.Equal(t, preflight.CodeUnclosedElement, report.Links[1].Reason, tag)
		assert.Equal(t, preflight.StatusSkipped, report.Links[2].Status, tag)
		require.NotEmpty(t, report.Findings, tag)
		assert.Equal(t, "warning unclosed-element 2:1", found(report.Findings)[0], tag)
		assert.Contains(t, report.Findings[0].Message, "quote", tag)
	}
	for body, want := range map[string][]string{
		"<p>x</p><a ":                    {"warning unclosed-element 1:9"},
		"<p>x</p><p title='>":            {"warning unclosed-element 1:9"},
		`<p>x</p><p title="><p title='>`: {"warning unclosed-element 1:9"},
		"<p>1 < 2 <3</p><":               {},
	} {
		assert.Equal(t, want, found(preflight.Check(tracked(body)).Findings), body)
	}
	assert.Empty(t, preflight.Check(preflight.Mail{Body: "<p>x</p><a "}).Findings, "nothing is tracked")
	// What is in it is read as if it were not there.
	for body, want := range map[string]string{
		"<style><style><!-- <textarea>www.acme.dev " + anchor + "</textarea></title>": "warning unclosed-element 1:1",
		"<!-- <style>url(https://acme.dev/x)<!-- <textarea>" + anchor + "</textarea>": "warning unclosed-element 1:1",
		"<textarea> <!-- " + anchor + " --><!--" + anchor:                             "warning unclosed-element 1:1",
	} {
		report := preflight.Check(tracked(body))
		assert.Equal(t, []string{want}, found(report.Findings))
		assert.Len(t, report.Links, 1)
	}
}
