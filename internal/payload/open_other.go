//go:build !unix

package nylas

// openNonblock is for named pipes among files, which only Unix has.
const openNonblock = 0
