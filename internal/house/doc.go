// Package house holds tests of the repository as a whole: which package may import
// which, and whether the tests that docs/reports.md names exist. CONTRIBUTING.md has the
// picture.
package house
