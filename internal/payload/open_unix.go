//go:build unix

package payload

import "syscall"

// openNonblock makes opening a file return at once, whatever the file is. Reading
// a regular file is the same with it.
const openNonblock = syscall.O_NONBLOCK
