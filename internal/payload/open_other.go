//go:build !unix

package payload

// openNonblock is for named pipes among files, which only Unix has.
const openNonblock = 0
