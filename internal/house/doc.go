// Package house holds tests of the repository as a whole: which package may import
// which, whether the tests that docs/reports.md names exist, and whether docs/limits.md and
// docs/performance.md have every limit and every benchmark. CONTRIBUTING.md has the picture.
package house
