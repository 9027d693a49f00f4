// Package browser holds tests that open the pages of this repository in headless Chromium
// and use them as people do. They are a module of their own, so that nobody else loads what
// drives the browser.
package browser
