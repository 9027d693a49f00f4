// Package readme holds the Go code that README.md and the pages of docs show, so that all of
// it is compiled and run. A whole program is a main.go in a folder of its own. A part of
// one stands between the lines
//
//	// readme:begin NAME
//	// readme:end
//
// anywhere in this folder. Change the code here, and copy it to the page: the test
// compares them.
package readme
