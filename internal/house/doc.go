// Package house holds one test: which package of this repository may import which.
// CONTRIBUTING.md has the picture.
package house
